//! Sinks that get only a part of the events.

use campanile_core::{Event, Level, Sink};
use std::time::Duration;

/// Ways to hand a sink a part of the events only; [`Sink::and`] combines them.
///
/// ```
/// use campanile_core::{Level, Sink};
/// use campanile_sinks::{SinkExt, memory};
///
/// let ((money, _), (errors, _)) = (memory(), memory());
/// let sink = money.only_money().and(errors.at_least(Level::Error));
/// # let _ = sink;
/// ```
pub trait SinkExt: Sink + Sized {
    /// Events that matter at least so much.
    fn at_least(self, level: Level) -> AtLeast<Self> {
        AtLeast { sink: self, level }
    }

    /// Events that carry amounts, or close what carries them.
    fn only_money(self) -> OnlyMoney<Self> {
        OnlyMoney { sink: self }
    }
}

impl<S: Sink> SinkExt for S {}

/// Hands on what matters enough; see [`SinkExt::at_least`].
#[derive(Clone, Copy, Debug)]
pub struct AtLeast<S> {
    sink: S,
    level: Level,
}

impl<S: Sink> Sink for AtLeast<S> {
    fn record(&self, event: &Event) {
        if event.level() >= self.level {
            self.sink.record(event);
        }
    }

    fn flush(&self, within: Duration) -> bool {
        self.sink.flush(within)
    }
}

/// Hands on what carries money; see [`SinkExt::only_money`].
#[derive(Clone, Copy, Debug)]
pub struct OnlyMoney<S> {
    sink: S,
}

impl<S: Sink> Sink for OnlyMoney<S> {
    fn record(&self, event: &Event) {
        if event.is_money() {
            self.sink.record(event);
        }
    }

    fn flush(&self, within: Duration) -> bool {
        self.sink.flush(within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory;
    use campanile_core::{AlertEvent, Cost, LogEvent, Money, Name, Timestamp};

    #[test]
    fn each_sink_gets_its_part() {
        let (money, amounts) = memory();
        let (errors, troubles) = memory();
        let sink = money.only_money().and(errors.at_least(Level::Error));

        let log = LogEvent::new(Timestamp(0), Level::Error, "bot");
        sink.record(&Event::Log(Box::new(log)));
        let name = Name::from_static("monthly");
        let none = (Cost::nothing(), Money::ZERO);
        let (rule, threshold, window) = (name.clone(), name.clone(), name);
        let alert = AlertEvent::budget(Timestamp(0), rule, threshold, window, none.0, none.1);
        sink.record(&Event::Alert(Box::new(alert)));

        assert!(matches!(amounts.all()[..], [Event::Alert(_)]));
        assert!(matches!(troubles.all()[..], [Event::Log(_)]));
    }
}
