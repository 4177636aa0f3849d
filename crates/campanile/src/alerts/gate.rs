//! A budget as a gate: calls go through while there is room for them.
//!
//! ```text
//!  limit ├──────────────────────────────────────────────────────┤
//!        │ others (ledger, once a second) │ own │ held │  room  │
//! ```
//!
//! What this process has spent is known as soon as it is sealed, what others have on the same ledger within a second or so. What
//! is held for a call is given back in the moment in which its cost is counted.

use super::budget::Budget;
use super::scope::Per;
use super::spent::{Account, Spent, Sums};
use super::window::{Stretch, floor};
use campanile_core::{Clock, Cost, Gate, Hold, Money, Name, OverBudget, Record, Timestamp};
use campanile_sinks::ledger::{LedgerError, Spending};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Lets calls through as long as a budget has room for them; see [`Monitor::gate`](crate::Monitor::gate).
#[derive(Clone)]
pub struct BudgetGate {
    purses: Arc<Purses>,
    reserve: Money,
}

/// What is spent and held of one budget, by subject.
pub(crate) struct Purses {
    budget: Budget,
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    window: Stretch,
    purses: HashMap<Box<str>, Purse>,
}

#[derive(Debug, Default)]
struct Purse {
    others: Money,
    own: Money,
    /// What calls without an upper bound may have cost above what is certain, by the step of the window in which they ended.
    assumed: BTreeMap<Timestamp, Money>,
    held: Money,
}

impl Purse {
    /// What counts; an amount that does not fit is more than any limit.
    fn spent(&self) -> Money {
        let certain = self.others.checked_add(self.own);
        let mut assumed = self.assumed.values();
        let sum = certain.and_then(|sum| assumed.try_fold(sum, |sum, part| sum.checked_add(*part)));
        sum.unwrap_or(Money::from_grains(i128::MAX / 4))
    }

    fn is_empty(&self) -> bool {
        let amounts = [self.others, self.own, self.held];
        self.assumed.is_empty() && amounts == [Money::ZERO; 3]
    }
}

impl State {
    /// Leaves behind what was assumed before the window. All that was spent in a `new` one is still to be told.
    fn moves(&mut self, window: Stretch, new: bool) {
        self.purses.retain(|_, purse| {
            purse.assumed = purse.assumed.split_off(&window.since);
            if new {
                (purse.others, purse.own) = (Money::ZERO, Money::ZERO);
            }
            !purse.is_empty()
        });
        self.window = window;
    }
}

impl Purses {
    fn lock(&self, now: Timestamp) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let window = &self.budget.window;
        let moved = match window.rolls_since(now) {
            Some(since) => since > state.window.since,
            None => now >= state.window.until,
        };
        if moved {
            state.moves(window.at(now), !window.is_rolling());
        }
        state
    }

    /// Takes over sums of the window of `now`.
    fn set(
        &self,
        now: Timestamp,
        sums: &BTreeMap<&str, Spent>,
        change: impl Fn(&mut Purse, Money),
    ) {
        let mut state = self.lock(now);
        for purse in state.purses.values_mut() {
            change(purse, Money::ZERO);
        }
        for (subject, spent) in sums {
            change(
                state.purses.entry((*subject).into()).or_default(),
                spent.known,
            );
        }
    }

    fn settle(&self, subject: &str, reserve: Money, cost: Option<&Cost>) {
        let now = self.clock.now();
        let mut state = self.lock(now);
        let Some(purse) = state.purses.get_mut(subject) else {
            return;
        };
        purse.held = purse.held.checked_sub(reserve).unwrap_or(Money::ZERO);
        // Unknown is not nothing: it counts with what was held for it, at least.
        let open = cost.filter(|cost| cost.at_most.is_none());
        let above = open.and_then(|cost| reserve.checked_sub(cost.at_least));
        if let Some(above) = above.filter(|above| *above > Money::ZERO) {
            let step = floor(now.0, self.budget.window.step());
            let assumed = purse.assumed.entry(step).or_default();
            *assumed = assumed.checked_add(above).unwrap_or(*assumed);
        }
    }

    /// Whose money a call would spend; `None` where nobody can say.
    fn subject(&self, record: &Record) -> Option<String> {
        let session = || record.turn().map(|turn| turn.session().id().to_string());
        match &self.budget.scope.per {
            None => Some(String::new()),
            Some(Per::Stage) => Some(record.stage().to_string()),
            Some(Per::Session) => session(),
            Some(Per::Label(name)) => record.draft(|draft| {
                let found = draft.labels.iter().find(|(known, _)| known == name);
                found.map(|(_, value)| value.to_string())
            }),
            Some(Per::Provider | Per::Model) => None,
        }
    }
}

