//! What this process has spent itself, as it happens, in memory.

use super::budget::{Budget, Due};
use super::courier::InMemory;
use super::gate::Gates;
use super::spent::{Account, Sums};
use campanile_core::{AlertEvent, Attempt, CallId, Money, Name, Span, Tick, Timestamp};
use campanile_sinks::ledger::{Count as _, Spend};
use std::collections::{BTreeMap, HashMap};

/// How many parts are remembered that may still change.
const REMEMBERED: usize = 16 * 1024;
/// How often gates are told, at least.
const GATES_PACE: Span = Span(1_000_000_000);
/// How often standings are looked at, at most.
const PACE: Span = Span(100_000_000);

/// Whose call a part is of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whose<'a> {
    pub(crate) call: CallId,
    pub(crate) at: Timestamp,
    pub(crate) stage: &'a str,
    pub(crate) session: Option<&'a str>,
    pub(crate) labels: &'a [(&'static str, Name)],
}

/// Sums of the process's own calls; each part counts with the amount that was known of it last.
#[derive(Debug, Default)]
pub(crate) struct Own {
    budgets: Vec<Budget>,
    /// Whether nobody else tells of them.
    tells: bool,
    accounts: Vec<Account>,
    sums: Sums,
    /// Parts that may still change, each with the turn at which it was counted last.
    parts: HashMap<(CallId, u32), (u64, Part)>,
    /// The same by their turns.
    turns: BTreeMap<u64, (CallId, u32)>,
    /// The next turn.
    turn: u64,
    gates: Gates,
    /// Webhooks that are to be told.
    debts: InMemory,
    webhooks: Vec<Name>,
    /// Alerts that were told, and when.
    told: HashMap<Name, Timestamp>,
    changed: bool,
    looked: Option<Tick>,
    gated: Option<Tick>,
}

/// A part as it was counted.
#[derive(Clone, Debug)]
struct Part {
    at: Timestamp,
    stage: String,
    session: Option<String>,
    provider: Option<Name>,
    model: Option<Name>,
    labels: Vec<(&'static str, Name)>,
    at_least: Money,
    at_most: Option<Money>,
}

impl Part {
    fn of(whose: &Whose<'_>, attempt: &Attempt) -> Option<Self> {
        let cost = attempt.cost.as_ref()?;
        Some(Self {
            at: whose.at,
            stage: whose.stage.to_owned(),
            session: whose.session.map(str::to_owned),
            provider: attempt.provider.clone(),
            model: attempt.model.clone(),
            labels: whose.labels.to_vec(),
            at_least: cost.at_least,
            at_most: cost.at_most,
        })
    }

    fn spend<T>(&self, with: impl FnOnce(&Spend<'_>) -> T) -> T {
        let labels: Vec<_> = self
            .labels
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let mut spend = Spend::new(self.at, self.at_least, self.at_most);
        spend.stage = &self.stage;
        spend.session = self.session.as_deref();
        spend.provider = self.provider.as_deref();
        spend.model = self.model.as_deref();
        spend.labels = &labels;
        with(&spend)
    }
}

impl Own {
    pub(crate) fn new(budgets: Vec<Budget>, tells: bool, gates: Gates) -> Self {
        Self {
            tells,
            gates,
            accounts: budgets.iter().map(Budget::account).collect(),
            budgets,
            ..Self::default()
        }
    }

    /// Has a webhook be told, too; where it stands what it is owed.
    pub(crate) fn owe(&mut self, webhook: Name) -> InMemory {
        self.webhooks.push(webhook);
        self.debts.clone()
    }

    /// Counts a part in place of what was known of it. `last`: nothing will be known of it any more.
    pub(crate) fn count(&mut self, whose: &Whose<'_>, attempt: &Attempt, last: bool) {
        if self.budgets.is_empty() {
            return;
        }
        let key = (whose.call, attempt.n);
        if let Some((turn, before)) = self.parts.remove(&key) {
            self.turns.remove(&turn);
            before.spend(|spend| self.sums.uncount(&self.accounts, spend));
        }
        let Some(part) = Part::of(whose, attempt) else {
            return;
        };
        part.spend(|spend| self.sums.count(&self.accounts, spend));
        self.changed = true;
        if last {
            return;
        }
        self.parts.insert(key, (self.turn, part));
        self.turns.insert(self.turn, key);
        self.turn += 1;
        // What has not changed for long does not change any more; nor is it worth more memory.
        while self.turns.len() > REMEMBERED {
            if let Some((_, oldest)) = self.turns.pop_first() {
                self.parts.remove(&oldest);
            }
        }
    }

