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
    for row in latency
        .rows
        .iter()
        .filter(|row| row.bare.n.min(row.watched.n) >= ENOUGH)
    {
        let added = [
            row.watched.p50.saturating_sub(row.bare.p50),
            row.watched.p99.saturating_sub(row.bare.p99),
            row.watched.p999.saturating_sub(row.bare.p999),
        ];
        shown.push(format!(
            "{} p50 +{:.1} p99 +{:.1} p99.9 +{:.1} µs",
            row.what,
            us(added[0]),
            us(added[1]),
            us(added[2])
        ));
        if added[0] > P50_NS || added[1] > P99_NS {
            broken.push(format!(
                "{}: {:.0} µs at the median, {:.0} µs at p99",
                row.what,
                us(added[0]),
                us(added[1])
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
