//! Rules: what is told beside amounts. Latency, failures, silence, calls that nobody meters, sockets that nobody speaks into.

use super::budget::{Due, decimal, shaped};
use super::scope::Scope;
use super::window::short;
use campanile_core::{AlertEvent, AlertKind, Intake, Name, Outcome, Span, Timestamp};
use campanile_sinks::ledger::{LedgerCall, LedgerError, Query, Reader};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(crate) name: Name,
    /// Which calls it is about.
    pub(crate) scope: Scope,
    pub(crate) condition: Condition,
    /// Over how long, and how long it keeps quiet after it was told, in microseconds.
    pub(crate) window: i64,
    /// How many calls make a judgement.
    pub(crate) at_least: u64,
}

/// What must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// The wait for the first piece above so many microseconds, for one call in twenty.
    FirstItemP95(u64),
    /// The time of a call above so many microseconds, for one in twenty.
    ElapsedP95(u64),
    /// The wait of users above so many microseconds, for one turn in twenty.
    UserToBotP95(u64),
    /// So many thousandths of calls fail.
    ErrorRate(u64),
    /// No call for so many microseconds.
    NoCalls(i64),
    /// Calls of a stage go through, and none says what it has used.
    NoUsage,
    /// Something was used that has no price.
    Unpriced,
    /// A connection is open, and nobody has spoken for so many microseconds.
    Idle(u64),
}

impl Condition {
    fn kind(self) -> AlertKind {
        match self {
            Condition::FirstItemP95(_) => AlertKind::FirstItemP95,
            Condition::ElapsedP95(_) => AlertKind::ElapsedP95,
            Condition::UserToBotP95(_) => AlertKind::UserToBotP95,
            Condition::ErrorRate(_) => AlertKind::ErrorRate,
            Condition::NoCalls(_) => AlertKind::NoCalls,
            Condition::NoUsage => AlertKind::NoUsage,
            Condition::Unpriced => AlertKind::Unpriced,
            Condition::Idle(_) => AlertKind::Idle,
        }
    }

    fn bound(self) -> String {
        match self {
            Condition::FirstItemP95(us)
            | Condition::ElapsedP95(us)
            | Condition::UserToBotP95(us) => millis(us),
            Condition::ErrorRate(share) => decimal(share),
            Condition::NoCalls(us) => short(us / 1_000_000),
            Condition::Idle(us) => short((us / 1_000_000) as i64),
            Condition::NoUsage => "usage".to_owned(),
            Condition::Unpriced => "price".to_owned(),
        }
    }
}

/// `1520ms`.
fn millis(us: u64) -> String {
    format!("{}ms", us / 1_000)
}

/// What a rule has found: whose, and what was measured.
type Found = (Option<String>, String);

