//! Sums by dimensions.

use super::{
    fold::folds,
    grouped::{Grouped, Keyed},
    plan::{Plan, Tally},
    query::{Dimension, Filter, Query},
};
use crate::ledger::{
    place::{Place, Times},
    row::Bounds,
    store::Dictionary,
    sum::{Portion, Sum},
};
use campanile_core::{Cost, Timing, Usage, Waste, Wasted};
use rusqlite::Connection;
use serde::Serialize;

/// Sums by the dimensions of a query.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// What the keys of the rows are.
    pub by: Vec<Dimension>,
    /// In the order of their keys.
    pub rows: Vec<ReportRow>,
    /// Each call and each part once.
    pub total: ReportRow,
    /// Rows that were damaged, and are in no sum: `verify` names them.
    pub damaged: u64,
}

/// One sum. A call counts in the row of its last attempt, amounts in the row of the attempt that they are of.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ReportRow {
    /// One for each dimension; empty where nobody said.
    pub keys: Vec<String>,
    /// Calls that are over.
    pub calls: u64,
    /// Of these, calls that failed or panicked.
    pub failed: u64,
    /// Of these, calls that were cancelled.
    pub cancelled: u64,
    /// Of these, calls whose process died.
    pub crashed: u64,
    /// Calls that are not over, and are not among `calls`.
    pub open: u64,
    /// Attempts.
    pub parts: u64,
    /// What was used.
    pub usage: Usage,
    /// What it cost.
    pub cost: Cost,
    /// Attempts that have no price, or not for everything.
    pub unpriced: u64,
    /// Attempts whose usage or cost is known within bounds only.
    pub inexact: u64,
    /// The part of `cost` that nobody heard: attempts that failed, calls that were cut, and what else was for nothing.
    pub wasted: Cost,
    /// The same, by kind.
    #[serde(skip_serializing_if = "Wasted::is_empty")]
    pub wasted_by: Wasted,
}

/// What a sum has wasted, by kind.
pub(super) fn wasted_by(sum: &Sum) -> Wasted {
    let mut wasted = Wasted::default();
    for (kind, bounds) in Waste::ALL.into_iter().zip(sum.wasted) {
        if bounds != Bounds::ZERO {
            wasted.add(kind, &bounds.to_cost());
        }
    }
    wasted
}

impl ReportRow {
    pub(super) fn of(keys: Vec<String>, sum: &Sum) -> Self {
        Self {
            keys,
            calls: sum.calls,
            failed: sum.failed,
            cancelled: sum.cancelled,
            crashed: sum.crashed,
            open: sum.open,
            parts: sum.parts,
            usage: sum.usage,
            cost: sum.cost.to_cost(),
            unpriced: sum.unpriced,
            inexact: sum.inexact,
            wasted: sum.wasted().to_cost(),
            wasted_by: wasted_by(sum),
        }
    }
}

impl Tally for Keyed<'_, Sum> {
    const TIMES: bool = false;

    fn part(&mut self, place: &Place<'_>, part: Portion<'_>) {
        self.of(place).part(part);
    }

    fn call(&mut self, place: &Place<'_>, _timing: Option<&Timing>) {
        self.of(place).call(place.outcome);
    }

    fn many(&mut self, place: &Place<'_>, sum: &Sum, _times: &Times) {
        self.of(place).absorb(sum);
    }
}

/// A report that is not over.
#[derive(Debug, Default)]
pub(super) struct Draft {
    rows: Grouped<Sum>,
    pub(super) damaged: u64,
}

impl Draft {
    pub(super) fn read(conn: &Connection, version: i64, query: &Query) -> rusqlite::Result<Self> {
        let names = Dictionary::names(conn)?;
        let Some(filter) = Filter::of(conn, query, &names)? else {
            return Ok(Self::default());
        };
        let mut sums: Keyed<'_, Sum> = Keyed::new(&filter);
        let damage = Plan::of(conn, version, query)?.run(conn, &filter, &mut sums)?;
        for fold in folds(conn)? {
            if filter.takes(&fold.place) {
                sums.of(&fold.place).absorb(&fold.sum);
            }
        }
        Ok(Self {
            rows: sums.texts(conn, &names)?,
            damaged: damage.calls + damage.parts,
        })
    }

    pub(super) fn add(&mut self, other: Self) {
        self.damaged += other.damaged;
        self.rows.add(other.rows);
    }

    pub(super) fn end(self, query: &Query) -> Report {
        Report {
            by: query.by.clone(),
            total: ReportRow::of(Vec::new(), &self.rows.total()),
            rows: self.rows.rows(query, ReportRow::of),
            damaged: self.damaged,
        }
    }
}
