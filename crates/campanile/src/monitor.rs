//! The monitor: what a program starts once, hands to its stages, and closes.

use crate::alerts::{
    self, Budget, BudgetGate, Courier, Debts, Flush, Gates, Keeper, NoGate, Others, Own, Webhook,
    without_prefix,
};
use crate::engine::{CLOSE_PATIENCE, Engine, Watch};
use crate::levels::Levels;
use crate::logs::{LogLayer, LogPolicy};
use crate::outlets::Outlets;
use crate::recorder::Recorder;
use crate::seal::Sealer;
use crate::summary::Summary;
use crate::texts::Texts;
use campanile_core::{
    BadId, Clock, Ids, Intake, Level, Money, Price, Redact, Redactions, Session, SessionId, Sink,
    Span, Stats,
};
use campanile_redact::{HashKey, IdGuard};
use campanile_sinks::ledger::{Ledger, LedgerState};
use campanile_sinks::{Notices, PrometheusRecorder};
use std::any::Any;
use std::borrow::Cow;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A running monitor. Cheap to clone; hand `&monitor` to layers.
///
/// [`close`](Monitor::close) is the promise of a clean end: everything handed over is sealed and given to the sinks, and
/// they are waited for. When the last clone is dropped without it, at most 100 ms are spent on the same, and what is
/// left is told on stderr. A process that ends in another way (`process::exit`, an abort, a kill) writes nothing more: what
/// was handed over a few hundredths of a second before is where it should be, and the next start closes what was open.
///
/// A child that was forked off writes nothing: events are its parent's. Start a monitor of its own there.
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
    budgets: Vec<Budget>,
    gates: Gates,
    /// Until it is dropped.
    engine: Option<Arc<Engine>>,
    logs: LogPolicy,
    levels: Levels,
    metrics: Option<PrometheusRecorder>,
    ledger: Weak<Ledger>,
}