    /// Tells the gates what was spent: before what was held for it is given back, and once a second, since windows move on.
    pub(crate) fn tell_gates(&mut self, now: Timestamp, tick: Tick, at_once: bool) {
        let soon = self
            .gated
            .is_some_and(|gated| tick.since(gated) < GATES_PACE);
        if (soon && !at_once) || self.gates.is_empty() {
            return;
        }
        self.gated = Some(tick);
        self.gates.set_own(&self.budgets, &self.sums, now);
    }

    /// What is to be told, from time to time.
    pub(crate) fn due(&mut self, now: Timestamp, tick: Tick) -> Vec<AlertEvent> {
        let soon = self.looked.is_some_and(|looked| tick.since(looked) < PACE);
        if !self.tells || !self.changed || soon {
            return Vec::new();
        }
        self.look(now, tick)
    }

    /// What is to be told, now.
    pub(crate) fn look(&mut self, now: Timestamp, tick: Tick) -> Vec<AlertEvent> {
        if !self.tells {
            return Vec::new();
        }
        (self.changed, self.looked) = (false, Some(tick));
        let back = self.budgets.iter().map(|budget| budget.looks_back_to(now));
        if let Some(since) = back.min() {
            self.sums.forget(since);
        }
        let mut due = Vec::new();
        for (number, budget) in self.budgets.iter().enumerate() {
            let all = std::iter::once(&self.sums);
            for standing in budget.standings(all, number, now) {
                due.extend(budget.due(&standing, now));
            }
        }
        due.into_iter()
            .filter_map(|due| self.raise(due, now))
            .collect()
    }

