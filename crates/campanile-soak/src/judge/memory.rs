//! Memory after warm-up: a straight line through the samples, with the error of its slope.
//!
//! What is judged is the heap by a counting allocator, against the number of turns: it is exact to the byte, and a page that
//! the system allocator keeps for later is not taken for a leak. It does not see what C libraries take (SQLite, zstd); for
//! those there is the resident size from `smaps_rollup`, which is coarser, and judged by what it grows by in all.

use super::evidence::Evidence;
use super::verdict::Line;
use crate::journal::Sample;

/// A heap that grows by more than this with each turn is a leak.
const BYTES_PER_TURN: f64 = 256.0;
/// And by more than this in all: buffers of a short run may still find their size.
const BYTES: f64 = 131_072.0;
/// Resident memory that grows by less than this in all is the doing of allocators and page caches.
const RESIDENT_BYTES: f64 = 16_777_216.0;
/// The part of a run in which memory finds its level.
const WARM_UP: f64 = 0.25;

/// A straight line by least squares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Slope {
    pub(crate) slope: f64,
    /// One standard error of it.
    pub(crate) error: f64,
    pub(crate) n: usize,
}

impl Slope {
    /// Through at least three points. Samples that follow one another are alike, so neighbours are averaged into at most
    /// forty points first: else the error would look smaller than it is.
    pub(crate) fn of(points: &[(f64, f64)]) -> Option<Self> {
        let size = points.len().div_ceil(40).max(1);
        let means: Vec<(f64, f64)> = points
            .chunks(size)
            .map(|chunk| {
                let n = chunk.len() as f64;
                let (x, y) = chunk
                    .iter()
                    .fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
                (x / n, y / n)
            })
            .collect();
        let n = means.len() as f64;
        if means.len() < 3 {
            return None;
        }
        let mean_x = means.iter().map(|p| p.0).sum::<f64>() / n;
        let mean_y = means.iter().map(|p| p.1).sum::<f64>() / n;
        let spread: f64 = means.iter().map(|p| (p.0 - mean_x).powi(2)).sum();
        if spread == 0.0 {
            return None;
        }
        let slope = means
            .iter()
            .map(|p| (p.0 - mean_x) * (p.1 - mean_y))
            .sum::<f64>()
            / spread;
        let rest = |p: &(f64, f64)| (p.1 - mean_y - slope * (p.0 - mean_x)).powi(2);
        let variance = means.iter().map(rest).sum::<f64>() / (n - 2.0);
        Some(Self {
            slope,
            error: (variance / spread).sqrt(),
            n: means.len(),
        })
    }
}

/// Two verdicts: heap and resident memory.
pub(crate) fn judge(evidence: &Evidence) -> Vec<Line> {
    let Some(samples) = longest(evidence) else {
        return vec![Line::unknown(
            "memory is flat",
            "too few samples after warm-up",
        )];
    };
    let faults = !evidence.options.faults.list.is_empty();
    vec![
        line(
            "the heap is flat",
            samples,
            |s| s.heap,
            |turns| BYTES_PER_TURN.max(BYTES / turns),
            faults,
        ),
        line(
            "resident memory is flat",
            samples,
            |s| s.resident,
            |turns| RESIDENT_BYTES / turns,
            faults,
        ),
    ]
}

/// The samples of the worker that lived longest, after its warm-up.
fn longest(evidence: &Evidence) -> Option<&[(u32, Sample)]> {
    let lives = evidence.samples.chunk_by(|a, b| a.0 == b.0);
    let life = lives.max_by_key(|life| life.len())?;
    let (first, last) = (life.first()?.1.at_ms, life.last()?.1.at_ms);
    let from = first + ((last - first) as f64 * WARM_UP) as u64;
    let warm = life.partition_point(|(_, sample)| sample.at_ms < from);
    // The last sample is that of a monitor that is closed.
    life.get(warm..life.len() - 1)
}

