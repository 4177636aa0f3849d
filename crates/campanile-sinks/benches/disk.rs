//! What the ledger takes of a disk: bytes an event in archives, single acknowledgements, how long a writer waits beside an
//! archiver, how soon a large ledger acknowledges after a kill.
//!
//! `cargo bench -p campanile-sinks --bench disk [-- archive|single|start]`

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::unwrap_used, reason = "a bench may panic")]
#![expect(clippy::disallowed_methods, reason = "a bench measures")]

use campanile_core::{
    Attempt, CallEvent, CallId, Clock, Cost, Event, Evidence, FailureKind, FailureReport, Ids,
    Meter, Money, Name, Outcome, SessionId, Sink, Span, Timestamp, Timing, TurnEvent, Usage,
};
use campanile_sinks::ledger::{Entry, Ledger, LedgerOptions, Reader, archive};
use rusqlite::{Connection, params};
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_secs(600);
const DAY: i64 = 86_400_000_000;
/// 2026-07-01T00:00:00Z.
const AT: i64 = 1_782_864_000_000_000;
const GROUP: u64 = 1_000;
/// Calls of a session: of each turn one a stage.
const A_SESSION: u64 = 60;
/// The part of a process that fills a ledger and is killed.
const FILL: &str = "--fill";
const GIB: u64 = 1 << 30;

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn of(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    fn hex(&mut self, groups: &[usize]) -> String {
        let text = format!("{:016x}{:016x}", self.next(), self.next());
        let mut rest = text.as_str();
        let cut = groups.iter().map(|&len| {
            let (now, later) = rest.split_at(len);
            rest = later;
            now
        });
        cut.collect::<Vec<_>>().join("-")
    }
}

/// A call as a voice bot makes it: counts, times and the provider's id of the request are those of no other.
fn call(number: u64, id: CallId, at: Timestamp, dice: &mut Dice) -> CallEvent {
    let stage = number % 3;
    let outcome = match dice.of(0..100) {
        0..12 => Outcome::Cancelled,
        12..14 => Outcome::Failed,
        _ => Outcome::Completed,
    };
    let name = ["stt", "llm", "tts"][stage as usize];
    let mut call = CallEvent::new(id, name.into(), at, outcome);
    let session = Dice(number / A_SESSION + 1).hex(&[8, 4, 4, 4, 12]);
    call.session = SessionId::new(&session).ok();
    call.turn = Some((number % A_SESSION / 3) as u32 + 1);
    let mut timing = Timing::default();
    timing.elapsed = Span(dice.of(400_000..6_000_000) * 1_000);
    timing.first_item = Some(Span(dice.of(120_000..900_000) * 1_000));
    timing.queued = Some(Span(dice.of(0..2_000) * 1_000));
    timing.longest_gap = Some(Span(dice.of(10_000..90_000) * 1_000));
    timing.items = Some(dice.of(10..300));
    call.timing = Some(timing);
    let mut attempt = Attempt::new(1);
    attempt.provider = Some(["deepgram", "openai", "cartesia"][stage as usize].into());
    attempt.model = Some(["nova-3", "gpt-4.1-mini", "sonic-2"][stage as usize].into());
    attempt.request_id = Name::outside(&match stage {
        1 => format!("req_{}", dice.hex(&[32])),
        _ => dice.hex(&[8, 4, 4, 4, 12]),
    });
    attempt.timing = Some(timing);
    attempt.outcome = Some(outcome);
    let usage = Usage::new();
    let (usage, grains) = match stage {
        0 => {
            let audio = dice.of(800_000..12_000_000);
            (
                usage.with(Meter::AudioUs, audio, Evidence::Measured),
                audio * 462,
            )
        }
        1 => {
            let (input, output) = (dice.of(400..4_000), dice.of(12..260));
            let usage = usage.with(Meter::InputTokens, input, Evidence::Reported);
            let usage = usage.with(Meter::CachedInputTokens, input / 2, Evidence::Reported);
            let usage = usage.with(Meter::OutputTokens, output, Evidence::Reported);
            (usage, input * 1_440 + output * 5_760)
        }
        _ => {
            let said = dice.of(20..400);
            (
                usage.with(Meter::Characters, said, Evidence::Measured),
                said * 180_000,
            )
        }
    };
    attempt.usage = Some(usage);
    let mut cost = Cost::exact(Money::from_grains(i128::from(grains) * 1_000_000_000_000));
    cost.book = Name::from_static("2026-11-20");
    attempt.cost = Some(cost);
    call.attempts = vec![attempt];
    if outcome == Outcome::Failed {
        let print = Name::outside(&format!("{:016x}", number % 40)).unwrap();
        call.failure = Some(FailureReport::new(FailureKind::Timeout, print));
    }
    call
}

