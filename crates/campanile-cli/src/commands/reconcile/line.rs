//! One line of a reconciliation: what they say, what we say, and what explains the difference.

use super::sides::{Ours, Period, Theirs};
use crate::money::Range;
use campanile_core::{Billed, Cost, Evidence, Meter, Money, Price as _, Terms, Usage};
use campanile_pricing::Book;

/// What explains a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Why {
    /// There is none, or it lies within our range.
    Agrees,
    /// The same was used, at another price.
    Price,
    /// More or less was used, at the same price.
    Quantity,
    /// Both.
    PriceAndQuantity,
    /// They bill what has not passed through a stage.
    MissingHere,
    /// They do not bill what has passed through one.
    MissingThere,
    /// They say an amount and no quantity.
    AmountOnly,
}

impl Why {
    pub(super) fn told(self) -> &'static str {
        match self {
            Why::Agrees => "agrees",
            Why::Price => "price",
            Why::Quantity => "quantity",
            Why::PriceAndQuantity => "price and quantity",
            Why::MissingHere => "missing here",
            Why::MissingThere => "missing there",
            Why::AmountOnly => "amount only",
        }
    }
}

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) period: Period,
    /// Empty: all models together.
    pub(super) model: String,
    /// What they bill: as they say, or what they count at our prices.
    pub(super) theirs: Option<Money>,
    /// What they count, at our prices.
    pub(super) at_our_prices: Option<Money>,
    pub(super) ours: Range,
    pub(super) why: Why,
    /// More of it, for people.
    pub(super) note: String,
    pub(super) terms: Terms,
    /// Whether it may still change on their side.
    pub(super) settled: bool,
}

/// What prices are asked for.
pub(super) struct Prices<'a> {
    pub(super) book: &'a Book,
    pub(super) provider: &'static str,
    pub(super) plan: Option<campanile_core::Name>,
}

impl Prices<'_> {
    /// What a usage costs by our book; the middle of a range.
    fn of(&self, model: &str, usage: &Usage, terms: &Terms, period: Period) -> Option<Money> {
        let mut terms = terms.clone();
        terms.plan = self.plan.clone().or(terms.plan);
        let cost = self
            .book
            .price(&Billed::new(self.provider, model, usage, &terms, period.0));
        let width = cost.at_most?.checked_sub(cost.at_least)?;
        cost.at_least
            .checked_add(Money::from_grains(width.grains() / 2))
    }

    /// What they count of a model.
    fn all(
        &self,
        model: &str,
        theirs: &Theirs,
        ours: Option<&Ours>,
        period: Period,
    ) -> Option<Money> {
        if let Some(credits) = theirs.milli_credits {
            // A credit is what a character of speech costs.
            let one = Usage::new().with(Meter::Characters, 1, Evidence::Reported);
            let credit = self.of("sonic-3", &one, &Terms::default(), period)?;
            let price = credit.checked_mul(credits)?;
            return Some(Money::from_grains(price.grains() / 1_000));
        }
        if theirs.usage.is_empty() {
            return None;
        }
        let mut sum = Money::ZERO;
        for (terms, usage) in &theirs.usage {
            let mut terms = terms.clone();
            if let Some(ours) = ours {
                // What they do not say is as we have seen it.
                terms.mode = terms.mode.or(ours.terms.mode);
                terms.channels = ours.terms.channels;
                terms.addons.clone_from(&ours.terms.addons);
            }
            sum = sum.checked_add(self.of(model, usage, &terms, period)?)?;
        }
        Some(sum)
    }
}

impl Line {
    pub(super) fn of(
        period: Period,
        model: &str,
        sides: (Option<&Theirs>, Option<&Ours>),
        prices: &Prices<'_>,
    ) -> Self {
        let (theirs, ours) = sides;
        let nothing = Cost::nothing();
        let range = Range::of(ours.map_or(&nothing, |ours| &ours.cost));
        let at_our_prices = theirs.and_then(|theirs| prices.all(model, theirs, ours, period));
        let billed = theirs.and_then(|theirs| theirs.usd).or(at_our_prices);
        let mut line = Self {
            period,
            model: model.to_owned(),
            theirs: billed,
            at_our_prices,
            ours: range,
            why: Why::Agrees,
            note: String::new(),
            terms: ours.map(|ours| ours.terms.clone()).unwrap_or_default(),
            settled: true,
        };
        line.why = line.explain(theirs, ours);
        line.note = note(theirs, ours);
        line
    }

    fn explain(&self, theirs: Option<&Theirs>, ours: Option<&Ours>) -> Why {
        let Some(billed) = self.theirs else {
            return match (theirs, ours) {
                (None, Some(_)) => Why::MissingThere,
                _ => Why::AmountOnly,
            };
        };
        let apart = self.apart();
        if small(apart, billed) {
            return Why::Agrees;
        }
        if ours.is_none() {
            return Why::MissingHere;
        }
        let stated = theirs.is_some_and(|theirs| theirs.usd.is_some());
        match self.at_our_prices {
            _ if !stated => Why::Quantity,
            None => Why::AmountOnly,
            Some(priced) => {
                let price = billed.checked_sub(priced).unwrap_or(Money::ZERO);
                let quantity = distance(priced, self.ours);
                match (small(price, billed), small(quantity, billed)) {
                    (true, false) => Why::Quantity,
                    (false, true) => Why::Price,
                    _ => Why::PriceAndQuantity,
                }
            }
        }
    }

    /// How far theirs is from ours: positive where they bill more than we say at most.
    pub(super) fn apart(&self) -> Money {
        distance(self.theirs.unwrap_or(Money::ZERO), self.ours)
    }
}

/// How far an amount is outside of a range.
pub(super) fn distance(amount: Money, range: Range) -> Money {
    if amount < range.at_least {
        return amount.checked_sub(range.at_least).unwrap_or(Money::ZERO);
    }
    match range.at_most {
        Some(most) if amount > most => amount.checked_sub(most).unwrap_or(Money::ZERO),
        _ => Money::ZERO,
    }
}

/// Less than one in a hundred: what rounding and the edges of a day make.
fn small(part: Money, whole: Money) -> bool {
    part.grains().unsigned_abs() <= whole.grains().unsigned_abs() / 100
}

/// Requests that one side has and the other one does not.
fn note(theirs: Option<&Theirs>, ours: Option<&Ours>) -> String {
    let (Some(theirs), Some(ours)) = (theirs, ours) else {
        return String::new();
    };
    let mut notes = Vec::new();
    if theirs.ids.is_empty() {
        if theirs.requests > 0 && theirs.requests != ours.attempts {
            notes.push(format!(
                "{} requests, {} here",
                theirs.requests, ours.attempts
            ));
        }
        return notes.concat();
    }
    let unknown: Vec<_> = theirs
        .ids
        .iter()
        .filter(|(id, _)| !ours.ids.contains(*id))
        .collect();
    let usd = unknown.iter().filter_map(|(_, usd)| **usd);
    let usd = usd.fold(Money::ZERO, |sum, usd| sum.checked_add(usd).unwrap_or(sum));
    if !unknown.is_empty() {
        notes.push(format!(
            "{} not here (${})",
            requests(unknown.len()),
            usd.to_usd(4)
        ));
    }
    let foreign = ours
        .ids
        .iter()
        .filter(|id| !theirs.ids.contains_key(*id))
        .count();
    if foreign > 0 {
        notes.push(format!("{} not there", requests(foreign)));
    }
    notes.join(", ")
}

fn requests(count: usize) -> String {
    match count {
        1 => "1 request is".to_owned(),
        count => format!("{count} requests are"),
    }
}
