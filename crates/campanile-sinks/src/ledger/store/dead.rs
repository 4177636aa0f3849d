//! Closing what dead processes have left open.

use super::{names::Dictionary, touched::Hours, tx::Tx};
use crate::ledger::{
    codec::{Unpack, unpack_usage},
    growth::{Life, grow},
    numbers::Numbers,
    reader::{Damage, RawPart, look_up},
    row::{
        Bounds, CallDetail, Inline, PartDetail, PartRow, SessionEdge, UNPRICED, part_outcome,
        part_waste,
    },
    schema::{Val, day_of},
};
use campanile_core::{Billed, Cost, Outcome, Price, Reason, Terms, Timestamp, Usage};
use rusqlite::Connection;
use std::{
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// How a process ended that did not say so. Times in microseconds since 1970.
pub(crate) struct End<'a> {
    /// When it was seen alive last.
    pub(crate) seen_at: i64,
    /// When it was over for certain.
    pub(crate) over_at: i64,
    /// When it was found dead.
    pub(crate) now: i64,
    /// What prices what it may have used.
    pub(crate) prices: Option<&'a dyn Price>,
}

/// Closes what runs left behind whose process is dead.
pub(crate) fn close_run(conn: &Connection, run: i64, end: &End<'_>) -> rusqlite::Result<()> {
    let (mut names, mut sessions) = (Numbers::default(), Numbers::default());
    let mut hours = Hours::new();
    let mut tx = Tx::begin(conn, run, &mut names, &mut sessions, &mut hours)?;
    type Open = (Vec<u8>, i64, i64, Option<i64>, Option<i64>);
    let open: Vec<Open> = conn
        .prepare("SELECT call, at, stage, session, turn FROM open WHERE run = ?1")?
        .query_map([run], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
            ))
        })?
        .collect::<Result<_, _>>()?;
    let mut body = Vec::new();
    let Ok(()) = CallDetail::default().pack(&mut body, &mut Inline);
    let words = match open.is_empty() {
        true => Dictionary::default(),
        false => Dictionary::names(conn)?,
    };
    for (id, at, stage, session, turn) in &open {
        let values = [
            Val::Blob(id),
            Val::Int(*at),
            Val::Int(*stage),
            Val::maybe(*session),
            Val::maybe(*turn),
            Val::Int(Outcome::Crashed as i64),
            Val::Int(run),
            Val::Null,
            Val::Null,
            Val::Blob(&body),
        ];
        tx.call_rows.one.bind(0, &values, &mut tx.seal)?;
        if tx.call_rows.one.run()? {
            if let Ok(id) = id.as_slice().try_into() {
                tx.touch(id, *at);
                tx.grow_last(id, *at, &words, end)?;
                tx.recount(id)?;
            }
            tx.days.entry(day_of(*at)).or_default().calls += 1;
        }
    }
    conn.execute("DELETE FROM open WHERE run = ?1", [run])?;
    let crashed: Vec<(String, i64)> = conn
        .prepare("SELECT name, started_at FROM session WHERE run = ?1 AND ended_at IS NULL AND started_at IS NOT NULL")?
        .query_map([run], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (session, started_at) in &crashed {
        let over = Some((end.seen_at.max(*started_at), Some("crashed"), None));
        tx.session_edge(&SessionEdge {
            session,
            started_at: *started_at,
            end: over,
        })?;
    }
    tx.end()?;
    conn.execute(
        "UPDATE run SET ended_at = ?2, crashed = 1 WHERE id = ?1",
        (run, end.now),
    )?;
    Ok(())
}

impl Tx<'_> {
    /// Has the attempt that was under way say what it may have used. Those before it are over.
    fn grow_last(
        &mut self,
        id: &[u8; 16],
        at: i64,
        words: &Dictionary,
        end: &End<'_>,
    ) -> rusqlite::Result<()> {
        let mut last = None;
        let conn = self.conn;
        let _ = look_up(conn, id, &mut Damage::default(), &mut |_, parts| {
            last = parts.last().cloned();
            ControlFlow::Continue(())
        })?;
        let Some(part) = last.filter(|part| part.has_usage && part_outcome(part.flags).is_none())
        else {
            return Ok(());
        };
        let rev: i64 = conn
            .prepare_cached("SELECT rev FROM part WHERE call = ?1 AND part = ?2")?
            .query_row((&id[..], part.n), |row| row.get(0))?;
        let Some(detail) = PartDetail::unpack(&mut Unpack(&part.body), &words) else {
            return Ok(());
        };
        let counted = detail.counted_us.unwrap_or(0).min(i64::MAX as u64) as i64;
        let life = Life {
            opened: at,
            counted: at.saturating_add(counted),
            over: end.over_at,
        };
        let mut usage = Vec::new();
        if !grow(&part.usage, life, &mut usage) {
            return Ok(());
        }
        let cost = cost(&part, &unpack_usage(&usage), &detail, words, at, end.prices);
        let mut why = Vec::new();
        let row = PartRow {
            n: part.n,
            // Above what it replaces, below what its call says should it be alive after all.
            rev: (rev + 1).min(-1),
            provider: part.provider.and_then(|id| words.get(id)),
            model: part.model.and_then(|id| words.get(id)),
            outcome: None,
            usage: Some(&usage),
            usage_exact: false,
            cost: part.cost,
            unpriced: part.flags & UNPRICED != 0,
            wasted: part_waste(part.flags),
            detail,
        };
        self.part(id, at, &row.costing(&cost, &mut why)).map(drop)
    }
}

/// What more usage costs: never less than what was counted.
fn cost(
    part: &RawPart,
    usage: &Usage,
    detail: &PartDetail<'_>,
    words: &Dictionary,
    at: i64,
    prices: Option<&dyn Price>,
) -> Cost {
    let word = |id: Option<i64>| id.and_then(|id| words.get(id)).unwrap_or_default();
    let terms: Terms = detail.terms.to_terms();
    let (provider, model) = (word(part.provider), word(part.model));
    let billed = Billed::new(provider, model, usage, &terms, Timestamp(at));
    // A price function may be a user's.
    let priced = prices.map(|prices| catch_unwind(AssertUnwindSafe(|| prices.amount(&billed))));
    let mut cost = match priced {
        Some(Ok(cost)) => cost,
        Some(Err(_)) => Cost::unknown(Reason::PricingFailed),
        None => Cost::unknown(Reason::UnknownUsage),
    };
    let counted = part.cost.unwrap_or(Bounds::UNKNOWN).at_least;
    cost.at_least = cost.at_least.max(counted);
    cost.at_most = cost.at_most.map(|most| most.max(cost.at_least));
    cost
}
