//! A ledger whose old months are in archives says what it said before.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use campanile_core::{
    Attempt, CALL_REV, CallEvent, Clock, Content, Cost, Event, Evidence, FailureKind,
    FailureReport, Ids, LossReason, Meter, Money, Name, Outcome, Redacted, Redactions,
    SessionEvent, SessionId, SessionTotals, Sink, Span, Timestamp, Timing, TurnEvent, Usage,
    UsageEvent,
};
use campanile_sinks::ledger::{
    Appended, Courier, CourierOptions, Delivery, Dimension, Entry, Ledger, LedgerErrorKind,
    LedgerOptions, Query, Reader, archive, forget,
};
use std::{ops::ControlFlow, path::Path, time::Duration};

const SOON: Duration = Duration::from_secs(60);
/// 2026-07-28T00:00:00Z, and some months later.
const AT: i64 = 1_785_196_800_000_000;
const NOW: Timestamp = Timestamp(AT + 130 * DAY);
const DAY: i64 = 86_400_000_000;
const CALLS: u64 = 2_000;

fn open(path: &Path) -> Ledger {
    Ledger::open(LedgerOptions::new(path), Clock::system()).unwrap()
}

fn attempt(n: u32, number: u64) -> Attempt {
    let mut attempt = Attempt::new(n);
    attempt.provider = Some(["openai", "deepgram"][number as usize % 2].into());
    attempt.usage = Some(Usage::new().with(Meter::OutputTokens, number, Evidence::Reported));
    attempt.cost = Some(Cost::exact(Money::from_grains(i128::from(number) * 77_777)));
    attempt
}

/// Calls of ninety days, in sessions that reach over the ends of months.
fn fill(ledger: &Ledger) {
    let ids = Ids::seeded(1);
    for number in 0..CALLS {
        let at = Timestamp(AT + number as i64 * 90 * DAY / CALLS as i64);
        let id = ids.next(at);
        let outcome = Outcome::ALL[number as usize % 3];
        let mut call = CallEvent::new(id, "llm".into(), at, outcome);
        let session = SessionId::new(&format!("s{}", number / 50)).unwrap();
        call.session = Some(session.clone());
        let mut timing = Timing::default();
        timing.elapsed = Span(number * 1_000_000);
        call.timing = Some(timing);
        call.attempts = vec![attempt(1, number)];
        if outcome == Outcome::Failed {
            let print = Name::outside(&format!("{:016x}", number % 5)).unwrap();
            call.failure = Some(FailureReport::new(FailureKind::Timeout, print));
        }
        if number % 50 == 0 {
            let start = SessionEvent::start(session.clone(), at);
            ledger.record(&Event::Session(Box::new(start)));
            let ended = Timestamp(at.micros() + DAY);
            let totals = SessionTotals::default();
            let end = SessionEvent::end(session.clone(), at, ended, "hung_up".into(), totals);
            ledger.record(&Event::Session(Box::new(end)));
        }
        if number % 10 == 0 {
            let mut turn = TurnEvent::new(session, number as u32 / 10 + 1, at);
            turn.user_to_bot = Some(Span(number * 2_000_000));
            ledger.record(&Event::Turn(Box::new(turn)));
        }
        ledger.record(&Event::Call(Box::new(call)));
        if number % 7 == 0 {
            let late = UsageEvent::new(id, CALL_REV + 1, "llm".into(), at, at, attempt(2, number));
            ledger.record(&Event::Usage(Box::new(late)));
        }
    }
    assert!(ledger.flush(SOON));
}

fn days(day: i64) -> Timestamp {
    Timestamp(AT + day * DAY + 12_345_678)
}

