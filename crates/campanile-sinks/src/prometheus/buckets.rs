//! A histogram of fixed size.

use ::metrics::HistogramFn;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Seconds. The convention's bounds double, and 0.64 → 1.28 → 2.56 is exactly where a voice bot lives.
pub(super) const VOICE_BOUNDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0,
    1.2, 1.4, 1.6, 1.8, 2.0, 2.25, 2.5, 2.75, 3.0, 4.0, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
];

/// Counts: the convention's powers of four.
pub(super) const TOKEN_BOUNDS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// Counts samples by size. A sample that is not a number is left out.
pub(super) struct Buckets {
    bounds: &'static [f64],
    /// One more than bounds: the last holds what is larger than all of them.
    counts: Box<[AtomicU64]>,
    /// The bits of a float.
    sum: AtomicU64,
}

impl Buckets {
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0_f64.to_bits()),
        }
    }

    /// Each bound with the number of samples up to it; then all of them, and their sum.
    pub(super) fn cumulated(&self) -> (Vec<(f64, u64)>, u64, f64) {
        let mut so_far = 0;
        let mut bounded = Vec::with_capacity(self.bounds.len());
        for (bound, count) in self.bounds.iter().zip(&self.counts) {
            so_far += count.load(Relaxed);
            bounded.push((*bound, so_far));
        }
        let beyond = self.counts[self.bounds.len()].load(Relaxed);
        (
            bounded,
            so_far + beyond,
            f64::from_bits(self.sum.load(Relaxed)),
        )
    }
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.counts[place].fetch_add(1, Relaxed);
        let add = |bits| Some((f64::from_bits(bits) + value).to_bits());
        // It always answers `Some`.
        let _ = self.sum.fetch_update(Relaxed, Relaxed, add);
    }
}
