//! What a rule has seen of the calls in its window: counts and times, no call is kept.

use super::budget::decimal;
use super::rule::{Condition, Found, Rule, millis};
use campanile_core::{Outcome, Span};
use campanile_sinks::ledger::LedgerCall;
use std::collections::BTreeMap;

/// What its condition asks for, and nothing else.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Times in microseconds.
    spans: Vec<u64>,
    /// Calls that are over, and those of them that failed.
    over: u64,
    failed: u64,
    /// How many calls of a stage came to their end, and whether one of them says what it has used.
    stages: BTreeMap<String, (u64, bool)>,
    /// Models that were used and have no price, by provider and model.
    unpriced: BTreeMap<String, String>,
}

impl Seen {
    /// Looks at a call that `rule` is about.
    pub(super) fn look(&mut self, rule: &Rule, call: &LedgerCall) {
        match rule.condition {
            Condition::FirstItemP95(_) => {
                self.time(call.timing.and_then(|timing| timing.first_item))
            }
            Condition::ElapsedP95(_) if call.outcome.is_some() => {
                self.time(call.timing.map(|timing| timing.elapsed));
            }
            Condition::ErrorRate(_) => self.outcome(call.outcome),
            Condition::NoUsage if call.outcome == Some(Outcome::Completed) => self.usage(call),
            Condition::Unpriced => self.prices(rule, call),
            _ => {}
        }
    }

    fn time(&mut self, span: Option<Span>) {
        self.spans.extend(span.map(Span::us));
    }

    fn outcome(&mut self, outcome: Option<Outcome>) {
        let failed = matches!(
            outcome,
            Some(Outcome::Failed | Outcome::Panicked | Outcome::Crashed)
        );
        self.over += u64::from(outcome.is_some());
        self.failed += u64::from(failed);
    }

    fn usage(&mut self, call: &LedgerCall) {
        let metered = !call.usage.is_empty();
        match self.stages.get_mut(&call.stage) {
            Some((count, any)) => (*count, *any) = (*count + 1, *any || metered),
            None => drop(self.stages.insert(call.stage.clone(), (1, metered))),
        }
    }

    fn prices(&mut self, rule: &Rule, call: &LedgerCall) {
        for attempt in &call.attempts {
            let (provider, model) = (attempt.provider.as_deref(), attempt.model.as_deref());
            let cost = attempt.cost.as_ref();
            let unpriced = cost.is_some_and(|cost| cost.why.iter().any(|why| why.is_unpriced()));
            if unpriced && rule.scope.serves(provider, model) {
                let model = model.unwrap_or("unnamed");
                let subject = format!("{}/{model}", provider.unwrap_or("unnamed"));
                self.unpriced.insert(subject, model.to_owned());
            }
        }
    }

    /// What `rule` finds in it.
    pub(super) fn judge(self, rule: &Rule) -> Vec<Found> {
        let at_least = rule.at_least.max(1);
        let one = |measured: Option<String>| measured.map(|measured| (None, measured));
        match rule.condition {
            Condition::FirstItemP95(bound) | Condition::ElapsedP95(bound) => {
                one(slow(self.spans, bound, at_least)).into_iter().collect()
            }
            Condition::ErrorRate(bound) => {
                let share = self.failed * 1_000 / self.over.max(1);
                let many = self.over >= at_least && share >= bound && self.failed > 0;
                one(many.then(|| decimal(share))).into_iter().collect()
            }
            Condition::NoUsage => unmetered(self.stages, at_least),
            Condition::Unpriced => {
                let models = self.unpriced.into_iter();
                models
                    .map(|(subject, model)| (Some(subject), model))
                    .collect()
            }
            Condition::UserToBotP95(_) | Condition::NoCalls(_) | Condition::Idle(_) => Vec::new(),
        }
    }
}

/// The 95th of a hundred, by nearest rank, where it is above the bound.
fn slow(mut spans: Vec<u64>, bound: u64, at_least: u64) -> Option<String> {
    let enough = spans.len() as u64 >= at_least;
    let rank = (spans.len() * 95).div_ceil(100).checked_sub(1)?;
    let (_, p95, _) = spans.select_nth_unstable(rank);
    (enough && *p95 > bound).then(|| millis(*p95))
}

/// Stages of which all calls that came to their end are without usage.
fn unmetered(stages: BTreeMap<String, (u64, bool)>, at_least: u64) -> Vec<Found> {
    stages
        .into_iter()
        .filter(|(_, (count, metered))| !metered && *count >= at_least)
        .map(|(stage, (count, _))| (Some(stage), count.to_string()))
        .collect()
}
