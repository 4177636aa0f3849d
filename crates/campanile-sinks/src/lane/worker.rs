//! The thread at the far end of a lane.

use super::{Counters, LossReason, Shared, State};
use crate::Notices;
use campanile_core::{Clock, LossEvent, Span, Tick};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

/// How long the worker sleeps before it looks again.
const POLL: Duration = Duration::from_millis(20);
/// The pause after the first failed try; doubles with each one more.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Tries for what is left when the sink is closed.
const LAST_TRIES: u32 = 3;
/// Losses are told no more often than this, so that telling does not add to the flood.
const BETWEEN_LOSSES: Span = Span(1_000_000_000);
/// A buffer that a flood made larger than this is given back.
const KEPT_CAPACITY: usize = 1 << 20;

/// Where a lane ends: a file, a terminal.
pub(crate) trait LineWriter: Send + 'static {
    /// Writes whole lines. `done` says at any time how many bytes of whole lines are where they should be, also
    /// when this ends with an error or a panic: the rest is handed in again after an error.
    fn write(&mut self, lines: &[u8], done: &mut usize) -> io::Result<()>;

    /// Appends the line that tells a loss.
    fn tell(&self, loss: &LossEvent, line: &mut Vec<u8>);

    /// Called after the last line of a flush.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) struct Worker<M, W> {
    name: &'static str,
    shared: Arc<Shared>,
    clock: Clock,
    steady: Clock,
    notices: Notices,
    make: M,
    writer: Option<W>,
    /// The lines in hand, and the flushes that were asked for when they were taken.
    block: Vec<u8>,
    asked: u64,
    failures: u32,
    told: [u64; LossReason::ALL.len()],
    told_at: Option<Tick>,
}

/// How a try ended.
enum Tried {
    Done,
    Failed,
    Panicked,
}

impl<W: LineWriter, M: FnMut() -> W> Worker<M, W> {
    pub(super) fn new(
        name: &'static str,
        shared: Arc<Shared>,
        clock: Clock,
        notices: Notices,
        make: M,
    ) -> Self {
        Self {
            name,
            shared,
            clock,
            steady: Clock::system(),
            notices,
            make,
            writer: None,
            block: Vec::new(),
            asked: 0,
            failures: 0,
            told: [0; LossReason::ALL.len()],
            told_at: None,
        }
    }

    pub(super) fn run(mut self) {
        loop {
            let closing = self.take();
            let worked = self.write_block() && self.tell_losses(closing) && self.flush_writer();
            if worked {
                self.failures = 0;
                self.settle();
                if closing && self.is_drained() {
                    break;
                }
            } else if self.gives_up() {
                break;
            } else {
                self.pause();
            }
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
        if self.block.is_empty() {
            let may_wait = state.buffer.len() < self.shared.block && !state.closing;
            if may_wait && state.asked == state.flushed {
                state = wait(&self.shared, state, POLL);
            }
            self.block.shrink_to(KEPT_CAPACITY);
            std::mem::swap(&mut self.block, &mut state.buffer);
            state.lines = 0;
            state.busy = self.block.len();
            self.asked = state.asked;
        }
        state.closing
    }

    fn write_block(&mut self) -> bool {
        if self.block.is_empty() {
            return true;
        }
        let block = std::mem::take(&mut self.block);
        let (tried, done) = self.attempt(&block);
        self.block = block;
        self.counters().write(count_lines(&self.block[..done]));
        self.block.drain(..done);
        match tried {
            Tried::Done => true,
            Tried::Failed => false,
            Tried::Panicked => {
                // Nobody knows which line did it: trying them again could go on for ever.
                let left = count_lines(&self.block);
                self.counters().lose(LossReason::Panicked, left);
                self.block.clear();
                false
            }
        }
    }

    /// One try to write whole lines; says how far it came.
    fn attempt(&mut self, lines: &[u8]) -> (Tried, usize) {
        let mut done = 0;
        let tried = catch_unwind(AssertUnwindSafe(|| {
            let writer = self.writer.get_or_insert_with(&mut self.make);
            writer.write(lines, &mut done)
        }));
        let done = done.min(lines.len());
        (self.judge(tried), done)
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
            let mut line = Vec::new();
            let worded = catch_unwind(AssertUnwindSafe(|| {
                let writer = self.writer.get_or_insert_with(&mut self.make);
                writer.tell(&loss, &mut line);
            }));
            if worded.is_err() {
                self.writer = None;
                return false;
            }
            match self.attempt(&line) {
                (Tried::Done, _) => self.told[reason as usize] = lost,
                _ => return false,
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
        self.shared.counters.queue(state.buffer.len());
        self.shared.progress.notify_all();
    }

    fn is_drained(&self) -> bool {
        self.shared.state().buffer.is_empty()
    }

    /// After a failed try: whether the rest is given up, because the sink is closed.
    fn gives_up(&mut self) -> bool {
        self.failures += 1;
        let mut state = self.shared.state();
        let last = state.abandoned || (state.closing && self.failures >= LAST_TRIES);
        if last {
            let left = count_lines(&self.block) + std::mem::take(&mut state.lines);
            state.buffer = Vec::new();
            state.busy = 0;
            self.shared.counters.lose(LossReason::IoError, left);
            self.shared.counters.queue(0);
        } else {
            state.busy = self.block.len();
            self.shared.counters.queue(state.buffer.len() + state.busy);
        }
        last
    }

    /// Waits before the next try; a flush or the end asks for one at once.
    fn pause(&mut self) {
        let pause = FIRST_PAUSE
            .saturating_mul(1 << self.failures.min(10).saturating_sub(1))
            .min(LONGEST_PAUSE);
        let state = self.shared.state();
        let seen = (state.asked, state.closing, state.abandoned);
        let begun = self.steady.tick();
        let mut state = state;
        while (state.asked, state.closing, state.abandoned) == seen {
            let Some(left) = super::left_of(pause, begun, self.steady.tick()) else {
                return;
            };
            state = wait(&self.shared, state, left);
        }
    }
}

fn wait<'a>(
    shared: &Shared,
    state: MutexGuard<'a, State>,
    within: Duration,
) -> MutexGuard<'a, State> {
    shared
        .work
        .wait_timeout(state, within)
        .unwrap_or_else(PoisonError::into_inner)
        .0
}

fn count_lines(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}