/// All that a reader says; each thing on its own, so that what differs can be seen.
fn told(path: &Path) -> Vec<String> {
    use Dimension::{Day, Model, Outcome, Provider, Session};
    let reader = Reader::open(path).unwrap();
    let mut told = Vec::new();
    let damaged = reader.dump(|line| {
        told.push(line.to_string());
        ControlFlow::Continue(())
    });
    assert_eq!(damaged.unwrap(), 0);
    let queries = [
        Query::default().by([Provider, Outcome]),
        Query::default().by([Day]),
        Query::default().by([Session]),
        Query::default().by([Model]).since(days(2)).until(days(50)),
        Query::default().by([Provider]).since(days(20)),
        Query::default().provider("openai").until(days(3)),
        Query::default().session("s1"),
    ];
    for query in &queries {
        told.push(serde_json::to_string_pretty(&reader.report(query).unwrap()).unwrap());
        told.push(format!("{:#?}", reader.latency(query).unwrap()));
        told.push(serde_json::to_string_pretty(&reader.sessions(query).unwrap()).unwrap());
        told.push(format!("{:#?}", reader.errors(query).unwrap()));
    }
    for number in (0..CALLS / 50).step_by(4) {
        let detail = reader.session(&format!("s{number}")).unwrap().unwrap();
        told.push(serde_json::to_string_pretty(&detail).unwrap());
    }
    told
}

#[test]
fn archived_months_are_read_as_before_and_take_little_room() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("campanile.db");
    let ledger = open(&path);
    fill(&ledger);
    assert!(ledger.close(SOON));
    let before = told(&path);
    let size = || std::fs::metadata(&path).unwrap().len();
    let full = size();

    // Beside a program that writes.
    let writer = open(&path);
    let done = archive(&path, NOW, NOW).unwrap();
    drop(writer);

    let months: Vec<&str> = done.iter().map(|month| month.month.as_str()).collect();
    assert_eq!(months, ["2026-07", "2026-08", "2026-09"]);
    let stats = Reader::open(&path).unwrap().stats().unwrap();
    assert_eq!(stats.calls + stats.archived_calls, CALLS);
    assert!(stats.calls < CALLS / 2, "{stats:?}");
    let after = told(&path);
    for (after, before) in after.iter().zip(&before) {
        assert!(after == before, "{after}\n{before}");
    }
    assert_eq!(after.len(), before.len());
    assert_eq!(Reader::open(&path).unwrap().verify().unwrap(), []);
    let each = stats.archive_bytes / stats.archived_calls;
    assert!(each <= 150, "{each} bytes a call");
    drop(open(&path));
    assert!(size() < full, "nothing was given back");
    assert_eq!(archive(&path, NOW, NOW).unwrap(), []);
}

#[test]
fn a_report_of_whole_months_opens_no_archive() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("campanile.db");
    let ledger = open(&path);
    fill(&ledger);
    assert!(ledger.close(SOON));
    let query = Query::default().by([Dimension::Provider]);
    let report = |path| format!("{:?}", Reader::open(path).unwrap().report(&query).unwrap());
    let before = report(&path);
    let done = archive(&path, NOW, NOW).unwrap();

    std::fs::remove_file(&done[0].file).unwrap();

    assert_eq!(report(&path), before);
    let missing = Reader::open(&path)
        .unwrap()
        .dump(|_| ControlFlow::Continue(()));
    assert!(missing.unwrap_err().to_string().contains("2026-07"));
    let problems = Reader::open(&path).unwrap().verify().unwrap();
    assert!(
        problems
            .iter()
            .any(|problem| problem.row.contains("2026-07")),
        "{problems:?}"
    );
}

#[test]
fn who_has_heard_enough_has_no_more_archives_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("campanile.db");
    let ledger = open(&path);
    fill(&ledger);
    assert!(ledger.close(SOON));
    let done = archive(&path, NOW, NOW).unwrap();
    std::fs::remove_file(&done[1].file).unwrap();
    let reader = Reader::open(&path).unwrap();
    let query = Query::default();

    let mut heard = 0;
    let mut enough = || {
        heard += 1;
        ControlFlow::Break(())
    };
    assert_eq!(reader.calls(&query, |_| enough()).unwrap(), 0);
    assert_eq!(reader.failed(&query, None, |_| enough()).unwrap(), 0);
    assert_eq!(reader.dump(|_| enough()).unwrap(), 0);

    assert_eq!(heard, 3);
}

