//! Between the pipeline's threads and the recorder's: open calls, sessions, and one queue.
//!
//! ```text
//!  layers ──open──▶ table of open calls ──close──▶ queue ──take──▶ recorder: prices, redacts, seals, hands to sinks
//! ```
//!
//! What a caller's thread does here is bounded: a few short locks that no IO ever holds, no system call, and in steady
//! state no allocation.

mod draft;
mod record;
mod session;
mod table;
mod turn;

pub use draft::{AttemptDraft, Draft, Live};
pub use record::Record;
pub use session::Session;
pub use turn::{Guess, Mark, Turn, TurnTotals};

use crate::Tick;
use crate::{
    CallId, Clock, Content, Event, Failure, Ids, LogEvent, Name, Outcome, SessionId, Span,
};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use table::Table;

/// How many bytes of log text may wait for the recorder.
const MAX_LOG_BYTES: usize = 8 << 20;
/// From so many on, who waits for the recorder asks itself whether there is one.
const MANY: usize = 1 << 12;
/// So many things may wait for the recorder before whoever closes a call is slowed down: some 15 MiB, and as
/// much in the recorder's hands.
const MOST: usize = 1 << 13;
/// By so much for each call. The recorder seals hundreds in this time.
const SLOWED: Duration = Duration::from_millis(1);

/// What layers and handles hold of a monitor: the clock, the table of open calls, and the way to the recorder.
/// Cheap to clone.
#[derive(Clone)]
pub struct Intake(Arc<Hub>);

struct Hub {
    clock: Clock,
    ids: Ids,
    table: Table,
    queue: Mutex<Vec<Handed>>,
    log_bytes: AtomicUsize,
    keeps_content: AtomicBool,
    backtraces: AtomicBool,
    opened: AtomicU64,
    gave_up: AtomicU64,
    logs_lost: AtomicU64,
    drains: AtomicUsize,
    /// The length of the queue.
    waiting: AtomicUsize,
    /// What looks at ids that the program chose.
    guard: OnceLock<Guard>,
    /// The process that has the recorder.
    process: u32,
}

type Guard = Box<dyn Fn(SessionId) -> SessionId + Send + Sync + UnwindSafe + RefUnwindSafe>;

