//! What is kept of an event: read from events, carried to the writer as bytes, kept in the bodies of rows.
//!
//! Both forms are the same bytes but for words: texts on the way to the writer, numbers of the `name` table in rows.

use super::codec::{Pack, Unpack, pack_usage};
use campanile_core::{
    Attempt, CALL_REV, CallEvent, CallId, Cost, FailureKind, FailureReport, Measure, Meter, Mode,
    Money, Outcome, Owner, Phase, Reason, SessionEvent, SessionTotals, Span, Terms, Timing,
    TurnEvent, UsageEvent,
};

/// Longest texts of one failure that are kept; the rest is cut at a character.
const MAX_CHAIN_BYTES: usize = 8 * 1024;
const MAX_BACKTRACE_BYTES: usize = 32 * 1024;

/// Writes words.
pub(super) trait PutWords {
    type Error;
    fn word(&mut self, out: &mut Vec<u8>, text: &str) -> Result<(), Self::Error>;
}

/// Reads words.
pub(super) trait GetWords<'a> {
    fn word(&self, from: &mut Unpack<'a>) -> Option<&'a str>;
}

/// Words are written out.
pub(super) struct Inline;

impl PutWords for Inline {
    type Error = std::convert::Infallible;
    fn word(&mut self, out: &mut Vec<u8>, text: &str) -> Result<(), Self::Error> {
        out.text(text);
        Ok(())
    }
}

impl<'a> GetWords<'a> for Inline {
    fn word(&self, from: &mut Unpack<'a>) -> Option<&'a str> {
        from.text()
    }
}

/// Both bounds of an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) at_least: Money,
    pub(super) at_most: Option<Money>,
}

impl Bounds {
    pub(super) const ZERO: Self = Self {
        at_least: Money::ZERO,
        at_most: Some(Money::ZERO),
    };
    pub(super) const UNKNOWN: Self = Self {
        at_least: Money::ZERO,
        at_most: None,
    };

    pub(super) fn of(cost: &Cost) -> Self {
        Self {
            at_least: cost.at_least,
            at_most: cost.at_most,
        }
    }

    /// How far away the upper bound is.
    pub(super) fn more(self) -> Option<Money> {
        self.at_most?.checked_sub(self.at_least)
    }

    pub(super) fn add(&mut self, other: Bounds) {
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

    pub(super) fn is_exact(self) -> bool {
        self.at_most == Some(self.at_least)
    }

    pub(super) fn pack(self, out: &mut Vec<u8>) {
        out.wide(self.at_least.grains());
        out.push(u8::from(self.more().is_some()));
        if let Some(more) = self.more() {
            out.wide(more.grains());
        }
    }

    pub(super) fn unpack(from: &mut Unpack<'_>) -> Option<Self> {
        let at_least = Money::from_grains(from.wide()?);
        let at_most = match from.byte()? {
            0 => None,
            _ => Some(at_least.checked_add(Money::from_grains(from.wide()?))?),
        };
        Some(Self { at_least, at_most })
    }

    pub(super) fn to_cost(self) -> Cost {
        let mut cost = Cost::nothing();
        cost.at_least = self.at_least;
        cost.at_most = self.at_most;
        cost
    }
}

/// A failure, texts included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FailureRow<'a> {
    pub(super) kind: u8,
    pub(super) code: Option<&'a str>,
    pub(super) retryable: bool,
    pub(super) retry_after_us: Option<u64>,
    pub(super) fingerprint: &'a str,
}

impl<'a> FailureRow<'a> {
    fn of(report: &'a FailureReport) -> Self {
        Self {
            kind: report.kind as u8,
            code: report.code.as_deref(),
            retryable: report.retryable,
            retry_after_us: report.retry_after.map(Span::us),
            fingerprint: &report.fingerprint,
        }
    }

    pub(super) fn kind_name(&self) -> &'static str {
        FailureKind::ALL
            .get(usize::from(self.kind))
            .copied()
            .unwrap_or_default()
            .name()
    }

    fn pack<W: PutWords>(&self, out: &mut Vec<u8>, words: &mut W) -> Result<(), W::Error> {
        out.push(self.kind);
        out.push(
            u8::from(self.retryable)
                | u8::from(self.code.is_some()) << 1
                | u8::from(self.retry_after_us.is_some()) << 2,
        );
        words.word(out, self.fingerprint)?;
        if let Some(code) = self.code {
            words.word(out, code)?;
        }
        if let Some(wait) = self.retry_after_us {
            out.uint(wait);
        }
        Ok(())
    }

    fn unpack(from: &mut Unpack<'a>, words: &impl GetWords<'a>) -> Option<Self> {
        let (kind, flags) = (from.byte()?, from.byte()?);
        Some(Self {
            kind,
            retryable: flags & 1 != 0,
            fingerprint: words.word(from)?,
            code: if flags & 2 != 0 {
                Some(words.word(from)?)
            } else {
                None
            },
            retry_after_us: if flags & 4 != 0 {
                Some(from.uint()?)
            } else {
                None
            },
        })
    }
}

