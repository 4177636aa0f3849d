//! How long calls and turns took.

use super::{
    grouped::{Absorb, Grouped, Keyed},
    plan::{Plan, Tally},
    query::{Dimension, Filter, Query},
};
use crate::ledger::{
    Sketch,
    codec::Unpack,
    place::{Place, Times},
    row::TurnDetail,
    schema::{SUMMED, Seal},
    span::{HOUR_US, hour_of},
    store::Dictionary,
    sum::{Portion, Sum},
    turns::TurnSum,
};
use campanile_core::Timing;
use rusqlite::Connection;
use std::collections::BTreeMap;

/// Times of calls by the dimensions of a query, and of turns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Latency {
    /// What the keys of the rows are.
    pub by: Vec<Dimension>,
    /// In the order of their keys.
    pub rows: Vec<LatencyRow>,
    /// All calls.
    pub total: LatencyRow,
    /// All turns of the range, or of the session where the query names one: turns belong to no stage, provider or model.
    pub turns: TurnLatency,
    /// Turns by UTC hour (microseconds since 1970 of its beginning).
    pub turn_hours: Vec<(i64, TurnLatency)>,
    /// Rows that were damaged, and are in no distribution: `verify` names them.
    pub damaged: u64,
}

/// Times of calls that are over, as their callers saw them. A call stands in the row of its last attempt.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LatencyRow {
    /// One for each dimension; empty where nobody said.
    pub keys: Vec<String>,
    /// Calls that are over, timed or not.
    pub calls: u64,
    /// Time in a queue, before the client began.
    pub queued: Sketch,
    /// To the first item of the reply.
    pub first_item: Sketch,
    /// To the end of the reply.
    pub elapsed: Sketch,
}

/// Times of turns.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TurnLatency {
    /// Turns that were over.
    pub turns: u64,
    /// Of these, turns that were interrupted.
    pub interrupted: u64,
    /// From the end of the user's speech to the first audio of the bot.
    pub user_to_bot: Sketch,
    /// From the beginning to the end.
    pub elapsed: Sketch,
}

impl From<TurnSum> for TurnLatency {
    fn from(sum: TurnSum) -> Self {
        Self {
            turns: sum.turns,
            interrupted: sum.interrupted,
            user_to_bot: sum.user_to_bot,
            elapsed: sum.elapsed,
        }
    }
}

impl LatencyRow {
    fn of(keys: Vec<String>, Timed { calls, times }: &Timed) -> Self {
        Self {
            keys,
            calls: *calls,
            queued: times.queued.clone(),
            first_item: times.first_item.clone(),
            elapsed: times.elapsed.clone(),
        }
    }
}

/// Calls that are over, and where their times went.
#[derive(Debug, Default)]
struct Timed {
    calls: u64,
    times: Times,
}

impl Absorb for Timed {
    fn absorb(&mut self, other: &Self) {
        self.calls += other.calls;
        self.times.absorb(&other.times);
    }
}

impl Tally for Keyed<'_, Timed> {
    const TIMES: bool = true;

    fn part(&mut self, _place: &Place<'_>, _part: Portion<'_>) {}

    fn call(&mut self, place: &Place<'_>, timing: Option<&Timing>) {
        if place.outcome.is_none() {
            return;
        }
        let row = self.of(place);
        row.calls += 1;
        if let Some(timing) = timing {
            row.times.call(timing);
        }
    }

    fn many(&mut self, place: &Place<'_>, sum: &Sum, more: &Times) {
        if sum.calls == 0 {
            return;
        }
        let row = self.of(place);
        row.calls += sum.calls;
        row.times.absorb(more);
    }
}

/// Times that are not all.
#[derive(Debug, Default)]
pub(super) struct Draft {
    rows: Grouped<Timed>,
    hours: BTreeMap<i64, TurnSum>,
    pub(super) damaged: u64,
}

