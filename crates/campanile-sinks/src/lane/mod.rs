//! The one worker machine that all signal sinks share.
//!
//! ```text
//! recorder's thread            worker's thread
//!   encode ─▶ push ─▶ │buffer│ ─▶ swap ─▶ write ─▶ (error: wait, try again; panic: count, start anew)
//!                  short mutex           no lock
//! ```
//!
//! What waits is a [`Load`]: whole lines for files and terminals, events for sinks of the program's own.
//!
//! - The buffer has a byte budget, what is in the writer's hands included. What matters less is refused earlier, so that
//!   room is left for what matters more: see [`Priority`].
//! - Every item ends as written, as counted under one [`LossReason`], or is still pending: the sum is exact at any time.
//! - Handing over makes no system call but one a block: the worker looks into the buffer every 20 ms, and is woken when
//!   a block is full. So a file is written in whole blocks, and the buffers stay small enough for the cache.
//! - What could not be written stays in the buffer and is tried again, with a growing pause: that is the breaker. What
//!   finds no room meanwhile is counted, and told in the stream itself once there is a stream again.
//! - In a child that was forked off there is no worker: nothing is written, and nobody waits for it.

mod load;
mod stats;
mod worker;

pub(crate) use load::{Lines, Load};
pub(crate) use stats::Counters;
pub use stats::Watch;
pub(crate) use worker::Writer;

use crate::{
    Notices,
    sync::{self, Arc, Condvar, JoinHandle, Mutex, MutexGuard, PoisonError},
};
use campanile_core::{Clock, Event, Level, LossReason, Tick};
use std::{fmt, io, time::Duration};

/// So many bytes are worth a write of their own.
const BLOCK: usize = 256 << 10;

/// How much of the budget a line may find used and still be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    /// Debug text: up to half of the budget.
    Text,
    /// Single calls, usage, info text: up to three quarters.
    Detail,
    /// Turns, sessions, summaries, warnings: up to seven eighths.
    Notable,
    /// Errors: all of it.
    Error,
}

impl Priority {
    pub(crate) fn of(event: &Event) -> Self {
        match (event, event.level()) {
            (_, Level::Error) => Priority::Error,
            (_, Level::Warn) => Priority::Notable,
            (Event::Turn(_) | Event::Session(_) | Event::Summary(_), _) => Priority::Notable,
            (Event::Log(_), Level::Trace | Level::Debug) => Priority::Text,
            _ => Priority::Detail,
        }
    }

    fn share(self, budget: usize) -> usize {
        match self {
            Priority::Text => budget / 2,
            Priority::Detail => budget / 4 * 3,
            Priority::Notable => budget / 8 * 7,
            Priority::Error => budget,
        }
    }
}

/// The sink's end of a lane. Dropping it waits at most 100 ms for what is in the buffer.
pub(crate) struct Lane<L: Load = Lines> {
    shared: Arc<Shared<L>>,
    worker: Mutex<Option<JoinHandle<()>>>,
    budget: usize,
    clock: Clock,
    /// The process that has the worker.
    process: u32,
}

/// What both ends see.
struct Shared<L> {
    state: Mutex<State<L>>,
    work: Condvar,
    progress: Condvar,
    counters: Arc<Counters>,
    /// Bytes for which the worker is woken: [`BLOCK`], or a quarter of a small budget.
    block: usize,
}

#[derive(Default)]
struct State<L> {
    buffer: L,
    /// Bytes in the hands of the worker.
    busy: usize,
    /// Flushes that were asked for, and those that are done.
    asked: u64,
    flushed: u64,
    /// Nothing more comes in.
    closing: bool,
    /// Nobody waits for the rest any longer.
    abandoned: bool,
    /// The worker has left.
    finished: bool,
}

