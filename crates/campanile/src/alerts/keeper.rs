//! The thread that looks after budgets while a monitor runs.

use super::Watch;
use campanile_core::{Event, Handed, Intake};
use campanile_sinks::Notices;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often it looks.
const PACE: Duration = Duration::from_secs(1);
/// A look that takes long is followed by a pause so many times as long.
const REST: u32 = 20;
/// After so many failed looks, trouble is told (again).
const TELL_EVERY: u32 = 60;

/// A watch on a thread of its own: the recorder never waits for it.
#[derive(Debug)]
pub(crate) struct Keeper {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Looks once a second, and hands what is new to `intake`.
    ///
    /// # Panics
    ///
    /// When the operating system has no thread left to give.
    pub(crate) fn start(watch: Watch, intake: Intake, notices: Notices) -> Self {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("campanile-alerts".into())
            .spawn(move || work(watch, &intake, &notices, &stopped))
            .expect("a thread for alerts");
        Self { stop, thread }
    }

    /// Looks a last time, and ends. `false`: `within` was too short, and it ends later.
    pub(crate) fn end(self, mut within: Duration) -> bool {
        self.tell();
        let step = Duration::from_millis(1);
        while !self.thread.is_finished() && !within.is_zero() {
            std::thread::sleep(step);
            within = within.saturating_sub(step);
        }
        self.thread.is_finished()
    }

    /// Has it end, without waiting.
    pub(crate) fn tell(&self) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
    }
}

fn work(
    mut watch: Watch,
    intake: &Intake,
    notices: &Notices,
    (stop, changed): &(Mutex<bool>, Condvar),
) {
    let mut pace = Duration::ZERO;
    let mut failed = 0_u32;
    loop {
        let stopped = stop.lock().unwrap_or_else(PoisonError::into_inner);
        let (stopped, _) = changed
            .wait_timeout_while(stopped, pace, |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        let last = *stopped;
        drop(stopped);
        let before = intake.clock().tick();
        match watch.look(intake.clock().now()) {
            Ok(alerts) => {
                failed = 0;
                for alert in alerts {
                    intake.hand_over(Handed::Event(Event::Alert(Box::new(alert))));
                }
            }
            Err(error) => {
                // The ledger's own trouble is told by its writer; this is told where it lasts.
                failed = failed.wrapping_add(1);
                if failed % TELL_EVERY == 3 {
                    notices.tell(&format!("budgets cannot be looked after: {error}"));
                }
            }
        }
        if last {
            return;
        }
        let took = intake.clock().tick().since(before).to_duration();
        pace = PACE.max(took.saturating_mul(REST));
    }
}
