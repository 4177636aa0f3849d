//! Remote sinks that fail in every way have in the end what the ledger has, each thing once, in order.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use campanile_core::{
    Attempt, CALL_REV, CallEvent, CallId, Clock, Cost, Event, Evidence, Meter, Money, Outcome,
    SessionId, Sink, Timestamp, Usage, UsageEvent,
};
use campanile_sinks::ledger::{
    Courier, CourierOptions, Delivery, Ledger, LedgerOptions, Reader, Remote,
};
use std::{
    collections::HashMap,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, mpsc},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(60);
const AT: i64 = 1_795_485_029_000_000;

fn quick() -> CourierOptions {
    let ms = Duration::from_millis;
    CourierOptions::default()
        .batch(7)
        .look(ms(2))
        .backoff(ms(1), ms(4))
}

fn attempt(n: u32, count: u64) -> Attempt {
    let mut attempt = Attempt::new(n);
    attempt.provider = Some("openai".into());
    attempt.usage = Some(Usage::new().with(Meter::OutputTokens, count, Evidence::Reported));
    attempt.cost = Some(Cost::exact(Money::from_grains(count.into())));
    attempt
}

fn id(number: u64) -> CallId {
    CallId((AT as u128 / 1_000) << 80 | u128::from(number))
}

fn record(ledger: &Ledger, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let mut call = CallEvent::new(id(number), "llm".into(), Timestamp(AT), Outcome::Completed);
        call.session = SessionId::new("s1").ok();
        call.attempts = vec![attempt(1, number)];
        ledger.record(&Event::Call(Box::new(call)));
    }
    assert!(ledger.flush(SOON));
}

/// What a database elsewhere would hold: of each id the delivery with the highest number.
#[derive(Debug, Default)]
struct Elsewhere {
    rows: HashMap<String, (u64, String)>,
    /// Numbers as they came for the first time.
    order: Vec<u64>,
}

impl Elsewhere {
    fn take(&mut self, delivery: &Delivery) {
        let row = (delivery.seq, delivery.event.to_string());
        let known = self
            .rows
            .entry(delivery.id.clone())
            .or_insert_with(|| row.clone());
        if known.0 < row.0 {
            *known = row;
        }
        if self.order.last().is_none_or(|last| *last < delivery.seq) {
            self.order.push(delivery.seq);
        }
    }
}

type Rows = Arc<(Mutex<Elsewhere>, Condvar)>;

/// Waits until what is elsewhere is what the ledger has.
fn assert_arrives(path: &Path, rows: &Rows) {
    let mut truth = HashMap::new();
    let reader = Reader::open(path).unwrap();
    reader
        .dump(|line| {
            truth.insert(line["id"].as_str().unwrap().to_owned(), line.to_string());
            ControlFlow::Continue(())
        })
        .unwrap();
    let there = |elsewhere: &mut Elsewhere| {
        let same = |(id, line): (&String, &String)| {
            elsewhere.rows.get(id).is_some_and(|(_, row)| row == line)
        };
        !(elsewhere.rows.len() == truth.len() && truth.iter().all(same))
    };
    let (elsewhere, late) = rows
        .1
        .wait_timeout_while(rows.0.lock().unwrap(), SOON, there)
        .unwrap();
    assert!(
        !late.timed_out(),
        "{} of {}",
        elsewhere.rows.len(),
        truth.len()
    );
    assert!(elsewhere.order.is_sorted(), "{:?}", elsewhere.order);
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("campanile.db");
    (dir, path)
}

fn open(path: &Path) -> Ledger {
    Ledger::open(LedgerOptions::new(path), Clock::system()).unwrap()
}

/// A remote that refuses, panics, accepts and says that it did not, accepts a part, in turns.
fn moody(rows: &Rows) -> impl Remote + use<> {
    let rows = Arc::clone(rows);
    let mut tries = 0;
    move |deliveries: &[Delivery]| {
        tries += 1;
        let accept = |count: usize| {
            let mut elsewhere = rows.0.lock().unwrap();
            deliveries[..count]
                .iter()
                .for_each(|delivery| elsewhere.take(delivery));
            drop(elsewhere);
            rows.1.notify_all();
            count
        };
        match tries % 7 {
            1 => Err("refused".to_owned()),
            2 => std::panic::resume_unwind(Box::new("a bug of the sink")),
            3 => {
                accept(deliveries.len());
                Err("timed out".to_owned())
            }
            4 => Ok(accept(deliveries.len() / 2)),
            5 => Ok(0),
            _ => Ok(accept(deliveries.len())),
        }
    }
}

