//! The handle by which layers reach the draft of a call.

use super::{AttemptDraft, Draft, Handed, Intake, Live, Turn};
use crate::{CallId, Clock, Hold, Name, Outcome, Span, Tick, Timestamp};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The record of one open call. A request carries it down the stack; every layer that watches keeps a clone.
///
/// A call is closed once, by [`close`](Record::close). Whoever writes later amends it: the recorder hears of it
/// and writes a `usage` event. Dropping a record that nobody has closed leaves the call open until the
/// monitor closes.
#[derive(Clone)]
pub struct Record {
    open: Arc<OpenCall>,
    attempt: Option<u32>,
}

/// What does not change while a call is open, and the draft. The room is used again and again.
pub(crate) struct OpenCall {
    pub(crate) id: CallId,
    pub(crate) stage: Name,
    pub(crate) turn: Option<Turn>,
    pub(crate) started_at: Timestamp,
    pub(crate) opened: Tick,
    /// How long the caller had waited for readiness before.
    pub(crate) waited: Span,
    /// Its place in the table of open calls.
    pub(crate) slot: usize,
    pub(crate) intake: Option<Intake>,
    pub(crate) draft: Mutex<Guarded>,
    /// Attempts whose caller has gone while somebody reads on for the usage: one bit each.
    pub(crate) draining: AtomicU64,
}

#[derive(Default)]
pub(crate) struct Guarded {
    pub(crate) draft: Draft,
    pub(crate) closed: bool,
}

impl OpenCall {
    pub(crate) fn empty() -> Self {
        Self {
            id: CallId(0),
            stage: Name::default(),
            turn: None,
            started_at: Timestamp(0),
            opened: Tick(0),
            waited: Span(0),
            slot: 0,
            intake: None,
            draft: Mutex::default(),
            draining: AtomicU64::new(0),
        }
    }
}

impl Record {
    pub(crate) fn new(open: Arc<OpenCall>) -> Self {
        Self {
            open,
            attempt: None,
        }
    }

    pub(crate) fn into_open(self) -> Arc<OpenCall> {
        self.open
    }

    pub(crate) fn slot(&self) -> (usize, &Arc<OpenCall>) {
        (self.open.slot, &self.open)
    }

    fn lock(&self) -> MutexGuard<'_, Guarded> {
        // A draft is plain values: one that a panic left half written is still worth recording.
        self.open
            .draft
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of the call.
    #[must_use]
    pub fn id(&self) -> CallId {
        self.open.id
    }

    /// The stage that was called.
    #[must_use]
    pub fn stage(&self) -> &Name {
        &self.open.stage
    }

    /// The turn to which the call belongs.
    #[must_use]
    pub fn turn(&self) -> Option<&Turn> {
        self.open.turn.as_ref()
    }

    /// When it was opened, in wall time.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.open.started_at
    }

    /// When it was opened.
    #[must_use]
    pub fn opened(&self) -> Tick {
        self.open.opened
    }

    /// How long the caller had waited for readiness before it was opened.
    #[must_use]
    pub fn waited(&self) -> Span {
        self.open.waited
    }

    /// The monitor to which it belongs.
    ///
    /// # Panics
    ///
    /// Never: a record that can be held has one.
    #[must_use]
    pub fn intake(&self) -> &Intake {
        self.open
            .intake
            .as_ref()
            .expect("an open call has an intake")
    }

    /// The clock by which it is timed.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.intake().clock()
    }

    /// Makes this handle write into an attempt: a new one, or the one that a layer above has begun on the same
    /// pass. Requests that a retry clones begin their own.
    pub fn begin_attempt(&mut self) -> Arc<Live> {
        let mut guarded = self.lock();
        let known = self
            .attempt
            .and_then(|n| guarded.draft.attempts.get(n as usize - 1));
        if let Some(attempt) = known {
            return Arc::clone(&attempt.live);
        }
        let (n, live) = guarded.draft.begin_attempt();
        drop(guarded);
        self.attempt = Some(n);
        live
    }

    /// The number of the attempt into which this handle writes, from 1.
    #[must_use]
    pub fn attempt_number(&self) -> Option<u32> {
        self.attempt
    }

    /// Writes into the draft. `write` must be short, and must not call code of a user: it runs under a lock.
    pub fn draft<T>(&self, write: impl FnOnce(&mut Draft) -> T) -> T {
        write(&mut self.lock().draft)
    }

    /// Writes into the attempt of this handle; nothing where none was begun. Late writers amend the call.
    /// `write` runs under a lock, as in [`draft`](Self::draft).
    pub fn attempt(&self, write: impl FnOnce(&mut AttemptDraft)) {
        let Some(n) = self.attempt else { return };
        let mut guarded = self.lock();
        if let Some(attempt) = guarded.draft.attempts.get_mut(n as usize - 1) {
            write(attempt);
        }
        let late = guarded.closed;
        drop(guarded);
        if late {
            self.intake().hand_over(Handed::Late(self.clone()));
        }
    }

    /// Holds something back for the call until it is counted: see [`Gate`](crate::Gate).
    pub fn hold(&self, hold: Hold) {
        let late = {
            let mut guarded = self.lock();
            match guarded.closed {
                true => Some(hold),
                false => {
                    guarded.draft.holds.push(hold);
                    None
                }
            }
        };
        // Nobody will count it any more; not under the lock, since it is somebody's code.
        drop(late);
    }

    /// What is held back for the call; for the recorder, which settles it.
    #[must_use]
    pub fn take_holds(&self) -> Vec<Hold> {
        std::mem::take(&mut self.lock().draft.holds)
    }

    /// Closes the call. Only the first close counts.
    pub fn close(&self, outcome: Outcome, reason: Option<Name>) {
        let now = self.clock().tick();
        let mut guarded = self.lock();
        if std::mem::replace(&mut guarded.closed, true) {
            return;
        }
        guarded.draft.outcome = Some(outcome);
        guarded.draft.reason = reason;
        guarded.draft.ended = Some(now);
        drop(guarded);
        if let Some(turn) = self.turn() {
            turn.call_closed();
        }
        self.intake().closed(self.clone());
    }

    /// Whether the call was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Asks for a `usage` event of what was counted so far.
    pub fn checkpoint(&self) {
        self.intake().hand_over(Handed::Checkpoint(self.clone()));
    }

    /// Counts an observer that broke. The call goes on without it.
    pub fn observer_failed(&self) {
        self.draft(|draft| draft.observer_failed = draft.observer_failed.saturating_add(1));
    }

    /// From now on nobody waits for the attempt of this handle (for the call, where none was begun), and what
    /// passes is read for its usage only. A retry's next attempt has its caller still.
    pub fn set_draining(&self) {
        self.open.draining.fetch_or(self.attempt_bit(), Relaxed);
    }

    /// Whether the caller has gone, see [`set_draining`](Self::set_draining).
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.open.draining.load(Relaxed) & self.attempt_bit() != 0
    }

    /// The place of the attempt among 64; those that come later share the last one.
    fn attempt_bit(&self) -> u64 {
        self.attempt
            .map_or(u64::MAX, |n| 1 << n.saturating_sub(1).min(63))
    }
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.open.id)
            .field("stage", &self.open.stage)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
