//! The ledger's promises, seen from outside.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use campanile_core::{
    AlertEvent, Attempt, CALL_REV, CallEvent, CallId, Clock, Content, Cost, Count, Event, Evidence,
    FailureKind, FailureReport, Ids, Meter, Money, Name, Outcome, Owner, Redacted, Redactions,
    Segment, SessionEvent, SessionId, SessionTotals, Sink, Span, Tick, TimeSource, Timestamp,
    Timing, TurnEvent, Usage, UsageEvent, Waste,
};
use campanile_sinks::ledger::{
    Appended, Dimension, Durability, Entry, Ledger, LedgerErrorKind, LedgerOptions, Query, Reader,
    forget,
};
use proptest::prelude::*;
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::{Duration, UNIX_EPOCH},
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

/// A call of each kind of waste, and what each has wasted.
fn wasteful() -> (Vec<CallEvent>, String) {
    let spoken = |n, unplayed| {
        let mut spoken = attempt(n, 0, "0.3");
        spoken.usage = Some(
            Usage::new()
                .with(Meter::SpeechUs, 3_000_000, Evidence::Measured)
                .with(Meter::UnplayedUs, unplayed, Evidence::Measured),
        );
        spoken
    };
    let mut cut = call(1, vec![attempt(1, 10, "0.1")]);
    cut.outcome = Outcome::Cancelled;
    let mut cut_speech = call(2, vec![spoken(1, 2_000_000)]);
    cut_speech.outcome = Outcome::Cancelled;
    let mut retried = call(4, vec![attempt(1, 3, "0.25"), attempt(2, 4, "0.5")]);
    retried.attempts[0].wasted = Some(Waste::Retries);
    let mut guessed = call(5, vec![attempt(1, 3, "0.125")]);
    guessed.attempts[0].wasted = Some(Waste::Speculation);
    let mut listening = call(6, vec![attempt(1, 0, "0.6")]);
    listening.outcome = Outcome::Cancelled;
    listening.attempts[0].usage = Some(
        Usage::new()
            .with(Meter::AudioUs, 4_000_000, Evidence::Measured)
            .with(Meter::KeepAliveUs, 1_000_000, Evidence::Measured),
    );
    let mut failed = call(7, vec![attempt(1, 3, "0.07")]);
    failed.outcome = Outcome::Failed;
    failed.attempts[0].outcome = Some(Outcome::Failed);
    let calls = vec![
        cut,
        cut_speech,
        call(3, vec![spoken(1, 1_000_000)]),
        retried,
        guessed,
        listening,
        failed,
    ];
    let kinds = "interrupted 0.1–0.1, unplayed 0.3–0.4, retries 0.25–0.25, speculation 0.125–0.125, \
                 keep_alive 0.15–0.15, failed 0.07–0.07";
    (calls, kinds.to_owned())
}

fn kinds(path: &Path) -> String {
    let total = total(path);
    let kinds = Waste::ALL.map(|kind| {
        let cost = total.wasted_by.get(kind).unwrap();
        format!(
            "{} {}–{}",
            kind.name(),
            cost.at_least,
            cost.at_most.unwrap()
        )
    });
    kinds.join(", ")
}

#[test]
fn what_was_wasted_is_told_by_kind_also_when_it_is_summed_and_after_a_restart() {
    let (_dir, path) = folder();
    let (calls, expected) = wasteful();
    let ledger = open(&path);
    calls.into_iter().for_each(|call| record(&ledger, call));
    assert!(ledger.flush(SOON));
    assert_eq!(kinds(&path), expected);
    assert!(ledger.close(SOON));

    let ledger = open(&path);
    assert!(ledger.close(SOON));

    let stats = Reader::open(&path).unwrap().stats().unwrap();
    assert_eq!((stats.calls, stats.summed_calls), (7, 7));
    assert_eq!(kinds(&path), expected);
    assert_sound(&path);
}

#[test]
fn what_is_learnt_of_waste_later_replaces_what_was_known() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    let mut guess = attempt(1, 3, "0.125");
    record(&ledger, call(1, vec![guess.clone()]));
    guess.wasted = Some(Waste::Speculation);
    ledger.record(&usage(1, CALL_REV + 1, guess));
    assert!(ledger.flush(SOON));

    let total = total(&path);

    assert_eq!((total.calls, total.cost.at_least), (1, usd("0.125")));
    assert_eq!(total.wasted, Cost::exact(usd("0.125")));
    assert!(total.wasted_by.get(Waste::Speculation).is_some());
}

