//! Sums of hours and the index of sessions against a walk over every row.

use super::{call::each_call, *};
use crate::ledger::{Ledger, LedgerOptions};
use campanile_core::{
    Attempt, CALL_REV, CallEvent, CallId, Clock, Cost, Event, Evidence, Meter, Money, Outcome,
    SessionId, Sink, Span, Timestamp, Timing, TurnEvent, Usage, UsageEvent,
};
use proptest::prelude::*;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);
/// 2026-11-24T01:00:00Z.
const AT: i64 = 1_795_482_000_000_000;

/// One thing that happens to a ledger.
#[derive(Clone, Debug)]
enum Step {
    Call {
        id: u8,
        minute: u8,
        kind: u8,
        qty: u16,
    },
    Checkpoint {
        id: u8,
        minute: u8,
        qty: u16,
    },
    Late {
        id: u8,
        minute: u8,
        n: u8,
        qty: u16,
    },
    Turn {
        session: u8,
        turn: u8,
        minute: u8,
        ms: u32,
    },
    /// Closed, so that its sums are built, and opened again.
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    let minute = 0..240_u8;
    prop_oneof![
        6 => (any::<u8>(), minute.clone(), any::<u8>(), any::<u16>())
            .prop_map(|(id, minute, kind, qty)| Step::Call { id, minute, kind, qty }),
        1 => (any::<u8>(), minute.clone(), any::<u16>())
            .prop_map(|(id, minute, qty)| Step::Checkpoint { id, minute, qty }),
        2 => (any::<u8>(), minute.clone(), 1..4_u8, any::<u16>())
            .prop_map(|(id, minute, n, qty)| Step::Late { id, minute, n, qty }),
        2 => (0..4_u8, 0..9_u8, minute, 0..9_000_u32)
            .prop_map(|(session, turn, minute, ms)| Step::Turn { session, turn, minute, ms }),
        1 => Just(Step::Settle),
    ]
}

fn at(minute: u8) -> Timestamp {
    Timestamp(AT + i64::from(minute) * 60_000_000 + 7_000_000)
}

/// Most ids begin with the time of their call; some with another one.
fn call_id(id: u8, minute: u8) -> CallId {
    let millis = match id % 16 {
        0 => 5,
        1 => at(239).micros() / 1_000,
        _ => at(minute).micros() / 1_000,
    };
    CallId((millis as u128) << 80 | u128::from(id) << 8 | u128::from(minute))
}

fn attempt(n: u32, kind: u8, qty: u16) -> Attempt {
    let mut attempt = Attempt::new(n);
    let models = [
        ("openai", "gpt-4.1"),
        ("deepgram", "nova-3"),
        ("openai", "o3"),
    ];
    let (provider, model) = models[usize::from(kind) % 3];
    (attempt.provider, attempt.model) = (Some(provider.into()), Some(model.into()));
    let usage = Usage::new().with(Meter::OutputTokens, qty.into(), Evidence::Measured);
    attempt.usage = Some(usage);
    let mut cost = Cost::exact(Money::from_grains(i128::from(qty) * 7));
    if kind.is_multiple_of(5) {
        cost.at_most = kind
            .is_multiple_of(2)
            .then(|| Money::from_grains(i128::from(qty) * 9));
    }
    attempt.cost = Some(cost);
    attempt
}

fn call(id: u8, minute: u8, kind: u8, qty: u16) -> CallEvent {
    let outcome = Outcome::ALL[usize::from(kind) % 4];
    let stage = ["llm", "stt"][usize::from(kind) % 2];
    let mut call = CallEvent::new(call_id(id, minute), stage.into(), at(minute), outcome);
    call.attempts = (1..=u32::from(kind % 3))
        .map(|n| attempt(n, kind, qty))
        .collect();
    if !kind.is_multiple_of(4) {
        call.session = SessionId::new(&format!("s{}", kind % 4)).ok();
    }
    if kind.is_multiple_of(3) {
        call.labels = vec![("tenant", ["acme", "ajax"][usize::from(kind) % 2].into())];
    }
    let mut timing = Timing::default();
    timing.elapsed = Span(u64::from(qty) * 1_000_000);
    timing.first_item = kind
        .is_multiple_of(2)
        .then_some(Span(u64::from(qty) * 100_000));
    call.timing = (!kind.is_multiple_of(7)).then_some(timing);
    call
}

fn usage(id: u8, minute: u8, rev: u32, attempt: Attempt) -> Event {
    let (stage, at) = ("llm".into(), at(minute));
    let mut usage = UsageEvent::new(call_id(id, minute), rev, stage, at, at, attempt);
    usage.session = SessionId::new("s1").ok();
    Event::Usage(Box::new(usage))
}

