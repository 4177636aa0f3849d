//! Tells alerts that are owed to a webhook, each at least once.
//!
//! A try that fails is put off, longer each time; a try that never ends (the process died) is taken over by whoever has the same
//! webhook, a minute later. The id of the alert goes along, so that the other side knows what it has had.

use super::webhook::{Refused, Webhook};
use campanile_core::{AlertEvent, Name, Timestamp};
use campanile_sinks::ledger::{AlertBook, Durability, LedgerError, Owed};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long others leave an alert alone that one has begun to tell. Longer than a try may take.
pub(crate) const LEASE_US: i64 = 60_000_000;
/// The first pause after a failure, and the longest.
const PAUSE_US: (i64, i64) = (1_000_000, 300_000_000);
/// For how long an alert is worth telling.
const WORTH_US: i64 = 3 * Timestamp::DAY_US;
/// How many alerts are owed in memory, at most.
const MAX_OWED: usize = 1_024;

/// Where it stands who is still to be told.
pub(crate) trait Debts: Send {
    fn claim(
        &mut self,
        target: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Owed>, LedgerError>;
    fn put_off(&mut self, id: &str, target: &str, due: Timestamp) -> Result<(), LedgerError>;
    fn told(&mut self, id: &str, target: &str) -> Result<(), LedgerError>;
}

/// Debts that stand in a ledger, on a connection that is opened when it is needed, and anew after trouble.
#[derive(Debug)]
pub(crate) struct InLedger {
    path: PathBuf,
    durability: Durability,
    book: Option<AlertBook>,
}

impl InLedger {
    pub(crate) fn new(path: &Path, durability: Durability) -> Self {
        Self {
            path: path.to_owned(),
            durability,
            book: None,
        }
    }

    /// The same, on another connection.
    pub(crate) fn another(&self) -> Self {
        Self::new(&self.path, self.durability)
    }

    pub(crate) fn with<T>(
        &mut self,
        with: impl FnOnce(&mut AlertBook) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let mut book = match self.book.take() {
            Some(book) => book,
            None => AlertBook::open(&self.path, self.durability)?,
        };
        let done = with(&mut book)?;
        self.book = Some(book);
        Ok(done)
    }
}

impl Debts for InLedger {
    fn claim(
        &mut self,
        target: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Owed>, LedgerError> {
        self.with(|book| book.claim(target, now, until))
    }
    fn put_off(&mut self, id: &str, target: &str, due: Timestamp) -> Result<(), LedgerError> {
        self.with(|book| book.put_off(id, target, due))
    }
    fn told(&mut self, id: &str, target: &str) -> Result<(), LedgerError> {
        self.with(|book| book.told(id, target))
    }
}

/// Debts of a process without a ledger: they end with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct InMemory(Arc<Mutex<Vec<(Name, Timestamp, Owed)>>>);

impl InMemory {
    /// Notes that `target` is to be told. What does not fit any more is lost: the first ones say most.
    pub(crate) fn owe(&self, target: &Name, alert: &AlertEvent) {
        let mut owed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if owed.len() < MAX_OWED {
            let json = serde_json::to_string(alert).unwrap_or_default();
            let id = alert.id.to_string();
            owed.push((target.clone(), alert.at, Owed::new(id, json)));
        }
    }
}

impl Debts for InMemory {
    fn claim(
        &mut self,
        target: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Owed>, LedgerError> {
        let mut owed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = owed
            .iter_mut()
            .find(|(name, due, _)| *name == *target && *due <= now);
        Ok(due.map(|(_, due, owed)| {
            *due = until;
            owed.tries += 1;
            owed.clone()
        }))
    }

    fn put_off(&mut self, id: &str, target: &str, until: Timestamp) -> Result<(), LedgerError> {
        let mut owed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, due, owed) in owed.iter_mut() {
            if *name == *target && owed.id == id {
                *due = until;
            }
        }
        Ok(())
    }

    fn told(&mut self, id: &str, target: &str) -> Result<(), LedgerError> {
        let mut owed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        owed.retain(|(name, _, owed)| *name != *target || owed.id != id);
        Ok(())
    }
}

/// Tells one webhook what it is owed.
pub(crate) struct Courier {
    webhook: Webhook,
    debts: Box<dyn Debts>,
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing is due.
    Idle,
    /// One alert was told.
    Told,
    /// It is tried again later.
    PutOff { why: String, tries: u32 },
    /// It never will be told.
    GivenUp { id: String, why: String },
}

impl Courier {
    pub(crate) fn new(webhook: Webhook, debts: Box<dyn Debts>) -> Self {
        Self { webhook, debts }
    }

    pub(crate) fn name(&self) -> &Name {
        self.webhook.name()
    }

    /// Tells the next alert that is due. It blocks for as long as the webhook does.
    pub(crate) fn step(&mut self, now: Timestamp) -> Result<Step, LedgerError> {
        let name = self.webhook.name().clone();
        let lease = Timestamp(now.0.saturating_add(LEASE_US));
        let Some(owed) = self.debts.claim(&name, now, lease)? else {
            return Ok(Step::Idle);
        };
        let Ok(alert) = serde_json::from_str::<AlertEvent>(&owed.json) else {
            // Of a newer campanile, or damaged: nobody here can tell it.
            self.debts.told(&owed.id, &name)?;
            let why = "it cannot be read".to_owned();
            return Ok(Step::GivenUp { id: owed.id, why });
        };
        match self.webhook.tell(&alert) {
            Ok(()) => self.debts.told(&owed.id, &name).map(|()| Step::Told),
            Err(Refused { why, .. }) if now.0.saturating_sub(alert.at.0) > WORTH_US => {
                self.debts.told(&owed.id, &name)?;
                Ok(Step::GivenUp { id: owed.id, why })
            }
            Err(refused) => {
                let due = Timestamp(now.0.saturating_add(pause(owed.tries, refused.retry_after)));
                self.debts.put_off(&owed.id, &name, due)?;
                Ok(Step::PutOff {
                    why: refused.why,
                    tries: owed.tries,
                })
            }
        }
    }
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Courier")
            .field("webhook", &self.webhook)
            .finish_non_exhaustive()
    }
}

/// Twice as long after each try, unless the other side says how long.
fn pause(tries: u32, asked: Option<Duration>) -> i64 {
    let (first, longest) = PAUSE_US;
    let doubled = first << tries.saturating_sub(1).min(20);
    let asked = asked.map(|wait| i64::try_from(wait.as_micros()).unwrap_or(longest));
    asked.unwrap_or(doubled).clamp(first, longest)
}

#[cfg(test)]
mod tests;
