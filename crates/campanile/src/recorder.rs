//! The one place where events are finished: takes what was handed over, seals it, gives it to the sinks.
//!
//! A thread calls [`Recorder::run_once`] every two milliseconds; a flush calls it too. Both meet at one lock, so that
//! events keep the order in which they happened. The pipeline's threads never touch that lock.

use crate::alerts::{Own, Whose};
use crate::outlets::Outlets;
use crate::seal::Sealer;
use crate::summary::Summary;
use crate::waste::{self, Later, Learnt};
use campanile_core::{
    Attempt, CALL_REV, CallEvent, CallId, Content, Cost, Event, FieldValue, Handed, Hold, Intake,
    Level, LogEvent, LossEvent, Name, Outcome, Reason, Record, Redactions, Session, SessionEvent,
    Span, Stats, Tick, Turn, TurnEvent, Usage, UsageEvent, Waste, Wasted,
};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often an open call is checkpointed: whenever it is another whole second old.
const CHECKPOINT_EVERY: Span = Span(1_000_000_000);
/// How often open calls are looked at for that: a checkpoint comes so much later at most.
const LOOK_EVERY: Span = Span(100_000_000);
/// How often sinks are told how all of them stand.
const TELL_EVERY: Span = Span(1_000_000_000);
/// How many models without a price are told.
const MAX_UNPRICED: usize = 256;
/// How long a turn that is over waits for its calls.
const TURN_GRACE: Span = Span(5_000_000_000);

/// Seals what was handed over. See the [module docs](self).
pub(crate) struct Recorder {
    intake: Intake,
    sealer: Sealer,
    outlets: Outlets,
    state: Mutex<State>,
    /// The process whose events these are.
    process: u32,
}

struct State {
    handed: Vec<Handed>,
    /// Parts of open calls that were checkpointed, so that what did not change is not written again.
    checkpoints: HashMap<(CallId, u32), Usage>,
    revision: u32,
    late_revision: u32,
    /// When open calls were looked at.
    looked: Tick,
    /// When sinks were told how all of them stand.
    told: Tick,
    /// Turns that are over, and wait for calls of theirs.
    turns: Vec<(Turn, Tick)>,
    summary: Summary,
    own: Own,
    /// What is held for calls that are counted, and what they cost.
    held: Vec<(Hold, Cost)>,
    later: Later,
    /// Models without a price that were told.
    unpriced: HashSet<(Name, Name)>,
}

impl Recorder {
    pub(crate) fn new(
        intake: Intake,
        sealer: Sealer,
        outlets: Outlets,
        summary: Summary,
        own: Own,
    ) -> Self {
        let now = intake.clock().tick();
        let state = State {
            handed: Vec::new(),
            checkpoints: HashMap::new(),
            revision: 1,
            late_revision: CALL_REV + 1,
            looked: now,
            told: now,
            turns: Vec::new(),
            summary,
            own,
            held: Vec::new(),
            later: Later::default(),
            unpriced: HashSet::new(),
        };
        Self {
            intake,
            sealer,
            outlets,
            state: Mutex::new(state),
            process: std::process::id(),
        }
    }

    /// Takes and seals everything that was handed over until now.
    pub(crate) fn run_once(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.intake.clock().tick();
        self.seal_handed(&mut state);
        self.seal_turns(&mut state, now, false);
        if now.since(state.looked) >= LOOK_EVERY {
            self.checkpoint_open_calls(&mut state, now);
        }
        if now.since(state.told) >= TELL_EVERY {
            state.told = now;
            self.tell_losses();
            self.outlets.tell();
        }
        if let Some(event) = state.summary.due(&self.intake) {
            self.outlets.give(&Event::Summary(Box::new(event)));
        }
        self.tell_budgets(&mut state, now, false);
    }

    /// Tells what budgets have come to, where no ledger does; `all`: now.
    fn tell_budgets(&self, state: &mut State, tick: Tick, all: bool) {
        let now = self.intake.clock().now();
        state.own.tell_gates(now, tick, all);
        let alerts = match all {
            true => state.own.look(now, tick),
            false => state.own.due(now, tick),
        };
        for alert in alerts {
            self.outlets.give(&Event::Alert(Box::new(alert)));
        }
    }

    /// Closes what is still open, for a clean end.
    pub(crate) fn close_open_calls(&self) {
        // In portions: a full queue would slow us down.
        for records in self.intake.open_calls().chunks(1 << 10) {
            for record in records {
                record.close(Outcome::Cancelled, Some(Name::from_static("shutdown")));
            }
            self.run_once();
        }
        self.run_once();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.intake.clock().tick();
        self.seal_turns(&mut state, now, true);
        self.tell_budgets(&mut state, now, true);
        self.tell_losses();
    }