#[test]
fn hours_of_an_archived_month_are_not_summed_anew_from_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("campanile.db");
    let ledger = open(&path);
    fill(&ledger);
    assert!(ledger.close(SOON));
    let query = Query::default().by([Dimension::Day]);
    let report = || format!("{:?}", Reader::open(&path).unwrap().report(&query).unwrap());
    let before = report();
    archive(&path, NOW, NOW).unwrap();
    // As a new version of the tables does.
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute("DELETE FROM slice", []).unwrap();
    drop(conn);

    assert!(open(&path).close(SOON));

    let stats = Reader::open(&path).unwrap().stats().unwrap();
    assert_eq!(stats.summed_calls, stats.calls, "the others are");
    assert_eq!(report(), before);
}

#[test]
fn what_is_older_than_an_archive_is_refused_and_what_is_younger_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("campanile.db");
    let ledger = open(&path);
    let ids = Ids::random();
    let entry = |id: &str, at: Timestamp| {
        let mut call = CallEvent::new(ids.next(at), "llm".into(), at, Outcome::Completed);
        call.attempts = vec![attempt(1, 7)];
        Entry::new(id, call)
    };
    let first = ledger.append(&[entry("old", days(1)), entry("young", days(99))]);
    assert!(first.wait(SOON).is_some());
    archive(&path, NOW, NOW).unwrap();

    let again = ledger.append(&[
        entry("old", days(1)),
        entry("other", days(2)),
        entry("young", days(99)),
        entry("new", days(100)),
    ]);

    use Appended::{Created, Exists, TooOld};
    assert_eq!(
        again.wait(SOON),
        Some(Ok(vec![TooOld, TooOld, Exists, Created]))
    );
    assert_eq!(ledger.state().refused, 2);
    let late = UsageEvent::new(
        ids.next(days(1)),
        CALL_REV + 1,
        "llm".into(),
        days(1),
        days(1),
        attempt(2, 9),
    );
    ledger.record(&Event::Usage(Box::new(late)));
    let turn = TurnEvent::new(SessionId::new("s1").unwrap(), 1, days(1));
    ledger.record(&Event::Turn(Box::new(turn)));
    assert!(ledger.flush(SOON));
    let stats = ledger.account().unwrap();
    assert_eq!(stats.lost, [(LossReason::TooOld, 4)], "{stats}");
    assert_eq!((stats.opened, stats.written, stats.pending), (8, 4, 0));
    let total = Reader::open(&path)
        .unwrap()
        .report(&Query::default())
        .unwrap()
        .total;
    assert_eq!((total.calls, total.usage.quantity()), (3, 21));
}

#[test]
fn a_month_of_turns_and_sums_alone_is_read_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("campanile.db");
    let ids = Ids::seeded(1);
    let call = |day: i64| {
        let at = days(day);
        let mut call = CallEvent::new(ids.next(at), "llm".into(), at, Outcome::Completed);
        call.attempts = vec![attempt(1, 7)];
        Event::Call(Box::new(call))
    };
    // July: a turn. August: a call that memory had no room for. September: calls.
    let full = LedgerOptions::new(&path).budget_bytes(0);
    let ledger = Ledger::open(full, Clock::system()).unwrap();
    ledger.record(&call(20));
    assert!(ledger.close(SOON));
    let ledger = open(&path);
    let session = SessionId::new("s1").unwrap();
    let start = SessionEvent::start(session.clone(), days(1));
    ledger.record(&Event::Session(Box::new(start)));
    ledger.record(&Event::Turn(Box::new(TurnEvent::new(session, 1, days(1)))));
    ledger.record(&call(45));
    assert!(ledger.close(SOON));
    let told = || {
        let reader = Reader::open(&path).unwrap();
        let query = Query::default().by([Dimension::Day]);
        let report = reader.report(&query.clone().until(days(60))).unwrap();
        let session = reader.session("s1").unwrap();
        let turns = session.map(|session| session.turn_list.len());
        let mut lines = 0;
        let damaged = reader.dump(|_| {
            lines += 1;
            ControlFlow::Continue(())
        });
        let stats = reader.stats().unwrap();
        let calls = stats.calls + stats.archived_calls;
        format!(
            "{report:#?} {turns:?} {lines} {damaged:?} {calls} {}",
            stats.folds
        )
    };
    let before = told();
    assert!(before.ends_with("Some(1) 2 Ok(0) 1 1"), "{before}");

    let done = archive(&path, NOW, NOW).unwrap();

    let months: Vec<&str> = done.iter().map(|month| month.month.as_str()).collect();
    assert_eq!(months, ["2026-07", "2026-08", "2026-09"]);
    assert_eq!(told(), before);
    assert_eq!(Reader::open(&path).unwrap().verify().unwrap(), []);
}

