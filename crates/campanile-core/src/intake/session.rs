//! One phone call.

use super::{Handed, Intake, Turn};
use crate::{Name, SessionId, SessionTotals, Tick, Timestamp};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// One session: a phone call, a conversation. A plain value: clone it into every task that works for it.
///
/// It ends once: by [`end`](Session::end), or with the reason `dropped` when its last handle goes (turns, and calls that
/// belong to them, hold one too).
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    id: SessionId,
    intake: Intake,
    started: Tick,
    started_at: Timestamp,
    turns: AtomicU32,
    open_calls: AtomicU32,
    over: AtomicBool,
    totals: Mutex<SessionTotals>,
}

impl Session {
    /// Begins a session. `None`: it gets an id of ours. One that names a person, such as a telephone number, is
    /// replaced by what the intake's [guard](Intake::set_guard) makes of it.
    #[must_use]
    pub fn begin(intake: &Intake, id: Option<SessionId>) -> Self {
        let id = id.map(|id| intake.guarded(id));
        let session = Self(Arc::new(Inner {
            id: id.unwrap_or_else(|| SessionId::from_call(intake.new_id())),
            intake: intake.clone(),
            started: intake.clock().tick(),
            started_at: intake.clock().now(),
            turns: AtomicU32::new(0),
            open_calls: AtomicU32::new(0),
            over: AtomicBool::new(false),
            totals: Mutex::default(),
        }));
        intake.hand_over(Handed::SessionBegun(session.clone()));
        session
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &SessionId {
        &self.0.id
    }

    /// When it began, in wall time.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.0.started_at
    }

    /// When it began.
    #[must_use]
    pub fn started(&self) -> Tick {
        self.0.started
    }

    /// Begins the next turn, now.
    #[must_use]
    pub fn turn(&self) -> Turn {
        let n = self.0.turns.fetch_add(1, Relaxed) + 1;
        Turn::begin(self.clone(), n, false)
    }

    /// What belongs to the session as a whole and to no turn of it: a speech-to-text connection that stays open.
    /// Such calls carry the session's id and the turn number 0, and no `turn` event is written.
    #[must_use]
    pub fn whole(&self) -> Turn {
        Turn::begin(self.clone(), 0, true)
    }

    /// Ends the session. Only the first end counts; calls that are still open are recorded when they close.
    pub fn end(&self, reason: &'static str) {
        if !self.0.over.swap(true, Relaxed) {
            let over = Handed::SessionOver(self.clone(), Name::from_static(reason));
            self.0.intake.hand_over(over);
        }
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.over.load(Relaxed)
    }

    /// The monitor to which it belongs.
    #[must_use]
    pub fn intake(&self) -> &Intake {
        &self.0.intake
    }

    /// Reads or writes what the session came to so far; for the recorder.
    pub fn totals<T>(&self, with: impl FnOnce(&mut SessionTotals) -> T) -> T {
        with(&mut self.0.totals.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many of its calls are open.
    #[must_use]
    pub fn open_calls(&self) -> u32 {
        self.0.open_calls.load(Relaxed)
    }

    pub(super) fn call_opened(&self) {
        self.0.open_calls.fetch_add(1, Relaxed);
    }

    pub(super) fn call_closed(&self) {
        self.0.open_calls.fetch_sub(1, Relaxed);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if *self.over.get_mut() {
            return;
        }
        // The last handle goes: a new one, already over, carries the news.
        let last = Inner {
            id: self.id.clone(),
            intake: self.intake.clone(),
            started: self.started,
            started_at: self.started_at,
            turns: AtomicU32::new(*self.turns.get_mut()),
            open_calls: AtomicU32::new(0),
            over: AtomicBool::new(true),
            totals: Mutex::new(std::mem::take(
                self.totals
                    .get_mut()
                    .unwrap_or_else(PoisonError::into_inner),
            )),
        };
        let over = Handed::SessionOver(Session(Arc::new(last)), Name::from_static("dropped"));
        self.intake.hand_over(over);
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.0.id)
            .finish_non_exhaustive()
    }
}
