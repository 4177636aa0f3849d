//! Moving old months into files that never change: a compressed ledger a month.
//!
//! ```text
//!  close the month ─▶ copy ─▶ verify ─▶ compress, sync, rename ─▶ read it there from now on ─▶ delete here, in small steps
//! ```
//!
//! Nothing can be added to a month that is closed: what is acknowledged before is in the copy, what comes later is refused.
//! What is killed in between is begun anew, or gone on with. The sums of hours stay in the ledger, so that reports of whole
//! hours need no archive.

use super::{
    Durability, LedgerError, LedgerErrorKind, Reader, patiently,
    reader::{Archive, archives, horizon},
    schema::{self, Seal, Val, day_of},
    span::{first_id, hour_of},
    writer::instant,
};
use campanile_core::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// So long after its end a month stays: an event that is told again within this time must find its id.
const REPLAY_US: i64 = 35 * Timestamp::DAY_US;
/// Calls that one transaction deletes, and pages that it gives back.
const STEP: usize = 500;
const PAGES: usize = 200;
/// Between two steps others write, for at least so long.
const PAUSE: Duration = Duration::from_millis(2);
/// Where others write all the time, a moment in between is looked for this often, and for a minute.
const LOOK: Duration = Duration::from_millis(1);
const LOOKS: i32 = 60_000;
const LEVEL: i32 = 12;

/// A month that was archived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Archived {
    /// The month: `2026-08`.
    pub month: String,
    /// Its file.
    pub file: PathBuf,
    /// Calls in it.
    pub calls: u64,
    /// Attempts in it.
    pub parts: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Moves each UTC month that ended before `before`, and 35 days before `now`, into an archive beside the ledger. It may run
/// beside programs that write: it takes small steps. A month stays as long as one of its calls is open, or a remote sink has
/// to be told of one.
///
/// What is older than an archive can no longer be told apart from what was counted: from then on it is refused.
///
/// # Errors
///
/// When the ledger cannot be read or written, or is damaged: nothing is moved then that was not copied and verified. When
/// another program archives it at the moment.
pub fn archive(
    path: impl AsRef<Path>,
    before: Timestamp,
    now: Timestamp,
) -> Result<Vec<Archived>, LedgerError> {
    let path = path.as_ref();
    let sql = |error| LedgerError::sql(path, error);
    let _alone = alone(path)?;
    let mut conn = patiently(|| schema::open(path, Durability::Durable))?;
    conn.busy_handler(Some(|looked| {
        std::thread::sleep(LOOK);
        looked < LOOKS
    }))
    .map_err(sql)?;
    let end = before.micros().min(now.micros().saturating_sub(REPLAY_US));
    let known = archives(&conn, schema::VERSION).map_err(sql)?;
    // What one that was killed has left.
    reopen(&conn).map_err(sql)?;
    if let Some(last) = known.last() {
        clear(&mut conn, last).map_err(sql)?;
    }
    let mut done = Vec::new();
    while let Some(month) = next_month(&conn, path, end).map_err(sql)? {
        if !close(&mut conn, &month).map_err(sql)? {
            break;
        }
        done.push(shelve(&mut conn, path, month).inspect_err(|_| drop(reopen(&conn)))?);
    }
    give_back(&conn).map_err(sql)?;
    Ok(done)
}

/// Held by the one program that archives a ledger.
fn alone(path: &Path) -> Result<File, LedgerError> {
    let lock = path.with_extension("archive.lock");
    let io = |error| LedgerError::io(LedgerErrorKind::ReadOnly, &lock, error);
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false);
    let file = file.open(&lock).map_err(io)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(_) => {
            let reason = "it is being archived";
            Err(LedgerError::new(LedgerErrorKind::Locked, path, reason))
        }
    }
}

