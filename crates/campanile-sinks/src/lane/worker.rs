//! The thread at the far end of a lane.

use super::{Counters, Load, Shared, State};
use crate::{
    Notices,
    sync::{self, Arc, MutexGuard, PoisonError},
};
use campanile_core::{Clock, LossEvent, LossReason, Span, Tick};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

/// How long the worker sleeps before it looks again.
const POLL: Duration = Duration::from_millis(20);
/// The pause after the first failed try; doubles with each one more.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Tries for what is left when the sink is closed, without any that helped.
const LAST_TRIES: u32 = 3;
/// Losses are told no more often than this, so that telling does not add to the flood.
const BETWEEN_LOSSES: Span = Span(1_000_000_000);

/// Where a lane ends: a file, a terminal, a sink of the program's own.
pub(crate) trait Writer<L>: Send + 'static {
    /// Writes what is in `load`, in order, and takes out what is where it should be, also when this ends with an error
    /// or a panic: the rest is handed in again.
    fn write(&mut self, load: &mut L) -> io::Result<()>;

    /// Words a loss, so that it can be written.
    fn tell(&self, loss: &LossEvent, load: &mut L);

    /// Called after the last item of a flush.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) struct Worker<M, W, L> {
    name: &'static str,
    shared: Arc<Shared<L>>,
    clock: Clock,
    steady: Clock,
    notices: Notices,
    make: M,
    writer: Option<W>,
    /// What is in hand, and the flushes that were asked for when it was taken.
    load: L,
    asked: u64,
    /// Tries in a row that failed, and those of them that moved nothing.
    failures: u32,
    in_vain: u32,
    told: [u64; LossReason::ALL.len()],
    told_at: Option<Tick>,
}

/// How a try ended.
enum Tried {
    Done,
    Failed,
    Panicked,
}

impl<L: Load, W: Writer<L>, M: FnMut() -> W> Worker<M, W, L> {
    pub(super) fn new(
        name: &'static str,
        shared: Arc<Shared<L>>,
        clock: Clock,
        notices: Notices,
        make: M,
    ) -> Self {
        Self {
            name,
            shared,
            clock,
            steady: sync::steady(),
            notices,
            make,
            writer: None,
            load: L::default(),
            asked: 0,
            failures: 0,
            in_vain: 0,
            told: [0; LossReason::ALL.len()],
            told_at: None,
        }
    }

