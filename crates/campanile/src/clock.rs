//! Clocks that [`campanile_core::Clock`] reads.

use campanile_core::{Clock, Tick, TimeSource, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// The processor's counter: the cheapest clock there is. Wall time is the counter and an offset that is read
/// from the system once a second (by [`tick`](TimeSource::tick)ing past it), so that a call reads no wall clock.
#[must_use]
pub fn counter() -> Clock {
    Clock::new(Counter::new())
}

struct Counter {
    clock: quanta::Clock,
    origin: u64,
    /// Wall time minus monotonic time, in microseconds.
    offset_us: AtomicI64,
    /// When the offset was read, in nanoseconds of the counter.
    read_at: std::sync::atomic::AtomicU64,
}

/// No tick is zero, which some keep for "never".
const FIRST_TICK: u64 = 1_000_000_000;

impl Counter {
    fn new() -> Self {
        let clock = quanta::Clock::new();
        let origin = clock.raw();
        let counter = Self {
            clock,
            origin,
            offset_us: AtomicI64::new(0),
            read_at: 0.into(),
        };
        counter.read_offset(counter.tick());
        counter
    }

    fn read_offset(&self, tick: Tick) {
        let offset = Timestamp::now()
            .micros()
            .saturating_sub_unsigned(tick.0 / 1_000);
        self.offset_us.store(offset, Relaxed);
        self.read_at.store(tick.0, Relaxed);
    }
}

impl TimeSource for Counter {
    #[inline]
    fn tick(&self) -> Tick {
        let now = self.clock.raw();
        Tick(
            self.clock
                .delta_as_nanos(self.origin, now)
                .saturating_add(FIRST_TICK),
        )
    }

    fn now(&self) -> Timestamp {
        let tick = self.tick();
        if tick.0.saturating_sub(self.read_at.load(Relaxed)) > 1_000_000_000 {
            self.read_offset(tick);
        }
        Timestamp(
            self.offset_us
                .load(Relaxed)
                .saturating_add_unsigned(tick.0 / 1_000),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_tell_the_same_wall_time() {
        let (counter, system) = (counter(), Clock::system());

        let apart = counter.now().micros().abs_diff(system.now().micros());

        assert!(apart < 1_000_000, "{apart} us apart");
        assert!(counter.tick() <= counter.tick());
    }
}
