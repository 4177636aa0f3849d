//! What is read for a query, in which pieces, and in which order.

use crate::{
    file::{Form, LogFile, bisect},
    folder::{self, Listed},
    packed::Frame,
    query::Query,
};
use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A plain file of this size is read whole: so its lines need be in no order at all for a range of time.
const SMALL: u64 = 8 << 20;
/// A range of time is looked for so far around where it should be, as lines are only nearly in order.
const SLACK: u64 = 4 << 20;
/// A file that ends or begins so long before or after a range of time is not opened for it.
const FAR: i64 = 600_000_000;
/// Large files are searched in pieces, by several threads.
const PIECE: u64 = 32 << 20;
const PIECE_FRAMES: usize = 32;
/// So many plain files stay open from the begin.
const KEPT_OPEN: usize = 256;

/// A file that could not be read, or not to its end.
#[derive(Debug)]
#[non_exhaustive]
pub struct Trouble {
    /// Which file.
    pub path: PathBuf,
    /// What went wrong.
    pub error: io::Error,
}

/// A piece of a file.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) file: Arc<LogFile>,
    pub(crate) part: Part,
    /// The first moment in it; `i64::MIN` where nothing says.
    pub(crate) first: i64,
    /// The piece of the same file before it.
    pub(crate) after: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The lines that begin in these bytes.
    Bytes(Range<u64>),
    Frames(Vec<Frame>),
    All,
}

/// Pieces in the order of their first moments.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) files: usize,
    pub(crate) passed_over: usize,
    pub(crate) troubles: Vec<Trouble>,
    /// Some lines, to learn from.
    pub(crate) sample: Vec<u8>,
}

impl Plan {
    /// # Errors
    ///
    /// When a place is not there or cannot be listed.
    pub(crate) fn new(places: &[PathBuf], query: &Query) -> Result<Self, Trouble> {
        let listed = list_all(places)?;
        let newest = listed.len().saturating_sub(KEPT_OPEN);
        let (mut files, mut troubles) = (Vec::new(), Vec::new());
        for (n, listed) in listed.iter().enumerate() {
            match LogFile::open(listed, n >= newest) {
                Ok(file) => files.push(file),
                // Retention was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => troubles.push(Trouble {
                    path: listed.path.clone(),
                    error,
                }),
            }
        }
        let mut plan = Self::of(files, query, |file| file.size);
        plan.files += troubles.len();
        plan.troubles.extend(troubles);
        Ok(plan)
    }

    /// Of files that are open, each up to an end.
    pub(crate) fn of(files: Vec<LogFile>, query: &Query, end: impl Fn(&LogFile) -> u64) -> Self {
        let mut plan = Self::default();
        for mut file in files {
            file.size = end(&file);
            plan.add_file(Arc::new(file), query);
        }
        let largest = plan.pieces.iter().max_by_key(|piece| piece.file.size);
        let sample = largest.and_then(|piece| piece.file.sample().ok());
        plan.sample = sample.unwrap_or_default();
        plan.sort();
        plan
    }

    /// Adds what a file may have for the query; what cannot be read is a trouble.
    pub(crate) fn add_file(&mut self, file: Arc<LogFile>, query: &Query) {
        self.files += 1;
        let before = self.pieces.len();
        if let Err(error) = self.add(&file, query) {
            self.trouble(&file.path, error);
        }
        if self.pieces.len() == before {
            self.passed_over += 1;
        }
    }

    fn trouble(&mut self, path: &Path, error: io::Error) {
        self.troubles.push(Trouble {
            path: path.to_owned(),
            error,
        });
    }

    /// Adds what a file may have for the query.
    fn add(&mut self, file: &Arc<LogFile>, query: &Query) -> io::Result<()> {
        let (first, last) = file.moments()?;
        let since = query.since.map_or(i64::MIN, |at| at.0);
        let until = query.until.map_or(i64::MAX, |at| at.0);
        if let Form::Frames(frames) = &file.form {
            let whole = query.context > 0;
            self.add_frames(file, &in_time(frames, since, until), whole);
            return Ok(());
        }
        let late = first.is_some_and(|first| first.saturating_sub(FAR) >= until);
        let early = last.is_some_and(|last| last.saturating_add(FAR) < since);
        if file.size == 0 || late || early {
            return Ok(());
        }
        let first = first.unwrap_or(i64::MIN);
        match file.form {
            Form::Plain => {
                let range = bytes_in_time(file, since, until)?;
                self.add_bytes(file, range, first, query.context > 0)
            }
            _ => {
                self.add_piece(file, Part::All, first, None);
                Ok(())
            }
        }
    }

    fn add_bytes(
        &mut self,
        file: &Arc<LogFile>,
        range: Range<u64>,
        first: i64,
        whole: bool,
    ) -> io::Result<()> {
        let size = if whole { u64::MAX } else { PIECE };
        let (mut start, mut before) = (range.start, None);
        while start < range.end {
            // No crumbs: what is left over goes with the last piece.
            let rest = range.end - start;
            let end = start + if rest / 2 < size { rest } else { size };
            let at = match start {
                0 => Some(first),
                _ => file.moment_at(start)?,
            };
            let part = Part::Bytes(start..end);
            before = Some(self.add_piece(file, part, at.unwrap_or(first), before));
            start = end;
        }
        Ok(())
    }

    fn add_frames(&mut self, file: &Arc<LogFile>, frames: &[Frame], whole: bool) {
        let size = if whole { usize::MAX } else { PIECE_FRAMES };
        let mut before = None;
        for frames in frames.chunks(size) {
            let known = frames.iter().filter(|frame| frame.first <= frame.last);
            let first = known.map(|frame| frame.first).min().unwrap_or(i64::MIN);
            let part = Part::Frames(frames.to_vec());
            before = Some(self.add_piece(file, part, first, before));
        }
    }

    fn add_piece(
        &mut self,
        file: &Arc<LogFile>,
        part: Part,
        first: i64,
        after: Option<usize>,
    ) -> usize {
        self.pieces.push(Piece {
            file: file.clone(),
            part,
            first,
            after,
        });
        self.pieces.len() - 1
    }

    /// By time; pieces of one file stay in their order.
    pub(crate) fn sort(&mut self) {
        for n in 0..self.pieces.len() {
            if let Some(before) = self.pieces[n].after {
                self.pieces[n].first = self.pieces[n].first.max(self.pieces[before].first);
            }
        }
        let mut order: Vec<usize> = (0..self.pieces.len()).collect();
        order.sort_by_key(|&n| (self.pieces[n].first, n));
        let mut place = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            place[old] = new;
        }
        let mut pieces: Vec<Option<Piece>> = self.pieces.drain(..).map(Some).collect();
        let moved = order.into_iter().filter_map(|old| pieces[old].take());
        self.pieces = moved
            .map(|piece| Piece {
                after: piece.after.map(|before| place[before]),
                ..piece
            })
            .collect();
    }
}