/// The oldest month that is over for good, of those that have anything: what a later one leaves behind is not read any
/// more. It has no counts yet.
fn next_month(conn: &Connection, path: &Path, end: i64) -> rusqlite::Result<Option<Archive>> {
    let floor = horizon(&archives(conn, schema::VERSION)?);
    let oldest: Option<i64> = conn.query_row(
        "SELECT min(at) FROM (
           SELECT min(day) * 86400000000 AS at FROM day WHERE (calls > 0 OR parts > 0) AND day >= ?2
           UNION ALL SELECT min(at) FROM fold WHERE at >= ?1
           UNION ALL SELECT min(at) FROM turn WHERE at >= ?1)",
        [floor, day_of(floor)],
        |row| row.get(0),
    )?;
    Ok(oldest.and_then(|at| {
        let (year, month, _, _) = Timestamp(at).civil();
        let next = match month {
            12 => Timestamp::of_date(year + 1, 1, 1),
            _ => Timestamp::of_date(year, month + 1, 1),
        };
        let first = Timestamp::of_date(year, month, 1)?.micros();
        let until = next?.micros();
        let month = format!("{year:04}-{month:02}");
        (until <= end).then(|| Archive {
            file: format!("{}-{month}.db.zst", stem(path)),
            month,
            first,
            until,
            calls: 0,
            parts: 0,
        })
    }))
}

fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// Closes a month: writers refuse what began before its end from now on, and it is still read here. `false`: a call of it is
/// open, or a remote sink is to be told of one.
fn close(conn: &mut Connection, month: &Archive) -> rusqlite::Result<bool> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let busy = "SELECT EXISTS(SELECT 1 FROM open WHERE at < ?1)
                OR EXISTS(SELECT 1 FROM outbox CROSS JOIN call ON call.id = outbox.call
                          WHERE outbox.seq > (SELECT min(seq) FROM cursor) AND call.at < ?1)";
    if tx.query_row(busy, [month.until], |row| row.get(0))? {
        return Ok(false);
    }
    let nowhere = Archive {
        file: String::new(),
        ..month.clone()
    };
    list(&tx, &nowhere)?;
    tx.commit()?;
    Ok(true)
}

/// Opens a month again that was closed and not moved.
fn reopen(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute("DELETE FROM archive WHERE file = ''", [])
        .map(drop)
}

/// Copies, verifies and compresses one month, notes it, and deletes it here.
fn shelve(conn: &mut Connection, path: &Path, mut month: Archive) -> Result<Archived, LedgerError> {
    let sql = |error| LedgerError::sql(path, error);
    let file = path.with_file_name(&month.file);
    let draft = path.with_file_name(format!("{}-{}.db.tmp", stem(path), month.month));
    remove(&draft);
    let packed = copy(conn, &draft, &mut month)
        .and_then(|()| verify(&draft, &month))
        .and_then(|()| shelve_sessions(conn, &draft, &month.month))
        .and_then(|()| {
            pack(&draft, &file).map_err(|error| LedgerError::io(LedgerErrorKind::Io, &file, error))
        });
    remove(&draft);
    let bytes = packed?;
    note(conn, &month).map_err(sql)?;
    clear(conn, &month).map_err(sql)?;
    Ok(Archived {
        month: month.month,
        file,
        calls: month.calls,
        parts: month.parts,
        bytes,
    })
}

fn remove(draft: &Path) {
    for ending in ["", "-journal", "-wal", "-shm"] {
        let mut file = draft.to_owned().into_os_string();
        file.push(ending);
        let _ = std::fs::remove_file(file);
    }
}

/// Copies what belongs to calls and turns of a month, with the numbers that it has here, and counts them.
fn copy(conn: &Connection, draft: &Path, month: &mut Archive) -> Result<(), LedgerError> {
    let sql = |error| LedgerError::sql(draft, error);
    drop(schema::open(draft, Durability::Fast)?);
    let plain = Connection::open(draft).map_err(sql)?;
    let plain =
        plain.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = NONE; VACUUM;");
    plain.map_err(sql)?;
    let name = draft.to_string_lossy().into_owned();
    conn.execute("ATTACH ?1 AS old", [name]).map_err(sql)?;
    let copied = conn.unchecked_transaction().and_then(|tx| {
        let counts = rows(&tx, month.first, month.until)?;
        tx.commit().map(|()| counts)
    });
    conn.execute_batch("DETACH old").map_err(sql)?;
    (month.calls, month.parts) = copied.map_err(sql)?;
    Ok(())
}

