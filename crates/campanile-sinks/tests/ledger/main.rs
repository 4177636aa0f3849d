//! The ledger's promises, seen from outside.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod damage;
mod once;
mod waiting;
mod waste;

use campanile_core::{
    Attempt, CallEvent, CallId, Clock, Content, Cost, Event, Evidence, FailureKind, FailureReport,
    Ids, Meter, Money, Name, Outcome, Owner, Redacted, Redactions, Segment, SessionEvent,
    SessionId, SessionTotals, Sink, Span, Timestamp, Timing, TurnEvent, Usage, UsageEvent,
};
use campanile_sinks::ledger::{Dimension, Ledger, LedgerOptions, Query, Reader, forget};
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);
/// 2026-11-24T01:50:29Z.
const AT: i64 = 1_795_485_029_000_000;

fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger/campanile.db");
    (dir, path)
}

fn open(path: &Path) -> Ledger {
    Ledger::open(LedgerOptions::new(path), Clock::system()).unwrap()
}

fn usd(text: &str) -> Money {
    Money::from_usd(text).unwrap()
}

fn tokens(count: u64) -> Usage {
    Usage::new().with(Meter::OutputTokens, count, Evidence::Reported)
}

fn attempt(n: u32, count: u64, cost: &str) -> Attempt {
    let mut attempt = Attempt::new(n);
    attempt.provider = Some("openai".into());
    attempt.model = Some("gpt-4.1".into());
    attempt.outcome = Some(Outcome::Completed);
    attempt.usage = Some(tokens(count));
    attempt.cost = Some(Cost::exact(usd(cost)));
    attempt
}

fn call(id: u128, attempts: Vec<Attempt>) -> CallEvent {
    let mut call = CallEvent::new(CallId(id), "llm".into(), Timestamp(AT), Outcome::Completed);
    call.attempts = attempts;
    call
}

fn record(ledger: &Ledger, call: CallEvent) {
    ledger.record(&Event::Call(Box::new(call)));
}

fn usage(id: u128, rev: u32, attempt: Attempt) -> Event {
    let (stage, at) = ("llm".into(), Timestamp(AT));
    Event::Usage(Box::new(UsageEvent::new(
        CallId(id),
        rev,
        stage,
        at,
        at,
        attempt,
    )))
}

fn dump(path: &Path) -> Vec<serde_json::Value> {
    let mut lines = Vec::new();
    let reader = Reader::open(path).unwrap();
    let keep = |line: &serde_json::Value| {
        lines.push(line.clone());
        ControlFlow::Continue(())
    };
    reader.dump(keep).unwrap();
    lines
}

fn total(path: &Path) -> campanile_sinks::ledger::ReportRow {
    Reader::open(path)
        .unwrap()
        .report(&Query::default())
        .unwrap()
        .total
}

fn assert_sound(path: &Path) {
    assert_eq!(Reader::open(path).unwrap().verify().unwrap(), []);
}

#[test]
fn what_was_recorded_is_reported_exactly() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    let mut failed = call(2, vec![attempt(1, 3, "0.25"), attempt(2, 4, "0.5")]);
    failed.attempts[0].outcome = Some(Outcome::Failed);
    failed.attempts[1].provider = Some("groq".into());
    record(&ledger, call(1, vec![attempt(1, 10, "0.1")]));
    record(&ledger, failed);
    assert!(ledger.flush(SOON));

    let query = Query::default().by([Dimension::Provider, Dimension::Day]);
    let report = Reader::open(&path).unwrap().report(&query).unwrap();

    let rows: Vec<_> = report
        .rows
        .iter()
        .map(|row| {
            let (cost, wasted) = (row.cost.at_least, row.wasted.at_least);
            (
                row.keys.join(" "),
                row.calls,
                row.usage.quantity(),
                cost,
                wasted,
            )
        })
        .collect();
    let groq = ("groq 2026-11-24".to_owned(), 1, 4, usd("0.5"), Money::ZERO);
    let openai = (
        "openai 2026-11-24".to_owned(),
        1,
        13,
        usd("0.35"),
        usd("0.25"),
    );
    assert_eq!(rows, [groq, openai]);
    assert_eq!(
        (report.total.calls, report.total.cost.at_most),
        (2, Some(usd("0.85")))
    );
    assert_sound(&path);
}

