//! What is kept of an attempt.

use super::{
    Bounds, FailureRow, GetWords, Inline, PutWords, outcome_of,
    reason::{is_unpriced, pack_reason},
    terms::TermsRow,
    timing::Times,
};
use crate::ledger::codec::{Pack, Unpack, pack_usage};
use campanile_core::{Attempt, CALL_REV, CallEvent, Cost, Outcome, UsageEvent, Waste};

/// What a part row tells beside its columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PartDetail<'a> {
    pub(crate) requested_model: Option<&'a str>,
    pub(crate) request_id: Option<&'a str>,
    pub(crate) terms: TermsRow<'a>,
    pub(crate) timing: Option<Times<'a>>,
    pub(crate) failure: Option<FailureRow<'a>>,
    pub(crate) book: &'a str,
    pub(crate) why: &'a [u8],
    /// At a checkpoint: how long after the opening of its call it was counted.
    pub(crate) counted_us: Option<u64>,
}

impl<'a> PartDetail<'a> {
    pub(crate) fn pack<W: PutWords>(
        &self,
        out: &mut Vec<u8>,
        words: &mut W,
    ) -> Result<(), W::Error> {
        let has_terms = self.terms != TermsRow::default();
        let flags = u8::from(self.requested_model.is_some())
            | u8::from(self.request_id.is_some()) << 1
            | u8::from(has_terms) << 2
            | u8::from(self.timing.is_some()) << 3
            | u8::from(self.failure.is_some()) << 4
            | u8::from(!self.book.is_empty()) << 5
            | u8::from(!self.why.is_empty()) << 6
            | u8::from(self.counted_us.is_some()) << 7;
        out.push(flags);
        if let Some(model) = self.requested_model {
            words.word(out, model)?;
        }
        if let Some(id) = self.request_id {
            out.text(id);
        }
        if has_terms {
            self.terms.pack(out, words)?;
        }
        if let Some(timing) = &self.timing {
            timing.pack(out);
        }
        if let Some(failure) = &self.failure {
            failure.pack(out, words)?;
        }
        if !self.book.is_empty() {
            words.word(out, self.book)?;
        }
        if !self.why.is_empty() {
            out.blob(self.why);
        }
        if let Some(counted) = self.counted_us {
            out.uint(counted);
        }
        Ok(())
    }

    pub(crate) fn unpack(from: &mut Unpack<'a>, words: &impl GetWords<'a>) -> Option<Self> {
        let flags = from.byte()?;
        let mut detail = Self::default();
        if flags & 1 != 0 {
            detail.requested_model = Some(words.word(from)?);
        }
        if flags & 2 != 0 {
            detail.request_id = Some(from.text()?);
        }
        if flags & 4 != 0 {
            detail.terms = TermsRow::unpack(from, words)?;
        }
        if flags & 8 != 0 {
            detail.timing = Some(Times::Packed(from.blob()?));
        }
        if flags & 16 != 0 {
            detail.failure = Some(FailureRow::unpack(from, words)?);
        }
        if flags & 32 != 0 {
            detail.book = words.word(from)?;
        }
        if flags & 64 != 0 {
            detail.why = from.blob()?;
        }
        if flags & 128 != 0 {
            detail.counted_us = Some(from.uint()?);
        }
        Some(detail)
    }
}

/// What a part row holds: one attempt of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PartRow<'a> {
    pub(crate) n: u32,
    /// Relative to [`CALL_REV`]: zero for the attempts of a closed call.
    pub(crate) rev: i64,
    pub(crate) provider: Option<&'a str>,
    pub(crate) model: Option<&'a str>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) usage: Option<&'a [u8]>,
    pub(crate) usage_exact: bool,
    pub(crate) cost: Option<Bounds>,
    pub(crate) unpriced: bool,
    pub(crate) wasted: Option<Waste>,
    pub(crate) detail: PartDetail<'a>,
}

/// Bits of the `flags` column of a part. The outcome of the attempt, plus one, stands above them.
pub(crate) const INEXACT: u8 = 1;

pub(crate) const UNPRICED: u8 = 2;

const OUTCOME_SHIFT: u8 = 2;

/// Above the outcome: why all of the attempt was for nothing, plus one; zero where nobody has said so.
const WASTE_SHIFT: u8 = 5;

/// Room for the encoded usage and reasons of one attempt.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    usage: Vec<u8>,
    why: Vec<u8>,
}

impl<'a> PartRow<'a> {
    pub(crate) fn of(attempt: &'a Attempt, rev: u32, scratch: &'a mut Scratch) -> Self {
        Self::new(
            attempt.n,
            rev,
            attempt.usage.as_ref(),
            attempt.cost.as_ref(),
            scratch,
        )
        .with(attempt)
    }

    /// One attempt of a call that is open, or ended before.
    pub(crate) fn of_usage(usage: &'a UsageEvent, scratch: &'a mut Scratch) -> Self {
        let mut part = Self::of(&usage.attempt, usage.rev, scratch);
        if usage.rev < CALL_REV {
            let counted = usage.at.micros().saturating_sub(usage.started_at.micros());
            part.detail.counted_us = Some(counted.max(0).unsigned_abs());
        }
        part
    }

