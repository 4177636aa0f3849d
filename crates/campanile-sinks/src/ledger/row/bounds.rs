//! Both bounds of an amount.

use crate::ledger::codec::{Pack, Unpack};
use campanile_core::{Cost, Money};

/// Both bounds of an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) at_least: Money,
    pub(crate) at_most: Option<Money>,
}

impl Bounds {
    pub(crate) const ZERO: Self = Self {
        at_least: Money::ZERO,
        at_most: Some(Money::ZERO),
    };
    pub(crate) const UNKNOWN: Self = Self {
        at_least: Money::ZERO,
        at_most: None,
    };

    pub(crate) fn of(cost: &Cost) -> Self {
        Self {
            at_least: cost.at_least,
            at_most: cost.at_most,
        }
    }

    /// How far away the upper bound is.
    pub(crate) fn more(self) -> Option<Money> {
        self.at_most?.checked_sub(self.at_least)
    }

    pub(crate) fn add(&mut self, other: Bounds) {
        match self.at_least.checked_add(other.at_least) {
            Some(sum) => {
                self.at_least = sum;
                self.at_most = self
                    .at_most
                    .zip(other.at_most)
                    .and_then(|(a, b)| a.checked_add(b));
            }
            None => self.at_most = None,
        }
    }

    pub(crate) fn is_exact(self) -> bool {
        self.at_most == Some(self.at_least)
    }

    pub(crate) fn pack(self, out: &mut Vec<u8>) {
        out.wide(self.at_least.grains());
        out.push(u8::from(self.more().is_some()));
        if let Some(more) = self.more() {
            out.wide(more.grains());
        }
    }

    pub(crate) fn unpack(from: &mut Unpack<'_>) -> Option<Self> {
        let at_least = Money::from_grains(from.wide()?);
        let at_most = match from.byte()? {
            0 => None,
            _ => Some(at_least.checked_add(Money::from_grains(from.wide()?))?),
        };
        Some(Self { at_least, at_most })
    }

    pub(crate) fn to_cost(self) -> Cost {
        let mut cost = Cost::nothing();
        cost.at_least = self.at_least;
        cost.at_most = self.at_most;
        cost
    }
}
