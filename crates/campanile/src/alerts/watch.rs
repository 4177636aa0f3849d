//! Looks after budgets in a ledger.

use super::budget::{Budget, Due, Standing};
use super::spent::Sums;
use campanile_core::{AlertEvent, Name, Timestamp};
use campanile_sinks::ledger::{AlertBook, Durability, LedgerError, Spending};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Ids of alerts that are known to be raised; more than so many are asked for again.
const KNOWN: usize = 64 * 1024;
/// How long an alert that may come again, and has come, is not asked for.
const QUIET_US: i64 = 60_000_000;

/// Looks after budgets in a ledger: where they stand, and what is new.
///
/// It reads and writes on the thread that calls, and waits for the disk. Any number of processes may look at the same ledger:
/// each alert is new to one of them.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    durability: Durability,
    budgets: Vec<Budget>,
    targets: Vec<Name>,
    run: i64,
    spending: Option<Spending<Sums>>,
    book: Option<AlertBook>,
    /// Alerts that were raised, by whomever, and until when nobody has to ask again.
    known: HashMap<Name, Timestamp>,
}

impl Watch {
    /// Watches budgets over the ledger at `path`. Nothing is opened yet.
    #[must_use]
    pub fn new(path: impl AsRef<Path>, budgets: Vec<Budget>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            durability: Durability::Durable,
            budgets,
            targets: Vec::new(),
            run: i64::MIN,
            spending: None,
            book: None,
            known: HashMap::new(),
        }
    }

    /// Sets when a raised alert counts as written (default: [`Durability::Durable`]).
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets who is to be told of each alert, beside the caller of [`look`](Self::look) (default: nobody).
    #[must_use]
    pub fn targets(mut self, targets: Vec<Name>) -> Self {
        self.targets = targets;
        self
    }

    /// Sets which run of the ledger is this process, see [`Ledger::run`](campanile_sinks::ledger::Ledger::run).
    #[must_use]
    pub fn run(mut self, run: i64) -> Self {
        self.run = run;
        self
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

    /// Raises what is to be told. What is returned is new, and is the caller's to tell.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read or written. Nothing is forgotten: the next look finds it again.
    pub fn look(&mut self, now: Timestamp) -> Result<Vec<AlertEvent>, LedgerError> {
        let standings = self.refresh(now)?;
        let due = standings
            .iter()
            .flat_map(|(budget, standing)| self.budgets[*budget].due(standing, now))
            .collect::<Vec<_>>();
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
        let book = match &mut self.book {
            Some(book) => book,
            closed => closed.insert(AlertBook::open(&self.path, self.durability)?),
        };
        let (id, alert) = (due.alert.id.clone(), due.alert);
        let raised = match due.quiet_since {
            None => book
                .raise(&alert, &self.targets)
                .map(|new| new.then_some(alert)),
            Some(since) => book.raise_again(alert, since, &self.targets),
        };
        let until = match due.quiet_since {
            None => Timestamp(i64::MAX),
            Some(_) => Timestamp(now.0.saturating_add(QUIET_US)),
        };
        match &raised {
            Ok(_) => {
                if self.known.len() >= KNOWN {
                    self.known.clear();
                }
                self.known.insert(id, until);
            }
            // The file may be another one when it comes back.
            Err(_) => self.book = None,
        }
        raised
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