/// Times of a call or an attempt: as they are, or as they were packed. The writer hands packed ones on without a look.
#[derive(Clone, Copy, Debug)]
pub(super) enum Times<'a> {
    Known(Timing),
    Packed(&'a [u8]),
}

impl Times<'_> {
    fn pack(&self, out: &mut Vec<u8>) {
        match self {
            Times::Packed(bytes) => out.blob(bytes),
            Times::Known(timing) => {
                let at = out.len();
                out.push(0);
                pack_timing(out, timing);
                // Seven numbers of at most ten bytes: the length is one byte.
                out[at] = u8::try_from(out.len() - at - 1).unwrap_or(u8::MAX);
            }
        }
    }

    /// The times, if they make sense.
    pub(super) fn get(&self) -> Option<Timing> {
        match self {
            Times::Known(timing) => Some(*timing),
            Times::Packed(bytes) => unpack_timing(&mut Unpack(bytes)),
        }
    }
}

/// Compared by what they say.
impl PartialEq for Times<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

fn pack_timing(out: &mut Vec<u8>, timing: &Timing) {
    let flags = u64::from(timing.first_item.is_some())
        | u64::from(timing.longest_gap.is_some()) << 1
        | u64::from(timing.sent > 0) << 2
        | u64::from(timing.queued.is_some()) << 3
        | u64::from(timing.items.is_some()) << 4;
    out.uint(flags);
    out.uint(timing.elapsed.us());
    for span in [timing.queued, timing.first_item, timing.longest_gap]
        .into_iter()
        .flatten()
    {
        out.uint(span.us());
    }
    if let Some(items) = timing.items {
        out.uint(items);
    }
    if timing.sent > 0 {
        out.uint(timing.sent);
    }
}

fn unpack_timing(from: &mut Unpack<'_>) -> Option<Timing> {
    let span = |us: u64| Span(us.saturating_mul(1_000));
    let head = from.uint()?;
    let mut timing = Timing::default();
    timing.elapsed = span(from.uint()?);
    if head & 8 != 0 {
        timing.queued = Some(span(from.uint()?));
    }
    if head & 1 != 0 {
        timing.first_item = Some(span(from.uint()?));
    }
    if head & 2 != 0 {
        timing.longest_gap = Some(span(from.uint()?));
    }
    if head & 16 != 0 {
        timing.items = Some(from.uint()?);
    }
    if head & 4 != 0 {
        timing.sent = from.uint()?;
    }
    Some(timing)
}

/// What a call row tells beside its columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct CallDetail<'a> {
    pub(super) reason: Option<&'a str>,
    pub(super) timing: Option<Times<'a>>,
    pub(super) failure: Option<FailureRow<'a>>,
    pub(super) spoken: Option<Measure>,
    pub(super) redactions: Vec<(&'a str, u32)>,
    pub(super) labels: Vec<(&'a str, &'a str)>,
    pub(super) observer_failed: u32,
}

impl<'a> CallDetail<'a> {
    fn of(call: &'a CallEvent) -> Self {
        Self {
            reason: call.reason.as_deref(),
            timing: call.timing.map(Times::Known),
            failure: call.failure.as_ref().map(FailureRow::of),
            spoken: call.spoken,
            redactions: call.redactions.iter().collect(),
            labels: call
                .labels
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect(),
            observer_failed: call.observer_failed,
        }
    }

    pub(super) fn pack<W: PutWords>(
        &self,
        out: &mut Vec<u8>,
        words: &mut W,
    ) -> Result<(), W::Error> {
        let flags = u8::from(self.reason.is_some())
            | u8::from(self.timing.is_some()) << 1
            | u8::from(self.failure.is_some()) << 2
            | u8::from(self.spoken.is_some()) << 3
            | u8::from(!self.redactions.is_empty()) << 4
            | u8::from(!self.labels.is_empty()) << 5
            | u8::from(self.observer_failed > 0) << 6;
        out.push(flags);
        if let Some(reason) = self.reason {
            words.word(out, reason)?;
        }
        if let Some(timing) = &self.timing {
            timing.pack(out);
        }
        if let Some(failure) = &self.failure {
            failure.pack(out, words)?;
        }
        if let Some(spoken) = self.spoken {
            out.uint(spoken.chars);
            out.uint(spoken.words);
        }
        if !self.redactions.is_empty() {
            out.uint(self.redactions.len() as u64);
            for &(kind, count) in &self.redactions {
                words.word(out, kind)?;
                out.uint(count.into());
            }
        }
        if !self.labels.is_empty() {
            out.uint(self.labels.len() as u64);
            for &(name, value) in &self.labels {
                words.word(out, name)?;
                out.text(value);
            }
        }
        if self.observer_failed > 0 {
            out.uint(self.observer_failed.into());
        }
        Ok(())
    }