impl Monitor {
    /// A monitor whose events go to `sink`.
    pub fn builder(sink: impl Sink + 'static) -> Builder {
        Builder {
            sink: Box::new(sink),
            prices: None,
            redactor: Box::new(unscanned),
            id_key: None,
            clock: None,
            ids: None,
            keeps_content: false,
            backtraces: false,
            summary: (10, Duration::from_secs(300)),
            budgets: Vec::new(),
            ledger_watch: None,
            webhooks: Vec::new(),
            texts: Texts::default(),
            logs: LogPolicy::default(),
            levels: Levels::new(Level::Info),
            notices: Notices::default(),
            patience: CLOSE_PATIENCE,
            watch: None,
            keep: Vec::new(),
            recorder: None,
            ledger: Weak::new(),
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
    /// When `id` is not 1 to 64 letters, digits and `. _ : -`. One that is a telephone number, a card or a key is replaced
    /// by a keyed hash: [`Session::id`] says what is written.
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
        let recorder = &self.engine().recorder;
        !recorder.is_forked() && recorder.flush(within)
    }

    /// Seals what was handed over, without waiting for the sinks.
    pub fn seal(&self) {
        if !self.engine().recorder.is_forked() {
            self.engine().recorder.run_once();
        }
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

    fn engine(&self) -> &Arc<Engine> {
        self.0
            .engine
            .as_ref()
            .expect("only its drop takes the engine")
    }

    /// What became of the events, for each sink that counts: opened = written + lost + pending.
    #[must_use]
    pub fn lanes(&self) -> Vec<(&'static str, Stats)> {
        let stats = self.engine().recorder.stats().into_iter();
        stats.map(|stats| (stats.sink, stats)).collect()
    }

    /// How often a sink panicked. Its other events, and other sinks, are not disturbed.
    #[must_use]
    pub fn sinks_failed(&self) -> u64 {
        self.engine().recorder.sinks_failed()
    }

    /// A gate for [`BudgetLayer`](crate::BudgetLayer): lets calls through while the budget of that name has room for them. `reserve` is
    /// what a call may cost at most; so much is held from before a call begins until its cost is counted. What other processes
    /// spend on the same ledger is known a second later or so.
    ///
    /// ```
    /// use campanile::{BudgetLayer, Monitor, Money, config::Config};
    ///
    /// let text = "[env.dev]\nsinks = []\n[[budget]]\nprovider = \"openai\"\nusd = \"50\"";
    /// let config = Config::parse(text, "campanile.toml".as_ref())?;
    /// let monitor = Monitor::from_config(&config, "dev")?;
    ///
    /// let cent = Money::from_usd("0.01").unwrap();
    /// let layer = BudgetLayer::new(monitor.gate("openai:month", cent)?);
    /// assert!(monitor.gate("openai:day", cent).is_err());
    /// # let _ = layer;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When there is no such budget, or it has a limit for each provider or model: which one a call will meet is not known before it. And
    /// when the ledger cannot be read.
    pub fn gate(&self, budget: &str, reserve: Money) -> Result<BudgetGate, NoGate> {
        let Running {
            budgets,
            gates,
            intake,
            ledger,
            ..
        } = &*self.0;
        let named =
            |known: &&Budget| **known.name() == *budget || without_prefix(known.name()) == budget;
        let found = budgets.iter().find(named);
        let found = found.ok_or_else(|| NoGate::unknown(budget, budgets))?;
        if found.is_per_model() {
            return Err(NoGate(format!(
                "the budget `{budget}` cannot be a gate: which model or provider a call will meet is not known before it"
            )));
        }
        let gate = gates.open(found, intake.clock(), reserve);
        if let Some(ledger) = ledger.upgrade() {
            let place = (ledger.path(), ledger.run());
            let looked = Others::default().look(gates, place, intake.clock().now());
            looked.map_err(|error| NoGate(error.to_string()))?;
        }
        Ok(gate)
    }

    /// The counters of the configuration's ledger; `None` where there is none.
    #[must_use]
    pub fn ledger(&self) -> Option<LedgerState> {
        Some(self.0.ledger.upgrade()?.state())
    }

    /// Ends the monitor: waits (at most 5 seconds) for replies that are read on, closes what is open as `cancelled` for the
    /// reason `shutdown`, seals it, and waits for the sinks: for the ledger as long as it takes, for the others together at
    /// most 5 seconds ([`patience`](Builder::patience) sets another limit). What was not delivered is told on stderr, by
    /// sink and reason. `true` when nothing is left.
    ///
    /// A ledger that cannot be written (a full disk) holds the end and tells so, until it can; put a timeout around it where
    /// that is not wanted. What is handed over afterwards is lost. Who closes a second time gets the same answer.
    ///
    /// It works on any runtime, also on one with a single thread; the work is done on a thread that no runtime waits for.
    pub async fn close(&self) -> bool {
        let (done, over) = tokio::sync::oneshot::channel();
        let (engine, intake) = (Arc::clone(self.engine()), self.0.intake.clone());
        let thread = std::thread::Builder::new().name("campanile-end".into());
        let thread = thread.spawn(move || {
            // Whoever asked may have gone.
            let _ = done.send(engine.close_after_drains(&intake));
        });
        thread.is_ok() && over.await.unwrap_or(false)
    }

    /// As [`close`](Self::close), for programs without a runtime: it blocks, and does not wait for replies that are read on.
    pub fn close_blocking(&self) -> bool {
        self.engine().close()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            engine.drop_soon();
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
    id_key: Option<HashKey>,
    clock: Option<Clock>,
    ids: Option<Ids>,
    keeps_content: bool,
    backtraces: bool,
    summary: (u64, Duration),
    budgets: Vec<Budget>,
    ledger_watch: Option<alerts::Watch>,
    webhooks: Vec<Webhook>,
    texts: Texts,
    logs: LogPolicy,
    levels: Levels,
    notices: Notices,
    patience: Duration,
    watch: Option<Watch>,
    keep: Vec<Box<dyn Any + Send + Sync>>,
    thread: bool,
    recorder: Option<PrometheusRecorder>,
    ledger: Weak<Ledger>,
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

    /// The key by which ids that name a person (a telephone number as the id of a session) are hashed. Default: one that
    /// goes with the process, so that the same caller has another id in the next.
    pub fn id_key(mut self, key: HashKey) -> Self {
        self.id_key = Some(key);
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

    /// What is written of texts, by class. Default: log lines redacted, errors measured; what is said only with
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

    /// Where troubles are told: of sinks that this monitor gives a worker, and what is left at the end. Default stderr.
    pub fn notices(mut self, notices: Notices) -> Self {
        self.notices = notices;
        self
    }

    /// How long a clean end waits for replies that are read on, and then for sinks that shed. Default 5 seconds each.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
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
    pub(crate) fn ledger(mut self, ledger: Weak<Ledger>) -> Self {
        self.ledger = ledger;
        self
    }

    /// Keeps something as long as the monitor runs.
    pub(crate) fn keep(mut self, kept: impl Any + Send + Sync) -> Self {
        self.keep.push(Box::new(kept));
        self
    }

    /// Tells when costs pass shares of a limit: of this process alone, unless a ledger is watched.
    pub(crate) fn budgets(mut self, budgets: Vec<Budget>) -> Self {
        self.budgets = budgets;
        self
    }

    /// Tells alerts to these, too. Default: none.
    pub fn webhooks(mut self, webhooks: impl IntoIterator<Item = Webhook>) -> Self {
        self.webhooks = webhooks.into_iter().collect();
        self
    }

    /// Looks after budgets in a ledger.
    pub(crate) fn watch_ledger(mut self, watch: Option<alerts::Watch>) -> Self {
        self.ledger_watch = watch;
        self
    }

    /// Starts no thread: events are sealed by [`Monitor::seal`], [`flush`](Monitor::flush) and `close` only, and every sink is
    /// called directly. For tests that pause time.
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
        let key = self.id_key.unwrap_or_else(HashKey::of_process);
        let guard = Arc::new(IdGuard::new(key));
        let of_sessions = Arc::clone(&guard);
        intake.set_guard(move |id| match of_sessions.checked(id.as_str()) {
            Cow::Borrowed(_) => id,
            Cow::Owned(other) => SessionId::new(&other).expect("letters, digits and dashes"),
        });
        let sealer = Sealer {
            prices: self.prices,
            redactor: self.redactor,
            texts: self.texts,
            guard,
        };
        let (turns, every) = self.summary;
        let summary = Summary::new(turns.max(1), Span::from(every), intake.clock().tick());
        let outlets = match self.thread {
            true => Outlets::apart(self.sink, intake.clock(), &self.notices),
            false => Outlets::direct(self.sink),
        };
        let gates = Gates::default();
        let stated = self.budgets.clone();
        let mut budgets = Own::new(self.budgets, self.ledger_watch.is_none(), gates.clone());
        let couriers = self.webhooks.into_iter().map(|webhook| {
            let debts: Box<dyn Debts> = match &self.ledger_watch {
                Some(watch) => Box::new(watch.debts()),
                None => Box::new(budgets.owe(webhook.name().clone())),
            };
            Courier::new(webhook, debts)
        });
        let couriers = couriers.collect::<Vec<_>>();
        let recorder = Recorder::new(intake.clone(), sealer, outlets, summary, budgets);
        let recorder = Arc::new(recorder);
        let writer = Arc::downgrade(&recorder);
        let flush: Flush = Arc::new(move |within| {
            let writer = writer.upgrade();
            writer.is_some_and(|recorder| recorder.flush_signals(within))
        });
        let told = (&intake, flush);
        let keeper = Keeper::start(self.ledger_watch, couriers, &gates, told, &self.notices);
        let engine = Engine::new(recorder, self.notices, self.patience, self.keep, keeper);
        let engine = match self.thread {
            true => engine.run(intake.clone(), self.watch),
            false => engine,
        };
        Monitor(Arc::new(Running {
            budgets: stated,
            gates,
            intake,
            engine: Some(Arc::new(engine)),
            logs: self.logs,
            levels: self.levels,
            metrics: self.recorder,
            ledger: self.ledger,
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
