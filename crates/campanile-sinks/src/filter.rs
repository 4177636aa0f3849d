//! Sinks that get only a part of the events.

use campanile_core::{Event, Lane, Level, Sink, Stats};
use std::{fmt, sync::Arc, time::Duration};

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
pub trait SinkExt: Sink + Sized + 'static {
    /// Events that matter at least so much.
    fn at_least(self, level: Level) -> Only<Self> {
        self.only(move |event| event.level() >= level)
    }

    /// Events that carry amounts, or close what carries them.
    fn only_money(self) -> Only<Self> {
        self.only(Event::is_money)
    }

    /// Events that `pass`, which is asked on the recorder's thread.
    fn only(self, pass: impl Fn(&Event) -> bool + Send + Sync + 'static) -> Only<Self> {
        Only::new(self, Arc::new(pass))
    }
}

impl<S: Sink + 'static> SinkExt for S {}

type Pass = Arc<dyn Fn(&Event) -> bool + Send + Sync>;

/// Hands on a part of the events; see [`SinkExt`]. Of sinks side by side, each gets its part by itself.
#[derive(Clone)]
pub struct Only<S> {
    sink: S,
    pass: Pass,
    parts: Vec<Arc<dyn Sink>>,
}

impl<S: Sink + 'static> Only<S> {
    fn new(sink: S, pass: Pass) -> Self {
        let each = |part: &Arc<dyn Sink>| -> Arc<dyn Sink> {
            Arc::new(Only::new(Arc::clone(part), Arc::clone(&pass)))
        };
        let parts = sink.parts().iter().map(each).collect();
        Self { sink, pass, parts }
    }
}

impl<S: Sink> Sink for Only<S> {
    fn record(&self, event: &Event) {
        if (self.pass)(event) {
            self.sink.record(event);
        }
    }

    fn flush(&self, within: Duration) -> bool {
        self.sink.flush(within)
    }

    fn name(&self) -> &'static str {
        self.sink.name()
    }

    fn lane(&self) -> Option<Lane> {
        self.sink.lane()
    }

    fn account(&self) -> Option<Stats> {
        self.sink.account()
    }

    fn hear(&self, lanes: &[Stats]) {
        self.sink.hear(lanes);
    }

    fn parts(&self) -> &[Arc<dyn Sink>] {
        &self.parts
    }
}

impl<S: fmt::Debug> fmt::Debug for Only<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Only").field(&self.sink).finish()
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

    #[test]
    fn sinks_side_by_side_stay_so() {
        let ((one, _), (other, events)) = (memory(), memory());
        let both = one.and(other).only_money().at_least(Level::Error);

        assert_eq!(both.parts().len(), 2);
        let log = LogEvent::new(Timestamp(0), Level::Error, "bot");
        both.parts()[1].record(&Event::Log(Box::new(log)));

        assert!(events.all().is_empty());
        assert_eq!(both.parts()[1].lane(), Some(Lane::Signal));
    }
}
