//! The start and the end of a session.

use super::Bounds;
use crate::ledger::codec::{Pack, Unpack};
use campanile_core::{Phase, SessionEvent, SessionTotals};

/// The start or the end of a session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SessionEdge<'a> {
    pub(crate) session: &'a str,
    pub(crate) started_at: i64,
    /// Moment, reason and totals, where it is the end.
    pub(crate) end: Option<(i64, Option<&'a str>, Option<Totals>)>,
}

/// What a session said of itself at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) counts: [u64; 6],
    pub(crate) cost: Bounds,
    pub(crate) wasted: Bounds,
}

/// Names of [`Totals::counts`].
pub(crate) const TOTALS: [&str; 6] = [
    "elapsed_us",
    "turns",
    "interrupted",
    "calls",
    "failed",
    "open_calls",
];

impl Totals {
    fn of(totals: &SessionTotals) -> Self {
        let counts = [
            totals.turns,
            totals.interrupted,
            totals.calls,
            totals.failed,
            totals.open_calls,
        ];
        let [turns, interrupted, calls, failed, open] = counts.map(u64::from);
        Self {
            counts: [totals.elapsed.us(), turns, interrupted, calls, failed, open],
            cost: Bounds::of(&totals.cost),
            wasted: Bounds::of(&totals.wasted),
        }
    }

    pub(crate) fn pack(&self, out: &mut Vec<u8>) {
        for count in self.counts {
            out.uint(count);
        }
        self.cost.pack(out);
        self.wasted.pack(out);
    }

    pub(crate) fn unpack(from: &mut Unpack<'_>) -> Option<Self> {
        let mut counts = [0; 6];
        for count in &mut counts {
            *count = from.uint()?;
        }
        Some(Self {
            counts,
            cost: Bounds::unpack(from)?,
            wasted: Bounds::unpack(from)?,
        })
    }
}

impl<'a> SessionEdge<'a> {
    pub(crate) fn of(session: &'a SessionEvent) -> Self {
        let end = (session.phase == Phase::End).then(|| {
            (
                session.at.micros(),
                session.reason.as_deref(),
                session.totals.as_ref().map(Totals::of),
            )
        });
        Self {
            session: session.session.as_str(),
            started_at: session.started_at.micros(),
            end,
        }
    }

    pub(crate) fn pack(&self, out: &mut Vec<u8>) {
        out.text(self.session);
        out.int(self.started_at);
        let there = |yes| u8::from(yes);
        match &self.end {
            None => out.push(0),
            Some((at, reason, totals)) => {
                out.push(1 | there(reason.is_some()) << 1 | there(totals.is_some()) << 2);
                out.int(*at);
                if let Some(reason) = reason {
                    out.text(reason);
                }
                if let Some(totals) = totals {
                    totals.pack(out);
                }
            }
        }
    }

    pub(crate) fn unpack(from: &mut Unpack<'a>) -> Option<Self> {
        let (session, started_at, there) = (from.text()?, from.int()?, from.byte()?);
        let end = match there {
            0 => None,
            _ => Some((
                from.int()?,
                if there & 2 != 0 {
                    Some(from.text()?)
                } else {
                    None
                },
                if there & 4 != 0 {
                    Some(Totals::unpack(from)?)
                } else {
                    None
                },
            )),
        };
        Some(Self {
            session,
            started_at,
            end,
        })
    }
}
