//! Follows the log files while they are written, and reads every line before retention deletes it.

use crate::canary::Watcher;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// What was seen of one process's lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Lines that are events, without those that tell a loss.
    pub(crate) lines: u64,
    /// Lines that are told as lost.
    pub(crate) told: u64,
    /// Lines that are none.
    pub(crate) wrong: Vec<String>,
    /// Events by kind.
    pub(crate) kinds: BTreeMap<String, u64>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    lives: HashMap<u32, Seen>,
    /// Files that were begun.
    pub(crate) files: u64,
    pub(crate) compressed: u64,
    /// The most that all files took at once, in bytes.
    pub(crate) largest: u64,
    /// Calls that stand there twice.
    pub(crate) twice: Vec<String>,
    /// Calls that failed.
    pub(crate) failures: u64,
    /// How often each alert rang in each process.
    pub(crate) alerts: BTreeMap<String, BTreeMap<u32, u64>>,
    calls: HashSet<String>,
    /// By their names: a folder may be moved.
    open: HashMap<OsString, Followed>,
    done: HashSet<OsString>,
}

/// How often a file is looked at after it is gone: its writer notices only when it has written some more.
const LOOKS_AFTER: u32 = 200;

#[derive(Debug)]
struct Followed {
    path: PathBuf,
    file: File,
    offset: u64,
    pid: u32,
    /// Looks since it is gone in which it had not grown.
    quiet: u32,
}

/// Where the folder of the logs is moved to by the fault that takes it away, for us to read and to remove.
pub(crate) fn taken(folder: &Path) -> PathBuf {
    folder.with_extension("taken")
}

impl Logs {
    /// What a process has written, by its number.
    pub(crate) fn of_life(&self, pid: u32) -> Seen {
        self.lives.get(&pid).cloned().unwrap_or_default()
    }

    /// Lines of all processes, and how many of them were none.
    pub(crate) fn so_far(&self) -> (u64, usize) {
        let lives = self.lives.values();
        lives.fold((0, 0), |sum, seen| {
            (sum.0 + seen.lines, sum.1 + seen.wrong.len())
        })
    }

    /// Looks at the folder and reads on. Canaries and the bytes that were searched go to the caller.
    pub(crate) fn follow(&mut self, folder: &Path, watcher: &Watcher) -> (Vec<String>, u64) {
        let mut found = (Vec::new(), 0);
        let taken = taken(folder);
        if taken.exists() {
            self.look(&taken, watcher, &mut found);
            // What is open is read on.
            let _ = fs::remove_dir_all(&taken);
        }
        let total = self.look(folder, watcher, &mut found);
        self.largest = self.largest.max(total);
        let names: Vec<_> = self.open.keys().cloned().collect();
        for name in names {
            self.read(&name, watcher, &mut found);
        }
        found
    }