/// Hands over calls from `first` on, each `apart` µs after the one before, and a turn for every three of them.
fn hand_over(ledger: &Ledger, numbers: std::ops::Range<u64>, apart: i64) {
    let ids = Ids::random();
    let mut dice = Dice(numbers.start + 1);
    for number in numbers.clone() {
        let at = Timestamp(AT + number as i64 * apart + dice.of(0..1_000_000) as i64);
        let call = call(number, ids.next(at), at, &mut dice);
        if number % 3 == 2 {
            let turn = call.turn.unwrap();
            let mut turn = TurnEvent::new(call.session.clone().unwrap(), turn, at);
            turn.user_to_bot = Some(Span(dice.of(300_000..2_000_000) * 1_000));
            ledger.record(&Event::Turn(Box::new(turn)));
        }
        ledger.record(&Event::Call(Box::new(call)));
        if number % GROUP == GROUP - 1 {
            assert!(ledger.flush(SOON));
        }
    }
    assert!(ledger.flush(SOON));
}

fn open(path: &Path) -> Ledger {
    Ledger::open(LedgerOptions::new(path), Clock::system()).unwrap()
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [part, path] = args.as_slice()
        && part == FILL
    {
        return fill(Path::new(path));
    }
    let args: Vec<&str> = args
        .iter()
        .map(String::as_str)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    let asked = |name: &str| args.is_empty() || args.contains(&name);
    if asked("single") {
        single();
    }
    if asked("archive") {
        archives();
    }
    if asked("start") {
        start();
    }
}

/// Events that are acknowledged one by one: one caller, many, and SQLite alone.
fn single() {
    let dir = tempfile::tempdir_in(".").unwrap();
    let bare = bare(&dir.path().join("bare.db"));
    println!("SQLite alone, a row a commit   {bare:.0} a second");
    for callers in [1, 16, 64] {
        let ledger = open(&dir.path().join(format!("ledger-{callers}.db")));
        let rate = acknowledged(&ledger, callers, Duration::from_secs(3));
        println!(
            "acknowledged, {callers:>2} callers       {rate:.0} a second, of SQLite alone {:.2}",
            rate / bare
        );
    }
}

fn bare(path: &Path) -> f64 {
    let conn = Connection::open(path).unwrap();
    let tables = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t(id TEXT PRIMARY KEY, row BLOB);";
    conn.execute_batch(tables).unwrap();
    let mut insert = conn.prepare("INSERT INTO t VALUES(?1, ?2)").unwrap();
    let (started, mut count) = (Instant::now(), 0_u32);
    while started.elapsed() < Duration::from_secs(3) {
        insert
            .execute(params![format!("e{count}"), [7_u8; 200]])
            .unwrap();
        count += 1;
    }
    f64::from(count) / started.elapsed().as_secs_f64()
}

/// How many events a second are acknowledged to callers that wait for each.
fn acknowledged(ledger: &Ledger, callers: u64, within: Duration) -> f64 {
    let (count, started) = (AtomicU64::new(0), Instant::now());
    std::thread::scope(|scope| {
        for caller in 0..callers {
            let count = &count;
            scope.spawn(move || {
                let (ids, mut dice) = (Ids::random(), Dice(caller + 1));
                while started.elapsed() < within {
                    append_one(ledger, &ids, &mut dice);
                    count.fetch_add(1, Relaxed);
                }
            });
        }
    });
    count.into_inner() as f64 / started.elapsed().as_secs_f64()
}

