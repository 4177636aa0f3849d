//! Prepared inserts, of one row and of several.

use super::tx::TOGETHER;
use crate::ledger::schema::{Seal, Val};
use rusqlite::{CachedStatement, Connection, ffi};

/// Runs a prepared insert with a row and its checksum.
pub(super) fn put(
    statement: &mut CachedStatement<'_>,
    seal: &mut Seal,
    row: &[Val<'_>],
) -> rusqlite::Result<bool> {
    for (i, val) in row.iter().enumerate() {
        statement.raw_bind_parameter(i + 1, val)?;
    }
    statement.raw_bind_parameter(row.len() + 1, seal.of(row))?;
    Ok(statement.raw_execute()? > 0)
}

/// A prepared insert that knows what is bound to it: what did not change since the row before is not bound again.
pub(super) struct Insert<'a> {
    statement: CachedStatement<'a>,
    bound: Vec<Bound>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    Null,
    Int(i64),
    Bytes,
}

impl<'a> Insert<'a> {
    /// An insert of several rows at once, all of them or none; of one row that is not there yet.
    fn new(
        conn: &'a Connection,
        table: &str,
        columns: usize,
        rows: usize,
    ) -> rusqlite::Result<Self> {
        let row = format!("(?{})", ",?".repeat(columns - 1));
        let more = format!(",{row}").repeat(rows - 1);
        let unless = if rows == 1 {
            " ON CONFLICT DO NOTHING"
        } else {
            ""
        };
        let sql = format!("INSERT INTO {table} VALUES{row}{more}{unless}");
        Ok(Self {
            statement: conn.prepare_cached(&sql)?,
            bound: vec![Bound::Null; columns * rows],
        })
    }

    /// Binds a row and its checksum as the row number `row` of the statement.
    pub(super) fn bind(
        &mut self,
        row: usize,
        values: &[Val<'_>],
        seal: &mut Seal,
    ) -> rusqlite::Result<()> {
        let crc = Val::Int(seal.of(values));
        let first = row * (values.len() + 1);
        for (i, val) in values.iter().chain([&crc]).enumerate() {
            let new = match *val {
                Val::Null => Bound::Null,
                Val::Int(value) => Bound::Int(value),
                Val::Text(_) | Val::Blob(_) => Bound::Bytes,
            };
            let bound = &mut self.bound[first + i];
            if new == Bound::Bytes || *bound != new {
                *bound = new;
                self.statement.raw_bind_parameter(first + i + 1, val)?;
            }
        }
        Ok(())
    }

    /// Inserts what is bound. `false`: a row like one of these is there, and nothing was changed.
    pub(super) fn run(&mut self) -> rusqlite::Result<bool> {
        match self.statement.raw_execute() {
            Ok(rows) => Ok(rows > 0),
            Err(rusqlite::Error::SqliteFailure(error, _))
                if [
                    ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
                    ffi::SQLITE_CONSTRAINT_UNIQUE,
                ]
                .contains(&error.extended_code) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// The inserts of one table: of single rows, and of several.
pub(super) struct Inserts<'a> {
    pub(super) one: Insert<'a>,
    pub(super) many: [Insert<'a>; TOGETHER.len()],
}

impl<'a> Inserts<'a> {
    pub(super) fn new(conn: &'a Connection, table: &str, columns: usize) -> rusqlite::Result<Self> {
        let insert = |rows| Insert::new(conn, table, columns, rows);
        Ok(Self {
            one: insert(1)?,
            many: [insert(TOGETHER[0])?, insert(TOGETHER[1])?],
        })
    }

    /// The insert of single rows; or one of several, and which of its rows.
    pub(super) fn at(&mut self, place: Option<(usize, usize)>) -> (&mut Insert<'a>, usize) {
        match place {
            Some((size, n)) => (&mut self.many[size], n),
            None => (&mut self.one, 0),
        }
    }
}
