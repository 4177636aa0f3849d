//! The process that does the work: phone calls, through stages that are watched.
//!
//! It knows nothing of verdicts. What it does it writes into its journal; what the product writes, it leaves alone.

mod answer;
mod call;
mod ears;
mod gauge;
mod latency;
mod mouth;
mod sampler;
mod sinks;
mod stages;
mod timeline;
mod world;

use crate::clock::WorkClock;
use crate::journal::{BillLine, Entry, Journal, Ledger, Sample};
use crate::metrics;
use crate::options::Options;
use crate::plan::Schedule;
use crate::plant::Plant;
use crate::providers;
use campanile::config::Config;
use campanile::{Clock, Monitor, Price, Tick};
use serde::{Deserialize, Serialize};
use sinks::{Counted, Greedy, Hostile};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tower::limit::GlobalConcurrencyLimitLayer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use world::{Counts, Place, World};

/// The world, as tasks share it.
type Shared = Arc<World>;

/// How long the last phone calls may go on after time is up, in their own time.
const LAST_CALLS: Duration = Duration::from_secs(60);

/// What a worker is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) options: Options,
    /// How many workers were killed before this one.
    pub(crate) life: u32,
    /// Where in the soak it begins.
    pub(crate) from_ms: u64,
    /// The providers' addresses, in real time: model, transcriber, speaker.
    pub(crate) sockets: Option<[SocketAddr; 3]>,
    /// Phone calls without layers, for comparison.
    pub(crate) bare: u32,
    pub(crate) config: PathBuf,
    /// Where `/metrics` is served, if it is.
    pub(crate) metrics: SocketAddr,
    /// Where the last that it says is left.
    pub(crate) last_metrics: PathBuf,
    pub(crate) journal: PathBuf,
    /// The folder for logs and ledger.
    pub(crate) disk: PathBuf,
    /// Whether that is a small file system of its own.
    pub(crate) small_disk: bool,
}

impl Job {
    pub(crate) fn logs(&self) -> PathBuf {
        self.disk.join("logs")
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.disk.join("ledger/campanile.db")
    }
}

/// Runs a worker to its end; an error is one line.
pub(crate) fn run(job: Job) -> Result<(), String> {
    let clock = match job.options.is_real() {
        true => WorkClock::real(),
        false => WorkClock::scaled(job.options.length_ms()),
    };
    let mut builder = match job.options.is_real() {
        true => tokio::runtime::Builder::new_multi_thread(),
        false => tokio::runtime::Builder::new_current_thread(),
    };
    let pacer = Arc::new(Pacer::new(&job, clock.clone()));
    if job.options.is_real() {
        builder.enable_all().worker_threads(2);
    } else {
        // Nothing here waits for a socket, and not to ask the kernel for news each time is a good part of the speed.
        builder.enable_time();
        let pacer = Arc::clone(&pacer);
        builder
            .start_paused(true)
            .on_thread_unpark(move || pacer.follow());
    }
    let runtime = builder
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(work(job, clock, &pacer))
}

/// Moves the worker's clock on with tokio's, and holds it back to so many times the world's.
struct Pacer {
    clock: WorkClock,
    real: Clock,
    begun: OnceLock<(Instant, Tick)>,
    from_ns: u64,
    speed: u64,
}

impl Pacer {
    fn new(job: &Job, clock: WorkClock) -> Self {
        Self {
            clock,
            real: Clock::system(),
            begun: OnceLock::new(),
            from_ns: job.from_ms * 1_000_000,
            speed: job.options.speed.into(),
        }
    }

    fn begin(&self) -> Instant {
        let begun = || (Instant::now(), self.real.tick());
        self.clock.advance_to(self.from_ns);
        self.begun.get_or_init(begun).0
    }

    /// Called when the runtime has waited: nothing else moves its clock.
    fn follow(&self) {
        let Some((origin, real)) = self.begun.get() else {
            return;
        };
        let elapsed = origin.elapsed().as_nanos() as u64;
        self.clock.advance_to(self.from_ns + elapsed);
        let due = Duration::from_nanos(elapsed / self.speed);
        let ahead = due.saturating_sub(self.real.tick().since(*real).to_duration());
        if ahead > Duration::from_millis(2) {
            std::thread::sleep(ahead);
        }
    }

    fn real_ms(&self) -> u64 {
        let begun = self.begun.get().map(|(_, real)| *real);
        begun.map_or(0, |real| self.real.tick().since(real).us() / 1_000)
    }
}

/// What stands around the sinks.
pub(crate) struct Watching {
    given: Mutex<BTreeMap<&'static str, Arc<AtomicU64>>>,
    hostile: Hostile,
    pacer: Arc<Pacer>,
    /// Open files and threads at the beginning.
    begun: (u64, u64),
}

impl Watching {
    fn count(&self, name: &'static str) -> Arc<AtomicU64> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(given.entry(name).or_default())
    }

    /// How many events were handed to a sink.
    fn given(&self, name: &str) -> u64 {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.get(name).map_or(0, |count| count.load(Relaxed))
    }

    fn sample(&self, world: &World) -> Sample {
        sampler::sample(world, self, self.pacer.real_ms())
    }

    fn ledger(&self, world: &World) -> Ledger {
        sampler::ledger(world, self)
    }
}

