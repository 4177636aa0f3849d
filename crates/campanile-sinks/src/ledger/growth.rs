//! What a call may have used that its process did not live to say.
//!
//! ```text
//!  call opened ───────────── checkpoint ┄┄┄┄┄ died ┄┄┄┄ known dead
//!                 counted               ┄ may have come: by the meter's pace ┄
//! ```
//!
//! What the checkpoint says is the lower bound. The upper one is what could pass until the process was known to be dead: a
//! measure of time grows like time, text as fast as it is written by a model, and what nobody can bound has no bound.

use super::codec::{Metered, meters, pack_metered};
use campanile_core::{Count, Evidence, Meter};

const SECOND: i64 = 1_000_000;
/// What was on its way when the checkpoint was made, or had piled up before it.
const UNDER_WAY: i64 = SECOND;
/// A process shows that it lives, once a second while it writes and now and then while it does not. After this long without
/// a sign it is dead, or its disk has hung for as long.
pub(super) const SILENCE: i64 = 60 * SECOND;

/// The life of a call whose process has died, in microseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    /// When it was opened.
    pub(crate) opened: i64,
    /// When it was counted last.
    pub(crate) counted: i64,
    /// When it was over for certain.
    pub(crate) over: i64,
}

/// When a process was over for certain that was seen alive at `seen`, and found dead at `now`.
pub(crate) fn over_by(seen: i64, now: i64) -> i64 {
    let silent = seen.saturating_add(SILENCE);
    // A clock that was set back says nothing.
    if now < seen { silent } else { silent.min(now) }
}

/// How a meter grows while nobody counts.
#[derive(Clone, Copy, Debug)]
enum Growth {
    /// As fast as until then, and no slower than so many a second.
    Pace(u64),
    /// No longer than the call was open.
    Open,
    /// The greater of both.
    PaceOrOpen(u64),
    /// What one request holds was counted when it was sent; over a connection that stays open more may follow.
    Request,
}

fn growth(meter: Option<Meter>) -> Growth {
    use Meter::*;
    let Some(meter) = meter else {
        return Growth::Request;
    };
    match meter {
        AudioUs | KeepAliveUs => Growth::Pace(1_000_000),
        ServerAudioUs => Growth::PaceOrOpen(1_000_000),
        SocketUs => Growth::Open,
        // Speech is made far faster than it is heard.
        SpeechUs | UnplayedUs => Growth::Pace(100_000_000),
        // Text comes from a model, or is a sentence that was ready.
        Characters => Growth::Pace(1_000),
        MilliUnits => Growth::Pace(1_000_000),
        OutputTokens | ReasoningTokens | AudioOutputTokens | ImageOutputTokens => Growth::Pace(250),
        Messages | WebSearches | FileSearches => Growth::Pace(2),
        _ => Growth::Request,
    }
}

/// Appends `usage` with upper bounds that hold what may have come. `true`: one of them is another than before.
pub(crate) fn grow(usage: &[u8], life: Life, out: &mut Vec<u8>) -> bool {
    let known = |metered: &Metered| {
        Meter::ALL
            .get(usize::try_from(metered.meter).ok()?)
            .copied()
    };
    let stays_open = meters(usage).any(|metered| {
        use Meter::{AudioUs, SocketUs};
        matches!(known(&metered), Some(AudioUs | SocketUs))
    });
    let mut grown = false;
    for metered in meters(usage) {
        let count = metered.count;
        let at_most = match growth(known(&metered)) {
            Growth::Request if !stays_open => count.at_most,
            Growth::Request => None,
            Growth::Open => open(count, life),
            Growth::Pace(least) => pace(count, least, life),
            Growth::PaceOrOpen(least) => {
                let both = pace(count, least, life).zip(open(count, life));
                both.map(|(pace, open)| pace.max(open))
            }
        };
        let count = match at_most == count.at_most {
            true => count,
            false => Count {
                at_most,
                evidence: count.evidence.min(Evidence::Estimated),
                ..count
            },
        };
        grown |= count != metered.count;
        pack_metered(out, metered.meter, count);
    }
    grown
}

fn open(count: Count, life: Life) -> Option<u64> {
    let open = life.over.saturating_sub(life.opened).max(0);
    let open = open.saturating_add(UNDER_WAY).unsigned_abs();
    count.at_most.map(|most| most.max(open))
}

