//! What a transaction changes of what was summed before: bounds of hours grow, slices that hold a changed call go.

use super::tx::Tx;
use crate::ledger::span::{Span, hour_of, millis_of};
use std::collections::HashMap;

/// Bounds of the ids of an hour's calls, as they were written: the ones in the table are never narrower.
pub(crate) type Hours = HashMap<i64, Span>;

/// Calls that a transaction has written something about.
#[derive(Debug, Default)]
pub(super) struct Touched {
    last: Option<(i64, i64)>,
    millis: Vec<i64>,
    hours: Vec<i64>,
    /// Bounds that have to grow.
    grown: Hours,
}

impl Tx<'_> {
    /// Notes that something about a call is written.
    pub(super) fn touch(&mut self, id: &[u8; 16], at: i64) {
        if let Some(outbox) = &mut self.outbox {
            outbox.call(id);
        }
        let (hour, millis) = (hour_of(at), millis_of(id));
        if self.touched.last == Some((hour, millis)) {
            return;
        }
        if self.touched.last.is_none_or(|(last, _)| last != hour)
            && !self.touched.hours.contains(&hour)
        {
            self.touched.hours.push(hour);
        }
        self.touched.last = Some((hour, millis));
        self.touched.millis.push(millis);
        let known = self
            .hours
            .get(&hour)
            .or_else(|| self.touched.grown.get(&hour));
        if !known.is_some_and(|span| span.has(millis)) {
            let span = Span::around(millis);
            let span = known.map_or(span, |known| known.hull(span));
            self.hours.remove(&hour);
            self.touched.grown.insert(hour, span);
        }
    }

    /// Writes bounds that have grown, and takes away slices whose sums are not true any more. Returns the hours of the
    /// calls that were written about.
    pub(super) fn settle(&mut self) -> rusqlite::Result<Vec<i64>> {
        for (hour, span) in self.touched.grown.drain() {
            let grow = "INSERT INTO hour VALUES(?1, ?2, ?3) ON CONFLICT(hour) DO UPDATE
                        SET low = min(low, excluded.low), high = max(high, excluded.high)";
            self.conn
                .prepare_cached(grow)?
                .execute([hour, span.low, span.high])?;
            self.hours.insert(hour, span);
        }
        self.turn_sums()?;
        if let Some(outbox) = self.outbox.take() {
            outbox.write(self.conn)?;
        }
        let millis = &mut self.touched.millis;
        millis.sort_unstable();
        let hours = std::mem::take(&mut self.touched.hours);
        let Some(&first) = millis.first() else {
            return Ok(hours);
        };
        let mut gone = Vec::new();
        {
            // New calls are behind all slices: nearly always there is none.
            let mut slices = self
                .conn
                .prepare_cached("SELECT low, high, id FROM slice WHERE high > ?1")?;
            let mut slices = slices.query([first])?;
            while let Some(slice) = slices.next()? {
                let (low, high): (i64, i64) = (slice.get(0)?, slice.get(1)?);
                let next = millis.partition_point(|millis| *millis < low);
                if millis.get(next).is_some_and(|millis| *millis < high) {
                    gone.push(slice.get::<_, i64>(2)?);
                }
            }
        }
        for id in gone {
            self.conn
                .prepare_cached("DELETE FROM slice WHERE id = ?1")?
                .execute([id])?;
        }
        Ok(hours)
    }

    /// Adds the turns of this transaction to those of their hours.
    fn turn_sums(&mut self) -> rusqlite::Result<()> {
        for (hour, mut sum) in std::mem::take(&mut self.turn_hours) {
            super::sessions::add_turn_hour(self.conn, &mut self.seal, hour, &mut sum)?;
        }
        Ok(())
    }
}
