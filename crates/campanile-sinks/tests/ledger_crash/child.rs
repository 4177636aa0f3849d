//! A process that writes a ledger and says what was acknowledged, until it is killed.

use crate::{cuts, overload, quiet};
use campanile_core::{
    Attempt, CALL_REV, CallEvent, CallId, Clock, Cost, Event, Evidence, Ids, Meter, Money, Outcome,
    SessionEvent, SessionId, Sink, Timestamp, Usage, UsageEvent,
};
use campanile_sinks::ledger::{Appended, Durability, Entry, Ledger, LedgerOptions};
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Names the ledger that a child writes.
const LEDGER: &str = "CAMPANILE_CRASH_LEDGER";

/// Names the first number that a child writes.
const FROM: &str = "CAMPANILE_CRASH_FROM";

/// Says which part the child plays.
const ROLE: &str = "CAMPANILE_CRASH_ROLE";

/// What the event with this number uses: nothing that a wrong row would have by chance.
pub(crate) fn quantity(number: u64) -> u64 {
    number.wrapping_mul(2_654_435_761) % 1_000_003 + 1
}

/// What a call that is left open has sent at its checkpoint.
pub(crate) const AUDIO_US: u64 = 36_920_000;

/// A cent for a second, within the bounds of what was sent.
pub(crate) fn price(usage: &Usage) -> Cost {
    let sent = usage.get(Meter::AudioUs).unwrap();
    let cent = Money::from_usd("0.01").unwrap().grains() / 1_000_000;
    let amount = |us: u64| Money::from_grains(i128::from(us) * cent);
    let mut cost = Cost::exact(amount(sent.at_least));
    cost.at_most = sent.at_most.map(amount);
    cost
}

pub(crate) fn event(id: CallId, number: u64) -> CallEvent {
    let mut attempt = Attempt::new(1);
    attempt.provider = Some("openai".into());
    attempt.model = Some("gpt-4.1".into());
    attempt.usage =
        Some(Usage::new().with(Meter::OutputTokens, quantity(number), Evidence::Reported));
    attempt.cost = Some(Cost::exact(Money::from_grains(
        i128::from(quantity(number)) * 8_000_000_000_000_000,
    )));
    let mut call = CallEvent::new(id, "llm".into(), Timestamp::now(), Outcome::Completed);
    call.attempts = vec![attempt];
    call
}

/// Has a command play a part in a process of its own.
pub(crate) fn playing<'a>(
    command: &'a mut Command,
    role: &str,
    path: &Path,
    from: u64,
) -> &'a mut Command {
    command
        .args(["--exact", "child::the_child", "--nocapture", "--ignored"])
        .env(LEDGER, path)
        .env(FROM, from.to_string())
        .env(ROLE, role)
}

pub(crate) fn child_of(role: &str, path: &Path, from: u64) -> Child {
    playing(
        &mut Command::new(std::env::current_exe().unwrap()),
        role,
        path,
        from,
    )
    .stdout(Stdio::piped())
    .stderr(Stdio::null())
    .spawn()
    .unwrap()
}

/// The child process. It does nothing unless it was started by a test of this file.
#[test]
#[ignore = "started by the other tests, in a process of its own"]
fn the_child() {
    let Ok(path) = std::env::var(LEDGER) else {
        return;
    };
    let from: u64 = std::env::var(FROM).unwrap().parse().unwrap();
    let role = std::env::var(ROLE).unwrap();
    match role.as_str() {
        "live" => return cuts::live_some_times(Path::new(&path), Durability::Durable),
        "live_fast" => return cuts::live_some_times(Path::new(&path), Durability::Fast),
        _ => {}
    }
    let mut options = LedgerOptions::new(&path);
    if role == "flood" {
        options = options.budget_bytes(overload::BUDGET);
    }
    let ledger = Ledger::open(options, Clock::system()).unwrap();
    match role.as_str() {
        "append" => append(&ledger, from),
        "flood" => overload::flood(&ledger, Path::new(&path)),
        "hand_over" => quiet::hand_over(&ledger),
        _ => leave_open(&ledger),
    }
}

/// Appends from four threads, each with its own stride, and prints what is acknowledged.
fn append(ledger: &Ledger, from: u64) {
    let next = AtomicU64::new(from);
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let next = &next;
            scope.spawn(move || {
                let ids = Ids::random();
                loop {
                    let size = 1 + worker * 7;
                    let first = next.fetch_add(size, Relaxed);
                    let entries: Vec<Entry> = (first..first + size)
                        .map(|number| {
                            Entry::new(
                                format!("e{number}"),
                                event(ids.next(Timestamp::now()), number),
                            )
                        })
                        .collect();
                    let answers = ledger.append(&entries).wait(SOON).unwrap().unwrap();
                    let mut lines = String::new();
                    for (number, answer) in (first..).zip(answers) {
                        // What an earlier life wrote and did not acknowledge is there; it counts all the same.
                        assert!(matches!(answer, Appended::Created | Appended::Exists));
                        lines.push_str(&format!("ack {number}\n"));
                    }
                    let mut out = std::io::stdout().lock();
                    out.write_all(lines.as_bytes()).unwrap();
                    out.flush().unwrap();
                }
            });
        }
    });
}

/// Leaves a session and a call open, says so, and waits to be killed.
fn leave_open(ledger: &Ledger) {
    let session = SessionId::new("left-open").unwrap();
    ledger.record(&Event::Session(Box::new(SessionEvent::start(
        session.clone(),
        Timestamp::now(),
    ))));
    let now = Timestamp::now();
    let mut call = event(CallId(7), 7);
    let mut attempt = call.attempts.remove(0);
    // A connection that has sent more than half a minute of speech.
    attempt.usage = Some(Usage::new().with(Meter::AudioUs, AUDIO_US, Evidence::Measured));
    attempt.cost = Some(price(attempt.usage.as_ref().unwrap()));
    let mut usage = UsageEvent::new(
        CallId(7),
        3,
        "stt".into(),
        Timestamp(now.micros() - 37_000_000),
        now,
        attempt,
    );
    usage.session = Some(session);
    assert!(usage.open && usage.rev < CALL_REV);
    ledger.record(&Event::Usage(Box::new(usage)));
    assert!(ledger.flush(SOON));
    println!("ack 7");
    std::thread::sleep(Duration::from_secs(60));
}

/// Numbers that a child acknowledged before it was killed after `life`.
pub(crate) fn live(mut child: Child, life: Duration) -> Vec<u64> {
    let out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(out).split(b'\n').map_while(Result::ok);
        // A line that the kill has cut has no number that can be trusted: it has no end of line either.
        let text = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
        text.filter_map(|line| line.split("ack ").nth(1)?.trim().parse().ok())
            .collect::<Vec<u64>>()
    });
    std::thread::sleep(life);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}
