//! Sums of calls: what reports show, and what is left of events that did not fit into memory.

use super::{
    codec::{Pack, Unpack, add_usage, pack_usage, unpack_usage},
    row::{Bounds, PartRow},
};
use campanile_core::{Meter, Outcome, Usage, Waste};

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
    pub(crate) wasted: Wasted,
}

/// What packed sums begin with since they tell kinds of waste: a count that no packer writes so.
const BY_KIND: [u8; 2] = [0x80, 0];

/// What was wasted, by kind.
pub(crate) type Wasted = [Bounds; Waste::ALL.len()];

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
            wasted: [Bounds::ZERO; Waste::ALL.len()],
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
    pub(crate) wasted: Option<Waste>,
}

impl<'a> Portion<'a> {
    pub(crate) fn of(part: &PartRow<'a>, call: Outcome) -> Self {
        Self {
            usage: part.usage,
            cost: part.cost,
            inexact: part.inexact(),
            unpriced: part.unpriced,
            wasted: whole_waste(part.wasted, part.outcome, Some(call)),
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
            self.waste(part.wasted, part.usage, cost);
        }
    }

    /// Counts what was for nothing: all of a part, or parts of it.
    fn waste(&mut self, whole: Option<Waste>, usage: Option<&[u8]>, cost: Bounds) {
        // Most parts need no look at their usage: the sum of all tells that none of these meters is there.
        let mut telling = [Meter::UnplayedUs, Meter::KeepAliveUs].into_iter();
        let partly = telling.any(|meter| self.usage.get(meter).is_some());
        let look = partly || whole == Some(Waste::Interrupted);
        let usage = usage.filter(|_| look).map(unpack_usage).unwrap_or_default();
        for (kind, share) in Waste::shares(whole, &usage) {
            let (at_least, at_most) = share.of(cost.at_least, cost.at_most);
            self.wasted[kind as usize].add(Bounds { at_least, at_most });
        }
    }

    /// What was wasted, in all kinds together.
    pub(crate) fn wasted(&self) -> Bounds {
        let mut all = Bounds::ZERO;
        self.wasted.iter().for_each(|kind| all.add(*kind));
        all
    }

    pub(crate) fn absorb(&mut self, other: &Sum) {
        for (mine, theirs) in self.counts().into_iter().zip(other.clone().counts()) {
            *mine = mine.saturating_add(*theirs);
        }
        self.usage.absorb(&other.usage);
        self.cost.add(other.cost);
        for (mine, theirs) in self.wasted.iter_mut().zip(other.wasted) {
            mine.add(theirs);
        }
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
        out.extend_from_slice(&BY_KIND);
        for count in self.clone().counts() {
            out.uint(*count);
        }
        self.cost.pack(out);
        let there = |kind: &Bounds| *kind != Bounds::ZERO;
        let kinds = self
            .wasted
            .iter()
            .enumerate()
            .filter(|(_, kind)| there(kind));
        out.push(kinds.clone().fold(0, |mask, (n, _)| mask | 1 << n));
        kinds.for_each(|(_, kind)| kind.pack(out));
        pack_usage(out, &self.usage);
    }

    pub(crate) fn unpack(bytes: &[u8]) -> Option<Self> {
        let by_kind = bytes.strip_prefix(&BY_KIND);
        let mut from = Unpack(by_kind.unwrap_or(bytes));
        let mut sum = Self::default();
        for count in sum.counts() {
            *count = from.uint()?;
        }
        sum.cost = Bounds::unpack(&mut from)?;
        // Before there were kinds, one amount was all: cut or failed, nobody knows which any more.
        let mask = match by_kind {
            Some(_) => from.byte()?,
            None => 1 << Waste::Interrupted as u8,
        };
        for (n, kind) in sum.wasted.iter_mut().enumerate() {
            if mask & 1 << n != 0 {
                *kind = Bounds::unpack(&mut from)?;
            }
        }
        add_usage(&mut sum.usage, from.0);
        Some(sum)
    }
}

/// Why all of a part was for nothing: as was said, or else as the ends of the attempt and of its call tell.
pub(crate) fn whole_waste(
    said: Option<Waste>,
    attempt: Option<Outcome>,
    call: Option<Outcome>,
) -> Option<Waste> {
    said.or_else(|| Waste::told_by(attempt, call))
}