    pub(super) fn unpack(from: &mut Unpack<'a>, words: &impl GetWords<'a>) -> Option<Self> {
        let flags = from.byte()?;
        let mut detail = Self::default();
        if flags & 1 != 0 {
            detail.reason = Some(words.word(from)?);
        }
        if flags & 2 != 0 {
            detail.timing = Some(Times::Packed(from.blob()?));
        }
        if flags & 4 != 0 {
            detail.failure = Some(FailureRow::unpack(from, words)?);
        }
        if flags & 8 != 0 {
            detail.spoken = Some(Measure {
                chars: from.uint()?,
                words: from.uint()?,
            });
        }
        if flags & 16 != 0 {
            for _ in 0..from.uint()? {
                detail.redactions.push((words.word(from)?, from.small()?));
            }
        }
        if flags & 32 != 0 {
            for _ in 0..from.uint()? {
                detail.labels.push((words.word(from)?, from.text()?));
            }
        }
        if flags & 64 != 0 {
            detail.observer_failed = from.small()?;
        }
        Some(detail)
    }
}

/// What a call row holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CallRow<'a> {
    pub(super) id: CallId,
    pub(super) outside: Option<&'a str>,
    pub(super) at: i64,
    pub(super) stage: &'a str,
    pub(super) session: Option<&'a str>,
    pub(super) turn: Option<u32>,
    pub(super) outcome: Outcome,
    pub(super) detail: CallDetail<'a>,
}

impl<'a> CallRow<'a> {
    pub(super) fn of(call: &'a CallEvent, outside: Option<&'a str>) -> Self {
        Self {
            id: call.id,
            outside,
            at: call.started_at.micros(),
            stage: &call.stage,
            session: call.session.as_ref().map(|session| session.as_str()),
            turn: call.turn,
            outcome: call.outcome,
            detail: CallDetail::of(call),
        }
    }

    /// A part whose call is not over, or not known.
    pub(super) fn open(usage: &'a UsageEvent) -> Self {
        Self {
            id: usage.call,
            outside: None,
            at: usage.started_at.micros(),
            stage: &usage.stage,
            session: usage.session.as_ref().map(|session| session.as_str()),
            turn: usage.turn,
            outcome: Outcome::Crashed,
            detail: CallDetail::default(),
        }
    }

    pub(super) fn pack(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.0.to_be_bytes());
        out.push(
            u8::from(self.outside.is_some())
                | u8::from(self.session.is_some()) << 1
                | u8::from(self.turn.is_some()) << 2
                | (self.outcome as u8) << 3,
        );
        out.int(self.at);
        out.text(self.stage);
        for text in [self.outside, self.session].into_iter().flatten() {
            out.text(text);
        }
        if let Some(turn) = self.turn {
            out.uint(turn.into());
        }
        let Ok(()) = self.detail.pack(out, &mut Inline);
    }

    pub(super) fn unpack(from: &mut Unpack<'a>) -> Option<Self> {
        let id = CallId(u128::from_be_bytes(from.take(16)?.try_into().ok()?));
        let flags = from.byte()?;
        let at = from.int()?;
        let stage = from.text()?;
        let outside = if flags & 1 != 0 {
            Some(from.text()?)
        } else {
            None
        };
        let session = if flags & 2 != 0 {
            Some(from.text()?)
        } else {
            None
        };
        let turn = if flags & 4 != 0 {
            Some(from.small()?)
        } else {
            None
        };
        let outcome = outcome_of(flags >> 3)?;
        Some(Self {
            id,
            outside,
            at,
            stage,
            session,
            turn,
            outcome,
            detail: CallDetail::unpack(from, &Inline)?,
        })
    }
}

pub(super) fn outcome_of(index: u8) -> Option<Outcome> {
    Outcome::ALL.get(usize::from(index)).copied()
}

/// What a part row tells beside its columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PartDetail<'a> {
    pub(super) requested_model: Option<&'a str>,
    pub(super) request_id: Option<&'a str>,
    pub(super) terms: TermsRow<'a>,
    pub(super) timing: Option<Times<'a>>,
    pub(super) failure: Option<FailureRow<'a>>,
    pub(super) book: &'a str,
    pub(super) why: &'a [u8],
}

