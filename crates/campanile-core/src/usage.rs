//! Counts by meter: sealed ([`Usage`]) and while a call is open ([`Tally`]).

use crate::meter::{Evidence, Meter};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// Stands for "no upper bound" where an `Option<u64>` would cost twice the room.
const UNBOUNDED: u64 = u64::MAX;
/// Tokens that are made and not seen yet while an answer comes.
const ON_ITS_WAY: u64 = 1;
/// Tokens that are made until a provider notices that somebody has hung up: a few, and more where it is fast.
const UNNOTICED: u64 = 8;
const UNNOTICED_PART: u64 = 8;
/// In a tally's evidence: this meter was not touched.
const ABSENT: u8 = u8::MAX;

/// One count, as a range that holds the truth, and how it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// It was no less than this.
    pub at_least: u64,
    /// It was no more than this; `None` when nobody can say.
    pub at_most: Option<u64>,
    /// How it is known.
    pub evidence: Evidence,
}

impl Count {
    /// A count that is known exactly.
    #[must_use]
    pub const fn exact(count: u64, evidence: Evidence) -> Self {
        Self {
            at_least: count,
            at_most: Some(count),
            evidence,
        }
    }

    /// Whether both bounds are equal.
    #[must_use]
    pub fn is_exact(self) -> bool {
        self.at_most == Some(self.at_least)
    }
}

/// Counts by meter. A meter that is absent was not measured; zero says zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    known: u32,
    at_least: [u64; Meter::COUNT],
    at_most: [u64; Meter::COUNT],
    evidence: [Evidence; Meter::COUNT],
}

const _: () = assert!(Meter::COUNT <= 32, "`known` has one bit for each meter");

impl Default for Usage {
    fn default() -> Self {
        Self {
            known: 0,
            at_least: [0; Meter::COUNT],
            at_most: [0; Meter::COUNT],
            evidence: [Evidence::Unknown; Meter::COUNT],
        }
    }
}

impl Usage {
    /// Nothing measured.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a meter with an exact count; for building values in a row.
    #[must_use]
    pub fn with(mut self, meter: Meter, count: u64, evidence: Evidence) -> Self {
        self.set(meter, Count::exact(count, evidence));
        self
    }

    /// What was counted under `meter`.
    #[must_use]
    pub fn get(&self, meter: Meter) -> Option<Count> {
        let i = meter.index();
        (self.known & (1 << i) != 0).then(|| Count {
            at_least: self.at_least[i],
            at_most: (self.at_most[i] != UNBOUNDED).then_some(self.at_most[i]),
            evidence: self.evidence[i],
        })
    }

    /// The lower bound of a meter, zero where it is absent.
    #[must_use]
    pub fn at_least(&self, meter: Meter) -> u64 {
        self.at_least[meter.index()]
    }

    /// Replaces what is known of `meter`. An upper bound below the lower one is lifted to it.
    pub fn set(&mut self, meter: Meter, count: Count) {
        let i = meter.index();
        self.known |= 1 << i;
        self.at_least[i] = count.at_least;
        self.at_most[i] = count.at_most.unwrap_or(UNBOUNDED).max(count.at_least);
        self.evidence[i] = count.evidence;
    }

    /// Adds `other`, meter by meter: bounds add up (saturating), the weaker evidence stays.
    pub fn absorb(&mut self, other: &Usage) {
        for (meter, more) in other.iter() {
            let sum = match self.get(meter) {
                None => more,
                Some(count) => Count {
                    at_least: count.at_least.saturating_add(more.at_least),
                    at_most: count
                        .at_most
                        .zip(more.at_most)
                        .and_then(|(a, b)| a.checked_add(b)),
                    evidence: count.evidence.min(more.evidence),
                },
            };
            self.set(meter, sum);
        }
    }

