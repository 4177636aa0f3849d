//! The sums of days: what a row that is gone cannot say.

use super::{amount::as_kept, insert::put, tx::Tx};
use crate::ledger::{row::Bounds, schema::Val};
use rusqlite::OptionalExtension;

/// What a transaction changes in the sums of a day.
#[derive(Debug, Default)]
pub(super) struct DayChange {
    pub(super) calls: i64,
    pub(super) parts: i64,
    at_least: i128,
    more: i128,
    unbounded: i64,
}

impl DayChange {
    /// Counts a part that was not there.
    pub(super) fn part(&mut self, cost: Option<Bounds>) {
        self.parts += 1;
        self.cost(as_kept(cost), 1);
    }

    pub(super) fn cost(&mut self, cost: Option<Bounds>, sign: i64) {
        let Some(cost) = cost else { return };
        self.at_least += i128::from(sign) * cost.at_least.grains();
        match cost.more() {
            Some(more) => self.more += i128::from(sign) * more.grains(),
            None => self.unbounded += sign,
        }
    }
}

impl Tx<'_> {
    /// Writes what follows from the rows that were written. Returns the hours whose calls these are about.
    pub(super) fn end(mut self) -> rusqlite::Result<Vec<i64>> {
        let hours = self.settle()?;
        for (day, change) in &self.days {
            let known = "SELECT calls, parts, at_least, more, unbounded FROM day WHERE day = ?1";
            type Known = (i64, i64, String, String, i64);
            let known: Option<Known> = self
                .conn
                .prepare_cached(known)?
                .query_row([day], |row| {
                    Ok((
                        row.get(0)?,
                        row.get(1)?,
                        row.get(2)?,
                        row.get(3)?,
                        row.get(4)?,
                    ))
                })
                .optional()?;
            let (calls, parts, at_least, more, unbounded) = known.unwrap_or_default();
            let grains =
                |text: String, change: i128| (text.parse().unwrap_or(0_i128) + change).to_string();
            let (at_least, more) = (grains(at_least, change.at_least), grains(more, change.more));
            let values = [
                Val::Int(*day),
                Val::Int(calls + change.calls),
                Val::Int(parts + change.parts),
                Val::Text(&at_least),
                Val::Text(&more),
                Val::Int(unbounded + change.unbounded),
            ];
            let statement = "INSERT OR REPLACE INTO day VALUES(?1,?2,?3,?4,?5,?6,?7)";
            put(
                &mut self.conn.prepare_cached(statement)?,
                &mut self.seal,
                &values,
            )?;
        }
        Ok(hours)
    }
}
