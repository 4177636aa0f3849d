//! Distributions of times that can be added up: counts in buckets whose width grows with their value.

use super::codec::{Pack, Unpack};

/// Each power of two is cut into so many buckets.
const PARTS: u64 = 64;
/// The power of two of [`PARTS`].
const PARTS_BITS: u32 = PARTS.trailing_zeros();

/// A distribution of times in microseconds. Sums of sketches are what one sketch of everything would be, in any order.
///
/// A quantile that is read from it is off by less than [`RELATIVE_ERROR`](Self::RELATIVE_ERROR) of itself; count,
/// sum, least and most are exact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    count: u64,
    sum_us: u64,
    least_us: u64,
    most_us: u64,
    /// Number of a bucket and how much is in it, in the order of the buckets; none is empty.
    buckets: Vec<(u16, u64)>,
}

impl Sketch {
    /// How far a quantile may be off, as a share of itself: half a bucket.
    pub const RELATIVE_ERROR: f64 = 1.0 / (2 * PARTS) as f64;

    /// How many times there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All times together (saturating).
    #[must_use]
    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// The shortest time.
    #[must_use]
    pub fn least_us(&self) -> Option<u64> {
        (self.count > 0).then_some(self.least_us)
    }

    /// The longest time.
    #[must_use]
    pub fn most_us(&self) -> Option<u64> {
        (self.count > 0).then_some(self.most_us)
    }

    /// The mean, rounded down.
    #[must_use]
    pub fn mean_us(&self) -> Option<u64> {
        self.sum_us.checked_div(self.count)
    }

    /// The time that `per_mille` of all times do not exceed (950: the 95th percentile).
    ///
    /// `None` where there are too few: of the share beyond it, at least one must be expected, so that the 99th
    /// percentile wants a hundred.
    #[must_use]
    pub fn quantile(&self, per_mille: u16) -> Option<u64> {
        let beyond = 1_000_u64.saturating_sub(per_mille.into());
        if self.count == 0 || self.count.saturating_mul(beyond) < 1_000 {
            return None;
        }
        let rank = (u128::from(self.count) * u128::from(per_mille)).div_ceil(1_000);
        let mut seen = 0;
        for &(bucket, count) in &self.buckets {
            seen += u128::from(count);
            if seen >= rank {
                return Some(middle(bucket).clamp(self.least_us, self.most_us));
            }
        }
        Some(self.most_us)
    }

    /// Its buckets in their order: lower end (included), upper end (excluded), how many times are in it.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.buckets.iter().map(|&(bucket, count)| {
            let (low, width) = reach(bucket);
            (low, low.saturating_add(width), count)
        })
    }

    /// Adds one time.
    pub fn add(&mut self, us: u64) {
        self.widen(us, us);
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(us);
        let bucket = bucket_of(us);
        match self.buckets.binary_search_by_key(&bucket, |&(at, _)| at) {
            Ok(i) => self.buckets[i].1 += 1,
            Err(i) => self.buckets.insert(i, (bucket, 1)),
        }
    }

    /// Adds all times of another sketch.
    pub fn absorb(&mut self, other: &Sketch) {
        if other.count == 0 {
            return;
        }
        self.widen(other.least_us, other.most_us);
        self.count = self.count.saturating_add(other.count);
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        let mine = std::mem::take(&mut self.buckets);
        let (mut mine, mut theirs) = (mine.into_iter().peekable(), other.buckets.iter().peekable());
        while let (Some(&(a, _)), Some(&&(b, count))) = (mine.peek(), theirs.peek()) {
            let mut bucket = (b, count);
            if a <= b {
                bucket = mine.next().unwrap_or(bucket);
            }
            if b <= a {
                theirs.next();
            }
            if a == b {
                bucket.1 = bucket.1.saturating_add(count);
            }
            self.buckets.push(bucket);
        }
        self.buckets.extend(mine.chain(theirs.copied()));
    }

    fn widen(&mut self, least: u64, most: u64) {
        let first = self.count == 0;
        self.least_us = if first {
            least
        } else {
            self.least_us.min(least)
        };
        self.most_us = self.most_us.max(most);
    }

    pub(super) fn pack(&self, out: &mut Vec<u8>) {
        out.uint(self.count);
        if self.count == 0 {
            return;
        }
        out.uint(self.sum_us);
        out.uint(self.least_us);
        out.uint(self.most_us - self.least_us);
        out.uint(self.buckets.len() as u64);
        let mut last = 0;
        for &(bucket, count) in &self.buckets {
            out.uint(u64::from(bucket - last));
            out.uint(count);
            last = bucket;
        }
    }

    pub(super) fn unpack(from: &mut Unpack<'_>) -> Option<Self> {
        let mut sketch = Self {
            count: from.uint()?,
            ..Self::default()
        };
        if sketch.count == 0 {
            return Some(sketch);
        }
        (sketch.sum_us, sketch.least_us) = (from.uint()?, from.uint()?);
        sketch.most_us = sketch.least_us.checked_add(from.uint()?)?;
        let mut last = 0_u16;
        for _ in 0..from.uint()? {
            last = last.checked_add(u16::try_from(from.uint()?).ok()?)?;
            sketch.buckets.push((last, from.uint()?));
        }
        Some(sketch)
    }
}

