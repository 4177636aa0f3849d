//! The ledger: what was used and what it cost, in one SQLite file that survives kills and power cuts.
//!
//! ```text
//!  record(&Event) ──▶ bytes of rows ──▶ writer thread ──▶ one transaction a group ──▶ fsync ──▶ written
//!   short lock          64 MiB, then          │
//!   no IO, no wait      exact sums            └─ full, read-only, locked: told, retried, nothing lost
//! ```
//!
//! ```
//! use campanile_core::{CallEvent, Clock, Event, Ids, Outcome, Sink};
//! use campanile_sinks::ledger::{Ledger, LedgerOptions, Query, Reader};
//! use std::time::Duration;
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("ledger/campanile.db");
//! let clock = Clock::system();
//! let ledger = Ledger::open(LedgerOptions::new(&path), clock.clone())?;
//! let id = Ids::random().next(clock.now());
//! ledger.record(&Event::Call(Box::new(CallEvent::new(id, "llm".into(), clock.now(), Outcome::Completed))));
//! assert!(ledger.flush(Duration::from_secs(10)));
//!
//! let report = Reader::open(&path)?.report(&Query::default())?;
//! assert_eq!(report.total.calls, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Amounts are sums over *parts* (attempts of calls) only, and each part counts once: checkpoints of an open call,
//! the attempts of its closing event and usage that comes late are revisions of the same part, of which the highest
//! stays, in whatever order and however often they come.
//!
//! It does not keep logs, prices or texts of what was said.

mod ack;
mod alerts;
mod archive;
mod buffer;
mod codec;
mod error;
mod fill;
mod forget;
mod growth;
mod log;
mod numbers;
mod outbox;
mod place;
mod reader;
mod roller;
mod row;
mod run;
mod schema;
mod sketch;
mod slice;
mod span;
mod spending;
mod store;
mod sum;
mod turns;
mod verify;
mod visit;
mod writer;

pub use ack::{Ack, Appended, NotWritten};
pub use alerts::{AlertBook, Owed, Target};
pub use archive::{Archived, archive};
pub use buffer::LedgerState;
pub use error::{LedgerError, LedgerErrorKind};
pub use forget::{Forgotten, forget};
pub use outbox::{Courier, CourierOptions, Delivery, Lag, Remote};
pub use reader::{
    AttemptRow, Dimension, FailureGroup, Latency, LatencyRow, LedgerCall, LedgerFailure,
    LedgerStats, LedgerTurn, Query, Reader, Report, ReportRow, SessionDetail, SessionRow,
    TurnLatency, TurnSegment,
};
pub use sketch::Sketch;
pub use spending::{Count, Spend, Spending};
pub use verify::Problem;

use buffer::Buffer;
use campanile_core::{AlertEvent, CallEvent, Clock, Event, LossReason, Price, Sink, Stats};
use roller::Roller;
use run::Run;
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use writer::{Writer, instant};

/// When an event counts as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// After an fsync: it survives a power cut. Groups are committed at most 10 ms apart.
    #[default]
    Durable,
    /// After a commit: it survives a kill. A power cut loses at most the last second.
    Fast,
}

impl Durability {
    /// SQLite's word for it.
    const fn synchronous(self) -> &'static str {
        match self {
            Durability::Durable => "FULL",
            Durability::Fast => "NORMAL",
        }
    }

    /// The name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Durability::Durable => "durable",
            Durability::Fast => "fast",
        }
    }
}

/// Trouble that a ledger is in, told at most once a minute.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LedgerTrouble {
    /// What kind.
    pub kind: LedgerErrorKind,
    /// The ledger.
    pub path: PathBuf,
    /// One line for people: what, where, what to do.
    pub message: String,
    /// Events that wait.
    pub waiting_events: u64,
    /// Bytes that they take.
    pub waiting_bytes: u64,
}

type Tell = Arc<dyn Fn(LedgerTrouble) + Send + Sync>;

/// Where a ledger is and how it writes.
#[derive(Clone)]
#[non_exhaustive]
#[must_use]
pub struct LedgerOptions {
    path: PathBuf,
    durability: Durability,
    budget_bytes: usize,
    sums: bool,
    tell: Tell,
    prices: Option<Arc<dyn Price>>,
}

impl LedgerOptions {
    /// A durable ledger in the file `path`, with 64 MiB for what waits, that tells nobody of trouble.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            durability: Durability::Durable,
            budget_bytes: 64 << 20,
            sums: true,
            tell: Arc::new(|_| {}),
            prices: None,
        }
    }

    /// Sets when an event counts as written (default: [`Durability::Durable`]).
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets how many bytes may wait before calls are folded into sums (default: 64 MiB).
    pub fn budget_bytes(mut self, bytes: usize) -> Self {
        self.budget_bytes = bytes;
        self
    }

    /// Sets whether the sums that make reports fast are built in the background (default: yes). Reports are as exact
    /// without.
    pub fn sums(mut self, build: bool) -> Self {
        self.sums = build;
        self
    }

    /// Sets who is told of trouble, on the writer's thread (default: nobody).
    pub fn tell(mut self, tell: impl Fn(LedgerTrouble) + Send + Sync + 'static) -> Self {
        self.tell = Arc::new(tell);
        self
    }

    /// Sets what prices what a dead process may have used and not counted (default: nothing; then such amounts have no
    /// upper bound).
    pub fn prices(mut self, prices: impl Price + 'static) -> Self {
        self.prices = Some(Arc::new(prices));
        self
    }
}

