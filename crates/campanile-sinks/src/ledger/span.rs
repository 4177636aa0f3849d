//! Where calls are: hours of their beginning, and milliseconds of their ids.
//!
//! The id of a call begins with the millisecond in which it was made, which is nearly always that of its beginning,
//! and nothing relies on it: for each hour the ledger keeps bounds of the ids of its calls, wherever they are.

/// An hour in microseconds.
pub(crate) const HOUR_US: i64 = 3_600_000_000;

/// The first millisecond that no id has.
pub(crate) const END: i64 = 1 << 48;

/// Bounds of ids are rounded outwards to a power of two of milliseconds, about a minute: they rarely change.
const GRAIN_BITS: u32 = 16;

/// The UTC hour of a moment, from 1970-01-01.
pub(crate) fn hour_of(at: i64) -> i64 {
    at.div_euclid(HOUR_US)
}

/// The millisecond that an id begins with.
pub(crate) fn millis_of(id: &[u8; 16]) -> i64 {
    id[..6]
        .iter()
        .fold(0, |millis, byte| millis << 8 | i64::from(*byte))
}

/// What ids of this millisecond and later ones are not less than.
pub(crate) fn first_id(millis: i64) -> [u8; 17] {
    let mut id = [0; 17];
    match u64::try_from(millis) {
        Ok(millis) if millis < END as u64 => id[..6].copy_from_slice(&millis.to_be_bytes()[2..]),
        Ok(_) => id = [0xff; 17],
        Err(_) => {}
    }
    id
}

/// Milliseconds of ids, the upper end excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) low: i64,
    pub(crate) high: i64,
}

impl Span {
    pub(crate) const EVERYTHING: Self = Self { low: 0, high: END };

    /// The least bounds of `millis` that may stand in the table.
    pub(crate) fn around(millis: i64) -> Self {
        let low = millis >> GRAIN_BITS << GRAIN_BITS;
        Self {
            low,
            high: low + (1 << GRAIN_BITS),
        }
    }

    pub(crate) fn has(self, millis: i64) -> bool {
        self.low <= millis && millis < self.high
    }

    pub(crate) fn is_empty(self) -> bool {
        self.low >= self.high
    }

    /// The least span that holds both.
    pub(crate) fn hull(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
        }
    }

    /// What is left without `holes`, which are in the order of their lower ends.
    pub(crate) fn without(self, holes: impl IntoIterator<Item = Span>) -> Vec<Span> {
        let mut left = Vec::new();
        let mut low = self.low;
        for hole in holes {
            let before = Span {
                low,
                high: hole.low.min(self.high),
            };
            if !before.is_empty() {
                left.push(before);
            }
            low = low.max(hole.high);
        }
        let rest = Span {
            low,
            high: self.high,
        };
        if !rest.is_empty() {
            left.push(rest);
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_lies_between_the_bounds_of_its_millisecond(id in any::<u128>()) {
            let id = id.to_be_bytes();
            let millis = millis_of(&id);

            prop_assert!(first_id(millis)[..16] <= id[..]);
            prop_assert!(id[..] < first_id(millis + 1)[..]);
            prop_assert!(Span::around(millis).has(millis) && Span::around(millis).high <= END);
        }

        #[test]
        fn a_span_is_its_holes_and_what_is_left(
            low in 0..50_i64, high in 0..50_i64, mut holes in proptest::collection::vec((0..50_i64, 0..20_i64), 0..6),
        ) {
            holes.sort_unstable();
            let span = Span { low, high };
            let holes: Vec<_> = holes.iter().map(|&(low, len)| Span { low, high: low + len }).collect();

            let left = span.without(holes.clone());

            for millis in 0..60 {
                let wanted = span.has(millis) && !holes.iter().any(|hole| hole.has(millis));
                prop_assert_eq!(left.iter().filter(|span| span.has(millis)).count(), usize::from(wanted));
            }
        }
    }
}
