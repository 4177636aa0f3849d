//! What was paid for and nobody heard, by kind.

use crate::{Cost, Meter, Money, Outcome, Usage};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// Why money was spent for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Waste {
    /// A reply that was cut: by a barge-in, by a hang-up.
    Interrupted,
    /// Speech that was made and never played.
    Unplayed,
    /// Attempts that another one replaced.
    Retries,
    /// Replies that were asked for on a guess, and thrown away.
    Speculation,
    /// Sound that was sent to keep a connection open.
    KeepAlive,
    /// Attempts that failed, and that no other one made good.
    Failed,
}

impl Waste {
    /// Every kind.
    pub const ALL: [Waste; 6] = [
        Waste::Interrupted,
        Waste::Unplayed,
        Waste::Retries,
        Waste::Speculation,
        Waste::KeepAlive,
        Waste::Failed,
    ];

    /// The name in JSON and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Waste::Interrupted => "interrupted",
            Waste::Unplayed => "unplayed",
            Waste::Retries => "retries",
            Waste::Speculation => "speculation",
            Waste::KeepAlive => "keep_alive",
            Waste::Failed => "failed",
        }
    }

    /// Why all of an attempt was for nothing, where nobody has said so: as its end and that of its call tell.
    #[must_use]
    pub fn told_by(attempt: Option<Outcome>, call: Option<Outcome>) -> Option<Self> {
        let failed = |outcome| matches!(outcome, Some(Outcome::Failed | Outcome::Panicked));
        match (attempt, call) {
            (_, Some(Outcome::Cancelled)) => Some(Waste::Interrupted),
            _ if failed(attempt) && call == Some(Outcome::Completed) => Some(Waste::Retries),
            _ if failed(attempt) || (attempt.is_none() && failed(call)) => Some(Waste::Failed),
            _ => None,
        }
    }

    /// How much of an attempt's cost was for nothing, and why: all of it where `whole` says so, or parts that its usage tells of.
    /// A reply that was cut is wasted as a whole, unless it is known what of it was heard; a listener that was cut has listened.
    #[must_use]
    pub fn shares(whole: Option<Self>, usage: &Usage) -> Vec<(Self, Share)> {
        let cut = match whole {
            Some(Waste::Interrupted) => true,
            Some(kind) => return vec![(kind, Share::ALL)],
            None => false,
        };
        let part = |kind, meter, whole, open| {
            let (count, whole) = (usage.get(meter)?.at_least, usage.at_least(whole));
            let part = count.min(whole);
            (part > 0 || (open && whole > 0)).then_some((kind, Share { part, whole, open }))
        };
        // More was on its way when a reply was cut: it is billed, and was not played either.
        let unplayed = part(Waste::Unplayed, Meter::UnplayedUs, Meter::SpeechUs, cut);
        let keep_alive = part(Waste::KeepAlive, Meter::KeepAliveUs, Meter::AudioUs, false);
        let parts: Vec<_> = unplayed.into_iter().chain(keep_alive).collect();
        match cut && parts.is_empty() && !listened(usage) {
            true => vec![(Waste::Interrupted, Share::ALL)],
            false => parts,
        }
    }
}

/// Whether an attempt took sound in and gave words back: what it has said by then was heard.
fn listened(usage: &Usage) -> bool {
    const MADE: [Meter; 6] = [
        Meter::OutputTokens,
        Meter::ReasoningTokens,
        Meter::AudioOutputTokens,
        Meter::ImageOutputTokens,
        Meter::Characters,
        Meter::SpeechUs,
    ];
    let heard = [Meter::AudioUs, Meter::ServerAudioUs];
    heard.iter().any(|meter| usage.at_least(*meter) > 0)
        && MADE.iter().all(|meter| usage.at_least(*meter) == 0)
}

/// A part of an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    part: u64,
    whole: u64,
    /// It may be all of it.
    open: bool,
}

impl Share {
    const ALL: Share = Share {
        part: 1,
        whole: 1,
        open: false,
    };

