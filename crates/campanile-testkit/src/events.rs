//! What a stage under test has recorded.

use crate::clock::tokio_clock;
use campanile::{CallEvent, Event, Ids, Monitor, Price, Sink};
use std::sync::{Arc, Mutex, PoisonError};

/// The events of a monitor under test. Reading them seals what was handed over until then.
#[derive(Clone, Debug)]
pub struct Events {
    monitor: Monitor,
    kept: Kept,
}

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<Event>>>);

impl Sink for Kept {
    fn record(&self, event: &Event) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event.clone());
    }
}

impl Events {
    /// A monitor on tokio's clock that prices by `prices`, sealed whenever its events are read.
    #[must_use]
    pub fn new(prices: impl Price + 'static) -> Self {
        let kept = Kept::default();
        let builder = Monitor::builder(kept.clone())
            .prices(prices)
            .clock(tokio_clock());
        Self {
            monitor: builder.ids(Ids::seeded(7)).by_hand().start(),
            kept,
        }
    }

    /// The monitor, to hand to layers.
    #[must_use]
    pub fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// Everything, in the order in which it happened.
    #[must_use]
    pub fn all(&self) -> Vec<Event> {
        self.monitor.seal();
        self.kept
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The calls.
    #[must_use]
    pub fn calls(&self) -> Vec<CallEvent> {
        let call = |event| match event {
            Event::Call(call) => Some(*call),
            _ => None,
        };
        self.all().into_iter().filter_map(call).collect()
    }

    /// The one call.
    ///
    /// # Panics
    ///
    /// When there is none, or more than one.
    #[must_use]
    pub fn only(&self) -> CallEvent {
        let mut calls = self.calls();
        assert_eq!(
            calls.len(),
            1,
            "one call was expected, there are: {calls:#?}"
        );
        calls.remove(0)
    }
}