/// The conditions of a price.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct TermsRow<'a> {
    mode: u8,
    tier_served: bool,
    channels: Option<u32>,
    /// Tier, region, voice, plan.
    names: [Option<&'a str>; 4],
    addons: Vec<&'a str>,
}

impl<'a> TermsRow<'a> {
    fn of(terms: &'a Terms) -> Self {
        Self {
            mode: match terms.mode {
                None => 0,
                Some(Mode::Streaming) => 1,
                Some(_) => 2,
            },
            tier_served: terms.tier_served,
            channels: terms.channels,
            names: [&terms.tier, &terms.region, &terms.voice, &terms.plan]
                .map(|name| name.as_deref()),
            addons: terms.addons.iter().map(|name| name.as_str()).collect(),
        }
    }

    pub(super) fn to_terms(&self) -> Terms {
        let name = |text: &str| campanile_core::Name::outside(text);
        let mut terms = Terms::default();
        terms.mode = [None, Some(Mode::Streaming), Some(Mode::Prerecorded)]
            .get(usize::from(self.mode))
            .copied()
            .flatten();
        terms.tier_served = self.tier_served;
        terms.channels = self.channels;
        let [tier, region, voice, plan] = self.names.map(|text| text.and_then(name));
        (terms.tier, terms.region, terms.voice, terms.plan) = (tier, region, voice, plan);
        terms.addons = self.addons.iter().copied().filter_map(name).collect();
        terms
    }

    fn pack<W: PutWords>(&self, out: &mut Vec<u8>, words: &mut W) -> Result<(), W::Error> {
        let mut flags = u64::from(self.mode)
            | u64::from(self.tier_served) << 2
            | u64::from(self.channels.is_some()) << 3
            | (self.addons.len() as u64) << 8;
        for (i, name) in self.names.iter().enumerate() {
            flags |= u64::from(name.is_some()) << (4 + i);
        }
        out.uint(flags);
        for name in self.names.iter().flatten().chain(&self.addons) {
            words.word(out, name)?;
        }
        if let Some(channels) = self.channels {
            out.uint(channels.into());
        }
        Ok(())
    }

    fn unpack(from: &mut Unpack<'a>, words: &impl GetWords<'a>) -> Option<Self> {
        let flags = from.uint()?;
        let mut terms = Self {
            mode: flags as u8 & 3,
            tier_served: flags & 4 != 0,
            ..Self::default()
        };
        for (i, name) in terms.names.iter_mut().enumerate() {
            if flags & (1 << (4 + i)) != 0 {
                *name = Some(words.word(from)?);
            }
        }
        for _ in 0..flags >> 8 {
            terms.addons.push(words.word(from)?);
        }
        if flags & 8 != 0 {
            terms.channels = Some(from.small()?);
        }
        Some(terms)
    }
}

impl<'a> PartDetail<'a> {
    pub(super) fn pack<W: PutWords>(
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
            | u8::from(!self.why.is_empty()) << 6;
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
        Ok(())
    }

    pub(super) fn unpack(from: &mut Unpack<'a>, words: &impl GetWords<'a>) -> Option<Self> {
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
        Some(detail)
    }
}

/// What a part row holds: one attempt of a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PartRow<'a> {
    pub(super) n: u32,
    /// Relative to [`CALL_REV`]: zero for the attempts of a closed call.
    pub(super) rev: i64,
    pub(super) provider: Option<&'a str>,
    pub(super) model: Option<&'a str>,
    pub(super) outcome: Option<Outcome>,
    pub(super) usage: Option<&'a [u8]>,
    pub(super) usage_exact: bool,
    pub(super) cost: Option<Bounds>,
    pub(super) unpriced: bool,
    pub(super) detail: PartDetail<'a>,
}

/// Bits of the `flags` column of a part. The outcome of the attempt, plus one, stands above them.
pub(super) const INEXACT: u8 = 1;
pub(super) const UNPRICED: u8 = 2;
const OUTCOME_SHIFT: u8 = 2;

/// Room for the encoded usage and reasons of one attempt.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    usage: Vec<u8>,
    why: Vec<u8>,
}

impl<'a> PartRow<'a> {
    pub(super) fn of(attempt: &'a Attempt, rev: u32, scratch: &'a mut Scratch) -> Self {
        Self::new(
            attempt.n,
            rev,
            attempt.usage.as_ref(),
            attempt.cost.as_ref(),
            scratch,
        )
        .with(attempt)
    }

