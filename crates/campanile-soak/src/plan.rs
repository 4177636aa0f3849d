//! Who says what when, who interrupts, and what goes wrong: all of it follows from the seed.

use crate::dice::Dice;
use crate::faults::{Fault, Faults};
use campanile_testkit::sim;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When which fault is on, in milliseconds of the calls' own time. No two at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    pub(crate) windows: Vec<Window>,
}

/// One fault, and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Window {
    pub(crate) fault: Fault,
    pub(crate) from_ms: u64,
    pub(crate) until_ms: u64,
}

impl Schedule {
    /// One window for each fault, in an order that the seed decides. The first 15 % of a run are calm, so that memory
    /// finds its level, and the last 8 %, so that all recovers.
    pub(crate) fn new(faults: &Faults, seed: u64, length_ms: u64) -> Self {
        let mut list = faults.list.clone();
        let mut dice = Dice::new(seed, "schedule");
        for at in (1..list.len()).rev() {
            list.swap(at, dice.between(0, at as u64) as usize);
        }
        let (begin, end) = (length_ms * 15 / 100, length_ms * 92 / 100);
        let share = (end - begin) / (list.len() as u64).max(1);
        let windows = list.into_iter().enumerate().map(|(at, fault)| {
            let from_ms = begin + share * at as u64;
            Window {
                fault,
                from_ms,
                until_ms: from_ms + share * 6 / 10,
            }
        });
        Self {
            windows: windows.collect(),
        }
    }

    /// What is on at this moment.
    pub(crate) fn at(&self, now_ms: u64) -> Option<Fault> {
        let on = |window: &&Window| (window.from_ms..window.until_ms).contains(&now_ms);
        self.windows.iter().find(on).map(|window| window.fault)
    }
}

/// One phone call.
#[derive(Debug)]
pub(crate) struct CallPlan {
    pub(crate) turns: u32,
    /// The caller hangs up while the bot speaks in the last turn; else goodbye is said.
    pub(crate) hangs_up: bool,
    /// Whether interrupted replies of the model are read on for their usage.
    pub(crate) drains: bool,
    /// From the call before to this one.
    pub(crate) pause_ms: u64,
}

impl CallPlan {
    pub(crate) fn new(seed: u64, session: &str) -> Self {
        let mut dice = Dice::new(seed, session);
        Self {
            turns: dice.between(6, 18) as u32,
            hangs_up: dice.percent(25),
            drains: dice.percent(50),
            pause_ms: dice.between(200, 3_000),
        }
    }
}

/// One turn of it.
#[derive(Debug)]
pub(crate) struct TurnPlan {
    /// How long the caller speaks.
    pub(crate) speech_ms: u64,
    /// How long nobody says anything before, with the microphone switched off.
    pub(crate) muted_ms: u64,
    /// How long the caller thinks after.
    pub(crate) pause_ms: u64,
    pub(crate) barge_in: Option<BargeIn>,
    pub(crate) trouble: Trouble,
    /// The caller's own words go into a log line, and into a panic.
    pub(crate) chatty: bool,
}

/// The caller interrupts: not before so many deltas of the model and so many frames of speech.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BargeIn {
    pub(crate) deltas: u64,
    pub(crate) frames: u64,
}

/// What goes wrong with one turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble {
    /// For the model's requests, try by try, in the words of [`sim::FAULTS`].
    pub(crate) model: String,
    pub(crate) refused: bool,
    pub(crate) panics: bool,
    /// The transcriber's line is cut in the middle of the speech.
    pub(crate) cuts_ears: bool,
    /// The speaker's connection is made anew, and closed by the provider.
    pub(crate) closes_mouth: bool,
}

impl Trouble {
    fn is_none(&self) -> bool {
        self.model.is_empty()
            && !(self.refused || self.panics || self.cuts_ears || self.closes_mouth)
    }