/// What is handed to the recorder, in the order in which it happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Handed {
    /// A call was closed.
    Closed(Record),
    /// An attempt of a closed call was written to.
    Late(Record),
    /// A call that is open wants its usage so far written.
    Checkpoint(Record),
    /// What calls of this handle's guess have made is thrown away.
    Discarded(Turn),
    /// A turn is over.
    TurnOver(Turn),
    /// A session has begun.
    SessionBegun(Session),
    /// A session is over, for that reason.
    SessionOver(Session, Name),
    /// A `tracing` event, and its message where its target is allowed.
    Log(Box<LogEvent>, Option<Content>, Vec<(&'static str, Content)>),
    /// An event that needs no sealing.
    Event(Event),
}

impl Intake {
    /// An intake whose calls are timed by `clock`. Somebody must [`take`](Self::take) what is handed over.
    #[must_use]
    pub fn new(clock: Clock, ids: Ids) -> Self {
        Self(Arc::new(Hub {
            clock,
            ids,
            table: Table::default(),
            queue: Mutex::default(),
            log_bytes: AtomicUsize::new(0),
            keeps_content: AtomicBool::new(false),
            backtraces: AtomicBool::new(false),
            opened: AtomicU64::new(0),
            gave_up: AtomicU64::new(0),
            logs_lost: AtomicU64::new(0),
            drains: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            guard: OnceLock::new(),
            process: std::process::id(),
        }))
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// A new id.
    #[must_use]
    pub fn new_id(&self) -> CallId {
        self.0.ids.next(self.0.clock.now())
    }

    /// Sets what looks at ids of sessions that the program chose, and may put others in their place. Only the first counts.
    pub fn set_guard<F>(&self, guard: F)
    where
        F: Fn(SessionId) -> SessionId + Send + Sync + UnwindSafe + RefUnwindSafe + 'static,
    {
        let _ = self.0.guard.set(Box::new(guard));
    }

    /// An id that the program chose, as it may be written.
    #[must_use]
    pub fn guarded(&self, id: SessionId) -> SessionId {
        match self.0.guard.get() {
            Some(guard) => guard(id),
            None => id,
        }
    }

    /// Opens a call on `stage` whose caller had `waited` for readiness.
    #[must_use]
    pub fn open(&self, stage: &Name, turn: Option<Turn>, waited: Span) -> Record {
        let started_at = self.0.clock.now();
        let opened = self.0.clock.tick();
        let id = self.0.ids.next(started_at);
        self.0.opened.fetch_add(1, Relaxed);
        if let Some(turn) = &turn {
            turn.call_opened(stage, opened);
        }
        self.0.table.open(id.0 as usize, |call| {
            call.id = id;
            call.stage = stage.clone();
            call.turn = turn;
            call.started_at = started_at;
            call.opened = opened;
            call.waited = waited;
            call.intake = Some(self.clone());
        })
    }

    /// Records a call that was refused before it could be opened.
    pub fn refused(&self, stage: &Name, waited: Span, failure: Failure) {
        let record = self.open(stage, None, waited);
        record.draft(|draft| draft.failure = Some(failure));
        record.close(Outcome::Failed, Some(Name::from_static("not_ready")));
    }

    pub(crate) fn closed(&self, record: Record) {
        self.0.table.remove(&record);
        self.hand_over(Handed::Closed(record));
        if self.waiting() >= MOST {
            // More calls than one recorder can seal, for a while: nothing of them may be lost, and memory is not endless.
            std::thread::sleep(SLOWED);
        }
    }

    /// How much waits for the recorder. While it is 8,192 or more, whoever closes a call waits one millisecond.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Relaxed)
    }

    /// Puts something into the recorder's queue. What came first is taken first.
    pub fn hand_over(&self, handed: Handed) {
        let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push(handed);
        let waiting = queue.len();
        self.0.waiting.store(waiting, Relaxed);
        drop(queue);
        if waiting >= MANY && waiting.is_power_of_two() {
            self.forget_if_forked();
        }
    }

    /// In a child that was forked off there is no recorder: what waits would grow without end.
    #[cold]
    fn forget_if_forked(&self) {
        if self.0.process == std::process::id() {
            return;
        }
        let mut handed = Vec::new();
        self.take(&mut handed);
        // What goes with a handle may hand over more; a second round would find it.
        drop(handed);
    }

    /// Hands a log line over, unless more than 8 MiB of them wait already: then it is counted as lost.
    pub fn log(
        &self,
        log: LogEvent,
        message: Option<Content>,
        fields: Vec<(&'static str, Content)>,
    ) {
        let bytes = log_bytes(&message, &fields);
        if self.0.log_bytes.fetch_add(bytes, Relaxed) + bytes > MAX_LOG_BYTES {
            self.0.log_bytes.fetch_sub(bytes, Relaxed);
            self.0.logs_lost.fetch_add(1, Relaxed);
            return;
        }
        self.hand_over(Handed::Log(Box::new(log), message, fields));
    }

    /// Moves everything that was handed over into `into` (which should be empty, and gives its room in return).
    pub fn take(&self, into: &mut Vec<Handed>) {
        let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *queue, into);
        self.0.waiting.store(queue.len(), Relaxed);
        drop(queue);
        let logs = into.iter().filter_map(|handed| match handed {
            Handed::Log(_, message, fields) => Some(log_bytes(message, fields)),
            _ => None,
        });
        self.0.log_bytes.fetch_sub(logs.sum(), Relaxed);
    }

    /// Every call that is open now.
    #[must_use]
    pub fn open_calls(&self) -> Vec<Record> {
        self.0.table.opened(|_| true)
    }

    /// The calls that are open now, of those that were opened at such a moment. `wanted` runs under a lock that callers need: it must be
    /// quick.
    #[must_use]
    pub fn open_calls_of(&self, wanted: impl Fn(Tick) -> bool) -> Vec<Record> {
        self.0.table.opened(wanted)
    }

    /// Takes the room of a sealed call back.
    pub fn recycle(&self, record: Record) {
        self.0.table.recycle(record);
    }

    /// How many calls were opened.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.0.opened.load(Relaxed)
    }

    /// Counts a caller that gave up while it waited for readiness.
    pub fn gave_up(&self) {
        self.0.gave_up.fetch_add(1, Relaxed);
    }

    /// How many callers gave up while they waited for readiness.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.0.gave_up.load(Relaxed)
    }

    /// How many log lines were lost since this was asked last.
    #[must_use]
    pub fn take_lost_logs(&self) -> u64 {
        self.0.logs_lost.swap(0, Relaxed)
    }

    /// Whether a sink wants what was said. Without one, content is measured and forgotten at once.
    #[must_use]
    pub fn keeps_content(&self) -> bool {
        self.0.keeps_content.load(Relaxed)
    }

    /// Sets whether a sink wants what was said.
    pub fn set_keeps_content(&self, keeps: bool) {
        self.0.keeps_content.store(keeps, Relaxed);
    }

    /// Whether failures bring a backtrace.
    #[must_use]
    pub fn backtraces(&self) -> bool {
        self.0.backtraces.load(Relaxed)
    }

    /// Sets whether failures bring a backtrace.
    pub fn set_backtraces(&self, wanted: bool) {
        self.0.backtraces.store(wanted, Relaxed);
    }

    /// Counts a task that reads on for the usage of a dropped reply, while the guard lives. `None` when `limit`
    /// tasks do so already.
    #[must_use]
    pub fn begin_drain(&self, limit: usize) -> Option<Drain> {
        let before = self.0.drains.fetch_add(1, Relaxed);
        // The guard takes its count back where there is no room.
        let drain = Drain(self.clone());
        (before < limit).then_some(drain)
    }

    /// How many tasks read on for the usage of dropped replies.
    #[must_use]
    pub fn drains(&self) -> usize {
        self.0.drains.load(Relaxed)
    }
}

impl AsRef<Intake> for Intake {
    fn as_ref(&self) -> &Intake {
        self
    }
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake")
            .field("opened", &self.opened())
            .finish_non_exhaustive()
    }
}

/// A task that reads on for the usage of a dropped reply; see [`Intake::begin_drain`].
#[derive(Debug)]
pub struct Drain(Intake);

impl Drop for Drain {
    fn drop(&mut self) {
        self.0.0.drains.fetch_sub(1, Relaxed);
    }
}

fn log_bytes(message: &Option<Content>, fields: &[(&'static str, Content)]) -> usize {
    let texts = message.iter().chain(fields.iter().map(|(_, text)| text));
    texts.map(|text| text.expose_content().len()).sum::<usize>() + size_of::<LogEvent>()
}

#[cfg(test)]
mod tests;
