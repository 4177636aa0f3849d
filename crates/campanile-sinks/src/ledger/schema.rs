//! The tables, and how a file becomes a ledger.

use super::{Durability, LedgerError, LedgerErrorKind};
use campanile_core::Timestamp;
use rusqlite::{Connection, OpenFlags, types::ValueRef};
use std::{path::Path, time::Duration};

/// What the header of the file says it is: `CAMP`.
const APPLICATION: i64 = 0x4341_4d50;
/// The version of the tables. Each step of [`MIGRATIONS`] makes the next one.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// The version that brought sums of hours.
pub(super) const SUMMED: i64 = 3;

/// The version that brought archives.
pub(super) const ARCHIVED: i64 = 5;

/// The version whose sums tell kinds of waste.
pub(super) const BY_KIND: i64 = 6;

/// How long SQLite waits for another writer before it says that it is busy.
const BUSY: Duration = Duration::from_secs(2);

/// One step: tables, and what fills them from those that are there.
type Step = (&'static str, fn(&Connection) -> rusqlite::Result<()>);

/// Steps from an empty file to the tables of today. A step is never changed once it was released.
const MIGRATIONS: [Step; 7] = [
    (VERSION_1, |_| Ok(())),
    (VERSION_2, |_| Ok(())),
    (VERSION_3, super::fill::version_3),
    (VERSION_4, |_| Ok(())),
    (VERSION_5, |_| Ok(())),
    (VERSION_6, |_| Ok(())),
    (VERSION_7, |_| Ok(())),
];

const VERSION_1: &str = r"
CREATE TABLE name(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, crc INTEGER NOT NULL) STRICT;

CREATE TABLE run(
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, pid INTEGER NOT NULL,
  started_at INTEGER NOT NULL, seen_at INTEGER NOT NULL, ended_at INTEGER, crashed INTEGER
) STRICT;
CREATE INDEX run_open ON run(id) WHERE ended_at IS NULL;

CREATE TABLE session(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, run INTEGER, started_at INTEGER,
  ended_at INTEGER, reason INTEGER, totals BLOB, crc INTEGER NOT NULL
) STRICT;
CREATE INDEX session_open ON session(run) WHERE ended_at IS NULL AND started_at IS NOT NULL;

CREATE TABLE call(
  id BLOB NOT NULL PRIMARY KEY, at INTEGER NOT NULL, stage INTEGER NOT NULL, session INTEGER, turn INTEGER,
  outcome INTEGER NOT NULL, run INTEGER NOT NULL, failure INTEGER, outside TEXT, body BLOB NOT NULL,
  crc INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX call_outside ON call(outside) WHERE outside IS NOT NULL;

-- Calls that have parts and are not over.
CREATE TABLE open(
  call BLOB NOT NULL PRIMARY KEY, run INTEGER NOT NULL, at INTEGER NOT NULL, stage INTEGER NOT NULL,
  session INTEGER, turn INTEGER, crc INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX open_run ON open(run);

-- `rev` counts from the revision of a closed call. `more_*` is how far the upper bound is above the lower one
-- (NULL: there is none), so that sums of all four columns are exact.
CREATE TABLE part(
  call BLOB NOT NULL, part INTEGER NOT NULL, rev INTEGER NOT NULL, day INTEGER NOT NULL,
  provider INTEGER, model INTEGER, flags INTEGER NOT NULL,
  pico INTEGER, rest INTEGER, more_pico INTEGER, more_rest INTEGER,
  usage BLOB, body BLOB NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY(call, part)
) STRICT, WITHOUT ROWID;

CREATE TABLE turn(
  session INTEGER NOT NULL, turn INTEGER NOT NULL, at INTEGER NOT NULL, run INTEGER NOT NULL,
  body BLOB NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY(session, turn)
) STRICT, WITHOUT ROWID;

CREATE TABLE alert(
  id TEXT NOT NULL PRIMARY KEY, at INTEGER NOT NULL, json TEXT NOT NULL, crc INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Texts of a failure, once for each fingerprint (`id` is the number of its name).
CREATE TABLE failure(
  id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, code INTEGER, at INTEGER NOT NULL, chain TEXT NOT NULL,
  backtrace TEXT, crc INTEGER NOT NULL
) STRICT;

-- Sums of calls that did not fit into memory while nothing could be written.
CREATE TABLE fold(
  run INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, stage INTEGER NOT NULL, provider INTEGER,
  model INTEGER, outcome INTEGER NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY(run, seq)
) STRICT, WITHOUT ROWID;

-- What each UTC day should come to.
CREATE TABLE day(
  day INTEGER PRIMARY KEY, calls INTEGER NOT NULL, parts INTEGER NOT NULL, at_least TEXT NOT NULL,
  more TEXT NOT NULL, unbounded INTEGER NOT NULL, crc INTEGER NOT NULL
) STRICT;
";

const VERSION_2: &str = r"
-- Who is still to be told of an alert. `due`: not before then; who tells it moves it on, so that one does at a time.
CREATE TABLE owed(
  alert TEXT NOT NULL, target TEXT NOT NULL, due INTEGER NOT NULL, tries INTEGER NOT NULL, PRIMARY KEY(alert, target)
) STRICT, WITHOUT ROWID;
";

const VERSION_3: &str = r"
-- Bounds of the ids of an hour's calls, in milliseconds, `high` excluded. They only grow.
CREATE TABLE hour(hour INTEGER PRIMARY KEY, low INTEGER NOT NULL, high INTEGER NOT NULL) STRICT;

-- Sums of all calls of an hour whose ids are within bounds. Built in the background (NULL: being built), and gone as
-- soon as something about one of these calls is written.
CREATE TABLE slice(
  id INTEGER PRIMARY KEY, hour INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL,
  made_at INTEGER NOT NULL, sums BLOB, times BLOB, crc INTEGER NOT NULL
) STRICT;
CREATE INDEX slice_hour ON slice(hour, low);
CREATE INDEX slice_high ON slice(high, low);

-- Ids of a session's calls, at least of those in slices.
CREATE TABLE visit(
  session INTEGER NOT NULL, block INTEGER NOT NULL, calls BLOB NOT NULL, crc INTEGER NOT NULL,
  PRIMARY KEY(session, block)
) STRICT, WITHOUT ROWID;

CREATE INDEX call_failed ON call(failure, at, stage, session) WHERE failure IS NOT NULL;

-- Turns by the hour of their beginning, always complete.
CREATE TABLE turn_hour(hour INTEGER PRIMARY KEY, body BLOB NOT NULL, crc INTEGER NOT NULL) STRICT;
CREATE INDEX turn_at ON turn(at);
";

const VERSION_4: &str = r"
-- What remote sinks have still to be told, in the order of the commits: ids of calls, names of folds. Only written while
-- there is a cursor; the row of the last cursor stays, so that numbers go on.
CREATE TABLE outbox(seq INTEGER PRIMARY KEY, call BLOB NOT NULL) STRICT;

-- How far each remote sink has come.
CREATE TABLE cursor(sink TEXT NOT NULL PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

const VERSION_5: &str = r"
-- Months that were moved into files: each UTC month before the last one is there, or had nothing.
CREATE TABLE archive(
  month TEXT NOT NULL PRIMARY KEY, first INTEGER NOT NULL, until INTEGER NOT NULL, file TEXT NOT NULL,
  calls INTEGER NOT NULL, parts INTEGER NOT NULL, crc INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Which of them a session has something in.
CREATE TABLE shelved(session INTEGER NOT NULL, month TEXT NOT NULL, PRIMARY KEY(session, month)) STRICT, WITHOUT ROWID;
";

const VERSION_6: &str = r"
-- Sums of hours that do not tell kinds of waste. They are built anew.
DELETE FROM slice;
";

const VERSION_7: &str = r"
-- The highest number that the outbox had when the cursor of a remote sink was taken away. Numbers never begin anew, also
-- where none is left: a remote takes what has a lower number than it knows for older.
CREATE TABLE told(seq INTEGER PRIMARY KEY) STRICT;
INSERT INTO told VALUES(0);
";

/// Tables whose rows carry a checksum of all their other columns, as the last one, what names a row of them, and the
/// version that brought them.
pub(super) const SEALED: [(&str, &str, i64); 14] = [
    ("name", "id", 1),
    ("session", "name", 1),
    ("call", "hex(id)", 1),
    ("open", "hex(call)", 1),
    ("part", "hex(call) || '/' || part", 1),
    ("turn", "session || '/' || turn", 1),
    ("alert", "id", 1),
    ("failure", "id", 1),
    ("fold", "run || '/' || seq", 1),
    ("day", "day", 1),
    ("slice", "id", 3),
    ("visit", "session || '/' || block", 3),
    ("turn_hour", "hour", 3),
    ("archive", "month", 5),
];

/// The UTC day of a moment, from 1970-01-01.
pub(super) fn day_of(at: i64) -> i64 {
    at.div_euclid(Timestamp::DAY_US)
}

/// One value of a row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Val<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Blob(&'a [u8]),
}

impl Val<'_> {
    pub(super) fn maybe(value: Option<i64>) -> Self {
        value.map_or(Self::Null, Self::Int)
    }
}

impl rusqlite::ToSql for Val<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(rusqlite::types::ToSqlOutput::Borrowed(match *self {
            Val::Null => ValueRef::Null,
            Val::Int(value) => ValueRef::Integer(value),
            Val::Text(text) => ValueRef::Text(text.as_bytes()),
            Val::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The checksum of a row: over kind, length and bytes of each value.
#[derive(Debug, Default)]
pub(super) struct Seal(Vec<u8>);

impl Seal {
    pub(super) fn of(&mut self, row: &[Val<'_>]) -> i64 {
        self.0.clear();
        for val in row {
            match *val {
                Val::Null => self.0.push(0),
                Val::Int(value) => self.int(value),
                Val::Text(text) => self.bytes(2, text.as_bytes()),
                Val::Blob(bytes) => self.bytes(3, bytes),
            }
        }
        self.finish()
    }

    /// The same, of a row that was read.
    pub(super) fn of_row(
        &mut self,
        row: &rusqlite::Row<'_>,
        columns: std::ops::Range<usize>,
    ) -> rusqlite::Result<i64> {
        self.0.clear();
        for column in columns {
            self.value(row.get_ref(column)?);
        }
        Ok(self.finish())
    }

    /// The same, of values that were read.
    pub(super) fn of_values(&mut self, values: &[ValueRef<'_>]) -> i64 {
        self.0.clear();
        values.iter().for_each(|value| self.value(*value));
        self.finish()
    }

    /// Whether values are what their last one, the checksum, says.
    pub(super) fn fits(&mut self, values: &[ValueRef<'_>]) -> bool {
        let Some((crc, values)) = values.split_last() else {
            return false;
        };
        crc.as_i64().ok() == Some(self.of_values(values))
    }

    fn value(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.0.push(0),
            ValueRef::Integer(value) => self.int(value),
            ValueRef::Text(bytes) => self.bytes(2, bytes),
            ValueRef::Blob(bytes) => self.bytes(3, bytes),
            ValueRef::Real(_) => self.0.push(4),
        }
    }

    /// Whether a row is as it was written: its checksum is in the column `crc`, behind all others.
    pub(super) fn holds(&mut self, row: &rusqlite::Row<'_>, crc: usize) -> rusqlite::Result<bool> {
        let said = row.get_ref(crc)?.as_i64().ok();
        Ok(said == Some(self.of_row(row, 0..crc)?))
    }

    fn int(&mut self, value: i64) {
        self.0.push(1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, kind: u8, bytes: &[u8]) {
        self.0.push(kind);
        self.0
            .extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    /// As a signed number, which takes four bytes where an unsigned one takes six.
    fn finish(&self) -> i64 {
        i64::from(crc32fast::hash(&self.0) as i32)
    }
}

/// Opens a ledger for writing; makes its tables where there are none.
pub(super) fn open(path: &Path, durability: Durability) -> Result<Connection, LedgerError> {
    let sql = |error| LedgerError::sql(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(sql)?;
    conn.busy_timeout(BUSY).map_err(sql)?;
    check(&conn, path)?;
    let sync = durability.synchronous();
    conn.execute_batch(&format!(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = {sync}; PRAGMA cache_size = -8192;
         PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 2000;"
    ))
    .map_err(sql)?;
    conn.set_prepared_statement_cache_capacity(64);
    migrate(&mut conn, path)?;
    Ok(conn)
}

/// Says whether a file is a ledger (or nothing yet), and returns the version of its tables.
pub(super) fn check(conn: &Connection, path: &Path) -> Result<i64, LedgerError> {
    // One view: another process may be making the tables between two looks.
    let header = || {
        let view = conn
            .is_autocommit()
            .then(|| conn.unchecked_transaction())
            .transpose()?;
        let number = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
        let tables = number("SELECT count(*) FROM sqlite_schema")?;
        let header = (
            number("PRAGMA application_id")?,
            number("PRAGMA user_version")?,
            tables,
        );
        drop(view);
        Ok(header)
    };
    let (application, version, tables) = header().map_err(|error| LedgerError::sql(path, error))?;
    if application != APPLICATION && (application != 0 || version != 0 || tables != 0) {
        let reason = "it is a database of another program";
        return Err(LedgerError::new(
            LedgerErrorKind::NotADatabase,
            path,
            reason,
        ));
    }
    if version > VERSION {
        let reason = format!("its tables have version {version}, known are {VERSION}");
        return Err(LedgerError::new(LedgerErrorKind::Newer, path, reason));
    }
    Ok(version)
}

/// The tables of a version, in memory.
pub(super) fn blank(version: i64) -> rusqlite::Result<Connection> {
    let conn = Connection::open_in_memory()?;
    let steps = usize::try_from(version).unwrap_or(0).min(MIGRATIONS.len());
    for (tables, _) in &MIGRATIONS[..steps] {
        conn.execute_batch(tables)?;
    }
    Ok(conn)
}

fn migrate(conn: &mut Connection, path: &Path) -> Result<(), LedgerError> {
    if check(conn, path)? == VERSION {
        return Ok(());
    }
    let sql = |error| LedgerError::sql(path, error);
    let tx = conn
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(sql)?;
    // Another process may have been faster.
    let version = check(&tx, path)?;
    for (tables, fill) in &MIGRATIONS[version as usize..] {
        tx.execute_batch(tables)
            .and_then(|()| fill(&tx))
            .map_err(sql)?;
    }
    tx.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};"
    ))
    .map_err(sql)?;
    tx.commit().map_err(sql)
}