    /// What was counted, in the order of the meters.
    pub fn iter(&self) -> impl Iterator<Item = (Meter, Count)> + '_ {
        // From bit to bit: most usage has two or three of all meters.
        let mut left = self.known;
        std::iter::from_fn(move || {
            let meter = *Meter::ALL.get(left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some((meter, self.get(meter)?))
        })
    }

    /// Whether nothing was counted at all (not even a zero).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known == 0
    }

    /// Whether each count is exact.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.iter().all(|(_, count)| count.is_exact())
    }

    /// The weakest evidence of any count; `None` when there is none.
    #[must_use]
    pub fn evidence(&self) -> Option<Evidence> {
        self.iter().map(|(_, count)| count.evidence).min()
    }

    /// The sum of all lower bounds: what `record` acknowledges as QTY.
    #[must_use]
    pub fn quantity(&self) -> u64 {
        self.iter()
            .fold(0, |sum, (_, count)| sum.saturating_add(count.at_least))
    }
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(meter, count)| (meter.name(), count)))
            .finish()
    }
}

/// `{"input_tokens": 118, "output_tokens": 12, "at_most": {"output_tokens": 400}, "evidence": "estimated"}`:
/// lower bounds by name, upper bounds where they differ (`null`: none is known), the weakest evidence.
impl Serialize for Usage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (meter, count) in self.iter() {
            map.serialize_entry(meter.name(), &count.at_least)?;
        }
        if !self.is_exact() {
            map.serialize_entry("at_most", &UpperBounds(self))?;
        }
        if let Some(evidence) = self.evidence() {
            map.serialize_entry("evidence", &evidence)?;
        }
        map.end()
    }
}

struct UpperBounds<'a>(&'a Usage);

impl Serialize for UpperBounds<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.0
                .iter()
                .filter(|(_, count)| !count.is_exact())
                .map(|(meter, count)| (meter.name(), count.at_most)),
        )
    }
}

/// Counts of an attempt that is still under way: written by those who see items pass, read at any moment by
/// the recorder. Neither side takes a lock.
///
/// A reader may see a moment between two counts of one item, never more than was counted.
pub struct Tally {
    at_least: [AtomicU64; Meter::COUNT],
    at_most: [AtomicU64; Meter::COUNT],
    evidence: [AtomicU8; Meter::COUNT],
    /// What was seen of the answer, weighed piece by piece: both bounds in thousandths of a token.
    made_least: AtomicU64,
    made_most: AtomicU64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            at_least: [const { AtomicU64::new(0) }; Meter::COUNT],
            at_most: [const { AtomicU64::new(0) }; Meter::COUNT],
            evidence: [const { AtomicU8::new(ABSENT) }; Meter::COUNT],
            made_least: AtomicU64::new(0),
            made_most: AtomicU64::new(0),
        }
    }
}

/// How many tokens of the answer a piece of it likely is, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// No fewer than this.
    pub least: u32,
    /// No more than this; `None` where more is made than is shown (thoughts that stay hidden).
    pub most: Option<u32>,
}

impl Made {
    /// Both pieces together.
    #[must_use]
    pub fn and(self, other: Made) -> Made {
        Made {
            least: self.least.saturating_add(other.least),
            most: self
                .most
                .zip(other.most)
                .and_then(|(a, b)| a.checked_add(b)),
        }
    }
}

impl Tally {
    /// Adds what was counted on the wire. Pieces add up.
    pub fn add(&self, meter: Meter, count: u64) {
        let i = meter.index();
        self.at_least[i].fetch_add(count, Relaxed);
        self.at_most[i].fetch_add(count, Relaxed);
        if self.evidence[i].load(Relaxed) == ABSENT {
            self.evidence[i].store(Evidence::Measured as u8, Relaxed);
        }
    }

    /// Sets what the provider has said. A later total replaces an earlier one, and any estimate.
    pub fn total(&self, meter: Meter, count: u64) {
        self.set(meter, Count::exact(count, Evidence::Reported));
    }

