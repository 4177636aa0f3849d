//! Where the time of a call went, in stretches.

use campanile_core::Outcome;
use campanile_sinks::ledger::LedgerCall;

/// Characters of a bar.
const BAR: u64 = 40;

pub(super) const LEGEND: &str =
    "░ queue  ▒ connecting and waiting for the first item  █ stream  ✂ cut  ✖ failed";

/// What a stretch of time was spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// In limits, buffers and retries of the program.
    Queue,
    /// From the start of the client to the first piece of the answer.
    Wait,
    /// While pieces came.
    Stream,
    /// Here somebody interrupted.
    Cut,
    /// Here it failed.
    Failed,
}

/// A stretch, from the begin of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) kind: Kind,
    pub(super) from_us: u64,
    pub(super) span_us: u64,
}

impl Phase {
    /// A stretch that needs no explanation.
    pub(super) const fn stretch(from_us: u64, span_us: u64) -> Self {
        Self {
            kind: Kind::Stream,
            from_us,
            span_us,
        }
    }
}

/// The phases of a call that was opened `offset` after the begin of the whole. Its end is marked where it did not complete.
pub(super) fn of(call: &LedgerCall, offset: u64) -> Vec<Phase> {
    let Some(timing) = call.timing else {
        return Vec::new();
    };
    let mut phases = Vec::new();
    let (mut from, mut left) = (offset, timing.elapsed.us());
    let mut take = |kind: Kind, span: u64| {
        let span_us = span.min(left);
        phases.push(Phase {
            kind,
            from_us: from,
            span_us,
        });
        from = from.saturating_add(span_us);
        left -= span_us;
    };
    if let Some(queued) = timing.queued {
        take(Kind::Queue, queued.us());
    }
    take(
        Kind::Wait,
        timing.first_item.map_or(u64::MAX, |first| first.us()),
    );
    take(Kind::Stream, u64::MAX);
    phases.retain(|phase| phase.span_us > 0);
    let mark = match call.outcome {
        Some(Outcome::Cancelled) => Some(Kind::Cut),
        Some(Outcome::Failed | Outcome::Panicked | Outcome::Crashed) => Some(Kind::Failed),
        _ => None,
    };
    phases.extend(mark.map(|kind| Phase {
        kind,
        from_us: offset.saturating_add(timing.elapsed.us()),
        span_us: 0,
    }));
    phases
}

/// The phases in a frame; none is wider than it, none invisible.
pub(super) fn bar(phases: &[Phase], whole: u64) -> String {
    if whole == 0 || phases.is_empty() {
        return String::new();
    }
    let mut places = ['·'; BAR as usize];
    let scale =
        |us: u64| (u128::from(us.min(whole)) * u128::from(BAR) / u128::from(whole)) as usize;
    for phase in phases {
        let start = scale(phase.from_us).min(places.len() - 1);
        let end = scale(phase.from_us.saturating_add(phase.span_us)).max(start + 1);
        let char = match phase.kind {
            Kind::Queue => '░',
            Kind::Wait => '▒',
            Kind::Stream => '█',
            Kind::Cut => '✂',
            Kind::Failed => '✖',
        };
        places[start..end].fill(char);
    }
    places.iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_stays_in_its_frame() {
        let whole = |from, span, whole| bar(&[Phase::stretch(from, span)], whole);
        assert_eq!(whole(0, 100, 100), "█".repeat(40));
        assert_eq!(whole(50, 50, 100), "·".repeat(20) + &"█".repeat(20));
        assert_eq!(whole(100, 0, 100), "·".repeat(39) + "█");
        assert_eq!(whole(u64::MAX, u64::MAX, 1).chars().count(), 40);
        assert_eq!(whole(1, 1, 0), "");
    }

    #[test]
    fn phases_follow_each_other_and_the_end_is_marked() {
        let phase = |kind, from_us, span_us| Phase {
            kind,
            from_us,
            span_us,
        };
        let phases = [
            phase(Kind::Queue, 0, 25),
            phase(Kind::Wait, 25, 25),
            phase(Kind::Stream, 50, 50),
            phase(Kind::Cut, 100, 0),
        ];

        let bar = bar(&phases, 100);

        assert_eq!(
            bar,
            "░".repeat(10) + &"▒".repeat(10) + &"█".repeat(19) + "✂"
        );
    }
}