fn line(
    name: &'static str,
    samples: &[(u32, Sample)],
    of: fn(&Sample) -> u64,
    limit: fn(f64) -> f64,
    faults: bool,
) -> Line {
    let slope = |samples: &[(u32, Sample)]| {
        let points: Vec<_> = samples
            .iter()
            .map(|(_, s)| (s.turns as f64, of(s) as f64))
            .collect();
        Slope::of(&points)
    };
    let Some(whole) = slope(samples) else {
        return Line::unknown(name, "too few samples after warm-up");
    };
    let (first, last) = (&samples[0].1, &samples[samples.len() - 1].1);
    let turns = last.turns - first.turns;
    let a_session = turns as f64 / (last.sessions - first.sessions).max(1) as f64;
    let numbers = format!(
        "{:+.0} ± {:.0} bytes a turn ({:+.0} a session) over {turns} turns; {} → {} KiB",
        whole.slope,
        whole.error,
        whole.slope * a_session,
        of(first) / 1_024,
        of(last) / 1_024
    );
    // Certain to two standard errors.
    let least = |part: &Slope| part.slope - 2.0 * part.error;
    let limit = limit(turns as f64);
    if least(&whole) <= limit {
        return Line::new(name, numbers, Vec::new());
    }
    let mut parts = vec![whole];
    if faults {
        // A buffer that a fault made larger is a step. A leak goes on: it is in each third.
        let thirds = samples.chunks(samples.len().div_ceil(3)).map(slope);
        let Some(thirds) = thirds.collect::<Option<Vec<_>>>() else {
            let few = "it grows, and too few samples are in a third of the run to tell a step from a leak";
            return Line::unknown(name, format!("{numbers}; {few}"));
        };
        parts.extend(thirds);
    }
    let least = parts.iter().map(least).fold(f64::MAX, f64::min);
    let mut broken = Vec::new();
    if least > limit {
        broken.push(format!(
            "it grows by at least {least:.0} bytes a turn: a leak"
        ));
    }
    Line::new(name, numbers, broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::verdict::Held;

    /// The heap of so many samples, a turn each, judged as that of a run with faults.
    fn heap(n: u64, bytes: impl Fn(u64) -> u64) -> Held {
        let samples = (0..n).map(|turns| Sample {
            turns,
            heap: bytes(turns),
            ..Sample::default()
        });
        let samples: Vec<_> = samples.map(|sample| (0, sample)).collect();
        line("the heap", &samples, |s| s.heap, |_| 256.0, true).held
    }

    #[test]
    fn a_leak_is_in_each_third_and_a_step_is_not() {
        assert_eq!(heap(90, |turns| turns * 1_024), Held::No);
        assert_eq!(heap(90, |turns| turns / 45 * 1_000_000), Held::Yes);
        assert_eq!(heap(90, |turns| 1_000_000 - turns), Held::Yes);
    }

    #[test]
    fn a_heap_that_grows_and_has_too_few_samples_is_not_known_to_be_flat() {
        assert_eq!(heap(6, |turns| turns * 1_024), Held::Unknown);
        assert_eq!(heap(2, |turns| turns * 1_024), Held::Unknown);
        assert_eq!(heap(6, |_| 1_000_000), Held::Yes);
    }

    #[test]
    fn a_leak_is_told_from_noise() {
        let noise = |n: u32| f64::from(n.wrapping_mul(2_654_435_761) >> 14);
        let flat: Vec<_> = (0..200).map(|n| (f64::from(n), 5e6 + noise(n))).collect();
        let leak: Vec<_> = flat.iter().map(|(x, y)| (*x, y + 1_024.0 * x)).collect();

        let flat = Slope::of(&flat).unwrap();
        assert!(flat.slope.abs() < 3.0 * flat.error, "{flat:?}");
        let leak = Slope::of(&leak).unwrap();
        assert!((leak.slope - 1_024.0).abs() < 3.0 * leak.error, "{leak:?}");
        assert!(leak.slope - 2.0 * leak.error > BYTES_PER_TURN);
        assert_eq!(Slope::of(&[(0.0, 1.0), (1.0, 2.0)]), None);
    }
}