fn apply(ledger: &mut Option<Ledger>, path: &Path, step: &Step) {
    let event = match *step {
        Step::Call {
            id,
            minute,
            kind,
            qty,
        } => Event::Call(Box::new(call(id, minute, kind, qty))),
        Step::Checkpoint { id, minute, qty } => usage(id, minute, 3, attempt(1, id, qty)),
        Step::Late { id, minute, n, qty } => usage(
            id,
            minute,
            CALL_REV + u32::from(n),
            attempt(n.into(), id, qty),
        ),
        Step::Turn {
            session,
            turn,
            minute,
            ms,
        } => {
            let session = SessionId::new(&format!("s{session}")).unwrap();
            let mut turn = TurnEvent::new(session, turn.into(), at(minute));
            turn.user_to_bot = (!ms.is_multiple_of(3)).then_some(Span(u64::from(ms) * 1_000_000));
            turn.elapsed = Span(u64::from(ms) * 3_000_000);
            turn.interrupted = ms.is_multiple_of(4).then(|| "barge_in".into());
            Event::Turn(Box::new(turn))
        }
        Step::Settle => {
            assert!(ledger.take().unwrap().close(SOON));
            *ledger = Some(Ledger::open(LedgerOptions::new(path), Clock::system()).unwrap());
            return;
        }
    };
    ledger.as_ref().unwrap().record(&event);
}

fn query(since: Option<u8>, until: Option<u8>, by: &[Dimension], which: u8) -> Query {
    let mut query = Query::default().by(by).label("tenant");
    if let Some(minute) = since {
        query = query.since(Timestamp(AT + i64::from(minute) * 60_000_000));
    }
    if let Some(minute) = until {
        query = query.until(Timestamp(AT + i64::from(minute) * 60_000_000));
    }
    match which {
        0 => query.stage("stt"),
        1 => query.provider("openai"),
        2 => query.model("o3"),
        3 => query.outcome(Outcome::Failed),
        4 => query.labelled("tenant", "acme"),
        5 => query.session("s2"),
        6 => query.labelled("nobody", "has it"),
        _ => query,
    }
}

/// What both ways of reading come to.
fn assert_same(path: &Path, query: &Query) {
    let reader = Reader::open(path).unwrap();
    let both = |version| {
        reader.view(|conn, _| {
            let report = report::Draft::read(conn, version, query)?.end(query);
            let times = latency::Draft::read(conn, version, query)?.end(query);
            let sessions = session_rows(conn, version, query)?.end();
            let mut calls = Vec::new();
            each_call(conn, version, query, &mut |call| {
                calls.push(serde_json::to_string(&call).unwrap());
                ControlFlow::Continue(())
            })?;
            Ok((
                serde_json::to_string_pretty(&report).unwrap(),
                format!("{times:#?}"),
                serde_json::to_string_pretty(&sessions).unwrap(),
                calls,
            ))
        })
    };
    let (fast, slow) = (both(3).unwrap(), both(1).unwrap());
    assert!(fast.0 == slow.0, "{}\n{}", fast.0, slow.0);
    assert!(fast.1 == slow.1, "{}\n{}", fast.1, slow.1);
    assert!(fast.2 == slow.2, "{}\n{}", fast.2, slow.2);
    assert_eq!(fast.3, slow.3);
}

fn dimensions() -> impl Strategy<Value = Vec<Dimension>> {
    use Dimension::{Day, Hour, Label, Model, Outcome, Provider, Session, Stage};
    let all = [Provider, Model, Stage, Session, Day, Hour, Outcome, Label];
    proptest::sample::subsequence(all.to_vec(), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn sums_and_rows_say_the_same(
        steps in proptest::collection::vec(step(), 1..60),
        queries in proptest::collection::vec(
            (proptest::option::of(0..241_u8), proptest::option::of(0..241_u8), dimensions(), 0..12_u8), 6),
        whole in dimensions(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("campanile.db");
        let mut ledger = Some(Ledger::open(LedgerOptions::new(&path), Clock::system()).unwrap());
        for step in &steps {
            apply(&mut ledger, &path, step);
        }
        let ledger = ledger.unwrap();
        prop_assert!(ledger.flush(SOON));

        for (since, until, by, which) in &queries {
            assert_same(&path, &query(*since, *until, by, *which));
        }
        prop_assert!(ledger.close(SOON));
        assert_same(&path, &query(None, None, &whole, 99));
        let reader = Reader::open(&path).unwrap();
        prop_assert_eq!(reader.verify().unwrap(), []);
    }
}

#[test]
fn a_report_of_closed_hours_reads_no_call() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("campanile.db");
    let ledger = Ledger::open(LedgerOptions::new(&path), Clock::system()).unwrap();
    for id in 0..200 {
        ledger.record(&Event::Call(Box::new(call(id, id, 1, 10))));
    }
    assert!(ledger.close(SOON));
    let reader = Reader::open(&path).unwrap();
    let spans = |query: &Query| {
        let plan = reader.view(|conn, version| plan::Plan::of(conn, version, query));
        plan.unwrap().spans()
    };

    assert_eq!(spans(&Query::default()), []);
    // Half of an hour: its calls only.
    assert_ne!(spans(&query(Some(30), None, &[], 99)), []);
    assert_eq!(reader.report(&Query::default()).unwrap().total.calls, 200);
    assert_eq!(reader.stats().unwrap().summed_calls, 200);
}

#[test]
fn a_slice_that_was_damaged_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("campanile.db");
    let ledger = Ledger::open(LedgerOptions::new(&path), Clock::system()).unwrap();
    for id in 2..12 {
        ledger.record(&Event::Call(Box::new(call(id, id, 1, 10))));
    }
    assert!(ledger.close(SOON));
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute("UPDATE slice SET sums = zeroblob(30)", [])
        .unwrap();
    drop(conn);

    let reader = Reader::open(&path).unwrap();

    assert_eq!(reader.report(&Query::default()).unwrap().total.calls, 10);
    assert_eq!(reader.verify().unwrap()[0].table, "slice");
}