#[test]
fn a_session_is_read_back_with_its_turns_and_calls() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    let session = SessionId::new("call-7").unwrap();
    let mut event = call(1, vec![attempt(1, 10, "0.1")]);
    event.session = Some(session.clone());
    event.turn = Some(1);
    event.reason = Some("barge_in".into());
    let mut timing = Timing::default();
    timing.first_item = Some(Span(320_000_000));
    (timing.elapsed, timing.items) = (Span(900_000_000), Some(12));
    event.timing = Some(timing);
    event.attempts[0].request_id = Name::outside("req_1");
    event.attempts[0].terms.tier = Some("flex".into());
    event.labels = vec![("tenant", "acme".into())];
    let mut turn = TurnEvent::new(session.clone(), 1, Timestamp(AT));
    turn.user_to_bot = Some(Span(700_000_000));
    turn.segments = vec![Segment::new(
        "llm_first_item",
        Owner::Provider,
        Span(700_000_000),
    )];
    turn.interrupted = Some("barge_in".into());

    let start = SessionEvent::start(session.clone(), Timestamp(AT));
    ledger.record(&Event::Session(Box::new(start)));
    record(&ledger, event);
    ledger.record(&Event::Turn(Box::new(turn)));
    let ended = Timestamp(AT + 5_000_000);
    let totals = SessionTotals::default();
    let end = SessionEvent::end(session, Timestamp(AT), ended, "hung_up".into(), totals);
    ledger.record(&Event::Session(Box::new(end)));
    assert!(ledger.flush(SOON));

    let reader = Reader::open(&path).unwrap();
    let detail = reader.session("call-7").unwrap().unwrap();
    let row = &detail.session;
    assert_eq!(
        (row.reason.as_deref(), row.ended_at),
        (Some("hung_up"), Some(ended))
    );
    assert_eq!((row.turns, row.interrupted, row.sum.calls), (1, 1, 1));
    let turn = &detail.turn_list[0];
    let segment = &turn.segments[0];
    assert_eq!(
        (segment.name.as_str(), segment.owner, segment.span_us),
        ("llm_first_item", "provider", 700_000)
    );
    assert_eq!(turn.user_to_bot_us, Some(700_000));
    let call = &detail.call_list[0];
    assert_eq!(
        (call.timing, call.reason.as_deref()),
        (Some(timing), Some("barge_in"))
    );
    assert_eq!(call.attempts[0].request_id.as_deref(), Some("req_1"));
    assert_eq!(call.attempts[0].terms.tier.as_deref(), Some("flex"));
    assert_eq!(call.labels["tenant"], "acme");
    assert_eq!(reader.sessions(&Query::default()).unwrap().len(), 1);
    assert!(reader.session("call-8").unwrap().is_none());
    assert_sound(&path);
}

#[test]
fn keys_that_read_the_same_are_one_row_with_all_its_calls() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    for (id, labels) in [
        (1, vec![]),
        (2, vec![("tenant", "".into())]),
        (3, vec![("tenant", "acme".into())]),
    ] {
        let mut call = call(id, vec![attempt(1, 5, "0.25")]);
        call.labels = labels;
        record(&ledger, call);
    }
    assert!(ledger.flush(SOON));

    let reader = Reader::open(&path).unwrap();
    let query = Query::default().by([Dimension::Label]).label("tenant");
    let (report, latency) = (reader.report(&query), reader.latency(&query));

    let sums = report.unwrap().rows.into_iter();
    let sums: Vec<_> = sums.map(|row| (row.keys[0].clone(), row.calls)).collect();
    assert_eq!(sums, [(String::new(), 2), ("acme".to_owned(), 1)]);
    let latency = latency.unwrap();
    let times = latency.rows.into_iter();
    let times: Vec<_> = times.map(|row| (row.keys[0].clone(), row.calls)).collect();
    assert_eq!((times, latency.total.calls), (sums, 3));
}