#[test]
fn months_within_the_time_of_replays_stay() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("campanile.db");
    let ledger = open(&path);
    fill(&ledger);
    assert!(ledger.close(SOON));

    // July ended 34 days ago.
    let now = Timestamp(1_785_542_400_000_000 + 34 * DAY);

    assert_eq!(archive(&path, now, now).unwrap(), []);
    let day_after = Timestamp(now.micros() + DAY);
    assert_eq!(archive(&path, day_after, day_after).unwrap().len(), 1);
}

#[test]
fn what_is_acknowledged_while_its_month_is_archived_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("campanile.db");
    let ledger = open(&path);
    fill(&ledger);
    let ids = Ids::random();
    let append = |number: u64| {
        let at = days(2);
        let mut call = CallEvent::new(ids.next(at), "llm".into(), at, Outcome::Completed);
        call.attempts = vec![attempt(1, 7)];
        let answer = ledger.append(&[Entry::new(format!("late-{number}"), call)]);
        answer.wait(SOON).unwrap().unwrap()[0]
    };

    let counted = std::thread::scope(|scope| {
        let archiver = scope.spawn(|| archive(&path, NOW, NOW).unwrap());
        let counted = (0..).take_while(|&number| append(number) == Appended::Created);
        let counted = counted.count();
        assert!(!archiver.join().unwrap().is_empty());
        counted
    });

    assert!(ledger.close(SOON));
    let mut there = 0;
    let reader = Reader::open(&path).unwrap();
    let read = reader.dump(|line| {
        there += usize::from(line["id"].as_str().unwrap().starts_with("late-"));
        ControlFlow::Continue(())
    });
    assert_eq!(read.unwrap(), 0);
    assert_eq!(there, counted);
    assert_eq!(reader.verify().unwrap(), []);
}

#[test]
fn a_month_with_a_call_that_is_open_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("campanile.db");
    let ledger = open(&path);
    let ids = Ids::random();
    let at = days(1);
    let over = CallEvent::new(ids.next(at), "llm".into(), at, Outcome::Completed);
    ledger.record(&Event::Call(Box::new(over)));
    let so_far = UsageEvent::new(ids.next(at), 1, "llm".into(), at, at, attempt(1, 5));
    ledger.record(&Event::Usage(Box::new(so_far)));
    assert!(ledger.flush(SOON));

    assert_eq!(archive(&path, NOW, NOW).unwrap(), []);

    // Nobody knows how it ends: the next one that opens the ledger closes it.
    drop(ledger);
    drop(open(&path));
    assert_eq!(archive(&path, NOW, NOW).unwrap().len(), 1);
}

#[test]
fn a_month_that_a_remote_was_not_told_of_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("campanile.db");
    let ledger = open(&path);
    let down = |_: &[Delivery]| Err("down".to_owned());
    let options = CourierOptions::default();
    let courier = Courier::start(&path, "far", Box::new(down), options).unwrap();
    fill(&ledger);

    assert_eq!(archive(&path, NOW, NOW).unwrap(), []);

    drop(courier);
    Courier::forget(&path, "far").unwrap();
    assert_eq!(archive(&path, NOW, NOW).unwrap().len(), 3);
}

