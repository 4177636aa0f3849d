//! What stands around the sinks of a worker: counters, sinks that misbehave, planted defects.

use crate::canary;
use crate::plant::Plant;
use campanile::pricing::Book;
use campanile::{
    Billed, CallEvent, CallId, Content, Cost, Event, FieldValue, Lane, Level, LogEvent, Money,
    Outcome, Price, Redacted, Redactions, Sink, Stats,
};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Counts what is handed on.
pub(super) struct Counted<S> {
    pub(super) sink: S,
    pub(super) count: Arc<AtomicU64>,
    /// Whether only events of money count.
    pub(super) money: bool,
}

impl<S: Sink> Sink for Counted<S> {
    fn record(&self, event: &Event) {
        if !self.money || event.is_money() {
            self.count.fetch_add(1, Relaxed);
        }
        self.sink.record(event);
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
}

/// How the sink that misbehaves is just now.
#[derive(Clone, Debug, Default)]
pub(super) struct Mood(Arc<AtomicU8>);

impl Mood {
    pub(super) const GOOD: u8 = 0;
    pub(super) const SLOW: u8 = 1;
    pub(super) const STUCK: u8 = 2;
    pub(super) const PANICS: u8 = 3;

    pub(super) fn set(&self, mood: u8) {
        self.0.store(mood, Relaxed);
    }

    fn is(&self, mood: u8) -> bool {
        self.0.load(Relaxed) == mood
    }
}

/// A sink of a user's that is slow, stuck or panicking, as its mood is. It counts for itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Hostile {
    pub(super) mood: Mood,
    /// Events that it was given, but for what it was told of its own losses.
    pub(super) events: Arc<AtomicU64>,
    pub(super) panics: Arc<AtomicU64>,
    /// Events that it was told it has lost.
    pub(super) told: Arc<AtomicU64>,
}

impl Sink for Hostile {
    fn record(&self, event: &Event) {
        if let Event::Loss(loss) = event
            && loss.sink == HOSTILE
        {
            self.told.fetch_add(loss.lost, Relaxed);
            return;
        }
        let n = self.events.fetch_add(1, Relaxed);
        if self.mood.is(Mood::SLOW) {
            std::thread::sleep(Duration::from_millis(5));
        }
        while self.mood.is(Mood::STUCK) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if self.mood.is(Mood::PANICS) && n.is_multiple_of(10) {
            self.panics.fetch_add(1, Relaxed);
            panic!("a sink of a user's");
        }
    }

    fn name(&self) -> &'static str {
        HOSTILE
    }
}

/// The name of that sink.
pub(super) const HOSTILE: &str = "hostile";

/// A planted defect in front of a sink.
pub(super) struct Planted {
    pub(super) sink: Box<dyn Sink>,
    pub(super) plant: Plant,
    events: AtomicU64,
    kept: Mutex<Vec<Vec<u8>>>,
}

/// Plants what was asked for in front of the sinks that it is about.
pub(super) fn plant(plant: Option<Plant>, name: &str, sink: Box<dyn Sink>) -> Box<dyn Sink> {
    let everywhere = ["ledger", "jsonl", "console"];
    let places: &[&str] = match plant {
        Some(Plant::UsageDropped | Plant::EventTwice | Plant::AlertTwice) => &everywhere,
        Some(Plant::Leak | Plant::Canary | Plant::LineLost) => &["jsonl"],
        Some(Plant::Grain) | None => &[],
    };
    match plant.filter(|_| places.contains(&name)) {
        Some(plant) => Box::new(Planted {
            sink,
            plant,
            events: AtomicU64::new(0),
            kept: Mutex::default(),
        }),
        None => sink,
    }
}

impl Planted {
    /// Whether this is the n-th of its kind.
    fn each(&self, n: u64) -> bool {
        self.events.fetch_add(1, Relaxed) % n == n - 1
    }
}

impl Sink for Planted {
    fn record(&self, event: &Event) {
        match (self.plant, event) {
            (Plant::UsageDropped, Event::Call(call)) if was_interrupted(call) => {
                return self
                    .sink
                    .record(&Event::Call(Box::new(without_usage(call))));
            }
            (Plant::EventTwice, Event::Call(call)) if self.each(100) => {
                let mut again = (**call).clone();
                again.id = CallId(call.id.0 ^ 1);
                self.sink.record(&Event::Call(Box::new(again)));
            }
            (Plant::Leak, Event::Turn(_)) => {
                self.kept
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(vec![1; 1024]);
            }
            (Plant::Canary, Event::Turn(turn)) if self.each(20) => {
                self.sink
                    .record(&Event::Log(Box::new(betrayal(turn.started_at))));
            }
            (Plant::LineLost, _) if self.events.fetch_add(1, Relaxed) == 200 => return,
            (Plant::AlertTwice, Event::Alert(_)) => self.sink.record(event),
            _ => {}
        }
        self.sink.record(event);
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
}

fn was_interrupted(call: &CallEvent) -> bool {
    call.outcome == Outcome::Cancelled && call.reason.as_deref() == Some("barge_in")
}

fn without_usage(call: &CallEvent) -> CallEvent {
    let mut call = call.clone();
    (call.usage, call.cost) = (None, None);
    for attempt in &mut call.attempts {
        (attempt.usage, attempt.cost) = (None, None);
    }
    call
}

/// A log line with somebody's words in it, past the redactor.
fn betrayal(at: campanile::Timestamp) -> LogEvent {
    let let_through = |text: &str, masked: &mut String| {
        masked.push_str(text);
        Redactions::default()
    };
    let said = Content::new(canary::said()[0].clone());
    let said = Redacted::new(&said, &let_through, &mut Redactions::default());
    let mut log = LogEvent::new(at, Level::Info, "bot");
    log.fields.push(("note", FieldValue::Text(said)));
    log
}

/// The price book, and now and then one grain more.
pub(super) struct Greedy {
    pub(super) book: Book,
    pub(super) calls: AtomicU64,
}

impl Price for Greedy {
    fn price(&self, billed: &Billed<'_>) -> Cost {
        self.more(self.book.price(billed))
    }

    fn amount(&self, billed: &Billed<'_>) -> Cost {
        self.more(self.book.amount(billed))
    }
}

impl Greedy {
    fn more(&self, mut cost: Cost) -> Cost {
        if self.calls.fetch_add(1, Relaxed).is_multiple_of(50) {
            cost.at_least = one_more(cost.at_least);
            cost.at_most = cost.at_most.map(one_more);
        }
        cost
    }
}

fn one_more(amount: Money) -> Money {
    Money::from_grains(amount.grains() + 1)
}
