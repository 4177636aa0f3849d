//! Deleting what was kept of one caller. Amounts stay: they are nobody's words.

use super::{LedgerError, Query, Reader};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::{collections::BTreeSet, ops::ControlFlow, path::Path, time::Duration};

/// How long another writer, or a reader of the write-ahead log, is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was deleted of a ledger. Default: nothing was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forgotten {
    /// Failures whose texts are gone.
    pub failures: u64,
    /// Whether their bytes are gone from the write-ahead log, too. A reader that does not end holds them there.
    pub erased: bool,
}

impl Default for Forgotten {
    fn default() -> Self {
        Self {
            failures: 0,
            erased: true,
        }
    }
}

/// Deletes the texts of every failure that a call of `session` has met. Where others have met it too, its texts go
/// for them as well: they may be this caller's. Counts, amounts, kinds, codes and fingerprints stay. Freed bytes are overwritten.
///
/// It is one transaction, and may run beside a process that writes. Doing it again does no harm.
///
/// # Errors
///
/// When there is no ledger, or it cannot be written.
pub fn forget(path: impl AsRef<Path>, session: &str) -> Result<Forgotten, LedgerError> {
    let path = path.as_ref();
    let met = fingerprints(&Reader::open(path)?, session)?;
    let sql = |error| LedgerError::sql(path, error);
    let mut conn =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(sql)?;
    conn.busy_timeout(PATIENCE).map_err(sql)?;
    conn.execute_batch("PRAGMA secure_delete = ON; PRAGMA synchronous = FULL;")
        .map_err(sql)?;
    let failures = delete(&mut conn, &met).map_err(sql)?;
    let busy: i64 = conn
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(sql)?;
    Ok(Forgotten {
        failures,
        erased: busy == 0,
    })
}

/// What the calls of a session, and their attempts, have failed with.
fn fingerprints(ledger: &Reader, session: &str) -> Result<BTreeSet<String>, LedgerError> {
    let mut met = BTreeSet::new();
    ledger.calls(&Query::default().session(session), |call| {
        let attempts = call.attempts.iter().map(|attempt| &attempt.failure);
        let failures = attempts.chain([&call.failure]).flatten();
        met.extend(failures.map(|failure| failure.fingerprint.clone()));
        ControlFlow::Continue(())
    })?;
    Ok(met)
}

fn delete(conn: &mut Connection, met: &BTreeSet<String>) -> rusqlite::Result<u64> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut gone = 0;
    for fingerprint in met {
        let sql = "DELETE FROM failure WHERE id = (SELECT id FROM name WHERE text = ?1)";
        gone += tx.prepare_cached(sql)?.execute([fingerprint])? as u64;
    }
    tx.commit()?;
    Ok(gone)
}
