//! Lines as they are written, whatever becomes of the files meanwhile.

use crate::{
    file::{Form, LogFile},
    folder::Listed,
    merge::Line,
    plan::{Part, Piece, Plan, Trouble, list_all},
    query::Query,
    read_at::read_at,
    search::{Tally, run},
};
use memchr::memrchr;
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Follows files and folders: hands over what is there, and then, each time it is asked, what is new.
///
/// A file that is full, renamed, compressed or removed is read to its end first; one that was begun and compressed between
/// two looks is read from its compressed form. A line is handed over once its end is written. `context` is not looked at.
#[derive(Debug)]
pub struct Follow {
    places: Vec<PathBuf>,
    query: Query,
    open: HashMap<PathBuf, Tail>,
    known: HashSet<PathBuf>,
}

/// An open file, and how far it was read.
#[derive(Debug)]
struct Tail {
    file: Arc<File>,
    path: PathBuf,
    offset: u64,
}

impl Follow {
    /// Begins with what is there.
    ///
    /// # Errors
    ///
    /// When a place is not there, or a folder cannot be listed.
    pub fn start(
        places: &[PathBuf],
        query: &Query,
        each: impl FnMut(&Line<'_>) -> ControlFlow<()>,
    ) -> Result<(Self, Tally), Trouble> {
        let query = query.clone().context(0);
        let mut follow = Self {
            places: places.to_vec(),
            query,
            open: HashMap::new(),
            known: HashSet::new(),
        };
        // Files are opened before they are searched: what is written in between comes later, and once.
        let listed = list_all(places)?;
        let mut files = Vec::new();
        for listed in &listed {
            let Some(file) = follow.meet(listed) else {
                continue;
            };
            if let Form::Plain = file.form {
                let end = whole_lines(
                    &*file.handle().map_err(|error| trouble(&file.path, error))?,
                    0,
                );
                let tail = follow.open.get_mut(&listed.stem);
                if let (Some(tail), Ok(end)) = (tail, end) {
                    tail.offset = end;
                }
            }
            files.push(file);
        }
        let plan = Plan::of(files, &follow.query, |file| follow.end_of(file));
        let tally = run(plan, &follow.query, Some(each));
        Ok((follow, tally))
    }

    /// Hands over what is new since the last time.
    ///
    /// # Errors
    ///
    /// When a place cannot be listed any more.
    pub fn look(
        &mut self,
        each: impl FnMut(&Line<'_>) -> ControlFlow<()>,
    ) -> Result<Tally, Trouble> {
        let mut plan = Plan::default();
        self.let_go(&mut plan);
        for listed in list_all(&self.places)? {
            if self.known.contains(&listed.stem) {
                continue;
            }
            if let Some(file) = self.meet(&listed)
                && !matches!(file.form, Form::Plain)
            {
                plan.add_file(Arc::new(file), &self.query);
            }
        }
        for tail in self.open.values_mut() {
            add(&mut plan, tail.rest(false));
        }
        plan.sort();
        Ok(run(plan, &self.query, Some(each)))
    }

    /// Reads files that are gone to their end: nobody writes them any more.
    fn let_go(&mut self, plan: &mut Plan) {
        let known = &mut self.known;
        self.open.retain(|stem, tail| {
            let stays = is_still_there(&tail.path, &tail.file);
            if !stays {
                add(plan, tail.rest(true));
                if tail.path.exists() {
                    known.remove(stem); // Another file of this name.
                }
            }
            stays
        });
    }

    /// Opens a file that was not known, and keeps it open where it may grow.
    fn meet(&mut self, listed: &Listed) -> Option<LogFile> {
        let file = LogFile::open(listed, true).ok()?;
        self.known.insert(listed.stem.clone());
        if let Form::Plain = file.form {
            let tail = Tail {
                file: file.handle().ok()?,
                path: file.path.clone(),
                offset: 0,
            };
            self.open.insert(listed.stem.clone(), tail);
        }
        Some(file)
    }

    fn end_of(&self, file: &LogFile) -> u64 {
        let mut tails = self.open.values();
        tails
            .find(|tail| tail.path == file.path)
            .map_or(file.size, |tail| tail.offset)
    }
}

impl Tail {
    /// What is new: whole lines, and at the end of a file that is gone, whatever there is.
    fn rest(&mut self, is_last: bool) -> io::Result<Option<Piece>> {
        let size = self.file.metadata()?.len();
        if size < self.offset {
            self.offset = 0; // Somebody has emptied it.
        }
        let end = match is_last {
            true => size,
            false => whole_lines(&self.file, self.offset)?,
        };
        let start = std::mem::replace(&mut self.offset, end);
        Ok((start < end).then(|| Piece {
            file: Arc::new(LogFile::of_open(&self.path, self.file.clone(), end)),
            part: Part::Bytes(start..end),
            first: i64::MIN,
            after: None,
        }))
    }
}

fn add(plan: &mut Plan, rest: io::Result<Option<Piece>>) {
    // A file that cannot be read now may be readable at the next look.
    if let Ok(Some(piece)) = rest {
        plan.pieces.push(piece);
    }
}

fn trouble(path: &Path, error: io::Error) -> Trouble {
    Trouble {
        path: path.to_owned(),
        error,
    }
}

/// Where the last whole line ends; `from` where there is none behind it.
fn whole_lines(file: &File, from: u64) -> io::Result<u64> {
    const ROOM: u64 = 64 << 10;
    let mut end = file.metadata()?.len();
    let mut room = vec![0; ROOM as usize];
    while end > from {
        let begin = end.saturating_sub(ROOM).max(from);
        let read = read_at(file, &mut room[..(end - begin) as usize], begin)?;
        if let Some(last) = memrchr(b'\n', &room[..read]) {
            return Ok(begin + last as u64 + 1);
        }
        end = begin;
    }
    Ok(from)
}

/// Whether a path still leads to that open file.
#[cfg(unix)]
fn is_still_there(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (std::fs::metadata(path), file.metadata()) {
        (Ok(listed), Ok(open)) => (listed.dev(), listed.ino()) == (open.dev(), open.ino()),
        _ => false,
    }
}

/// Elsewhere an open file cannot be moved or removed.
#[cfg(not(unix))]
fn is_still_there(path: &Path, _file: &File) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, io::Write};

