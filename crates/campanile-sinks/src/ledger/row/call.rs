//! What is kept of a call.

use super::{FailureRow, GetWords, Inline, PutWords, timing::Times};
use crate::ledger::codec::{Pack, Unpack};
use campanile_core::{CallEvent, CallId, Measure, Outcome, Timing, UsageEvent};

/// What a call row tells beside its columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CallDetail<'a> {
    pub(crate) reason: Option<&'a str>,
    pub(crate) timing: Option<Times<'a>>,
    pub(crate) failure: Option<FailureRow<'a>>,
    pub(crate) spoken: Option<Measure>,
    pub(crate) redactions: Vec<(&'a str, u32)>,
    pub(crate) labels: Vec<(&'a str, &'a str)>,
    pub(crate) observer_failed: u32,
    /// How many attempts it has; `None`: nobody has counted.
    pub(crate) parts: Option<u32>,
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
            parts: Some(match call.attempts.len() {
                0 => u32::from(call.usage.is_some() || call.cost.is_some()),
                attempts => u32::try_from(attempts).unwrap_or(u32::MAX),
            }),
        }
    }

    pub(crate) fn pack<W: PutWords>(
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
            | u8::from(self.observer_failed > 0) << 6
            | u8::from(self.parts.is_some()) << 7;
        out.push(flags);
        if let Some(parts) = self.parts {
            out.uint(parts.into());
        }
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

    pub(crate) fn unpack(from: &mut Unpack<'a>, words: &impl GetWords<'a>) -> Option<Self> {
        let flags = from.byte()?;
        let mut detail = Self::default();
        if flags & 128 != 0 {
            detail.parts = Some(from.small()?);
        }
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

/// The body of a call, saying that it has `parts` attempts; `None` where it says so already.
pub(crate) fn with_parts(body: &[u8], parts: u32) -> Option<Vec<u8>> {
    let mut from = Unpack(body);
    let flags = from.byte()?;
    if flags & 128 != 0 && from.small()? == parts {
        return None;
    }
    let mut out = vec![flags | 128];
    out.uint(parts.into());
    out.extend_from_slice(from.0);
    Some(out)
}

/// What sums need of the body of a call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Glance<'a> {
    pub(crate) parts: Option<u32>,
    pub(crate) timing: Option<Timing>,
    pub(crate) labels: Labels<'a>,
}

impl<'a> Glance<'a> {
    /// Reads over the rest: no word is looked up.
    pub(crate) fn of(body: &'a [u8]) -> Option<Self> {
        let mut from = Unpack(body);
        let flags = from.byte()?;
        let mut glance = Self::default();
        if flags & 128 != 0 {
            glance.parts = Some(from.small()?);
        }
        if flags & 1 != 0 {
            from.uint()?;
        }
        if flags & 2 != 0 {
            glance.timing = Times::Packed(from.blob()?).get();
        }
        if flags & 32 == 0 {
            return Some(glance);
        }
        if flags & 4 != 0 {
            FailureRow::unpack(&mut from, &Unread)?;
        }
        if flags & 8 != 0 {
            from.uint()?;
            from.uint()?;
        }
        if flags & 16 != 0 {
            for _ in 0..from.uint()? {
                from.uint()?;
                from.uint()?;
            }
        }
        let labels = from;
        for _ in 0..from.uint()? {
            from.uint()?;
            from.text()?;
        }
        glance.labels = Labels(&labels.0[..labels.0.len() - from.0.len()]);
        Some(glance)
    }
}

/// Packed labels: how many, then the number of each one's name and its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels<'a>(pub(crate) &'a [u8]);

impl<'a> Labels<'a> {
    /// The value of the label whose name has this number.
    pub(crate) fn get(self, name: i64) -> Option<&'a str> {
        let mut from = Unpack(self.0);
        for _ in 0..from.uint()? {
            let (known, value) = (from.uint()?, from.text()?);
            if i64::try_from(known) == Ok(name) {
                return Some(value);
            }
        }
        None
    }
}

/// Words whose text nobody asks for.
struct Unread;

impl<'a> GetWords<'a> for Unread {
    fn word(&self, from: &mut Unpack<'a>) -> Option<&'a str> {
        from.uint().map(|_| "")
    }
}

/// What a call row holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CallRow<'a> {
    pub(crate) id: CallId,
    pub(crate) outside: Option<&'a str>,
    pub(crate) at: i64,
    pub(crate) stage: &'a str,
    pub(crate) session: Option<&'a str>,
    pub(crate) turn: Option<u32>,
    pub(crate) outcome: Outcome,
    pub(crate) detail: CallDetail<'a>,
}

impl<'a> CallRow<'a> {
    pub(crate) fn of(call: &'a CallEvent, outside: Option<&'a str>) -> Self {
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
    pub(crate) fn open(usage: &'a UsageEvent) -> Self {
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

    pub(crate) fn pack(&self, out: &mut Vec<u8>) {
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

    pub(crate) fn unpack(from: &mut Unpack<'a>) -> Option<Self> {
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

pub(crate) fn outcome_of(index: u8) -> Option<Outcome> {
    Outcome::ALL.get(usize::from(index)).copied()
}