fn rows(conn: &Connection, first: i64, until: i64) -> rusqlite::Result<(u64, u64)> {
    let hours = [hour_of(first), hour_of(until) - 1];
    let (low, high): (Option<i64>, Option<i64>) = conn.query_row(
        "SELECT min(low), max(high) FROM hour WHERE hour BETWEEN ?1 AND ?2",
        hours,
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let (low, high) = (first_id(low.unwrap_or(0)), first_id(high.unwrap_or(0)));
    let bounds: [&dyn rusqlite::ToSql; 4] = [&&low[..16], &&high[..], &first, &until];
    let calls = "INSERT INTO old.call SELECT * FROM main.call
                 WHERE id >= ?1 AND id < ?2 AND at >= ?3 AND at < ?4 ORDER BY id";
    let calls = conn.execute(calls, bounds)?;
    let parts = "INSERT INTO old.part SELECT part.* FROM old.call CROSS JOIN main.part ON part.call = old.call.id
                 ORDER BY part.call, part.part";
    let parts = conn.execute(parts, [])?;
    let turns = "INSERT INTO old.turn SELECT * FROM main.turn WHERE at >= ?1 AND at < ?2";
    conn.execute(turns, [first, until])?;
    let folds = "INSERT INTO old.fold SELECT * FROM main.fold WHERE at >= ?1 AND at < ?2";
    conn.execute(folds, [first, until])?;
    // Without slices and the index: who asks an archive reads its rows.
    for table in ["hour", "turn_hour"] {
        let copy = format!(
            "INSERT INTO old.{table} SELECT * FROM main.{table} WHERE hour BETWEEN ?1 AND ?2"
        );
        conn.execute(&copy, hours)?;
    }
    let days = "INSERT INTO old.day SELECT * FROM main.day WHERE day >= ?1 AND day < ?2";
    conn.execute(days, [day_of(first), day_of(until)])?;
    // Texts of failures stay in the ledger, where they can be forgotten.
    conn.execute_batch(
        "INSERT INTO old.name SELECT * FROM main.name;
         INSERT INTO old.session SELECT * FROM main.session WHERE id IN (
           SELECT session FROM old.call WHERE session IS NOT NULL UNION SELECT session FROM old.turn);",
    )?;
    Ok((calls as u64, parts as u64))
}

/// A month is only moved when its copy is whole.
fn verify(draft: &Path, month: &Archive) -> Result<(), LedgerError> {
    let reader = Reader::open(draft)?;
    let stats = reader.stats()?;
    let problems = reader.verify()?;
    let reason = match problems.first() {
        Some(problem) => format!("{} {}: {}", problem.table, problem.row, problem.what),
        None if (stats.calls, stats.parts) != (month.calls, month.parts) => {
            format!("{} calls were copied, not {}", month.calls, stats.calls)
        }
        None => return Ok(()),
    };
    Err(LedgerError::new(LedgerErrorKind::Damaged, draft, reason))
}

/// Compresses a file, and puts it in its place for certain. Returns its length.
fn pack(draft: &Path, file: &Path) -> io::Result<u64> {
    let half = file.with_extension("half");
    let mut encoder = zstd::Encoder::new(File::create(&half)?, LEVEL)?;
    encoder.include_checksum(true)?;
    io::copy(&mut File::open(draft)?, &mut encoder)?;
    let mut packed = encoder.finish()?;
    packed.flush()?;
    packed.sync_all()?;
    std::fs::rename(&half, file)?;
    if let Some(folder) = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        File::open(folder)?.sync_all()?;
    }
    Ok(file.metadata()?.len())
}

/// Writes a month's row in the list of archives.
fn list(conn: &Connection, archive: &Archive) -> rusqlite::Result<()> {
    let row = [
        Val::Text(&archive.month),
        Val::Int(archive.first),
        Val::Int(archive.until),
        Val::Text(&archive.file),
        Val::Int(archive.calls as i64),
        Val::Int(archive.parts as i64),
    ];
    let crc = Seal::default().of(&row);
    let [month, first, until, file, calls, parts] = row;
    conn.execute(
        "INSERT OR REPLACE INTO archive VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (month, first, until, file, calls, parts, crc),
    )
    .map(drop)
}

/// Notes which sessions have something in a month, before anybody asks its archive.
fn shelve_sessions(conn: &mut Connection, draft: &Path, month: &str) -> Result<(), LedgerError> {
    let old = Connection::open(draft).and_then(|old| {
        let mut sessions = old.prepare("SELECT id FROM session")?;
        let sessions = sessions.query_map([], |row| row.get(0))?;
        sessions.collect::<rusqlite::Result<Vec<i64>>>()
    });
    let sessions = old.map_err(|error| LedgerError::sql(draft, error))?;
    for some in sessions.chunks(STEP) {
        step(conn, |tx| {
            let mut insert = tx.prepare_cached("INSERT OR IGNORE INTO shelved VALUES(?1, ?2)")?;
            some.iter()
                .try_for_each(|id| insert.execute((id, month)).map(drop))
        })
        .map_err(|error| LedgerError::sql(draft, error))?;
    }
    Ok(())
}

