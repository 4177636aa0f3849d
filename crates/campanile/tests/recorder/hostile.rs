//! Sinks of the program's own that are slow, stuck or panicking: nobody else notices.

use campanile::sinks::Notices;
use campanile::{Event, Lane, LossReason, Monitor, Sink, Stats, memory};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// Takes nothing before its other end is dropped.
struct Stuck(Mutex<Receiver<()>>);

fn stuck() -> (Sender<()>, Stuck) {
    let (release, wait) = channel();
    (release, Stuck(Mutex::new(wait)))
}

impl Sink for Stuck {
    fn record(&self, _: &Event) {
        let _ = self.0.lock().unwrap().recv();
    }
}

/// What a monitor tells, line by line.
fn ear() -> (Notices, Arc<Mutex<Vec<String>>>) {
    let told = Arc::<Mutex<Vec<String>>>::default();
    let ear = Arc::clone(&told);
    let notices = Notices::new(move |line| ear.lock().unwrap().push(line.to_owned()));
    (notices, told)
}

/// Begins and ends sessions: two events each.
fn sessions(monitor: &Monitor, many: u64) {
    for _ in 0..many {
        monitor.session().end("over");
    }
}

fn of(monitor: &Monitor, sink: &str) -> Stats {
    let mut lanes = monitor.lanes().into_iter();
    lanes.find(|(name, _)| *name == sink).unwrap().1
}

/// Waits until it holds, for ten seconds.
fn eventually(holds: impl Fn() -> bool) -> bool {
    (0..1_000).any(|_| {
        holds() || {
            std::thread::sleep(Duration::from_millis(10));
            false
        }
    })
}

#[test]
fn a_stuck_sink_holds_neither_the_recorder_nor_its_neighbour() {
    let (release, stuck) = stuck();
    let (kept, events) = memory();
    let monitor = Monitor::builder(stuck.and(kept))
        .notices(Notices::silent())
        .start();

    sessions(&monitor, 1_000);

    assert!(eventually(|| events.all().len() == 2_000));
    assert!(!monitor.flush(Duration::ZERO), "one of them is stuck");
    drop(release);
    assert!(monitor.flush(SOON));
    let stats = of(&monitor, "Stuck");
    assert_eq!((stats.opened, stats.written), (2_000, 2_000), "{stats}");
}

#[test]
fn a_panicking_sink_loses_what_it_had_and_is_called_again() {
    struct Third(Arc<AtomicU64>);
    impl Sink for Third {
        fn record(&self, _: &Event) {
            assert!(self.0.fetch_add(1, Relaxed) % 3 != 2, "as planned");
        }
    }
    let calls = Arc::<AtomicU64>::default();
    let (kept, events) = memory();
    let monitor = Monitor::builder(Third(Arc::clone(&calls)).and(kept))
        .notices(Notices::silent())
        .start();

    sessions(&monitor, 15);
    assert!(monitor.flush(SOON));

    assert_eq!(events.all().len(), 30);
    let stats = of(&monitor, "Third");
    assert_eq!(stats.lost_to(LossReason::Panicked), monitor.sinks_failed());
    assert_eq!(stats.written + stats.lost(), 30, "{stats}");
    assert!(monitor.sinks_failed() >= 9);
}

#[tokio::test]
async fn a_clean_end_tells_what_was_not_delivered_by_sink_and_reason() {
    let (_release, stuck) = stuck();
    let (notices, told) = ear();
    let (kept, events) = memory();
    let monitor = Monitor::builder(stuck.and(kept))
        .notices(notices)
        .patience(Duration::from_millis(20))
        .start();

    sessions(&monitor, 2);
    assert!(!monitor.close().await);

    assert_eq!(events.all().len(), 4);
    let told = told.lock().unwrap();
    assert_eq!(
        told[..],
        ["at the end, Stuck: 0 of 4 events written, 4 pending"]
    );
}

#[tokio::test]
async fn who_closes_twice_gets_the_same_answer() {
    let (release, stuck) = stuck();
    let monitor = Monitor::builder(stuck)
        .notices(Notices::silent())
        .patience(Duration::from_millis(20))
        .start();
    sessions(&monitor, 1);

    let (one, other) = tokio::join!(monitor.close(), monitor.close());
    drop(release);

    assert_eq!((one, other), (false, false));
    assert!(!monitor.close_blocking());
}

#[test]
fn the_money_lane_is_waited_for_longer_than_the_others() {
    /// Says that it is not done, until it is released.
    struct Slow(Arc<AtomicBool>, Arc<AtomicU64>);
    impl Sink for Slow {
        fn record(&self, _: &Event) {}
        fn flush(&self, within: Duration) -> bool {
            self.1.fetch_max(within.as_secs(), Relaxed);
            eventually(|| self.0.load(Relaxed))
        }
        fn lane(&self) -> Option<Lane> {
            Some(Lane::Money)
        }
    }
    let (done, patience) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let monitor = Monitor::builder(Slow(Arc::clone(&done), Arc::clone(&patience)))
        .patience(Duration::ZERO)
        .start();

    let closing = std::thread::spawn(move || monitor.close_blocking());
    assert!(eventually(|| patience.load(Relaxed) > 0));
    done.store(true, Relaxed);

    assert!(closing.join().unwrap());
    assert_eq!(patience.load(Relaxed), 60);
}

#[test]
fn a_drop_tells_what_is_left_and_holds_nobody() {
    let (release, stuck) = stuck();
    let (notices, told) = ear();
    let monitor = Monitor::builder(stuck).notices(notices).start();
    sessions(&monitor, 1);
    assert!(eventually(|| of(&monitor, "Stuck").opened == 2));

    drop(monitor);

    let told = told.lock().unwrap();
    assert!(told[0].starts_with("dropped without close()"), "{told:?}");
    assert!(told[1].contains("Stuck: 0 of 2"), "{told:?}");
    drop(release);
}