#[test]
fn failures_are_grouped_with_their_texts() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    let same = |text: &str, masked: &mut String| {
        masked.push_str(text);
        Redactions::default()
    };
    for id in 0..3 {
        let mut failed = call(id, Vec::new());
        failed.outcome = Outcome::Failed;
        let mut report = FailureReport::new(FailureKind::RateLimit, "00ff00ff00ff00ff".into());
        let text = Content::new("too many requests".to_owned());
        report.code = Some("429".into());
        report.chain = vec![Redacted::new(&text, &same, &mut Redactions::default())];
        failed.failure = Some(report);
        record(&ledger, failed);
    }
    assert!(ledger.flush(SOON));

    let groups = Reader::open(&path)
        .unwrap()
        .errors(&Query::default())
        .unwrap();

    assert_eq!(groups.len(), 1);
    assert_eq!((groups[0].count, groups[0].kind), (3, "rate_limit"));
    assert_eq!(groups[0].code.as_deref(), Some("429"));
    assert_eq!(groups[0].chain, ["too many requests"]);
    assert_eq!(groups[0].stages, ["llm"]);
    assert_sound(&path);
}

#[test]
fn a_reader_reads_while_a_writer_writes() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    let ids = Ids::seeded(7);
    let mut last = 0;
    for _ in 0..20 {
        for _ in 0..200 {
            record(
                &ledger,
                call(ids.next(Timestamp(AT)).0, vec![attempt(1, 1, "0.1")]),
            );
        }
        let total = total(&path);
        // One view of both tables: a call is never seen without its part.
        assert_eq!(total.calls, total.parts);
        assert!(total.calls >= last);
        last = total.calls;
    }
    assert!(ledger.flush(SOON));
    assert_eq!(total(&path).calls, 4_000);
}

#[test]
fn what_is_forgotten_of_a_session_is_its_texts_and_no_amount() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    let same = |text: &str, masked: &mut String| {
        masked.push_str(text);
        Redactions::default()
    };
    let report = |fingerprint: &'static str, text: &str| {
        let mut report = FailureReport::new(FailureKind::Server, fingerprint.into());
        let text = Content::new(text);
        report.chain = vec![Redacted::new(&text, &same, &mut Redactions::default())];
        report
    };
    let sessions = ["ann", "ann", "ben"];
    let texts = ["purple elephants", "green giraffes", "yellow yaks"];
    for (id, (session, text)) in sessions.into_iter().zip(texts).enumerate() {
        let fingerprint = ["0000000000000001", "0000000000000002", "0000000000000003"][id];
        let mut failed = call(id as u128, vec![attempt(1, 7, "0.1")]);
        failed.session = SessionId::new(session).ok();
        // One of the call, one of an attempt that a retry has mended.
        match id {
            1 => failed.attempts[0].failure = Some(report(fingerprint, text)),
            _ => failed.failure = Some(report(fingerprint, text)),
        }
        record(&ledger, failed);
    }
    assert!(ledger.flush(SOON));
    let before = total(&path);

    let gone = forget(&path, "ann").unwrap();

    assert_eq!((gone.failures, gone.erased), (2, true));
    assert_eq!(
        (total(&path).calls, total(&path).cost),
        (before.calls, before.cost)
    );
    let groups = Reader::open(&path)
        .unwrap()
        .errors(&Query::default())
        .unwrap();
    let kept: Vec<_> = groups.iter().flat_map(|group| &group.chain).collect();
    assert_eq!(kept, ["yellow yaks"]);
    assert_sound(&path);
    let bytes: Vec<u8> = ["", "-wal"]
        .iter()
        .filter_map(|end| std::fs::read(format!("{}{end}", path.display())).ok())
        .flatten()
        .collect();
    let holds = |text: &str| bytes.windows(text.len()).any(|at| at == text.as_bytes());
    assert!(holds("yellow yaks") && !holds("purple elephants") && !holds("green giraffes"));
    assert_eq!(forget(&path, "ann").unwrap().failures, 0);
}
