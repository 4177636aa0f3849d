//! Kills at any moment: nothing acknowledged is missing, doubled, altered or invented.
//!
//! `CAMPANILE_CRASH_ROUNDS` sets how many rounds there are (default 6).

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; a child tells its parent"
)]

use campanile_core::{
    Attempt, CALL_REV, CallEvent, CallId, Clock, Cost, Event, Evidence, Ids, Meter, Money, Outcome,
    Phase, SessionEvent, SessionId, Sink, Timestamp, Usage, UsageEvent,
};
use campanile_sinks::ledger::{
    Appended, Entry, Ledger, LedgerErrorKind, LedgerOptions, Query, Reader,
};
use std::{
    collections::{HashMap, HashSet},
    io::{BufRead, BufReader, Write},
    ops::ControlFlow,
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);
/// Names the ledger that a child writes.
const LEDGER: &str = "CAMPANILE_CRASH_LEDGER";
/// Names the first number that a child writes.
const FROM: &str = "CAMPANILE_CRASH_FROM";
/// Says which part the child plays.
const ROLE: &str = "CAMPANILE_CRASH_ROLE";

/// What the event with this number uses: nothing that a wrong row would have by chance.
fn quantity(number: u64) -> u64 {
    number.wrapping_mul(2_654_435_761) % 1_000_003 + 1
}

fn event(id: CallId, number: u64) -> CallEvent {
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

fn child(role: &str, path: &Path, from: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child", "--nocapture", "--ignored"])
        .env(LEDGER, path)
        .env(FROM, from.to_string())
        .env(ROLE, role)
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
    let ledger = Ledger::open(LedgerOptions::new(path), Clock::system()).unwrap();
    match std::env::var(ROLE).unwrap().as_str() {
        "append" => append(&ledger, from),
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
    let mut call = event(CallId(7), 7);
    let mut attempt = call.attempts.remove(0);
    attempt.cost.as_mut().unwrap().at_most = Money::from_usd("2");
    let mut usage = UsageEvent::new(
        CallId(7),
        3,
        "llm".into(),
        Timestamp::now(),
        Timestamp::now(),
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
fn live(mut child: Child, life: Duration) -> Vec<u64> {
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

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger/campanile.db");
    let rounds =
        std::env::var("CAMPANILE_CRASH_ROUNDS").map_or(6, |rounds| rounds.parse().unwrap());
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
        let numbers = live(child("append", &path, from), life);
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

#[test]
fn what_a_dead_process_left_open_is_closed_as_crashed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger/campanile.db");
    let mut dead = child("leave_open", &path, 0);
    let mut line = String::new();
    let mut out = BufReader::new(dead.stdout.take().unwrap());
    while !line.contains("ack 7") {
        line.clear();
        assert!(
            out.read_line(&mut line).unwrap() > 0,
            "the child said nothing"
        );
    }

    // While it lives, its call is its own.
    drop(Ledger::open(LedgerOptions::new(&path), Clock::system()).unwrap());
    let open = Reader::open(&path)
        .unwrap()
        .report(&Query::default())
        .unwrap()
        .total;
    dead.kill().unwrap();
    dead.wait().unwrap();
    let ledger = Ledger::open(LedgerOptions::new(&path), Clock::system()).unwrap();

    assert_eq!((open.open, open.calls), (1, 0));
    let reader = Reader::open(&path).unwrap();
    let detail = reader.session("left-open").unwrap().unwrap();
    assert_eq!(detail.session.reason.as_deref(), Some("crashed"));
    assert!(detail.session.ended_at.is_some());
    assert_eq!(detail.call_list[0].outcome, Some(Outcome::Crashed));
    assert_eq!(detail.call_list[0].qty, quantity(7));
    assert_eq!(detail.call_list[0].cost.at_most, Money::from_usd("2"));
    assert_eq!(
        (detail.session.sum.crashed, detail.session.sum.open),
        (1, 0)
    );
    assert_eq!(reader.verify().unwrap(), []);
    drop(ledger);
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

/// Mounts a small file system that is taken away at the end; `None` where that is not allowed.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path());
        let mounted = mount
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !mounted {
            println!("skipped: a tmpfs cannot be mounted here");
        }
        mounted.then(|| Self(dir))
    }

    fn remount(&self, how: &str) {
        let mut mount = Command::new("mount");
        let status = mount
            .args(["-o", &format!("remount,{how}")])
            .arg(self.0.path())
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_told_and_survived() {
    let Some(disk) = SmallDisk::mount("4m") else {
        return;
    };
    let path = disk.0.path().join("campanile.db");
    let (tell, told) = std::sync::mpsc::channel();
    let options = LedgerOptions::new(&path).tell(move |trouble| tell.send(trouble).unwrap());
    let ledger = Ledger::open(options, Clock::system()).unwrap();
    let ids = Ids::random();
    let record = |count: u64| {
        for number in 0..count {
            let id = ids.next(Timestamp::now());
            ledger.record(&Event::Call(Box::new(event(id, number))));
        }
    };
    record(1_000);
    assert!(ledger.flush(SOON));
    let filler = disk.0.path().join("filler");
    let _ = std::fs::write(&filler, vec![7_u8; 8 << 20]);

    record(5_000);
    let entry = Entry::new("waits", event(ids.next(Timestamp::now()), 1));
    let answer = ledger.append(&[entry]);

    let trouble = told.recv_timeout(SOON).unwrap();
    assert_eq!(trouble.kind, LedgerErrorKind::Full, "{}", trouble.message);
    assert_eq!(
        answer.wait(Duration::from_millis(300)),
        None,
        "acknowledged and not written"
    );
    assert_eq!(ledger.degraded(), Some(LedgerErrorKind::Full));
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(answer.wait(SOON), Some(Ok(vec![Appended::Created])));
    assert!(ledger.flush(SOON));
    assert_eq!(ledger.degraded(), None);
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.report(&Query::default()).unwrap().total.calls, 6_001);
    assert_eq!(reader.verify().unwrap(), []);
    assert!(told.try_recv().is_err(), "told more than once a minute");
    drop(ledger);
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_with_its_path() {
    let Some(disk) = SmallDisk::mount("4m") else {
        return;
    };
    let path = disk.0.path().join("deep/campanile.db");
    disk.remount("ro");

    let refused = Ledger::open(LedgerOptions::new(&path), Clock::system()).unwrap_err();

    assert_eq!(refused.kind(), LedgerErrorKind::Folder);
    assert!(refused.to_string().contains("deep"), "{refused}");

    disk.remount("rw");
    drop(Ledger::open(LedgerOptions::new(&path), Clock::system()).unwrap());
    std::thread::sleep(Duration::from_millis(200));
    disk.remount("ro");
    let refused = Ledger::open(LedgerOptions::new(&path), Clock::system()).unwrap_err();
    assert_eq!(refused.kind(), LedgerErrorKind::ReadOnly, "{refused}");
    // What is there can be read all the same.
    assert_eq!(
        Reader::open(&path)
            .unwrap()
            .report(&Query::default())
            .unwrap()
            .total
            .calls,
        0
    );
}
