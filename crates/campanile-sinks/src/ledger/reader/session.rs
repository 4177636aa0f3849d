//! Sessions and their turns.

use super::{
    call::LedgerCall,
    query::{Filter, Query},
    report::ReportRow,
    walk::walk,
};
use crate::ledger::{
    codec::Unpack,
    row::{TOTALS, Totals, TurnDetail, owner_name},
    schema::Seal,
    store::Dictionary,
    sum::Sum,
};
use campanile_core::{Cost, Timestamp};
use rusqlite::{Connection, Row};
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
};

/// One session, with the sums of its calls.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SessionRow {
    /// Its id.
    pub session: String,
    /// When it began, or its first call.
    pub started_at: Option<Timestamp>,
    /// When it ended; absent while it runs, and where nobody said.
    pub ended_at: Option<Timestamp>,
    /// Why it ended.
    pub reason: Option<String>,
    /// Turns that were over.
    pub turns: u64,
    /// Turns that were interrupted.
    pub interrupted: u64,
    /// The sums of its calls.
    #[serde(flatten)]
    pub sum: ReportRow,
    /// What it said of itself at its end (`elapsed_us`, `turns`, ...); empty where it did not.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub totals: BTreeMap<&'static str, u64>,
}

/// One session with all that happened in it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SessionDetail {
    /// The session.
    #[serde(flatten)]
    pub session: SessionRow,
    /// Its turns, in order.
    pub turn_list: Vec<LedgerTurn>,
    /// Its calls, in the order in which they were opened.
    pub call_list: Vec<LedgerCall>,
}

/// One turn.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LedgerTurn {
    /// Its number.
    pub turn: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// From its beginning to its end.
    pub elapsed_us: u64,
    /// From the end of the user's speech to the first audio of the bot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_to_bot_us: Option<u64>,
    /// The waterfall.
    pub segments: Vec<TurnSegment>,
    /// What interrupted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<String>,
    /// Calls that belonged to it.
    pub calls: u32,
    /// What they cost.
    pub cost: Cost,
    /// What of that nobody heard.
    pub wasted: Cost,
}

/// One stretch of a turn's waterfall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TurnSegment {
    /// What was waited for.
    pub name: String,
    /// Who could make it shorter.
    pub owner: &'static str,
    /// How long it was.
    pub span_us: u64,
}

pub(super) fn turns(
    conn: &Connection,
    query: &Query,
    session: &str,
) -> rusqlite::Result<Vec<LedgerTurn>> {
    let names = Dictionary::names(conn)?;
    let sql = "SELECT session, turn, at, run, body, crc FROM turn
               WHERE session = (SELECT id FROM session WHERE name = ?1) ORDER BY turn";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([session])?;
    let mut seal = Seal::default();
    let mut turns = Vec::new();
    while let Some(row) = rows.next()? {
        if !seal.holds(row, 5)? {
            continue;
        }
        let body = row.get_ref(4)?.as_blob()?;
        let at: i64 = row.get(2)?;
        if let Some(detail) = TurnDetail::unpack(&mut Unpack(body), &&names)
            && query.is_in(at)
        {
            turns.push(turn_row(row.get(1)?, at, &detail));
        }
    }
    Ok(turns)
}

fn turn_row(turn: u32, at: i64, detail: &TurnDetail<'_>) -> LedgerTurn {
    let segment = |&(name, owner, span_us): &(&str, u8, u64)| TurnSegment {
        name: name.to_owned(),
        owner: owner_name(owner),
        span_us,
    };
    LedgerTurn {
        turn,
        started_at: Timestamp(at),
        elapsed_us: detail.elapsed_us,
        user_to_bot_us: detail.user_to_bot_us,
        segments: detail.segments.iter().map(segment).collect(),
        interrupted: detail.interrupted.map(str::to_owned),
        calls: detail.calls,
        cost: detail.cost.to_cost(),
        wasted: detail.wasted.to_cost(),
    }
}