#[test]
fn a_moody_remote_has_everything_once_in_the_end() {
    let (_dir, path) = folder();
    let rows = Rows::default();
    let courier = Courier::start(&path, "moody", moody(&rows), quick()).unwrap();
    let ledger = open(&path);

    record(&ledger, 0..200);
    let late = |number, n| {
        let (stage, at) = ("llm".into(), Timestamp(AT));
        UsageEvent::new(id(number), CALL_REV + 1, stage, at, at, attempt(n, 5))
    };
    ledger.record(&Event::Usage(Box::new(late(3, 1))));
    ledger.record(&Event::Usage(Box::new(late(4, 2))));
    record(&ledger, 200..300);

    assert_arrives(&path, &rows);
    let lag = courier.lag();
    assert!(lag.errors > 0 && lag.delivered > 0, "{lag:?}");
    assert!(courier.close(SOON));
}

#[test]
fn sums_of_calls_that_did_not_fit_into_memory_arrive_too() {
    let (_dir, path) = folder();
    let rows = Rows::default();
    let _courier = Courier::start(&path, "moody", moody(&rows), quick()).unwrap();
    let full = LedgerOptions::new(&path).budget_bytes(0);
    let ledger = Ledger::open(full, Clock::system()).unwrap();

    (0..5).for_each(|round| record(&ledger, round * 10..round * 10 + 10));

    assert!(ledger.state().folded > 0, "{:?}", ledger.state());
    assert_arrives(&path, &rows);
}

#[test]
fn a_courier_goes_on_where_the_one_before_was() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    let all: Rows = Rows::default();
    for round in 0..5 {
        let courier = Courier::start(&path, "resumed", moody(&all), quick()).unwrap();
        record(&ledger, round * 40..round * 40 + 40);
        // It is ended anywhere.
        let _ = courier.close(Duration::from_millis(round * 3));
        record(&ledger, 1_000 + round * 10..1_010 + round * 10);
    }

    let _courier = Courier::start(&path, "resumed", moody(&all), quick()).unwrap();

    assert_arrives(&path, &all);
}

#[test]
fn one_that_hangs_disturbs_no_other_and_its_lag_is_told() {
    let (_dir, path) = folder();
    let (release, released) = mpsc::channel::<()>();
    let (hanging, well) = (Rows::default(), Rows::default());
    let rows = Arc::clone(&hanging);
    let stuck = Courier::start(
        &path,
        "stuck",
        move |deliveries: &[Delivery]| {
            let _ = released.recv();
            let mut elsewhere = rows.0.lock().unwrap();
            deliveries
                .iter()
                .for_each(|delivery| elsewhere.take(delivery));
            rows.1.notify_all();
            Ok(deliveries.len())
        },
        quick(),
    )
    .unwrap();
    let _well = Courier::start(&path, "well", moody(&well), quick()).unwrap();
    let ledger = open(&path);

    record(&ledger, 0..500);

    assert_arrives(&path, &well);
    assert!(
        stuck.lag().waiting > 0 && stuck.lag().delivered == 0,
        "{:?}",
        stuck.lag()
    );
    drop(release);
    assert_arrives(&path, &hanging);
}

#[test]
fn nothing_is_kept_for_a_remote_that_is_forgotten() {
    let (_dir, path) = folder();
    let refuse = |_: &[Delivery]| Err("never".to_owned());
    let courier = Courier::start(&path, "gone", refuse, quick()).unwrap();
    let ledger = open(&path);
    let kept = || {
        let conn = rusqlite::Connection::open(&path).unwrap();
        conn.query_row("SELECT count(*) FROM outbox", [], |row| {
            row.get::<_, i64>(0)
        })
        .unwrap()
    };
    record(&ledger, 0..50);
    assert_eq!(kept(), 50);
    assert!(courier.close(SOON));

    Courier::forget(&path, "gone").unwrap();
    record(&ledger, 50..60);

    assert_eq!(kept(), 0);
    assert_eq!(Reader::open(&path).unwrap().verify().unwrap(), []);
}

#[test]
fn a_remote_that_was_forgotten_and_comes_back_is_told_under_higher_numbers() {
    let (_dir, path) = folder();
    let rows = Rows::default();
    let start = || Courier::start(&path, "back", moody(&rows), quick()).unwrap();
    let courier = start();
    let ledger = open(&path);
    record(&ledger, 0..50);
    assert_arrives(&path, &rows);
    assert!(courier.close(SOON));
    Courier::forget(&path, "back").unwrap();

    let _courier = start();
    let (stage, at) = ("llm".into(), Timestamp(AT));
    let late = UsageEvent::new(id(3), CALL_REV + 1, stage, at, at, attempt(1, 5));
    ledger.record(&Event::Usage(Box::new(late)));
    assert!(ledger.flush(SOON));

    assert_arrives(&path, &rows);
}
