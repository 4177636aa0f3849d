//! What runs behind a monitor, and how it ends.
//!
//! ```text
//! close:  stop the thread ─▶ close what is open ─▶ seal ─▶ wait: money lane as long as it takes, the others 5 s ─▶ tell
//! drop:   the same on a thread of its own, which whoever drops waits 100 ms for
//! ```
//!
//! A child that was forked off runs nothing of it: its copy of what waits is the parent's to write.

use crate::alerts::Keeper;
use crate::recorder::Recorder;
use campanile_core::{Intake, Stats};
use campanile_sinks::Notices;
use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often the recorder's thread looks for what was handed over. Nobody wakes it: that would be a system call
/// on the pipeline's thread.
const PACE: Duration = Duration::from_millis(2);
/// After how many rounds what is watched is looked at: about two seconds.
const WATCH_ROUNDS: u32 = 1_000;
/// How long `Drop` may wait.
const DROP_PATIENCE: Duration = Duration::from_millis(100);
/// How long a clean end waits for the signal lane, and for replies that are read on.
pub(crate) const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
/// How long the last words may take to get out.
const LAST_WORDS: Duration = Duration::from_millis(500);
const STEP: Duration = Duration::from_millis(1);

/// Looks after something from time to time, on the recorder's thread.
pub(crate) type Watch = Box<dyn FnMut(&Intake, &Recorder) + Send>;

pub(crate) struct Engine {
    pub(crate) recorder: Arc<Recorder>,
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// How it ended. Whoever comes second waits here for who was first.
    ended: Mutex<Option<bool>>,
    notices: Notices,
    patience: Duration,
    keeper: Mutex<Option<Keeper>>,
    /// What runs as long as the monitor: an endpoint, a file.
    _keep: Vec<Box<dyn Any + Send + Sync>>,
}

impl Engine {
    pub(crate) fn new(
        recorder: Arc<Recorder>,
        notices: Notices,
        patience: Duration,
        keep: Vec<Box<dyn Any + Send + Sync>>,
        keeper: Keeper,
    ) -> Self {
        Self {
            recorder,
            stop: Arc::default(),
            thread: Mutex::default(),
            ended: Mutex::default(),
            notices,
            patience,
            keeper: Mutex::new(Some(keeper)),
            _keep: keep,
        }
    }

    /// Starts the recorder's thread.
    ///
    /// # Panics
    ///
    /// When the operating system has no thread left to give.
    pub(crate) fn run(self, intake: Intake, mut watch: Option<Watch>) -> Self {
        let (recorder, stop) = (Arc::clone(&self.recorder), Arc::clone(&self.stop));
        let mut rounds = 0_u32;
        let round = move || {
            while !stop.load(Relaxed) {
                thread::park_timeout(PACE);
                recorder.run_once();
                rounds = rounds.wrapping_add(1);
                if let Some(watch) = &mut watch
                    && rounds.is_multiple_of(WATCH_ROUNDS)
                {
                    watch(&intake, &recorder);
                }
            }
        };
        let thread = thread::Builder::new()
            .name("campanile-recorder".into())
            .spawn(round)
            .expect("a thread for the recorder");
        *lock(&self.thread) = Some(thread);
        self
    }

    /// Waits for replies that are read on, and ends.
    pub(crate) fn close_after_drains(&self, intake: &Intake) -> bool {
        if self.recorder.is_forked() {
            return self.end(Recorder::drain);
        }
        wait(self.patience, || intake.drains() == 0);
        self.close()
    }

    pub(crate) fn close(&self) -> bool {
        self.end(Recorder::drain)
    }

    /// Ends once: stops the thread, seals what is left, and has `finish` wait for the sinks.
    fn end(&self, finish: impl FnOnce(&Recorder, Duration) -> bool) -> bool {
        if self.recorder.is_forked() {
            return false;
        }
        let mut ended = lock(&self.ended);
        *ended.get_or_insert_with(|| {
            let clean = self.stop_thread(CLOSE_PATIENCE) && {
                self.recorder.close_open_calls();
                finish(&self.recorder, self.patience) & self.last_look()
            };
            let stats = self.recorder.stats();
            tell(&self.notices, &stats, clean);
            self.notices.flush(LAST_WORDS);
            clean && stats.iter().all(|stats| stats.pending == 0)
        })
    }

    /// Looks after the budgets a last time, now that everything is written, and writes what is new. What it does not get to
    /// is found by the next process.
    fn last_look(&self) -> bool {
        match lock(&self.keeper).take() {
            None => true,
            Some(keeper) => keeper.end(self.patience) & self.recorder.flush(self.patience),
        }
    }

    /// It stops between two rounds, each of which is short, unless a price or a redactor of the program's own hangs.
    fn stop_thread(&self, within: Duration) -> bool {
        self.stop.store(true, Relaxed);
        let Some(thread) = lock(&self.thread).take() else {
            return true;
        };
        thread.thread().unpark();
        wait(within, || thread.is_finished())
    }

    /// Ends without holding whoever asks for more than 100 ms. What is not written by then is told; it may still be
    /// written while the process lives.
    pub(crate) fn drop_soon(self: Arc<Self>) {
        if self.recorder.is_forked() {
            // Its threads are the parent's, and so are its files: nothing here may be waited for or closed.
            std::mem::forget(self);
            return;
        }
        let (recorder, notices) = (Arc::downgrade(&self.recorder), self.notices.clone());
        // Then all is written and told, and only the sinks' threads are to end.
        let closed = self.ended.try_lock().is_ok_and(|ended| ended.is_some());
        let (done, over) = channel();
        let last = on_its_own(move || {
            self.end(Recorder::flush);
            // The sinks end here as well.
            drop(self);
            let _ = done.send(());
        });
        if !last || over.recv_timeout(DROP_PATIENCE).is_ok() || closed {
            return;
        }
        notices.tell("dropped without close(), and 100 ms were too short to write everything");
        if let Some(recorder) = recorder.upgrade() {
            tell(&notices, &recorder.stats(), true);
            // Not here, should it be the last: sinks may take a while to end.
            on_its_own(move || drop(recorder));
        }
    }
}

/// Runs something on a thread that nobody waits for. `false` when there is none left.
fn on_its_own(run: impl FnOnce() + Send + 'static) -> bool {
    let thread = thread::Builder::new().name("campanile-end".into());
    thread.spawn(run).is_ok()
}

/// What was not delivered, by sink and reason.
fn tell(notices: &Notices, stats: &[Stats], clean: bool) {
    let missing: Vec<_> = stats.iter().filter(|stats| !stats.is_complete()).collect();
    for stats in &missing {
        notices.tell(&format!("at the end, {stats}"));
    }
    if !clean && missing.is_empty() {
        notices.tell("at the end, not everything could be written");
    }
}

/// Waits until it is so, in short steps. `false` when `within` was too short.
fn wait(within: Duration, is_so: impl Fn() -> bool) -> bool {
    let mut left = within;
    while !is_so() {
        if left.is_zero() {
            return false;
        }
        thread::sleep(STEP);
        left = left.saturating_sub(STEP);
    }
    true
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