pub(super) fn session_rows(
    conn: &Connection,
    version: i64,
    query: &Query,
) -> rusqlite::Result<SessionRows> {
    let names = Dictionary::names(conn)?;
    let Some(filter) = Filter::of(conn, query, &names)? else {
        return Ok(SessionRows::default());
    };
    let mut sums: HashMap<i64, (i64, Sum)> = HashMap::new();
    walk(conn, version, &filter, |call, parts| {
        if let Some(session) = call.session {
            let (first, sum) = sums
                .entry(session)
                .or_insert_with(|| (call.at, Sum::default()));
            *first = (*first).min(call.at);
            sum.call(call.outcome);
            for part in parts {
                sum.part(part.portion(call.outcome));
            }
        }
        ControlFlow::Continue(())
    })?;
    let turns = turn_counts(conn, &filter, &names)?;
    let sql = "SELECT id, name, run, started_at, ended_at, reason, totals, crc FROM session
               WHERE ?1 IS NULL OR id = ?1";
    let mut statement = conn.prepare(sql)?;
    let mut read = statement.query([filter.session])?;
    let mut seal = Seal::default();
    let mut rows = SessionRows::default();
    while let Some(row) = read.next()? {
        let id: i64 = row.get(0)?;
        let sum = sums.remove(&id);
        // A session without calls is there by its own start, unless they are asked for by what only calls have.
        let began: Option<i64> = row.get(3)?;
        let wanted =
            sum.is_some() || (!query.is_about_calls() && began.is_some_and(|at| query.is_in(at)));
        if wanted && seal.holds(row, 7)? {
            let turns = turns.get(&id).copied().unwrap_or_default();
            rows.one(session_row(row, sum, turns, &names)?);
        }
    }
    Ok(rows)
}

/// Sessions by their ids, with sums that those of other files can be added to.
#[derive(Debug, Default)]
pub(super) struct SessionRows(BTreeMap<String, (SessionRow, Sum)>);

impl SessionRows {
    fn one(&mut self, (row, sum): (SessionRow, Sum)) {
        let Some((mine, all)) = self.0.get_mut(&row.session) else {
            self.0.insert(row.session.clone(), (row, sum));
            return;
        };
        mine.started_at = match (mine.started_at, row.started_at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        mine.ended_at = mine.ended_at.max(row.ended_at);
        mine.reason = mine.reason.take().or(row.reason);
        mine.turns += row.turns;
        mine.interrupted += row.interrupted;
        if mine.totals.is_empty() {
            mine.totals = row.totals;
        }
        all.absorb(&sum);
    }

    pub(super) fn add(&mut self, other: Self) {
        other.0.into_values().for_each(|row| self.one(row));
    }

    /// The latest first.
    pub(super) fn end(self) -> Vec<SessionRow> {
        let rows = self.0.into_values().map(|(mut row, sum)| {
            row.sum = ReportRow::of(Vec::new(), &sum);
            row
        });
        let mut rows: Vec<SessionRow> = rows.collect();
        rows.sort_by(|a, b| (b.started_at, &b.session).cmp(&(a.started_at, &a.session)));
        rows
    }
}

fn session_row(
    row: &Row<'_>,
    sum: Option<(i64, Sum)>,
    (turns, interrupted): (u64, u64),
    names: &Dictionary,
) -> rusqlite::Result<(SessionRow, Sum)> {
    let began: Option<i64> = row.get(3)?;
    let reason: Option<i64> = row.get(5)?;
    let totals = row
        .get_ref(6)?
        .as_blob_or_null()?
        .and_then(|bytes| Totals::unpack(&mut Unpack(bytes)));
    let started = began.or(sum.as_ref().map(|(first, _)| *first));
    let sum = sum.map(|(_, sum)| sum).unwrap_or_default();
    let row = SessionRow {
        session: row.get(1)?,
        started_at: started.map(Timestamp),
        ended_at: row.get::<_, Option<i64>>(4)?.map(Timestamp),
        reason: reason.and_then(|id| names.get(id)).map(str::to_owned),
        turns,
        interrupted,
        sum: ReportRow::of(Vec::new(), &Sum::default()),
        totals: totals
            .iter()
            .flat_map(|totals| TOTALS.into_iter().zip(totals.counts))
            .collect(),
    };
    Ok((row, sum))
}

/// Turns of one session, or of each, and how many of them were interrupted.
fn turn_counts(
    conn: &Connection,
    filter: &Filter<'_>,
    names: &Dictionary,
) -> rusqlite::Result<HashMap<i64, (u64, u64)>> {
    let session = filter.session;
    let mut counts: HashMap<i64, (u64, u64)> = HashMap::new();
    let which = match session {
        Some(_) => "session = ?1",
        None => "?1 IS NULL",
    };
    let mut statement =
        conn.prepare(&format!("SELECT session, body, at FROM turn WHERE {which}"))?;
    let mut rows = statement.query([session])?;
    while let Some(row) = rows.next()? {
        if !filter.query.is_in(row.get(2)?) {
            continue;
        }
        let body = row.get_ref(1)?.as_blob()?;
        let detail = TurnDetail::unpack(&mut Unpack(body), &names);
        let (turns, interrupted) = counts.entry(row.get(0)?).or_default();
        *turns += 1;
        *interrupted += u64::from(detail.is_some_and(|detail| detail.interrupted.is_some()));
    }
    Ok(counts)
}
