//! Deleting the lines of one session from files that others may be writing.
//!
//! ```text
//! plain        blanked where they stand: the writer's place does not move   ······"session":"call-7"······  then all of it
//! compressed   written anew without them, next to the old file, then renamed over it
//! ```
//!
//! A kill at any point leaves every other line whole, and what is not yet gone can still be found: in a plain file what
//! names the session goes last, after all else is on the disk.

use super::{
    files,
    name::{FileName, Form},
    pack::Packer,
    retention,
};
use memchr::memmem;
use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
};

/// What was deleted of a folder of logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForgottenLines {
    /// Lines that are gone.
    pub lines: u64,
    /// Files that held them.
    pub files: u64,
}

/// A file that is compressed while it is looked at comes up again in another form.
const ROUNDS: u32 = 8;
const UNFINISHED: &str = ".forget";

/// Deletes the lines of `session` from the files of ours in `folder`: its own, and those of its calls. May run beside a
/// process that writes there; doing it again finishes what a kill has cut off.
///
/// # Errors
///
/// When a file cannot be read or written. What was deleted before stays deleted.
pub fn forget_lines(folder: impl AsRef<Path>, session: &str) -> io::Result<ForgottenLines> {
    let folder = folder.as_ref();
    remove_unfinished(folder)?;
    let mut gone = ForgottenLines::default();
    for _ in 0..ROUNDS {
        let mut whose = Whose::new(session);
        each_file(folder, |path, form| {
            each_line(path, form, |_, line| whose.learn(line))
        })?;
        // Lines that name the call only go first: whose they are stands in the others.
        let mut found = delete(folder, |line| whose.call(line))?;
        let of_session = delete(folder, |line| whose.session(line))?;
        found.lines += of_session.lines;
        found.files = found.files.max(of_session.files);
        if found.lines == 0 {
            break;
        }
        gone.lines += found.lines;
        gone.files += found.files;
    }
    Ok(gone)
}

/// Tells whose a line is.
struct Whose {
    session: String,
    calls: HashSet<[u8; 36]>,
}

const CALL: &[u8] = b"\"call\":\"";

impl Whose {
    fn new(session: &str) -> Self {
        // Our files hold no spaces between, and quotes inside of texts are escaped.
        Self {
            session: format!("\"session\":\"{session}\""),
            calls: HashSet::new(),
        }
    }

    /// Where the session is named in a line.
    fn session(&self, line: &[u8]) -> Option<Range<usize>> {
        let at = memmem::find(line, self.session.as_bytes())?;
        Some(at..at + self.session.len())
    }

    /// Where a call of the session is named in a line.
    fn call(&self, line: &[u8]) -> Option<Range<usize>> {
        if self.calls.is_empty() || self.session(line).is_some() {
            return None;
        }
        let mut names = memmem::find_iter(line, CALL).map(|at| at + CALL.len());
        let at = names.find(|at| id(line, *at).is_some_and(|id| self.calls.contains(&id)))?;
        Some(at - CALL.len()..at + 36)
    }

    /// Remembers the call of a line that names the session.
    fn learn(&mut self, line: &[u8]) {
        if self.session(line).is_none() {
            return;
        }
        for name in [CALL, b"\"id\":\""] {
            let at = memmem::find(line, name).map(|at| at + name.len());
            self.calls.extend(at.and_then(|at| id(line, at)));
        }
    }
}

fn id(line: &[u8], at: usize) -> Option<[u8; 36]> {
    line.get(at..at + 36)?.try_into().ok()
}

