//! Old months, each in a compressed file of its own that never changes.

use super::{Reader, connect, plan::Plan, query::Query};
use crate::ledger::{
    LedgerError, LedgerErrorKind, schema,
    schema::{ARCHIVED, Seal},
    span::HOUR_US,
};
use rusqlite::{Connection, OptionalExtension};
use std::{
    collections::{BTreeSet, btree_map::Entry},
    fs::File,
    hash::{BuildHasher, RandomState},
    ops::ControlFlow,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// A month that was moved into a file.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    pub(crate) month: String,
    /// Its first moment, and the first one behind it.
    pub(crate) first: i64,
    pub(crate) until: i64,
    pub(crate) file: String,
    pub(crate) calls: u64,
    pub(crate) parts: u64,
}

/// The archives of a ledger, the oldest first. A month that is being archived is not among them.
///
/// Fails where a row is not as it was written: what it stands for must not be left out without a word.
pub(crate) fn archives(conn: &Connection, version: i64) -> rusqlite::Result<Vec<Archive>> {
    if version < ARCHIVED {
        return Ok(Vec::new());
    }
    let mut statement = conn.prepare_cached("SELECT * FROM archive ORDER BY first")?;
    let mut rows = statement.query([])?;
    let mut seal = Seal::default();
    let mut list = Vec::new();
    while let Some(row) = rows.next()? {
        if !seal.holds(row, 6)? {
            return Err(damaged("the list of archives"));
        }
        let archive = Archive {
            month: row.get(0)?,
            first: row.get(1)?,
            until: row.get(2)?,
            file: row.get(3)?,
            calls: row.get::<_, i64>(4)?.unsigned_abs(),
            parts: row.get::<_, i64>(5)?.unsigned_abs(),
        };
        if !archive.file.is_empty() {
            list.push(archive);
        }
    }
    Ok(list)
}

fn damaged(what: &str) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    let what = format!("{what} is not as it was written");
    rusqlite::Error::SqliteFailure(code, Some(what))
}

/// The first moment that is not in an archive.
pub(crate) fn horizon(archives: &[Archive]) -> i64 {
    archives.last().map_or(i64::MIN, |archive| archive.until)
}

/// Takes what is found; to be asked no more once it breaks.
pub(super) type Each<'a, T> = dyn FnMut(T) -> ControlFlow<()> + 'a;

impl Reader {
    /// Asks the ledger, and each archive that may have something to say; with `sums`, the ledger in place of an archive of
    /// which it has the sums.
    pub(super) fn each_file<T>(
        &self,
        query: &Query,
        sums: bool,
        read: impl FnMut(&Connection, i64, &Query) -> rusqlite::Result<T>,
        mut add: impl FnMut(T),
    ) -> Result<(), LedgerError> {
        self.files(query, sums, read, |more| {
            add(more);
            ControlFlow::Continue(())
        })
    }

    /// Has `walk` hand what it finds in each of these files to `each`, until that breaks: what comes after is not opened.
    /// Returns how many rows were damaged.
    pub(super) fn walk_files<T>(
        &self,
        query: &Query,
        walk: impl Fn(&Connection, i64, &Query, &mut Each<'_, T>) -> rusqlite::Result<u64>,
        mut each: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<u64, LedgerError> {
        let mut damaged = 0;
        let read = |conn: &Connection, version: i64, query: &Query| {
            let mut flow = ControlFlow::Continue(());
            let found = walk(conn, version, query, &mut |one| {
                flow = each(one);
                flow
            })?;
            Ok((found, flow))
        };
        self.files(query, false, read, |(found, flow)| {
            damaged += found;
            flow
        })?;
        Ok(damaged)
    }

    /// One file after the other, in the order of time, until `add` breaks.
    fn files<T>(
        &self,
        query: &Query,
        sums: bool,
        mut read: impl FnMut(&Connection, i64, &Query) -> rusqlite::Result<T>,
        mut add: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        let view = self.sql(self.conn.unchecked_transaction())?;
        let version = self.sql(version_of(&view))?;
        let list = self.sql(archives(&view, version))?;
        let months = self.sql(months_of(&view, version, query))?;
        for archive in &list {
            let asked = months
                .as_ref()
                .is_none_or(|months| months.contains(&archive.month));
            if !asked || query.is_outside(archive.first, archive.until - 1) {
                continue;
            }
            let within = query.within(archive.first, archive.until);
            let answers = sums
                && within.is_of_hours()
                && self.sql(Plan::of(&view, version, &within))?.is_summed();
            let found = match answers {
                true => self.sql(read(&view, version, &within))?,
                false => self.ask(archive, |conn, version| read(conn, version, query))?,
            };
            if add(found).is_break() {
                return Ok(());
            }
        }
        let here = query.above(horizon(&list));
        let _ = add(self.sql(read(&view, version, &here))?);
        Ok(())
    }

    /// Asks an archive.
    pub(super) fn ask<T>(
        &self,
        archive: &Archive,
        read: impl FnOnce(&Connection, i64) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        let path = self.path.with_file_name(&archive.file);
        let mut opened = self.opened.borrow_mut();
        let conn = match opened.entry(archive.month.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(unpack(&path)?),
        };
        let read = version_of(conn).and_then(|version| read(conn, version));
        read.map_err(|error| LedgerError::sql(&path, error))
    }
}

pub(super) fn version_of(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// The archived months that a session has something in; `None`: no session is asked for.
fn months_of(
    conn: &Connection,
    version: i64,
    query: &Query,
) -> rusqlite::Result<Option<BTreeSet<String>>> {
    let Some(session) = query.session_name().filter(|_| version >= ARCHIVED) else {
        return Ok(None);
    };
    let id: Option<i64> = conn
        .prepare_cached("SELECT id FROM session WHERE name = ?1")?
        .query_row([session], |row| row.get(0))
        .optional()?;
    conn.prepare_cached("SELECT month FROM shelved WHERE session = ?1")?
        .query_map([id], |row| row.get(0))?
        .collect::<Result<_, _>>()
        .map(Some)
}

/// Opens what is in a compressed archive, in a file that has no name any more.
pub(crate) fn unpack(path: &Path) -> Result<Connection, LedgerError> {
    let io = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => LedgerError::io(LedgerErrorKind::Missing, path, error),
        _ => LedgerError::io(LedgerErrorKind::Io, path, error),
    };
    let packed = File::open(path).map_err(io)?;
    let number = RandomState::new().hash_one(std::process::id());
    let copy = std::env::temp_dir().join(format!("campanile-{number:016x}.db"));
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&copy)
        .map_err(io)?;
    let opened = zstd::stream::copy_decode(packed, file)
        .map_err(|error| LedgerError::io(LedgerErrorKind::Damaged, path, error))
        .and_then(|()| connect(&copy).map_err(|error| LedgerError::sql(path, error)))
        .and_then(|conn| schema::check(&conn, path).map(|_| conn));
    let _ = std::fs::remove_file(&copy);
    opened
}

impl Query {
    /// Whether its range begins and ends with an hour.
    fn is_of_hours(&self) -> bool {
        let (first, until) = self.range();
        let even = |at: Option<i64>| at.is_none_or(|at| at.rem_euclid(HOUR_US) == 0);
        even(first) && even(until)
    }
}