impl<L> Shared<L> {
    fn state(&self) -> MutexGuard<'_, State<L>> {
        // Each critical section leaves the state whole, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: Load> Lane<L> {
    /// Starts the worker; `make` makes its writer, and a new one after a panic.
    pub(crate) fn start<W: Writer<L>>(
        name: &'static str,
        budget: usize,
        clock: Clock,
        notices: Notices,
        make: impl FnMut() -> W + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
            counters: Arc::new(Counters::new(name)),
            block: BLOCK.min(budget / 4),
        });
        let worker = worker::Worker::new(name, shared.clone(), clock, notices, make);
        let handle = sync::Builder::new()
            .name(format!("campanile-{name}"))
            .spawn(move || worker.run())?;
        Ok(Self {
            shared,
            worker: Mutex::new(Some(handle)),
            budget,
            clock: sync::steady(),
            process: std::process::id(),
        })
    }

    /// Hands over one item, or counts why not. Never waits for IO.
    pub(crate) fn push(&self, priority: Priority, item: &L::Item) {
        let counters = &self.shared.counters;
        counters.opened(1);
        let mut state = self.shared.state();
        let before = state.buffer.bytes();
        let used = before + state.busy;
        if state.closing {
            counters.lose(LossReason::Closed, 1);
        } else if used.saturating_add(L::weigh(item)) > priority.share(self.budget) {
            counters.refuse();
        } else {
            state.buffer.push(item);
            let now = state.buffer.bytes();
            counters.queue(now + state.busy);
            drop(state);
            if before < self.shared.block && now >= self.shared.block {
                self.shared.work.notify_one();
            }
        }
    }

    /// Counts something that never became an item.
    pub(crate) fn lose(&self, reason: LossReason) {
        self.shared.counters.opened(1);
        self.shared.counters.lose(reason, 1);
    }

    /// A child that was forked off has the memory, and not the worker.
    fn is_forked(&self) -> bool {
        self.process != std::process::id()
    }

    /// Waits until what was handed over before is written or counted, and the writer has let go of it.
    pub(crate) fn flush(&self, within: Duration) -> bool {
        if self.is_forked() {
            return false;
        }
        let mut state = self.shared.state();
        if state.finished {
            return true;
        }
        state.asked += 1;
        let mine = state.asked;
        self.shared.work.notify_one();
        let state = self.wait(state, within, |state| {
            state.flushed >= mine || state.finished
        });
        state.flushed >= mine || state.finished
    }

    /// Takes nothing more, writes what is there. What is still in the buffer after `within` is counted as `closed`.
    pub(crate) fn close(&self, within: Duration) -> bool {
        if self.is_forked() {
            return false;
        }
        let mut state = self.shared.state();
        state.closing = true;
        self.shared.work.notify_one();
        let mut state = self.wait(state, within, |state| state.finished);
        if !state.finished {
            state.abandoned = true;
            let left = std::mem::take(&mut state.buffer).items();
            self.shared.counters.lose(LossReason::Closed, left);
            self.shared.counters.queue(state.busy);
            self.shared.work.notify_one();
            return false;
        }
        drop(state);
        let worker = self
            .worker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(worker) = worker {
            // It has said that it is leaving, and its panics are caught.
            let _ = worker.join();
        }
        true
    }

    pub(crate) fn watch(&self) -> Watch {
        Watch::new(self.shared.counters.clone())
    }

    fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State<L>>,
        within: Duration,
        over: impl Fn(&State<L>) -> bool,
    ) -> MutexGuard<'a, State<L>> {
        let begun = self.clock.tick();
        while !over(&state) {
            let Some(left) = left_of(within, begun, self.clock.tick()) else {
                break;
            };
            state = self
                .shared
                .progress
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state
    }
}

fn left_of(within: Duration, begun: Tick, now: Tick) -> Option<Duration> {
    within
        .checked_sub(now.since(begun).to_duration())
        .filter(|left| !left.is_zero())
}

impl<L: Load> Drop for Lane<L> {
    fn drop(&mut self) {
        self.close(Duration::from_millis(100));
    }
}

impl<L: Load> fmt::Debug for Lane<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.counters.snapshot().fmt(f)
    }
}
