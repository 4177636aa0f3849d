//! The monitor: what a program starts once, hands to its stages, and closes.

use crate::budgets::Budget;
use crate::levels::Levels;
use crate::logs::{LogLayer, LogPolicy};
use crate::recorder::Recorder;
use crate::seal::Sealer;
use crate::summary::Summary;
use crate::texts::Texts;
use campanile_core::{
    BadId, Clock, Ids, Intake, Level, Price, Redact, Redactions, Session, SessionId, Sink, Span,
};
use campanile_sinks::ledger::{Ledger, LedgerState};
use campanile_sinks::{PrometheusRecorder, Stats, Watch as LaneWatch};
use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the recorder's thread looks for what was handed over. Nobody wakes it: that would be a system call
/// on the pipeline's thread.
const PACE: Duration = Duration::from_millis(2);
/// After how many rounds what is watched is looked at: about two seconds.
const WATCH_ROUNDS: u32 = 1_000;
/// How long `Drop` may wait.
const DROP_PATIENCE: Duration = Duration::from_millis(100);
/// How long a clean end waits for sinks, and for replies that are read on.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// A running monitor. Cheap to clone; hand `&monitor` to layers.
///
/// [`close`](Monitor::close) is the promise of a clean end: everything handed over is sealed and given to the sinks, and
/// they are waited for. When the last clone is dropped without it, at most 100 ms are spent on the same, and what is
/// left is told on stderr.
///
/// ```
/// use campanile::{Monitor, memory};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let (sink, events) = memory();
/// let monitor = Monitor::builder(sink).start();
/// let session = monitor.session();
/// session.end("hang_up");
///
/// monitor.close().await;
/// assert_eq!(events.all().len(), 2); // its start and its end
/// # });
/// ```
#[derive(Clone)]
pub struct Monitor(Arc<Running>);

struct Running {
    intake: Intake,
    recorder: Arc<Recorder>,
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
    closed: AtomicBool,
    logs: LogPolicy,
    levels: Levels,
    metrics: Option<PrometheusRecorder>,
    watched: Watched,
    /// What runs as long as the monitor: an endpoint, a file.
    _keep: Vec<Box<dyn Any + Send + Sync>>,
}

/// The sinks of a configuration whose counters can be asked for.
#[derive(Default)]
pub(crate) struct Watched {
    pub(crate) lanes: Vec<(&'static str, LaneWatch)>,
    pub(crate) ledger: Weak<Ledger>,
}

/// Looks after something from time to time, on the recorder's thread.
pub(crate) type Watch = Box<dyn FnMut(&Intake) + Send>;

impl Monitor {
    /// A monitor whose events go to `sink`.
    pub fn builder(sink: impl Sink + 'static) -> Builder {
        Builder {
            sink: Box::new(sink),
            prices: None,
            redactor: Box::new(unscanned),
            clock: None,
            ids: None,
            keeps_content: false,
            backtraces: false,
            summary: (10, Duration::from_secs(300)),
            budgets: Vec::new(),
            texts: Texts::default(),
            logs: LogPolicy::default(),
            levels: Levels::new(Level::Info),
            watch: None,
            keep: Vec::new(),
            recorder: None,
            watched: Watched::default(),
            thread: true,
        }
    }

    /// Begins a session with an id of ours.
    #[must_use]
    pub fn session(&self) -> Session {
        Session::begin(&self.0.intake, None)
    }

    /// Begins a session with an id of the program's.
    ///
    /// # Errors
    ///
    /// When `id` is not 1 to 64 letters, digits and `. _ : -`.
    pub fn session_named(&self, id: &str) -> Result<Session, BadId> {
        Ok(Session::begin(&self.0.intake, Some(SessionId::new(id)?)))
    }

    /// What layers hold of this monitor.
    #[must_use]
    pub fn intake(&self) -> &Intake {
        &self.0.intake
    }

    /// Seals everything handed over until now and waits for the sinks. `false` when `within` was too short.
    ///
    /// It blocks: for tests, and for programs without a runtime.
    pub fn flush(&self, within: Duration) -> bool {
        self.0.recorder.flush(within)
    }

    /// Seals what was handed over, without waiting for the sinks.
    pub fn seal(&self) {
        self.0.recorder.run_once();
    }

    /// A layer for the program's own `tracing` subscriber: its log lines become events of this monitor, as far as
    /// the [policy](LogPolicy) allows.
    #[must_use]
    pub fn tracing_layer(&self) -> LogLayer {
        LogLayer::new(
            self.0.intake.clone(),
            self.0.logs.clone(),
            self.0.levels.clone(),
        )
    }

    /// The recorder behind `/metrics`, for a program that owns its `metrics` recorder: install it, or fan out to it. `None`
    /// where the environment has no `prometheus`.
    #[must_use]
    pub fn metrics_recorder(&self) -> Option<PrometheusRecorder> {
        self.0.metrics.clone()
    }

