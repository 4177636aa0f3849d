//! Sums by dimensions.

use super::{
    fold::folds,
    query::{Dimension, Filter, Query},
    scan::scan,
};
use crate::ledger::{row::outcome_of, schema, store::Dictionary, sum::Sum};
use campanile_core::{Cost, Outcome, Timestamp, Usage};
use rusqlite::Connection;
use serde::Serialize;
use std::{collections::HashMap, ops::ControlFlow};

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
    /// The part of `cost` that nobody heard: attempts that failed, and calls that were cut.
    pub wasted: Cost,
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
            wasted: sum.wasted.to_cost(),
        }
    }
}

/// Numbers of a row of a report, one for each dimension; `i64::MIN` where nobody said.
type Key = [i64; 7];

const NOBODY: i64 = i64::MIN;

const HOUR_US: i64 = 3_600_000_000;

/// What the dimensions of a sum are about.
pub(super) struct Place {
    pub(super) at: i64,
    pub(super) stage: i64,
    pub(super) session: Option<i64>,
    pub(super) outcome: Option<Outcome>,
    pub(super) provider: Option<i64>,
    pub(super) model: Option<i64>,
}

impl Place {
    fn key(&self, by: &[Dimension]) -> Key {
        let mut key = [NOBODY; 7];
        for (slot, dimension) in key.iter_mut().zip(by) {
            *slot = match dimension {
                Dimension::Provider => self.provider.unwrap_or(NOBODY),
                Dimension::Model => self.model.unwrap_or(NOBODY),
                Dimension::Stage => self.stage,
                Dimension::Session => self.session.unwrap_or(NOBODY),
                Dimension::Day => schema::day_of(self.at),
                Dimension::Hour => self.at.div_euclid(HOUR_US),
                Dimension::Outcome => self.outcome.map_or(NOBODY, |outcome| outcome as i64),
            };
        }
        key
    }
}

/// Sums by key; the last one is at hand, since neighbours are alike.
#[derive(Default)]
pub(super) struct Groups {
    pub(super) at: HashMap<Key, usize>,
    pub(super) sums: Vec<Sum>,
    last: Option<(Key, usize)>,
}

impl Groups {
    fn sum(&mut self, key: Key) -> &mut Sum {
        let i = match self.last {
            Some((last, i)) if last == key => i,
            _ => *self.at.entry(key).or_insert_with(|| {
                self.sums.push(Sum::default());
                self.sums.len() - 1
            }),
        };
        self.last = Some((key, i));
        &mut self.sums[i]
    }
}

/// Sums calls and folds.
pub(super) fn sum(
    conn: &Connection,
    query: &Query,
    names: &Dictionary,
) -> rusqlite::Result<(Groups, Sum)> {
    let mut groups = Groups::default();
    let mut total = Sum::default();
    let Some(filter) = Filter::of(conn, query, names)? else {
        return Ok((groups, total));
    };
    scan(conn, false, |call, parts| {
        if filter.takes(call.at, call.stage, call.session) {
            let mut place = Place {
                at: call.at,
                stage: call.stage,
                session: call.session,
                outcome: call.outcome,
                provider: None,
                model: None,
            };
            for part in parts {
                (place.provider, place.model) = (part.provider, part.model);
                groups
                    .sum(place.key(&query.by))
                    .part(part.portion(call.outcome));
            }
            groups.sum(place.key(&query.by)).call(call.outcome);
        }
        ControlFlow::Continue(())
    })?;
    for fold in folds(conn)? {
        if filter.takes(fold.place.at, fold.place.stage, None) {
            groups.sum(fold.place.key(&query.by)).absorb(&fold.sum);
        }
    }
    for sum in &groups.sums {
        total.absorb(sum);
    }
    Ok((groups, total))
}

pub(super) fn key_texts(
    key: &Key,
    by: &[Dimension],
    names: &Dictionary,
    sessions: &Dictionary,
) -> Vec<String> {
    let word = |dictionary: &Dictionary, id: i64| {
        dictionary
            .0
            .get(&id)
            .map_or(String::new(), |text| text.to_string())
    };
    let moment = |micros: i64, len: usize| Timestamp(micros).to_string()[..len].to_owned();
    key.iter()
        .zip(by)
        .map(|(&id, dimension)| match dimension {
            Dimension::Provider | Dimension::Model | Dimension::Stage => word(names, id),
            Dimension::Session => word(sessions, id),
            Dimension::Day => moment(id.saturating_mul(24 * HOUR_US), 10),
            Dimension::Hour => moment(id.saturating_mul(HOUR_US), 13),
            Dimension::Outcome => {
                let outcome = u8::try_from(id).ok().and_then(outcome_of);
                outcome.map_or("open", Outcome::name).to_owned()
            }
        })
        .collect()
}