/// One short transaction, and a pause as long as it: half of the time is left to others, who come and look for it.
fn step<T>(
    conn: &mut Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let begun = instant();
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = work(&tx)?;
    tx.commit()?;
    std::thread::sleep(begun.elapsed().max(PAUSE));
    Ok(done)
}

/// From now on the month is read from its archive.
fn note(conn: &mut Connection, archive: &Archive) -> rusqlite::Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    list(&tx, archive)?;
    let days = "DELETE FROM day WHERE day >= ?1 AND day < ?2";
    tx.execute(days, [day_of(archive.first), day_of(archive.until)])?;
    tx.commit()
}

/// Deletes what is in an archive, a few calls at a time.
fn clear(conn: &mut Connection, archive: &Archive) -> rusqlite::Result<()> {
    let hours = [hour_of(archive.first), hour_of(archive.until) - 1];
    let spans: Vec<(i64, i64)> = conn
        .prepare("SELECT low, high FROM hour WHERE hour BETWEEN ?1 AND ?2")?
        .query_map(hours, |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut ids = Vec::new();
    for (low, high) in spans {
        let mut from = first_id(low)[..16].to_vec();
        // A few at a time, since an hour may hold millions; and of several hours, since it may hold two.
        while let Some(last) = some_of(conn, archive, &from, high, &mut ids)? {
            if ids.len() >= STEP {
                delete(conn, &ids)?;
                ids.clear();
            }
            from = last;
            from.push(0);
        }
    }
    delete(conn, &ids)?;
    loop {
        let turns = "DELETE FROM turn WHERE (session, turn) IN (
                       SELECT session, turn FROM turn WHERE at >= ?1 AND at < ?2 LIMIT ?3)";
        let range = (archive.first, archive.until, STEP as i64);
        if step(conn, |tx| tx.execute(turns, range))? == 0 {
            break;
        }
    }
    Ok(())
}

/// Adds ids of a month's calls that are between two, at most so many, to `ids`. Returns the last one.
fn some_of(
    conn: &Connection,
    archive: &Archive,
    from: &[u8],
    high: i64,
    ids: &mut Vec<Vec<u8>>,
) -> rusqlite::Result<Option<Vec<u8>>> {
    let high = first_id(high);
    let bounds: [&dyn rusqlite::ToSql; 5] = [
        &from,
        &&high[..],
        &archive.first,
        &archive.until,
        &(STEP as i64),
    ];
    let sql = "SELECT id FROM call WHERE id >= ?1 AND id < ?2 AND at >= ?3 AND at < ?4 ORDER BY id LIMIT ?5";
    let mut found: Vec<Vec<u8>> = conn
        .prepare_cached(sql)?
        .query_map(bounds, |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let last = found.last().cloned();
    ids.append(&mut found);
    Ok(last)
}

/// Deletes calls and their parts in one transaction, and lets others write.
fn delete(conn: &mut Connection, ids: &[Vec<u8>]) -> rusqlite::Result<()> {
    step(conn, |tx| {
        let mut parts = tx.prepare_cached("DELETE FROM part WHERE call = ?1")?;
        let mut calls = tx.prepare_cached("DELETE FROM call WHERE id = ?1")?;
        ids.iter().try_for_each(|id| {
            parts.execute([id])?;
            calls.execute([id]).map(drop)
        })
    })
}

/// Gives free pages back to the disk, some at a time. (Ledgers of older versions keep theirs, and use them again.)
fn give_back(conn: &Connection) -> rusqlite::Result<()> {
    let free =
        |conn: &Connection| conn.query_row("PRAGMA freelist_count", [], |row| row.get::<_, i64>(0));
    let mut left = free(conn)?;
    while left > 0 {
        let begun = instant();
        let mut step = conn.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
        let mut rows = step.query([])?;
        while rows.next()?.is_some() {}
        drop(rows);
        let now = free(conn)?;
        if now >= left {
            break;
        }
        left = now;
        std::thread::sleep(begun.elapsed().max(PAUSE));
    }
    Ok(())
}