    /// Sets a count with its bounds and evidence, unless the provider has already reported this meter and
    /// `count` is weaker than that.
    pub fn set(&self, meter: Meter, count: Count) {
        let i = meter.index();
        let known = self.evidence[i].load(Relaxed);
        if known != ABSENT && known > count.evidence as u8 {
            return;
        }
        self.replace(meter, count);
    }

    /// Sets a count whatever was known of it: who has said it contradicts itself.
    pub fn replace(&self, meter: Meter, count: Count) {
        let i = meter.index();
        self.at_least[i].store(count.at_least, Relaxed);
        self.at_most[i].store(
            count.at_most.unwrap_or(UNBOUNDED).max(count.at_least),
            Relaxed,
        );
        self.evidence[i].store(count.evidence as u8, Relaxed);
    }

    /// Raises the lower bound of a meter that nobody has reported: this much was seen, there may be more.
    /// Without an upper bound set before, there is none.
    pub fn seen(&self, meter: Meter, count: u64) {
        let i = meter.index();
        match self.evidence[i].load(Relaxed) {
            ABSENT => self.set(
                meter,
                Count {
                    at_least: count,
                    at_most: None,
                    evidence: Evidence::Estimated,
                },
            ),
            known if known > Evidence::Estimated as u8 => {}
            _ => {
                let at_least = self.at_least[i]
                    .fetch_add(count, Relaxed)
                    .saturating_add(count);
                self.at_most[i].fetch_max(at_least, Relaxed);
            }
        }
    }

    /// Adds a piece of the answer whose tokens nobody has counted. Where the provider never reports them, what was
    /// made is what was seen and a token more (on its way when somebody hung up), within the limit that a request has
    /// set.
    pub fn made(&self, made: Made) {
        self.made_least.fetch_add(made.least.into(), Relaxed);
        match made.most {
            // A sum without bound stays without.
            Some(most) if self.made_most.load(Relaxed) != UNBOUNDED => {
                self.made_most.fetch_add(most.into(), Relaxed);
            }
            _ => self.made_most.store(UNBOUNDED, Relaxed),
        }
    }

    /// Says that the connection was cut. A provider makes a little more until it notices, and bills that.
    pub fn cut_off(&self) {
        let least = self.made_least.load(Relaxed);
        if least > 0 && self.made_most.load(Relaxed) != UNBOUNDED {
            let unnoticed = UNNOTICED * 1_000 + least / UNNOTICED_PART;
            self.made_most.fetch_add(unnoticed, Relaxed);
        }
    }

    /// The answer's count with what was seen of it; nothing where a provider has counted, or nothing was seen.
    fn seen_output(&self, known: Option<Count>) -> Option<Count> {
        const THOUSAND: u64 = 1_000;
        let least = self.made_least.load(Relaxed);
        let estimated = known.is_none_or(|known| known.evidence <= Evidence::Estimated);
        if least == 0 || !estimated {
            return None;
        }
        let limit = known.and_then(|known| known.at_most).unwrap_or(UNBOUNDED);
        let most = match self.made_most.load(Relaxed) {
            UNBOUNDED => UNBOUNDED,
            most => most.div_ceil(THOUSAND).saturating_add(ON_ITS_WAY),
        };
        let least = (least / THOUSAND).max(1);
        let at_least = least.max(known.map_or(0, |known| known.at_least));
        let at_most = most.min(limit).max(at_least);
        Some(Count {
            at_least,
            at_most: (at_most != UNBOUNDED).then_some(at_most),
            evidence: Evidence::Estimated,
        })
    }

    /// Forgets what is only estimated: nothing of it was billed after all.
    pub fn clear_estimates(&self) {
        self.made_least.store(0, Relaxed);
        self.made_most.store(0, Relaxed);
        for i in 0..Meter::COUNT {
            if self.evidence[i].load(Relaxed) <= Evidence::Estimated as u8 {
                self.evidence[i].store(ABSENT, Relaxed);
                self.at_least[i].store(0, Relaxed);
                self.at_most[i].store(0, Relaxed);
            }
        }
    }