    /// The whole of a call that names no attempts.
    pub(super) fn whole(call: &'a CallEvent, scratch: &'a mut Scratch) -> Self {
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
            detail,
        }
    }

    fn with(mut self, attempt: &'a Attempt) -> Self {
        self.provider = attempt.provider.as_deref();
        self.model = attempt.model.as_deref();
        self.outcome = attempt.outcome;
        self.detail.requested_model = attempt.requested_model.as_deref();
        self.detail.request_id = attempt.request_id.as_deref();
        self.detail.terms = TermsRow::of(&attempt.terms);
        self.detail.timing = attempt.timing.map(Times::Known);
        self.detail.failure = attempt.failure.as_ref().map(FailureRow::of);
        self
    }

    pub(super) fn inexact(&self) -> bool {
        !self.usage_exact || self.cost.is_some_and(|cost| !cost.is_exact())
    }

    pub(super) fn flags(&self) -> u8 {
        (u8::from(self.inexact()) * INEXACT)
            | (u8::from(self.unpriced) * UNPRICED)
            | self.outcome.map_or(0, |outcome| outcome as u8 + 1) << OUTCOME_SHIFT
    }

    pub(super) fn pack(&self, out: &mut Vec<u8>) {
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

    pub(super) fn unpack(from: &mut Unpack<'a>) -> Option<Self> {
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
            detail: PartDetail::unpack(from, &Inline)?,
        })
    }
}

/// The outcome in the `flags` of a part.
pub(super) fn part_outcome(flags: u8) -> Option<Outcome> {
    outcome_of((flags >> OUTCOME_SHIFT).checked_sub(1)?)
}

/// Whether nobody heard what this part cost: the attempt failed, or its call was cut.
pub(super) fn is_wasted(attempt: Option<Outcome>, call: Option<Outcome>) -> bool {
    let failed = |outcome| matches!(outcome, Some(Outcome::Failed | Outcome::Panicked));
    call == Some(Outcome::Cancelled) || failed(attempt) || (attempt.is_none() && failed(call))
}

fn is_unpriced(why: Reason) -> bool {
    matches!(
        why,
        Reason::UnknownModel
            | Reason::KnownButUnpriced
            | Reason::UnpricedMeter(_)
            | Reason::PricingFailed
            | Reason::NotPriced
    )
}

/// The number of a reason, and the meter it speaks of.
fn pack_reason(out: &mut Vec<u8>, why: Reason) {
    let (number, meter) = match why {
        Reason::UnknownModel => (0, None),
        Reason::KnownButUnpriced => (1, None),
        Reason::UnpricedMeter(meter) => (2, Some(meter)),
        Reason::Bounded(meter) => (3, Some(meter)),
        Reason::UnknownUsage => (4, None),
        Reason::AssumedAlias => (5, None),
        Reason::AssumedTerms => (6, None),
        Reason::UnsureRate => (7, None),
        Reason::AmbiguousPrice => (8, None),
        Reason::Contradiction => (9, None),
        Reason::Overflow => (10, None),
        Reason::PricingFailed => (11, None),
        Reason::NotPriced => (12, None),
        // A reason that core has learnt since: the bounds tell the amount all the same.
        _ => return,
    };
    out.push(number);
    if let Some(meter) = meter {
        out.push(meter.index() as u8);
    }
}

pub(super) fn unpack_reasons(bytes: &[u8]) -> Vec<Reason> {
    let mut from = Unpack(bytes);
    let mut reasons = Vec::new();
    while let Some(number) = from.byte() {
        let mut meter = || {
            from.byte()
                .and_then(|index| Meter::ALL.get(usize::from(index)).copied())
        };
        let reason = match number {
            0 => Some(Reason::UnknownModel),
            1 => Some(Reason::KnownButUnpriced),
            2 => meter().map(Reason::UnpricedMeter),
            3 => meter().map(Reason::Bounded),
            4 => Some(Reason::UnknownUsage),
            5 => Some(Reason::AssumedAlias),
            6 => Some(Reason::AssumedTerms),
            7 => Some(Reason::UnsureRate),
            8 => Some(Reason::AmbiguousPrice),
            9 => Some(Reason::Contradiction),
            10 => Some(Reason::Overflow),
            11 => Some(Reason::PricingFailed),
            12 => Some(Reason::NotPriced),
            _ => return reasons,
        };
        reasons.extend(reason);
    }
    reasons
}

/// The texts of a failure: written once for each fingerprint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FailureTexts<'a> {
    pub(super) at: i64,
    pub(super) kind: u8,
    pub(super) fingerprint: &'a str,
    pub(super) code: Option<&'a str>,
    pub(super) chain: Vec<&'a str>,
    pub(super) backtrace: Option<&'a str>,
}

