//! A ledger, what is spent in it, and what is told of it.

use campanile::alerts::Watch;
use campanile::config::Config;
use campanile::sinks::ledger::{Ledger, LedgerOptions, Reader};
use campanile::{
    Attempt, CallEvent, Clock, Cost, Event, Ids, Money, Outcome, SessionId, Sink, Tick, TimeSource,
    Timestamp,
};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// 2026-11-24T01:50:29Z.
pub(crate) const NOW: Timestamp = Timestamp(1_795_485_029_000_000);
pub(crate) const HOUR: i64 = 3_600_000_000;
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) fn later(hours: i64) -> Timestamp {
    Timestamp(NOW.0 + hours * HOUR)
}

pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger/campanile.db");
    (dir, path)
}

pub(crate) fn ledger(path: &Path) -> Ledger {
    Ledger::open(LedgerOptions::new(path), Clock::system()).unwrap()
}

/// A watch as a file describes it.
pub(crate) fn watch(path: &Path, budgets: &str) -> Watch {
    let config = Config::parse(budgets, "campanile.toml".as_ref()).unwrap();
    Watch::new(path, config.budgets().unwrap())
}

/// A call of OpenAI's that cost so many cents.
pub(crate) fn call(at: Timestamp, cents: u64) -> CallEvent {
    let mut call = CallEvent::new(Ids::random().next(at), "llm".into(), at, Outcome::Completed);
    let mut attempt = Attempt::new(1);
    attempt.provider = Some("openai".into());
    attempt.model = Some("gpt-4o-mini-2024-07-18".into());
    let cent = Money::from_grains(Money::GRAINS_PER_USD / 100);
    attempt.cost = Some(Cost::exact(cent.checked_mul(cents).unwrap()));
    call.attempts.push(attempt);
    call.session = SessionId::new("call-7").ok();
    call
}

pub(crate) fn spend(ledger: &Ledger, at: Timestamp, cents: u64) {
    ledger.record(&Event::Call(Box::new(call(at, cents))));
    assert!(ledger.flush(SOON));
}

/// Ids of all alerts in the ledger.
pub(crate) fn raised(path: &Path) -> Vec<String> {
    let alerts = Reader::open(path).unwrap().alerts().unwrap();
    let id = |alert: &serde_json::Value| alert["id"].as_str().unwrap().to_owned();
    alerts.iter().map(id).collect()
}

/// Ids of what is new.
pub(crate) fn look(watch: &mut Watch, now: Timestamp) -> Vec<String> {
    let new = watch.look(now).unwrap();
    new.iter().map(|alert| alert.id.to_string()).collect()
}

/// A test that others start, in a process of its own.
pub(crate) fn process(test: &str, vars: &[(&str, &OsStr)]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored"])
        .envs(vars.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A clock that is two minutes ahead: what the dead have begun to tell is free by then.
pub(crate) fn ahead() -> Clock {
    struct Ahead(Clock);
    impl TimeSource for Ahead {
        fn tick(&self) -> Tick {
            self.0.tick()
        }
        fn now(&self) -> Timestamp {
            Timestamp(self.0.now().0 + 120_000_000)
        }
    }
    Clock::new(Ahead(Clock::system()))
}
