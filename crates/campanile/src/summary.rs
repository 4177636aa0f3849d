//! A line every so many turns or minutes: what they were like, and what it has cost so far.

use campanile_core::{
    CallEvent, Cost, Intake, Outcome, Quantiles, Span, SummaryEvent, Tick, TurnEvent,
};

/// How many latencies of one stretch are kept; later ones replace earlier ones.
const MAX_SAMPLES: usize = 10_000;

/// Gathers calls and turns into [`SummaryEvent`]s.
#[derive(Debug)]
pub(crate) struct Summary {
    every_turns: u64,
    every: Span,
    since: Tick,
    turns: u64,
    calls: u64,
    failed: u64,
    samples: Vec<Span>,
    cost: Cost,
}

impl Summary {
    /// A summary after `every_turns` turns, or after `every` if anything happened.
    pub(crate) fn new(every_turns: u64, every: Span, since: Tick) -> Self {
        Self {
            every_turns,
            every,
            since,
            turns: 0,
            calls: 0,
            failed: 0,
            samples: Vec::new(),
            cost: Cost::nothing(),
        }
    }

    pub(crate) fn call(&mut self, call: &CallEvent) {
        self.calls += 1;
        self.failed += u64::from(matches!(call.outcome, Outcome::Failed | Outcome::Panicked));
        if let Some(cost) = &call.cost {
            self.cost.absorb(cost);
        }
    }

    pub(crate) fn turn(&mut self, turn: &TurnEvent) {
        if let Some(latency) = turn.user_to_bot {
            match self.samples.len() < MAX_SAMPLES {
                true => self.samples.push(latency),
                false => self.samples[self.turns as usize % MAX_SAMPLES] = latency,
            }
        }
        self.turns += 1;
    }

    /// The event, when one is due.
    pub(crate) fn due(&mut self, intake: &Intake) -> Option<SummaryEvent> {
        let now = intake.clock().tick();
        let span = now.since(self.since);
        let enough = self.turns >= self.every_turns;
        let late = span >= self.every;
        if !enough && !late {
            return None;
        }
        self.since = now;
        let (turns, calls) = (
            std::mem::take(&mut self.turns),
            std::mem::take(&mut self.calls),
        );
        let failed = std::mem::take(&mut self.failed);
        if turns == 0 && calls == 0 {
            return None;
        }
        let mut event = SummaryEvent::new(intake.clock().now());
        event.span = span;
        event.turns = turns;
        event.calls = calls;
        event.failed = failed;
        event.user_to_bot = Quantiles::of(&mut self.samples);
        event.cost = self.cost.clone();
        self.samples.clear();
        Some(event)
    }
}
