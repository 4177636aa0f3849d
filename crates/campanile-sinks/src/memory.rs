//! Events in memory, for tests.

use campanile_core::{CallEvent, Event, Lane, Sink};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A sink that keeps every event, and the view of what it kept.
///
/// ```
/// use campanile_core::{CallEvent, CallId, Event, Name, Outcome, Sink, Timestamp};
///
/// let (sink, events) = campanile_sinks::memory();
/// let call = CallEvent::new(CallId(1), Name::from_static("llm"), Timestamp(0), Outcome::Completed);
/// sink.record(&Event::Call(Box::new(call)));
///
/// assert_eq!(events.only().outcome, Outcome::Completed);
/// ```
#[must_use]
pub fn memory() -> (MemorySink, Events) {
    let kept = Arc::default();
    (
        MemorySink {
            kept: Arc::clone(&kept),
        },
        Events {
            kept,
            before_read: None,
        },
    )
}

/// Keeps every event; see [`memory`]. It has no bound: it is for tests.
#[derive(Clone)]
pub struct MemorySink {
    kept: Arc<Mutex<Vec<Event>>>,
}

impl Sink for MemorySink {
    fn record(&self, event: &Event) {
        lock(&self.kept).push(event.clone());
    }

    fn name(&self) -> &'static str {
        "memory"
    }

    fn lane(&self) -> Option<Lane> {
        Some(Lane::Signal)
    }
}

/// What a [`MemorySink`] has kept.
#[derive(Clone)]
pub struct Events {
    kept: Arc<Mutex<Vec<Event>>>,
    before_read: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Events {
    /// Runs `drain` before each look: something that makes the recorder hand over what it still has.
    #[must_use]
    pub fn before_read(self, drain: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            before_read: Some(Arc::new(drain)),
            ..self
        }
    }

    /// Every event, in order.
    #[must_use]
    pub fn all(&self) -> Vec<Event> {
        self.look().clone()
    }

    /// Every event, in order; they are not kept any longer.
    #[must_use]
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.look())
    }

    /// The calls, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<CallEvent> {
        let events = self.look();
        let calls = events.iter().filter_map(|event| match event {
            Event::Call(call) => Some((**call).clone()),
            _ => None,
        });
        calls.collect()
    }

    /// The call, where there is exactly one. Events of other kinds do not matter.
    ///
    /// # Panics
    ///
    /// When there is none, or more than one: the message lists what there is.
    #[must_use]
    #[track_caller]
    pub fn only(&self) -> CallEvent {
        let mut calls = self.calls();
        match calls.len() {
            1 => calls.remove(0),
            n => panic!("exactly one call expected, {n} found{}", listed(&calls)),
        }
    }

    fn look(&self) -> MutexGuard<'_, Vec<Event>> {
        if let Some(drain) = &self.before_read {
            drain();
        }
        lock(&self.kept)
    }
}

fn lock(kept: &Mutex<Vec<Event>>) -> MutexGuard<'_, Vec<Event>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listed(calls: &[CallEvent]) -> String {
    let lines = calls.iter().map(|call| {
        let (stage, outcome) = (&call.stage, call.outcome.name());
        format!("\n  {} {stage} {outcome}", call.id)
    });
    lines.collect()
}

impl fmt::Debug for MemorySink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemorySink({} events)", lock(&self.kept).len())
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events({})", lock(&self.kept).len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::{CallId, LossEvent, Name, Outcome, Timestamp};

    fn call(id: u128) -> Event {
        let stage = Name::from_static("llm");
        let call = CallEvent::new(CallId(id), stage, Timestamp(0), Outcome::Completed);
        Event::Call(Box::new(call))
    }

    #[test]
    fn the_only_call_is_found_among_other_events() {
        let (sink, events) = memory();

        sink.record(&Event::Loss(LossEvent::new(Timestamp(0), "a", "full", 1)));
        sink.record(&call(7));

        assert_eq!(events.only().id, CallId(7));
        assert_eq!(events.take().len(), 2);
        assert!(events.all().is_empty());
    }

    #[test]
    #[should_panic(expected = "exactly one call expected, 2 found\n  00000000-")]
    fn two_calls_are_not_one() {
        let (sink, events) = memory();

        sink.record(&call(1));
        sink.record(&call(2));

        let _ = events.only();
    }

    #[test]
    fn the_recorder_is_drained_before_each_look() {
        let (sink, events) = memory();
        let late = sink.clone();
        let events = events.before_read(move || late.record(&call(3)));

        assert_eq!(events.calls().len(), 1);
        assert_eq!(events.calls().len(), 2);
    }
}
