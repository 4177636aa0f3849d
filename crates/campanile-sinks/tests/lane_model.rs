//! The lane and its breaker, and the courier of the outbox, under a scheduler that tries many orders of the threads: the very source of the crate, with
//! other locks, threads and clocks beneath it.
//!
//! `CAMPANILE_MODEL_ROUNDS=100000 cargo test -p campanile-sinks --test lane_model` tries longer.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[expect(
    dead_code,
    unreachable_pub,
    reason = "the model uses a part of what the crate does"
)]
#[path = "../src/lane/mod.rs"]
mod lane;

#[path = "lane_model/outbox.rs"]
mod outbox;

/// What the lane meets at, as the model has it.
mod sync {
    pub(crate) use shuttle::{
        sync::{Arc, LockResult, Mutex, MutexGuard, PoisonError, atomic},
        thread::{Builder, JoinHandle},
    };
    use std::time::Duration;

    /// Whoever waits with a limit is woken at any time: by a notice, or by the clock.
    #[derive(Debug, Default)]
    pub(crate) struct Condvar(Arc<shuttle::sync::Condvar>);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self::default()
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }

        pub(crate) fn wait_timeout<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            _: Duration,
        ) -> LockResult<(MutexGuard<'a, T>, ())> {
            let (waiting, woken) = (
                Arc::clone(&self.0),
                Arc::new(atomic::AtomicBool::new(false)),
            );
            let seen = Arc::clone(&woken);
            let clock = shuttle::thread::spawn(move || {
                while !seen.load(atomic::Ordering::SeqCst) {
                    waiting.notify_all();
                    shuttle::thread::yield_now();
                }
            });
            let guard = self.0.wait(guard).unwrap_or_else(PoisonError::into_inner);
            woken.store(true, atomic::Ordering::SeqCst);
            clock.join().unwrap();
            Ok((guard, ()))
        }
    }

    /// Time goes on each time it is read.
    pub(crate) fn steady() -> campanile_core::Clock {
        use campanile_core::{Clock, Tick, TimeSource, Timestamp};
        use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

        struct Reads(AtomicU64);

        impl TimeSource for Reads {
            fn tick(&self) -> Tick {
                Tick(self.0.fetch_add(40_000_000, Relaxed))
            }
            fn now(&self) -> Timestamp {
                Timestamp(0)
            }
        }
        Clock::new(Reads(AtomicU64::new(0)))
    }
}

/// Tells nobody.
#[derive(Clone)]
pub(crate) struct Notices;

impl Notices {
    fn tell(&self, _: &str) {}
    fn trouble(&self, _: &'static str, _: &str) {}
}

use campanile_core::{LossEvent, Stats};
use lane::{Lane, Lines, Load, Priority, Writer};
use shuttle::{rand::Rng, thread};
use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// What came out: lines of events, and losses that were told.
#[derive(Default)]
struct Out {
    lines: Mutex<Vec<String>>,
    told: AtomicU64,
}

/// A writer that fails and panics as the scheduler's dice say, until it has done so often enough.
struct Moody {
    out: Arc<Out>,
    moods: Arc<AtomicU64>,
    panics: bool,
}

impl Writer<Lines> for Moody {
    fn write(&mut self, lines: &mut Lines) -> io::Result<()> {
        while let Some(end) = memchr::memchr(b'\n', lines.rest()) {
            let bad = self.moods.load(Relaxed) > 0 && shuttle::rand::thread_rng().gen_bool(0.5);
            if bad {
                self.moods.fetch_sub(1, Relaxed);
                assert!(!self.panics, "as planned");
                return Err(io::ErrorKind::StorageFull.into());
            }
            let line = String::from_utf8_lossy(&lines.rest()[..end]).into_owned();
            match line.strip_prefix("lost ") {
                Some(lost) => drop(self.out.told.fetch_add(lost.parse().unwrap(), Relaxed)),
                None => self.out.lines.lock().unwrap().push(line),
            }
            lines.advance(end + 1);
        }
        Ok(())
    }