    /// The counts as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Usage {
        let mut usage = Usage::new();
        for meter in Meter::ALL {
            let i = meter.index();
            let evidence = self.evidence[i].load(Relaxed);
            if evidence != ABSENT {
                let at_most = self.at_most[i].load(Relaxed);
                usage.set(
                    meter,
                    Count {
                        at_least: self.at_least[i].load(Relaxed),
                        at_most: (at_most != UNBOUNDED).then_some(at_most),
                        evidence: Evidence::from_index(evidence),
                    },
                );
            }
        }
        if let Some(seen) = self.seen_output(usage.get(Meter::OutputTokens)) {
            usage.set(Meter::OutputTokens, seen);
        }
        usage
    }

    /// The counts as they are now, of a reply of which more is coming: of the answer there is at most what its request allows.
    #[must_use]
    pub fn unfinished(&self) -> Usage {
        let mut usage = self.snapshot();
        for meter in Meter::ALL.into_iter().filter(|meter| meter.is_of_answer()) {
            let Some(count) = usage.get(meter) else {
                continue;
            };
            let i = meter.index();
            // What the provider has said until now limits nothing.
            let limit = match self.evidence[i].load(Relaxed) <= Evidence::Estimated as u8 {
                true => self.at_most[i].load(Relaxed),
                false => UNBOUNDED,
            };
            let open = Count {
                at_least: count.at_least,
                at_most: (limit != UNBOUNDED).then_some(limit.max(count.at_least)),
                evidence: count.evidence.min(Evidence::Estimated),
            };
            usage.set(meter, open);
        }
        usage
    }

    /// Forgets everything, for the next attempt that uses this room.
    pub fn clear(&self) {
        self.made_least.store(0, Relaxed);
        self.made_most.store(0, Relaxed);
        for i in 0..Meter::COUNT {
            self.evidence[i].store(ABSENT, Relaxed);
            self.at_least[i].store(0, Relaxed);
            self.at_most[i].store(0, Relaxed);
        }
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tally").field(&self.snapshot()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_is_not_zero() {
        let usage = Usage::new().with(Meter::Characters, 0, Evidence::Measured);

        assert_eq!(
            usage.get(Meter::Characters),
            Some(Count::exact(0, Evidence::Measured))
        );
        assert_eq!(usage.get(Meter::AudioUs), None);
    }

    #[test]
    fn a_sum_is_as_sure_as_its_weakest_part() {
        let mut sum = Usage::new().with(Meter::OutputTokens, 7, Evidence::Reported);
        let mut cut = Usage::new();
        cut.set(
            Meter::OutputTokens,
            Count {
                at_least: 3,
                at_most: None,
                evidence: Evidence::Estimated,
            },
        );

        sum.absorb(&cut);

        let count = sum.get(Meter::OutputTokens).unwrap();
        assert_eq!(
            (count.at_least, count.at_most, count.evidence),
            (10, None, Evidence::Estimated)
        );
    }

    #[test]
    fn json_shows_upper_bounds_only_where_they_differ() {
        let mut usage = Usage::new().with(Meter::InputTokens, 118, Evidence::Reported);
        assert_eq!(
            serde_json::to_string(&usage).unwrap(),
            r#"{"input_tokens":118,"evidence":"reported"}"#
        );

        usage.set(
            Meter::OutputTokens,
            Count {
                at_least: 2,
                at_most: Some(9),
                evidence: Evidence::Estimated,
            },
        );
        assert_eq!(
            serde_json::to_string(&usage).unwrap(),
            r#"{"input_tokens":118,"output_tokens":2,"at_most":{"output_tokens":9},"evidence":"estimated"}"#
        );
    }

    #[test]
    fn a_report_outranks_an_estimate_whichever_comes_first() {
        let tally = Tally::default();
        tally.total(Meter::OutputTokens, 15);
        tally.set(
            Meter::OutputTokens,
            Count {
                at_least: 3,
                at_most: None,
                evidence: Evidence::Estimated,
            },
        );

        assert_eq!(
            tally.snapshot().get(Meter::OutputTokens),
            Some(Count::exact(15, Evidence::Reported))
        );

        tally.clear();
        assert!(tally.snapshot().is_empty());
    }

    #[test]
    fn what_is_in_doubt_is_not_exact_whatever_was_said_before() {
        let tally = Tally::default();
        tally.total(Meter::InputTokens, 10);
        let range = Count {
            at_least: 0,
            at_most: Some(12),
            evidence: Evidence::Estimated,
        };

        tally.replace(Meter::InputTokens, range);
        assert_eq!(tally.snapshot().get(Meter::InputTokens), Some(range));

        tally.total(Meter::InputTokens, 11);
        assert!(tally.snapshot().is_exact());
    }

    #[test]
    fn what_was_made_is_a_range_until_it_is_reported() {
        let tally = Tally::default();
        let piece = |least, most| Made { least, most };
        tally.made(piece(1_000, Some(1_000)));
        tally.made(piece(1_600, Some(3_100)));
        let output = || tally.snapshot().get(Meter::OutputTokens).unwrap();
        assert_eq!((output().at_least, output().at_most), (2, Some(5 + 1)));
        tally.cut_off();
        assert_eq!((output().at_least, output().at_most), (2, Some(13 + 1)));

        let limit = Count {
            at_least: 0,
            at_most: Some(5),
            evidence: Evidence::Estimated,
        };
        tally.set(Meter::OutputTokens, limit);
        assert_eq!((output().at_least, output().at_most), (2, Some(5)));

        tally.made(piece(1_000, None));
        tally.made(piece(1_000, Some(1_000)));
        assert_eq!((output().at_least, output().at_most), (4, Some(5)));

        tally.total(Meter::OutputTokens, 11);
        assert!(tally.snapshot().is_exact());
    }

    #[test]
    fn of_an_unfinished_reply_there_may_be_more_within_its_limit() {
        let tally = Tally::default();
        tally.total(Meter::InputTokens, 100);
        tally.made(Made {
            least: 2_000,
            most: Some(3_000),
        });
        let output = || {
            let count = tally.unfinished().get(Meter::OutputTokens).unwrap();
            (count.at_least, count.at_most, count.evidence)
        };
        assert_eq!(output(), (2, None, Evidence::Estimated));

        let limit = Count {
            at_least: 0,
            at_most: Some(50),
            evidence: Evidence::Estimated,
        };
        tally.set(Meter::OutputTokens, limit);
        assert_eq!(output(), (2, Some(50), Evidence::Estimated));
        let input = Count::exact(100, Evidence::Reported);
        assert_eq!(tally.unfinished().get(Meter::InputTokens), Some(input));

        // A total so far.
        tally.total(Meter::OutputTokens, 7);
        assert_eq!(output(), (7, None, Evidence::Estimated));
        assert_eq!(tally.snapshot().at_least(Meter::OutputTokens), 7);
    }

    #[test]
    fn what_was_seen_stays_below_the_limit_until_it_is_reported() {
        let tally = Tally::default();
        tally.set(
            Meter::OutputTokens,
            Count {
                at_least: 0,
                at_most: Some(3),
                evidence: Evidence::Estimated,
            },
        );
        tally.seen(Meter::OutputTokens, 2);
        tally.seen(Meter::OutputTokens, 2);
        let seen = tally.snapshot().get(Meter::OutputTokens).unwrap();
        assert_eq!((seen.at_least, seen.at_most), (4, Some(4)));

        tally.total(Meter::OutputTokens, 5);
        tally.seen(Meter::OutputTokens, 2);
        tally.clear_estimates();
        assert_eq!(tally.snapshot().at_least(Meter::OutputTokens), 5);
    }
}