fn append_one(ledger: &Ledger, ids: &Ids, dice: &mut Dice) {
    let at = Timestamp::now();
    let call = call(dice.of(0..1 << 40), ids.next(at), at, dice);
    let entry = Entry::new(dice.hex(&[32]), call);
    ledger.append(&[entry]).wait(SOON).unwrap().unwrap();
}

/// Three months of calls, archived beside a writer.
fn archives() {
    let dir = tempfile::tempdir_in(".").unwrap();
    let path = dir.path().join("ledger.db");
    let count = 240_000;
    let ledger = open(&path);
    hand_over(&ledger, 0..count, 92 * DAY / count as i64);
    assert!(ledger.close(SOON));
    let before = std::fs::metadata(&path).unwrap().len();
    let ledger = open(&path);
    // July, August and September; what is written meanwhile is younger.
    let now = Timestamp(AT + 130 * DAY);
    let over = AtomicBool::new(false);
    let (took, mut waits) = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let (ids, mut dice) = (Ids::random(), Dice(1));
            let mut waits = Vec::new();
            while !over.load(Relaxed) {
                let asked = Instant::now();
                append_one(&ledger, &ids, &mut dice);
                waits.push(asked.elapsed());
            }
            waits
        });
        let started = Instant::now();
        let done = archive(&path, now, now);
        let took = started.elapsed();
        over.store(true, Relaxed);
        let waits = waiting.join().unwrap();
        done.unwrap();
        (took, waits)
    });
    assert!(ledger.close(SOON));
    let stats = Reader::open(&path).unwrap().stats().unwrap();
    let events = stats.archived_calls + stats.archived_calls / 3;
    println!(
        "archived                       {} calls and {} turns in {:.1} s",
        stats.archived_calls,
        stats.archived_calls / 3,
        took.as_secs_f64()
    );
    println!(
        "bytes in archives              {} a call, {} an event (goal: at most 150)",
        stats.archive_bytes / stats.archived_calls,
        stats.archive_bytes / events
    );
    println!(
        "the ledger                     {} before, {} after",
        before, stats.file_bytes
    );
    waits.sort_unstable();
    let at = |part: usize| waits[(waits.len() - 1) * part / 1_000].as_secs_f64() * 1e3;
    println!(
        "one that writes meanwhile      waits {:.1} ms, p99 {:.1} ms, at most {:.1} ms, of {} events",
        at(500),
        at(990),
        at(1_000),
        waits.len()
    );
}

/// Fills a ledger to a GiB, leaves a long log and calls that are open, says so, and waits to be killed.
fn fill(path: &Path) {
    let ledger = open(path);
    let mut next = 0;
    let len = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
    while len(path) < GIB {
        hand_over(&ledger, next..next + 20_000, 200_000);
        next += 20_000;
    }
    println!("full {next}");
    std::io::stdout().flush().unwrap();
    loop {
        hand_over(&ledger, next..next + 100, 200_000);
        next += 100;
    }
}

/// From the start to the first acknowledgement, with a GiB that a killed process has left.
fn start() {
    let dir = tempfile::tempdir_in(".").unwrap();
    let path = dir.path().join("ledger.db");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg(FILL)
        .arg(&path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    std::thread::sleep(Duration::from_secs(1));
    child.kill().unwrap();
    child.wait().unwrap();
    let wal = std::fs::metadata(dir.path().join("ledger.db-wal")).map_or(0, |meta| meta.len());
    println!(
        "a ledger of                    {} calls, {} MiB, its log {} KiB",
        line[5..].trim(),
        GIB >> 20,
        wal >> 10
    );
    for what in ["after the kill", "again"] {
        let started = Instant::now();
        let ledger = open(&path);
        append_one(
            &ledger,
            &Ids::random(),
            &mut Dice(
                u64::from(std::process::id())
                    + line.len() as u64
                    + started.elapsed().as_nanos() as u64,
            ),
        );
        let ms = started.elapsed().as_secs_f64() * 1e3;
        println!("acknowledges, {what:<16} {ms:.0} ms (goal: less than 1000)");
        drop(ledger);
    }
}
