//! Where sealed events go.

use crate::{Event, Stats};
use std::{fmt, sync::Arc, time::Duration};

/// Somewhere that events go: a file, a ledger, a console, a test.
///
/// Sinks are values: swap them by handing in another one. Combine two with [`and`](Sink::and); `()` drops everything.
///
/// ```
/// use campanile_core::{Event, Level, Sink};
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// #[derive(Default)]
/// struct Errors(AtomicUsize);
///
/// impl Sink for Errors {
///     fn record(&self, event: &Event) {
///         if event.level() == Level::Error {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let sink = Errors::default().and(());
/// # let _ = sink;
/// ```
///
/// A monitor gives each sink that has no [`lane`](Sink::lane) a worker with a bounded buffer of its own. So one that is
/// slow, stuck or panicking disturbs no other sink and no caller: what finds no room is counted, and told to the sink
/// itself as [`Event::Loss`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a sink",
    note = "implement `Sink` for it (one method), or hand in `memory()`, `()` or `a.and(b)`"
)]
pub trait Sink: Send + Sync {
    /// Takes one sealed event of any kind. A panic is caught and counted, costs this event, and disturbs no other sink.
    fn record(&self, event: &Event);

    /// Waits until everything recorded so far is where it should be. `false` when `within` was too short.
    fn flush(&self, _within: Duration) -> bool {
        true
    }

    /// What it is called in metrics and notices. Default: the name of its type.
    fn name(&self) -> &'static str {
        short(std::any::type_name::<Self>())
    }

    /// The lane that it has of its own: then [`record`](Sink::record) is called by the recorder itself, returns at once
    /// whatever the sink writes to does, and counts what it must drop. Default `None`: whoever calls it brings a worker.
    fn lane(&self) -> Option<Lane> {
        None
    }

    /// What became of the events that it was given; `None` where it does not count.
    fn account(&self) -> Option<Stats> {
        None
    }

    /// Hears how all sinks of the monitor stand: about once a second and after each flush, on the recorder's thread, if it has a
    /// lane of its own.
    fn hear(&self, _lanes: &[Stats]) {}

    /// The sinks that stand side by side in this one, see [`and`](Sink::and); none where it is one itself.
    fn parts(&self) -> &[Arc<dyn Sink>] {
        &[]
    }

    /// Sends every event here and to `other`.
    fn and<B: Sink + 'static>(self, other: B) -> And
    where
        Self: Sized + 'static,
    {
        And::default().with(self).with(other)
    }
}

/// The last part of a type's name: `bot::sinks::Kafka<bot::Codec>` is called `Kafka`.
fn short(name: &'static str) -> &'static str {
    let plain = name.split('<').next().unwrap_or(name);
    plain.rsplit("::").next().unwrap_or(plain)
}

/// How a sink behaves when more comes than it can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Never sheds. A clean end waits for it as long as it takes.
    Money,
    /// Sheds by priority, and counts. A clean end waits for it a few seconds.
    Signal,
}

/// Sinks side by side; see [`Sink::and`].
#[derive(Clone, Default)]
pub struct And(Vec<Arc<dyn Sink>>);

impl And {
    /// One more. What stands side by side already is not nested.
    #[must_use]
    pub fn with(mut self, sink: impl Sink + 'static) -> Self {
        match sink.parts() {
            [] => self.0.push(Arc::new(sink)),
            parts => self.0.extend(parts.iter().cloned()),
        }
        self
    }
}

impl Sink for And {
    fn record(&self, event: &Event) {
        let mut panicked = None;
        for sink in &self.0 {
            let record = std::panic::AssertUnwindSafe(|| sink.record(event));
            panicked = std::panic::catch_unwind(record).err().or(panicked);
        }
        if let Some(panic) = panicked {
            std::panic::resume_unwind(panic);
        }
    }

    fn flush(&self, within: Duration) -> bool {
        let mut all = true;
        for sink in &self.0 {
            all &= sink.flush(within);
        }
        all
    }

    fn parts(&self) -> &[Arc<dyn Sink>] {
        &self.0
    }
}

impl fmt::Debug for And {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "And({} sinks)", self.0.len())
    }
}

/// Drops everything.
impl Sink for () {
    fn record(&self, _event: &Event) {}
    fn lane(&self) -> Option<Lane> {
        Some(Lane::Signal)
    }
}

/// Drops everything where it is `None`.
impl<S: Sink> Sink for Option<S> {
    fn record(&self, event: &Event) {
        if let Some(sink) = self {
            sink.record(event);
        }
    }
    fn flush(&self, within: Duration) -> bool {
        self.as_ref().is_none_or(|sink| sink.flush(within))
    }
    fn name(&self) -> &'static str {
        self.as_ref().map_or("none", Sink::name)
    }
    fn lane(&self) -> Option<Lane> {
        self.as_ref().map_or(Some(Lane::Signal), Sink::lane)
    }
    fn account(&self) -> Option<Stats> {
        self.as_ref().and_then(Sink::account)
    }
    fn hear(&self, lanes: &[Stats]) {
        if let Some(sink) = self {
            sink.hear(lanes);
        }
    }
    fn parts(&self) -> &[Arc<dyn Sink>] {
        self.as_ref().map_or(&[], Sink::parts)
    }
}

macro_rules! through {
    ($($wrapper:ty),*) => {$(
        impl<S: Sink + ?Sized> Sink for $wrapper {
            fn record(&self, event: &Event) {
                (**self).record(event);
            }
            fn flush(&self, within: Duration) -> bool {
                (**self).flush(within)
            }
            fn name(&self) -> &'static str {
                (**self).name()
            }
            fn lane(&self) -> Option<Lane> {
                (**self).lane()
            }
            fn account(&self) -> Option<Stats> {
                (**self).account()
            }
            fn hear(&self, lanes: &[Stats]) {
                (**self).hear(lanes);
            }
            fn parts(&self) -> &[Arc<dyn Sink>] {
                (**self).parts()
            }
        }
    )*};
}

through!(Box<S>, Arc<S>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LossEvent;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    #[derive(Clone, Default)]
    struct Count(Arc<AtomicU32>, bool);

    impl Sink for Count {
        fn record(&self, _: &Event) {
            self.0.fetch_add(1, Relaxed);
            assert!(!self.1, "as planned");
        }
    }

    #[test]
    fn sinks_side_by_side_are_not_nested() {
        let one = Count::default();
        let both: Box<dyn Sink> = Box::new(one.clone().and(()));

        let all = both.and(Some(one.clone().and(one)));

        assert_eq!(all.parts().len(), 4);
        assert_eq!(all.parts()[1].lane(), Some(Lane::Signal));
        assert_eq!(all.parts()[0].lane(), None);
    }

    #[test]
    fn a_sink_is_called_by_its_type() {
        let boxed: Box<dyn Sink> = Box::new(Count::default());

        assert_eq!(boxed.name(), "Count");
        assert_eq!(short("bot::sinks::Kafka<bot::Codec>"), "Kafka");
    }

    #[test]
    fn a_panic_reaches_who_recorded_after_all_sinks_had_the_event() {
        let (broken, whole) = (Count(Arc::default(), true), Count::default());
        let both = broken.and(whole.clone());

        let event = Event::Loss(LossEvent::new(crate::Timestamp(0), "a", "full", 1));
        let record = std::panic::AssertUnwindSafe(|| both.record(&event));

        assert!(std::panic::catch_unwind(record).is_err());
        assert_eq!(whole.0.load(Relaxed), 1);
    }
}
