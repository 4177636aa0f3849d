//! Which sums answer a question, and which calls have to be looked at one by one.

use super::{
    census::Census,
    query::{Filter, Query},
    scan::{Damage, RawCall, RawPart, scan},
};
use crate::ledger::{
    codec::Unpack,
    place::{Place, Times},
    schema::{BY_KIND, SUMMED, Seal},
    slice::{SliceReader, read_times},
    span::{HOUR_US, Span, hour_of, millis_of},
    sum::{Portion, Sum},
};
use campanile_core::Timing;
use rusqlite::Connection;
use std::{collections::HashMap, ops::ControlFlow};

/// Takes what is counted, each call and each part once: alone, or in sums of many.
pub(super) trait Tally {
    /// Whether it wants the times of calls.
    const TIMES: bool;

    fn part(&mut self, place: &Place<'_>, part: Portion<'_>);
    fn call(&mut self, place: &Place<'_>, timing: Option<&Timing>);
    fn many(&mut self, place: &Place<'_>, sum: &Sum, times: &Times);
}

/// Slices of hours of which all is asked for, and what they leave.
#[derive(Debug, Default)]
pub(super) struct Plan {
    slices: Vec<Slice>,
    /// What has to be looked at, by hour; `None`: everything.
    holes: Option<HashMap<i64, Vec<Span>>>,
}

#[derive(Debug)]
struct Slice {
    hour: i64,
    span: Span,
    sums: Vec<u8>,
    times: Vec<u8>,
}

impl Plan {
    /// Everything, one by one.
    pub(super) fn everything() -> Self {
        Self::default()
    }

    /// The fastest way to an answer. Older ledgers have no sums.
    pub(super) fn of(conn: &Connection, version: i64, query: &Query) -> rusqlite::Result<Self> {
        if version < SUMMED {
            return Ok(Self::everything());
        }
        let mut slices = match version >= BY_KIND && query.is_summed() {
            true => slices(conn, query)?,
            false => Vec::new(),
        };
        slices.retain(|slice| slice.use_for(query) != Use::Look);
        let mut holes: HashMap<i64, Vec<Span>> = HashMap::new();
        for (hour, span) in hours(conn, query)? {
            let first = slices.partition_point(|slice| slice.hour < hour);
            let here = slices[first..]
                .iter()
                .take_while(|slice| slice.hour == hour);
            let left = span.without(here.map(|slice| slice.span));
            if !left.is_empty() {
                holes.insert(hour, left);
            }
        }
        slices.retain(|slice| slice.use_for(query) == Use::Sum);
        Ok(Self {
            slices,
            holes: Some(holes),
        })
    }

    /// Every call that may be asked for, one by one.
    pub(super) fn calls_in(
        conn: &Connection,
        version: i64,
        query: &Query,
    ) -> rusqlite::Result<Self> {
        if version < SUMMED || query.hours() == (i64::MIN, i64::MAX) {
            return Ok(Self::everything());
        }
        let hours = hours(conn, query)?.into_iter();
        Ok(Self {
            slices: Vec::new(),
            holes: Some(hours.map(|(hour, span)| (hour, vec![span])).collect()),
        })
    }

    /// Hands everything that `filter` takes to `tally`.
    pub(super) fn run<T: Tally>(
        &self,
        conn: &Connection,
        filter: &Filter<'_>,
        tally: &mut T,
    ) -> rusqlite::Result<Damage> {
        let mut census = Census::default();
        for slice in &self.slices {
            slice.run(filter, tally, &mut census);
        }
        self.look(conn, filter.query, census, |call, parts| {
            one_by_one(call, parts, filter, tally);
            ControlFlow::Continue(())
        })
    }

    /// Hands every call that no slice sums to `each`, in the order of their ids.
    pub(super) fn calls(
        &self,
        conn: &Connection,
        query: &Query,
        each: impl FnMut(&RawCall, &[RawPart]) -> ControlFlow<()>,
    ) -> rusqlite::Result<Damage> {
        self.look(conn, query, Census::default(), each)
    }

    fn look(
        &self,
        conn: &Connection,
        query: &Query,
        mut census: Census,
        mut each: impl FnMut(&RawCall, &[RawPart]) -> ControlFlow<()>,
    ) -> rusqlite::Result<Damage> {
        let mut damage = Damage::default();
        let mut broken = false;
        for span in self.spans() {
            damage += scan(conn, span, |call, parts| {
                let flow = match self.leaves(call) {
                    true => {
                        census.call(call, parts.len());
                        each(call, parts)
                    }
                    false => ControlFlow::Continue(()),
                };
                broken |= flow.is_break();
                flow
            })?;
            if broken {
                return Ok(damage);
            }
        }
        // What slices pass over was not counted: it is on days of which not all was asked for.
        census.compare(conn, query, &mut damage)?;
        Ok(damage)
    }

    /// Spans that have to be walked over, in order, none over another.
    pub(super) fn spans(&self) -> Vec<Span> {
        let Some(holes) = &self.holes else {
            return vec![Span::EVERYTHING];
        };
        let mut spans: Vec<Span> = holes.values().flatten().copied().collect();
        spans.sort_unstable_by_key(|span| span.low);
        let mut joined: Vec<Span> = Vec::new();
        for span in spans {
            match joined.last_mut().filter(|last| span.low <= last.high) {
                Some(last) => last.high = last.high.max(span.high),
                None => joined.push(span),
            }
        }
        joined
    }

    /// Whether sums alone answer it.
    pub(super) fn is_summed(&self) -> bool {
        self.holes.as_ref().is_some_and(HashMap::is_empty)
    }

    /// Whether a call has to be looked at: it is in no slice.
    fn leaves(&self, call: &RawCall) -> bool {
        let Some(holes) = &self.holes else {
            return true;
        };
        let millis = millis_of(&call.id);
        let here = holes.get(&hour_of(call.at));
        here.is_some_and(|spans| spans.iter().any(|span| span.has(millis)))
    }
}

/// What a slice is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// All its calls are asked for.
    Sum,
    /// None is.
    Pass,
    /// Each has to be looked at.
    Look,
}

impl Slice {
    fn use_for(&self, query: &Query) -> Use {
        let start = self.hour.saturating_mul(HOUR_US);
        let Some(read) = SliceReader::new(&self.sums, start) else {
            return Use::Look;
        };
        let (first, last) = read.began;
        match (query.is_in(first), query.is_in(last)) {
            (true, true) if read.without_labels && query.needs_labels() => Use::Look,
            (true, true) => Use::Sum,
            _ if query.is_outside(first, last) => Use::Pass,
            _ => Use::Look,
        }
    }