impl Draft {
    pub(super) fn read(conn: &Connection, version: i64, query: &Query) -> rusqlite::Result<Self> {
        let names = Dictionary::names(conn)?;
        let Some(filter) = Filter::of(conn, query, &names)? else {
            return Ok(Self::default());
        };
        let mut spent = Keyed::new(&filter);
        let damage = Plan::of(conn, version, query)?.run(conn, &filter, &mut spent)?;
        Ok(Self {
            rows: spent.texts(conn, &names)?,
            hours: turn_hours(conn, version, &filter, &names)?,
            damaged: damage.calls + damage.parts,
        })
    }

    pub(super) fn add(&mut self, other: Self) {
        self.damaged += other.damaged;
        self.rows.add(other.rows);
        for (hour, sum) in other.hours {
            self.hours.entry(hour).or_default().absorb(&sum);
        }
    }

    pub(super) fn end(self, query: &Query) -> Latency {
        let mut turns = TurnSum::default();
        self.hours.values().for_each(|sum| turns.absorb(sum));
        let hours = self.hours.into_iter();
        Latency {
            by: query.by.clone(),
            total: LatencyRow::of(Vec::new(), &self.rows.total()),
            rows: self.rows.rows(query, LatencyRow::of),
            turns: turns.into(),
            turn_hours: hours
                .map(|(hour, sum)| (hour.saturating_mul(HOUR_US), sum.into()))
                .collect(),
            damaged: self.damaged,
        }
    }
}

/// Turns by hour: whole hours from their sums, the others one by one.
fn turn_hours(
    conn: &Connection,
    version: i64,
    filter: &Filter<'_>,
    names: &Dictionary,
) -> rusqlite::Result<BTreeMap<i64, TurnSum>> {
    let query = filter.query;
    let mut hours: BTreeMap<i64, TurnSum> = BTreeMap::new();
    let mut add = |at: i64, body: &[u8]| {
        if let Some(turn) = TurnDetail::unpack(&mut Unpack(body), &names)
            && query.is_in(at)
        {
            hours.entry(hour_of(at)).or_default().turn(&turn);
        }
    };
    if version < SUMMED || filter.session.is_some() {
        let session = filter.session;
        return each_turn(conn, "?1 IS NULL OR session = ?1", [session], &mut add).map(|()| hours);
    }
    let mut left = Vec::new();
    let mut sums = BTreeMap::new();
    let (first, last) = query.hours();
    let sql = "SELECT * FROM turn_hour WHERE hour BETWEEN ?1 AND ?2";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([first, last])?;
    let mut seal = Seal::default();
    while let Some(row) = rows.next()? {
        let hour: i64 = row.get(0)?;
        let start = hour.saturating_mul(HOUR_US);
        let whole = query.has_all(start, start.saturating_add(HOUR_US));
        let sum = match whole && seal.holds(row, 2)? {
            true => TurnSum::unpack(row.get_ref(1)?.as_blob()?),
            false => None,
        };
        match sum {
            Some(sum) => drop(sums.insert(hour, sum)),
            None => left.push(hour),
        }
    }
    for hour in left {
        let start = hour.saturating_mul(HOUR_US);
        let bounds = [start, start.saturating_add(HOUR_US)];
        each_turn(conn, "at >= ?1 AND at < ?2", bounds, &mut add)?;
    }
    hours.extend(sums);
    Ok(hours)
}

fn each_turn(
    conn: &Connection,
    which: &str,
    bounds: impl rusqlite::Params,
    add: &mut impl FnMut(i64, &[u8]),
) -> rusqlite::Result<()> {
    let sql = format!("SELECT session, turn, at, run, body, crc FROM turn WHERE {which}");
    let mut statement = conn.prepare(&sql)?;
    let mut rows = statement.query(bounds)?;
    let mut seal = Seal::default();
    while let Some(row) = rows.next()? {
        if seal.holds(row, 5)? {
            add(row.get(2)?, row.get_ref(4)?.as_blob()?);
        }
    }
    Ok(())
}