impl Gate for BudgetGate {
    fn admit(&self, record: &Record) -> Result<Hold, OverBudget> {
        let purses = &self.purses;
        let Some(subject) = purses.subject(record) else {
            return Ok(Hold::new(|_| {}));
        };
        let now = purses.clock.now();
        let mut state = purses.lock(now);
        let resets = state.window.until;
        let purse = state.purses.entry(subject.as_str().into()).or_default();
        let (spent, held) = (purse.spent(), purse.held);
        let wanted = held
            .checked_add(self.reserve)
            .and_then(|held| held.checked_add(spent));
        let limit = purses.budget.limit;
        if wanted.is_none_or(|wanted| wanted > limit) {
            let mut over = OverBudget::new(purses.budget.name.clone(), limit, spent, held);
            let rolling = purses.budget.window.is_rolling();
            over.resets_at = (!rolling).then(|| purses.budget.window.local(resets));
            return Err(over);
        }
        purse.held = held.checked_add(self.reserve).unwrap_or(held);
        drop(state);
        let (purses, reserve) = (Arc::clone(purses), self.reserve);
        Ok(Hold::new(move |cost| {
            purses.settle(&subject, reserve, cost)
        }))
    }
}

impl fmt::Debug for BudgetGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetGate")
            .field("budget", &self.purses.budget.name)
            .field("reserve", &self.reserve)
            .finish_non_exhaustive()
    }
}

/// The budgets of a monitor that are gates.
#[derive(Clone, Default)]
pub(crate) struct Gates(Arc<Mutex<Vec<Arc<Purses>>>>);

impl fmt::Debug for Gates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gates({})", self.all().len())
    }
}

impl Gates {
    fn all(&self) -> Vec<Arc<Purses>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    /// A gate for a budget: the same purse, however often it is asked for.
    pub(crate) fn open(&self, budget: &Budget, clock: &Clock, reserve: Money) -> BudgetGate {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.iter().find(|purses| purses.budget.name == budget.name);
        let purses = known.cloned().unwrap_or_else(|| {
            let state = State {
                window: budget.window.at(clock.now()),
                purses: HashMap::new(),
            };
            let purses = Arc::new(Purses {
                budget: budget.clone(),
                clock: clock.clone(),
                state: Mutex::new(state),
            });
            all.push(Arc::clone(&purses));
            purses
        });
        BudgetGate { purses, reserve }
    }

    /// Takes over what the process itself has spent: `budgets` are those that `sums` were counted for.
    pub(crate) fn set_own(&self, budgets: &[Budget], sums: &Sums, now: Timestamp) {
        for purses in self.all() {
            let number = budgets
                .iter()
                .position(|budget| budget.name == purses.budget.name);
            let Some(number) = number else { continue };
            let stretch = purses.budget.window.at(now);
            let time = stretch.since..stretch.until;
            let spent = Sums::within(std::iter::once(sums), number, &time);
            purses.set(now, &spent, |purse, own| purse.own = own);
        }
    }
}

/// Follows what other processes spend on the same ledger.
#[derive(Default)]
pub(crate) struct Others {
    /// For so many gates.
    spending: Option<(usize, Spending<Sums>)>,
}