    fn run<T: Tally>(&self, filter: &Filter<'_>, tally: &mut T, census: &mut Census) {
        let mut times = Unpack(&self.times);
        let Some(mut sums) = SliceReader::new(&self.sums, self.hour.saturating_mul(HOUR_US)) else {
            return;
        };
        // Its checksum holds, so that it makes sense to its end.
        while let Some(Some((place, sum))) = sums.next() {
            let times = match T::TIMES {
                true => read_times(&mut times).unwrap_or_default(),
                false => Times::default(),
            };
            census.sum(place.at, &sum);
            if filter.takes(&place) {
                tally.many(&place, &sum, &times);
            }
        }
    }
}

/// Hands one call and its parts to `tally`. The call counts where its last attempt does.
pub(super) fn one_by_one<T: Tally>(
    call: &RawCall,
    parts: &[RawPart],
    filter: &Filter<'_>,
    tally: &mut T,
) {
    let glance = match T::TIMES || filter.query.needs_labels() {
        true => call.glance(),
        false => Default::default(),
    };
    let mut place = Place {
        at: call.at,
        stage: call.stage,
        session: call.session,
        outcome: call.outcome,
        provider: None,
        model: None,
        labels: glance.labels,
    };
    for part in parts {
        (place.provider, place.model) = (part.provider, part.model);
        if filter.takes(&place) {
            tally.part(&place, part.portion(call.outcome));
        }
    }
    if filter.takes(&place) {
        tally.call(&place, glance.timing.as_ref());
    }
}

fn hours(conn: &Connection, query: &Query) -> rusqlite::Result<Vec<(i64, Span)>> {
    let (first, last) = query.hours();
    conn.prepare("SELECT hour, low, high FROM hour WHERE hour BETWEEN ?1 AND ?2")?
        .query_map([first, last], |row| {
            let span = Span {
                low: row.get(1)?,
                high: row.get(2)?,
            };
            Ok((row.get(0)?, span))
        })?
        .collect()
}

/// Slices that are built and as they were written, by hour and place in it.
fn slices(conn: &Connection, query: &Query) -> rusqlite::Result<Vec<Slice>> {
    let (first, last) = query.hours();
    let sql =
        "SELECT * FROM slice WHERE hour BETWEEN ?1 AND ?2 AND sums IS NOT NULL ORDER BY hour, low";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([first, last])?;
    let mut seal = Seal::default();
    let mut slices = Vec::new();
    while let Some(row) = rows.next()? {
        if seal.holds(row, 7)? {
            slices.push(Slice {
                hour: row.get(1)?,
                span: Span {
                    low: row.get(2)?,
                    high: row.get(3)?,
                },
                sums: row.get(5)?,
                times: row.get(6)?,
            });
        }
    }
    Ok(slices)
}
