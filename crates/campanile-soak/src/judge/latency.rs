//! What the layers add, against the same load without them in the same run.

use super::evidence::Evidence;
use super::verdict::Line;
use crate::journal::Latency;

/// What may be added to a piece on its way, at the 99th of a hundred, in nanoseconds.
pub(crate) const P99_NS: u64 = 1_000_000;
/// And at the median.
const P50_NS: u64 = 100_000;
/// Of a thousand frames, so many more than without layers may miss their deadline.
pub(crate) const LATE: f64 = 5.0;
/// Fewer pieces than this have no tail.
const ENOUGH: u64 = 1_000;

/// Late frames of a thousand: without layers, and with them.
pub(crate) fn late(latency: &Latency) -> [f64; 2] {
    [0, 1].map(|side| match latency.frames[side] {
        0 => 0.0,
        frames => latency.late[side] as f64 * 1_000.0 / frames as f64,
    })
}

/// What layers add to one way, in nanoseconds.
pub(crate) struct Added<'a> {
    what: &'a str,
    p50: u64,
    pub(crate) p99: u64,
    p999: u64,
}

/// What they add to each way that has seen enough pieces, with layers and without.
pub(crate) fn added(latency: &Latency) -> impl Iterator<Item = Added<'_>> {
    let rows = latency.rows.iter();
    let enough = rows.filter(|row| row.bare.n.min(row.watched.n) >= ENOUGH);
    enough.map(|row| Added {
        what: &row.what,
        p50: row.watched.p50.saturating_sub(row.bare.p50),
        p99: row.watched.p99.saturating_sub(row.bare.p99),
        p999: row.watched.p999.saturating_sub(row.bare.p999),
    })
}

/// In real time only: on a scaled clock there is nothing to measure.
pub(crate) fn judge(evidence: &Evidence) -> Vec<Line> {
    let Some(latency) = evidence
        .closed
        .as_ref()
        .and_then(|closed| closed.latency.as_ref())
    else {
        return Vec::new();
    };
    let us = |ns: u64| ns as f64 / 1e3;
    let (mut shown, mut broken) = (Vec::new(), Vec::new());
    for added in added(latency) {
        shown.push(format!(
            "{} p50 +{:.1} p99 +{:.1} p99.9 +{:.1} µs",
            added.what,
            us(added.p50),
            us(added.p99),
            us(added.p999)
        ));
        if added.p50 > P50_NS || added.p99 > P99_NS {
            broken.push(format!(
                "{}: {:.0} µs at the median, {:.0} µs at p99",
                added.what,
                us(added.p50),
                us(added.p99)
            ));
        }
    }
    if shown.is_empty() {
        return vec![Line::unknown(
            "the layers add little",
            "too few pieces were measured",
        )];
    }
    let [bare, watched] = late(latency);
    let mut on_time = Vec::new();
    if watched > bare + LATE {
        on_time.push("the layers make frames late".to_owned());
    }
    vec![
        Line::new("the layers add little", shown.join("; "), broken),
        Line::new(
            "frames leave on time",
            format!(
                "{watched:.2} of a thousand are late with layers, {bare:.2} without; {} frames",
                latency.frames[1]
            ),
            on_time,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{LatencyRow, Quantiles};

    #[test]
    fn what_layers_add_is_said_of_ways_that_saw_enough() {
        let quantiles = |n, p99| Quantiles {
            n,
            p99,
            ..Quantiles::default()
        };
        let row = |bare, watched| LatencyRow {
            bare,
            watched,
            ..LatencyRow::default()
        };
        let latency = Latency {
            rows: vec![
                row(quantiles(1_000, 50), quantiles(1_000, 70)),
                row(quantiles(999, 50), quantiles(1_000, 9_000)),
                row(quantiles(1_000, 50), quantiles(1_000, 40)),
            ],
            ..Latency::default()
        };

        let p99: Vec<_> = added(&latency).map(|added| added.p99).collect();
        assert_eq!(p99, [20, 0]);
    }
}