impl Others {
    /// Tells the gates what others have spent.
    pub(crate) fn look(
        &mut self,
        gates: &Gates,
        (ledger, run): (&Path, i64),
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let all = gates.all();
        let budgets = || all.iter().map(|purses| &purses.budget);
        let since = budgets().map(|budget| budget.window.at(now).since).min();
        let Some(since) = since else { return Ok(()) };
        let known = self
            .spending
            .take()
            .filter(|(count, _)| *count == all.len());
        let mut spending = match known {
            Some((_, spending)) => spending,
            None => {
                let account = |budget: &Budget| {
                    let mut account = budget.account();
                    account.scope.others = true;
                    account
                };
                let accounts: Vec<Account> = budgets().map(account).collect();
                let labels = accounts.iter().any(|account| account.scope.wants_labels());
                Spending::open(ledger, accounts)?.labels(labels).own(run)
            }
        };
        spending.refresh(since, now)?;
        for (number, purses) in all.iter().enumerate() {
            let stretch = purses.budget.window.at(now);
            let time = stretch.since..stretch.until;
            let spent = Sums::within(spending.sums(), number, &time);
            purses.set(now, &spent, |purse, others| purse.others = others);
        }
        self.spending = Some((all.len(), spending));
        Ok(())
    }
}

/// There is no such gate: what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoGate(pub(crate) String);

impl NoGate {
    /// No budget of that name.
    pub(crate) fn unknown(name: &str, budgets: &[Budget]) -> Self {
        let names: Vec<&str> = budgets
            .iter()
            .map(|budget| without_prefix(&budget.name))
            .collect();
        match names.is_empty() {
            true => Self(format!(
                "there is no budget `{name}`: add a `[[budget]]` of that name"
            )),
            false => Self(format!(
                "there is no budget `{name}`; there are: {}",
                names.join(", ")
            )),
        }
    }
}

/// The name of a budget without what its alerts say before it.
pub(crate) fn without_prefix(name: &Name) -> &str {
    name.strip_prefix("budget:").unwrap_or(name)
}

impl fmt::Display for NoGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoGate {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use campanile_core::{Ids, Intake, Span, Tick, TimeSource};
    use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

    struct Hand(Arc<AtomicI64>);

    impl TimeSource for Hand {
        fn tick(&self) -> Tick {
            Tick(1)
        }
        fn now(&self) -> Timestamp {
            Timestamp(self.0.load(Relaxed))
        }
    }

    #[test]
    fn who_has_spent_nothing_for_a_whole_window_is_forgotten() {
        let at = Arc::new(AtomicI64::new(1_795_485_029_000_000));
        let intake = Intake::new(Clock::new(Hand(Arc::clone(&at))), Ids::seeded(1));
        let text = "[[budget]]\nper = \"stage\"\nusd = \"1\"\nwindow = \"24h\"";
        let config = Config::parse(text, "campanile.toml".as_ref()).unwrap();
        let budget = &config.budgets().unwrap()[0];
        let gate = Gates::default().open(budget, intake.clock(), Money::from_grains(1));
        let admit = |stage: &'static str| {
            let record = intake.open(&stage.into(), None, Span(0));
            gate.admit(&record).unwrap()
        };
        let subjects = || {
            let state = gate.purses.state.lock().unwrap();
            let mut subjects: Vec<String> = state.purses.keys().map(ToString::to_string).collect();
            subjects.sort();
            subjects
        };

        let held = admit("llm");
        admit("stt").settle(&Cost::unknown(campanile_core::Reason::UnknownModel));
        drop(admit("tts"));
        assert_eq!(subjects(), ["llm", "stt", "tts"]);
        at.fetch_add(23 * 3_600_000_000, Relaxed);
        drop(admit("vad"));
        assert_eq!(subjects(), ["llm", "stt", "vad"]);
        at.fetch_add(2 * 3_600_000_000, Relaxed);
        drop(admit("vad"));
        assert_eq!(subjects(), ["llm", "vad"]);
        drop(held);
    }
}