fn each_file(folder: &Path, mut each: impl FnMut(&Path, Form) -> io::Result<()>) -> io::Result<()> {
    for found in retention::list(folder) {
        let form = found.name.form;
        if form == Form::Partial {
            continue;
        }
        match each(&folder.join(found.name.to_string()), form) {
            // Compressed or deleted meanwhile: the next round sees what became of it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

/// Hands out each line with the byte at which it starts, without its end.
fn each_line(path: &Path, form: Form, mut each: impl FnMut(u64, &[u8])) -> io::Result<()> {
    let file = files::open_regular(path)?;
    let reader: Box<dyn Read> = match form {
        Form::Plain => Box::new(file),
        _ => Box::new(zstd::Decoder::new(file)?),
    };
    let (mut reader, mut line, mut start) = (BufReader::new(reader), Vec::new(), 0);
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)? as u64;
        if length == 0 {
            return Ok(());
        }
        each(start, line.strip_suffix(b"\n").unwrap_or(&line));
        start += length;
    }
}

/// Deletes the lines in which `name` finds something; what it finds goes last.
fn delete(
    folder: &Path,
    name: impl Fn(&[u8]) -> Option<Range<usize>>,
) -> io::Result<ForgottenLines> {
    let mut gone = ForgottenLines::default();
    each_file(folder, |path, form| {
        let mut found = Vec::new();
        each_line(path, form, |start, line| {
            found.extend(name(line).map(|name| Place::new(start, line.len(), name)));
        })?;
        if found.is_empty() {
            return Ok(());
        }
        match form {
            Form::Plain => blank(path, &found)?,
            _ => rewrite(path, &name)?,
        }
        gone.lines += found.len() as u64;
        gone.files += 1;
        Ok(())
    })?;
    Ok(gone)
}

/// A line in a file, and in it what says whose it is.
struct Place {
    line: Range<u64>,
    name: Range<u64>,
}

impl Place {
    fn new(start: u64, length: usize, name: Range<usize>) -> Self {
        Self {
            line: start..start + length as u64,
            name: start + name.start as u64..start + name.end as u64,
        }
    }
}

/// Overwrites lines with spaces.
fn blank(path: &Path, places: &[Place]) -> io::Result<()> {
    let listed = files::open_regular(path)?;
    let mut file = OpenOptions::new().write(true).open(path)?;
    if !files::is_still_there(path, &file) {
        return Err(io::ErrorKind::NotFound.into());
    }
    drop(listed);
    for place in places {
        spaces(&mut file, place.line.start..place.name.start)?;
        spaces(&mut file, place.name.end..place.line.end)?;
    }
    file.sync_data()?;
    for place in places {
        spaces(&mut file, place.name.clone())?;
    }
    file.sync_data()
}

fn spaces(file: &mut File, place: Range<u64>) -> io::Result<()> {
    file.seek(SeekFrom::Start(place.start))?;
    io::copy(&mut io::repeat(b' ').take(place.end - place.start), file).map(drop)
}

/// Writes a compressed file anew, without some of its lines.
fn rewrite(path: &Path, name: impl Fn(&[u8]) -> Option<Range<usize>>) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(UNFINISHED);
    let beside = PathBuf::from(beside);
    let mut packer = Packer::new(files::create(&beside)?)?;
    let mut result = Ok(());
    each_line(path, Form::Compressed, |_, line| {
        if result.is_ok() && name(line).is_none() {
            result = packer.write(line).and_then(|()| packer.write(b"\n"));
        }
    })?;
    result?;
    packer.finish()?.sync_all()?;
    fs::rename(&beside, path)?;
    // So that the old file does not come back after a power cut.
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// What a kill has left of [`rewrite`].
fn remove_unfinished(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let ours = name
            .to_str()
            .and_then(|name| name.strip_suffix(UNFINISHED))
            .and_then(FileName::parse);
        if ours.is_some() && entry.metadata()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: &str = "00000000-0000-7000-8000-000000000001";

    fn line(session: &str, call: &str, text: &str) -> String {
        format!(
            r#"{{"v":1,"event":"log","message":"{text}","session":"{session}","call":"{call}"}}"#
        ) + "\n"
    }

    fn of_call(call: &str, text: &str) -> String {
        format!(r#"{{"v":1,"event":"log","message":"{text}","call":"{call}"}}"#) + "\n"
    }

    struct Logs(tempfile::TempDir);

    impl Logs {
        fn new(text: &str) -> Self {
            let logs = Self(tempfile::tempdir().unwrap());
            fs::write(logs.plain(), text).unwrap();
            let packed = zstd::encode_all(text.as_bytes(), 3).unwrap();
            fs::write(logs.packed(), packed).unwrap();
            logs
        }

        fn folder(&self) -> &Path {
            self.0.path()
        }

        fn plain(&self) -> PathBuf {
            self.folder().join("campanile-2026-11-24T015029Z-1-1.jsonl")
        }

        fn packed(&self) -> PathBuf {
            let name = "campanile-2026-11-24T015029Z-1-0.jsonl.zst";
            self.folder().join(name)
        }

        /// What both files hold.
        fn text(&self) -> [String; 2] {
            let packed = zstd::decode_all(File::open(self.packed()).unwrap()).unwrap();
            let plain = fs::read_to_string(self.plain()).unwrap();
            [plain, String::from_utf8(packed).unwrap()]
        }
    }

    #[test]
    fn the_lines_of_one_session_go_and_all_others_stay() {
        let other = [
            line("call-70", "x", "hello"),
            line("x", "y", r#"\"session\":\"call-7\""#),
            "torn {\n".to_owned(),
        ];
        let mine = [line("call-7", MINE, "purple"), of_call(MINE, "elephants")];
        let text = [&*other[0], &mine[0], &other[1], &mine[1], &other[2]].concat();
        let logs = Logs::new(&text);
        fs::write(logs.folder().join("notes.txt"), &text).unwrap();

        let gone = forget_lines(logs.folder(), "call-7").unwrap();

        assert_eq!((gone.lines, gone.files), (4, 2));
        let [plain, packed] = logs.text();
        assert_eq!(packed, other.concat());
        assert_eq!(plain.len(), text.len(), "the writer's place has moved");
        let kept: Vec<_> = plain
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        assert_eq!(kept, other.concat().lines().collect::<Vec<_>>());
        let notes = fs::read_to_string(logs.folder().join("notes.txt")).unwrap();
        assert_eq!(notes, text, "a file that is not ours");
        assert_eq!(forget_lines(logs.folder(), "call-7").unwrap().lines, 0);
    }

    #[test]
    fn what_a_kill_has_cut_off_is_finished_by_the_next_try() {
        let mine = line("call-7", MINE, "purple elephants");
        let logs = Logs::new(&mine);
        // Killed after the first half: the id alone is left, and a copy that was never renamed.
        let half = Place::new(
            0,
            mine.len() - 1,
            Whose::new("call-7").session(mine.as_bytes()).unwrap(),
        );
        let mut file = OpenOptions::new().write(true).open(logs.plain()).unwrap();
        spaces(&mut file, half.line.start..half.name.start).unwrap();
        let unfinished = logs.packed().with_extension("zst.forget");
        fs::write(&unfinished, &mine).unwrap();

        forget_lines(logs.folder(), "call-7").unwrap();

        let [plain, packed] = logs.text();
        assert_eq!((plain.trim(), packed.trim()), ("", ""));
        assert!(!unfinished.exists());
    }

    #[test]
    fn a_file_that_is_being_written_stays_whole() {
        let logs = Logs::new("");
        let sink = super::super::Jsonl::new(logs.folder())
            .compress(false)
            .open()
            .unwrap();
        use campanile_core::{Event, SessionEvent, SessionId, Sink as _, Timestamp};
        let record = |session: &str| {
            let id = SessionId::new(session).unwrap();
            sink.record(&Event::Session(Box::new(SessionEvent::start(
                id,
                Timestamp(1),
            ))));
            assert!(sink.flush(std::time::Duration::from_secs(10)));
        };

        record("call-7");
        record("call-8");
        let gone = forget_lines(logs.folder(), "call-7").unwrap();
        record("call-9");

        assert_eq!(gone.lines, 1);
        let written: String = retention::list(logs.folder())
            .iter()
            .filter(|found| found.name.form == Form::Plain)
            .map(|found| fs::read_to_string(logs.folder().join(found.name.to_string())).unwrap())
            .collect();
        assert!(!written.contains("call-7"));
        assert!(
            written.contains("call-8") && written.contains("call-9") && written.ends_with('\n')
        );
    }
}
