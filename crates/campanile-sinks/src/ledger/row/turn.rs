//! What is kept of a turn.

use super::{Bounds, GetWords, Inline, PutWords};
use crate::ledger::codec::{Pack, Unpack};
use campanile_core::{Owner, Span, TurnEvent};

/// What a turn row holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TurnRow<'a> {
    pub(crate) session: &'a str,
    pub(crate) turn: u32,
    pub(crate) at: i64,
    pub(crate) detail: TurnDetail<'a>,
}

/// What a turn row tells beside its columns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TurnDetail<'a> {
    pub(crate) elapsed_us: u64,
    pub(crate) user_to_bot_us: Option<u64>,
    pub(crate) segments: Vec<(&'a str, u8, u64)>,
    pub(crate) interrupted: Option<&'a str>,
    pub(crate) calls: u32,
    pub(crate) cost: Bounds,
    pub(crate) wasted: Bounds,
}

/// Names of [`Owner`]s by their number.
const OWNERS: [Owner; 4] = [
    Owner::Provider,
    Owner::Program,
    Owner::Queue,
    Owner::Playback,
];

pub(crate) fn owner_name(number: u8) -> &'static str {
    OWNERS
        .get(usize::from(number))
        .map_or("unknown", |owner| owner.name())
}

impl<'a> TurnRow<'a> {
    pub(crate) fn of(turn: &'a TurnEvent) -> Self {
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

    pub(crate) fn pack(&self, out: &mut Vec<u8>) {
        out.text(self.session);
        out.uint(self.turn.into());
        out.int(self.at);
        let Ok(()) = self.detail.pack(out, &mut Inline);
    }

    pub(crate) fn unpack(from: &mut Unpack<'a>) -> Option<Self> {
        Some(Self {
            session: from.text()?,
            turn: from.small()?,
            at: from.int()?,
            detail: TurnDetail::unpack(from, &Inline)?,
        })
    }
}

impl<'a> TurnDetail<'a> {
    pub(crate) fn pack<W: PutWords>(
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

    pub(crate) fn unpack(from: &mut Unpack<'a>, words: &impl GetWords<'a>) -> Option<Self> {
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