impl<'a> FailureTexts<'a> {
    pub(super) fn of(at: i64, report: &'a FailureReport) -> Self {
        let mut left = MAX_CHAIN_BYTES;
        let mut chain = Vec::new();
        for text in &report.chain {
            let text = cut(text.as_str(), left);
            left -= text.len();
            chain.push(text);
        }
        Self {
            at,
            kind: report.kind as u8,
            fingerprint: &report.fingerprint,
            code: report.code.as_deref(),
            chain,
            backtrace: report
                .backtrace
                .as_ref()
                .map(|text| cut(text.as_str(), MAX_BACKTRACE_BYTES)),
        }
    }

    pub(super) fn pack(&self, out: &mut Vec<u8>) {
        out.int(self.at);
        out.push(self.kind);
        out.text(self.fingerprint);
        out.push(u8::from(self.code.is_some()) | u8::from(self.backtrace.is_some()) << 1);
        for text in [self.code, self.backtrace].into_iter().flatten() {
            out.text(text);
        }
        out.uint(self.chain.len() as u64);
        for text in &self.chain {
            out.text(text);
        }
    }

    pub(super) fn unpack(from: &mut Unpack<'a>) -> Option<Self> {
        let (at, kind, fingerprint, there) =
            (from.int()?, from.byte()?, from.text()?, from.byte()?);
        let code = if there & 1 != 0 {
            Some(from.text()?)
        } else {
            None
        };
        let backtrace = if there & 2 != 0 {
            Some(from.text()?)
        } else {
            None
        };
        let mut chain = Vec::new();
        for _ in 0..from.uint()? {
            chain.push(from.text()?);
        }
        Some(Self {
            at,
            kind,
            fingerprint,
            code,
            chain,
            backtrace,
        })
    }
}

/// The longest beginning of `text` with at most `max` bytes.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// What a turn row holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TurnRow<'a> {
    pub(super) session: &'a str,
    pub(super) turn: u32,
    pub(super) at: i64,
    pub(super) detail: TurnDetail<'a>,
}

/// What a turn row tells beside its columns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TurnDetail<'a> {
    pub(super) elapsed_us: u64,
    pub(super) user_to_bot_us: Option<u64>,
    pub(super) segments: Vec<(&'a str, u8, u64)>,
    pub(super) interrupted: Option<&'a str>,
    pub(super) calls: u32,
    pub(super) cost: Bounds,
    pub(super) wasted: Bounds,
}

/// Names of [`Owner`]s by their number.
const OWNERS: [Owner; 4] = [
    Owner::Provider,
    Owner::Program,
    Owner::Queue,
    Owner::Playback,
];

pub(super) fn owner_name(number: u8) -> &'static str {
    OWNERS
        .get(usize::from(number))
        .map_or("unknown", |owner| owner.name())
}

impl<'a> TurnRow<'a> {
    pub(super) fn of(turn: &'a TurnEvent) -> Self {
        let number = |owner| {
            OWNERS
                .iter()
                .position(|known| *known == owner)
                .map_or(u8::MAX, |i| i as u8)
        };
        let segments = turn.segments.iter();
        Self {
            session: turn.session.as_str(),
            turn: turn.turn,
            at: turn.started_at.micros(),
            detail: TurnDetail {
                elapsed_us: turn.elapsed.us(),
                user_to_bot_us: turn.user_to_bot.map(Span::us),
                segments: segments
                    .map(|part| (part.name, number(part.owner), part.span.us()))
                    .collect(),
                interrupted: turn.interrupted.as_deref(),
                calls: turn.calls,
                cost: Bounds::of(&turn.cost),
                wasted: Bounds::of(&turn.wasted),
            },
        }
    }

    pub(super) fn pack(&self, out: &mut Vec<u8>) {
        out.text(self.session);
        out.uint(self.turn.into());
        out.int(self.at);
        let Ok(()) = self.detail.pack(out, &mut Inline);
    }

    pub(super) fn unpack(from: &mut Unpack<'a>) -> Option<Self> {
        Some(Self {
            session: from.text()?,
            turn: from.small()?,
            at: from.int()?,
            detail: TurnDetail::unpack(from, &Inline)?,
        })
    }
}

