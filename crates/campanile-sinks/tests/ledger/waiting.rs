//! What waits to be written, and who waits for it.

use crate::{AT, SOON, assert_sound, attempt, call, dump, folder, open, record, total, usage, usd};
use campanile_core::{CALL_REV, Clock, Outcome, Sink, Span, Tick, TimeSource, Timestamp};
use campanile_sinks::ledger::{
    Appended, Dimension, Durability, Entry, Ledger, LedgerErrorKind, LedgerOptions, Query, Reader,
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::{Duration, UNIX_EPOCH},
};

#[test]
fn what_waits_is_written_when_the_ledger_closes() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    for id in 0..20_000 {
        record(&ledger, call(id, vec![attempt(1, 1, "0.001")]));
    }

    assert!(ledger.close(SOON));

    assert_eq!(total(&path).calls, 20_000);
    let left: Vec<_> = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".lock"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

/// A clock that stands still until it is set.
struct Hand(Arc<AtomicI64>);

impl TimeSource for Hand {
    fn tick(&self) -> Tick {
        Clock::system().tick()
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Relaxed))
    }
}

#[test]
fn a_process_that_writes_nothing_shows_that_it_lives() {
    let (_dir, path) = folder();
    let hand = Arc::new(AtomicI64::new(AT));
    let clock = Clock::new(Hand(Arc::clone(&hand)));
    let ledger = Ledger::open(LedgerOptions::new(&path), clock).unwrap();
    let seen = || {
        let files = std::fs::read_dir(path.parent().unwrap()).unwrap().flatten();
        let mut runs = files.filter(|file| file.path().extension().is_some_and(|e| e == "lock"));
        let seen = runs.next().unwrap().metadata().unwrap().modified().unwrap();
        seen.duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
    };
    assert_eq!(seen(), AT);

    let later = AT + 600_000_000;
    hand.store(later, Relaxed);

    // It would look by itself, but not soon.
    let patience = Timestamp::now().after(Span(SOON.as_nanos() as u64));
    while seen() != later && Timestamp::now() < patience {
        assert!(ledger.flush(SOON));
        std::thread::yield_now();
    }
    assert_eq!(seen(), later);
}

#[test]
fn an_event_is_written_soon_without_a_flush() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    // Long enough for the writer to fall asleep.
    std::thread::sleep(Duration::from_millis(400));
    for id in 0..3 {
        record(&ledger, call(id, vec![attempt(1, 1, "0.1")]));
        std::thread::sleep(Duration::from_millis(300));

        assert_eq!(ledger.state().written, id as u64 + 1);
    }
}

#[test]
fn a_fast_ledger_is_read_back_too() {
    let (_dir, path) = folder();
    let options = LedgerOptions::new(&path).durability(Durability::Fast);
    let ledger = Ledger::open(options, Clock::system()).unwrap();
    record(&ledger, call(1, vec![attempt(1, 1, "0.1")]));

    assert!(ledger.close(SOON));

    assert_eq!(total(&path).calls, 1);
}

