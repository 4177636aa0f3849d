//! How large a ledger is.

use crate::ledger::{slice::SliceReader, sum::Sum};
use rusqlite::Connection;
use serde::Serialize;

/// How large a ledger is.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LedgerStats {
    /// The version of its tables.
    pub version: i64,
    /// Calls that are over.
    pub calls: u64,
    /// Attempts.
    pub parts: u64,
    /// Calls that are not over.
    pub open: u64,
    /// Sums that stand for calls that did not fit into memory.
    pub folds: u64,
    /// Sessions.
    pub sessions: u64,
    /// Turns.
    pub turns: u64,
    /// Alerts.
    pub alerts: u64,
    /// Processes that wrote it.
    pub runs: u64,
    /// Of these, processes that died.
    pub crashed_runs: u64,
    /// Calls that need not be looked at one by one any more: reports of whole hours read sums of them.
    pub summed_calls: u64,
    /// Months that were moved into archives, and are not among the counts above.
    pub archives: u64,
    /// Calls in them.
    pub archived_calls: u64,
    /// Attempts in them.
    pub archived_parts: u64,
    /// Bytes of them.
    pub archive_bytes: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of its log, which are not in the file yet.
    pub wal_bytes: u64,
}

/// Calls in slices.
pub(super) fn summed_calls(conn: &Connection) -> rusqlite::Result<u64> {
    let mut statement = conn.prepare("SELECT sums FROM slice WHERE sums IS NOT NULL")?;
    let mut rows = statement.query([])?;
    let mut calls = 0;
    while let Some(row) = rows.next()? {
        let mut sums = SliceReader::new(row.get_ref(0)?.as_blob()?, 0);
        let sums = std::iter::from_fn(|| sums.as_mut()?.next().flatten());
        calls += sums.map(|(_, sum): (_, Sum)| sum.calls).sum::<u64>();
    }
    Ok(calls)
}