    fn tell(&self, loss: &LossEvent, lines: &mut Lines) {
        lines.push(format!("lost {}\n", loss.lost).as_bytes());
    }
}

/// A lane that has room for three lines, and a writer with so many bad moods.
fn lane(moods: u64, panics: bool) -> (Arc<Lane>, Arc<Out>) {
    let (out, moods) = (Arc::<Out>::default(), Arc::new(AtomicU64::new(moods)));
    let written = Arc::clone(&out);
    let make = move || Moody {
        out: Arc::clone(&written),
        moods: Arc::clone(&moods),
        panics,
    };
    let clock = sync::steady();
    let lane = Lane::start("model", 12, clock, Notices, make).unwrap();
    (Arc::new(lane), out)
}

fn push(lane: &Lane, lines: std::ops::Range<u32>) {
    for n in lines {
        lane.push(Priority::Error, format!("{n:03}\n").as_bytes());
    }
}

fn rounds() -> usize {
    let rounds = std::env::var("CAMPANILE_MODEL_ROUNDS").ok();
    rounds.map_or(200, |rounds| rounds.parse().unwrap())
}

/// Nothing is missing, nothing is doubled, and what is lost is counted and told.
fn assert_whole(stats: &Stats, out: &Out, opened: u64) {
    let mut lines = out.lines.lock().unwrap().clone();
    let written = lines.len() as u64;
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len() as u64, written, "a line was written twice");
    assert_eq!((stats.opened, stats.pending), (opened, 0), "{stats}");
    assert_eq!(stats.written, written, "{stats}");
    assert_eq!(stats.written + stats.lost(), opened, "{stats}");
    assert_eq!(stats.queued_bytes, 0, "{stats:?}");
}

const FOR_EVER: Duration = Duration::from_secs(1 << 30);

/// Two threads hand over, a third flushes, and then it is closed.
fn two_hand_over(moods: u64, panics: bool) {
    let (lane, out) = lane(moods, panics);
    let (one, two) = (Arc::clone(&lane), Arc::clone(&lane));

    let one = thread::spawn(move || push(&one, 0..4));
    let two = thread::spawn(move || push(&two, 100..103));
    assert!(lane.flush(FOR_EVER));
    one.join().unwrap();
    two.join().unwrap();
    assert!(lane.flush(FOR_EVER), "what was pushed before is done with");
    let flushed = lane.watch().stats();
    assert_eq!(flushed.pending, 0, "{flushed}");
    let told = out.told.load(Relaxed);
    // A loss whose telling panics is told later.
    assert!(told == flushed.lost() || panics && told < flushed.lost());
    assert!(lane.close(FOR_EVER));

    assert_whole(&lane.watch().stats(), &out, 7);
}

#[test]
fn what_two_threads_hand_over_is_written_once_or_counted() {
    shuttle::check_random(|| two_hand_over(0, false), rounds());
}

#[test]
fn a_writer_that_fails_loses_nothing_that_had_room() {
    shuttle::check_random(|| two_hand_over(3, false), rounds());
}

#[test]
fn a_writer_that_panics_loses_what_it_had_and_that_is_counted() {
    shuttle::check_random(|| two_hand_over(2, true), rounds());
}

#[test]
fn whoever_closes_at_once_leaves_nothing_uncounted() {
    let close_at_once = || {
        let (lane, out) = lane(1, false);
        let pushing = Arc::clone(&lane);

        let pushing = thread::spawn(move || push(&pushing, 0..3));
        let all = lane.close(Duration::ZERO);
        pushing.join().unwrap();

        let stats = lane.watch().stats();
        assert_eq!(stats.opened, stats.written + stats.lost() + stats.pending);
        assert!(!all || stats.pending == 0, "{stats}");
        // The worker ends in its own time.
        while !lane.close(FOR_EVER) {}
        assert_whole(&lane.watch().stats(), &out, 3);
    };
    shuttle::check_random(close_at_once, rounds());
}
