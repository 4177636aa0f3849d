//! Looks after budgets in a ledger.

use super::budget::{Budget, Due, Standing};
use super::courier::{Courier, InLedger, LEASE_US, Step};
use super::rule::Rule;
use super::rules::Rules;
use super::spent::Sums;
use super::webhook::Webhook;
use campanile_core::{AlertEvent, Intake, Name, Timestamp};
use campanile_sinks::ledger::{Durability, LedgerError, Spending, Target};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Ids of alerts that are known to be raised; more than so many are asked for again.
const KNOWN: usize = 64 * 1024;
/// How long an alert that may come again, and has come, is not asked for.
const QUIET_US: i64 = 60_000_000;

/// The name under which the log is told.
pub(crate) const LOG: Name = Name::from_static("log");

/// Looks after budgets in a ledger: where they stand, and what is new.
///
/// It reads and writes on the thread that calls, and waits for the disk. Any number of processes may look at the same ledger:
/// each alert is new to one of them.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    budgets: Vec<Budget>,
    webhooks: Vec<Name>,
    /// Whether who looks writes alerts to logs, and says when it has.
    logs: bool,
    run: i64,
    rules: Rules,
    spending: Option<Spending<Sums>>,
    book: InLedger,
    /// Alerts that were raised, by whomever, and until when nobody has to ask again.
    known: HashMap<Name, Timestamp>,
}

