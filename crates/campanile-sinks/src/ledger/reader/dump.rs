//! Everything that is counted, one JSON object an event.

use super::{archives::Each, call::each_call, fold::folds, query::Query};
use crate::ledger::store::Dictionary;
use rusqlite::Connection;
use serde_json::Value;
use std::ops::ControlFlow;

/// Hands out calls, and then the sums that stand for calls. Returns how many rows were damaged.
pub(super) fn dump(
    conn: &Connection,
    version: i64,
    query: &Query,
    each: &mut Each<'_, Value>,
) -> rusqlite::Result<u64> {
    let mut flow = ControlFlow::Continue(());
    let damaged = each_call(conn, version, query, &mut |call| {
        flow = each(serde_json::to_value(&call).unwrap_or_default());
        flow
    })?;
    if flow.is_continue() {
        let names = Dictionary::names(conn)?;
        let here = folds(conn)?.into_iter();
        let _ = here
            .filter(|fold| query.is_in(fold.place.at))
            .try_for_each(|fold| each(fold.to_json(&names)));
    }
    Ok(damaged)
}
