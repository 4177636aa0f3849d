//! Records of what the last turns or minutes were like.

use crate::{Cost, Span, Timestamp};
use serde::Serialize;

/// What the last turns or minutes were like.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SummaryEvent {
    /// When.
    pub at: Timestamp,
    /// How long the stretch was.
    #[serde(rename = "span_us")]
    pub span: Span,
    /// Turns that were over in it.
    pub turns: u64,
    /// Calls that were over in it.
    pub calls: u64,
    /// Calls that failed or panicked in it.
    pub failed: u64,
    /// User-to-bot latency of its turns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_to_bot: Option<Quantiles>,
    /// Cost since the start of the program.
    pub cost: Cost,
}

impl SummaryEvent {
    /// An empty stretch.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self {
            at,
            span: Span::default(),
            turns: 0,
            calls: 0,
            failed: 0,
            user_to_bot: None,
            cost: Cost::nothing(),
        }
    }
}

/// Average and quantiles of `n` samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Quantiles {
    /// How many samples.
    pub n: u64,
    /// Their average.
    #[serde(rename = "avg_us")]
    pub avg: Span,
    /// Half are no longer than this.
    #[serde(rename = "p50_us")]
    pub p50: Span,
    /// 95 of 100 are no longer than this; absent below 20 samples.
    #[serde(rename = "p95_us", skip_serializing_if = "Option::is_none")]
    pub p95: Option<Span>,
    /// 99 of 100 are no longer than this; absent below 100 samples.
    #[serde(rename = "p99_us", skip_serializing_if = "Option::is_none")]
    pub p99: Option<Span>,
}

impl Quantiles {
    /// Of samples in any order, by nearest rank; `None` of none.
    #[must_use]
    pub fn of(samples: &mut [Span]) -> Option<Self> {
        samples.sort_unstable();
        let n = samples.len();
        let rank = |percent: usize| samples[(n * percent).div_ceil(100) - 1];
        let sum: u128 = samples.iter().map(|span| u128::from(span.0)).sum();
        (n > 0).then(|| Self {
            n: n as u64,
            avg: Span(u64::try_from(sum / n as u128).unwrap_or(u64::MAX)),
            p50: rank(50),
            p95: (n >= 20).then(|| rank(95)),
            p99: (n >= 100).then(|| rank(99)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_samples_have_no_tail() {
        let mut spans: Vec<Span> = (1..=100).map(Span).collect();

        let all = Quantiles::of(&mut spans).unwrap();
        assert_eq!(
            (all.p50, all.p95, all.p99),
            (Span(50), Some(Span(95)), Some(Span(99)))
        );
        assert_eq!(Quantiles::of(&mut spans[..19]).unwrap().p95, None);
        assert_eq!(Quantiles::of(&mut []), None);
    }
}