#[test]
fn beyond_the_budget_calls_fold_into_exact_sums() {
    let (_dir, path) = folder();
    let troubles = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&troubles);
    let options = LedgerOptions::new(&path)
        .budget_bytes(64 * 1024)
        .tell(move |trouble| heard.lock().unwrap().push(trouble));
    let ledger = Ledger::open(options, Clock::system()).unwrap();
    // One call has a checkpoint before nothing can be written any more.
    ledger.record(&usage(77_777, 0, attempt(1, 1, "0.001")));
    assert!(ledger.flush(SOON));
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    for id in 0..5_000 {
        let mut failed = attempt(1, 2, "0.001");
        failed.outcome = Some(Outcome::Failed);
        failed.provider = Some("groq".into());
        record(
            &ledger,
            call(id, vec![failed.clone(), attempt(2, 3, "0.002")]),
        );
        if id % 10 == 0 {
            // Says no more than the row or the sum holds already.
            ledger.record(&usage(id, CALL_REV + 1, failed));
        }
        if id > 4_000 {
            // Its call will say it again.
            ledger.record(&usage(10_000 + id, 0, attempt(1, 2, "0.001")));
        }
    }
    record(&ledger, call(77_777, vec![attempt(1, 5, "1")]));
    assert!(!ledger.flush(Duration::from_millis(2_500)));
    let before = ledger.state();
    other.execute_batch("ROLLBACK").unwrap();
    assert!(ledger.flush(SOON));
    // A replay of what was folded is known.
    record(&ledger, call(4_999, vec![attempt(1, 2, "0.001")]));
    assert!(ledger.flush(SOON));

    assert!(before.folded > 4_000, "{before:?}");
    assert!(before.waiting_bytes < 128 * 1024, "{before:?}");
    assert_eq!(before.degraded, Some(LedgerErrorKind::Locked));
    assert_eq!(ledger.degraded(), None);
    assert_eq!(troubles.lock().unwrap().len(), 1);
    let query = Query::default().by([Dimension::Provider]);
    let report = Reader::open(&path).unwrap().report(&query).unwrap();
    let rows: Vec<_> = report
        .rows
        .iter()
        .filter(|row| row.calls > 0 || row.parts > 0)
        .map(|row| {
            (
                row.keys[0].as_str(),
                row.calls,
                row.usage.quantity(),
                row.cost.at_least,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("groq", 0, 10_000, usd("5")),
            ("openai", 5_001, 15_005, usd("11"))
        ]
    );
    assert_eq!(report.total.wasted.at_least, usd("5"));
    let folded: u64 = dump(&path)
        .iter()
        .filter_map(|line| line["folded"].as_u64())
        .sum();
    assert_eq!(folded, before.folded);
    assert_sound(&path);
}

#[test]
fn a_closing_ledger_waits_for_another_writer() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    record(&ledger, call(1, vec![attempt(1, 2, "0.1")]));
    let answer = ledger.append(&[Entry::new("late", call(2, Vec::new()))]);

    let release = std::thread::spawn(move || {
        // Longer than SQLite itself waits for a lock.
        std::thread::sleep(Duration::from_millis(2_500));
        other.execute_batch("ROLLBACK").unwrap();
    });
    assert!(ledger.close(SOON));
    release.join().unwrap();

    assert_eq!(answer.wait(SOON), Some(Ok(vec![Appended::Created])));
    assert_eq!(total(&path).calls, 2);
}

#[test]
fn who_waits_for_what_is_never_written_is_told() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = ledger.append(&[Entry::new("never", call(1, Vec::new()))]);

    assert!(!ledger.close(Duration::from_millis(50)));

    assert!(answer.wait(SOON).unwrap().is_err());
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(total(&path).calls, 0);
}

#[test]
fn an_answer_can_be_awaited() {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let (_dir, path) = folder();
    let ledger = open(&path);
    let mut answer = ledger.append(&[Entry::new("a", call(1, Vec::new()))]);

    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let created = loop {
        match std::future::Future::poll(std::pin::Pin::new(&mut answer), &mut context) {
            std::task::Poll::Ready(created) => break created,
            std::task::Poll::Pending => std::thread::park_timeout(SOON),
        }
    };

    assert_eq!(created, Ok(vec![Appended::Created]));
}

#[test]
fn who_appends_waits_while_memory_is_full() {
    let (_dir, path) = folder();
    let options = LedgerOptions::new(&path).budget_bytes(1);
    let ledger = Ledger::open(options, Clock::system()).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let entry = |id: u128| [Entry::new(id.to_string(), call(id, Vec::new()))];
    let first = ledger.append(&entry(1));

    std::thread::scope(|scope| {
        let second = scope.spawn(|| ledger.append(&entry(2)));
        std::thread::sleep(Duration::from_millis(300));
        assert!(!second.is_finished());
        other.execute_batch("ROLLBACK").unwrap();
        let second = second.join().unwrap();

        assert_eq!(first.wait(SOON), Some(Ok(vec![Appended::Created])));
        assert_eq!(second.wait(SOON), Some(Ok(vec![Appended::Created])));
    });
}
