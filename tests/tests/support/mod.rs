//! A sink that keeps everything, and what tests ask of it.

use campanile::{Attempt, CallEvent, Event, Monitor, Sink, TurnEvent};
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<Event>>>);

impl Sink for Kept {
    fn record(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// A monitor, and what it will have recorded.
pub(crate) fn monitor() -> (Monitor, Kept) {
    let kept = Kept::default();
    (Monitor::builder(kept.clone()).start(), kept)
}

impl Kept {
    pub(crate) fn all(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn calls(&self) -> Vec<CallEvent> {
        let call = |event| match event {
            Event::Call(call) => Some(*call),
            _ => None,
        };
        self.all().into_iter().filter_map(call).collect()
    }

    #[allow(dead_code, reason = "not every test looks at turns")]
    pub(crate) fn turns(&self) -> Vec<TurnEvent> {
        let turn = |event| match event {
            Event::Turn(turn) => Some(*turn),
            _ => None,
        };
        self.all().into_iter().filter_map(turn).collect()
    }

    /// Every try at that provider.
    pub(crate) fn attempts(&self, provider: &str) -> Vec<Attempt> {
        let attempts = self.calls().into_iter().flat_map(|call| call.attempts);
        attempts
            .filter(|attempt| attempt.provider.as_deref() == Some(provider))
            .collect()
    }
}