impl fmt::Debug for LedgerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgerOptions")
            .field("path", &self.path)
            .field("durability", &self.durability)
            .field("budget_bytes", &self.budget_bytes)
            .finish_non_exhaustive()
    }
}

/// One event with an id of somebody else, for [`Ledger::append`].
#[derive(Clone, Debug)]
pub struct Entry {
    id: String,
    call: CallEvent,
}

impl Entry {
    /// An event that is counted once under `id`, whatever `call.id` says.
    #[must_use]
    pub fn new(id: impl Into<String>, call: CallEvent) -> Self {
        Self {
            id: id.into(),
            call,
        }
    }
}

/// What the callers and the writer share.
#[derive(Debug)]
struct Shared {
    buffer: Mutex<Buffer>,
    /// The writer waits on it.
    work: Condvar,
    /// Others wait on it for the writer.
    done: Condvar,
    /// The roller waits on it.
    roll: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, buffer: MutexGuard<'a, Buffer>, within: Duration) -> MutexGuard<'a, Buffer> {
        self.work
            .wait_timeout(buffer, within)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// Waits before the next try; not to the end where the ledger is closed meanwhile.
    fn pause<'a>(
        &self,
        buffer: MutexGuard<'a, Buffer>,
        within: Duration,
    ) -> MutexGuard<'a, Buffer> {
        let stopped = buffer.stop;
        let waited = self
            .work
            .wait_timeout_while(buffer, within, |buffer| buffer.stop == stopped);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Says that the writer is gone; what still waits will never be written.
    fn close(&self) {
        let mut buffer = self.lock();
        buffer.gone = true;
        let left: Vec<_> =
            std::iter::from_fn(|| (!buffer.is_empty()).then(|| buffer.take())).collect();
        drop(buffer);
        drop(left);
        self.done.notify_all();
        self.roll.notify_all();
    }
}

/// The ledger of this process: a [`Sink`] that never sheds an amount.
///
/// `record` takes a short lock and does no IO. Calls and usage beyond the byte budget are folded into exact sums
/// by hour, stage, provider, model and outcome. `log`, `summary` and `loss` events are not its business.
///
/// Dropping it writes what waits, for at most 100 ms; [`close`](Self::close) waits as long as it is told to.
#[derive(Debug)]
pub struct Ledger {
    shared: Arc<Shared>,
    path: PathBuf,
    run: i64,
}

