//! How fast the ledger takes calls, beside a bare SQLite insert of the same rows; how large they are; how long a
//! report takes.
//!
//! `cargo bench -p campanile-sinks --bench ledger [-- CALLS]`

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
    path::Path,
    time::{Duration, Instant},
};

const GROUP: usize = 1_000;
const ROUNDS: usize = 3;

fn events(count: usize) -> Vec<Event> {
    let ids = Ids::seeded(7);
    let sessions: Vec<_> = (0..count.div_ceil(60))
        .map(|i| SessionId::new(&format!("session-{i}")).unwrap())
        .collect();
    let models = ["gpt-4.1", "nova-3", "sonic-2"];
    let providers = ["openai", "deepgram", "cartesia"];
    (0..count)
        .map(|i| {
            let at = Timestamp(1_795_485_029_000_000 + i as i64 * 20_000);
            let stage = ["llm", "stt", "tts"][i % 3];
            let mut call = CallEvent::new(ids.next(at), stage.into(), at, Outcome::Completed);
            call.session = Some(sessions[i / 60].clone());
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
    let count = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .next()
        .unwrap_or(200_000);
    let events = events(count);
    let dir = tempfile::tempdir_in(".").unwrap();
    let mut best = [Duration::MAX; 3];
    let mut commits = 0;
    let mut path = dir.path().join("none");
    for round in 0..ROUNDS {
        path = dir.path().join(format!("ledger-{round}.db"));
        let (record, all, made) = ours(&path, &events);
        commits = made;
        let bare = bare(&path, &dir.path().join(format!("bare-{round}.db")));
        for (best, this) in best.iter_mut().zip([record, all, bare]) {
            *best = this.min(*best);
        }
    }
    let each = |time: Duration| time.as_nanos() as f64 / count as f64 / 1_000.0;
    let [record, all, bare] = best;
    println!("calls                          {count}, best of {ROUNDS} rounds");
    println!(
        "record, caller's thread        {:.3} us a call",
        each(record)
    );
    println!(
        "recorded to durable            {:.3} us a call, {:.0} calls/s",
        each(all),
        count as f64 / all.as_secs_f64()
    );
    println!(
        "commits                        {commits} for {} groups",
        count.div_ceil(GROUP)
    );
    println!(
        "bare SQLite, same rows         {:.3} us a call, {:.0} calls/s",
        each(bare),
        count as f64 / bare.as_secs_f64()
    );
    println!(
        "ratio                          {:.2} (goal: at most 1.30)",
        all.as_secs_f64() / bare.as_secs_f64()
    );
    let stats = Reader::open(&path).unwrap().stats().unwrap();
    println!(
        "bytes a call                   {}",
        stats.file_bytes / count as u64
    );
    report(&path);
}

/// One thread: `record` until a group is full, then `flush`. The time in `record`, and of everything.
fn ours(path: &Path, events: &[Event]) -> (Duration, Duration, u64) {
    let ledger = Ledger::open(LedgerOptions::new(path), Clock::system()).unwrap();
    let mut recording = Duration::ZERO;
    let started = Instant::now();
    for group in events.chunks(GROUP) {
        let handing_over = Instant::now();
        for event in group {
            ledger.record(event);
        }
        recording += handing_over.elapsed();
        assert!(ledger.flush(Duration::from_secs(60)));
    }
    let all = started.elapsed();
    let commits = ledger.state().commits;
    assert!(ledger.close(Duration::from_secs(60)));
    (recording, all, commits)
}

/// The rows of a ledger, written to the same tables by nothing but a prepared insert each, in the same groups.
fn bare(ledger: &Path, path: &Path) -> Duration {
    let source = Connection::open(ledger).unwrap();
    let rows = |sql: &str| -> Vec<Vec<Value>> {
        let mut statement = source.prepare(sql).unwrap();
        let columns = statement.column_count();
        let read = statement
            .query_map(params![], |row| (0..columns).map(|i| row.get(i)).collect())
            .unwrap();
        read.collect::<Result<_, _>>().unwrap()
    };
    let calls = rows("SELECT * FROM call ORDER BY at");
    let parts = rows("SELECT part.* FROM part JOIN call ON call.id = part.call ORDER BY at");
    let conn = Connection::open(path).unwrap();
    let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -8192; PRAGMA wal_autocheckpoint = 2000;";
    conn.execute_batch(pragmas).unwrap();
    let tables = "SELECT sql FROM sqlite_schema WHERE name IN ('call', 'part', 'call_outside') AND sql IS NOT NULL";
    for table in rows(tables) {
        let [Value::Text(sql)] = table.as_slice() else {
            panic!("no table")
        };
        conn.execute_batch(sql).unwrap();
    }
    let started = Instant::now();
    for (calls, parts) in calls.chunks(GROUP).zip(parts.chunks(GROUP)) {
        conn.execute_batch("BEGIN IMMEDIATE").unwrap();
        {
            let mut put_call = conn
                .prepare_cached("INSERT INTO call VALUES(?,?,?,?,?,?,?,?,?,?,?)")
                .unwrap();
            let mut put_part = conn
                .prepare_cached("INSERT INTO part VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)")
                .unwrap();
            for (call, part) in calls.iter().zip(parts) {
                put_call.execute(rusqlite::params_from_iter(call)).unwrap();
                put_part.execute(rusqlite::params_from_iter(part)).unwrap();
            }
        }
        conn.execute_batch("COMMIT").unwrap();
    }
    started.elapsed()
}

fn report(path: &Path) {
    let reader = Reader::open(path).unwrap();
    let query = Query::default().by([Dimension::Provider, Dimension::Model, Dimension::Day]);
    let mut best = Duration::MAX;
    let mut calls = 0;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        calls = reader.report(&query).unwrap().total.calls;
        best = best.min(started.elapsed());
    }
    println!(
        "report by provider, model, day {:.1} ms for {calls} calls",
        best.as_secs_f64() * 1e3
    );
    let started = Instant::now();
    let problems = reader.verify().unwrap().len();
    println!(
        "verify                         {:.0} ms, {problems} problems",
        started.elapsed().as_secs_f64() * 1e3
    );
    let started = Instant::now();
    drop(Ledger::open(LedgerOptions::new(path), Clock::system()).unwrap());
    println!(
        "open                           {:.1} ms",
        started.elapsed().as_secs_f64() * 1e3
    );
}
