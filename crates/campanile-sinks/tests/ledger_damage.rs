//! Flipped bits, blocks of zeros, swapped blocks and torn tails: what is read is as it was written, once; what is
//! missing is told.
//!
//! `CAMPANILE_DAMAGE_ROUNDS` sets how many rounds there are (default 60), `CAMPANILE_DAMAGE_SEED` where they start.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use campanile_core::{
    Attempt, CALL_REV, CallEvent, CallId, Clock, Content, Cost, Event, Evidence, FailureKind,
    FailureReport, Meter, Money, Name, Outcome, Redacted, Redactions, SessionEvent, SessionId,
    Sink, Span, Timestamp, TurnEvent, Usage, UsageEvent,
};
use campanile_sinks::ledger::{Ledger, LedgerOptions, Query, Reader};
use std::{
    collections::HashMap,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(60);
/// 2026-11-23T22:50:29Z: calls of two days.
const AT: i64 = 1_795_474_229_000_000;
const CALLS: u64 = 400;

fn attempt(n: u32, number: u64) -> Attempt {
    let mut attempt = Attempt::new(n);
    attempt.provider = Some(["openai", "deepgram"][number as usize % 2].into());
    attempt.model = Some("some-model".into());
    attempt.usage =
        Some(Usage::new().with(Meter::OutputTokens, number * 31 + 7, Evidence::Reported));
    attempt.cost = Some(Cost::exact(Money::from_grains(i128::from(number) * 77_777)));
    attempt
}

fn call(number: u64) -> CallEvent {
    let at = Timestamp(AT + number as i64 * 20_000_000);
    let id = CallId((at.micros() as u128 / 1_000) << 80 | u128::from(number));
    let outcome = Outcome::ALL[number as usize % 3];
    let mut call = CallEvent::new(id, "llm".into(), at, outcome);
    call.session = SessionId::new(&format!("s{}", number / 10)).ok();
    call.attempts = (1..=1 + number as u32 % 2)
        .map(|n| attempt(n, number))
        .collect();
    if outcome == Outcome::Failed {
        let same = |text: &str, masked: &mut String| {
            masked.push_str(text);
            Redactions::default()
        };
        let text = Content::new(format!("no answer from {}", number % 7));
        let print = Name::outside(&format!("{:016x}", number % 7)).unwrap();
        let mut report = FailureReport::new(FailureKind::Timeout, print);
        report.chain = vec![Redacted::new(&text, &same, &mut Redactions::default())];
        call.failure = Some(report);
    }
    call
}

/// A ledger with something of everything; the folder it is in, while `ledger` is open.
fn make(path: &Path) -> Ledger {
    let ledger = Ledger::open(LedgerOptions::new(path), Clock::system()).unwrap();
    for number in 0..CALLS {
        let call = call(number);
        if number % 10 == 0 {
            let session = call.session.clone().unwrap();
            let start = SessionEvent::start(session.clone(), call.started_at);
            ledger.record(&Event::Session(Box::new(start)));
            let mut turn = TurnEvent::new(session, 1, call.started_at);
            turn.user_to_bot = Some(Span(number * 1_000_000));
            ledger.record(&Event::Turn(Box::new(turn)));
        }
        let (id, at) = (call.id, call.started_at);
        ledger.record(&Event::Call(Box::new(call)));
        if number % 5 == 0 {
            let late = UsageEvent::new(id, CALL_REV + 1, "llm".into(), at, at, attempt(9, number));
            ledger.record(&Event::Usage(Box::new(late)));
        }
    }
    assert!(ledger.flush(SOON));
    ledger
}

/// What a dump hands out, by id; no id twice. `None`: it says that something is missing.
fn dump(path: &Path) -> (HashMap<String, String>, bool) {
    let mut lines = HashMap::new();
    let damaged = Reader::open(path).and_then(|reader| {
        reader.dump(|line| {
            let id = line["id"].as_str().unwrap().to_owned();
            assert_eq!(lines.insert(id, line.to_string()), None, "doubled: {line}");
            ControlFlow::Continue(())
        })
    });
    (lines, !matches!(damaged, Ok(0)))
}

/// A generator of SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % n as u64) as usize
    }
}

