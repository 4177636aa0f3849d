//! `kill -9` at any moment.

use crate::child::{AUDIO_US, SOON, child_of, live, price, quantity};
use campanile_core::{
    Billed, Clock, Event, Evidence, Meter, Outcome, Phase, SessionEvent, SessionId, Sink,
    Timestamp, Usage,
};
use campanile_sinks::ledger::{Ledger, LedgerOptions, Query, Reader};
use std::{
    collections::{HashMap, HashSet},
    io::{BufRead, BufReader},
    ops::ControlFlow,
    path::Path,
    process::Child,
    time::Duration,
};

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger/campanile.db");
    let rounds = crate::number("CAMPANILE_CRASH_ROUNDS", 25);
    let mut acknowledged = HashSet::new();
    let mut seed = u64::from(std::process::id());

    let mut next = 0;
    for round in 0..rounds {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // From the middle of the start to a steady state.
        let life = Duration::from_millis(5 + (seed >> 33) % 600);
        // Some numbers are told again: they must not count twice.
        let from = if round % 2 == 0 {
            next
        } else {
            next.max(50) - 50
        };
        let life = if round + 1 == rounds {
            Duration::from_millis(1_500)
        } else {
            life
        };
        let numbers = live(child_of("append", &path, from), life);
        next = numbers
            .iter()
            .max()
            .map_or(next, |last| next.max(last + 500));
        // The last line may be cut in the middle of its number.
        acknowledged.extend(numbers.iter().rev().skip(1));
    }

    let mut counted: HashMap<u64, u64> = HashMap::new();
    let reader = Reader::open(&path).unwrap();
    let count = |line: &serde_json::Value| {
        let number: u64 = line["id"].as_str().unwrap()[1..].parse().unwrap();
        assert_eq!(
            line["qty"].as_u64(),
            Some(quantity(number)),
            "altered: {line}"
        );
        assert_eq!(
            counted.insert(number, quantity(number)),
            None,
            "doubled: {line}"
        );
        ControlFlow::Continue(())
    };
    reader.dump(count).unwrap();
    let missing: Vec<_> = acknowledged
        .iter()
        .filter(|number| !counted.contains_key(number))
        .collect();
    assert!(missing.is_empty(), "{} missing", missing.len());
    assert!(
        counted.keys().all(|number| *number < next + 100_000),
        "invented"
    );
    assert!(
        acknowledged.len() > 1_000,
        "only {} were acknowledged: proves nothing",
        acknowledged.len()
    );
    assert_eq!(reader.verify().unwrap(), []);
    let sum: u64 = counted.values().sum();
    assert_eq!(
        reader
            .report(&Query::default())
            .unwrap()
            .total
            .usage
            .quantity(),
        sum
    );
    println!(
        "{rounds} rounds, {} acknowledged, {} counted",
        acknowledged.len(),
        counted.len()
    );
}

/// A process that has left a session and a call open, and said so.
fn left_open(path: &Path) -> Child {
    let mut child = child_of("leave_open", path, 0);
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    while !line.contains("ack 7") {
        line.clear();
        let read = out.read_line(&mut line).unwrap();
        assert!(read > 0, "the child said nothing");
    }
    child
}

#[test]
fn what_a_dead_process_left_open_is_closed_as_crashed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger/campanile.db");
    let mut dead = left_open(&path);

    // While it lives, its call is its own.
    drop(Ledger::open(LedgerOptions::new(&path), Clock::system()).unwrap());
    let open = Reader::open(&path).unwrap();
    let open = open.report(&Query::default()).unwrap().total;
    dead.kill().unwrap();
    dead.wait().unwrap();
    let ledger = Ledger::open(LedgerOptions::new(&path), Clock::system()).unwrap();

    assert_eq!((open.open, open.calls), (1, 0));
    let reader = Reader::open(&path).unwrap();
    let detail = reader.session("left-open").unwrap().unwrap();
    assert_eq!(detail.session.reason.as_deref(), Some("crashed"));
    assert!(detail.session.ended_at.is_some());
    assert_eq!(detail.call_list[0].outcome, Some(Outcome::Crashed));
    assert_eq!(detail.call_list[0].qty, AUDIO_US);
    assert_eq!(
        (detail.session.sum.crashed, detail.session.sum.open),
        (1, 0)
    );
    assert_eq!(reader.verify().unwrap(), []);
    drop(ledger);
}

#[test]
fn what_may_have_come_after_the_last_checkpoint_is_within_the_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger/campanile.db");
    let began = Timestamp::now();
    let mut dead = left_open(&path);
    dead.kill().unwrap();
    dead.wait().unwrap();

    let options = LedgerOptions::new(&path).prices(|billed: &Billed<'_>| price(billed.usage));
    drop(Ledger::open(options, Clock::system()).unwrap());

    let most = Timestamp::now().micros() - began.micros() + 2_000_000;
    let reader = Reader::open(&path).unwrap();
    let detail = reader.session("left-open").unwrap().unwrap();
    let attempt = &detail.call_list[0].attempts[0];
    let sent = attempt.usage.unwrap().get(Meter::AudioUs).unwrap();
    assert_eq!(
        (sent.at_least, sent.evidence),
        (AUDIO_US, Evidence::Estimated)
    );
    let more = sent.at_most.unwrap() - AUDIO_US;
    assert!(
        more >= 1_000_000 && more <= most.unsigned_abs(),
        "{more} of {most}"
    );
    let cost = attempt.cost.as_ref().unwrap();
    let expected = price(&attempt.usage.unwrap());
    assert_eq!(
        (cost.at_least, cost.at_most),
        (expected.at_least, expected.at_most)
    );
    assert_eq!(reader.verify().unwrap(), []);
}

#[test]
fn without_prices_what_may_have_come_costs_nobody_knows_what() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger/campanile.db");
    let mut dead = left_open(&path);
    dead.kill().unwrap();
    dead.wait().unwrap();

    drop(Ledger::open(LedgerOptions::new(&path), Clock::system()).unwrap());

    let reader = Reader::open(&path).unwrap();
    let detail = reader.session("left-open").unwrap().unwrap();
    let cost = detail.call_list[0].attempts[0].cost.as_ref().unwrap();
    let counted = Usage::new().with(Meter::AudioUs, AUDIO_US, Evidence::Measured);
    assert_eq!(
        (cost.at_least, cost.at_most),
        (price(&counted).at_least, None)
    );
}

#[test]
fn a_session_that_this_process_ends_is_not_crashed_later() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("campanile.db");
    let session = SessionId::new("ended").unwrap();
    let ledger = Ledger::open(LedgerOptions::new(&path), Clock::system()).unwrap();
    let mut end = SessionEvent::start(session, Timestamp(1_000));
    ledger.record(&Event::Session(Box::new(end.clone())));
    (end.phase, end.at, end.reason) = (Phase::End, Timestamp(9_000), Some("hung_up".into()));
    ledger.record(&Event::Session(Box::new(end)));
    assert!(ledger.close(SOON));

    drop(Ledger::open(LedgerOptions::new(&path), Clock::system()).unwrap());

    let rows = Reader::open(&path)
        .unwrap()
        .sessions(&Query::default())
        .unwrap();
    assert_eq!(
        (rows[0].reason.as_deref(), rows[0].ended_at),
        (Some("hung_up"), Some(Timestamp(9_000)))
    );
}
