use super::*;
use campanile_core::{CallEvent, CallId, Level, LogEvent, LossReason, Name, Outcome, Timestamp};
use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering::Relaxed},
    mpsc::{Receiver, channel},
};

const SOON: Duration = Duration::from_secs(10);

/// A sink that does what it is told with each call, and counts calls and what it was told of losses.
struct Hostile<F> {
    each: F,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    calls: AtomicU64,
    told: AtomicU64,
}

impl<F: Fn(u64) + Send + Sync> Sink for Hostile<F> {
    fn record(&self, event: &Event) {
        match event {
            Event::Loss(loss) => {
                self.seen.told.fetch_add(loss.lost, Relaxed);
            }
            Event::Call(call) => {
                (self.each)(call.id.0 as u64);
                self.seen.calls.fetch_add(1, Relaxed);
            }
            _ => {}
        }
    }
}

fn apart<F: Fn(u64) + Send + Sync + 'static>(budget: usize, each: F) -> (ApartSink, Arc<Seen>) {
    let seen = Arc::<Seen>::default();
    let sink = Hostile {
        each,
        seen: Arc::clone(&seen),
    };
    let sink = Apart::new(sink).budget(budget).notices(Notices::silent());
    (sink.open().unwrap(), seen)
}

fn call(id: u64) -> Event {
    let stage = Name::from_static("llm");
    let id = CallId(id.into());
    Event::Call(Box::new(CallEvent::new(
        id,
        stage,
        Timestamp(0),
        Outcome::Completed,
    )))
}

#[track_caller]
fn assert_adds_up(sink: &ApartSink, seen: &Seen, opened: u64) {
    let stats = sink.stats();
    assert_eq!((stats.opened, stats.pending), (opened, 0), "{stats}");
    assert_eq!(stats.written, seen.calls.load(Relaxed), "{stats}");
    assert_eq!(stats.lost(), seen.told.load(Relaxed), "{stats}");
    assert_eq!(stats.written + stats.lost(), opened, "{stats}");
}

#[test]
fn each_third_event_panics_and_the_others_arrive() {
    let (sink, seen) = apart(1 << 20, |id| assert!(id % 3 != 2, "as planned"));

    for id in 0..300 {
        sink.record(&call(id));
    }
    assert!(sink.flush(SOON));
    assert!(sink.close(SOON));

    assert_eq!(sink.stats().lost_to(LossReason::Panicked), 100);
    assert_adds_up(&sink, &seen, 300);
}

#[test]
fn a_sink_that_always_panics_loses_its_events_and_holds_nobody() {
    let (sink, _) = apart(1 << 20, |_| panic!("as planned"));

    for id in 0..50 {
        sink.record(&call(id));
    }

    assert!(sink.flush(SOON), "{}", sink.stats());
    assert_eq!(sink.stats().lost_to(LossReason::Panicked), 50);
    assert!(sink.close(SOON));
}

#[test]
fn a_sink_that_never_returns_keeps_to_its_budget() {
    let (open, wait) = channel();
    let wait: Mutex<Receiver<()>> = Mutex::new(wait);
    let (sink, seen) = apart(100_000, move |_| {
        let _ = wait.lock().unwrap().recv();
    });

    for id in 0..1_000 {
        sink.record(&call(id));
    }
    let full = sink.stats();
    assert!(!sink.flush(Duration::from_millis(20)));
    assert!(full.queued_bytes <= 100_000, "{full:?}");
    assert!(full.lost_to(LossReason::Full) > 0);

    drop(open);
    assert!(sink.flush(SOON));
    assert!(sink.close(SOON));
    assert_adds_up(&sink, &seen, 1_000);
}

#[test]
fn an_event_weighs_at_least_what_hangs_on_it() {
    let plain = weight::of(&call(1));
    let log = LogEvent::new(Timestamp(0), Level::Info, "bot");
    let Event::Call(mut heavy) = call(1) else {
        unreachable!()
    };
    heavy.attempts = vec![campanile_core::Attempt::new(1); 3];

    assert!(plain > size_of::<CallEvent>());
    assert!(weight::of(&Event::Log(Box::new(log))) > size_of::<LogEvent>());
    let heavy = weight::of(&Event::Call(heavy));
    assert!(heavy >= plain + 3 * size_of::<campanile_core::Attempt>());
}
