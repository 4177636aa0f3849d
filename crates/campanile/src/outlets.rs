//! The sinks of a monitor, each on a lane of its own.

use campanile_core::{Clock, Event, Lane, LossReason, Sink, Stats};
use campanile_sinks::{Apart, Notices};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// How long the money lane is waited for before it is asked whether it is still at work.
const MONEY_ROUND: Duration = Duration::from_secs(60);
/// A sink that gives up sooner than this has nothing that could still change.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Gives each event to each sink. See the [module docs](self).
pub(crate) struct Outlets {
    all: Vec<Arc<dyn Sink>>,
    /// Panics of sinks that are called directly.
    failed: AtomicU64,
}

impl Outlets {
    /// The sinks as they are: each is called directly.
    pub(crate) fn direct(sink: Box<dyn Sink>) -> Self {
        let all = match sink.parts() {
            [] => vec![Arc::from(sink)],
            parts => parts.to_vec(),
        };
        Self {
            all,
            failed: AtomicU64::new(0),
        }
    }

    /// Gives those a worker that have no lane.
    ///
    /// # Panics
    ///
    /// When the operating system has no thread left to give.
    pub(crate) fn apart(sink: Box<dyn Sink>, clock: &Clock, notices: &Notices) -> Self {
        let mut outlets = Self::direct(sink);
        for sink in &mut outlets.all {
            if sink.lane().is_none() {
                let apart = Apart::new(Arc::clone(sink)).clock(clock.clone());
                let apart = apart.notices(notices.clone()).open();
                *sink = Arc::new(apart.expect("a thread for a sink"));
            }
        }
        outlets
    }

    pub(crate) fn give(&self, event: &Event) {
        for sink in &self.all {
            if catch_unwind(AssertUnwindSafe(|| sink.record(event))).is_err() {
                self.failed.fetch_add(1, Relaxed);
            }
        }
    }

    /// Tells each sink how all of them stand.
    pub(crate) fn tell(&self) {
        let stats = self.stats();
        for sink in &self.all {
            if catch_unwind(AssertUnwindSafe(|| sink.hear(&stats))).is_err() {
                self.failed.fetch_add(1, Relaxed);
            }
        }
    }

    /// Waits for all sinks together. `false` when `within` was too short for one.
    pub(crate) fn flush(&self, within: Duration) -> bool {
        let all = self.each(|sink| sink.flush(within));
        self.tell();
        all
    }

    /// Waits for the sinks that shed, together at most `within`: what is there for people to see.
    pub(crate) fn flush_signals(&self, within: Duration) -> bool {
        self.each(|sink| sink.lane() == Some(Lane::Money) || sink.flush(within))
    }

    /// Waits for the money lane as long as it takes, for the others together at most `within`.
    pub(crate) fn drain(&self, within: Duration) -> bool {
        let all = self.each(|sink| match sink.lane() {
            Some(Lane::Money) => drain_money(sink),
            _ => sink.flush(within),
        });
        self.tell();
        all
    }

    /// Asks all sinks at once: one that is stuck takes no time from the others.
    fn each(&self, ask: impl Fn(&dyn Sink) -> bool + Sync) -> bool {
        let ask = |sink: &dyn Sink| catch_unwind(AssertUnwindSafe(|| ask(sink))).unwrap_or(false);
        if let [only] = &self.all[..] {
            return ask(&**only);
        }
        let ask = &ask;
        thread::scope(|scope| {
            let sinks = self.all.iter();
            let asked: Vec<_> = sinks
                .map(|sink| scope.spawn(move || ask(&**sink)))
                .collect();
            let mut all = true;
            for asked in asked {
                all &= asked.join().unwrap_or(false);
            }
            all
        })
    }

    /// What became of the events, for each sink that counts.
    pub(crate) fn stats(&self) -> Vec<Stats> {
        self.all.iter().filter_map(|sink| sink.account()).collect()
    }

    /// How often a sink panicked.
    pub(crate) fn failed(&self) -> u64 {
        let behind: u64 = self
            .stats()
            .iter()
            .map(|stats| stats.lost_to(LossReason::Panicked))
            .sum();
        self.failed.load(Relaxed) + behind
    }
}

fn drain_money(sink: &dyn Sink) -> bool {
    let clock = Clock::system();
    loop {
        let begun = clock.tick();
        if sink.flush(MONEY_ROUND) {
            return true;
        }
        // It has ended already: nothing will come of waiting.
        if clock.tick().since(begun).to_duration() < AT_ONCE {
            return false;
        }
    }
}