    /// The whole of a call that names no attempts.
    pub(crate) fn whole(call: &'a CallEvent, scratch: &'a mut Scratch) -> Self {
        let mut part = Self::new(
            1,
            CALL_REV,
            call.usage.as_ref(),
            call.cost.as_ref(),
            scratch,
        );
        part.outcome = Some(call.outcome);
        part
    }

    fn new(
        n: u32,
        rev: u32,
        usage: Option<&campanile_core::Usage>,
        cost: Option<&'a Cost>,
        scratch: &'a mut Scratch,
    ) -> Self {
        scratch.usage.clear();
        scratch.why.clear();
        let usage_exact = usage.is_none_or(|usage| pack_usage(&mut scratch.usage, usage));
        for &why in cost.iter().flat_map(|cost| &cost.why) {
            pack_reason(&mut scratch.why, why);
        }
        let used = usage.is_some_and(|usage| !usage.is_empty());
        let detail = PartDetail {
            book: cost.map_or("", |cost| cost.book.as_str()),
            why: &scratch.why,
            ..PartDetail::default()
        };
        Self {
            n,
            rev: i64::from(rev) - i64::from(CALL_REV),
            provider: None,
            model: None,
            outcome: None,
            usage: usage.map(|_| scratch.usage.as_slice()),
            usage_exact,
            // Something was used and nobody has said what it costs: unknown is not zero.
            cost: cost.map(Bounds::of).or(used.then_some(Bounds::UNKNOWN)),
            unpriced: cost.map_or(used, |cost| cost.why.iter().any(|&why| is_unpriced(why))),
            wasted: None,
            detail,
        }
    }

    /// The same with another cost.
    pub(crate) fn costing(mut self, cost: &'a Cost, why: &'a mut Vec<u8>) -> Self {
        why.clear();
        for &reason in &cost.why {
            pack_reason(why, reason);
        }
        self.cost = Some(Bounds::of(cost));
        self.unpriced = cost.why.iter().any(|&why| is_unpriced(why));
        (self.detail.book, self.detail.why) = (cost.book.as_str(), why);
        self
    }

    fn with(mut self, attempt: &'a Attempt) -> Self {
        self.provider = attempt.provider.as_deref();
        self.model = attempt.model.as_deref();
        self.outcome = attempt.outcome;
        self.wasted = attempt.wasted;
        self.detail.requested_model = attempt.requested_model.as_deref();
        self.detail.request_id = attempt.request_id.as_deref();
        self.detail.terms = TermsRow::of(&attempt.terms);
        self.detail.timing = attempt.timing.map(Times::Known);
        self.detail.failure = attempt.failure.as_ref().map(FailureRow::of);
        self
    }

    pub(crate) fn inexact(&self) -> bool {
        !self.usage_exact || self.cost.is_some_and(|cost| !cost.is_exact())
    }

    pub(crate) fn flags(&self) -> u8 {
        (u8::from(self.inexact()) * INEXACT)
            | (u8::from(self.unpriced) * UNPRICED)
            | self.outcome.map_or(0, |outcome| outcome as u8 + 1) << OUTCOME_SHIFT
            | self.wasted.map_or(0, |wasted| wasted as u8 + 1) << WASTE_SHIFT
    }

    pub(crate) fn pack(&self, out: &mut Vec<u8>) {
        out.uint(self.n.into());
        out.int(self.rev);
        out.push(self.flags());
        out.push(
            u8::from(self.provider.is_some())
                | u8::from(self.model.is_some()) << 1
                | u8::from(self.usage.is_some()) << 2
                | u8::from(self.cost.is_some()) << 3
                | u8::from(self.usage_exact) << 4,
        );
        for text in [self.provider, self.model].into_iter().flatten() {
            out.text(text);
        }
        if let Some(usage) = self.usage {
            out.blob(usage);
        }
        if let Some(cost) = self.cost {
            cost.pack(out);
        }
        let Ok(()) = self.detail.pack(out, &mut Inline);
    }

    pub(crate) fn unpack(from: &mut Unpack<'a>) -> Option<Self> {
        let (n, rev) = (from.small()?, from.int()?);
        let (flags, there) = (from.byte()?, from.byte()?);
        Some(Self {
            n,
            rev,
            provider: if there & 1 != 0 {
                Some(from.text()?)
            } else {
                None
            },
            model: if there & 2 != 0 {
                Some(from.text()?)
            } else {
                None
            },
            outcome: part_outcome(flags),
            usage: if there & 4 != 0 {
                Some(from.blob()?)
            } else {
                None
            },
            cost: if there & 8 != 0 {
                Some(Bounds::unpack(from)?)
            } else {
                None
            },
            usage_exact: there & 16 != 0,
            unpriced: flags & UNPRICED != 0,
            wasted: part_waste(flags),
            detail: PartDetail::unpack(from, &Inline)?,
        })
    }
}

/// The outcome in the `flags` of a part.
pub(crate) fn part_outcome(flags: u8) -> Option<Outcome> {
    outcome_of((flags >> OUTCOME_SHIFT & 7).checked_sub(1)?)
}

/// Why all of a part was for nothing, in its `flags`.
pub(crate) fn part_waste(flags: u8) -> Option<Waste> {
    let index = (flags >> WASTE_SHIFT).checked_sub(1)?;
    Waste::ALL.get(usize::from(index)).copied()
}