    struct Heard {
        folder: tempfile::TempDir,
        follow: Follow,
    }

    fn text(lines: &mut Vec<String>) -> impl FnMut(&Line<'_>) -> ControlFlow<()> {
        |line| {
            lines.push(String::from_utf8_lossy(line.bytes).into_owned());
            ControlFlow::Continue(())
        }
    }

    impl Heard {
        fn new(before: &[(&str, &str)], query: &Query) -> (Self, Vec<String>) {
            let folder = tempfile::tempdir().unwrap();
            for (name, bytes) in before {
                fs::write(folder.path().join(name), bytes).unwrap();
            }
            let mut lines = Vec::new();
            let places = [folder.path().to_owned()];
            let (follow, _) = Follow::start(&places, query, text(&mut lines)).unwrap();
            (Self { folder, follow }, lines)
        }

        fn at(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            let mut options = fs::OpenOptions::new();
            let mut file = options
                .append(true)
                .create(true)
                .open(self.at(name))
                .unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn pack(&self, name: &str) {
            let bytes = fs::read(self.at(name)).unwrap();
            let packed = zstd::encode_all(&*bytes, 3).unwrap();
            fs::write(self.at(&format!("{name}.zst")), packed).unwrap();
            fs::remove_file(self.at(name)).unwrap();
        }

        fn look(&mut self) -> Vec<String> {
            let mut lines = Vec::new();
            self.follow.look(text(&mut lines)).unwrap();
            lines
        }
    }

    #[test]
    fn each_line_comes_once_and_when_it_is_whole() {
        let (mut heard, before) = Heard::new(&[("a.jsonl", "one\ntw")], &Query::default());
        assert_eq!(before, ["one"]);
        assert!(heard.look().is_empty());

        heard.write("a.jsonl", "o\nthree\nfo");
        heard.write("b.jsonl", "new\n");

        let mut lines = heard.look();
        lines.sort();
        assert_eq!(lines, ["new", "three", "two"]);
        heard.write("a.jsonl", "ur\n");
        assert_eq!(heard.look(), ["four"]);
        assert!(heard.look().is_empty());
    }

    #[test]
    fn a_file_that_is_compressed_is_read_to_its_end_and_not_again() {
        let (mut heard, _) = Heard::new(&[("a.jsonl", "one\n")], &Query::default());

        heard.write("a.jsonl", "two\ntorn");
        heard.pack("a.jsonl");
        heard.write("b.jsonl", "three\n");

        let mut lines = heard.look();
        lines.sort();
        assert_eq!(lines, ["three", "torn", "two"]);
        assert!(heard.look().is_empty());
    }

    #[test]
    fn a_file_that_came_and_was_compressed_between_two_looks_is_read() {
        let (mut heard, before) = Heard::new(&[("a.jsonl", "")], &Query::default().text("w"));
        assert!(before.is_empty());

        heard.write("b.jsonl", "one\ntwo\n");
        heard.pack("b.jsonl");

        assert_eq!(heard.look(), ["two"]);
        assert!(heard.look().is_empty());
    }

    #[test]
    fn a_file_that_is_replaced_or_emptied_begins_anew() {
        let (mut heard, _) = Heard::new(&[("a.jsonl", "one\n")], &Query::default());

        heard.write("a.jsonl", "two\n");
        fs::rename(heard.at("a.jsonl"), heard.at("a.old")).unwrap();
        heard.write("a.jsonl", "three\n");
        let mut lines = heard.look();
        lines.sort();
        assert_eq!(lines, ["three", "two"]);

        fs::File::options()
            .write(true)
            .truncate(true)
            .open(heard.at("a.jsonl"))
            .unwrap();
        heard.write("a.jsonl", "4\n");
        assert_eq!(heard.look(), ["4"]);
    }
}