impl<'a> TurnDetail<'a> {
    pub(super) fn pack<W: PutWords>(
        &self,
        out: &mut Vec<u8>,
        words: &mut W,
    ) -> Result<(), W::Error> {
        out.push(
            u8::from(self.user_to_bot_us.is_some()) | u8::from(self.interrupted.is_some()) << 1,
        );
        out.uint(self.elapsed_us);
        out.uint(self.calls.into());
        self.cost.pack(out);
        self.wasted.pack(out);
        if let Some(us) = self.user_to_bot_us {
            out.uint(us);
        }
        if let Some(word) = self.interrupted {
            words.word(out, word)?;
        }
        out.uint(self.segments.len() as u64);
        for &(name, owner, us) in &self.segments {
            words.word(out, name)?;
            out.push(owner);
            out.uint(us);
        }
        Ok(())
    }

    pub(super) fn unpack(from: &mut Unpack<'a>, words: &impl GetWords<'a>) -> Option<Self> {
        let there = from.byte()?;
        let (elapsed_us, calls) = (from.uint()?, from.small()?);
        let (cost, wasted) = (Bounds::unpack(from)?, Bounds::unpack(from)?);
        let user_to_bot_us = if there & 1 != 0 {
            Some(from.uint()?)
        } else {
            None
        };
        let interrupted = if there & 2 != 0 {
            Some(words.word(from)?)
        } else {
            None
        };
        let mut segments = Vec::new();
        for _ in 0..from.uint()? {
            segments.push((words.word(from)?, from.byte()?, from.uint()?));
        }
        Some(Self {
            elapsed_us,
            user_to_bot_us,
            segments,
            interrupted,
            calls,
            cost,
            wasted,
        })
    }
}

/// The start or the end of a session.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SessionEdge<'a> {
    pub(super) session: &'a str,
    pub(super) started_at: i64,
    /// Moment, reason and totals, where it is the end.
    pub(super) end: Option<(i64, Option<&'a str>, Option<Totals>)>,
}

/// What a session said of itself at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) counts: [u64; 6],
    pub(super) cost: Bounds,
    pub(super) wasted: Bounds,
}

/// Names of [`Totals::counts`].
pub(super) const TOTALS: [&str; 6] = [
    "elapsed_us",
    "turns",
    "interrupted",
    "calls",
    "failed",
    "open_calls",
];

impl Totals {
    fn of(totals: &SessionTotals) -> Self {
        let counts = [
            totals.turns,
            totals.interrupted,
            totals.calls,
            totals.failed,
            totals.open_calls,
        ];
        let [turns, interrupted, calls, failed, open] = counts.map(u64::from);
        Self {
            counts: [totals.elapsed.us(), turns, interrupted, calls, failed, open],
            cost: Bounds::of(&totals.cost),
            wasted: Bounds::of(&totals.wasted),
        }
    }

    pub(super) fn pack(&self, out: &mut Vec<u8>) {
        for count in self.counts {
            out.uint(count);
        }
        self.cost.pack(out);
        self.wasted.pack(out);
    }

    pub(super) fn unpack(from: &mut Unpack<'_>) -> Option<Self> {
        let mut counts = [0; 6];
        for count in &mut counts {
            *count = from.uint()?;
        }
        Some(Self {
            counts,
            cost: Bounds::unpack(from)?,
            wasted: Bounds::unpack(from)?,
        })
    }
}

impl<'a> SessionEdge<'a> {
    pub(super) fn of(session: &'a SessionEvent) -> Self {
        let end = (session.phase == Phase::End).then(|| {
            (
                session.at.micros(),
                session.reason.as_deref(),
                session.totals.as_ref().map(Totals::of),
            )
        });
        Self {
            session: session.session.as_str(),
            started_at: session.started_at.micros(),
            end,
        }
    }

    pub(super) fn pack(&self, out: &mut Vec<u8>) {
        out.text(self.session);
        out.int(self.started_at);
        let there = |yes| u8::from(yes);
        match &self.end {
            None => out.push(0),
            Some((at, reason, totals)) => {
                out.push(1 | there(reason.is_some()) << 1 | there(totals.is_some()) << 2);
                out.int(*at);
                if let Some(reason) = reason {
                    out.text(reason);
                }
                if let Some(totals) = totals {
                    totals.pack(out);
                }
            }
        }
    }

