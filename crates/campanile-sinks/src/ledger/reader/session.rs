//! Sessions and their turns.

use super::{
    call::LedgerCall,
    names::names,
    query::{Filter, Query},
    report::ReportRow,
    scan::scan,
};
use crate::ledger::{
    codec::Unpack,
    row::{TOTALS, Totals, TurnDetail, owner_name},
    store::Dictionary,
    sum::Sum,
};
use campanile_core::{Cost, Timestamp};
use rusqlite::Connection;
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

pub(super) fn turns(conn: &Connection, session: &str) -> rusqlite::Result<Vec<LedgerTurn>> {
    let names = names(conn)?;
    let sql = "SELECT turn, at, body FROM turn WHERE session = (SELECT id FROM session WHERE name = ?1) ORDER BY turn";
    conn.prepare(sql)?
        .query_map([session], |row| {
            let (turn, at, body): (u32, i64, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(TurnDetail::unpack(&mut Unpack(&body), &&names)
                .map(|detail| turn_row(turn, at, &detail)))
        })?
        .filter_map(Result::transpose)
        .collect()
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

pub(super) fn session_rows(conn: &Connection, query: &Query) -> rusqlite::Result<Vec<SessionRow>> {
    let names = names(conn)?;
    let Some(filter) = Filter::of(conn, query, &names)? else {
        return Ok(Vec::new());
    };
    let mut sums: HashMap<i64, (i64, Sum)> = HashMap::new();
    scan(conn, false, |call, parts| {
        if let Some(session) = call.session
            && filter.takes(call.at, call.stage, call.session)
        {
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
    let turns = turn_counts(conn, &names)?;
    let mut rows = Vec::new();
    let mut statement =
        conn.prepare("SELECT id, name, started_at, ended_at, reason, totals FROM session")?;
    let mut read = statement.query([])?;
    while let Some(row) = read.next()? {
        let id: i64 = row.get(0)?;
        let sum = sums.get(&id);
        let started: Option<i64> = row
            .get::<_, Option<i64>>(2)?
            .or(sum.map(|(first, _)| *first));
        let wanted = filter.session.is_none_or(|wanted| wanted == id);
        // A session without calls is there by its own start.
        if !wanted
            || (sum.is_none()
                && !(query.stage.is_none() && started.is_some_and(|at| query.is_in(at))))
        {
            continue;
        }
        let reason: Option<i64> = row.get(4)?;
        let totals = row
            .get_ref(5)?
            .as_blob_or_null()?
            .and_then(|bytes| Totals::unpack(&mut Unpack(bytes)));
        let (turns, interrupted) = turns.get(&id).copied().unwrap_or_default();
        rows.push(SessionRow {
            session: row.get(1)?,
            started_at: started.map(Timestamp),
            ended_at: row.get::<_, Option<i64>>(3)?.map(Timestamp),
            reason: reason
                .and_then(|id| names.0.get(&id))
                .map(|text| text.to_string()),
            turns,
            interrupted,
            sum: ReportRow::of(
                Vec::new(),
                &sum.map_or_else(Sum::default, |(_, sum)| sum.clone()),
            ),
            totals: totals
                .iter()
                .flat_map(|totals| TOTALS.into_iter().zip(totals.counts))
                .collect(),
        });
    }
    rows.sort_by(|a, b| (b.started_at, &b.session).cmp(&(a.started_at, &a.session)));
    Ok(rows)
}

/// Turns of each session, and how many of them were interrupted.
fn turn_counts(
    conn: &Connection,
    names: &Dictionary,
) -> rusqlite::Result<HashMap<i64, (u64, u64)>> {
    let mut counts: HashMap<i64, (u64, u64)> = HashMap::new();
    let mut statement = conn.prepare("SELECT session, body FROM turn")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(1)?.as_blob()?;
        let detail = TurnDetail::unpack(&mut Unpack(body), &names);
        let (turns, interrupted) = counts.entry(row.get(0)?).or_default();
        *turns += 1;
        *interrupted += u64::from(detail.is_some_and(|detail| detail.interrupted.is_some()));
    }
    Ok(counts)
}
