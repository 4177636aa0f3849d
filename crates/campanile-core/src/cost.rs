//! What usage costs: an exact amount, or a range that holds it.

use crate::{Meter, Money, Name};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// Usage at a price. Equal bounds mean that the amount is exact. The default is the cost of nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// It costs no less than this.
    pub at_least: Money,
    /// It costs no more than this; `None` when a price or a quantity has no upper bound.
    pub at_most: Option<Money>,
    /// One line a meter that was billed.
    pub lines: Vec<Line>,
    /// The version of the price book; empty when none was asked.
    pub book: Name,
    /// Why the amount is not exact, or less sure than it looks.
    pub why: Vec<Reason>,
}

/// One meter of a [`Cost`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What was billed.
    pub meter: Meter,
    /// How much was counted (the lower bound).
    pub counted: u64,
    /// How much is billed, after minimum, increment and channels.
    pub billed: u64,
    /// The price of one.
    pub rate: Money,
    /// What this line adds to `at_least`.
    pub amount: Money,
    /// The row of the book that priced it.
    pub entry: Name,
}

/// Why a cost is a range, or rests on an assumption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The book has no such model (or the reply did not say which one it was).
    UnknownModel,
    /// The model is known, and its vendor publishes no price.
    KnownButUnpriced,
    /// A meter was used that the model's row does not price.
    UnpricedMeter(Meter),
    /// A quantity is known within bounds only.
    Bounded(Meter),
    /// Something was used, and nobody knows how much.
    UnknownUsage,
    /// The model's name carries a date that the book does not have; its undated row was used.
    AssumedAlias,
    /// The reply did not say what was served (tier, mode); the requested or the usual one was assumed.
    AssumedTerms,
    /// The row is an estimate or derived, not a list price.
    UnsureRate,
    /// Prices that could all apply differ.
    AmbiguousPrice,
    /// Counts contradict one another (more cached tokens than tokens).
    Contradiction,
    /// An amount or a quantity does not fit its integer.
    Overflow,
    /// The price function panicked.
    PricingFailed,
    /// There were no prices to ask.
    NotPriced,
}

impl Reason {
    /// Whether something was used that prices were asked for, and have none.
    #[must_use]
    pub fn is_unpriced(self) -> bool {
        matches!(
            self,
            Reason::UnknownModel
                | Reason::KnownButUnpriced
                | Reason::UnpricedMeter(_)
                | Reason::PricingFailed
        )
    }
}

impl Default for Cost {
    fn default() -> Self {
        Self {
            at_least: Money::ZERO,
            at_most: Some(Money::ZERO),
            lines: Vec::new(),
            book: Name::default(),
            why: Vec::new(),
        }
    }
}

impl Cost {
    /// An exact amount without detail.
    #[must_use]
    pub fn exact(amount: Money) -> Self {
        Self {
            at_least: amount,
            at_most: Some(amount),
            ..Self::default()
        }
    }

    /// Nothing is known but that it is not negative.
    #[must_use]
    pub fn unknown(why: Reason) -> Self {
        Self {
            at_least: Money::ZERO,
            at_most: None,
            why: vec![why],
            ..Self::default()
        }
    }

    /// Whether both bounds are equal.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.at_most == Some(self.at_least)
    }

    /// Adds the bounds and reasons of `other` (lines stay with what they priced). A sum that does not fit
    /// keeps its lower bound and loses its upper one.
    pub fn absorb(&mut self, other: &Cost) {
        match self.at_least.checked_add(other.at_least) {
            Some(sum) => {
                self.at_least = sum;
                self.at_most = self
                    .at_most
                    .zip(other.at_most)
                    .and_then(|(a, b)| a.checked_add(b));
            }
            None => {
                self.at_most = None;
                self.because(Reason::Overflow);
            }
        }
        for &why in &other.why {
            self.because(why);
        }
        if self.book.is_empty() {
            self.book = other.book.clone();
        }
    }

    /// Notes a reason, once.
    pub fn because(&mut self, why: Reason) {
        if !self.why.contains(&why) {
            self.why.push(why);
        }
    }

    /// The cost of nothing, to absorb others into.
    #[must_use]
    pub fn nothing() -> Self {
        Self::exact(Money::ZERO)
    }
}

/// `{"usd": "0.1", "book": …, "why": [...]}`: `usd` is there only when the amount is exact; when it is not, `at_least` and `at_most`
/// are (`null`: no upper bound). Lines are left out: they can be had from usage and book at any time, and would be half of each event.
impl Serialize for Cost {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        if self.is_exact() {
            map.serialize_entry("usd", &self.at_least)?;
        } else {
            map.serialize_entry("at_least", &self.at_least)?;
            map.serialize_entry("at_most", &self.at_most)?;
        }
        if !self.book.is_empty() {
            map.serialize_entry("book", &self.book)?;
        }
        if !self.why.is_empty() {
            map.serialize_entry("why", &self.why)?;
        }
        map.end()
    }
}

/// Reads the bounds and the book of what is written above; reasons are left out.
impl<'de> Deserialize<'de> for Cost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Written {
            usd: Option<Money>,
            at_least: Option<Money>,
            at_most: Option<Money>,
            #[serde(default)]
            book: Name,
        }
        let written = Written::deserialize(deserializer)?;
        let at_least = written.usd.or(written.at_least);
        Ok(Self {
            at_least: at_least
                .ok_or_else(|| D::Error::custom("an amount has `usd` or `at_least`"))?,
            at_most: written.usd.or(written.at_most),
            book: written.book,
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_never_zero() {
        let mut sum = Cost::exact(Money::from_usd("1").unwrap());
        sum.absorb(&Cost::unknown(Reason::UnknownModel));

        assert_eq!(
            (sum.at_least.to_string().as_str(), sum.at_most),
            ("1", None)
        );
        assert_eq!(sum.why, [Reason::UnknownModel]);
    }

    #[test]
    fn a_sum_that_does_not_fit_says_so() {
        let mut sum = Cost::exact(Money::from_grains(i128::MAX));
        sum.absorb(&Cost::exact(Money::from_grains(1)));

        assert_eq!(
            (sum.at_least, sum.at_most),
            (Money::from_grains(i128::MAX), None)
        );
        assert_eq!(sum.why, [Reason::Overflow]);
    }
}
