//! Both sides of a reconciliation, by stretch of time and model.

use super::theirs::{Item, period};
use crate::fault::Fault;
use campanile_core::{Cost, Mode, Money, Name, Terms, Timestamp, Usage};
use campanile_sinks::ledger::{AttemptRow, LedgerCall, Query, Reader};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// A stretch of time.
pub(super) type Period = (Timestamp, Timestamp);

/// What one side knows of a model in a stretch; of all models, where it names none.
#[derive(Clone, Debug, Default)]
pub(super) struct Theirs {
    pub(super) usd: Option<Money>,
    pub(super) usage: Vec<(Terms, Usage)>,
    pub(super) milli_credits: Option<u64>,
    pub(super) requests: u64,
    /// Requests by their ids, with what they cost.
    pub(super) ids: BTreeMap<String, Option<Money>>,
}

/// What the ledger knows of it.
#[derive(Clone, Debug)]
pub(super) struct Ours {
    pub(super) cost: Cost,
    pub(super) usage: Usage,
    pub(super) attempts: u64,
    pub(super) ids: BTreeSet<String>,
    /// How most of it was served, for prices.
    pub(super) terms: Terms,
}

impl Default for Ours {
    fn default() -> Self {
        Self {
            cost: Cost::nothing(),
            usage: Usage::new(),
            attempts: 0,
            ids: BTreeSet::new(),
            terms: Terms::default(),
        }
    }
}

/// All that was read: a side of a line each, by stretch and model. The model is empty where all are meant.
#[derive(Debug, Default)]
pub(super) struct Sides {
    pub(super) theirs: BTreeMap<(Period, String), Theirs>,
    pub(super) ours: BTreeMap<(Period, String), Ours>,
}

impl Sides {
    /// Sorts what they say into stretches: days, where it is no longer than one.
    pub(super) fn of(items: Vec<Item>) -> Self {
        let mut sides = Self::default();
        for item in items {
            let key = (period(&item), item.model.clone().unwrap_or_default());
            let theirs = sides.theirs.entry(key).or_default();
            let add = |sum: Option<Money>, usd: Money| {
                sum.map_or(Some(usd), |sum| sum.checked_add(usd)).or(sum)
            };
            if let Some(usd) = item.usd {
                theirs.usd = add(theirs.usd, usd);
            }
            if let Some(credits) = item.milli_credits {
                theirs.milli_credits =
                    Some(theirs.milli_credits.unwrap_or(0).saturating_add(credits));
            }
            theirs.requests = theirs.requests.saturating_add(item.requests);
            if let Some(id) = item.request {
                theirs.ids.insert(id, item.usd);
            }
            if !item.usage.is_empty() {
                let terms = terms(item.mode, item.tier);
                match theirs.usage.iter_mut().find(|(known, _)| *known == terms) {
                    Some((_, usage)) => usage.absorb(&item.usage),
                    None => theirs.usage.push((terms, item.usage)),
                }
            }
        }
        sides
    }

    /// Reads what the ledger has of a provider in the same stretches, under the names that they use. How many damaged
    /// rows were left out.
    pub(super) fn read(&mut self, reader: &Reader, provider: &str) -> Result<u64, Fault> {
        let periods: BTreeSet<Period> = self.theirs.keys().map(|(period, _)| *period).collect();
        let (Some(first), Some(last)) = (
            periods.iter().map(|period| period.0).min(),
            periods.iter().map(|period| period.1).max(),
        ) else {
            return Ok(0);
        };
        let query = Query::default().since(first).until(last);
        let each = |call: LedgerCall| {
            for attempt in &call.attempts {
                if attempt.provider.as_deref() == Some(provider) {
                    self.add(&periods, call.started_at, attempt);
                }
            }
            ControlFlow::Continue(())
        };
        reader.calls(&query, each).map_err(Fault::usage)
    }

    fn add(&mut self, periods: &BTreeSet<Period>, at: Timestamp, attempt: &AttemptRow) {
        let model = attempt
            .model
            .as_deref()
            .or(attempt.requested_model.as_deref());
        let model = model.unwrap_or_default();
        for period in periods
            .iter()
            .filter(|period| period.0 <= at && at < period.1)
        {
            let name = self.their_name(*period, model);
            let ours = self.ours.entry((*period, name)).or_default();
            ours.attempts += 1;
            if let Some(cost) = &attempt.cost {
                ours.cost.absorb(cost);
            }
            if let Some(usage) = &attempt.usage {
                ours.usage.absorb(usage);
                ours.terms = attempt.terms.clone();
            }
            ours.ids.extend(attempt.request_id.clone());
        }
    }

    /// The name by which they call a model in a stretch: the same, or else one that differs by a date or by `-general`.
    fn their_name(&self, period: Period, model: &str) -> String {
        let of_period = || {
            let from = (period, String::new());
            self.theirs
                .range(from..)
                .take_while(move |((other, _), _)| *other == period)
        };
        let same = of_period().find(|((_, name), _)| name == model);
        let like =
            of_period().find(|((_, name), _)| !name.is_empty() && plain(name) == plain(model));
        let found = same.or(like).map(|((_, name), _)| name.clone());
        found.unwrap_or_else(|| model.to_owned())
    }
}

fn terms(mode: Option<Mode>, tier: Option<Name>) -> Terms {
    let mut terms = Terms::default();
    terms.mode = mode;
    terms.tier_served = tier.is_some();
    terms.tier = tier;
    terms
}

/// A model without the date of its snapshot.
fn plain(model: &str) -> &str {
    let model = model.strip_suffix("-general").unwrap_or(model);
    let date = |text: &str| {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        digits == 8
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'-')
    };
    let dated = [11, 9].into_iter().find_map(|length| {
        let (name, end) = model.split_at_checked(model.len().checked_sub(length)?)?;
        (end.starts_with('-') && date(&end[1..])).then_some(name)
    });
    dated.unwrap_or(model)
}
