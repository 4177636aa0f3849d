//! What was damaged, and what is no ledger.

use crate::{SOON, attempt, call, dump, folder, open, record};
use campanile_core::{Clock, SessionId};
use campanile_sinks::ledger::{Ledger, LedgerErrorKind, LedgerOptions, Reader};
use std::path::Path;

#[test]
fn a_flipped_bit_is_found_or_changes_nothing() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    for id in 0..300 {
        let mut event = call(
            id << 80 | id,
            vec![attempt(1, id as u64 + 3, "0.001234567")],
        );
        event.session = SessionId::new(&format!("session-{}", id / 10)).ok();
        record(&ledger, event);
    }
    assert!(ledger.close(SOON));
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let good = std::fs::read(&path).unwrap();
    let truth = dump(&path);

    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut found = 0;
    for round in 0..400 {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Behind the header: its damage is found at opening.
        let at = 100 + (seed >> 20) as usize % (good.len() - 100);
        let mut bad = good.clone();
        bad[at] ^= 1 << (seed & 7);
        let copy = path.with_file_name("copy.db");
        std::fs::write(&copy, &bad).unwrap();
        let Ok(reader) = Reader::open(&copy) else {
            found += 1;
            continue;
        };
        match reader.verify() {
            Ok(problems) if problems.is_empty() => {
                assert_eq!(dump(&copy), truth, "round {round}, byte {at}");
            }
            _ => found += 1,
        }
    }
    assert!(found > 50, "only {found} flips were seen");
}

#[test]
fn verify_names_the_row_that_was_changed_or_is_gone() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    for id in 1..=3 {
        record(&ledger, call(id, vec![attempt(1, 10, "0.1")]));
    }
    assert!(ledger.close(SOON));
    let conn = rusqlite::Connection::open(&path).unwrap();
    let hex = |id: u128| format!("{id:032X}");

    conn.execute_batch(
        "UPDATE part SET pico = pico + 1 WHERE call = x'00000000000000000000000000000002'",
    )
    .unwrap();
    conn.execute_batch("DELETE FROM call WHERE id = x'00000000000000000000000000000003'")
        .unwrap();

    let problems = Reader::open(&path).unwrap().verify().unwrap();
    let rows: Vec<_> = problems
        .iter()
        .map(|problem| (problem.table, problem.row.as_str()))
        .collect();
    let part = format!("{}/1", hex(2));
    assert_eq!(rows, [("part", part.as_str()), ("day", "2026-11-24")]);
}

#[test]
fn what_is_no_ledger_is_refused_with_advice() {
    let (_dir, path) = folder();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let opens = |path: &Path| Ledger::open(LedgerOptions::new(path), Clock::system()).map(drop);

    std::fs::write(&path, "this is a text, and not short either".repeat(100)).unwrap();
    let text = opens(&path).unwrap_err();
    assert_eq!(text.kind(), LedgerErrorKind::NotADatabase);
    assert!(
        text.to_string().contains("campanile.db: this file is no"),
        "{text}"
    );
    assert_eq!(
        Reader::open(&path).unwrap_err().kind(),
        LedgerErrorKind::NotADatabase
    );

    let other = path.with_file_name("other.db");
    let conn = rusqlite::Connection::open(&other).unwrap();
    conn.execute_batch("CREATE TABLE notes(text)").unwrap();
    assert_eq!(
        opens(&other).unwrap_err().kind(),
        LedgerErrorKind::NotADatabase
    );
    let tables = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
        row.get::<_, i64>(0)
    });
    assert_eq!(tables.unwrap(), 1);

    let newer = path.with_file_name("newer.db");
    drop(open(&newer));
    let conn = rusqlite::Connection::open(&newer).unwrap();
    conn.execute_batch("PRAGMA user_version = 99").unwrap();
    assert_eq!(opens(&newer).unwrap_err().kind(), LedgerErrorKind::Newer);
    assert_eq!(
        Reader::open(&newer).unwrap_err().kind(),
        LedgerErrorKind::Newer
    );

    let missing = path.with_file_name("missing.db");
    assert_eq!(
        Reader::open(&missing).unwrap_err().kind(),
        LedgerErrorKind::Missing
    );
    assert!(!missing.exists());

    let below_a_file = path.join("campanile.db");
    assert_eq!(
        opens(&below_a_file).unwrap_err().kind(),
        LedgerErrorKind::Folder
    );
}