async fn work(job: Job, clock: WorkClock, pacer: &Arc<Pacer>) -> Result<(), String> {
    // Its thread is there before the threads are counted.
    let ending = end_with_stdin();
    let journal = Journal::open(&job.journal)
        .map_err(|error| format!("{}: {error}", job.journal.display()))?;
    let begun = Entry::Begun {
        life: job.life,
        pid: std::process::id(),
        at_ms: job.from_ms,
        fds: sampler::descriptors(),
        tasks: sampler::tasks(),
        threads: sampler::threads(),
    };
    journal.write(&begun);
    // The first backtrace fills caches of tens of megabytes. They are not to look like a leak when the first error comes.
    let _ = std::backtrace::Backtrace::force_capture().to_string();
    let started = pacer.begin();
    let watching = Watching {
        given: Mutex::default(),
        hostile: Hostile::default(),
        pacer: Arc::clone(pacer),
        begun: (sampler::descriptors(), sampler::threads()),
    };
    let monitor = monitor(&job, &clock, &watching)?;
    let place = match job.sockets {
        Some(addresses) => Place::Sockets(addresses),
        None => Place::Memory(Arc::new(providers::in_memory(job.options.seed))),
    };
    let measured = job
        .options
        .is_real()
        .then(|| latency::Measured::new(Clock::system()));
    let world = Arc::new(World {
        schedule: Schedule::new(
            &job.options.faults,
            job.options.seed,
            job.options.length_ms(),
        ),
        limit: GlobalConcurrencyLimitLayer::new(job.options.sessions.div_ceil(2).max(4) as usize),
        clock,
        monitor,
        journal,
        place,
        started,
        measured,
        counts: Counts::default(),
        ending,
        job,
    });
    live(&world, &watching).await;
    end(world, watching).await;
    Ok(())
}

/// Whoever started us closes our standard input when it has seen enough, or dies: then this becomes `true`.
fn end_with_stdin() -> Arc<AtomicBool> {
    let ending = Arc::<AtomicBool>::default();
    let told = Arc::clone(&ending);
    // Nobody waits for it: it hangs in a read until the process ends.
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        told.store(true, Relaxed);
        // It counts as one of our threads until then.
        loop {
            std::thread::park();
        }
    });
    ending
}

/// The monitor of the configuration, on our clock, with what we put around its sinks.
fn monitor(job: &Job, clock: &WorkClock, watching: &Watching) -> Result<Monitor, String> {
    let config = Config::read(&job.config).map_err(|error| error.to_string())?;
    let plant = job.options.plant;
    let monitor = Monitor::configure(&config, &job.options.env)
        .clock(clock.clock())
        .also(watching.hostile.clone())
        .around_sinks(|name, sink| {
            let sink = sinks::plant(plant, name, sink);
            let (count, money) = (watching.count(name), name == "ledger");
            Box::new(Counted { sink, count, money })
        })
        .around_prices(|book| -> Box<dyn Price> {
            match plant {
                Some(Plant::Grain) => Box::new(Greedy {
                    book,
                    calls: AtomicU64::new(0),
                }),
                _ => Box::new(book),
            }
        })
        .start()
        .map_err(|error| error.to_string())?;
    let subscriber = tracing_subscriber::registry().with(monitor.tracing_layer());
    let _ = subscriber.try_init();
    campanile::install_panic_hook(&monitor);
    Ok(monitor)
}

/// Phone calls, until time is up.
async fn live(world: &Shared, watching: &Watching) {
    let mut lines = JoinSet::new();
    for slot in 0..world.job.options.sessions {
        let world = Arc::clone(world);
        lines.spawn(async move { call::line(&world, slot, true).await });
    }
    for slot in 0..world.job.bare {
        let world = Arc::clone(world);
        lines.spawn(async move { call::line(&world, slot, false).await });
    }
    timeline::run(world, watching).await;
    let all = async { while lines.join_next().await.is_some() {} };
    let _ = timeout(LAST_CALLS, all).await;
}

/// Takes what the providers have billed into the journal.
fn bill(world: &World) {
    if let Place::Memory(providers) = &world.place {
        for line in providers.take() {
            world.journal.write(&Entry::Bill(BillLine::of(&line)));
        }
    }
}

/// What they bill of what is open, if we die now.
fn open_bill(world: &World) {
    if let Place::Memory(providers) = &world.place {
        for line in providers.open_lines() {
            world.journal.write(&Entry::OpenBill(BillLine::of(&line)));
        }
    }
}

/// Leaves for the judge what `/metrics` says now that everything is counted. Nothing, where nobody answers.
fn leave_metrics(world: &World) {
    if let Ok(text) = metrics::ask(world.job.metrics) {
        let _ = std::fs::write(&world.job.last_metrics, text);
    }
}

async fn end(world: Shared, watching: Watching) {
    if let Place::Memory(providers) = &world.place {
        // A provider notices a little later than its client that a connection is gone.
        let _ = timeout(LAST_CALLS, providers.settled()).await;
    }
    bill(&world);
    // Replies that are read on for their usage are waited for in here.
    let clean = world.monitor.close().await;
    bill(&world);
    leave_metrics(&world);
    world.journal.write(&Entry::Sample(watching.sample(&world)));
    let (journal, at_ms) = (world.journal.clone(), world.now_ms());
    let opened = world.monitor.intake().opened();
    let latency = world.measured.as_ref().map(|measured| measured.summary());
    let begun = watching.begun;
    // The last handles go, and with them all that the monitor holds.
    drop((world, watching));
    let (fds, threads) = settled(begun);
    journal.write(&Entry::Closed {
        at_ms,
        opened,
        clean,
        fds,
        tasks: sampler::tasks(),
        threads,
        latency,
    });
}

/// Files and threads, once they are no more than at the beginning; after a moment in any case.
fn settled(begun: (u64, u64)) -> (u64, u64) {
    let now = || (sampler::descriptors(), sampler::threads());
    for _ in 0..100 {
        let (files, threads) = now();
        if files <= begun.0 && threads <= begun.1 {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    now()
}
