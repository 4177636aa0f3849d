//! One JSON object a line, in files that look after themselves.
//!
//! ```text
//! logs/campanile-2026-11-24T015029Z-4711-0.jsonl.zst    closed, compressed
//! logs/campanile-2026-11-24T031500Z-4711-1.jsonl        open: one file for each process
//! ```
//!
//! - Each process writes files of its own, with its number in the name. An open file is locked, so that no other
//!   process compresses or deletes it.
//! - A file is closed when it is full and when a UTC day begins, compressed in the background, and deleted when it is too
//!   old or all files together are too large. Only regular files whose whole name is one of ours are ever touched.
//! - A line is written whole, into one file. What a full disk cut off is cut back to the last whole line; what a crash cut
//!   off is replaced by a line that tells of it, by the next process that looks into the folder.
//! - A folder that is moved away or removed while the program runs is made again, and that is told.
//!
//! `tracing-appender` is not used: it loses lines on a full disk, after a panic and at the end without counting them,
//! bounds its queue by lines and not by bytes, does not rotate by size, and deletes whatever begins with its prefix.

mod encode;
mod files;
mod forget;
mod housekeeper;
mod mend;
mod name;
mod pack;
mod retention;
mod shorten;
mod text;
mod writer;

use crate::{
    Notices, StartError, Watch,
    lane::{self, Priority},
};
use campanile_core::{Clock, Event, Lane, Level, LossReason, Sink, Stats};
use encode::Encoder;
pub(crate) use encode::moment;
pub use forget::{ForgottenLines, forget_lines};
use housekeeper::Housekeeper;
use name::Names;
pub use retention::Kept;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use writer::FileWriter;

const MIB: u64 = 1 << 20;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Options of a [`JsonlSink`].
///
/// ```
/// use campanile_core::Level;
/// use campanile_sinks::Jsonl;
/// use std::time::Duration;
///
/// # let folder = tempfile::tempdir()?;
/// # let logs = folder.path().join("logs");
/// let sink = Jsonl::new(logs)
///     .max_file(64 << 20)
///     .max_age(Duration::from_secs(14 * 24 * 60 * 60))
///     .level(Level::Info)
///     .open()?;
/// assert!(sink.close(Duration::from_secs(5)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Jsonl {
    folder: PathBuf,
    max_file: u64,
    max_total: u64,
    max_age: Duration,
    max_line: usize,
    budget: usize,
    level: Level,
    content: bool,
    compress: bool,
    clock: Clock,
    notices: Notices,
}

