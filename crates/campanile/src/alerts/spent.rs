//! Sums of what was spent, in short stretches, so that any window can be asked for.

use super::scope::Scope;
use super::window::floor;
use campanile_core::{Cost, Money, Timestamp};
use campanile_sinks::ledger::{Count, Spend};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// An amount: what is certain, and what it may be as far as that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) at_least: Money,
    /// The sum of upper bounds; of what has none, the lower one.
    pub(crate) known: Money,
    /// How many attempts have no upper bound.
    pub(crate) unbounded: u64,
}

impl Spent {
    pub(crate) fn of(at_least: Money, at_most: Option<Money>, unbounded: u64) -> Self {
        Self {
            at_least,
            known: at_most.unwrap_or(at_least),
            unbounded,
        }
    }

    /// Sums that do not fit stay at the largest amount there is.
    pub(crate) fn add(&mut self, other: Spent) {
        let largest = Money::from_grains(i128::MAX);
        self.at_least = self.at_least.checked_add(other.at_least).unwrap_or(largest);
        self.known = self.known.checked_add(other.known).unwrap_or(largest);
        self.unbounded = self.unbounded.saturating_add(other.unbounded);
    }

    /// Takes back what was added.
    pub(crate) fn take(&mut self, other: Spent) {
        let back = |sum: Money, part| sum.checked_sub(part).unwrap_or(sum);
        self.at_least = back(self.at_least, other.at_least);
        self.known = back(self.known, other.known);
        self.unbounded = self.unbounded.saturating_sub(other.unbounded);
    }

    /// As events tell it.
    pub(crate) fn cost(self) -> Cost {
        let mut cost = Cost::exact(self.at_least);
        cost.at_most = (self.unbounded == 0).then_some(self.known);
        cost
    }
}

/// What counts, and the length of the stretches in which its sums are kept.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) scope: Scope,
    pub(crate) step: i64,
}

/// The sums of one account, by subject and stretch.
type Stretches = HashMap<Box<str>, BTreeMap<i64, Spent>>;

/// The sums of all accounts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums(Vec<Stretches>);

impl Count for Sums {
    type By = Vec<Account>;

    fn count(&mut self, accounts: &Vec<Account>, spend: &Spend<'_>) {
        let amount = Spent::of(spend.at_least, spend.at_most, spend.unbounded);
        self.change(accounts, spend, |sum| sum.add(amount));
    }
}

impl Sums {
    /// Takes back what was counted.
    pub(crate) fn uncount(&mut self, accounts: &[Account], spend: &Spend<'_>) {
        let amount = Spent::of(spend.at_least, spend.at_most, spend.unbounded);
        self.change(accounts, spend, |sum| sum.take(amount));
    }

    fn change(&mut self, accounts: &[Account], spend: &Spend<'_>, change: impl Fn(&mut Spent)) {
        self.0.resize_with(accounts.len(), HashMap::new);
        for (account, stretches) in accounts.iter().zip(&mut self.0) {
            let Some(subject) = account.scope.subject(spend) else {
                continue;
            };
            let begin = floor(spend.at.0, account.step).0;
            // Not by `entry`, which would copy the name each time.
            let sums = match stretches.get_mut(subject) {
                Some(sums) => sums,
                None => stretches.entry(subject.into()).or_default(),
            };
            change(sums.entry(begin).or_default());
        }
    }

    /// Adds up what is in a stretch of time, by subject.
    pub(crate) fn within<'s>(
        all: impl Iterator<Item = &'s Sums>,
        account: usize,
        time: &Range<Timestamp>,
    ) -> BTreeMap<&'s str, Spent> {
        let mut found = BTreeMap::new();
        for stretches in all.filter_map(|sums| sums.0.get(account)) {
            for (subject, sums) in stretches {
                for (_, amount) in sums.range(time.start.0..time.end.0) {
                    let sum: &mut Spent = found.entry(&**subject).or_default();
                    sum.add(*amount);
                }
            }
        }
        found
    }

    /// The first stretch from `since` on in which `subject` has spent anything.
    pub(crate) fn first<'s>(
        all: impl Iterator<Item = &'s Sums>,
        account: usize,
        subject: &str,
        since: Timestamp,
    ) -> Option<Timestamp> {
        let of_one = |sums: &Sums| {
            let sums = sums.0.get(account)?.get(subject)?;
            sums.range(since.0..).next().map(|(begin, _)| *begin)
        };
        all.filter_map(of_one).min().map(Timestamp)
    }

    /// Forgets stretches before `since`.
    pub(crate) fn forget(&mut self, since: Timestamp) {
        for stretches in &mut self.0 {
            stretches.retain(|_, sums| {
                *sums = sums.split_off(&since.0);
                !sums.is_empty()
            });
        }
    }
}
