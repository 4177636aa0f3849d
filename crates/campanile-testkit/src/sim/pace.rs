//! How long a provider takes.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::dice::Dice;

/// How long a provider thinks before its first item, and between items.
///
/// Waiting goes through `tokio::time`, so that a paused clock governs it. A length is drawn from each range, by seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    first: (Duration, Duration),
    between: (Duration, Duration),
}

impl Pace {
    /// As fast as the connection goes. This is what a server does unless told otherwise.
    #[must_use]
    pub fn by_item() -> Self {
        Self::default()
    }

    /// Waits of a length within these bounds.
    #[must_use]
    pub fn new(first: RangeInclusive<Duration>, between: RangeInclusive<Duration>) -> Self {
        Self {
            first: first.into_inner(),
            between: between.into_inner(),
        }
    }

    /// The same waits each time.
    #[must_use]
    pub fn steady(first: Duration, between: Duration) -> Self {
        Self::new(first..=first, between..=between)
    }
}

/// The pace of one request.
#[derive(Debug)]
pub(crate) struct Gait {
    pace: Pace,
    dice: Dice,
}

impl Gait {
    pub(crate) fn new(pace: Pace, dice: Dice) -> Self {
        Self { pace, dice }
    }

    /// The wait before the first item.
    pub(crate) fn first(&mut self) -> Duration {
        self.draw(self.pace.first)
    }

    /// The wait between two.
    pub(crate) fn between(&mut self) -> Duration {
        self.draw(self.pace.between)
    }

    fn draw(&mut self, (least, most): (Duration, Duration)) -> Duration {
        let micros = |length: Duration| u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.dice.between(micros(least), micros(most)))
    }
}

/// Sleeps, but not at all for no time: a timer would cost a millisecond.
pub(crate) async fn rest(length: Duration) {
    if !length.is_zero() {
        tokio::time::sleep(length).await;
    }
}
