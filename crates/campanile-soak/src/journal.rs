//! What the worker itself knows of what it did, a line of JSON each: the other side of every comparison.
//!
//! It survives a kill, since each line is written at once; and nothing of the product has a hand in it.

use campanile::Timestamp;
use campanile_testkit::sim;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// One thing that happened. Times are milliseconds of the calls' own time since the soak began.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "k", rename_all = "snake_case")]
pub(crate) enum Entry {
    /// A worker has begun.
    Begun {
        life: u32,
        pid: u32,
        at_ms: u64,
        fds: u64,
        tasks: u64,
        threads: u64,
    },
    /// A phone call begins or ends.
    Session {
        id: String,
        at_ms: u64,
        over: Option<String>,
    },
    /// A turn is over.
    Turn {
        session: String,
        n: u32,
        at_ms: u64,
        interrupted: bool,
    },
    /// A stage is called.
    Call {
        n: u64,
        session: String,
        turn: u32,
        stage: String,
        at_ms: u64,
        /// Wall time, as the monitor knows it: where it jumped back, later calls are of an earlier moment.
        wall: Timestamp,
        /// What was asked of the providers to go wrong, try by try.
        faults: String,
    },
    /// That call is over, as its caller saw it.
    Over {
        n: u64,
        at_ms: u64,
        outcome: Outcome,
    },
    /// A provider's line.
    Bill(BillLine),
    /// What a provider bills of what is open, when the worker is about to die.
    OpenBill(BillLine),
    /// A fault begins or ends.
    Mark { fault: String, at_ms: u64, on: bool },
    /// Somebody else has to do something: the judge. It kills the worker.
    Kill { at_ms: u64 },
    /// How the worker is.
    Sample(Sample),
    /// The worker ends in order.
    Closed {
        at_ms: u64,
        /// What the monitor says it has opened.
        opened: u64,
        /// Whether nothing was left.
        clean: bool,
        fds: u64,
        tasks: u64,
        threads: u64,
        latency: Option<Latency>,
    },
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Completed,
    Failed,
    Cancelled,
    Panicked,
}

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Panicked => "panicked",
        }
    }
}

/// A line of a provider's bill.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BillLine {
    pub(crate) request_id: String,
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) index: u64,
    pub(crate) key: String,
    pub(crate) context: Option<String>,
    pub(crate) why: String,
    pub(crate) prompt: u64,
    pub(crate) cached: u64,
    pub(crate) completion: u64,
    pub(crate) audio_us: u64,
    pub(crate) characters: u64,
}

impl BillLine {
    pub(crate) fn of(line: &sim::Line) -> Self {
        Self {
            request_id: line.request_id.clone(),
            provider: line.provider.as_str().to_owned(),
            model: line.served_model.clone(),
            index: line.index,
            key: line.key.clone().unwrap_or_default(),
            context: line.context_id.clone(),
            why: format!("{:?}", line.why),
            prompt: line.meters.prompt_tokens,
            cached: line.meters.cached_tokens,
            completion: line.meters.completion_tokens,
            audio_us: line.meters.audio_us,
            characters: line.meters.characters,
        }
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.prompt + self.completion + self.audio_us + self.characters == 0
    }
}

/// How the worker is at one moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) at_ms: u64,
    /// Milliseconds of real time since the worker began.
    pub(crate) real_ms: u64,
    /// Bytes on the heap, by a counting allocator: exact, and without what C libraries take.
    pub(crate) heap: u64,
    /// Resident bytes of the process: everything, in pages.
    pub(crate) resident: u64,
    pub(crate) fds: u64,
    pub(crate) tasks: u64,
    pub(crate) threads: u64,
    pub(crate) turns: u64,
    pub(crate) sessions: u64,
    pub(crate) calls: u64,
    pub(crate) open_calls: u64,
    pub(crate) frames: u64,
    /// Nanoseconds of processor time: of the whole process, and of the monitor's own threads.
    pub(crate) cpu_ns: u64,
    pub(crate) monitor_cpu_ns: u64,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) ledger: Ledger,
    /// The extra sink that is slow, stuck or panicking, as the monitor counts.
    pub(crate) hostile: Lane,
    /// Events that this sink was given, and those that it was told as lost, by its own count.
    pub(crate) hostile_events: u64,
    pub(crate) hostile_told: u64,
    /// Panics of the sink that panics on purpose, and how many the monitor has counted.
    pub(crate) panics: u64,
    pub(crate) sinks_failed: u64,
}

/// A sink that writes lines.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Lane {
    pub(crate) name: String,
    /// Events that were handed to it, counted in front of it.
    pub(crate) given: u64,
    pub(crate) opened: u64,
    pub(crate) written: u64,
    pub(crate) lost: u64,
    pub(crate) queued_bytes: u64,
}

/// The ledger's own counters.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// Events of money that were handed to it, counted in front of it.
    pub(crate) given: u64,
    pub(crate) recorded: u64,
    pub(crate) written: u64,
    pub(crate) folded: u64,
    pub(crate) skipped: u64,
    pub(crate) dropped: u64,
    pub(crate) waiting_bytes: u64,
}

/// What the layers add, in nanoseconds: the same load with them and without.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) rows: Vec<LatencyRow>,
    /// Frames that left later than their deadline, of so many.
    pub(crate) late: [u64; 2],
    pub(crate) frames: [u64; 2],
}

/// One distribution, without the layers and with them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LatencyRow {
    pub(crate) what: String,
    pub(crate) bare: Quantiles,
    pub(crate) watched: Quantiles,
}

/// Some quantiles of a distribution, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Quantiles {
    pub(crate) n: u64,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
}

/// Writes entries; clones write into the same file.
#[derive(Clone, Debug)]
pub(crate) struct Journal(Arc<Mutex<File>>);

impl Journal {
    /// Appends to the file at `path`.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self(Arc::new(Mutex::new(file))))
    }

    /// Writes one entry, at once.
    ///
    /// # Panics
    ///
    /// When it cannot: without a journal there is nothing to judge by.
    pub(crate) fn write(&self, entry: &Entry) {
        let mut line = serde_json::to_vec(entry).expect("an entry is plain values");
        line.push(b'\n');
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).expect("the journal can be written");
    }
}

/// Reads entries as they come.
#[derive(Debug)]
pub(crate) struct Tail {
    path: PathBuf,
    offset: u64,
}

impl Tail {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, offset: 0 }
    }

    /// The entries that came since.
    pub(crate) fn read(&mut self) -> io::Result<Vec<Entry>> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            file => file?,
        };
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |end| end + 1);
        self.offset += whole as u64;
        let lines = bytes[..whole].split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.is_empty());
        Ok(lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect())
    }
}