impl Ledger {
    /// Opens or makes the ledger, closes what dead processes left open in it, and starts its writer.
    ///
    /// # Errors
    ///
    /// When the folder cannot be created, or the file cannot be written, is something else, or is newer.
    pub fn open(options: LedgerOptions, clock: Clock) -> Result<Self, LedgerError> {
        let (path, sums) = (options.path.clone(), options.sums);
        make_folder(&path)?;
        let (conn, run) = patiently(|| {
            let mut conn = schema::open(&path, options.durability)?;
            let run = Run::begin(&conn, &path, &clock)?;
            run::close_dead(&mut conn, &options, &clock, run.id)?;
            // What a process that was killed has committed and not synced counts from here on.
            writer::checkpoint(&conn).map_err(|error| LedgerError::sql(&path, error))?;
            Ok((conn, run))
        })?;
        let id = run.id;
        let shared = Arc::new(Shared {
            buffer: Mutex::new(Buffer::new(options.budget_bytes, sums)),
            work: Condvar::new(),
            done: Condvar::new(),
            roll: Condvar::new(),
        });
        let writer = Writer {
            shared: Arc::clone(&shared),
            store: Some(store::Store::new(conn, run.id, options.durability)),
            options,
            clock,
            run,
            last_commit: instant(),
            last_sync: instant(),
            unsynced: false,
            told: None,
        };
        let roller = Roller::new(Arc::clone(&shared), path.clone(), writer.clock.clone());
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name.to_owned());
            thread
                .spawn(work)
                .map_err(|error| LedgerError::io(LedgerErrorKind::Io, &path, error))
        };
        spawn("campanile-ledger", Box::new(move || writer.work()))?;
        if sums {
            spawn("campanile-sums", Box::new(move || roller.work()))?;
        }
        Ok(Self {
            shared,
            path,
            run: id,
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of this process among those that have written the ledger.
    #[must_use]
    pub fn run(&self) -> i64 {
        self.run
    }

    /// Writes entries with ids from outside, each once: the check of its id and the insert are one transaction.
    ///
    /// Blocks while the byte budget is used up: there is room again when something was written.
    pub fn append(&self, entries: &[Entry]) -> Ack {
        let slot = buffer_slot(entries.len());
        self.urgently(&slot, |buffer| buffer.append(entries, &slot));
        Ack(slot)
    }

    /// Writes an alert once; the answer tells whether it was new.
    pub fn raise(&self, alert: &AlertEvent) -> Ack {
        let slot = buffer_slot(1);
        self.urgently(&slot, |buffer| buffer.raise(alert, &slot));
        Ack(slot)
    }

    fn urgently(&self, slot: &ack::Slot, hand_over: impl FnOnce(&mut Buffer)) {
        let full = |buffer: &mut Buffer| buffer.is_full() && !buffer.gone;
        let waited = self.shared.done.wait_while(self.shared.lock(), full);
        let mut buffer = waited.unwrap_or_else(PoisonError::into_inner);
        if buffer.gone {
            return slot.close();
        }
        hand_over(&mut buffer);
        drop(buffer);
        self.shared.work.notify_one();
    }

    /// Counters, and whether it can write.
    #[must_use]
    pub fn state(&self) -> LedgerState {
        let buffer = self.shared.lock();
        LedgerState {
            waiting_bytes: buffer.waiting() as u64,
            ..buffer.state
        }
    }

    /// Why it cannot write at the moment; `None` when all is well.
    #[must_use]
    pub fn degraded(&self) -> Option<LedgerErrorKind> {
        self.shared.lock().state.degraded
    }

    /// Writes what waits, then builds the sums that reports read, and ends the writer. `false` when `within` was too short,
    /// or the disk refused to the end.
    #[must_use]
    pub fn close(self, within: Duration) -> bool {
        self.stop(within, true)
    }

    fn stop(&self, within: Duration, settle: bool) -> bool {
        let mut buffer = self.shared.lock();
        buffer.stop = true;
        buffer.settle = settle;
        buffer.stop_at = instant().checked_add(within);
        self.shared.work.notify_one();
        let waited = self
            .shared
            .done
            .wait_timeout_while(buffer, within, |buffer| !buffer.gone);
        let (buffer, _) = waited.unwrap_or_else(PoisonError::into_inner);
        buffer.gone && buffer.state.written == buffer.state.recorded
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if !self.shared.lock().gone {
            self.stop(Duration::from_millis(100), false);
        }
    }
}

impl Sink for Ledger {
    fn record(&self, event: &Event) {
        if !event.is_money() {
            return;
        }
        let mut buffer = self.shared.lock();
        buffer.record(event);
        // Only the first event after a while: a wake-up is a system call.
        let wake = std::mem::take(&mut buffer.asleep);
        drop(buffer);
        if wake {
            self.shared.work.notify_one();
        }
    }

    fn flush(&self, within: Duration) -> bool {
        let mut buffer = self.shared.lock();
        let target = buffer.state.recorded;
        // Not where all was taken: the next event would be committed alone.
        buffer.urgent |= !buffer.is_empty();
        self.shared.work.notify_one();
        let waiting = |buffer: &mut Buffer| buffer.state.written < target && !buffer.gone;
        let waited = self.shared.done.wait_timeout_while(buffer, within, waiting);
        waited
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .state
            .written
            >= target
    }

    fn name(&self) -> &'static str {
        "ledger"
    }

    fn lane(&self) -> Option<campanile_core::Lane> {
        Some(campanile_core::Lane::Money)
    }

    fn account(&self) -> Option<Stats> {
        let state = self.state();
        let mut stats = Stats::new("ledger");
        stats.opened = state.recorded;
        stats.written = state.written - state.dropped - state.refused;
        stats.pending = state.recorded - state.written;
        stats.queued_bytes = state.waiting_bytes;
        stats.degraded = state.degraded.is_some();
        stats.errors = state.errors;
        let lost = [
            (LossReason::Full, state.dropped),
            (LossReason::TooOld, state.refused),
        ];
        stats.lost = lost.into_iter().filter(|(_, events)| *events > 0).collect();
        Some(stats)
    }
}

fn buffer_slot(entries: usize) -> Arc<ack::Slot> {
    ack::Slot::new(entries)
}

/// Makes the folder of a ledger, for certain: a file in a folder that a power cut forgets is lost too.
fn make_folder(path: &Path) -> Result<(), LedgerError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let io = |error| LedgerError::io(LedgerErrorKind::Folder, folder, error);
    if !folder.is_dir() {
        std::fs::create_dir_all(folder).map_err(io)?;
        let sync = |folder: &Path| std::fs::File::open(folder).and_then(|folder| folder.sync_all());
        for above in folder
            .ancestors()
            .skip(1)
            .filter(|above| !above.as_os_str().is_empty())
        {
            let _ = sync(above);
        }
    }
    Ok(())
}

/// Tries again while another process is opening the same ledger.
fn patiently<T>(mut open: impl FnMut() -> Result<T, LedgerError>) -> Result<T, LedgerError> {
    let started = instant();
    loop {
        match open() {
            Err(error)
                if error.kind() == LedgerErrorKind::Locked
                    && started.elapsed() < Duration::from_secs(10) =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}