    /// How often a sink panicked. Its other events, and other sinks, are not disturbed.
    #[must_use]
    pub fn sinks_failed(&self) -> u64 {
        self.0.recorder.sinks_failed()
    }

    /// What became of the lines of each sink of the configuration that writes lines (`console`, `jsonl`), to the unit.
    #[must_use]
    pub fn lanes(&self) -> Vec<(&'static str, Stats)> {
        let lanes = self.0.watched.lanes.iter();
        lanes.map(|(name, lane)| (*name, lane.stats())).collect()
    }

    /// The counters of the configuration's ledger; `None` where there is none.
    #[must_use]
    pub fn ledger(&self) -> Option<LedgerState> {
        Some(self.0.watched.ledger.upgrade()?.state())
    }

    /// Ends the monitor: waits (at most 5 seconds) for replies that are read on, closes what is open as
    /// `cancelled` for the reason `shutdown`, seals it, and waits (at most 5 seconds) for the sinks. `true` when nothing is left.
    ///
    /// What is handed over afterwards is lost. Closing twice does nothing.
    pub async fn close(&self) -> bool {
        let mut patience = CLOSE_PATIENCE;
        while self.0.intake.drains() > 0 && !patience.is_zero() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            patience = patience.saturating_sub(Duration::from_millis(5));
        }
        let running = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || running.end(CLOSE_PATIENCE))
            .await
            .unwrap_or(false)
    }

    /// As [`close`](Self::close), for programs without a runtime: it blocks, and does not wait for replies that are read on.
    pub fn close_blocking(&self) -> bool {
        self.0.end(CLOSE_PATIENCE)
    }
}

impl Running {
    fn end(&self, patience: Duration) -> bool {
        if self.closed.swap(true, Relaxed) {
            return true;
        }
        self.stop.store(true, Relaxed);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            thread.thread().unpark();
            // It stops between two rounds, each of which is short, unless a sink of the program's own hangs.
            let mut patience = patience;
            while !thread.is_finished() && !patience.is_zero() {
                std::thread::sleep(Duration::from_millis(1));
                patience = patience.saturating_sub(Duration::from_millis(1));
            }
            if !thread.is_finished() {
                return false;
            }
        }
        self.recorder.close_open_calls();
        self.recorder.flush(patience)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if *self.closed.get_mut() {
            return;
        }
        *self.closed.get_mut() = true;
        self.stop.store(true, Relaxed);
        let thread = self
            .thread
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let recorder = Arc::clone(&self.recorder);
        // On a thread of its own: a sink that hangs must not hold whoever drops us.
        let (done, over) = std::sync::mpsc::channel();
        let last = std::thread::Builder::new()
            .name("campanile-end".into())
            .spawn(move || {
                if let Some(thread) = thread {
                    thread.thread().unpark();
                    let _ = thread.join();
                }
                recorder.close_open_calls();
                let _ = done.send(recorder.flush(DROP_PATIENCE));
            });
        let clean = last.is_ok() && over.recv_timeout(DROP_PATIENCE) == Ok(true);
        if !clean {
            #[expect(clippy::print_stderr, reason = "there is nobody else left to tell")]
            {
                eprintln!(
                    "campanile: dropped without close(), and 100 ms were too short to write everything"
                );
            }
        }
    }
}

impl AsRef<Intake> for Monitor {
    fn as_ref(&self) -> &Intake {
        &self.0.intake
    }
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor")
            .field("intake", &self.0.intake)
            .finish_non_exhaustive()
    }
}

/// Puts a [`Monitor`] together. Nothing runs before [`start`](Builder::start).
#[must_use]
pub struct Builder {
    sink: Box<dyn Sink>,
    prices: Option<Box<dyn Price>>,
    redactor: Box<dyn Redact>,
    clock: Option<Clock>,
    ids: Option<Ids>,
    keeps_content: bool,
    backtraces: bool,
    summary: (u64, Duration),
    budgets: Vec<Budget>,
    texts: Texts,
    logs: LogPolicy,
    levels: Levels,
    watch: Option<Watch>,
    keep: Vec<Box<dyn Any + Send + Sync>>,
    thread: bool,
    recorder: Option<PrometheusRecorder>,
    watched: Watched,
}

impl Builder {
    /// Prices usage. Without prices, events carry usage and no cost.
    pub fn prices(mut self, prices: impl Price + 'static) -> Self {
        self.prices = Some(Box::new(prices));
        self
    }

    /// Masks texts. Without a redactor, each text becomes `[UNSCANNED]`.
    pub fn redactor(mut self, redactor: impl Redact + 'static) -> Self {
        self.redactor = Box::new(redactor);
        self
    }