impl Rule {
    /// Its name: `rule:slow-llm`.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    fn due(&self, (subject, measured): Found, now: Timestamp) -> Due {
        let name = |text: &str| Name::outside(text).unwrap_or_default();
        let window = short(self.window / 1_000_000);
        let bound = self.condition.bound();
        let mut alert = AlertEvent::new(
            now,
            self.condition.kind(),
            self.name.clone(),
            name(&bound),
            name(&window),
        );
        alert.subject = subject.as_deref().map(shaped);
        alert.measured = Some(name(&measured));
        let of = alert
            .subject
            .as_ref()
            .map_or(String::new(), |subject| format!(":{subject}"));
        alert.id = name(&format!("{}{of}:{bound}:{window}", self.name));
        Due {
            alert,
            quiet_since: Some(Timestamp(now.0.saturating_sub(self.window))),
        }
    }

    /// How far back it looks.
    fn reach(&self) -> i64 {
        match self.condition {
            Condition::NoCalls(us) => us,
            _ => self.window,
        }
    }

    /// What it finds among the calls of its window.
    fn judge(&self, calls: &[LedgerCall], now: Timestamp) -> Vec<Found> {
        let since = now.0.saturating_sub(self.reach());
        let calls = calls
            .iter()
            .filter(|call| call.started_at.0 >= since && self.scope.takes(call));
        let one =
            |found: Option<String>| found.map(|measured| (None, measured)).into_iter().collect();
        match self.condition {
            Condition::FirstItemP95(bound) => {
                let spans = calls.filter_map(|call| call.timing?.first_item);
                one(self.slow(spans.map(Span::us).collect(), bound))
            }
            Condition::ElapsedP95(bound) => {
                let over = calls.filter(|call| call.outcome.is_some());
                let spans = over.filter_map(|call| Some(call.timing?.elapsed.us()));
                one(self.slow(spans.collect(), bound))
            }
            Condition::ErrorRate(bound) => one(self.failing(calls, bound)),
            Condition::NoUsage => self.unmetered(calls),
            Condition::Unpriced => self.unpriced(calls),
            Condition::NoCalls(us) => one((calls.count() == 0).then(|| short(us / 1_000_000))),
            Condition::UserToBotP95(_) | Condition::Idle(_) => Vec::new(),
        }
    }

    /// The 95th of a hundred, by nearest rank, where it is above the bound.
    fn slow(&self, mut spans: Vec<u64>, bound: u64) -> Option<String> {
        spans.sort_unstable();
        let enough = spans.len() as u64 >= self.at_least.max(1);
        let p95 = *spans.get((spans.len() * 95).div_ceil(100).checked_sub(1)?)?;
        (enough && p95 > bound).then(|| millis(p95))
    }

    fn failing<'c>(
        &self,
        calls: impl Iterator<Item = &'c LedgerCall>,
        bound: u64,
    ) -> Option<String> {
        let (mut over, mut failed) = (0_u64, 0_u64);
        for outcome in calls.filter_map(|call| call.outcome) {
            over += 1;
            failed += u64::from(matches!(
                outcome,
                Outcome::Failed | Outcome::Panicked | Outcome::Crashed
            ));
        }
        let share = failed * 1_000 / over.max(1);
        (over >= self.at_least.max(1) && share >= bound && failed > 0).then(|| decimal(share))
    }

    /// Stages of which all calls that came to their end are without usage.
    fn unmetered<'c>(&self, calls: impl Iterator<Item = &'c LedgerCall>) -> Vec<Found> {
        let mut stages: BTreeMap<&str, (u64, bool)> = BTreeMap::new();
        for call in calls.filter(|call| call.outcome == Some(Outcome::Completed)) {
            let (count, metered) = stages.entry(&call.stage).or_default();
            *count += 1;
            *metered |= !call.usage.is_empty();
        }
        stages
            .into_iter()
            .filter(|(_, (count, metered))| !metered && *count >= self.at_least.max(1))
            .map(|(stage, (count, _))| (Some(stage.to_owned()), count.to_string()))
            .collect()
    }

    /// Models that were used and have no price, once each.
    fn unpriced<'c>(&self, calls: impl Iterator<Item = &'c LedgerCall>) -> Vec<Found> {
        let mut models = BTreeMap::new();
        for attempt in calls.flat_map(|call| &call.attempts) {
            let (provider, model) = (attempt.provider.as_deref(), attempt.model.as_deref());
            let cost = attempt.cost.as_ref();
            let unpriced = cost.is_some_and(|cost| cost.why.iter().any(|why| why.is_unpriced()));
            if unpriced && self.scope.serves(provider, model) {
                let model = model.unwrap_or("unnamed");
                let subject = format!("{}/{model}", provider.unwrap_or("unnamed"));
                models.insert(subject, model);
            }
        }
        models
            .into_iter()
            .map(|(subject, model)| (Some(subject), model.to_owned()))
            .collect()
    }
}

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
        let calls = self.calls(now)?;
        let mut due = Vec::new();
        for rule in &self.rules {
            let listened = now.0.saturating_sub(since.0) >= rule.reach();
            let found = match rule.condition {
                Condition::NoCalls(_) if !listened => Vec::new(),
                Condition::UserToBotP95(bound) => self.waiting(rule, bound, now)?,
                Condition::Idle(us) => intake.map_or(Vec::new(), |intake| idle(rule, intake, us)),
                _ => rule.judge(&calls, now),
            };
            due.extend(found.into_iter().map(|found| rule.due(found, now)));
        }
        Ok(due)
    }

    fn reader(&mut self) -> Result<&Reader, LedgerError> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => Reader::open(&self.ledger)?,
        };
        Ok(self.reader.insert(reader))
    }

    /// The calls of the longest window.
    fn calls(&mut self, now: Timestamp) -> Result<Vec<LedgerCall>, LedgerError> {
        let reads = |rule: &&Rule| {
            !matches!(
                rule.condition,
                Condition::UserToBotP95(_) | Condition::Idle(_)
            )
        };
        let Some(reach) = self.rules.iter().filter(reads).map(Rule::reach).max() else {
            return Ok(Vec::new());
        };
        let query = Query::default().since(Timestamp(now.0.saturating_sub(reach)));
        let mut calls = Vec::new();
        let keep = |call| {
            calls.push(call);
            ControlFlow::Continue(())
        };
        let read = self.reader()?.calls(&query, keep);
        if let Err(error) = read {
            // The file may be another one when it comes back.
            self.reader = None;
            return Err(error);
        }
        Ok(calls)
    }

    fn waiting(&self, rule: &Rule, bound: u64, now: Timestamp) -> Result<Vec<Found>, LedgerError> {
        let query = Query::default().since(Timestamp(now.0.saturating_sub(rule.window)));
        let turns = Reader::open(&self.ledger)?
            .latency(&query)?
            .turns
            .user_to_bot;
        let slow = turns
            .quantile(950)
            .filter(|p95| *p95 > bound && turns.count() >= rule.at_least.max(1));
        Ok(slow.map(|p95| (None, millis(p95))).into_iter().collect())
    }
}

/// Open connections into which audio goes, and from which nothing has come for so long; the longest of each stage.
fn idle(rule: &Rule, intake: &Intake, bound: u64) -> Vec<Found> {
    let now = intake.clock().tick();
    let mut stages: BTreeMap<String, u64> = BTreeMap::new();
    let fits = |wanted: &Option<String>, known: &str| {
        wanted.as_deref().is_none_or(|wanted| wanted == known)
    };
    for record in intake.open_calls() {
        if !fits(&rule.scope.stage, record.stage()) {
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
    use campanile_core::{Clock, Ids, Tick, TimeSource};
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