    /// That part of an amount with these bounds: an exact amount has an exact part, to the grain below; the bounds of a range
    /// are rounded away from what is inside.
    #[must_use]
    pub fn of(self, at_least: Money, at_most: Option<Money>) -> (Money, Option<Money>) {
        let exact = at_most == Some(at_least);
        let most = at_most.map(|most| match self.open {
            true => most,
            false => self.times(most, !exact),
        });
        (self.times(at_least, false), most)
    }

    fn times(self, amount: Money, up: bool) -> Money {
        let grains = amount.grains();
        let (part, whole) = (i128::from(self.part), i128::from(self.whole));
        // First the whole ones, so that the product fits.
        let (times, rest) = (grains / whole, grains % whole);
        let rest = rest.saturating_mul(part);
        let rounded = rest / whole + i128::from(up && rest % whole > 0);
        Money::from_grains(times.saturating_mul(part).saturating_add(rounded))
    }
}

/// What was wasted, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wasted(Vec<(Waste, Cost)>);

impl Wasted {
    /// Adds what was wasted in that way.
    pub fn add(&mut self, kind: Waste, cost: &Cost) {
        match self.0.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, sum)) => sum.absorb(cost),
            None => {
                self.0.push((kind, Cost::nothing()));
                self.0.sort_by_key(|(kind, _)| *kind);
                self.add(kind, cost);
            }
        }
    }

    /// Takes back what was added.
    pub fn take(&mut self, kind: Waste, cost: &Cost) {
        if let Some((_, sum)) = self.0.iter_mut().find(|(known, _)| *known == kind) {
            let less = |sum: Money, part| sum.checked_sub(part).unwrap_or(sum);
            sum.at_least = less(sum.at_least, cost.at_least);
            sum.at_most = sum
                .at_most
                .zip(cost.at_most)
                .map(|(sum, part)| less(sum, part));
        }
        self.0.retain(|(_, sum)| sum.at_most != Some(Money::ZERO));
    }

    /// Adds all of it.
    pub fn absorb(&mut self, other: &Wasted) {
        for (kind, cost) in &other.0 {
            self.add(*kind, cost);
        }
    }

    /// What an attempt has wasted: all of its cost for the reason that it states or else its end tells, or parts of it.
    #[must_use]
    pub fn of(attempt: &crate::Attempt, call: Option<Outcome>) -> Self {
        let mut wasted = Self::default();
        let Some(cost) = &attempt.cost else {
            return wasted;
        };
        let whole = attempt
            .wasted
            .or_else(|| Waste::told_by(attempt.outcome, call));
        let usage = attempt.usage.unwrap_or_default();
        for (kind, part) in Waste::shares(whole, &usage) {
            let mut share = cost.clone();
            (share.at_least, share.at_most) = part.of(cost.at_least, cost.at_most);
            wasted.add(kind, &share);
        }
        wasted
    }

    /// The sum over all kinds.
    #[must_use]
    pub fn total(&self) -> Cost {
        let mut total = Cost::nothing();
        for (_, cost) in &self.0 {
            total.absorb(cost);
        }
        total
    }

    /// What was wasted in that way; `None`: nothing.
    #[must_use]
    pub fn get(&self, kind: Waste) -> Option<&Cost> {
        self.0
            .iter()
            .find(|(known, _)| *known == kind)
            .map(|(_, cost)| cost)
    }

    /// Whether nothing was wasted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `{"interrupted": {"usd": …}, …}`: kinds of which there is nothing are left out.
