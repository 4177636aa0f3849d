//! What turns out to have been for nothing, later: guesses that were wrong, speech that was never played.
//!
//! A call is sealed when it is over, and that is often before anybody knows. So attempts that may still turn out to be waste are kept
//! until their turn is over; what is learnt then is written as a revision of theirs, with the same amounts.

use campanile_core::{
    Attempt, CallEvent, CallId, Evidence, Guess, Meter, Name, Outcome, Record, SessionId,
    Timestamp, Turn, Waste, Wasted,
};
use std::collections::VecDeque;

/// How many attempts are kept; of a program that never ends its turns, the latest.
const KEPT: usize = 4_096;

/// An attempt that may turn out to be waste, and whose it is. It holds no handle of its turn, which ends with the last one.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) call: CallId,
    pub(crate) stage: Name,
    pub(crate) started_at: Timestamp,
    pub(crate) attempt: Attempt,
    session: SessionId,
    turn: u32,
    guess: Option<Guess>,
    outcome: Outcome,
}

/// An attempt of which something was learnt: what it is now, and what of it was and is waste.
#[derive(Debug)]
pub(crate) struct Learnt {
    pub(crate) kept: Kept,
    pub(crate) before: Wasted,
    pub(crate) after: Wasted,
}

/// Attempts that may turn out to be waste.
#[derive(Debug, Default)]
pub(crate) struct Later {
    kept: Vec<Kept>,
    /// How much was played of attempts whose turn is over, and of which more may come: they were cut, and are read on.
    played: VecDeque<(CallId, u32, u64)>,
}

/// Says whether an attempt was for nothing, as far as its call and its guess tell.
pub(crate) fn mark(attempt: &mut Attempt, attempts: usize, guess: Option<&Guess>) {
    attempt.wasted = if guess.is_some_and(Guess::is_discarded) {
        Some(Waste::Speculation)
    } else {
        ((attempt.n as usize) < attempts).then_some(Waste::Retries)
    };
}

/// What a call has wasted, by kind.
pub(crate) fn wasted(call: &CallEvent) -> Wasted {
    let mut wasted = Wasted::default();
    for attempt in &call.attempts {
        wasted.absorb(&Wasted::of(attempt, Some(call.outcome)));
    }
    wasted
}

fn speech(attempt: &Attempt) -> u64 {
    let usage = attempt.usage.as_ref();
    usage.map_or(0, |usage| usage.at_least(Meter::SpeechUs))
}

/// Notes how much of an attempt's speech was not played.
fn unplayed(attempt: &mut Attempt, us: u64) {
    let with = |usage: campanile_core::Usage| usage.with(Meter::UnplayedUs, us, Evidence::Measured);
    attempt.usage = attempt.usage.map(with);
}

impl Later {
    /// Keeps attempts of a call that may turn out to be waste.
    pub(crate) fn keep(&mut self, record: &Record, call: &CallEvent) {
        let Some(turn) = record.turn().filter(|turn| turn.number() > 0) else {
            return;
        };
        let guess = turn.guessed().filter(|guess| !guess.is_discarded());
        for attempt in &call.attempts {
            if attempt.wasted.is_none() && (guess.is_some() || speech(attempt) > 0) {
                self.kept.push(Kept {
                    call: call.id,
                    stage: call.stage.clone(),
                    started_at: call.started_at,
                    attempt: attempt.clone(),
                    session: turn.session().id().clone(),
                    turn: turn.number(),
                    guess: guess.cloned(),
                    outcome: call.outcome,
                });
            }
        }
        if self.kept.len() > KEPT {
            // Some more than needed, so that it is seldom.
            self.kept.drain(..KEPT / 4);
        }
    }

    /// A closed call's attempt has used something else than was known: what was learnt of it still holds.
    pub(crate) fn amended(&mut self, call: CallId, attempt: &mut Attempt) {
        let n = attempt.n;
        let same = |kept: &&mut Kept| kept.call == call && kept.attempt.n == n;
        if let Some(kept) = self.kept.iter_mut().find(same) {
            kept.attempt = attempt.clone();
        }
        let same = |(of, part, _): &&(CallId, u32, u64)| *of == call && *part == n;
        if let Some((_, _, played)) = self.played.iter().find(same) {
            let more = speech(attempt).saturating_sub(*played);
            unplayed(attempt, more);
        }
    }

    /// Attempts of a guess that was wrong.
    pub(crate) fn discarded(&mut self, guess: &Guess) -> Vec<Learnt> {
        let wrong = |kept: &mut Kept| kept.guess.as_ref().is_some_and(|other| other.is(guess));
        let discard = |attempt: &mut Attempt| attempt.wasted = Some(Waste::Speculation);
        let wrong = self.kept.extract_if(.., wrong);
        wrong.map(|kept| learn(kept, discard)).collect()
    }

    /// Forgets what is kept of a turn that is over; the speech of it that was never played.
    pub(crate) fn over(&mut self, turn: &Turn) -> Vec<Learnt> {
        let of_turn =
            |kept: &mut Kept| kept.turn == turn.number() && kept.session == *turn.session().id();
        let mut kept: Vec<Kept> = self.kept.extract_if(.., of_turn).collect();
        let Some(mut played) = turn.played_us() else {
            return Vec::new();
        };
        let mut learnt = Vec::new();
        // What was asked for last is what was not played.
        kept.sort_by_key(|kept| kept.started_at);
        for kept in kept {
            let made = speech(&kept.attempt);
            let heard = made.min(played);
            played -= heard;
            // Of a reply that was cut more may come, or was on its way: that all of it was played is worth saying.
            let cut = kept.outcome == Outcome::Cancelled;
            if cut {
                self.played.push_back((kept.call, kept.attempt.n, heard));
            }
            if made > heard || (cut && made > 0) {
                learnt.push(learn(kept, |attempt| unplayed(attempt, made - heard)));
            }
        }
        let many = self.played.len().saturating_sub(KEPT / 8);
        self.played.drain(..many);
        learnt
    }
}

fn learn(mut kept: Kept, change: impl FnOnce(&mut Attempt)) -> Learnt {
    let before = Wasted::of(&kept.attempt, Some(kept.outcome));
    change(&mut kept.attempt);
    let after = Wasted::of(&kept.attempt, Some(kept.outcome));
    Learnt {
        kept,
        before,
        after,
    }
}