    /// Opens what is new in a folder; gives the bytes of all files there.
    fn look(&mut self, folder: &Path, watcher: &Watcher, found: &mut (Vec<String>, u64)) -> u64 {
        let mut total = 0;
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let size = entry.metadata().map_or(0, |meta| meta.len());
            total += size;
            if path.extension().is_some_and(|end| end == "jsonl") {
                self.open(&path);
            } else if path.extension().is_some_and(|end| end == "zst")
                && self.done.insert(entry.file_name())
            {
                self.compressed += 1;
                self.unseen(&path, watcher, found);
            }
        }
        total
    }

    fn open(&mut self, path: &Path) {
        let name = path.file_name().unwrap_or_default();
        if self.done.contains(name) || self.open.contains_key(name) {
            return;
        }
        let (Ok(file), Some(pid)) = (File::open(path), pid(path)) else {
            return;
        };
        self.files += 1;
        self.open.insert(
            name.to_owned(),
            Followed {
                path: path.to_owned(),
                file,
                offset: 0,
                pid,
                quiet: 0,
            },
        );
    }

    /// A file that was compressed before we had a look at it.
    fn unseen(&mut self, path: &Path, watcher: &Watcher, found: &mut (Vec<String>, u64)) {
        let plain = path.with_extension("");
        let name = plain.file_name().unwrap_or_default();
        if self.done.contains(name) || self.open.contains_key(name) {
            return;
        }
        let bytes = File::open(path).and_then(zstd::decode_all);
        if let (Ok(bytes), Some(pid)) = (bytes, pid(&plain)) {
            self.files += 1;
            self.done.insert(name.to_owned());
            self.lines(pid, &bytes, watcher, found);
        }
    }

    fn read(&mut self, name: &OsStr, watcher: &Watcher, found: &mut (Vec<String>, u64)) {
        let Some(followed) = self.open.get_mut(name) else {
            return;
        };
        // Looked at before reading: what is removed is read to its end all the same.
        let gone = !followed.path.exists();
        let mut bytes = Vec::new();
        let at = followed.file.seek(SeekFrom::Start(followed.offset));
        let read = at.and_then(|_| followed.file.read_to_end(&mut bytes));
        let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |end| end + 1);
        followed.offset += whole as u64;
        let pid = followed.pid;
        match gone && whole == 0 {
            true => followed.quiet += 1,
            false => followed.quiet = 0,
        }
        if followed.quiet > LOOKS_AFTER || read.is_err() {
            self.open.remove(name);
            self.done.insert(name.to_owned());
        }
        self.lines(pid, &bytes[..whole], watcher, found);
    }

    fn lines(&mut self, pid: u32, bytes: &[u8], watcher: &Watcher, found: &mut (Vec<String>, u64)) {
        found.1 += bytes.len() as u64;
        found.0.extend(
            watcher
                .find(bytes)
                .map(|place| format!("log file: {place}")),
        );
        for line in bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            self.line(pid, line);
        }
    }

    fn line(&mut self, pid: u32, line: &[u8]) {
        let seen = self.lives.entry(pid).or_default();
        let Ok(event) = serde_json::from_slice::<Value>(line) else {
            let start = String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned();
            seen.wrong.push(format!("not a line of JSON: {start}"));
            return;
        };
        let kind = event["event"].as_str().unwrap_or("none");
        *seen.kinds.entry(kind.to_owned()).or_default() += 1;
        match kind {
            // Those of the recorder are events like others.
            "loss" if event["sink"] == "jsonl" => seen.told += event["lost"].as_u64().unwrap_or(0),
            _ => seen.lines += 1,
        }
        let id = event["id"].as_str().unwrap_or_default().to_owned();
        self.failures += u64::from(kind == "call" && event["failure"].is_object());
        if kind == "alert" {
            *self.alerts.entry(id).or_default().entry(pid).or_default() += 1;
        } else if kind == "call" && !self.calls.insert(id.clone()) {
            self.twice.push(id);
        }
    }
}

/// The process that wrote a file: `campanile-2026-11-24T015029Z-4711-0.jsonl`.
fn pid(path: &Path) -> Option<u32> {
    let name = path.file_stem()?.to_str()?;
    name.rsplit('-').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_who_wrote_it() {
        let path = Path::new("logs/campanile-2026-11-24T015029Z-4711-12.jsonl");
        assert_eq!(pid(path), Some(4711));
        assert_eq!(pid(Path::new("logs/x.jsonl")), None);
    }

    #[test]
    fn lines_of_a_folder_that_was_taken_away_are_read() {
        use std::io::Write as _;
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("logs");
        let file = |n: u32| format!("campanile-2026-11-24T015029Z-4711-{n}.jsonl");
        fs::create_dir(&folder).unwrap();
        let line = b"{\"event\":\"log\"}\n";
        let mut first = File::create(folder.join(file(1))).unwrap();
        first.write_all(line).unwrap();
        let (mut logs, watcher) = (Logs::default(), Watcher::new());
        logs.follow(&folder, &watcher);

        // One that nobody has seen goes with it, and the writer has not noticed yet.
        fs::write(folder.join(file(2)), line).unwrap();
        fs::rename(&folder, taken(&folder)).unwrap();
        logs.follow(&folder, &watcher);
        first.write_all(line).unwrap();
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(file(3)), line).unwrap();
        logs.follow(&folder, &watcher);

        assert_eq!((logs.of_life(4711).lines, logs.files), (4, 3));
        assert!(!taken(&folder).exists());
    }
}