impl Watch {
    /// Watches budgets over the ledger at `path`. Nothing is opened yet.
    #[must_use]
    pub fn new(path: impl AsRef<Path>, budgets: Vec<Budget>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            budgets,
            webhooks: Vec::new(),
            logs: false,
            run: i64::MIN,
            rules: Rules::new(path.as_ref(), Vec::new()),
            spending: None,
            book: InLedger::new(path.as_ref(), Durability::Durable),
            known: HashMap::new(),
        }
    }

    /// Sets when a raised alert counts as written (default: [`Durability::Durable`]).
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.book = InLedger::new(&self.path, durability);
        self
    }

    /// Sets rules that are looked after, too (default: none).
    #[must_use]
    pub fn rules(mut self, rules: Vec<Rule>) -> Self {
        self.rules = Rules::new(&self.path, rules);
        self
    }

    /// Sets the names of webhooks that are to be told of each alert (default: none).
    #[must_use]
    pub fn webhooks(mut self, names: Vec<Name>) -> Self {
        self.webhooks = names;
        self
    }

    /// Has it note which alerts are still to be logged, see [`forgotten`](Self::forgotten).
    #[must_use]
    pub(crate) fn logs(mut self) -> Self {
        self.logs = true;
        self
    }

    /// Itself without its rules, and what looks after these alone: they may read for longer than budgets can wait.
    pub(crate) fn apart(mut self) -> (Self, Option<Self>) {
        let rules = std::mem::replace(&mut self.rules, Rules::new(&self.path, Vec::new()));
        let apart = (!rules.is_empty()).then(|| Self {
            path: self.path.clone(),
            budgets: Vec::new(),
            webhooks: self.webhooks.clone(),
            logs: self.logs,
            run: self.run,
            rules,
            spending: None,
            book: self.book.another(),
            known: HashMap::new(),
        });
        (self, apart)
    }

    /// Where it stands in its ledger who is to be told.
    pub(crate) fn debts(&self) -> InLedger {
        self.book.another()
    }

    /// Sets which run of the ledger is this process, see [`Ledger::run`](campanile_sinks::ledger::Ledger::run).
    #[must_use]
    pub fn run(mut self, run: i64) -> Self {
        self.run = run;
        self
    }

    /// The ledger, and which of its runs is this process.
    pub(crate) fn ledger(&self) -> (&Path, i64) {
        (&self.path, self.run)
    }

    /// The budgets.
    #[must_use]
    pub fn budgets(&self) -> &[Budget] {
        &self.budgets
    }

    /// Where the budgets stand: in their windows of `now`, and for a day in those before. Reads only.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub fn standings(&mut self, now: Timestamp) -> Result<Vec<Standing>, LedgerError> {
        let standings = self.refresh(now)?;
        Ok(standings
            .into_iter()
            .map(|(_, standing)| standing)
            .collect())
    }

    /// Raises what is to be told. What is returned is new, and is the caller's to tell. Rules are judged from time to time: a twentieth of the shortest
    /// of their windows apart, but once a second at most and twice a minute at least.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read or written. Nothing is forgotten: the next look finds it again.
    pub fn look(&mut self, now: Timestamp) -> Result<Vec<AlertEvent>, LedgerError> {
        self.look_with(None, now)
    }

    /// Has the next look, which is the last one, judge rules however lately that was done: else it would leave out what has happened since.
    pub fn at_last(&mut self) {
        self.rules.at_last();
    }

    /// As [`look`](Self::look), and at the open calls of this process.
    pub(crate) fn look_with(
        &mut self,
        intake: Option<&Intake>,
        now: Timestamp,
    ) -> Result<Vec<AlertEvent>, LedgerError> {
        let standings = self.refresh(now)?;
        let mut due = standings
            .iter()
            .flat_map(|(budget, standing)| self.budgets[*budget].due(standing, now))
            .collect::<Vec<_>>();
        due.extend(self.rules.due(intake, now)?);
        let mut raised = Vec::new();
        for due in due {
            let asked = self.known.get(&due.alert.id);
            if asked.is_some_and(|until| now < *until) {
                continue;
            }
            raised.extend(self.raise(due, now)?);
        }
        Ok(raised)
    }

    fn raise(&mut self, due: Due, now: Timestamp) -> Result<Option<AlertEvent>, LedgerError> {
        let (id, alert) = (due.alert.id.clone(), due.alert);
        let targets = self.targets(now);
        let raised = self.book.with(|book| match due.quiet_since {
            None => Ok(book.raise(&alert, &targets)?.then_some(alert)),
            Some(since) => book.raise_again(alert, since, &targets),
        })?;
        let until = match due.quiet_since {
            None => Timestamp(i64::MAX),
            Some(_) => Timestamp(now.0.saturating_add(QUIET_US)),
        };
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known.insert(id, until);
        Ok(raised)
    }

    /// Tells webhooks what they are owed, one try each. It blocks for as long as they do; what cannot be told stays owed.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read or written.
    pub fn tell(&mut self, webhooks: &[Webhook], now: Timestamp) -> Result<(), LedgerError> {
        for webhook in webhooks {
            let mut courier = Courier::new(webhook.clone(), Box::new(self.debts()));
            while courier.step(now)? == Step::Told {}
        }
        Ok(())
    }

    /// Webhooks at once; the log is told by who raises the alert, and by others only if that one dies.
    fn targets(&self, now: Timestamp) -> Vec<Target> {
        let log = Timestamp(now.0.saturating_add(LEASE_US));
        let log = self.logs.then_some((LOG, log));
        let webhooks = self.webhooks.iter().map(|name| (name.clone(), now));
        webhooks.chain(log).collect()
    }

    /// Alerts that somebody has raised, and died before it had them logged: they are the caller's to tell.
    pub(crate) fn forgotten(&mut self, now: Timestamp) -> Result<Vec<AlertEvent>, LedgerError> {
        let until = Timestamp(now.0.saturating_add(LEASE_US));
        let mut forgotten = Vec::new();
        while let Some(owed) = self.book.with(|book| book.claim(&LOG, now, until))? {
            match serde_json::from_str(&owed.json) {
                Ok(alert) => forgotten.push(alert),
                // Of a newer campanile, or damaged: the ledger has it, and nobody here can tell it.
                Err(_) => self.logged(&owed.id)?,
            }
        }
        Ok(forgotten)
    }

    /// Notes that an alert was logged.
    pub(crate) fn logged(&mut self, id: &str) -> Result<(), LedgerError> {
        self.book.with(|book| book.told(id, &LOG))
    }

    /// Reads what has changed; where each budget stands.
    fn refresh(&mut self, now: Timestamp) -> Result<Vec<(usize, Standing)>, LedgerError> {
        let back = self.budgets.iter().map(|budget| budget.looks_back_to(now));
        let Some(since) = back.min() else {
            return Ok(Vec::new());
        };
        let mut spending = match self.spending.take() {
            Some(spending) => spending,
            None => {
                let accounts: Vec<_> = self.budgets.iter().map(Budget::account).collect();
                let labels = accounts.iter().any(|account| account.scope.wants_labels());
                Spending::open(&self.path, accounts)?
                    .labels(labels)
                    .own(self.run)
            }
        };
        // After an error it is opened anew: the file may be another one.
        spending.refresh(since, now)?;
        let spending = self.spending.insert(spending);
        let standings = |(number, budget): (usize, &Budget)| {
            let standings = budget.standings(spending.sums(), number, now);
            standings
                .into_iter()
                .map(move |standing| (number, standing))
        };
        Ok(self
            .budgets
            .iter()
            .enumerate()
            .flat_map(standings)
            .collect())
    }
}
