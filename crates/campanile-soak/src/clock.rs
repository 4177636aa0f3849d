//! The worker's clock: real, or as fast as the calls are lived through. Its wall time can be made to jump.

use campanile::{Clock, Tick, TimeSource, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// 2026-11-24T00:00:00Z, in microseconds.
const MIDNIGHT: i64 = 1_795_478_400_000_000;
/// No tick is zero, which some keep for "never".
const FIRST_TICK: u64 = 1_000_000_000;

/// The clock of one worker; clones are the same one.
#[derive(Clone)]
pub(crate) struct WorkClock(Arc<Inner>);

struct Inner {
    /// The world's time; `None` where time is scaled.
    real: Option<Clock>,
    /// Scaled time since the soak began, in nanoseconds.
    elapsed_ns: AtomicU64,
    /// Wall time at the beginning of the soak.
    origin_us: i64,
    jumped_us: AtomicI64,
}

impl WorkClock {
    /// The time of the world.
    pub(crate) fn real() -> Self {
        Self::new(Some(campanile::clock::counter()), 0)
    }

    /// A time that somebody moves on. Half of the run lies before a midnight in UTC.
    pub(crate) fn scaled(length_ms: u64) -> Self {
        let half = i64::try_from(length_ms / 2).unwrap_or(0) * 1_000;
        Self::new(None, MIDNIGHT - half)
    }

    fn new(real: Option<Clock>, origin_us: i64) -> Self {
        Self(Arc::new(Inner {
            real,
            elapsed_ns: AtomicU64::new(0),
            origin_us,
            jumped_us: AtomicI64::new(0),
        }))
    }

    /// For a monitor.
    pub(crate) fn clock(&self) -> Clock {
        Clock::new(self.clone())
    }

    /// Sets scaled time, in nanoseconds since the soak began. It never goes back.
    pub(crate) fn advance_to(&self, elapsed_ns: u64) {
        self.0.elapsed_ns.fetch_max(elapsed_ns, Relaxed);
    }

    /// Moves the wall time, and leaves the monotonic one alone.
    pub(crate) fn jump(&self, by_us: i64) {
        self.0.jumped_us.fetch_add(by_us, Relaxed);
    }
}

impl TimeSource for WorkClock {
    fn tick(&self) -> Tick {
        match &self.0.real {
            Some(clock) => clock.tick(),
            None => Tick(self.0.elapsed_ns.load(Relaxed).saturating_add(FIRST_TICK)),
        }
    }

    fn now(&self) -> Timestamp {
        let now = match &self.0.real {
            Some(clock) => clock.now().micros(),
            None => {
                let elapsed_us = self.0.elapsed_ns.load(Relaxed) / 1_000;
                self.0.origin_us.saturating_add_unsigned(elapsed_us)
            }
        };
        Timestamp(now.saturating_add(self.0.jumped_us.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_moves_wall_time_only_and_midnight_is_in_the_middle() {
        let clock = WorkClock::scaled(60_000);
        let before = clock.now();
        assert_eq!(before.to_string(), "2026-11-23T23:59:30.000000Z");

        clock.advance_to(30_000_000_000);
        let tick = clock.tick();
        assert_eq!(clock.now().to_string(), "2026-11-24T00:00:00.000000Z");
        clock.jump(-90_000_000);
        assert_eq!(clock.now().to_string(), "2026-11-23T23:58:30.000000Z");
        assert_eq!(clock.tick(), tick);
    }
}
