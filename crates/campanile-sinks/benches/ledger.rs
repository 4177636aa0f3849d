//! How fast the ledger takes calls, beside a bare SQLite insert of the same rows; how large they are; how long a
//! report takes.
//!
//! `cargo bench -p campanile-sinks --bench ledger [-- CALLS]`; with `--reports [CALLS]`, what reports take only.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::unwrap_used, reason = "a bench may panic")]
#![expect(clippy::disallowed_methods, reason = "a bench measures")]

use campanile_core::{
    Attempt, CallEvent, Clock, Cost, Event, Evidence, Ids, Meter, Money, Name, Outcome, SessionId,
    Sink, Span, Timestamp, Timing, Usage,
};
use campanile_sinks::ledger::{Dimension, Ledger, LedgerOptions, Query, Reader};
use rusqlite::{Connection, params, types::Value};
use std::{
    ffi::OsStr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const GROUP: usize = 1_000;
const PAIRS: usize = 6;
const ROUNDS: usize = 3;
/// Runs in processes of their own.
const OURS: &str = "--ours";
const BARE: &str = "--bare";
/// Only what both make before they begin, to be taken off.
const MAKE_EVENTS: &str = "--make-events";
const READ_ROWS: &str = "--read-rows";
const REPORTS: &str = "--reports";

/// The calls of these numbers. They are made group by group: a recorder hands over what it has just sealed.
fn events(calls: std::ops::Range<usize>, ids: &Ids) -> Vec<Event> {
    let session = |i: usize| SessionId::new(&format!("session-{}", i / 60)).unwrap();
    let models = ["gpt-4.1", "nova-3", "sonic-2"];
    let providers = ["openai", "deepgram", "cartesia"];
    calls
        .map(|i| {
            let at = Timestamp(1_795_485_029_000_000 + i as i64 * 20_000);
            let stage = ["llm", "stt", "tts"][i % 3];
            let mut call = CallEvent::new(ids.next(at), stage.into(), at, Outcome::Completed);
            call.session = Some(session(i));
            call.turn = Some((i % 60) as u32 / 3);
            let mut timing = Timing::default();
            timing.elapsed = Span(600_000_000 + i as u64 * 1_000);
            timing.first_item = Some(Span(310_000_000));
            timing.longest_gap = Some(Span(21_000_000));
            timing.items = Some(50);
            call.timing = Some(timing);
            let mut attempt = Attempt::new(1);
            attempt.provider = Some(providers[i % 3].into());
            attempt.model = Some(models[i % 3].into());
            attempt.timing = Some(timing);
            attempt.outcome = Some(Outcome::Completed);
            let usage =
                Usage::new().with(Meter::InputTokens, 800 + i as u64 % 90, Evidence::Reported);
            attempt.usage = Some(usage.with(Meter::OutputTokens, 60, Evidence::Reported));
            let mut cost = Cost::exact(Money::from_usd("0.0021").unwrap());
            cost.book = Name::from_static("2026-11-20");
            attempt.cost = Some(cost);
            call.attempts = vec![attempt];
            Event::Call(Box::new(call))
        })
        .collect()
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let count = |args: &[String]| args.iter().filter_map(|arg| arg.parse().ok()).next();
    match args.as_slice() {
        [run, path, count] if run == OURS => {
            ours(Path::new(path), count.parse().unwrap()).tell();
        }
        [run, path, ledger] if run == BARE => {
            let rows = Rows::of(Path::new(ledger));
            bare(&rows, Path::new(path)).tell();
        }
        [run, count] if run == MAKE_EVENTS => {
            let (ids, count) = (Ids::seeded(7), count.parse().unwrap());
            for first in (0..count).step_by(GROUP) {
                std::hint::black_box(events(first..count.min(first + GROUP), &ids));
            }
        }
        [run, ledger] if run == READ_ROWS => {
            let rows = Rows::of(Path::new(ledger));
            for (calls, parts) in rows.calls.chunks(GROUP).zip(rows.parts.chunks(GROUP)) {
                std::hint::black_box((calls.to_vec(), parts.to_vec()));
            }
        }
        [run, rest @ ..] if run == REPORTS => reports(count(rest).unwrap_or(1_000_000)),
        args => measure(count(args).unwrap_or(200_000)),
    }
}

fn measure(count: usize) {
    let dir = tempfile::tempdir_in(".").unwrap();
    let path = dir.path().join("ledger.db");
    let ours = |path: &Path| run(OURS, path, count.to_string().as_ref());
    ours(&path);
    // In pairs, the first of a pair in turns: what else the machine does hits both alike.
    let pairs: Vec<_> = (0..PAIRS)
        .map(|pair| {
            let ours = || ours(&dir.path().join(format!("ledger-{pair}.db")));
            let bare = || {
                run(
                    BARE,
                    &dir.path().join(format!("bare-{pair}.db")),
                    path.as_ref(),
                )
            };
            match pair % 2 {
                0 => (ours(), bare()),
                _ => {
                    let bare = bare();
                    (ours(), bare)
                }
            }
        })
        .collect();
    println!("calls                          {count}, {PAIRS} pairs of processes");
    compare(&pairs, count);
    instructions(dir.path());
    let stats = Reader::open(&path).unwrap().stats().unwrap();
    println!(
        "bytes a call                   {}",
        stats.file_bytes / count as u64
    );
    report(&path);
}

/// Writes a ledger, and asks it.
fn reports(count: usize) {
    let dir = tempfile::tempdir_in(".").unwrap();
    let path = dir.path().join("ledger.db");
    let started = Instant::now();
    ours(&path, count);
    println!(
        "written, and its sums built    {:.1} s",
        started.elapsed().as_secs_f64()
    );
    report(&path);
}

/// Instructions of all threads, which no noise touches: where valgrind is there.
fn instructions(dir: &Path) {
    let count = 20_000;
    let (ledger, bare) = (dir.join("counted.db"), dir.join("counted-bare.db"));
    let of = |arguments: &[&OsStr]| -> Option<f64> {
        let out = dir.join("callgrind.out");
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(["--tool=callgrind", "-q"])
            .env("COUNTED", "1");
        valgrind.arg(format!("--callgrind-out-file={}", out.display()));
        valgrind
            .arg(std::env::current_exe().unwrap())
            .args(arguments);
        valgrind
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let text = std::fs::read_to_string(out).ok()?;
        let total = text
            .lines()
            .find_map(|line| line.strip_prefix("totals: "))?;
        total.trim().parse().ok()
    };
    let calls = count.to_string();
    let ours = of(&[OURS.as_ref(), ledger.as_ref(), calls.as_ref()]);
    let events = of(&[MAKE_EVENTS.as_ref(), calls.as_ref()]);
    let bare = of(&[BARE.as_ref(), bare.as_ref(), ledger.as_ref()]);
    let rows = of(&[READ_ROWS.as_ref(), ledger.as_ref()]);
    let (Some(ours), Some(events), Some(bare), Some(rows)) = (ours, events, bare, rows) else {
        println!("instructions                   not counted: valgrind is not there");
        return;
    };
    let a_call = |instructions: f64| instructions / f64::from(count);
    let (ours, bare) = (a_call(ours - events), a_call(bare - rows));
    println!(
        "instructions, all threads      {ours:.0} a call, bare SQLite {bare:.0}: ratio {:.3}",
        ours / bare
    );
}

/// One run in a process of its own: what one leaves behind in memory does not slow the other.
fn run(what: &str, path: &Path, with: &OsStr) -> Taken {
    let program = std::env::current_exe().unwrap();
    let told = Command::new(program)
        .arg(what)
        .arg(path)
        .arg(with)
        .output()
        .unwrap();
    assert!(told.status.success(), "{told:?}");
    let told = String::from_utf8(told.stdout).unwrap();
    let mut numbers = told.split_whitespace().map(|text| text.parse().unwrap());
    let mut time = || Duration::from_nanos(numbers.next().unwrap());
    Taken {
        wall: time(),
        cpu: time(),
        recording: time(),
        commits: numbers.next().unwrap(),
    }
}

fn compare(pairs: &[(Taken, Taken)], count: usize) {
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
    let median = |of: &dyn Fn(&(Taken, Taken)) -> f64| {
        let mut all: Vec<f64> = pairs.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        (all[0], all[all.len() / 2], all[all.len() - 1])
    };
    let print = |what: &str, unit: &str, of: &dyn Fn(&(Taken, Taken)) -> f64| {
        let (least, median, most) = median(of);
        println!("{what:<30} {median:.3} {unit} ({least:.3} to {most:.3})");
    };
    print("record, caller's thread", "us a call", &|(ours, _)| {
        micros(ours.recording)
    });
    print("recorded to durable, wall", "us a call", &|(ours, _)| {
        micros(ours.wall)
    });
    print("recorded to durable, CPU", "us a call", &|(ours, _)| {
        micros(ours.cpu)
    });
    print("bare SQLite, same rows, wall", "us a call", &|(_, bare)| {
        micros(bare.wall)
    });
    print("bare SQLite, same rows, CPU", "us a call", &|(_, bare)| {
        micros(bare.cpu)
    });
    print("ratio of a pair, CPU", "(goal: at most 1.30)", &|pair| {
        pair.0.cpu.as_secs_f64() / pair.1.cpu.as_secs_f64()
    });
    print(
        "speed beside bare SQLite, CPU",
        "of it (goal: at least 0.70)",
        &|pair| pair.1.cpu.as_secs_f64() / pair.0.cpu.as_secs_f64(),
    );
    print(
        "durable on one core",
        "calls a second (goal: 100000)",
        &|(ours, _)| count as f64 / ours.cpu.as_secs_f64(),
    );
    let sum = |of: &dyn Fn(&(Taken, Taken)) -> Duration| -> f64 {
        pairs.iter().map(|pair| of(pair).as_secs_f64()).sum()
    };
    println!(
        "ratio of the sums              CPU {:.3}, wall {:.3}",
        sum(&|pair| pair.0.cpu) / sum(&|pair| pair.1.cpu),
        sum(&|pair| pair.0.wall) / sum(&|pair| pair.1.wall),
    );
    println!(
        "commits                        {} for {} groups",
        pairs[0].0.commits,
        count.div_ceil(GROUP)
    );
}

/// What a run has taken: on the clock, and of the processor over all threads.
#[derive(Default)]
struct Taken {
    wall: Duration,
    cpu: Duration,
    /// In `record`.
    recording: Duration,
    commits: u64,
}

impl Taken {
    /// Adds what one group takes. What lies between the groups (making them) is not counted.
    fn add(&mut self, work: impl FnOnce() -> Duration) {
        let (cpu, started) = (cpu(), Instant::now());
        self.recording += work();
        self.wall += started.elapsed();
        self.cpu += self::cpu() - cpu;
    }

    fn tell(&self) {
        let [wall, cpu, recording] =
            [self.wall, self.cpu, self.recording].map(|time| time.as_nanos());
        println!("{wall} {cpu} {recording} {}", self.commits);
    }
}

/// User and system time of this process, all threads.
fn cpu() -> Duration {
    // valgrind shows programs no vDSO, and rustix wants to read it.
    if std::env::var_os("COUNTED").is_some() {
        return Duration::ZERO;
    }
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// One thread: `record` until a group is full, then `flush`. The time in `record`, and of everything.
fn ours(path: &Path, count: usize) -> Taken {
    let ledger = Ledger::open(LedgerOptions::new(path), Clock::system()).unwrap();
    let ids = Ids::seeded(7);
    let mut taken = Taken::default();
    for first in (0..count).step_by(GROUP) {
        let group = events(first..count.min(first + GROUP), &ids);
        taken.add(|| {
            let handing_over = Instant::now();
            for event in &group {
                ledger.record(event);
            }
            let recording = handing_over.elapsed();
            assert!(ledger.flush(Duration::from_secs(60)));
            recording
        });
    }
    taken.commits = ledger.state().commits;
    assert!(ledger.close(Duration::from_secs(60)));
    taken
}

/// The rows of a ledger, and the tables they are in.
struct Rows {
    tables: Vec<Vec<Value>>,
    calls: Vec<Vec<Value>>,
    parts: Vec<Vec<Value>>,
}

impl Rows {
    fn of(ledger: &Path) -> Self {
        let source = Connection::open(ledger).unwrap();
        let rows = |sql: &str| -> Vec<Vec<Value>> {
            let mut statement = source.prepare(sql).unwrap();
            let columns = statement.column_count();
            let read = statement
                .query_map(params![], |row| (0..columns).map(|i| row.get(i)).collect())
                .unwrap();
            read.collect::<Result<_, _>>().unwrap()
        };
        Self {
            tables: rows(
                "SELECT sql FROM sqlite_schema WHERE tbl_name IN ('call', 'part') AND sql IS NOT NULL",
            ),
            calls: rows("SELECT * FROM call ORDER BY at"),
            parts: rows("SELECT part.* FROM part JOIN call ON call.id = part.call ORDER BY at"),
        }
    }
}

/// The rows of a ledger, written to the same tables by nothing but a prepared insert each, in the same groups.
fn bare(rows: &Rows, path: &Path) -> Taken {
    let conn = Connection::open(path).unwrap();
    let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -8192; PRAGMA wal_autocheckpoint = 2000;";
    conn.execute_batch(pragmas).unwrap();
    for table in &rows.tables {
        let [Value::Text(sql)] = table.as_slice() else {
            panic!("no table")
        };
        conn.execute_batch(sql).unwrap();
    }
    let mut taken = Taken::default();
    for (calls, parts) in rows.calls.chunks(GROUP).zip(rows.parts.chunks(GROUP)) {
        // Copied, so that they are as fresh in the cache as the events on the other side.
        let (calls, parts) = (calls.to_vec(), parts.to_vec());
        taken.add(|| {
            conn.execute_batch("BEGIN IMMEDIATE").unwrap();
            {
                let mut put_call = conn
                    .prepare_cached("INSERT INTO call VALUES(?,?,?,?,?,?,?,?,?,?,?)")
                    .unwrap();
                let mut put_part = conn
                    .prepare_cached("INSERT INTO part VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)")
                    .unwrap();
                for (call, part) in calls.iter().zip(&parts) {
                    put_call.execute(rusqlite::params_from_iter(call)).unwrap();
                    put_part.execute(rusqlite::params_from_iter(part)).unwrap();
                }
            }
            conn.execute_batch("COMMIT").unwrap();
            Duration::ZERO
        });
    }
    taken
}

/// The least of some tries, in milliseconds.
fn least(mut ask: impl FnMut()) -> f64 {
    let times = (0..ROUNDS).map(|_| {
        let started = Instant::now();
        ask();
        started.elapsed().as_secs_f64() * 1e3
    });
    times.fold(f64::MAX, f64::min)
}

fn report(path: &Path) {
    let reader = Reader::open(path).unwrap();
    let stats = reader.stats().unwrap();
    let (calls, summed) = (stats.calls, stats.summed_calls);
    println!("reports over                   {calls} calls, {summed} of them in sums of hours");
    let print = |what: &str, ms: f64| println!("{what:<30} {ms:.1} ms");
    let by = [Dimension::Provider, Dimension::Model, Dimension::Day];
    let whole = Query::default().by(by);
    print(
        "report by provider, model, day",
        least(|| drop(reader.report(&whole).unwrap())),
    );
    // Neither its beginning nor its end is that of an hour.
    let hours = |from: i64, to: i64| {
        let at = |minutes: i64| Timestamp(1_795_485_029_000_000 + minutes * 60_000_000);
        Query::default().by(by).since(at(from)).until(at(to))
    };
    let some = hours(40, calls as i64 / 3_000 - 10);
    print(
        "the same, edges inside hours",
        least(|| drop(reader.report(&some).unwrap())),
    );
    print(
        "latency by the same",
        least(|| drop(reader.latency(&whole).unwrap())),
    );
    let session = format!("session-{}", calls / 120);
    print(
        "one session of 60 calls",
        least(|| drop(reader.session(&session).unwrap().unwrap())),
    );
    let sessions = Query::default().by([Dimension::Session]);
    print(
        "report by session (no sums)",
        least(|| drop(reader.report(&sessions).unwrap())),
    );
    let started = Instant::now();
    let problems = reader.verify().unwrap().len();
    let ms = started.elapsed().as_secs_f64() * 1e3;
    println!("verify                         {ms:.0} ms, {problems} problems");
    print(
        "open",
        least(|| drop(Ledger::open(LedgerOptions::new(path), Clock::system()).unwrap())),
    );
}