    /// Waits for the sinks.
    pub(crate) fn flush(&self, within: Duration) -> bool {
        self.run_once();
        self.outlets.flush(within)
    }

    /// Waits for the sinks that shed.
    pub(crate) fn flush_signals(&self, within: Duration) -> bool {
        self.run_once();
        self.outlets.flush_signals(within)
    }

    /// Waits for the sinks at the end: for the money lane as long as it takes.
    pub(crate) fn drain(&self, within: Duration) -> bool {
        self.run_once();
        self.outlets.drain(within)
    }

    /// A child that was forked off has a copy of what waits, and none of the threads. What is here is its parent's to write.
    pub(crate) fn is_forked(&self) -> bool {
        self.process != std::process::id()
    }

    /// What became of the events, for each sink that counts.
    pub(crate) fn stats(&self) -> Vec<Stats> {
        self.outlets.stats()
    }

    /// How often a sink panicked.
    pub(crate) fn sinks_failed(&self) -> u64 {
        self.outlets.failed()
    }

    fn seal_handed(&self, state: &mut State) {
        let mut handed = std::mem::take(&mut state.handed);
        // What goes with a handle may hand over more (the last handle of a turn ends it).
        loop {
            self.intake.take(&mut handed);
            if handed.is_empty() {
                break;
            }
            for handed in handed.drain(..) {
                self.seal(state, handed);
            }
            self.settle(state);
        }
        state.handed = handed;
    }

    fn seal(&self, state: &mut State, handed: Handed) {
        match handed {
            Handed::Closed(record) => self.seal_call(state, record),
            Handed::Late(record) => self.seal_late(state, &record),
            Handed::Checkpoint(record) => self.checkpoint(state, &record),
            Handed::Discarded(turn) => {
                let wrong = turn.guessed().map(|guess| state.later.discarded(guess));
                for learnt in wrong.into_iter().flatten() {
                    self.give_learnt(state, &turn, learnt);
                }
            }
            Handed::TurnOver(turn) => state.turns.push((turn, self.intake.clock().tick())),
            Handed::SessionBegun(session) => {
                let event = SessionEvent::start(session.id().clone(), session.started_at());
                self.outlets.give(&Event::Session(Box::new(event)));
            }
            Handed::SessionOver(session, reason) => self.seal_session(state, &session, reason),
            Handed::Log(mut log, message, fields) => {
                let mut redactions = Redactions::default();
                let sealer = &self.sealer;
                let mut written =
                    |text: &Content| sealer.written(sealer.texts.logs, text, &mut redactions);
                log.message = message.and_then(|text| written(&text));
                for (name, text) in fields {
                    let text = written(&text).map(FieldValue::Text);
                    log.fields.extend(text.map(|text| (name, text)));
                }
                log.redactions = redactions;
                self.outlets.give(&Event::Log(log));
            }
            Handed::Event(event) => self.outlets.give(&event),
            // `Handed` may grow; what is not known here has no event.
            _ => {}
        }
    }

    fn seal_call(&self, state: &mut State, record: Record) {
        let mut call = self.sealer.call(&record);
        let attempts = call.attempts.len();
        for attempt in &mut call.attempts {
            waste::mark(attempt, attempts, record.turn().and_then(Turn::guessed));
        }
        state.later.keep(&record, &call);
        if !state.checkpoints.is_empty() {
            for attempt in &call.attempts {
                state.checkpoints.remove(&(call.id, attempt.n));
            }
        }
        if let Some(turn) = record.turn() {
            count_call(turn, &call);
        }
        state.summary.call(&call);
        count_own(&mut state.own, &record, &call);
        Self::take_holds(state, &record, || call.cost.clone());
        let unpriced: Vec<_> = call.attempts.iter().filter_map(without_price).collect();
        self.outlets.give(&Event::Call(Box::new(call)));
        for (provider, model) in unpriced {
            self.tell_unpriced(state, provider, model);
        }
        self.intake.recycle(record);
    }

    /// Writes what was learnt of an attempt after its call, and moves its waste in the totals.
    fn give_learnt(&self, state: &mut State, turn: &Turn, learnt: Learnt) {
        let Learnt {
            kept,
            before,
            after,
        } = learnt;
        let moved = |wasted: &mut Wasted| {
            for kind in Waste::ALL {
                if let Some(cost) = before.get(kind) {
                    wasted.take(kind, cost);
                }
            }
            wasted.absorb(&after);
        };
        let session = turn.session();
        turn.totals(|totals| moved(&mut totals.wasted));
        session.totals(|totals| moved(&mut totals.wasted_by));
        let revision = state.late_revision;
        state.late_revision += 1;
        let now = self.intake.clock().now();
        let (stage, at) = (kept.stage, kept.started_at);
        let mut event = UsageEvent::new(kept.call, revision, stage, at, now, kept.attempt);
        event.session = Some(session.id().clone());
        event.turn = Some(turn.number());
        self.outlets.give(&Event::Usage(Box::new(event)));
    }

