//! What a stage under test has recorded.

use crate::clock::tokio_clock;
use campanile::{CallEvent, Event, Ids, Monitor, Price, memory};

/// The events of a monitor under test. Reading them seals what was handed over until then.
#[derive(Clone, Debug)]
pub struct Events {
    monitor: Monitor,
    events: campanile::Events,
}

impl Events {
    /// A monitor on tokio's clock that prices by `prices`, sealed whenever its events are read.
    #[must_use]
    pub fn new(prices: impl Price + 'static) -> Self {
        let (sink, events) = memory();
        let builder = Monitor::builder(sink).prices(prices).clock(tokio_clock());
        let monitor = builder.ids(Ids::seeded(7)).by_hand().start();
        let sealed = monitor.clone();
        Self {
            monitor,
            events: events.before_read(move || sealed.seal()),
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
        self.events.all()
    }

    /// The calls.
    #[must_use]
    pub fn calls(&self) -> Vec<CallEvent> {
        self.events.calls()
    }

    /// The one call.
    ///
    /// # Panics
    ///
    /// When there is none, or more than one.
    #[must_use]
    pub fn only(&self) -> CallEvent {
        self.events.only()
    }
}
