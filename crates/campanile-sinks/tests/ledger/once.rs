//! Each thing counts once, in whatever order, how often and by whomever it is told.

use crate::{AT, SOON, assert_sound, attempt, call, dump, folder, open, record, total, usage, usd};
use campanile_core::{
    AlertEvent, CALL_REV, Clock, Cost, Count, Event, Evidence, Meter, Money, Outcome, Sink,
    Timestamp, Usage,
};
use campanile_sinks::ledger::{Appended, Durability, Entry, Ledger, LedgerOptions, Reader};
use proptest::prelude::*;

#[test]
fn a_replay_changes_nothing() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    for _ in 0..3 {
        for id in 0..50 {
            record(&ledger, call(id, vec![attempt(1, 10, "0.1")]));
        }
        assert!(ledger.flush(SOON));
    }

    let total = total(&path);

    assert_eq!(
        (total.calls, total.parts, total.cost.at_least),
        (50, 50, usd("5"))
    );
    assert_sound(&path);
}

#[test]
fn an_id_from_outside_counts_once() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    let entry = |id: &str, n: u128| Entry::new(id, call(n, vec![attempt(1, 7, "0.1")]));

    let first = ledger
        .append(&[entry("a", 1), entry("b", 2), entry("a", 3)])
        .wait(SOON);
    let again = ledger.append(&[entry("b", 9), entry("c", 4)]).wait(SOON);

    use Appended::{Created, Exists};
    assert_eq!(first, Some(Ok(vec![Created, Created, Exists])));
    assert_eq!(again, Some(Ok(vec![Exists, Created])));
    let mut lines: Vec<_> = dump(&path)
        .iter()
        .map(|line| (line["id"].to_string(), line["qty"].to_string()))
        .collect();
    lines.sort();
    let line = |id: &str| (format!("\"{id}\""), "7".to_owned());
    assert_eq!(lines, [line("a"), line("b"), line("c")]);
    assert_sound(&path);
}

#[test]
fn an_alert_is_raised_once() {
    let (_dir, path) = folder();
    let alert = AlertEvent::budget(
        Timestamp(AT),
        "deepgram".into(),
        "0.8".into(),
        "2026-11".into(),
        Cost::exact(usd("41")),
        usd("50"),
    );
    let first = open(&path).raise(&alert).wait(SOON);
    let again = open(&path).raise(&alert).wait(SOON);

    assert_eq!(first, Some(Ok(vec![Appended::Created])));
    assert_eq!(again, Some(Ok(vec![Appended::Exists])));
    let alerts = Reader::open(&path).unwrap().alerts().unwrap();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["rule"], "deepgram");
}