    /// Gives back what was held for calls, now that gates know what they cost: for all that ended since the last time, since gates
    /// are told of whole windows.
    fn settle(&self, state: &mut State) {
        if state.held.is_empty() {
            return;
        }
        let (now, tick) = (self.intake.clock().now(), self.intake.clock().tick());
        state.own.tell_gates(now, tick, true);
        for (hold, cost) in state.held.drain(..) {
            hold.settle(&cost);
        }
    }

    fn seal_late(&self, state: &mut State, record: &Record) {
        let revision = state.late_revision;
        state.late_revision += 1;
        if let Some(n) = record.attempt_number() {
            self.give_usage(state, record, n, revision);
        }
        Self::take_holds(state, record, || self.sealer.call(record).cost);
    }

    /// Has what is held for a call given back, once it is known what it has cost: not while a reply is still being read.
    fn take_holds(state: &mut State, record: &Record, cost: impl FnOnce() -> Option<Cost>) {
        if record.draft(|draft| draft.attempts.iter().any(|attempt| attempt.reads_on)) {
            return;
        }
        let holds = record.take_holds();
        if holds.is_empty() {
            return;
        }
        let cost = cost().unwrap_or_else(Cost::nothing);
        let held = holds.into_iter().map(|hold| (hold, cost.clone()));
        state.held.extend(held);
    }

    /// Those that have become another whole second old since the last look.
    fn checkpoint_open_calls(&self, state: &mut State, now: Tick) {
        let before = std::mem::replace(&mut state.looked, now);
        let seconds = |at: Tick, opened| at.since(opened).0 / CHECKPOINT_EVERY.0;
        let is_due = |opened| seconds(now, opened) > seconds(before, opened);
        for record in self.intake.open_calls_of(is_due) {
            self.checkpoint(state, &record);
        }
    }

    fn checkpoint(&self, state: &mut State, record: &Record) {
        if record.is_closed() {
            return;
        }
        let parts: Vec<(u32, Usage)> = record.draft(|draft| {
            let part =
                |attempt: &campanile_core::AttemptDraft| (attempt.n, attempt.live.tally.snapshot());
            draft.attempts.iter().map(part).collect()
        });
        for (n, usage) in parts {
            let known = state.checkpoints.get(&(record.id(), n));
            if usage.is_empty() || known == Some(&usage) {
                continue;
            }
            state.checkpoints.insert((record.id(), n), usage);
            let revision = state.revision;
            state.revision = (state.revision + 1).min(CALL_REV - 1);
            self.give_usage(state, record, n, revision);
        }
    }

    fn give_usage(&self, state: &mut State, record: &Record, n: u32, revision: u32) {
        let mut redactions = Redactions::default();
        let attempt = record.draft(|draft| {
            let attempts = draft.attempts.len();
            let draft = draft.attempts.get(n as usize - 1)?;
            let mut attempt = self.sealer.attempt(record, draft, &mut redactions);
            waste::mark(
                &mut attempt,
                attempts,
                record.turn().and_then(Turn::guessed),
            );
            Some(attempt)
        });
        let Some(mut attempt) = attempt else { return };
        if revision > CALL_REV {
            state.later.amended(record.id(), &mut attempt);
        }
        let labels = record.draft(|draft| self.sealer.labels(&draft.labels));
        state.own.count(&whose(record, &labels), &attempt, false);
        let now = self.intake.clock().now();
        let stage = record.stage().clone();
        let mut event = UsageEvent::new(
            record.id(),
            revision,
            stage,
            record.started_at(),
            now,
            attempt,
        );
        event.session = record.turn().map(|turn| turn.session().id().clone());
        event.turn = record.turn().map(Turn::number).filter(|n| *n > 0);
        self.outlets.give(&Event::Usage(Box::new(event)));
    }

    /// Writes turns that are over and whose calls are, too; `all`: without waiting for calls.
    fn seal_turns(&self, state: &mut State, now: Tick, all: bool) {
        let waits = |(turn, since): &(Turn, Tick)| {
            !all && turn.open_calls() > 0
                && !turn.session().is_over()
                && now.since(*since) < TURN_GRACE
        };
        let (waiting, over) = std::mem::take(&mut state.turns)
            .into_iter()
            .partition(waits);
        state.turns = waiting;
        for (turn, _) in over {
            self.seal_turn(state, &turn);
        }
    }

