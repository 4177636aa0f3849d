//! Who is interrupted when, and which request of the language model goes wrong.

use campanile_testkit::sim::Fault;
use std::time::Duration;

/// What is special about a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// The model is asked too often, and says when to come back.
    Busy,
    /// The model fails once.
    Broken,
    /// The model's answer breaks off.
    Cut {
        /// After that many deltas.
        deltas: u64,
    },
    /// The caller interrupts the bot.
    BargeIn {
        /// Not before that many deltas of the model have come.
        deltas: u64,
        /// Not before that many pieces of speech have come.
        chunks: u64,
    },
}

/// The troubles of one session, by turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    turns: Vec<Option<Trouble>>,
}

impl Plan {
    /// Nothing special in so many turns.
    #[must_use]
    pub fn calm(turns: usize) -> Self {
        Self {
            turns: vec![None; turns],
        }
    }

    /// A plan that the seed alone decides: one 429, one 500, one answer that breaks off, and a barge-in for about every
    /// fourth turn. The first turn is always good; where there are few turns, less happens.
    #[must_use]
    pub fn seeded(turns: usize, seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let barge_ins = (turns + 2) / 4;
        let mut troubles = vec![Trouble::Busy, Trouble::Broken, Trouble::Cut { deltas: 11 }];
        // The first sentence of an answer has nine deltas at most: some callers let the bot begin to speak.
        troubles.extend((0..barge_ins).map(|n| match n % 2 {
            0 => Trouble::BargeIn {
                deltas: dice.u64(10..=14),
                chunks: dice.u64(1..=5),
            },
            _ => Trouble::BargeIn {
                deltas: dice.u64(2..=4),
                chunks: 0,
            },
        }));
        troubles.truncate(turns.saturating_sub(1));
        let mut rest: Vec<_> = troubles.into_iter().map(Some).collect();
        rest.resize(turns.saturating_sub(1), None);
        dice.shuffle(&mut rest);
        Self {
            turns: std::iter::once(None).chain(rest).take(turns).collect(),
        }
    }

    /// What is special about each turn.
    pub fn turns(&self) -> impl ExactSizeIterator<Item = Option<Trouble>> + '_ {
        self.turns.iter().copied()
    }

    /// The same for the simulated language model: what goes wrong with which of its requests.
    pub fn faults(&self) -> impl Iterator<Item = (u64, Fault)> + '_ {
        let mut request = 0;
        self.turns().flat_map(move |trouble| {
            let fault = match trouble {
                Some(Trouble::Busy) => Some(Fault::TooManyRequests {
                    retry_after: Duration::from_millis(150),
                }),
                Some(Trouble::Broken) => Some(Fault::ServerError),
                Some(Trouble::Cut { deltas }) => Some(Fault::CutAfter { items: deltas }),
                // The bot says so itself: it holds the provider's pen.
                Some(Trouble::BargeIn { .. }) | None => None,
            };
            let at = request;
            let again = matches!(trouble, Some(Trouble::Busy | Trouble::Broken));
            request += 1 + u64::from(again);
            fault.map(|fault| (at, fault))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_turns_have_five_barge_ins_and_each_fault_once() {
        let plan = Plan::seeded(20, 7);

        let barge_ins = plan
            .turns()
            .filter(|trouble| matches!(trouble, Some(Trouble::BargeIn { .. })));
        assert_eq!((plan.turns().len(), barge_ins.count()), (20, 5));
        assert_eq!(plan.faults().count(), 3);
        assert_eq!(plan, Plan::seeded(20, 7));
        assert_ne!(plan, Plan::seeded(20, 8));
    }

    #[test]
    fn a_fault_meets_the_request_of_its_turn() {
        let turns = vec![
            None,
            Some(Trouble::Busy),
            None,
            Some(Trouble::Cut { deltas: 3 }),
        ];

        let faults: Vec<_> = Plan { turns }.faults().collect();

        // The busy turn asks twice.
        assert_eq!(faults[0].0, 1);
        assert_eq!(faults[1], (4, Fault::CutAfter { items: 3 }));
    }

    #[test]
    fn a_short_call_is_a_quiet_one() {
        assert_eq!(Plan::seeded(1, 7), Plan::calm(1));
        assert_eq!(Plan::seeded(0, 7).turns().len(), 0);
    }
}
