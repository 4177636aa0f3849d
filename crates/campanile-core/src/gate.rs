//! Letting calls through as long as there is money for them.

use crate::{Cost, LocalTime, Money, Name, Record};
use std::fmt;

/// Says whether a call may go ahead. What it may cost is held until it is known what it has cost.
pub trait Gate: Send + Sync {
    /// Lets a call through, or not. Runs on the caller's thread: it must be quick, and must not block.
    ///
    /// # Errors
    ///
    /// When there is no money left for it.
    fn admit(&self, record: &Record) -> Result<Hold, OverBudget>;
}

/// What is held back for a call: given back once, when its cost is counted, or when this is dropped.
///
/// It goes with the open record ([`Record::hold`]), so that a drop, a panic and a failure settle it like any other end.
pub struct Hold(Option<Settle>);

/// Gives back what was held; with what the call has cost, where that is known.
type Settle = Box<dyn FnOnce(Option<&Cost>) + Send + Sync>;

impl Hold {
    /// Runs `settle` once: with the cost of the call, or with nothing where it was never counted.
    #[must_use]
    pub fn new(settle: impl FnOnce(Option<&Cost>) + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(settle)))
    }

    /// The call has cost this, and it is counted.
    pub fn settle(mut self, cost: &Cost) {
        if let Some(settle) = self.0.take() {
            settle(Some(cost));
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(settle) = self.0.take() {
            settle(None);
        }
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").finish_non_exhaustive()
    }
}

/// A budget is used up: the error of a call that was not let through.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OverBudget {
    /// The budget.
    pub budget: Name,
    /// The limit.
    pub limit: Money,
    /// What was spent of it, upper bounds.
    pub spent: Money,
    /// What is held for calls under way.
    pub held: Money,
    /// When the next window begins; absent where it is a rolling one.
    pub resets_at: Option<LocalTime>,
}

impl OverBudget {
    /// A budget of which that much is spent and held.
    #[must_use]
    pub fn new(budget: Name, limit: Money, spent: Money, held: Money) -> Self {
        Self {
            budget,
            limit,
            spent,
            held,
            resets_at: None,
        }
    }
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            budget,
            limit,
            spent,
            held,
            ..
        } = self;
        write!(f, "{budget} of ${limit} is used up: ${spent} spent")?;
        if *held > Money::ZERO {
            write!(f, ", ${held} held for calls under way")?;
        }
        match self.resets_at {
            Some(at) => write!(f, "; it resets at {at}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for OverBudget {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    #[test]
    fn what_is_held_is_given_back_once() {
        let settled = Arc::new(AtomicUsize::new(0));
        let hold = |settled: &Arc<AtomicUsize>| {
            let settled = Arc::clone(settled);
            Hold::new(move |cost| {
                settled.fetch_add(if cost.is_some() { 10 } else { 1 }, Relaxed);
            })
        };

        drop(hold(&settled));
        hold(&settled).settle(&Cost::nothing());

        assert_eq!(settled.load(Relaxed), 11);
    }
}
