//! A monitor that is sealed by hand, on a clock that is moved by hand.

use campanile::{Builder, Clock, Events, Ids, Monitor, Tick, TimeSource, Timestamp, memory};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

#[derive(Clone)]
pub(crate) struct Hand(Arc<AtomicU64>);

impl Hand {
    pub(crate) fn moves(&self, by: Duration) {
        self.0.fetch_add(by.as_nanos() as u64, Relaxed);
    }
}

impl TimeSource for Hand {
    fn tick(&self) -> Tick {
        Tick(self.0.load(Relaxed))
    }
    fn now(&self) -> Timestamp {
        Timestamp(1_795_485_029_000_000 + (self.0.load(Relaxed) / 1_000) as i64)
    }
}

pub(crate) struct Bench {
    pub(crate) monitor: Monitor,
    pub(crate) hand: Hand,
    events: Events,
}

/// A monitor as `build` makes it.
pub(crate) fn bench(build: impl FnOnce(Builder) -> Builder) -> Bench {
    let (sink, events) = memory();
    let hand = Hand(Arc::new(AtomicU64::new(1_000_000_000)));
    let builder = Monitor::builder(sink)
        .clock(Clock::new(hand.clone()))
        .ids(Ids::seeded(7))
        .by_hand();
    Bench {
        monitor: build(builder).start(),
        hand,
        events,
    }
}

impl Bench {
    /// Everything sealed so far, as JSON.
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        self.monitor.seal();
        let events = self.events.all();
        events
            .iter()
            .map(|event| serde_json::to_value(event).unwrap())
            .collect()
    }

    /// Those of one kind.
    pub(crate) fn of(&self, kind: &str) -> Vec<serde_json::Value> {
        self.events()
            .into_iter()
            .filter(|event| event["event"] == kind)
            .collect()
    }

    /// The one event of a kind.
    pub(crate) fn only(&self, kind: &str) -> serde_json::Value {
        let mut events = self.of(kind);
        assert_eq!(events.len(), 1, "{events:#?}");
        events.remove(0)
    }
}