/// Each file once, also where a folder and a file in it are named.
pub(crate) fn list_all(places: &[PathBuf]) -> Result<Vec<Listed>, Trouble> {
    let mut all: Vec<Listed> = Vec::new();
    for place in places {
        let listed = folder::list(place).map_err(|error| Trouble {
            path: place.clone(),
            error,
        })?;
        for file in listed {
            if !all.iter().any(|known| known.path == file.path) {
                all.push(file);
            }
        }
    }
    Ok(all)
}

/// Frames that have a line of that time. One in which nothing says when it was goes with the one before it.
fn in_time(frames: &[Frame], since: i64, until: i64) -> Vec<Frame> {
    let mut wanted = since == i64::MIN;
    let mut chosen = Vec::new();
    for frame in frames {
        if frame.first <= frame.last {
            wanted = frame.first < until && frame.last >= since;
        }
        if wanted {
            chosen.push(*frame);
        }
    }
    chosen
}

/// Where in a plain file the lines of that time are.
fn bytes_in_time(file: &LogFile, since: i64, until: i64) -> io::Result<Range<u64>> {
    if file.size <= SMALL {
        return Ok(0..file.size);
    }
    let handle = file.handle()?;
    let start = match since {
        i64::MIN => 0,
        since => bisect(&handle, file.size, since)?.saturating_sub(SLACK),
    };
    let end = match until {
        i64::MAX => file.size,
        until => (bisect(&handle, file.size, until)? + SLACK).min(file.size),
    };
    Ok(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::Timestamp;
    use std::{fs, io::Write};

    fn lines(from: i64, count: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for n in from..from + count {
            let filling = "x".repeat(960);
            writeln!(
                bytes,
                "{{\"ts\":\"{}\",\"x\":\"{filling}\"}}",
                Timestamp(n * 1_000_000)
            )
            .unwrap();
        }
        bytes
    }

    #[test]
    fn a_minute_of_a_large_file_is_a_few_bytes_of_it_and_other_files_stay_closed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a.jsonl"), lines(0, 10)).unwrap();
        fs::write(at("b.jsonl"), lines(10_000, 40_000)).unwrap();
        fs::write(at("c.jsonl"), lines(60_000, 10)).unwrap();
        let minute = |second: i64| Timestamp(second * 1_000_000);
        let query = Query::default().since(minute(30_000)).until(minute(30_060));

        let plan = Plan::new(&[folder.path().to_owned()], &query).unwrap();

        assert_eq!((plan.files, plan.passed_over, plan.pieces.len()), (3, 2, 1));
        let Part::Bytes(range) = &plan.pieces[0].part else {
            panic!("{plan:?}")
        };
        assert!(
            range.start <= 20_000 * 1_000 && range.end >= 20_060 * 1_000,
            "{range:?}"
        );
        assert!(range.end - range.start < 10 << 20, "{range:?}");
    }

    #[test]
    fn pieces_of_a_file_stay_in_order_whatever_their_lines_say() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = [lines(50_000, 40_000), lines(10, 80_000)].concat();
        fs::write(folder.path().join("b.jsonl"), bytes).unwrap();
        fs::write(folder.path().join("a.jsonl"), lines(60_000, 10)).unwrap();

        let plan = Plan::new(&[folder.path().to_owned()], &Query::default()).unwrap();

        assert_eq!(plan.pieces.len(), 4);
        let mut end = 0;
        for (n, piece) in plan.pieces.iter().enumerate() {
            if let Part::Bytes(range) = &piece.part
                && piece.file.path.ends_with("b.jsonl")
            {
                assert_eq!(range.start, end);
                assert!(piece.after.is_none_or(|before| before < n));
                end = range.end;
            }
        }
        assert_eq!(
            end,
            fs::metadata(folder.path().join("b.jsonl")).unwrap().len()
        );
    }

    #[test]
    fn only_frames_of_the_time_are_wanted() {
        let frame = |first, last| Frame {
            offset: 0,
            packed: 0,
            plain: 0,
            first,
            last,
        };
        let none = frame(i64::MAX, i64::MIN);
        let frames = [
            frame(0, 9),
            none,
            frame(8, 20),
            none,
            frame(21, 30),
            frame(5, 12),
        ];

        let chosen = in_time(&frames, 10, 21);

        assert_eq!(chosen, [frames[2], none, frames[5]]);
        assert_eq!(in_time(&frames, i64::MIN, i64::MAX).len(), 6);
    }
}