    fn raise(&mut self, due: Due, now: Timestamp) -> Option<AlertEvent> {
        let told = self.told.get(&due.alert.id).copied();
        let again = told
            .zip(due.quiet_since)
            .is_some_and(|(told, since)| told <= since);
        if told.is_some() && !again {
            return None;
        }
        self.told.insert(due.alert.id.clone(), now);
        for webhook in &self.webhooks {
            self.debts.owe(webhook, &due.alert);
        }
        Some(due.alert)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use campanile_core::Cost;

    /// 2026-11-24T01:50:29Z.
    const NOW: Timestamp = Timestamp(1_795_485_029_000_000);
    const DAY: i64 = 86_400_000_000;

    fn own(budget: &str) -> Own {
        let text = format!("[[budget]]\n{budget}");
        let config = Config::parse(&text, "campanile.toml".as_ref()).unwrap();
        Own::new(config.budgets().unwrap(), true, Gates::default())
    }

    fn monthly() -> Own {
        own("provider = \"openai\"\nusd = \"50\"\nwarn_at = [1.0, 0.5, 0.8]")
    }

    fn exact(usd: &str) -> Cost {
        Cost::exact(Money::from_usd(usd).unwrap())
    }

    impl Own {
        /// Counts a part of a call; what is told then.
        fn spend(&mut self, at: Timestamp, call: u128, cost: Cost, last: bool) -> Vec<String> {
            let mut attempt = Attempt::new(1);
            attempt.provider = Some("openai".into());
            attempt.cost = Some(cost);
            let whose = Whose {
                call: CallId(call),
                at,
                stage: "llm",
                session: Some("s1"),
                labels: &[],
            };
            self.count(&whose, &attempt, last);
            let alerts = self.look(at, Tick(0));
            alerts
                .iter()
                .map(|alert| alert.threshold.to_string())
                .collect()
        }
    }

    #[test]
    fn each_share_is_told_once_a_window() {
        let mut own = monthly();

        assert!(own.spend(NOW, 1, exact("24.999999"), true).is_empty());
        assert_eq!(own.spend(NOW, 2, exact("0.000001"), true), ["0.5"]);
        assert_eq!(own.spend(NOW, 3, exact("30"), true), ["0.8", "1"]);
        assert!(own.spend(NOW, 4, exact("30"), true).is_empty());
        let december = Timestamp(NOW.0 + 10 * DAY);
        assert_eq!(own.spend(december, 5, exact("26"), true), ["0.5"]);
    }

    #[test]
    fn a_part_counts_with_what_was_known_of_it_last() {
        let mut own = monthly();

        assert!(own.spend(NOW, 1, exact("20"), false).is_empty());
        assert!(own.spend(NOW, 1, exact("24"), false).is_empty());
        assert!(own.spend(NOW, 1, exact("10"), true).is_empty());
        assert!(own.spend(NOW, 2, exact("14.999"), true).is_empty());
        assert_eq!(own.spend(NOW, 3, exact("0.001"), true), ["0.5"]);
    }

    #[test]
    fn a_long_call_counts_once_however_often_it_was_looked_at() {
        let mut own = monthly();
        let mut attempt = Attempt::new(1);
        attempt.provider = Some("openai".into());
        attempt.cost = Some(exact("20"));
        let whose = Whose {
            call: CallId(1),
            at: NOW,
            stage: "stt",
            session: None,
            labels: &[],
        };
        for _ in 0..2 * REMEMBERED {
            own.count(&whose, &attempt, false);
        }

        assert!(own.spend(NOW, 2, exact("4.999999"), true).is_empty());
        assert_eq!(own.spend(NOW, 3, exact("0.000001"), true), ["0.5"]);
        assert_eq!((own.parts.len(), own.turns.len()), (1, 1));
    }

    #[test]
    fn the_upper_bound_counts_and_what_has_none_is_told() {
        let mut own = monthly();
        let range = |least, most: Option<&str>| {
            let mut cost = exact(least);
            cost.at_most = most.and_then(Money::from_usd);
            cost
        };

        assert_eq!(own.spend(NOW, 1, range("1", Some("26")), true), ["0.5"]);
        assert_eq!(own.spend(NOW, 2, range("0", None), true), ["unbounded"]);
        // What is known above it counts all the same.
        assert_eq!(own.spend(NOW, 3, range("3", Some("14")), true), ["0.8"]);
    }

    #[test]
    fn a_rolling_window_tells_again_when_all_of_it_has_gone() {
        let mut own = own("usd = \"10\"\nwindow = \"24h\"\nwarn_at = [1.0]");
        let at = |hours: i64| Timestamp(NOW.0 + hours * DAY / 24);

        assert_eq!(own.spend(at(0), 1, exact("11"), true), ["1"]);
        assert!(own.spend(at(23), 2, exact("11"), true).is_empty());
        assert_eq!(own.spend(at(25), 3, exact("1"), true), ["1"]);
        assert!(own.spend(at(70), 4, exact("9"), true).is_empty());
    }

    #[test]
    fn each_session_has_a_limit_of_its_own() {
        let mut own = own("per = \"session\"\nusd = \"1\"\nwindow = \"day\"");
        own.spend(NOW, 1, exact("0.4"), true);
        let mut attempt = Attempt::new(1);
        attempt.cost = Some(exact("0.6"));
        let whose = |session| Whose {
            call: CallId(7),
            at: NOW,
            stage: "llm",
            session,
            labels: &[],
        };
        own.count(&whose(Some("s2")), &attempt, true);
        own.count(&whose(None), &attempt, true);

        let alerts = own.look(NOW, Tick(0));

        let told: Vec<_> = alerts.iter().map(|alert| alert.id.to_string()).collect();
        assert_eq!(told, ["budget:all/session:day:s2:1:2026-11-24:0.5"]);
    }

    #[test]
    fn an_alert_says_when_the_limit_is_reached_at_this_rate() {
        let mut own = own("usd = \"50\"\ntimezone = \"Europe/Berlin\"\nwarn_at = [0.5]");
        // Ten dollars twelve hours ago, fifteen now: 25 more take another twelve hours.
        own.spend(Timestamp(NOW.0 - DAY / 2), 1, exact("10"), true);
        let mut attempt = Attempt::new(1);
        attempt.cost = Some(exact("15"));
        let whose = Whose {
            call: CallId(2),
            at: NOW,
            stage: "llm",
            session: None,
            labels: &[],
        };
        own.count(&whose, &attempt, true);

        let alerts = own.look(NOW, Tick(0));

        assert_eq!(
            alerts[0].to_string(),
            "budget:all:month: $25.00 of $50.00 in 2026-11, 50 % passed; \
             at this rate $50.00 on Tuesday 2026-11-24 14:55; resets 2026-12-01T00:00:00+01:00"
        );
    }
}