/// Everything that is said about the parts of two calls, each with what should be left in the end.
fn revisions() -> Vec<Event> {
    let mut bounded = Usage::new();
    let count = Count {
        at_least: 2,
        at_most: None,
        evidence: Evidence::Estimated,
    };
    bounded.set(Meter::OutputTokens, count);
    let mut checkpoint = attempt(1, 2, "0.01");
    checkpoint.usage = Some(bounded);
    checkpoint.cost.as_mut().unwrap().at_most = None;
    let mut cancelled = call(1, vec![attempt(1, 5, "0.02"), attempt(2, 6, "0.03")]);
    cancelled.outcome = Outcome::Cancelled;
    let other = call(2, vec![attempt(1, 100, "1")]);
    vec![
        usage(1, 0, checkpoint.clone()),
        usage(1, 1, attempt(1, 3, "0.015")),
        Event::Call(Box::new(cancelled)),
        usage(1, CALL_REV + 1, attempt(2, 60, "0.3")),
        usage(1, CALL_REV + 2, attempt(2, 70, "0.4")),
        usage(2, 0, checkpoint),
        Event::Call(Box::new(other)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_order_and_any_replay_count_once(
        order in Just((0..7_usize).collect::<Vec<_>>()).prop_shuffle(),
        again in proptest::collection::vec(0..7_usize, 0..6),
        flushes in proptest::collection::vec(any::<bool>(), 13),
    ) {
        let (_dir, path) = folder();
        let ledger = Ledger::open(LedgerOptions::new(&path).durability(Durability::Fast), Clock::system()).unwrap();
        let events = revisions();
        for (&i, flush) in order.iter().chain(&again).zip(flushes) {
            ledger.record(&events[i]);
            if flush {
                prop_assert!(ledger.flush(SOON));
            }
        }
        prop_assert!(ledger.flush(SOON));

        let total = total(&path);

        prop_assert_eq!((total.calls, total.open, total.cancelled, total.parts), (2, 0, 1, 3));
        prop_assert_eq!(total.usage.quantity(), 5 + 70 + 100);
        prop_assert_eq!((total.cost.at_least, total.cost.at_most), (usd("1.42"), Some(usd("1.42"))));
        prop_assert_eq!(total.wasted.at_least, usd("0.42"));
        assert_sound(&path);
    }

    #[test]
    fn among_many_calls_each_counts_once_and_each_part_with_its_last_revision(
        calls in proptest::collection::vec((0..90_u128, 0..12_u8), 0..200),
    ) {
        let (_dir, path) = folder();
        let ledger = Ledger::open(LedgerOptions::new(&path).durability(Durability::Fast), Clock::system()).unwrap();
        let mut known = std::collections::BTreeMap::new();
        for &(id, step) in &calls {
            let parts: &mut u64 = known.entry(id).or_default();
            match step {
                0 => ledger.record(&usage(id, 0, attempt(1, 1, "0.01"))),
                1 => ledger.record(&usage(id, CALL_REV + 1, attempt(2, 7, "0.7"))),
                2 => prop_assert!(ledger.flush(SOON)),
                _ => {}
            }
            let attempts = match step {
                3 => vec![],
                4 => vec![attempt(1, 5, "0.5"), attempt(3, 3, "0.3")],
                _ => vec![attempt(1, 5, "0.5")],
            };
            *parts |= match step {
                0 | 2 | 5.. => 0b001,
                1 => 0b011,
                3 => 0,
                4 => 0b101,
            };
            record(&ledger, call(id, attempts));
        }
        prop_assert!(ledger.flush(SOON));

        let total = total(&path);

        let parts = |n: u64| known.values().filter(|&parts| parts & n != 0).count() as u64;
        let tokens = 5 * parts(1) + 7 * parts(2) + 3 * parts(4);
        prop_assert_eq!((total.calls, total.open), (known.len() as u64, 0));
        prop_assert_eq!(total.parts, parts(1) + parts(2) + parts(4));
        prop_assert_eq!(total.usage.quantity(), tokens);
        prop_assert_eq!(total.cost.at_least, Money::from_grains(tokens as i128 * usd("0.1").grains()));
        assert_sound(&path);
    }
}

#[test]
fn two_writers_at_once_lose_and_double_nothing() {
    let (_dir, path) = folder();
    let ids = |from: u128| from..from + 3_000;

    std::thread::scope(|scope| {
        for writer in 0..2_u128 {
            let path = &path;
            scope.spawn(move || {
                let ledger = open(path);
                // Half of the ids are told by both.
                for id in ids(writer * 1_500) {
                    record(&ledger, call(id, vec![attempt(1, 1, "0.001")]));
                }
                assert!(ledger.flush(SOON));
            });
        }
    });

    let total = total(&path);
    assert_eq!(
        (total.calls, total.parts, total.cost.at_least),
        (4_500, 4_500, usd("4.5"))
    );
    assert_sound(&path);
}

#[test]
fn many_can_make_a_ledger_at_once() {
    for _ in 0..10 {
        let (_dir, path) = folder();
        std::thread::scope(|scope| {
            for id in 0..6 {
                let path = &path;
                scope.spawn(move || {
                    let ledger = open(path);
                    record(&ledger, call(id, vec![attempt(1, 1, "0.001")]));
                    assert!(ledger.close(SOON));
                });
            }
        });
        assert_eq!(total(&path).calls, 6);
    }
}