    fn of(fault: Option<Fault>, dice: &mut Dice) -> Self {
        let mut trouble = Self::default();
        let Some(fault) = fault.filter(|_| dice.percent(60)) else {
            return trouble;
        };
        let tries = dice.between(1, 3) as usize;
        let (items, bytes) = (dice.between(0, 12), dice.between(40, 3_000));
        let again = |fault: sim::Fault| vec![fault.to_string(); tries].join(",");
        let ms = Duration::from_millis;
        match fault {
            Fault::TooMany => {
                let retry_after = ms(dice.between(1, 6) * 150);
                trouble.model = again(sim::Fault::TooManyRequests { retry_after });
            }
            Fault::ServerError => trouble.model = again(sim::Fault::ServerError),
            Fault::Reset => trouble.model = again(sim::Fault::Refuse),
            Fault::BlackHole => trouble.model = sim::Fault::BlackHole.to_string(),
            Fault::Cut if dice.percent(50) => {
                trouble.model = sim::Fault::CutAtByte { bytes }.to_string();
            }
            Fault::Cut => trouble.model = sim::Fault::CutAfter { items }.to_string(),
            Fault::ErrorInStream => {
                trouble.model = sim::Fault::ErrorInStream { items }.to_string();
            }
            Fault::NoUsage => trouble.model = sim::Fault::NoUsageChunk.to_string(),
            Fault::Slow => {
                let (first, between) = (ms(dice.between(800, 2_500)), ms(dice.between(60, 200)));
                trouble.model = sim::Fault::Slow { first, between }.to_string();
            }
            Fault::Refused => trouble.refused = true,
            Fault::Panic => trouble.panics = true,
            Fault::SttReconnect => trouble.cuts_ears = true,
            Fault::SocketClosed => trouble.closes_mouth = true,
            _ => {}
        }
        trouble
    }
}

impl TurnPlan {
    pub(crate) fn new(seed: u64, session: &str, turn: u32, fault: Option<Fault>) -> Self {
        let mut dice = Dice::new(seed, &format!("{session}/{turn}"));
        let speech_ms = dice.between(60, 190) * 20;
        let muted_ms = if dice.percent(4) {
            dice.between(5_000, 8_000)
        } else {
            0
        };
        let pause_ms = dice.between(300, 2_000);
        let deltas = dice.between(1, 12);
        let barge_in = dice.percent(20).then(|| BargeIn {
            deltas,
            frames: if dice.percent(60) {
                dice.between(5, 120)
            } else {
                0
            },
        });
        let chatty = dice.percent(10);
        let trouble = Trouble::of(fault, &mut dice);
        Self {
            speech_ms,
            muted_ms,
            pause_ms,
            // What goes wrong is to be seen to its end.
            barge_in: barge_in.filter(|_| trouble.is_none()),
            trouble,
            chatty,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_follow_one_another_and_leave_the_edges_calm() {
        let faults: Faults = "all".parse().unwrap();
        let schedule = Schedule::new(&faults, 7, 1_800_000);

        assert_eq!(schedule.windows.len(), faults.list.len());
        assert!(schedule.windows[0].from_ms >= 270_000);
        for pair in schedule.windows.windows(2) {
            assert!(pair[0].until_ms < pair[1].from_ms);
        }
        assert!(schedule.windows.last().unwrap().until_ms < 1_656_000);
        assert_ne!(schedule, Schedule::new(&faults, 8, 1_800_000));
    }

    #[test]
    fn a_fifth_of_the_turns_is_interrupted_and_a_turn_in_trouble_is_not() {
        let plan = |n| TurnPlan::new(7, "s00-0-0000", n, None);
        let interrupted = (0..10_000).filter(|n| plan(*n).barge_in.is_some()).count();
        assert!((1_800..2_200).contains(&interrupted), "{interrupted}");

        let mut troubled = 0;
        for n in 0..1_000 {
            let plan = TurnPlan::new(7, "s00-0-0000", n, Some(Fault::TooMany));
            troubled += u32::from(!plan.trouble.model.is_empty());
            assert!(plan.trouble.model.is_empty() || plan.barge_in.is_none());
        }
        assert!((550..650).contains(&troubled), "{troubled}");
    }
}
