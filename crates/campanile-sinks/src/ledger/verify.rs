//! Finds rows that are not what was written: SQLite itself does not notice a bit that flips.

use super::{
    codec::is_usage,
    reader::{archives, horizon},
    row::Bounds,
    schema::{self, SEALED, Seal},
    store::amount,
};
use campanile_core::Timestamp;
use rusqlite::Connection;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Something in a ledger that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// The table; `file` for the pages of the whole file.
    pub table: &'static str,
    /// The row, by what names it in its table; empty where it cannot be named.
    pub row: String,
    /// What is wrong.
    pub what: String,
}

impl Problem {
    fn new(table: &'static str, row: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            table,
            row: row.into(),
            what: what.into(),
        }
    }
}

impl Problem {
    /// A file that cannot be read at all.
    pub(super) fn of_file(file: &str, what: String) -> Self {
        Self::new("file", file, what)
    }

    /// The same, of an archive.
    pub(super) fn inside(self, file: &str) -> Self {
        let row = match self.row.as_str() {
            row if row == file => row.to_owned(),
            row => format!("{row} in {file}"),
        };
        Self { row, ..self }
    }
}

pub(super) fn verify(conn: &Connection, version: i64) -> rusqlite::Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for (table, key, since) in SEALED {
        if version < since {
            continue;
        }
        if let Err(error) = seals(conn, table, key, &mut problems) {
            problems.push(Problem::new(
                table,
                "",
                format!("cannot be read to its end: {error}"),
            ));
        }
    }
    if let Err(error) = days(conn, version, &mut problems) {
        problems.push(Problem::new(
            "day",
            "",
            format!("cannot be summed: {error}"),
        ));
    }
    if let Err(error) = tables(conn, &mut problems) {
        problems.push(Problem::new(
            "file",
            "",
            format!("its tables cannot be listed: {error}"),
        ));
    }
    if let Err(error) = pages(conn, &mut problems) {
        problems.push(Problem::new(
            "file",
            "",
            format!("its pages cannot be checked: {error}"),
        ));
    }
    Ok(problems)
}

/// Compares what the file says its tables are with what they should be: a bit that flips in there gives a column another name.
fn tables(conn: &Connection, problems: &mut Vec<Problem>) -> rusqlite::Result<()> {
    let list = |conn: &Connection| -> rusqlite::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        let bytes = |row: &rusqlite::Row<'_>, column| -> rusqlite::Result<Vec<u8>> {
            Ok(row
                .get_ref(column)?
                .as_bytes_or_null()?
                .unwrap_or_default()
                .to_vec())
        };
        conn.prepare("SELECT name, sql FROM sqlite_schema")?
            .query_map([], |row| Ok((bytes(row, 0)?, bytes(row, 1)?)))?
            .collect()
    };
    let version = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let (there, right) = (list(conn)?, list(&schema::blank(version)?)?);
    let names = there.keys().chain(right.keys()).collect::<BTreeSet<_>>();
    for name in names {
        if there.get(name) != right.get(name) {
            let name = String::from_utf8_lossy(name).into_owned();
            problems.push(Problem::new(
                "file",
                name,
                "this table is not as it was made",
            ));
        }
    }
    Ok(())
}

/// The place of `usage` among the columns of a part.
const PART_USAGE: usize = 11;

/// Compares each row of a table with its checksum.
fn seals(
    conn: &Connection,
    table: &'static str,
    key: &str,
    problems: &mut Vec<Problem>,
) -> rusqlite::Result<()> {
    // Not by an index: what is checked is the table itself.
    let mut statement = conn.prepare(&format!(
        "SELECT *, CAST({key} AS TEXT) FROM {table} NOT INDEXED"
    ))?;
    let columns = statement.column_count();
    let (crc, key) = (columns - 2, columns - 1);
    // By its place: the names of columns are bytes of the file too, and asking for one that is no text is a panic.
    let usage = (table == "part").then_some(PART_USAGE);
    let mut seal = Seal::default();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name = || {
            String::from_utf8_lossy(
                row.get_ref(key)
                    .ok()
                    .and_then(|key| key.as_bytes().ok())
                    .unwrap_or(b""),
            )
            .into_owned()
        };
        let blob = usage.map(|column| row.get_ref(column)).transpose()?;
        if !seal.holds(row, crc)? {
            problems.push(Problem::new(table, name(), "its checksum does not match"));
        } else if blob
            .and_then(|blob| blob.as_blob().ok())
            .is_some_and(|blob| !is_usage(blob))
        {
            problems.push(Problem::new(table, name(), "its usage cannot be read"));
        }
    }
    Ok(())
}

