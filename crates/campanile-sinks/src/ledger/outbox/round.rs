//! What a courier does, over and over: reads, delivers, notes. Where it reads and notes is somebody else's.
//!
//! The model of it puts other locks beneath: see `tests/lane_model.rs`.

use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

/// One thing that a remote sink is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Delivery {
    /// Grows from one to the next. Of two with one id, the one with the higher number is right.
    pub seq: u64,
    /// The id that it is counted under, once.
    pub id: String,
    /// What `campanile ledger dump` says of it.
    pub event: serde_json::Value,
}

/// Somewhere else that is told what was counted.
pub trait Remote: Send {
    /// Takes deliveries, in order, and says how many of the first ones it has accepted for good. It may block; a panic is
    /// caught. What it has not accepted comes again.
    ///
    /// # Errors
    ///
    /// Why it has accepted none, in a line.
    fn deliver(&mut self, deliveries: &[Delivery]) -> Result<usize, String>;
}

impl<F: FnMut(&[Delivery]) -> Result<usize, String> + Send> Remote for F {
    fn deliver(&mut self, deliveries: &[Delivery]) -> Result<usize, String> {
        self(deliveries)
    }
}

/// How far a remote sink is behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lag {
    /// Deliveries that wait.
    pub waiting: u64,
    /// Deliveries that were accepted since the start.
    pub delivered: u64,
    /// Tries that failed since the start.
    pub errors: u64,
    /// Why the last try failed; `None` where it did not.
    pub trouble: Option<String>,
}

/// How a courier works.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct CourierOptions {
    batch: usize,
    look: Duration,
    backoff: (Duration, Duration),
}

impl Default for CourierOptions {
    fn default() -> Self {
        Self {
            batch: 500,
            look: Duration::from_secs(1),
            backoff: (Duration::from_millis(100), Duration::from_secs(30)),
        }
    }
}

impl CourierOptions {
    /// Sets how many deliveries a remote is handed at most at once (default: 500).
    pub fn batch(mut self, deliveries: usize) -> Self {
        self.batch = deliveries.max(1);
        self
    }

    /// Sets how often to look for something new (default: 1 s).
    pub fn look(mut self, every: Duration) -> Self {
        self.look = every;
        self
    }

    /// Sets how long to wait after a failure, at first and at most; it doubles in between (default: 100 ms, 30 s).
    pub fn backoff(mut self, first: Duration, most: Duration) -> Self {
        self.backoff = (first, most);
        self
    }
}

/// What a courier and its thread share.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) lag: Lag,
    pub(crate) stop: bool,
    pub(crate) gone: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) changed: Condvar,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, once; `true`: it is to stop.
    fn rest(&self, within: Duration) -> bool {
        let state = self.lock();
        if state.stop || within.is_zero() {
            return state.stop;
        }
        let waited = self.changed.wait_timeout(state, within);
        waited.unwrap_or_else(PoisonError::into_inner).0.stop
    }
}

/// Where deliveries wait, and a cursor stands.
pub(crate) trait Source {
    /// Reads what comes after the cursor, so many at most.
    fn read(&mut self, batch: usize) -> Result<Read, String>;
    /// Moves the cursor.
    fn note(&mut self, seq: i64) -> Result<(), String>;
}

/// A batch, as it was read.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) deliveries: Vec<Delivery>,
    /// The last number that was looked at.
    pub(crate) end: Option<i64>,
    pub(crate) waiting: u64,
}

/// What comes after a try.
enum Next {
    /// There may be more.
    More,
    Rest,
    Failed(String),
}

/// What the courier's thread has.
pub(crate) struct Round<S> {
    pub(crate) source: S,
    pub(crate) remote: Box<dyn Remote>,
    pub(crate) options: CourierOptions,
}

impl<S: Source> Round<S> {
    pub(crate) fn work(mut self, shared: &Shared) {
        let mut wait = self.options.backoff.0;
        loop {
            let next = self.once(shared);
            let mut state = shared.lock();
            let pause = match next {
                Next::More => Duration::ZERO,
                Next::Rest => self.options.look,
                Next::Failed(why) => {
                    state.lag.errors += 1;
                    state.lag.trouble = Some(why);
                    let pause = wait;
                    wait = (wait * 2).min(self.options.backoff.1);
                    drop(state);
                    if shared.rest(pause) {
                        break;
                    }
                    continue;
                }
            };
            state.lag.trouble = None;
            wait = self.options.backoff.0;
            drop(state);
            if shared.rest(pause) {
                break;
            }
        }
        shared.lock().gone = true;
        shared.changed.notify_all();
    }

    /// Delivers one batch.
    fn once(&mut self, shared: &Shared) -> Next {
        let read = match self.source.read(self.options.batch) {
            Ok(read) => read,
            Err(why) => return Next::Failed(why),
        };
        shared.lock().lag.waiting = read.waiting;
        let Some(end) = read.end else {
            return Next::Rest;
        };
        // Open calls, and what was damaged: their numbers are passed.
        if read.deliveries.is_empty() {
            return self
                .source
                .note(end)
                .map_or_else(Next::Failed, |()| Next::More);
        }
        let deliver = AssertUnwindSafe(|| self.remote.deliver(&read.deliveries));
        let accepted = match catch_unwind(deliver) {
            Ok(Ok(accepted)) => accepted.min(read.deliveries.len()),
            Ok(Err(why)) => return Next::Failed(why),
            Err(_) => return Next::Failed("the sink panicked".to_owned()),
        };
        let Some(last) = accepted.checked_sub(1) else {
            return Next::Failed("the sink accepted nothing".to_owned());
        };
        let all = accepted == read.deliveries.len();
        let seq = if all {
            end
        } else {
            read.deliveries[last].seq as i64
        };
        if let Err(why) = self.source.note(seq) {
            return Next::Failed(why);
        }
        shared.lock().lag.delivered += accepted as u64;
        Next::More
    }
}
