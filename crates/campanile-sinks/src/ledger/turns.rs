//! How long turns took: sums that the writer keeps for each hour.

use super::{
    codec::{Pack, Unpack},
    row::TurnDetail,
    sketch::Sketch,
};

/// Turns, added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TurnSum {
    pub(crate) turns: u64,
    pub(crate) interrupted: u64,
    pub(crate) user_to_bot: Sketch,
    pub(crate) elapsed: Sketch,
}

impl TurnSum {
    pub(crate) fn turn(&mut self, turn: &TurnDetail<'_>) {
        self.turns += 1;
        self.interrupted += u64::from(turn.interrupted.is_some());
        self.elapsed.add(turn.elapsed_us);
        if let Some(us) = turn.user_to_bot_us {
            self.user_to_bot.add(us);
        }
    }

    pub(crate) fn absorb(&mut self, other: &TurnSum) {
        self.turns = self.turns.saturating_add(other.turns);
        self.interrupted = self.interrupted.saturating_add(other.interrupted);
        self.user_to_bot.absorb(&other.user_to_bot);
        self.elapsed.absorb(&other.elapsed);
    }

    pub(crate) fn pack(&self, out: &mut Vec<u8>) {
        out.uint(self.turns);
        out.uint(self.interrupted);
        self.user_to_bot.pack(out);
        self.elapsed.pack(out);
    }

    pub(crate) fn unpack(bytes: &[u8]) -> Option<Self> {
        let mut from = Unpack(bytes);
        Some(Self {
            turns: from.uint()?,
            interrupted: from.uint()?,
            user_to_bot: Sketch::unpack(&mut from)?,
            elapsed: Sketch::unpack(&mut from)?,
        })
    }
}