/// What a day comes to: calls, parts, lower bounds, distances to the upper ones, parts without one.
type Day = (i64, i64, i128, i128, i64);

/// Compares the sums of days with the rows: a row that is gone has no checksum to say so.
fn days(conn: &Connection, version: i64, problems: &mut Vec<Problem>) -> rusqlite::Result<()> {
    // What is older is in archives; some of it may not be deleted here yet.
    let floor = schema::day_of(horizon(&archives(conn, version)?));
    let mut sums: BTreeMap<i64, Day> = BTreeMap::new();
    let mut statement = conn.prepare("SELECT at FROM call NOT INDEXED")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        sums.entry(super::schema::day_of(row.get(0)?))
            .or_default()
            .0 += 1;
    }
    let mut statement = conn.prepare("SELECT day, pico, rest, more_pico, more_rest FROM part")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let day = sums.entry(row.get(0)?).or_default();
        day.1 += 1;
        let more: (Option<i64>, Option<i64>) = (row.get(3)?, row.get(4)?);
        let Some(cost): Option<Bounds> = amount(row.get(1)?, row.get(2)?, more.0.zip(more.1))
        else {
            continue;
        };
        day.2 = day.2.wrapping_add(cost.at_least.grains());
        match cost.more() {
            Some(more) => day.3 = day.3.wrapping_add(more.grains()),
            None => day.4 += 1,
        }
    }
    let mut statement =
        conn.prepare("SELECT day, calls, parts, at_least, more, unbounded FROM day")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let grains = |column| {
            row.get::<_, String>(column)
                .map(|text| text.parse::<i128>().unwrap_or(i128::MIN))
        };
        let said: Day = (
            row.get(1)?,
            row.get(2)?,
            grains(3)?,
            grains(4)?,
            row.get(5)?,
        );
        let number: i64 = row.get(0)?;
        let found = sums.remove(&number).unwrap_or_default();
        if found != said {
            let what = format!(
                "its rows come to {found:?} (calls, parts, grains, more, unbounded), not to {said:?}"
            );
            problems.push(Problem::new("day", name_of(number), what));
        }
    }
    for (day, found) in sums.split_off(&floor) {
        problems.push(Problem::new(
            "day",
            name_of(day),
            format!("it has rows {found:?} and no sums"),
        ));
    }
    Ok(())
}

fn name_of(day: i64) -> String {
    Timestamp(day.saturating_mul(Timestamp::DAY_US)).to_string()[..10].to_owned()
}

/// Looks at SQLite's log, which SQLite reads to the first damaged frame, without a word about the rest.
pub(super) fn log(wal: &std::path::Path, problems: &mut Vec<Problem>) {
    let what = match super::log::check(wal) {
        Ok(None) => return,
        Ok(Some(torn)) => format!(
            "frame {} cannot be read, and {} behind it are lost: damaged, or never synced before a power cut",
            torn.frame, torn.lost
        ),
        Err(error) => format!("cannot be read: {error}"),
    };
    problems.push(Problem::new("log", "", what));
}

/// Lets SQLite check its own structures.
fn pages(conn: &Connection, problems: &mut Vec<Problem>) -> rusqlite::Result<()> {
    let mut statement = conn.prepare("PRAGMA integrity_check(20)")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let what: String = row.get(0)?;
        if what != "ok" {
            problems.push(Problem::new("file", "", what));
        }
    }
    Ok(())
}