    /// Reads time elsewhere. Default: the processor's counter, [`counter`](crate::clock::counter).
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Makes call ids elsewhere. Default: from a random seed.
    pub fn ids(mut self, ids: Ids) -> Self {
        self.ids = Some(ids);
        self
    }

    /// Keeps what is said (redacted) for sinks that write it. Default: off.
    pub fn keep_content(mut self, keep: bool) -> Self {
        self.keeps_content = keep;
        self
    }

    /// Captures a backtrace with each failure. Default: off.
    pub fn backtraces(mut self, wanted: bool) -> Self {
        self.backtraces = wanted;
        self
    }

    /// Writes a summary after so many turns, or after so much time in which anything happened. Default: 10 turns, 5 minutes.
    pub fn summary(mut self, turns: u64, every: Duration) -> Self {
        self.summary = (turns, every);
        self
    }

    /// What is written of texts, by class. Default: all of them, redacted; what is said only with
    /// [`keep_content`](Self::keep_content).
    pub fn texts(mut self, texts: Texts) -> Self {
        self.texts = texts;
        self
    }

    /// What log lines may hold, for [`Monitor::tracing_layer`]. Default: no texts, no fields.
    pub fn logs(mut self, policy: LogPolicy) -> Self {
        self.logs = policy;
        self
    }

    /// Which log lines are taken. Default: from `info` on.
    pub fn levels(mut self, levels: Levels) -> Self {
        self.levels = levels;
        self
    }

    /// Calls `watch` about every two seconds.
    pub(crate) fn watch(mut self, watch: Watch) -> Self {
        self.watch = Some(watch);
        self
    }

    /// The recorder that [`Monitor::metrics_recorder`] gives out.
    pub(crate) fn metrics_recorder(mut self, recorder: Option<PrometheusRecorder>) -> Self {
        self.recorder = recorder;
        self
    }

    /// What [`Monitor::lanes`] and [`Monitor::ledger`] look at.
    pub(crate) fn watched(mut self, watched: Watched) -> Self {
        self.watched = watched;
        self
    }

    /// Keeps something as long as the monitor runs.
    pub(crate) fn keep(mut self, kept: impl Any + Send + Sync) -> Self {
        self.keep.push(Box::new(kept));
        self
    }

    /// Tells when costs pass shares of a limit.
    pub(crate) fn budgets(mut self, budgets: Vec<Budget>) -> Self {
        self.budgets = budgets;
        self
    }

    /// Starts no thread: events are sealed by [`Monitor::seal`], [`flush`](Monitor::flush) and `close` only. For tests
    /// that pause time.
    pub fn by_hand(mut self) -> Self {
        self.thread = false;
        self
    }

    /// Starts the monitor.
    ///
    /// # Panics
    ///
    /// When the operating system has no thread left to give.
    #[must_use]
    pub fn start(self) -> Monitor {
        let clock = self.clock.unwrap_or_else(crate::clock::counter);
        let intake = Intake::new(clock, self.ids.unwrap_or_else(Ids::random));
        intake.set_keeps_content(self.keeps_content);
        intake.set_backtraces(self.backtraces);
        let sealer = Sealer {
            prices: self.prices,
            redactor: self.redactor,
            texts: self.texts,
        };
        let (turns, every) = self.summary;
        let summary = Summary::new(turns.max(1), Span::from(every), intake.clock().tick());
        let recorder = Arc::new(Recorder::new(
            intake.clone(),
            sealer,
            self.sink,
            summary,
            self.budgets,
        ));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = self.thread.then(|| {
            let (recorder, stop) = (Arc::clone(&recorder), Arc::clone(&stop));
            let intake = intake.clone();
            let mut watch = self.watch;
            let mut rounds = 0_u32;
            std::thread::Builder::new()
                .name("campanile-recorder".into())
                .spawn(move || {
                    while !stop.load(Relaxed) {
                        std::thread::park_timeout(PACE);
                        recorder.run_once();
                        rounds = rounds.wrapping_add(1);
                        if let Some(watch) = watch
                            .as_mut()
                            .filter(|_| rounds.is_multiple_of(WATCH_ROUNDS))
                        {
                            watch(&intake);
                        }
                    }
                })
                .expect("a thread for the recorder")
        });
        Monitor(Arc::new(Running {
            intake,
            recorder,
            stop,
            thread: Mutex::new(thread),
            closed: AtomicBool::new(false),
            logs: self.logs,
            levels: self.levels,
            metrics: self.recorder,
            watched: self.watched,
            _keep: self.keep,
        }))
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}

/// The redactor of a monitor that was given none.
fn unscanned(text: &str, masked: &mut String) -> Redactions {
    let mut redactions = Redactions::default();
    if !text.is_empty() {
        masked.push_str("[UNSCANNED]");
        redactions.add("UNSCANNED", 1);
    }
    redactions
}
