//! How large a ledger is.

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
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of its log, which are not in the file yet.
    pub wal_bytes: u64,
}
