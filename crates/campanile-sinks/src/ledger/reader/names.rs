//! The words of a ledger.

use crate::ledger::store::Dictionary;
use rusqlite::Connection;

fn dictionary(conn: &Connection, sql: &str) -> rusqlite::Result<Dictionary> {
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        Ok((row.get(0)?, row.get::<_, String>(1)?.into_boxed_str()))
    })?;
    rows.collect::<Result<_, _>>().map(Dictionary)
}

pub(super) fn names(conn: &Connection) -> rusqlite::Result<Dictionary> {
    dictionary(conn, "SELECT id, text FROM name")
}

pub(super) fn session_names(conn: &Connection) -> rusqlite::Result<Dictionary> {
    dictionary(conn, "SELECT id, name FROM session")
}