/// Does one bad thing to a file; says what.
fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) -> String {
    let at = dice.below(bytes.len());
    let block = at / 512 * 512;
    let end = (block + 512).min(bytes.len());
    match dice.below(8) {
        0 => {
            let len = bytes.len() - 1 - dice.below(bytes.len().min(9_000));
            bytes.truncate(len);
            format!("cut at {len}")
        }
        1 => {
            bytes[block..end].fill(0);
            format!("zeros at {block}")
        }
        2 => {
            let other = dice.below(bytes.len() / 4096) * 4096;
            let page = (at / 4096 * 4096).min(bytes.len() - 4096);
            let copy = bytes[other..other + 4096].to_vec();
            bytes[page..page + 4096].copy_from_slice(&copy);
            format!("page at {page} is that at {other}")
        }
        3 => {
            for byte in &mut bytes[block..end] {
                *byte = byte.wrapping_add(dice.below(256) as u8);
            }
            format!("noise at {block}")
        }
        _ => {
            let bit = dice.below(8);
            bytes[at] ^= 1 << bit;
            format!("bit {bit} at {at}")
        }
    }
}

/// Checks one damaged ledger against what it was.
fn check(path: &Path, truth: &HashMap<String, String>, what: &str) -> bool {
    let (lines, told) = dump(path);
    for (id, line) in &lines {
        assert_eq!(truth.get(id), Some(line), "{what}: invented or altered");
    }
    let missing = truth.len() - lines.len();
    let problems = Reader::open(path).and_then(|reader| reader.verify());
    let verified = matches!(&problems, Ok(problems) if problems.is_empty());
    assert!(
        missing == 0 || !verified,
        "{what}: {missing} missing, verify is content"
    );
    assert!(
        missing == 0 || told,
        "{what}: {missing} missing, nobody says so"
    );
    let report = Reader::open(path).and_then(|reader| reader.report(&Query::default()));
    if let Ok(report) = report {
        let calls = report.total.calls;
        let said = report.damaged > 0;
        assert!(calls == CALLS || said, "{what}: a report of {calls} calls");
        assert!(calls <= CALLS, "{what}: a report of {calls} calls");
    }
    missing > 0
}

/// The ledger and its log, as bytes.
type Files = (Vec<u8>, Vec<u8>);

fn files(path: &Path) -> Files {
    let read = |path: PathBuf| std::fs::read(path).unwrap_or_default();
    (read(path.to_owned()), read(path.with_extension("db-wal")))
}

#[test]
fn what_is_damaged_is_told_and_never_believed() {
    let number = |name: &str, default: usize| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap())
    };
    let rounds = number("CAMPANILE_DAMAGE_ROUNDS", 60);
    let mut dice = Dice(number("CAMPANILE_DAMAGE_SEED", 7) as u64);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("campanile.db");
    let ledger = make(&path);
    let (truth, told) = dump(&path);
    assert!(truth.len() as u64 == CALLS && !told);
    // While it is open: much of it is in the log; and closed: the sums of its hours are there.
    let open = files(&path);
    assert!(ledger.close(SOON));
    let closed = files(&path);
    assert!(
        closed.1.is_empty() && open.1.len() > 50_000,
        "{} {}",
        closed.1.len(),
        open.1.len()
    );

    let mut lost = 0;
    for round in 0..rounds {
        let (mut file, mut log) = if round % 2 == 0 {
            closed.clone()
        } else {
            open.clone()
        };
        let mut what = format!("round {round}");
        for _ in 0..1 + dice.below(3) {
            let target = match dice.below(2) {
                0 if !log.is_empty() => &mut log,
                _ => &mut file,
            };
            what += &format!(", {} of {}", damage(target, &mut dice), target.len());
        }
        let copy = tempfile::tempdir().unwrap();
        let path = copy.path().join("campanile.db");
        std::fs::write(&path, &file).unwrap();
        if !log.is_empty() {
            std::fs::write(path.with_extension("db-wal"), &log).unwrap();
        }
        lost += usize::from(check(&path, &truth, &what));
    }
    println!("{rounds} rounds, in {lost} of them something was missing, and told");
    assert!(lost > rounds / 8, "only {lost}: proves nothing");
}