    fn seal_turn(&self, state: &mut State, turn: &Turn) {
        let session = turn.session();
        for learnt in state.later.over(turn) {
            self.give_learnt(state, turn, learnt);
        }
        let mut event = TurnEvent::new(session.id().clone(), turn.number(), turn.started_at());
        event.elapsed = turn.elapsed();
        event.interrupted = turn.interrupted().cloned();
        if let Some((total, segments)) = turn.waterfall() {
            event.user_to_bot = Some(total);
            event.segments = segments;
        }
        turn.totals(|totals| {
            event.calls = totals.calls;
            event.cost = totals.cost.clone();
            event.wasted = totals.wasted.total();
            event.wasted_by = totals.wasted.clone();
        });
        session.totals(|totals| {
            totals.turns += 1;
            totals.interrupted += u32::from(event.interrupted.is_some());
        });
        state.summary.turn(&event);
        self.outlets.give(&Event::Turn(Box::new(event)));
    }

    fn seal_session(&self, state: &mut State, session: &Session, reason: Name) {
        // Its turns come first, also those that still wait for a call.
        let of_session = |(turn, _): &(Turn, Tick)| turn.session().id() == session.id();
        let (over, waiting) = std::mem::take(&mut state.turns)
            .into_iter()
            .partition(of_session);
        state.turns = waiting;
        for (turn, _) in over {
            self.seal_turn(state, &turn);
        }
        let (now, at) = (self.intake.clock().tick(), self.intake.clock().now());
        let totals = session.totals(|totals| {
            totals.elapsed = now.since(session.started());
            totals.open_calls = session.open_calls();
            totals.wasted = totals.wasted_by.total();
            totals.clone()
        });
        let id = session.id().clone();
        let event = SessionEvent::end(id, session.started_at(), at, reason, totals);
        self.outlets.give(&Event::Session(Box::new(event)));
    }

    /// Warns of a model without a price, once.
    fn tell_unpriced(&self, state: &mut State, provider: Name, model: Name) {
        let new = state.unpriced.len() < MAX_UNPRICED
            && state.unpriced.insert((provider.clone(), model.clone()));
        if !new {
            return;
        }
        let text = format!(
            "no price for `{model}` of `{provider}`: its cost has no upper bound; add a row to the file of [prices]"
        );
        let mut log = LogEvent::new(self.intake.clock().now(), Level::Warn, "campanile");
        log.message = Some(
            self.sealer
                .redact(&Content::new(text), &mut Redactions::default()),
        );
        self.outlets.give(&Event::Log(Box::new(log)));
    }

    fn tell_losses(&self) {
        let lost = self.intake.take_lost_logs();
        if lost > 0 {
            let at = self.intake.clock().now();
            let loss = LossEvent::new(at, "recorder", "queue_full", lost);
            self.outlets.give(&Event::Loss(loss));
        }
    }
}

/// Whose call this is.
fn whose<'a>(record: &'a Record, labels: &'a [(&'static str, Name)]) -> Whose<'a> {
    Whose {
        call: record.id(),
        at: record.started_at(),
        stage: record.stage(),
        session: record.turn().map(|turn| turn.session().id().as_str()),
        labels,
    }
}

/// Counts what a call that is over has cost. What is still read on for its usage may change.
fn count_own(own: &mut Own, record: &Record, call: &CallEvent) {
    for attempt in &call.attempts {
        own.count(&whose(record, &call.labels), attempt, !record.is_draining());
    }
}

/// Who served an attempt that has no price.
fn without_price(attempt: &Attempt) -> Option<(Name, Name)> {
    let why = &attempt.cost.as_ref()?.why;
    why.iter().any(|why| why.is_unpriced()).then(|| {
        (
            attempt.provider.clone().unwrap_or_default(),
            attempt.model.clone().unwrap_or_default(),
        )
    })
}

/// Adds a call to the totals of its turn and its session.
fn count_call(turn: &Turn, call: &CallEvent) {
    let cost = match (&call.cost, &call.usage) {
        (Some(cost), _) => cost.clone(),
        // Used and not priced is not nothing.
        (None, Some(_)) => Cost::unknown(Reason::NotPriced),
        (None, None) => Cost::nothing(),
    };
    let wasted = waste::wasted(call);
    if turn.number() > 0 {
        turn.totals(|totals| {
            totals.calls += 1;
            totals.cost.absorb(&cost);
            totals.wasted.absorb(&wasted);
        });
    }
    turn.session().totals(|totals| {
        totals.calls += 1;
        totals.failed += u32::from(matches!(call.outcome, Outcome::Failed | Outcome::Panicked));
        totals.cost.absorb(&cost);
        totals.wasted_by.absorb(&wasted);
    });
}