    pub(super) fn unpack(from: &mut Unpack<'a>) -> Option<Self> {
        let (session, started_at, there) = (from.text()?, from.int()?, from.byte()?);
        let end = match there {
            0 => None,
            _ => Some((
                from.int()?,
                if there & 2 != 0 {
                    Some(from.text()?)
                } else {
                    None
                },
                if there & 4 != 0 {
                    Some(Totals::unpack(from)?)
                } else {
                    None
                },
            )),
        };
        Some(Self {
            session,
            started_at,
            end,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::{Name, SessionId, Timestamp};
    use proptest::prelude::*;

    fn full_call() -> CallEvent {
        let mut call = CallEvent::new(CallId(7), "llm".into(), Timestamp(-5), Outcome::Cancelled);
        call.session = SessionId::new("s-1").ok();
        call.turn = Some(3);
        call.reason = Some("barge_in".into());
        let mut timing = Timing::default();
        (timing.queued, timing.items, timing.sent) = (Some(Span(5_000)), Some(50), 9);
        timing.longest_gap = Some(Span(21_000));
        call.timing = Some(timing);
        call.spoken = Some(Measure::of("good morning"));
        call.redactions.add("EMAIL", 2);
        call.labels = vec![("tenant", "acme".into())];
        call.observer_failed = 1;
        let mut report = FailureReport::new(FailureKind::Timeout, "0123456789abcdef".into());
        report.code = Some("504".into());
        report.retry_after = Some(Span(2_000_000));
        call.failure = Some(report);
        call
    }

    #[test]
    fn a_call_is_read_as_it_was_written() {
        let call = full_call();
        let row = CallRow::of(&call, Some("outside"));
        let mut bytes = Vec::new();
        row.pack(&mut bytes);

        let mut from = Unpack(&bytes);
        assert_eq!(CallRow::unpack(&mut from), Some(row));
        assert!(from.0.is_empty());
        // Cut anywhere, it is no row; and no panic.
        for len in 0..bytes.len() {
            assert_eq!(CallRow::unpack(&mut Unpack(&bytes[..len])), None);
        }
    }

    #[test]
    fn a_part_is_read_as_it_was_written() {
        let mut attempt = Attempt::new(2);
        attempt.provider = Some("openai".into());
        attempt.requested_model = Some("gpt-4.1".into());
        attempt.request_id = Name::outside("req_1");
        attempt.terms.mode = Some(Mode::Streaming);
        attempt.terms.channels = Some(2);
        attempt.terms.voice = Some("pro".into());
        attempt.terms.addons = vec!["diarize".into()];
        attempt.outcome = Some(Outcome::Failed);
        let mut cost = Cost::unknown(Reason::UnpricedMeter(Meter::AudioUs));
        cost.because(Reason::UnknownUsage);
        cost.book = "2026-11".into();
        attempt.cost = Some(cost.clone());
        let mut scratch = Scratch::default();
        let row = PartRow::of(&attempt, CALL_REV + 4, &mut scratch);
        let mut bytes = Vec::new();
        row.pack(&mut bytes);

        let read = PartRow::unpack(&mut Unpack(&bytes)).unwrap();
        assert_eq!(read, row);
        assert_eq!((read.rev, read.unpriced), (4, true));
        assert_eq!(unpack_reasons(read.detail.why), cost.why);
        assert_eq!(read.detail.terms.to_terms(), attempt.terms);
        assert_eq!(part_outcome(read.flags()), Some(Outcome::Failed));
    }

    #[test]
    fn texts_of_a_failure_are_cut_at_a_character() {
        let same = |text: &str, masked: &mut String| {
            masked.push_str(text);
            campanile_core::Redactions::default()
        };
        let content = campanile_core::Content::new("\u{e4}".repeat(MAX_CHAIN_BYTES));
        let long = campanile_core::Redacted::new(
            &content,
            &same,
            &mut campanile_core::Redactions::default(),
        );
        let mut report = FailureReport::new(FailureKind::Server, "0123456789abcdef".into());
        report.chain = vec![long.clone(), long];

        let texts = FailureTexts::of(0, &report);

        assert_eq!(
            texts.chain.iter().map(|text| text.len()).sum::<usize>(),
            MAX_CHAIN_BYTES
        );
    }

    proptest! {
        #[test]
        fn noise_is_no_row_and_no_panic(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = CallRow::unpack(&mut Unpack(&noise));
            let _ = PartRow::unpack(&mut Unpack(&noise));
            let _ = TurnRow::unpack(&mut Unpack(&noise));
            let _ = SessionEdge::unpack(&mut Unpack(&noise));
            let _ = FailureTexts::unpack(&mut Unpack(&noise));
            let _ = unpack_reasons(&noise);
        }

        #[test]
        fn bounds_are_read_as_they_were_written(grains in any::<i64>(), more in proptest::option::of(any::<u64>())) {
            let at_least = Money::from_grains(grains.into());
            let at_most = more.map(|more| Money::from_grains(i128::from(grains) + i128::from(more)));
            let bounds = Bounds { at_least, at_most };
            let mut bytes = Vec::new();
            bounds.pack(&mut bytes);

            prop_assert_eq!(Bounds::unpack(&mut Unpack(&bytes)), Some(bounds));
        }
    }
}