impl Jsonl {
    /// Files in `folder`, which is made if it is not there.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            max_file: 64 * MIB,
            max_total: 2048 * MIB,
            max_age: 14 * DAY,
            max_line: MIB as usize,
            budget: 16 * MIB as usize,
            level: Level::Trace,
            content: false,
            compress: true,
            clock: Clock::system(),
            notices: Notices::default(),
        }
    }

    /// A file is closed before it gets larger than this. Default 64 MiB.
    pub fn max_file(mut self, bytes: u64) -> Self {
        self.max_file = bytes.max(1);
        self
    }

    /// The oldest closed files are deleted while all files of ours are larger than this together; held within one file for
    /// each process that writes. Default 2 GiB.
    pub fn max_total(mut self, bytes: u64) -> Self {
        self.max_total = bytes;
        self
    }

    /// Closed files are deleted when they were begun longer ago than this. Default 14 days.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// In a longer line texts are cut: each ends with how many bytes are missing, and the line says how many texts
    /// (`cut_texts`) and bytes (`cut_bytes`) were cut off in all. Amounts never are. A line that is too long all the same
    /// is dropped and counted as `too_large`. Default 1 MiB.
    pub fn max_line(mut self, bytes: usize) -> Self {
        self.max_line = bytes;
        self
    }

    /// Bytes that may wait in memory. Default 16 MiB.
    pub fn budget(mut self, bytes: usize) -> Self {
        self.budget = bytes;
        self
    }

    /// Events that matter less are left out. Default [`Level::Trace`]: all are written.
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Whether redacted excerpts of what was said are written. Default no.
    pub fn content(mut self, content: bool) -> Self {
        self.content = content;
        self
    }

    /// Whether closed files are compressed. Default yes.
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// Where the day and the moment of a loss are read. Default the system's clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Where troubles are told. Default stderr.
    pub fn notices(mut self, notices: Notices) -> Self {
        self.notices = notices;
        self
    }

    /// What the files take now, and what of them would be deleted now. Opens and changes nothing.
    #[must_use]
    pub fn kept(&self) -> Kept {
        retention::forecast(&self.folder, self.clock.now(), self.max_age, self.max_total)
    }

    /// Deletes what is too old and what is too much, so that `room` more bytes fit.
    fn retain(&self, room: u64) {
        let total = self.max_total.saturating_sub(room);
        retention::retain(&self.folder, self.clock.now(), self.max_age, total);
    }

    /// Makes the folder and the first file, and starts writing.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made, or nothing can be written there.
    pub fn open(self) -> Result<JsonlSink, StartError> {
        let advice = "choose another folder, or make this one writable";
        let fail = |what| {
            let folder = self.folder.clone();
            move |error| StartError::new(what, &folder, error, advice)
        };
        std::fs::create_dir_all(&self.folder).map_err(fail("make the log folder"))?;
        let options = Arc::new(self.clone());
        let housekeeper =
            Housekeeper::start(options.clone()).map_err(fail("start a thread for"))?;
        let names = Arc::<Names>::default();
        let mut first = FileWriter::new(options.clone(), Arc::clone(&names), housekeeper.jobs());
        first.open().map_err(fail("write in the log folder"))?;
        let jobs = housekeeper.jobs();
        let mut first = Some(first);
        let lane = lane::Lane::start(
            "jsonl",
            self.budget,
            self.clock.clone(),
            self.notices.clone(),
            move || {
                let again = || FileWriter::new(options.clone(), names.clone(), jobs.clone());
                first.take().unwrap_or_else(again)
            },
        )
        .map_err(fail("start a thread for"))?;
        Ok(JsonlSink {
            lane,
            housekeeper,
            level: self.level,
            max_line: self.max_line,
            encoder: Mutex::new(Encoder::new(self.content)),
            folder: self.folder,
        })
    }
}

/// Writes each event as one line of JSON; see [`Jsonl`].
///
/// Dropping it waits at most 100 ms for what is not yet written; [`close`](JsonlSink::close) waits as long as it is told.
#[derive(Debug)]
pub struct JsonlSink {
    lane: lane::Lane,
    housekeeper: Housekeeper,
    level: Level,
    max_line: usize,
    encoder: Mutex<Encoder>,
    folder: PathBuf,
}

impl JsonlSink {
    /// Writes what is left and takes nothing more. `false` when `within` was too short: the rest is counted as `closed`.
    pub fn close(&self, within: Duration) -> bool {
        let all = self.lane.close(within);
        self.housekeeper.stop();
        all
    }

    /// The counters now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.lane.watch().stats()
    }

    /// A look at the counters that outlives the sink.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.lane.watch()
    }

    /// Where the files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Sink for JsonlSink {
    fn record(&self, event: &Event) {
        if event.level() < self.level {
            return;
        }
        let mut encoder = self.encoder.lock().unwrap_or_else(PoisonError::into_inner);
        match encoder.line_within(event, self.max_line) {
            Ok(Some(line)) => self.lane.push(Priority::of(event), line),
            Ok(None) => self.lane.lose(LossReason::TooLarge),
            Err(_) => self.lane.lose(LossReason::Encoding),
        }
    }

    fn flush(&self, within: Duration) -> bool {
        self.lane.flush(within)
    }

    fn name(&self) -> &'static str {
        "jsonl"
    }

    fn lane(&self) -> Option<Lane> {
        Some(Lane::Signal)
    }

    fn account(&self) -> Option<Stats> {
        Some(self.stats())
    }
}

#[cfg(test)]
mod tests;
