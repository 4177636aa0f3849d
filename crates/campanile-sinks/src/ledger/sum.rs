//! Sums of calls: what reports show, and what is left of events that did not fit into memory.

use super::{
    codec::{Pack, Unpack, add_usage, pack_usage},
    row::{Bounds, PartRow, is_wasted},
};
use campanile_core::{Outcome, Usage};

/// Calls, what they used and what they cost, added up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sum {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
    pub(crate) crashed: u64,
    pub(crate) open: u64,
    pub(crate) parts: u64,
    pub(crate) unpriced: u64,
    pub(crate) inexact: u64,
    /// Parts whose cost has no upper bound.
    pub(crate) unbounded: u64,
    pub(crate) usage: Usage,
    pub(crate) cost: Bounds,
    pub(crate) wasted: Bounds,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            calls: 0,
            failed: 0,
            cancelled: 0,
            crashed: 0,
            open: 0,
            parts: 0,
            unpriced: 0,
            inexact: 0,
            unbounded: 0,
            usage: Usage::new(),
            cost: Bounds::ZERO,
            wasted: Bounds::ZERO,
        }
    }
}

/// What a sum needs to know of one part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portion<'a> {
    pub(crate) usage: Option<&'a [u8]>,
    pub(crate) cost: Option<Bounds>,
    pub(crate) inexact: bool,
    pub(crate) unpriced: bool,
    pub(crate) wasted: bool,
}

impl<'a> Portion<'a> {
    pub(crate) fn of(part: &PartRow<'a>, call: Outcome) -> Self {
        Self {
            usage: part.usage,
            cost: part.cost,
            inexact: part.inexact(),
            unpriced: part.unpriced,
            wasted: is_wasted(part.outcome, Some(call)),
        }
    }
}

impl Sum {
    /// Counts a call; `None`: it is still open.
    pub(crate) fn call(&mut self, outcome: Option<Outcome>) {
        match outcome {
            None => self.open += 1,
            Some(_) => self.calls += 1,
        }
        match outcome {
            Some(Outcome::Failed | Outcome::Panicked) => self.failed += 1,
            Some(Outcome::Cancelled) => self.cancelled += 1,
            Some(Outcome::Crashed) => self.crashed += 1,
            _ => {}
        }
    }

    pub(crate) fn part(&mut self, part: Portion<'_>) {
        self.parts += 1;
        self.unpriced += u64::from(part.unpriced);
        self.inexact += u64::from(part.inexact);
        if let Some(usage) = part.usage {
            add_usage(&mut self.usage, usage);
        }
        if let Some(cost) = part.cost {
            self.unbounded += u64::from(cost.at_most.is_none());
            self.cost.add(cost);
            if part.wasted {
                self.wasted.add(cost);
            }
        }
    }

    pub(crate) fn absorb(&mut self, other: &Sum) {
        for (mine, theirs) in self.counts().into_iter().zip(other.clone().counts()) {
            *mine = mine.saturating_add(*theirs);
        }
        self.usage.absorb(&other.usage);
        self.cost.add(other.cost);
        self.wasted.add(other.wasted);
    }

    fn counts(&mut self) -> [&mut u64; 9] {
        [
            &mut self.calls,
            &mut self.failed,
            &mut self.cancelled,
            &mut self.crashed,
            &mut self.open,
            &mut self.parts,
            &mut self.unpriced,
            &mut self.inexact,
            &mut self.unbounded,
        ]
    }

    pub(crate) fn pack(&self, out: &mut Vec<u8>) {
        for count in self.clone().counts() {
            out.uint(*count);
        }
        self.cost.pack(out);
        self.wasted.pack(out);
        pack_usage(out, &self.usage);
    }

    pub(crate) fn unpack(bytes: &[u8]) -> Option<Self> {
        let mut from = Unpack(bytes);
        let mut sum = Self::default();
        for count in sum.counts() {
            *count = from.uint()?;
        }
        sum.cost = Bounds::unpack(&mut from)?;
        sum.wasted = Bounds::unpack(&mut from)?;
        add_usage(&mut sum.usage, from.0);
        Some(sum)
    }
}