#[test]
fn a_month_that_a_remote_has_goes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("campanile.db");
    let ledger = open(&path);
    let take = |deliveries: &[Delivery]| Ok(deliveries.len());
    let options = CourierOptions::default().look(Duration::from_millis(2));
    let courier = Courier::start(&path, "near", take, options).unwrap();
    let at = days(1);
    let call = CallEvent::new(Ids::random().next(at), "llm".into(), at, Outcome::Completed);
    ledger.record(&Event::Call(Box::new(call)));
    assert!(ledger.flush(SOON));
    let patience = Timestamp::now().after(Span(SOON.as_nanos() as u64));
    while courier.lag().delivered == 0 && Timestamp::now() < patience {
        std::thread::yield_now();
    }

    assert_eq!(archive(&path, NOW, NOW).unwrap().len(), 1);
}

#[test]
fn one_archives_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("campanile.db");
    let ledger = open(&path);
    fill(&ledger);

    let done: Vec<_> = std::thread::scope(|scope| {
        let each = [0; 2].map(|_| scope.spawn(|| archive(&path, NOW, NOW)));
        each.map(|each| each.join().unwrap()).into()
    });

    assert_eq!(
        done.iter().flatten().flatten().count(),
        3,
        "each month is moved once: {done:?}"
    );
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.verify().unwrap(), []);
    let total = reader.report(&Query::default()).unwrap().total;
    assert_eq!(total.calls, CALLS);
}

#[test]
fn a_month_whose_place_in_the_list_is_damaged_is_not_left_out_silently() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("campanile.db");
    let ledger = open(&path);
    fill(&ledger);
    assert!(ledger.close(SOON));
    archive(&path, NOW, NOW).unwrap();
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute("UPDATE archive SET until = until - 1", [])
        .unwrap();
    drop(conn);

    let reader = Reader::open(&path).unwrap();

    let report = reader.report(&Query::default());
    assert_eq!(report.unwrap_err().kind(), LedgerErrorKind::Damaged);
    assert!(
        reader
            .verify()
            .unwrap()
            .iter()
            .any(|problem| problem.table == "archive")
    );
}

#[test]
fn a_caller_of_an_archived_month_is_forgotten_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let ledger = open(&path);
    let (at, said) = (Timestamp(AT), "purple elephants dance at midnight");
    let mut call = CallEvent::new(Ids::seeded(1).next(at), "llm".into(), at, Outcome::Failed);
    call.session = Some(SessionId::new("caller").unwrap());
    let mut failure = FailureReport::new(FailureKind::Timeout, "0123456789abcdef".into());
    let as_it_is = |text: &str, out: &mut String| {
        out.push_str(text);
        Redactions::default()
    };
    let counts = &mut Redactions::default();
    failure.chain = vec![Redacted::new(&Content::new(said), &as_it_is, counts)];
    call.failure = Some(failure);
    ledger.record(&Event::Call(Box::new(call)));
    assert!(ledger.close(SOON));
    assert_eq!(archive(&path, NOW, NOW).unwrap().len(), 1);

    assert!(is_kept(dir.path(), said));

    let gone = forget(&path, "caller").unwrap();

    assert_eq!((gone.failures, gone.erased), (1, true));
    assert!(!is_kept(dir.path(), said));
    let total = Reader::open(&path).unwrap().report(&Query::default());
    assert_eq!(total.unwrap().total.failed, 1, "that it was stays");
}

/// Whether a text stands in a file of a folder, also in compressed ones.
fn is_kept(dir: &Path, text: &str) -> bool {
    std::fs::read_dir(dir).unwrap().flatten().any(|file| {
        let bytes = std::fs::read(file.path()).unwrap();
        let packed = file
            .path()
            .extension()
            .is_some_and(|ending| ending == "zst");
        let plain = match packed {
            true => zstd::decode_all(&*bytes).unwrap(),
            false => bytes,
        };
        plain
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    })
}
