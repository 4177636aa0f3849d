//! tokio's clock, so that tests can pause time.

use campanile::{Clock, Tick, TimeSource, Timestamp};
use tokio::time::Instant;

/// A clock that reads tokio's: under `start_paused` it moves only when everybody waits. Wall time begins at 2026-11-24T00:00:00Z.
///
/// # Panics
///
/// When it is read on a thread outside a paused runtime it tells real time; it never panics.
#[must_use]
pub fn tokio_clock() -> Clock {
    Clock::new(Tokio {
        origin: Instant::now(),
    })
}

/// 2026-11-24T00:00:00Z.
const ORIGIN: i64 = 1_795_478_400_000_000;

struct Tokio {
    origin: Instant,
}

impl TimeSource for Tokio {
    fn tick(&self) -> Tick {
        let elapsed = u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        // No tick is zero, which some keep for "never".
        Tick(elapsed.saturating_add(1_000_000_000))
    }

    fn now(&self) -> Timestamp {
        Timestamp(ORIGIN.saturating_add_unsigned(self.origin.elapsed().as_micros() as u64))
    }
}
