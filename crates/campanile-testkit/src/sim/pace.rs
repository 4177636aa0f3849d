//! How long a provider takes.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::dice::Dice;

/// How long a provider thinks before its first item, and between items.
///
/// Waiting goes through `tokio::time`, so that a paused clock governs it. A length is drawn from each range, by seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    first: Wait,
    between: Wait,
}

/// A distribution of waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// Each length within these bounds is as likely as another.
    Within(Duration, Duration),
    /// That many of a thousand are no longer than that; straight lines in between.
    Quantiles(Quantiles),
}

/// Points of a distribution: of a thousand waits, so many are no longer than so many milliseconds. Ascending; they
/// begin at 0 and end at 1000.
pub type Quantiles = &'static [(u32, u32)];

impl Default for Wait {
    fn default() -> Self {
        Self::Within(Duration::ZERO, Duration::ZERO)
    }
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
        let within = |range: RangeInclusive<Duration>| Wait::Within(*range.start(), *range.end());
        Self {
            first: within(first),
            between: within(between),
        }
    }

    /// Waits that are distributed as somebody has measured them.
    #[must_use]
    pub fn measured(first: Quantiles, between: Quantiles) -> Self {
        Self {
            first: Wait::Quantiles(first),
            between: Wait::Quantiles(between),
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

    fn draw(&mut self, wait: Wait) -> Duration {
        let micros = |length: Duration| u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(match wait {
            Wait::Within(least, most) => self.dice.between(micros(least), micros(most)),
            Wait::Quantiles(points) => at(points, self.dice.up_to(1_000_000)),
        })
    }
}

/// The wait of that place, in millionths, of a distribution; in microseconds.
fn at(points: Quantiles, place: u64) -> u64 {
    let point = |&(share, ms): &(u32, u32)| (u64::from(share) * 1_000, u64::from(ms) * 1_000);
    let after = points.partition_point(|known| point(known).0 < place);
    let (Some(high), low) = (points.get(after).map(point), after.checked_sub(1)) else {
        return points.last().map_or(0, |last| point(last).1);
    };
    let low = low.and_then(|low| points.get(low)).map_or(high, point);
    match high.0 - low.0 {
        0 => high.1,
        width => low.1 + (high.1.saturating_sub(low.1)) * (place - low.0) / width,
    }
}

/// Sleeps, but not at all for no time: a timer would cost a millisecond.
pub(crate) async fn rest(length: Duration) {
    if !length.is_zero() {
        tokio::time::sleep(length).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_between_two_points_is_on_the_line_between_them() {
        let points: Quantiles = &[(0, 100), (500, 200), (1_000, 1_200)];

        let at = |place| super::at(points, place);
        assert_eq!(
            [at(0), at(250_000), at(500_000)],
            [100_000, 150_000, 200_000]
        );
        assert_eq!([at(750_000), at(1_000_000)], [700_000, 1_200_000]);
        assert_eq!(super::at(&[], 7), 0);
    }

    #[test]
    fn draws_are_distributed_as_the_points_say() {
        let pace = Pace::measured(&[(0, 0), (900, 90), (1_000, 1_000)], &[(0, 5), (1_000, 5)]);
        let mut gait = Gait::new(pace, Dice::new(7, "pace", 0));

        let draws: Vec<_> = (0..10_000).map(|_| gait.first()).collect();
        let short = draws
            .iter()
            .filter(|draw| **draw <= Duration::from_millis(90));
        assert!((8_900..9_100).contains(&short.count()));
        assert_eq!(gait.between(), Duration::from_millis(5));
    }
}