#[test]
fn a_call_that_nobody_priced_has_no_upper_bound() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    let mut unpriced = call(1, Vec::new());
    unpriced.usage = Some(tokens(5));
    record(&ledger, unpriced);
    assert!(ledger.flush(SOON));

    let total = total(&path);

    assert_eq!(
        (total.cost.at_least, total.cost.at_most),
        (Money::ZERO, None)
    );
    assert_eq!(
        (total.parts, total.unpriced, total.usage.quantity()),
        (1, 1, 5)
    );
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

#[test]
fn a_flipped_bit_is_found_or_changes_nothing() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    for id in 0..300 {
        let mut event = call(
            id << 80 | id,
            vec![attempt(1, id as u64 + 3, "0.001234567")],
        );
        event.session = SessionId::new(&format!("session-{}", id / 10)).ok();
        record(&ledger, event);
    }
    assert!(ledger.close(SOON));
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let good = std::fs::read(&path).unwrap();
    let truth = dump(&path);

    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut found = 0;
    for round in 0..400 {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Behind the header: its damage is found at opening.
        let at = 100 + (seed >> 20) as usize % (good.len() - 100);
        let mut bad = good.clone();
        bad[at] ^= 1 << (seed & 7);
        let copy = path.with_file_name("copy.db");
        std::fs::write(&copy, &bad).unwrap();
        let Ok(reader) = Reader::open(&copy) else {
            found += 1;
            continue;
        };
        match reader.verify() {
            Ok(problems) if problems.is_empty() => {
                assert_eq!(dump(&copy), truth, "round {round}, byte {at}");
            }
            _ => found += 1,
        }
    }
    assert!(found > 50, "only {found} flips were seen");
}

#[test]
fn verify_names_the_row_that_was_changed_or_is_gone() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    for id in 1..=3 {
        record(&ledger, call(id, vec![attempt(1, 10, "0.1")]));
    }
    assert!(ledger.close(SOON));
    let conn = rusqlite::Connection::open(&path).unwrap();
    let hex = |id: u128| format!("{id:032X}");

    conn.execute_batch(
        "UPDATE part SET pico = pico + 1 WHERE call = x'00000000000000000000000000000002'",
    )
    .unwrap();
    conn.execute_batch("DELETE FROM call WHERE id = x'00000000000000000000000000000003'")
        .unwrap();

    let problems = Reader::open(&path).unwrap().verify().unwrap();
    let rows: Vec<_> = problems
        .iter()
        .map(|problem| (problem.table, problem.row.as_str()))
        .collect();
    let part = format!("{}/1", hex(2));
    assert_eq!(rows, [("part", part.as_str()), ("day", "2026-11-24")]);
}

#[test]
fn what_is_no_ledger_is_refused_with_advice() {
    let (_dir, path) = folder();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let opens = |path: &Path| Ledger::open(LedgerOptions::new(path), Clock::system()).map(drop);

    std::fs::write(&path, "this is a text, and not short either".repeat(100)).unwrap();
    let text = opens(&path).unwrap_err();
    assert_eq!(text.kind(), LedgerErrorKind::NotADatabase);
    assert!(
        text.to_string().contains("campanile.db: this file is no"),
        "{text}"
    );
    assert_eq!(
        Reader::open(&path).unwrap_err().kind(),
        LedgerErrorKind::NotADatabase
    );

    let other = path.with_file_name("other.db");
    let conn = rusqlite::Connection::open(&other).unwrap();
    conn.execute_batch("CREATE TABLE notes(text)").unwrap();
    assert_eq!(
        opens(&other).unwrap_err().kind(),
        LedgerErrorKind::NotADatabase
    );
    let tables = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
        row.get::<_, i64>(0)
    });
    assert_eq!(tables.unwrap(), 1);

    let newer = path.with_file_name("newer.db");
    drop(open(&newer));
    let conn = rusqlite::Connection::open(&newer).unwrap();
    conn.execute_batch("PRAGMA user_version = 99").unwrap();
    assert_eq!(opens(&newer).unwrap_err().kind(), LedgerErrorKind::Newer);
    assert_eq!(
        Reader::open(&newer).unwrap_err().kind(),
        LedgerErrorKind::Newer
    );

    let missing = path.with_file_name("missing.db");
    assert_eq!(
        Reader::open(&missing).unwrap_err().kind(),
        LedgerErrorKind::Missing
    );
    assert!(!missing.exists());

    let below_a_file = path.join("campanile.db");
    assert_eq!(
        opens(&below_a_file).unwrap_err().kind(),
        LedgerErrorKind::Folder
    );
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