fn pace(count: Count, least: u64, life: Life) -> Option<u64> {
    let counted = life.counted.saturating_sub(life.opened);
    // In less than a second there is no pace.
    let per_second = match counted {
        SECOND.. => {
            let all = u128::from(count.at_least) * SECOND.unsigned_abs() as u128;
            u64::try_from(all.div_ceil(counted as u128)).ok()?
        }
        _ => 0,
    };
    let unseen = life.over.saturating_sub(life.counted).max(0);
    let unseen = unseen.saturating_add(UNDER_WAY).unsigned_abs();
    let more = u128::from(per_second.max(least)) * u128::from(unseen);
    let more = u64::try_from(more.div_ceil(SECOND.unsigned_abs().into())).ok()?;
    count.at_most?.checked_add(more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::codec::{pack_usage, unpack_usage};
    use campanile_core::Usage;
    use proptest::prelude::*;

    fn grown(usage: &Usage, life: Life) -> Usage {
        let (mut blob, mut out) = (Vec::new(), Vec::new());
        pack_usage(&mut blob, usage);
        grow(&blob, life, &mut out);
        unpack_usage(&out)
    }

    fn life(opened: i64, counted: i64, over: i64) -> Life {
        let [opened, counted, over] = [opened, counted, over].map(|ms| ms * 1_000);
        Life {
            opened,
            counted,
            over,
        }
    }

    #[test]
    fn audio_grows_like_time_and_was_never_less_than_counted() {
        let usage = Usage::new().with(Meter::AudioUs, 36_920_000, Evidence::Measured);

        let count = grown(&usage, life(0, 37_000, 39_000)).get(Meter::AudioUs);

        let expected = Count {
            at_least: 36_920_000,
            at_most: Some(36_920_000 + 3_000_000),
            evidence: Evidence::Estimated,
        };
        assert_eq!(count, Some(expected));
    }

    #[test]
    fn what_one_request_holds_stays_as_it_was_counted() {
        let usage = Usage::new().with(Meter::InputTokens, 812, Evidence::Reported);

        assert_eq!(grown(&usage, life(0, 1_000, 60_000)), usage);
    }

    #[test]
    fn over_an_open_connection_nobody_knows_how_many_requests_went() {
        let usage = Usage::new()
            .with(Meter::InputTokens, 812, Evidence::Reported)
            .with(Meter::SocketUs, 900_000, Evidence::Measured);

        let usage = grown(&usage, life(0, 1_000, 5_000));

        assert_eq!(usage.get(Meter::InputTokens).unwrap().at_most, None);
        let open = usage.get(Meter::SocketUs).unwrap();
        assert_eq!((open.at_least, open.at_most), (900_000, Some(6_000_000)));
    }

    #[test]
    fn a_process_is_over_when_it_is_found_dead_or_was_silent_for_a_minute() {
        assert_eq!(over_by(10 * SECOND, 12 * SECOND), 12 * SECOND);
        assert_eq!(over_by(10 * SECOND, 86_400 * SECOND), 70 * SECOND);
        assert_eq!(over_by(10 * SECOND, 3 * SECOND), 70 * SECOND);
    }

    proptest! {
        /// Whenever it died, at its pace so far: what it had used by then is within the bounds.
        #[test]
        fn what_went_on_at_its_pace_is_within_the_bounds(
            run_ms in 1_000_i64..10_000_000, unseen_ms in 0_i64..60_000, died in 0_i64..1_000, pace in 1_u64..3_000_000,
            meter in prop::sample::select(vec![Meter::AudioUs, Meter::Characters, Meter::OutputTokens, Meter::ServerAudioUs]),
        ) {
            let used = |ms: i64| ms.unsigned_abs() * pace / 1_000;
            let usage = Usage::new().with(meter, used(run_ms), Evidence::Measured);

            let count = grown(&usage, life(0, run_ms, run_ms + unseen_ms)).get(meter).unwrap();

            let bill = used(run_ms + unseen_ms * died / 1_000);
            prop_assert!(count.at_least <= bill && bill <= count.at_most.unwrap());
            prop_assert_eq!(count.at_least, used(run_ms));
            prop_assert_eq!(count.evidence, Evidence::Estimated);
        }
    }
}
