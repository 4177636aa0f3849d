//! What is built in the background: slices of sums, and the index of sessions. Small steps, each a transaction.

use super::{Store, insert::put};
use crate::ledger::{
    schema::{Seal, Val},
    span::{Span, hour_of},
    visit::{pack_ids, unpack_ids},
};
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeSet;

/// After so many microseconds, whoever was building a slice is not any more.
const GIVEN_UP_US: i64 = 300_000_000;

/// A slice that is being built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    /// A number that no other slice has, nor had.
    pub(crate) id: i64,
    pub(crate) hour: i64,
    pub(crate) span: Span,
    pub(crate) made_at: i64,
}

/// Ids of a session's calls that belong to one row of its index.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) session: i64,
    pub(crate) block: i64,
    pub(crate) calls: BTreeSet<[u8; 16]>,
}

/// One step.
#[derive(Debug)]
pub(crate) enum Job {
    /// Says that a slice is being built. Not done where a slice has some of it, and where the hour is archived.
    Claim(Claim),
    Visits(Vec<Visit>),
    /// Fills in the sums. Not done where something was written about one of the calls since it was claimed, and where the
    /// hour was archived: the calls may have been gone when they were summed.
    Fill {
        claim: Claim,
        sums: Vec<u8>,
        times: Vec<u8>,
    },
}

impl Store {
    /// Does one step. `false`: it could not be done any more.
    ///
    /// It is not synced: it comes to the disk with the next commit that is, or is done again.
    pub(crate) fn job(&mut self, job: &Job) -> rusqlite::Result<bool> {
        let conn = &self.conn;
        conn.execute_batch("PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE")?;
        let done = match job {
            Job::Claim(claim) => take(conn, claim),
            Job::Visits(visits) => index(conn, visits).map(|()| true),
            Job::Fill { claim, sums, times } => fill(conn, claim, sums, times),
        };
        let ended = match done {
            Ok(_) => conn.execute_batch("COMMIT"),
            Err(_) => conn.execute_batch("ROLLBACK"),
        };
        let sync = self.durability.synchronous();
        let restored = conn.execute_batch(&format!("PRAGMA synchronous = {sync}"));
        let done = done?;
        ended.and(restored).map(|()| done)
    }
}

/// The first hour whose calls are neither in an archive nor on their way there: what is still in the tables of an earlier
/// one is not all that it had.
pub(crate) fn archived_until(conn: &Connection) -> rusqlite::Result<i64> {
    let until: Option<i64> = conn
        .prepare_cached("SELECT max(until) FROM archive")?
        .query_row([], |row| row.get(0))?;
    Ok(until.map_or(i64::MIN, hour_of))
}

fn take(conn: &Connection, claim: &Claim) -> rusqlite::Result<bool> {
    let Claim {
        id,
        hour,
        span,
        made_at,
    } = *claim;
    conn.prepare_cached("DELETE FROM slice WHERE sums IS NULL AND hour = ?1 AND made_at < ?2")?
        .execute([hour, made_at.saturating_sub(GIVEN_UP_US)])?;
    let taken = conn
        .prepare_cached("SELECT 1 FROM slice WHERE hour = ?1 AND low < ?3 AND high > ?2")?
        .exists([hour, span.low, span.high])?;
    if taken || hour < archived_until(conn)? {
        return Ok(false);
    }
    let statement = "INSERT INTO slice VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let mut seal = Seal::default();
    put(
        &mut conn.prepare_cached(statement)?,
        &mut seal,
        &row(claim, Val::Null, Val::Null),
    )?;
    debug_assert!(id != 0);
    Ok(true)
}

fn fill(conn: &Connection, claim: &Claim, sums: &[u8], times: &[u8]) -> rusqlite::Result<bool> {
    if claim.hour < archived_until(conn)? {
        return Ok(false);
    }
    let (sums, times) = (Val::Blob(sums), Val::Blob(times));
    let crc = Seal::default().of(&row(claim, sums, times));
    let filled = conn
        .prepare_cached(
            "UPDATE slice SET sums = ?2, times = ?3, crc = ?4 WHERE id = ?1 AND sums IS NULL",
        )?
        .execute((claim.id, sums, times, crc))?;
    Ok(filled > 0)
}

fn row<'a>(claim: &Claim, sums: Val<'a>, times: Val<'a>) -> [Val<'a>; 7] {
    let Claim {
        id,
        hour,
        span,
        made_at,
    } = *claim;
    [
        Val::Int(id),
        Val::Int(hour),
        Val::Int(span.low),
        Val::Int(span.high),
        Val::Int(made_at),
        sums,
        times,
    ]
}

fn index(conn: &Connection, visits: &[Visit]) -> rusqlite::Result<()> {
    let mut known =
        conn.prepare_cached("SELECT calls FROM visit WHERE session = ?1 AND block = ?2")?;
    let mut insert = conn.prepare_cached("INSERT OR REPLACE INTO visit VALUES(?1, ?2, ?3, ?4)")?;
    let mut seal = Seal::default();
    for visit in visits {
        let known: Option<Vec<u8>> = known
            .query_row([visit.session, visit.block], |row| row.get(0))
            .optional()?;
        let known = known
            .and_then(|bytes| unpack_ids(&bytes))
            .unwrap_or_default();
        if !known.is_empty() && visit.calls.iter().all(|id| known.binary_search(id).is_ok()) {
            continue;
        }
        let mut all: BTreeSet<&[u8; 16]> = known.iter().collect();
        all.extend(&visit.calls);
        let calls = pack_ids(all);
        let row = [
            Val::Int(visit.session),
            Val::Int(visit.block),
            Val::Blob(&calls),
        ];
        put(&mut insert, &mut seal, &row)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Durability, schema};

    #[test]
    fn a_slice_of_an_hour_that_was_archived_meanwhile_stays_empty() {
        let dir = tempfile::tempdir().unwrap();
        let conn = schema::open(&dir.path().join("campanile.db"), Durability::Fast).unwrap();
        let mut store = Store::new(conn, 1, Durability::Fast);
        let span = Span { low: 0, high: 9 };
        let [claim, other] = [1, 2].map(|id| Claim {
            id,
            hour: id,
            span,
            made_at: 0,
        });
        assert!(store.job(&Job::Claim(claim)).unwrap());

        let month = "INSERT INTO archive VALUES('1970-01', 0, 2678400000000, '', 0, 0, 0)";
        store.conn.execute(month, []).unwrap();

        let (sums, times) = (Vec::new(), Vec::new());
        let fill = Job::Fill { claim, sums, times };
        assert!(!store.job(&fill).unwrap());
        assert!(!store.job(&Job::Claim(other)).unwrap());
    }
}
