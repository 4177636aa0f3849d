//! The calls that a query asks for, each with its parts.

use super::{
    plan::Plan,
    query::{Filter, Query},
    scan::{Damage, RawCall, RawPart, look_up},
};
use crate::ledger::{
    place::Place,
    schema::{SUMMED, Seal},
    span::first_id,
    visit::unpack_ids,
};
use rusqlite::Connection;
use std::{collections::BTreeSet, ops::ControlFlow};

/// Hands each call that `filter` takes to `each`, in the order of their ids.
pub(super) fn walk(
    conn: &Connection,
    version: i64,
    filter: &Filter<'_>,
    mut each: impl FnMut(&RawCall, &[RawPart]) -> ControlFlow<()>,
) -> rusqlite::Result<Damage> {
    let mut taken = |call: &RawCall, parts: &[RawPart]| match takes(filter, call, parts) {
        true => each(call, parts),
        false => ControlFlow::Continue(()),
    };
    if let Some(session) = filter.session
        && version >= SUMMED
        && let Some(ids) = calls_of(conn, version, session)?
    {
        let mut damage = Damage::default();
        for id in ids {
            if look_up(conn, &id, &mut damage, &mut taken)?.is_break() {
                break;
            }
        }
        return Ok(damage);
    }
    Plan::calls_in(conn, version, filter.query)?.calls(conn, filter.query, taken)
}

/// Whether a call is asked for: by what it is, and by who served its last attempt.
pub(super) fn takes(filter: &Filter<'_>, call: &RawCall, parts: &[RawPart]) -> bool {
    let last = parts.last();
    filter.takes(&Place {
        at: call.at,
        stage: call.stage,
        session: call.session,
        outcome: call.outcome,
        provider: last.and_then(|part| part.provider),
        model: last.and_then(|part| part.model),
        labels: call.glance().labels,
    })
}

/// The ids of a session's calls: from the index for what is in slices, from the rows for the rest. `None`: the index is
/// damaged.
fn calls_of(
    conn: &Connection,
    version: i64,
    session: i64,
) -> rusqlite::Result<Option<BTreeSet<[u8; 16]>>> {
    let mut ids = BTreeSet::new();
    let mut seal = Seal::default();
    let mut statement = conn.prepare_cached("SELECT * FROM visit WHERE session = ?1")?;
    let mut rows = statement.query([session])?;
    while let Some(row) = rows.next()? {
        let calls = row.get_ref(2)?.as_blob()?;
        match seal.holds(row, 3)?.then(|| unpack_ids(calls)).flatten() {
            Some(calls) => ids.extend(calls),
            None => return Ok(None),
        }
    }
    let mut add = |sql: &str, bounds: &[&dyn rusqlite::ToSql]| -> rusqlite::Result<()> {
        let mut statement = conn.prepare_cached(sql)?;
        let mut rows = statement.query(bounds)?;
        while let Some(row) = rows.next()? {
            ids.extend(
                row.get_ref(0)?
                    .as_blob()
                    .ok()
                    .and_then(|id| <[u8; 16]>::try_from(id).ok()),
            );
        }
        Ok(())
    };
    for span in Plan::of(conn, version, &Query::default())?.spans() {
        let (first, end) = (first_id(span.low), first_id(span.high));
        let sql = "SELECT id FROM call WHERE id >= ?1 AND id < ?2 AND session = ?3";
        add(sql, &[&&first[..16], &&end[..], &session])?;
    }
    add("SELECT call FROM open WHERE session = ?1", &[&session])?;
    Ok(Some(ids))
}