    pub(super) fn run(mut self) {
        loop {
            let closing = self.take();
            let before = self.load.items();
            let worked = self.write_load() && self.tell_losses(closing) && self.flush_writer();
            if worked {
                (self.failures, self.in_vain) = (0, 0);
                self.settle();
                if closing && self.is_drained() {
                    break;
                }
                continue;
            }
            let moved = self.load.items() < before;
            self.failures += 1;
            self.in_vain = if moved { 0 } else { self.in_vain + 1 };
            if self.gives_up() {
                break;
            }
            self.pause(moved);
        }
        // Its end may panic as well; nobody is there to restart it.
        let writer = self.writer.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(writer)));
        let mut state = self.shared.state();
        state.finished = true;
        state.flushed = state.asked;
        self.shared.progress.notify_all();
    }

    fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Takes what is in the buffer, if nothing is in hand; waits a little until there is a block of it.
    fn take(&mut self) -> bool {
        let mut state = self.shared.state();
        if self.load.items() == 0 {
            let may_wait = state.buffer.bytes() < self.shared.block && !state.closing;
            if may_wait && state.asked == state.flushed {
                state = wait(&self.shared, state, POLL);
            }
            self.load.shrink();
            std::mem::swap(&mut self.load, &mut state.buffer);
            state.busy = self.load.bytes();
            self.asked = state.asked;
        }
        state.closing
    }

    fn write_load(&mut self) -> bool {
        let before = self.load.items();
        if before == 0 {
            return true;
        }
        let mut load = std::mem::take(&mut self.load);
        let tried = self.attempt(&mut load);
        self.load = load;
        self.counters().write(before - self.load.items());
        match tried {
            Tried::Done => true,
            Tried::Failed => false,
            Tried::Panicked => {
                let left = self.load.give_up();
                self.counters().lose(LossReason::Panicked, left);
                false
            }
        }
    }

    /// One try; what could not be written is left in `load`.
    fn attempt(&mut self, load: &mut L) -> Tried {
        let tried = catch_unwind(AssertUnwindSafe(|| {
            let writer = self.writer.get_or_insert_with(&mut self.make);
            writer.write(load)
        }));
        self.judge(tried)
    }

    fn judge(&mut self, tried: std::thread::Result<io::Result<()>>) -> Tried {
        match tried {
            Ok(Ok(())) => {
                if self.counters().recover() {
                    self.notices
                        .tell(&format!("{}: writing works again", self.name));
                }
                Tried::Done
            }
            Ok(Err(error)) => {
                self.counters().fail();
                let queued = self.counters().snapshot().queued_bytes;
                self.notices.trouble(
                    self.name,
                    &format!("cannot write: {error}; {queued} bytes wait in memory, writing is tried again"),
                );
                Tried::Failed
            }
            Err(_) => {
                self.counters().fail();
                self.notices
                    .trouble(self.name, "the writer panicked and is started anew");
                let broken = self.writer.take();
                let _ = catch_unwind(AssertUnwindSafe(|| drop(broken)));
                Tried::Panicked
            }
        }
    }

    /// Writes a line into the stream for each reason that has lost lines since the last time.
    fn tell_losses(&mut self, now: bool) -> bool {
        let tick = self.steady.tick();
        let recently = self
            .told_at
            .is_some_and(|at| tick.since(at) < BETWEEN_LOSSES);
        if recently && !now && self.asked == self.shared.state().flushed {
            return true;
        }
        for reason in LossReason::ALL {
            let lost = self.counters().lost_to(reason);
            let untold = lost - self.told[reason as usize];
            if untold == 0 {
                continue;
            }
            let loss = LossEvent::new(self.clock.now(), self.name, reason.name(), untold);
            let mut told = L::default();
            let worded = catch_unwind(AssertUnwindSafe(|| {
                let writer = self.writer.get_or_insert_with(&mut self.make);
                writer.tell(&loss, &mut told);
            }));
            let tried = match worded {
                Ok(()) => self.attempt(&mut told),
                Err(panic) => self.judge(Err(panic)),
            };
            match tried {
                Tried::Done => self.told[reason as usize] = lost,
                Tried::Failed => return false,
                // It is not to hold up what can be written: later, once more.
                Tried::Panicked => {}
            }
            self.told_at = Some(tick);
        }
        true
    }

    fn flush_writer(&mut self) -> bool {
        if self.asked == self.shared.state().flushed {
            return true;
        }
        let Some(writer) = &mut self.writer else {
            return true;
        };
        let tried = catch_unwind(AssertUnwindSafe(|| writer.flush()));
        matches!(self.judge(tried), Tried::Done)
    }

    /// What was in hand is done with.
    fn settle(&mut self) {
        let mut state = self.shared.state();
        state.busy = 0;
        state.flushed = state.flushed.max(self.asked);
        self.shared.counters.queue(state.buffer.bytes());
        self.shared.progress.notify_all();
    }

    fn is_drained(&self) -> bool {
        self.shared.state().buffer.items() == 0
    }

    /// After a failed try: whether the rest is given up, because the sink is closed.
    fn gives_up(&mut self) -> bool {
        let mut state = self.shared.state();
        let last = state.abandoned || (state.closing && self.in_vain >= LAST_TRIES);
        if last {
            let left = self.load.items() + std::mem::take(&mut state.buffer).items();
            state.busy = 0;
            self.shared.counters.lose(LossReason::IoError, left);
            self.shared.counters.queue(0);
        } else {
            state.busy = self.load.bytes();
            self.shared
                .counters
                .queue(state.buffer.bytes() + state.busy);
        }
        last
    }

    /// Waits before the next try; a flush or the end asks for one at once, and for all that move something.
    fn pause(&mut self, moved: bool) {
        let pause = FIRST_PAUSE
            .saturating_mul(1 << self.failures.min(10).saturating_sub(1))
            .min(LONGEST_PAUSE);
        let mut state = self.shared.state();
        if moved && (state.closing || state.asked > state.flushed) {
            return;
        }
        let seen = (state.asked, state.closing, state.abandoned);
        let begun = self.steady.tick();
        while (state.asked, state.closing, state.abandoned) == seen {
            let Some(left) = super::left_of(pause, begun, self.steady.tick()) else {
                return;
            };
            state = wait(&self.shared, state, left);
        }
    }
}

fn wait<'a, L>(
    shared: &Shared<L>,
    state: MutexGuard<'a, State<L>>,
    within: Duration,
) -> MutexGuard<'a, State<L>> {
    shared
        .work
        .wait_timeout(state, within)
        .unwrap_or_else(PoisonError::into_inner)
        .0
}
