//! Counting what was walked over: a row that is gone has no checksum to say so, but the sums of its day have.

use super::{
    query::Query,
    scan::{Damage, RawCall},
};
use crate::ledger::{
    schema::{Seal, day_of},
    sum::Sum,
};
use campanile_core::Timestamp;
use rusqlite::Connection;
use std::collections::BTreeMap;

/// Calls that are over, by UTC day, and all parts.
#[derive(Debug, Default)]
pub(super) struct Census {
    days: BTreeMap<i64, u64>,
    /// The last day, which is nearly always that of the next call.
    last: (i64, u64),
    parts: u64,
}

impl Census {
    pub(super) fn call(&mut self, call: &RawCall, parts: usize) {
        self.parts += parts as u64;
        if call.outcome.is_some() {
            self.add(day_of(call.at), 1);
        }
    }

    pub(super) fn sum(&mut self, at: i64, sum: &Sum) {
        self.parts += sum.parts;
        self.add(day_of(at), sum.calls);
    }

    fn add(&mut self, day: i64, calls: u64) {
        if self.last.0 != day {
            self.close_day();
            self.last.0 = day;
        }
        self.last.1 += calls;
    }

    fn close_day(&mut self) {
        let (day, calls) = std::mem::take(&mut self.last);
        *self.days.entry(day).or_default() += calls;
    }

    /// Adds what is missing to what was found damaged: days of which all was asked for are compared with their sums.
    pub(super) fn compare(
        mut self,
        conn: &Connection,
        query: &Query,
        damage: &mut Damage,
    ) -> rusqlite::Result<()> {
        self.close_day();
        let (mut calls, mut parts, mut broken) = (0, 0, 0);
        let mut statement = conn.prepare("SELECT * FROM day")?;
        let mut rows = statement.query([])?;
        let mut seal = Seal::default();
        while let Some(row) = rows.next()? {
            let (day, over): (i64, i64) = (row.get(0)?, row.get(1)?);
            let start = day.saturating_mul(Timestamp::DAY_US);
            if !query.has_all(start, start.saturating_add(Timestamp::DAY_US)) {
                continue;
            }
            if !seal.holds(row, 6)? {
                broken += 1;
                continue;
            }
            let found = self.days.get(&day).copied().unwrap_or_default();
            calls += u64::try_from(over)
                .unwrap_or_default()
                .saturating_sub(found);
            parts += u64::try_from(row.get::<_, i64>(2)?).unwrap_or_default();
        }
        damage.calls = damage.calls.max(calls) + broken;
        if query.has_all(i64::MIN, i64::MAX) {
            damage.parts = damage.parts.max(parts.saturating_sub(self.parts));
        }
        Ok(())
    }
}
