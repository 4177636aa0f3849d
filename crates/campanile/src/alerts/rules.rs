//! Looks after rules: over a ledger, and over the open calls of this process.

use super::budget::Due;
use super::rule::{Condition, Found, Rule, millis};
use super::seen::Seen;
use super::window::short;
use campanile_core::{Intake, Timestamp};
use campanile_sinks::ledger::{LedgerError, Query, Reader};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Looks after rules over a ledger, and the open calls of this process.
#[derive(Debug)]
pub(crate) struct Rules {
    ledger: PathBuf,
    rules: Vec<Rule>,
    reader: Option<Reader>,
    /// Since when it looks: nobody has been silent for longer than somebody listens.
    since: Option<Timestamp>,
    next: Timestamp,
}

/// How often rules are judged: this part of their windows, but once a second at most and twice a minute at least.
const PACE: (i64, i64, i64) = (20, 1_000_000, 30_000_000);

impl Rules {
    pub(crate) fn new(ledger: &Path, rules: Vec<Rule>) -> Self {
        Self {
            ledger: ledger.to_owned(),
            rules,
            reader: None,
            since: None,
            next: Timestamp(i64::MIN),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Has them judged the next time, however lately that was done.
    pub(crate) fn at_last(&mut self) {
        self.next = Timestamp(i64::MIN);
    }

    /// What is to be told.
    pub(crate) fn due(
        &mut self,
        intake: Option<&Intake>,
        now: Timestamp,
    ) -> Result<Vec<Due>, LedgerError> {
        let since = *self.since.get_or_insert(now);
        if self.rules.is_empty() || now < self.next {
            return Ok(Vec::new());
        }
        let (part, often, seldom) = PACE;
        let shortest = self.rules.iter().map(Rule::reach).min().unwrap_or(seldom);
        self.next = Timestamp(now.0.saturating_add((shortest / part).clamp(often, seldom)));
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => Reader::open(&self.ledger)?,
        };
        let mut due = Vec::new();
        for (rule, seen) in self.rules.iter().zip(self.seen(&reader, now)?) {
            let listened = now.0.saturating_sub(since.0) >= rule.reach();
            let found = match rule.condition {
                Condition::NoCalls(_) if !listened => Vec::new(),
                Condition::NoCalls(us) => silence(rule, &reader, us, now)?,
                Condition::UserToBotP95(bound) => waiting(rule, &reader, bound, now)?,
                Condition::Idle(us) => intake.map_or(Vec::new(), |intake| idle(rule, intake, us)),
                _ => seen.judge(rule),
            };
            due.extend(found.into_iter().map(|found| rule.due(found, now)));
        }
        // After an error it is opened anew: the file may be another one when it comes back.
        self.reader = Some(reader);
        Ok(due)
    }

    /// What each rule has seen of the calls in its window: all in one pass.
    fn seen(&self, reader: &Reader, now: Timestamp) -> Result<Vec<Seen>, LedgerError> {
        let mut seen: Vec<Seen> = self.rules.iter().map(|_| Seen::default()).collect();
        let counts = self
            .rules
            .iter()
            .filter(|rule| rule.condition.counts_calls());
        let Some(reach) = counts.map(Rule::reach).max() else {
            return Ok(seen);
        };
        reader.calls(&since(reach, now), |call| {
            for (rule, seen) in self.rules.iter().zip(&mut seen) {
                if call.started_at.0 >= now.0.saturating_sub(rule.reach())
                    && rule.scope.takes(&call)
                {
                    seen.look(rule, &call);
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok(seen)
    }
}

/// The calls and turns of so many microseconds until now.
fn since(reach: i64, now: Timestamp) -> Query {
    Query::default().since(Timestamp(now.0.saturating_sub(reach)))
}

/// Whether nobody has called for so long.
fn silence(
    rule: &Rule,
    reader: &Reader,
    us: i64,
    now: Timestamp,
) -> Result<Vec<Found>, LedgerError> {
    let mut query = since(us, now);
    if let Some(stage) = &rule.scope.stage {
        query = query.stage(stage);
    }
    let mut silent = true;
    reader.calls(&query, |call| match rule.scope.takes(&call) {
        true => {
            silent = false;
            ControlFlow::Break(())
        }
        false => ControlFlow::Continue(()),
    })?;
    Ok(silent
        .then(|| (None, short(us / 1_000_000)))
        .into_iter()
        .collect())
}

/// Whether users wait longer than they may, for one turn in twenty.
fn waiting(
    rule: &Rule,
    reader: &Reader,
    bound: u64,
    now: Timestamp,
) -> Result<Vec<Found>, LedgerError> {
    let turns = reader.latency(&since(rule.window, now))?.turns.user_to_bot;
    let slow = turns
        .quantile(950)
        // Of fewer than twenty it is the longest, by nearest rank.
        .or(turns.most_us())
        .filter(|p95| *p95 > bound && turns.count() >= rule.at_least.max(1));
    Ok(slow.map(|p95| (None, millis(p95))).into_iter().collect())
}

/// Open connections into which audio goes, and from which nothing has come for so long; the longest of each stage.
fn idle(rule: &Rule, intake: &Intake, bound: u64) -> Vec<Found> {
    let now = intake.clock().tick();
    let mut stages: BTreeMap<String, u64> = BTreeMap::new();
    let wanted = rule.scope.stage.as_deref();
    for record in intake.open_calls() {
        if wanted.is_some_and(|stage| *record.stage() != *stage) {
            continue;
        }
        let heard = record.draft(|draft| {
            let attempt = draft.attempts.last()?;
            let streams = attempt.live.sent_items() > 0;
            let last = attempt.live.last_item().or(attempt.started);
            streams.then(|| last.unwrap_or(record.opened()))
        });
        if let Some(heard) = heard {
            let silent = now.since(heard).us();
            let longest = stages.entry(record.stage().to_string()).or_default();
            *longest = silent.max(*longest);
        }
    }
    let found = stages.into_iter().filter(|(_, silent)| *silent >= bound);
    found
        .map(|(stage, silent)| (Some(stage), short((silent / 1_000_000) as i64)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::scope::Scope;
    use campanile_core::{Clock, Ids, Span, Tick, TimeSource};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    struct Hand(Arc<AtomicU64>);

    impl TimeSource for Hand {
        fn tick(&self) -> Tick {
            Tick(self.0.load(Relaxed))
        }
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }
    }

    #[test]
    fn a_connection_into_which_nobody_speaks_is_idle() {
        let at = Arc::new(AtomicU64::new(1_000_000_000));
        let intake = Intake::new(Clock::new(Hand(Arc::clone(&at))), Ids::seeded(1));
        let rule = Rule {
            name: "rule:idle".into(),
            scope: Scope::default(),
            condition: Condition::Idle(60_000_000),
            window: 300_000_000,
            at_least: 20,
        };
        let idle = |bound| super::idle(&rule, &intake, bound);
        let mut listening = intake.open(&"stt".into(), None, Span(0));
        let live = listening.begin_attempt();
        let _whole = intake.open(&"llm".into(), None, Span(0));
        live.sent(intake.clock().tick());
        at.fetch_add(45_000_000_000, Relaxed);
        live.item(intake.clock().tick());
        at.fetch_add(59_000_000_000, Relaxed);
        live.sent(intake.clock().tick());

        assert_eq!(idle(60_000_000), []);
        at.fetch_add(1_000_000_000, Relaxed);
        assert_eq!(
            idle(60_000_000),
            [(Some("stt".to_owned()), "1m".to_owned())]
        );
        live.item(intake.clock().tick());
        assert_eq!(idle(60_000_000), []);
    }
}
