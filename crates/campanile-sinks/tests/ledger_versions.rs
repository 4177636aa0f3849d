//! Ledgers of each older version: read as they are, and brought up to date without a loss.
//!
//! A new version of the tables adds a file here, written by the last program that had the old one.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use campanile_core::Clock;
use campanile_sinks::ledger::{Dimension, Ledger, LedgerOptions, Query, Reader};
use rusqlite::Connection;
use std::{ops::ControlFlow, path::Path, time::Duration};

const VERSIONS: [&[&str]; 6] = [
    &[VERSION_1],
    &[VERSION_1, VERSION_2],
    &[VERSION_3],
    &[VERSION_3, VERSION_4],
    &[VERSION_3, VERSION_4, VERSION_5],
    &[VERSION_3, VERSION_4, VERSION_5, VERSION_6],
];

const VERSION_1: &str = include_str!("ledgers/version_1.sql");
const VERSION_3: &str = include_str!("ledgers/version_3.sql");
/// What version 4 brought.
const VERSION_4: &str = "
CREATE TABLE outbox(seq INTEGER PRIMARY KEY, call BLOB NOT NULL) STRICT;
CREATE TABLE cursor(sink TEXT NOT NULL PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
PRAGMA user_version = 4;";
/// What version 2 brought.
const VERSION_2: &str = "
CREATE TABLE owed(
  alert TEXT NOT NULL, target TEXT NOT NULL, due INTEGER NOT NULL, tries INTEGER NOT NULL, PRIMARY KEY(alert, target)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 2;";
/// What version 5 brought.
const VERSION_5: &str = "
CREATE TABLE archive(
  month TEXT NOT NULL PRIMARY KEY, first INTEGER NOT NULL, until INTEGER NOT NULL, file TEXT NOT NULL,
  calls INTEGER NOT NULL, parts INTEGER NOT NULL, crc INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE shelved(session INTEGER NOT NULL, month TEXT NOT NULL, PRIMARY KEY(session, month)) STRICT, WITHOUT ROWID;
PRAGMA user_version = 5;";

/// What version 6 brought.
const VERSION_6: &str = "DELETE FROM slice; PRAGMA user_version = 6;";

/// All that a reader says of a ledger.
fn told(path: &Path) -> String {
    let reader = Reader::open(path).unwrap();
    let mut told = String::new();
    let damaged = reader.dump(|line| {
        told += &format!("{line}\n");
        ControlFlow::Continue(())
    });
    assert_eq!(damaged.unwrap(), 0);
    let by = [Dimension::Provider, Dimension::Stage, Dimension::Outcome];
    for query in [
        Query::default().by(by),
        Query::default().by([Dimension::Session]),
    ] {
        told += &serde_json::to_string_pretty(&reader.report(&query).unwrap()).unwrap();
        told += &format!("{:?}", reader.latency(&query).unwrap());
    }
    for session in reader.sessions(&Query::default()).unwrap() {
        let detail = reader.session(&session.session).unwrap().unwrap();
        told += &serde_json::to_string_pretty(&detail).unwrap();
    }
    told += &format!("{:?}", reader.errors(&Query::default()).unwrap());
    assert_eq!(reader.verify().unwrap(), []);
    told
}

#[test]
fn an_older_ledger_says_the_same_before_and_after() {
    for (version, steps) in (1..).zip(VERSIONS) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("campanile.db");
        let conn = Connection::open(&path).unwrap();
        steps
            .iter()
            .for_each(|step| conn.execute_batch(step).unwrap());
        drop(conn);
        let before = told(&path);
        assert_eq!(
            Reader::open(&path).unwrap().stats().unwrap().version,
            version
        );

        let ledger = Ledger::open(LedgerOptions::new(&path), Clock::system()).unwrap();

        assert!(told(&path) == before, "{}\n{before}", told(&path));
        assert!(ledger.close(Duration::from_secs(60)));
        assert!(told(&path) == before, "{}\n{before}", told(&path));
        let stats = Reader::open(&path).unwrap().stats().unwrap();
        assert!(stats.version > version && stats.calls == 10, "{stats:?}");
        assert!(stats.summed_calls >= 3, "{stats:?}");
    }
}
