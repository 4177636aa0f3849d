//! The answer to what was appended: it comes once the rows are durable.

use super::LedgerErrorKind;
use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

/// What became of an entry that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is in the ledger now.
    Created,
    /// Its id was there before; nothing was changed.
    Exists,
    /// It began before what is archived: nobody can say whether it was counted. It is not counted now.
    TooOld,
}

impl Appended {
    /// The word in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Appended::Created => "created",
            Appended::Exists => "exists",
            Appended::TooOld => "too_old",
        }
    }
}

/// The ledger was closed before these entries were written: nobody may count on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotWritten(());

impl std::fmt::Display for NotWritten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "not written: the ledger was closed before; {}",
            LedgerErrorKind::Closed.advice()
        )
    }
}

impl std::error::Error for NotWritten {}

/// Resolves once the entries are durable, one answer for each: as a future, or by [`wait`](Ack::wait).
///
/// Dropping it does not take the entries back.
#[derive(Debug)]
#[must_use = "an entry counts as written only when this says so"]
pub struct Ack(pub(super) Arc<Slot>);

impl Ack {
    /// Waits on this thread; `None` when `within` was too short. The answer is given once.
    pub fn wait(&self, within: Duration) -> Option<Result<Vec<Appended>, NotWritten>> {
        let ended = |slot: &mut Inner| !slot.is_over();
        let (mut slot, _) = self
            .0
            .over
            .wait_timeout_while(self.0.lock(), within, ended)
            .unwrap_or_else(PoisonError::into_inner);
        slot.answer()
    }
}

impl Future for Ack {
    type Output = Result<Vec<Appended>, NotWritten>;
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.0.lock();
        match slot.answer() {
            Some(answer) => Poll::Ready(answer),
            None => {
                slot.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Where the writer puts the answers.
#[derive(Debug)]
pub(super) struct Slot {
    inner: Mutex<Inner>,
    over: Condvar,
}

#[derive(Debug)]
struct Inner {
    missing: usize,
    answers: Vec<Appended>,
    closed: bool,
    waker: Option<Waker>,
}

impl Inner {
    fn is_over(&self) -> bool {
        self.closed || self.missing == 0
    }

    fn answer(&mut self) -> Option<Result<Vec<Appended>, NotWritten>> {
        self.is_over().then(|| match self.missing {
            0 => Ok(std::mem::take(&mut self.answers)),
            _ => Err(NotWritten(())),
        })
    }
}

impl Slot {
    pub(super) fn new(missing: usize) -> Arc<Self> {
        let inner = Inner {
            missing,
            answers: Vec::with_capacity(missing),
            closed: false,
            waker: None,
        };
        Arc::new(Self {
            inner: Mutex::new(inner),
            over: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fill(&self, answers: impl Iterator<Item = Appended>) {
        let mut inner = self.lock();
        let before = inner.answers.len();
        inner.answers.extend(answers);
        inner.missing = inner.missing.saturating_sub(inner.answers.len() - before);
        self.tell(inner);
    }

    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        self.tell(inner);
    }

    fn tell(&self, mut inner: MutexGuard<'_, Inner>) {
        let waker = if inner.is_over() {
            inner.waker.take()
        } else {
            None
        };
        let over = inner.is_over();
        drop(inner);
        if over {
            self.over.notify_all();
        }
        // Somebody else's code: not under our lock, and its panic is not the writer's end.
        if let Some(waker) = waker {
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| waker.wake()));
        }
    }
}