/// Times below [`PARTS`] have buckets of their own; above, the bits after the highest one tell the bucket.
fn bucket_of(us: u64) -> u16 {
    if us < PARTS {
        return us as u16;
    }
    let shift = us.ilog2() - PARTS_BITS;
    (PARTS as u32 * (shift + 1)) as u16 + ((us >> shift) - PARTS) as u16
}

/// Lower end and width of a bucket.
fn reach(bucket: u16) -> (u64, u64) {
    let bucket = u64::from(bucket);
    match (bucket / PARTS).checked_sub(1) {
        None => (bucket, 1),
        Some(shift) if shift < 58 => ((PARTS + bucket % PARTS) << shift, 1 << shift),
        // No time has such a bucket: bytes that were damaged.
        Some(_) => (u64::MAX, 0),
    }
}

fn middle(bucket: u16) -> u64 {
    let (low, width) = reach(bucket);
    low + width / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sketch(times: &[u64]) -> Sketch {
        let mut sketch = Sketch::default();
        times.iter().for_each(|us| sketch.add(*us));
        sketch
    }

    /// Times as they are: from nothing to days, most of them small.
    fn times(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u64>> {
        proptest::collection::vec(
            (any::<u64>(), 20..64_u32).prop_map(|(us, by)| us >> by),
            len,
        )
    }

    proptest! {
        #[test]
        fn each_time_is_in_its_bucket(us in any::<u64>()) {
            let (low, width) = reach(bucket_of(us));

            prop_assert!(us >= low && us - low < width.max(1), "{low} {width}");
            prop_assert!(width == 1 || width * PARTS <= low);
        }

        #[test]
        fn a_quantile_is_as_near_as_it_says(mut times in times(1..400), per_mille in 1..=1_000_u16) {
            let told = sketch(&times).quantile(per_mille);

            let wanted = times.len() as u64 * u64::from(1_000 - per_mille) >= 1_000;
            prop_assert_eq!(told.is_some(), wanted);
            if let Some(told) = told {
                times.sort_unstable();
                let rank = (times.len() * usize::from(per_mille)).div_ceil(1_000);
                let truth = times[rank - 1];
                prop_assert!(told.abs_diff(truth) as f64 <= truth as f64 * Sketch::RELATIVE_ERROR, "{told} {truth}");
            }
        }

        #[test]
        fn sums_of_sketches_are_sketches_of_sums(a in times(0..60), b in times(0..60)) {
            let mut sum = sketch(&a);
            sum.absorb(&sketch(&b));

            prop_assert_eq!(sum, sketch(&[a, b].concat()));
        }

        #[test]
        fn a_sketch_is_read_as_it_was_written(times in times(0..200)) {
            let sketch = sketch(&times);
            let mut bytes = Vec::new();
            sketch.pack(&mut bytes);

            let mut from = Unpack(&bytes);
            prop_assert_eq!(Sketch::unpack(&mut from), Some(sketch));
            prop_assert!(from.0.is_empty());
        }

        #[test]
        fn noise_is_no_panic(noise in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(sketch) = Sketch::unpack(&mut Unpack(&noise)) {
                let mut sum = sketch.clone();
                sum.absorb(&sketch);
                let _ = (sum.quantile(500), sum.buckets().count());
            }
        }
    }
}
