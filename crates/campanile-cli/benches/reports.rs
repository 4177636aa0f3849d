//! How long reports take over a million calls: `cargo bench -p campanile-cli --bench reports [-- CALLS [DAYS]]`.
//!
//! The ledger is made once, through its own door, and kept in `target`.

#[path = "../tests/cli/busy.rs"]
mod busy;

use busy::{CALLS, session};
use campanile_core::{Clock, Event, Sink, Timestamp};
use campanile_sinks::ledger::{Ledger, LedgerOptions};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

type Done<T = ()> = Result<T, Box<dyn std::error::Error>>;

const ROUNDS: usize = 9;

#[expect(clippy::print_stdout, reason = "a bench prints")]
fn say(line: &str) {
    println!("{line}");
}

/// A ledger of so many calls, and a session in its middle.
fn make(calls: u64, days: i64) -> Done<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("reports-{calls}-{days}"));
    let (path, note) = (folder.join("campanile.db"), folder.join("session"));
    let sessions = calls / CALLS;
    if !note.exists() {
        say(&format!("making a ledger of {calls} calls"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        let ledger = Ledger::open(LedgerOptions::new(&path), Clock::system())?;
        let end = Timestamp::now();
        let mut middle = String::new();
        for n in 0..sessions {
            let events = session(n, sessions, days, end);
            if n == sessions / 2
                && let Some(Event::Session(start)) = events.first()
            {
                middle = start.session.to_string();
            }
            events.iter().for_each(|event| ledger.record(event));
            if n % 256 == 0 {
                ledger.flush(Duration::from_secs(60));
            }
        }
        if !ledger.close(Duration::from_secs(600)) {
            return Err("the ledger was not closed in time".into());
        }
        fs::write(&note, middle)?;
    }
    Ok((path, fs::read_to_string(note)?))
}

fn measure(path: &Path, words: &[&str]) -> Done {
    let clock = Clock::system();
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let begun = clock.tick();
        let done = Command::new(env!("CARGO_BIN_EXE_campanile"))
            .arg("--ledger")
            .arg(path)
            .args(words)
            .env_remove("CAMPANILE_CONFIG")
            .stderr(Stdio::inherit())
            .output()?;
        times.push(clock.tick().since(begun).0 / 1_000);
        bytes = done.stdout.len();
        if !done.status.success() {
            return Err(format!("{words:?}: {}", done.status).into());
        }
    }
    times.sort_unstable();
    let ms = |us: u64| us as f64 / 1_000.0;
    say(&format!(
        "{:<58} {:>8.1} {:>8.1} ms {bytes:>9} bytes",
        words.join(" "),
        ms(times[ROUNDS / 2]),
        ms(times[0])
    ));
    Ok(())
}

fn main() -> Done {
    let numbers: Vec<u64> = std::env::args()
        .filter_map(|word| word.parse().ok())
        .collect();
    let (calls, days) = (
        numbers.first().copied().unwrap_or(1_000_000),
        numbers.get(1).copied().unwrap_or(14),
    );
    let (path, session) = make(calls, days as i64)?;
    say(&format!(
        "{calls} calls in {days} days, {} bytes; median and minimum of {ROUNDS}",
        fs::metadata(&path)?.len()
    ));
    for words in [
        &["--version"][..],
        &["report", "--since", "ever"],
        &["report", "--since", "ever", "--by", "day,provider"],
        &["report", "--since", "ever", "--by", "label:tenant"],
        &[
            "report", "--since", "ever", "--by", "session", "--format", "csv",
        ],
        &["latency", "--since", "ever"],
        &["latency", "--since", "3d", "--compare"],
        &["session", &session],
        &["session", &session[28..]],
        &["errors"],
        &["errors", "show", "5f0c"],
        &["sessions", "--since", "1d", "--failed", "--limit", "10"],
        &["report", "--since", "ever", "--format", "html"],
    ] {
        measure(&path, words)?;
    }
    Ok(())
}
