//! Failed calls, one by one, and other short looks.

use super::{
    archives::Each,
    call::{LedgerCall, detail},
    query::{Filter, Query},
    scan::{Damage, look_up},
    walk::takes,
};
use crate::ledger::store::Dictionary;
use campanile_core::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use std::ops::ControlFlow;

/// Hands out the calls that failed with this fingerprint, or with any, in the order in which they were opened. Returns how many
/// rows were damaged.
pub(super) fn each_failed(
    conn: &Connection,
    query: &Query,
    fingerprint: Option<&str>,
    each: &mut Each<'_, LedgerCall>,
) -> rusqlite::Result<u64> {
    let names = Dictionary::names(conn)?;
    let wanted = match fingerprint.map(|fingerprint| names.id(fingerprint)) {
        Some(None) => return Ok(0),
        Some(id) => id,
        None => None,
    };
    let Some(filter) = Filter::of(conn, query, &names)? else {
        return Ok(0);
    };
    let sessions = filter.sessions(conn)?;
    let mut statement = conn.prepare(
        "SELECT id, at, stage, session FROM call
         WHERE failure IS NOT NULL AND (?1 IS NULL OR failure = ?1) ORDER BY at, id",
    )?;
    let mut rows = statement.query(params![wanted])?;
    let (mut damage, mut torn) = (Damage::default(), 0);
    while let Some(row) = rows.next()? {
        if !filter.takes_call(row.get(1)?, row.get(2)?, row.get(3)?) {
            continue;
        }
        let Ok(id) = <[u8; 16]>::try_from(row.get_ref(0)?.as_blob()?) else {
            torn += 1;
            continue;
        };
        let flow = look_up(conn, &id, &mut damage, &mut |call, parts| {
            if !takes(&filter, call, parts) {
                return ControlFlow::Continue(());
            }
            let whole = call.whole.then(|| detail(call, parts, &names, &sessions));
            match whole.flatten() {
                Some(call) => each(call),
                None => {
                    torn += 1;
                    ControlFlow::Continue(())
                }
            }
        })?;
        if flow.is_break() {
            break;
        }
    }
    Ok(damage.calls + damage.parts.max(torn))
}

/// Ids of sessions that end so, in their order; at most a few.
pub(super) fn sessions_ending(conn: &Connection, end: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare(
        "SELECT name FROM session WHERE substr(name, -length(?1)) = ?1 ORDER BY name LIMIT 10",
    )?;
    statement.query_map([end], |row| row.get(0))?.collect()
}

/// When the call with the highest id was opened.
pub(super) fn newest(conn: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT at FROM call ORDER BY id DESC LIMIT 1";
    let at = conn
        .prepare(sql)?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(at.map(Timestamp))
}