impl Serialize for Wasted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (kind, cost) in &self.0 {
            map.serialize_entry(kind.name(), cost)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attempt, Evidence};

    fn attempt(usd: &str) -> Attempt {
        let mut attempt = Attempt::new(1);
        attempt.cost = Some(Cost::exact(Money::from_usd(usd).unwrap()));
        attempt
    }

    fn shown(wasted: &Wasted) -> String {
        serde_json::to_string(wasted).unwrap()
    }

    #[test]
    fn the_end_of_an_attempt_tells_why_it_was_for_nothing() {
        let mut attempt = attempt("0.5");
        let of = |attempt: &Attempt, call| shown(&Wasted::of(attempt, Some(call)));
        assert_eq!(of(&attempt, Outcome::Completed), "{}");
        assert_eq!(
            of(&attempt, Outcome::Cancelled),
            r#"{"interrupted":{"usd":"0.5"}}"#
        );
        attempt.outcome = Some(Outcome::Failed);
        assert_eq!(
            of(&attempt, Outcome::Completed),
            r#"{"retries":{"usd":"0.5"}}"#
        );
        assert_eq!(of(&attempt, Outcome::Failed), r#"{"failed":{"usd":"0.5"}}"#);
        attempt.wasted = Some(Waste::Speculation);
        assert_eq!(
            of(&attempt, Outcome::Completed),
            r#"{"speculation":{"usd":"0.5"}}"#
        );
    }

    #[test]
    fn speech_that_was_not_played_is_a_part_of_the_cost() {
        let mut attempt = attempt("0.9");
        let usage = Usage::new()
            .with(Meter::SpeechUs, 3_000_000, Evidence::Measured)
            .with(Meter::UnplayedUs, 1_000_000, Evidence::Measured);
        attempt.usage = Some(usage);

        let whole = Wasted::of(&attempt, Some(Outcome::Completed));
        let cut = Wasted::of(&attempt, Some(Outcome::Cancelled));

        assert_eq!(shown(&whole), r#"{"unplayed":{"usd":"0.3"}}"#);
        // More of it was made than has come.
        let cut = cut.get(Waste::Unplayed).unwrap();
        let usd = |text| Money::from_usd(text).unwrap();
        let heard = attempt
            .usage
            .unwrap()
            .with(Meter::UnplayedUs, 0, Evidence::Measured);
        let all = Waste::shares(Some(Waste::Interrupted), &heard);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].0, Waste::Unplayed);
        assert_eq!(
            all[0].1.of(usd("0.9"), Some(usd("0.9"))),
            (usd("0"), Some(usd("0.9")))
        );
        assert_eq!((cut.at_least, cut.at_most), (usd("0.3"), Some(usd("0.9"))));
    }

    #[test]
    fn a_listener_that_was_cut_has_listened_and_silence_is_a_part() {
        let mut attempt = attempt("0.9");
        let of = |attempt: &Attempt| shown(&Wasted::of(attempt, Some(Outcome::Cancelled)));
        let heard = Usage::new().with(Meter::AudioUs, 3_000_000, Evidence::Measured);
        attempt.usage = Some(heard);
        assert_eq!(of(&attempt), "{}");
        attempt.usage = Some(heard.with(Meter::KeepAliveUs, 2_000_000, Evidence::Measured));
        assert_eq!(of(&attempt), r#"{"keep_alive":{"usd":"0.6"}}"#);
        attempt.usage = Some(heard.with(Meter::OutputTokens, 1, Evidence::Measured));
        assert_eq!(of(&attempt), r#"{"interrupted":{"usd":"0.9"}}"#);
    }

    #[test]
    fn what_was_added_can_be_taken_back() {
        let mut sum = Wasted::default();
        let cost = Cost::exact(Money::from_usd("0.3").unwrap());
        sum.add(Waste::Retries, &cost);
        sum.add(Waste::Unplayed, &cost);
        let other = sum.clone();
        sum.absorb(&other);
        assert_eq!(sum.total().at_least, Money::from_usd("1.2").unwrap());

        sum.take(Waste::Unplayed, &cost);
        sum.take(Waste::Unplayed, &cost);

        assert_eq!(shown(&sum), r#"{"retries":{"usd":"0.6"}}"#);
    }

    #[test]
    fn a_part_of_a_range_holds_the_truth_from_both_sides() {
        let third = Share {
            part: 1,
            whole: 3,
            open: false,
        };
        let grains = Money::from_grains;
        assert_eq!(
            third.of(grains(10), Some(grains(11))),
            (grains(3), Some(grains(4)))
        );
        assert_eq!(
            third.of(grains(10), Some(grains(10))),
            (grains(3), Some(grains(3)))
        );
        assert_eq!(third.of(grains(10), None), (grains(3), None));
        let large = grains(i128::MAX / 2);
        let all = Share {
            part: u64::MAX,
            whole: u64::MAX,
            open: false,
        };
        assert_eq!(all.of(large, None).0, large);
    }
}
