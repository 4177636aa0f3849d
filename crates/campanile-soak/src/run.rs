//! One soak: starts a worker, watches it, kills it where the plan says so, and judges what it has left.

use crate::canary::Watcher;
use crate::disk::Disk;
use crate::faults::Fault;
use crate::interrupt::Interrupt;
use crate::journal::{BillLine, Entry, Tail};
use crate::judge::alerts::{SHARES, budgets};
use crate::judge::console::Console;
use crate::judge::evidence::{Evidence, Ledgered};
use crate::judge::mission::{self, Early, FIVE_MINUTES_MS};
use crate::judge::verdict;
use crate::options::{Options, Preset};
use crate::report::{self, live::Live};
use crate::worker::Job;
use crate::{WORKER, limit, metrics, providers};
use campanile_testkit::sim::Providers;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::Instant;

/// How often the judge looks.
const LOOK: Duration = Duration::from_millis(50);
/// How long a worker that was told to end may take.
const LAST_WORDS: Duration = Duration::from_secs(120);

/// What `/metrics` said last.
const LAST_METRICS: &str = "metrics.txt";

/// Runs a soak. Whether everything held; an error is one line.
pub(crate) fn run(options: Options) -> Result<bool, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(async {
        let interrupt = Interrupt::listen().map_err(|error| format!("no signals: {error}"))?;
        if options.find_limit {
            return limit::find(&options, &interrupt).await;
        }
        let mut soak = Soak::prepare(options, &interrupt).await?;
        soak.live().await?;
        soak.judge().await
    })
}

/// A soak that is prepared, or under way.
pub(crate) struct Soak {
    options: Options,
    folder: PathBuf,
    disk: Disk,
    config: PathBuf,
    metrics: SocketAddr,
    providers: Option<Providers>,
    evidence: Evidence,
    watcher: Watcher,
    live: Live,
    interrupt: Interrupt,
    /// Held as long as this soak is at work in its folder.
    _lock: File,
}

/// What a life of a worker ended with.
enum End {
    Closed,
    Killed {
        at_ms: u64,
    },
    /// It was told to end, and did not.
    Stuck,
}

impl Soak {
    /// Makes folders, configuration, providers.
    pub(crate) async fn prepare(options: Options, interrupt: &Interrupt) -> Result<Self, String> {
        let folder = options.report.join("run");
        let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::create_dir_all(&options.report).map_err(wrong)?;
        let lock = File::create(options.report.join("lock")).map_err(wrong)?;
        if lock.try_lock().is_err() {
            let folder = options.report.display();
            return Err(format!(
                "another soak is at work in {folder}: name another folder by --report"
            ));
        }
        Disk::clear(&folder.join("disk"));
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(wrong)?;
        }
        fs::create_dir_all(&folder).map_err(wrong)?;
        let folder = folder.canonicalize().map_err(wrong)?;
        let minutes = options.minutes * f64::from(options.sessions);
        let wants_small = options.faults.list.contains(&Fault::DiskFull);
        let room = (48 << 20) + (minutes * 48_000.0) as u64;
        let disk = Disk::new(folder.join("disk"), wants_small.then_some(room)).map_err(wrong)?;
        let (level, sinks) = environment(&options)?;
        let mut evidence = Evidence::new(options.clone(), sinks);
        evidence.max_file = ((minutes * 1_000.0) as u64).clamp(48 << 10, 4 << 20);
        evidence.max_total = evidence.max_file * 6;
        let metrics = free_port().map_err(wrong)?;
        let config = folder.join("campanile.toml");
        let text = configuration(&level, &disk.folder, &evidence, metrics);
        fs::write(&config, text).map_err(wrong)?;
        let providers = match options.is_real() {
            true => Some(providers::listening(options.seed).await.map_err(wrong)?),
            false => None,
        };
        Ok(Self {
            _lock: lock,
            interrupt: interrupt.clone(),
            live: Live::new(&options),
            options,
            folder,
            disk,
            config,
            metrics,
            providers,
            evidence,
            watcher: Watcher::new(),
        })
    }

    /// What is known so far.
    pub(crate) fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    fn job(&self, life: u32, from_ms: u64) -> Job {
        let sockets = self.providers.as_ref().and_then(|providers| {
            Some([
                providers.openai.address()?,
                providers.deepgram.address()?,
                providers.cartesia.address()?,
            ])
        });
        Job {
            options: self.options.clone(),
            life,
            from_ms,
            bare: match (&sockets, self.options.find_limit) {
                (None, _) => 0,
                (Some(_), false) => self.options.sessions,
                (Some(_), true) => self.options.sessions.div_ceil(4),
            },
            sockets,
            config: self.config.clone(),
            metrics: self.metrics,
            last_metrics: self.folder.join(LAST_METRICS),
            journal: self.folder.join(format!("journal-{life}.jsonl")),
            disk: self.disk.folder.clone(),
            small_disk: self.disk.is_small,
        }
    }

    /// One worker after another, until one ends in order.
    pub(crate) async fn live(&mut self) -> Result<(), String> {
        let (mut life, mut from_ms) = (0, 0);
        loop {
            match self.worker(self.job(life, from_ms)).await? {
                End::Closed | End::Stuck => return Ok(()),
                // It had a second more for its last checkpoint.
                End::Killed { at_ms } => from_ms = at_ms + 1_001,
            }
            self.evidence.kills += 1;
            life += 1;
        }
    }

    async fn worker(&mut self, job: Job) -> Result<End, String> {
        let mut child = spawn(&job)?;
        let stdout = child.stdout.take().ok_or("the worker has no output")?;
        let stderr = child
            .stderr
            .take()
            .ok_or("the worker has no error output")?;
        let console = Console::read(stdout, &self.folder.join("console.txt"));
        let complaints = Console::read(stderr, &self.folder.join("stderr.txt"));
        let mut tail = Tail::new(job.journal.clone());
        let watched = self.watch(&mut child, &mut tail, &console).await;
        let _ = child.kill();
        let _ = child.wait();
        let end = watched?;
        self.look(&mut tail, &console)?;
        let (seen, canaries, bytes) = console.end();
        self.evidence.console.enter(job.life, seen);
        let (_, more, complained) = complaints.end();
        self.evidence
            .canaries
            .extend(canaries.into_iter().chain(more));
        self.evidence.searched_bytes += bytes + complained;
        Ok(end)
    }

    /// Until the worker has ended, or is to be killed.
    async fn watch(
        &mut self,
        child: &mut Child,
        tail: &mut Tail,
        console: &Console,
    ) -> Result<End, String> {
        let mut told_at = None;
        loop {
            tokio::time::sleep(LOOK).await;
            if self.interrupt.has_come() {
                self.evidence.ended_early = true;
                // Also of a worker that began after the one that was told was killed.
                drop(child.stdin.take());
                told_at.get_or_insert_with(Instant::now);
            }
            if let Some(at_ms) = self.look(tail, console)? {
                return Ok(End::Killed { at_ms });
            }
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                return match status.success() {
                    true => Ok(End::Closed),
                    false => Err(format!(
                        "the worker ended with {status}: {}",
                        self.last_words()
                    )),
                };
            }
            if told_at.is_some_and(|at| at.elapsed() > LAST_WORDS) {
                return Ok(End::Stuck);
            }
        }
    }

    fn last_words(&self) -> String {
        let text = fs::read_to_string(self.folder.join("stderr.txt")).unwrap_or_default();
        text.lines().last().unwrap_or("it said nothing").to_owned()
    }

    /// Takes in everything that there is to see. The moment at which the worker wants to be killed.
    fn look(&mut self, tail: &mut Tail, console: &Console) -> Result<Option<u64>, String> {
        let mut kill = None;
        for entry in tail
            .read()
            .map_err(|error| format!("the journal: {error}"))?
        {
            match &entry {
                Entry::Mark { fault, on, .. } if fault == Fault::StdoutStall.name() => {
                    console.stalled.store(*on, Relaxed);
                }
                Entry::Sample(sample) => {
                    self.live.show(sample, &self.evidence);
                    if sample.at_ms >= FIVE_MINUTES_MS && self.evidence.early.is_none() {
                        self.five_minutes(console);
                    }
                }
                _ => {}
            }
            kill = self.evidence.take(entry).or(kill);
        }
        let (canaries, bytes) = self
            .evidence
            .logs
            .follow(&self.disk.folder.join("logs"), &self.watcher);
        self.evidence.canaries.extend(canaries);
        self.evidence.searched_bytes += bytes;
        self.scrape();
        Ok(kill)
    }

    /// What there is after five minutes.
    fn five_minutes(&mut self, console: &Console) {
        let metrics = metrics::ask(self.metrics).unwrap_or_default();
        let series: Vec<_> = metrics
            .lines()
            .filter(|line| line.starts_with(char::is_alphabetic))
            .collect();
        let about = |word: &str| series.iter().filter(|line| line.contains(word)).count();
        let (log_lines, not_json) = self.evidence.logs.so_far();
        self.evidence.early = Some(Early {
            console_lines: console.lines(),
            log_files: self.evidence.logs.files,
            log_lines,
            not_json,
            metrics: series.len(),
            cost_metrics: about("cost"),
            latency_metrics: about("duration") + about("first"),
        });
    }

    /// Asks for metrics while calls go on, as Prometheus would.
    fn scrape(&mut self) {
        if let Ok(text) = metrics::ask(self.metrics) {
            self.search_metrics(&text);
        }
    }

    fn search_metrics(&mut self, text: &str) {
        if let Some(place) = self.watcher.find(text.as_bytes()) {
            self.evidence.canaries.push(format!("metrics: {place}"));
        }
        self.evidence.searched_bytes += text.len() as u64;
    }

    /// What they said when the last worker's monitor was closed, and nothing was under way any more.
    fn last_metrics(&mut self) {
        if let Ok(text) = fs::read_to_string(self.folder.join(LAST_METRICS)) {
            self.search_metrics(&text);
            self.evidence.metric_calls = Some(metrics::calls(&text));
        }
    }

    async fn judge(mut self) -> Result<bool, String> {
        if let Some(providers) = self.providers.take() {
            let bill = providers.stop().await;
            self.evidence
                .lines
                .extend(bill.lines.iter().map(BillLine::of));
        }
        self.last_metrics();
        let folder = self.disk.folder.join("ledger");
        self.search(&folder);
        let ledger = folder.join("campanile.db");
        self.evidence.ledger = match Ledgered::read(&ledger) {
            Ok(ledger) => Some(ledger),
            Err(why) => {
                self.live.say(&format!("the ledger cannot be read: {why}"));
                None
            }
        };
        let lines = match self.options.preset {
            Some(Preset::Mission) => mission::judge(&self.evidence),
            None => verdict::judge(&self.evidence),
        };
        report::write(&self.options, &self.evidence, &lines)?;
        Ok(report::console::verdict(
            &self.options,
            &self.evidence,
            &lines,
        ))
    }

    /// Looks for canaries in all that the ledger has left in its folder.
    fn search(&mut self, folder: &Path) {
        let (found, bytes) = self.watcher.search(folder);
        self.evidence.searched_bytes += bytes;
        let found = found.into_iter().map(|place| format!("ledger: {place}"));
        self.evidence.canaries.extend(found);
    }
}

fn spawn(job: &Job) -> Result<Child, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let text = serde_json::to_string(job).map_err(|error| error.to_string())?;
    Command::new(program)
        .args([WORKER, &text])
        // Ctrl-C is for us: the worker is told in its own time.
        .process_group(0)
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("no worker: {error}"))
}

fn free_port() -> std::io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

/// Level and sinks of the environment: the soak's own has every sink, another one is that of the file in this folder.
fn environment(options: &Options) -> Result<(String, Vec<String>), String> {
    let (level, sinks) = match options.env.as_str() {
        "soak" => (
            "debug".to_owned(),
            ["console", "jsonl", "ledger", "prometheus"]
                .map(str::to_owned)
                .to_vec(),
        ),
        name => {
            let config = campanile::config::Config::find().map_err(|error| error.to_string())?;
            let chosen = config
                .named_environment(name)
                .map_err(|error| error.to_string())?;
            (chosen.level.clone(), chosen.sinks.clone())
        }
    };
    if !sinks.iter().any(|sink| sink == "ledger") {
        return Err(format!(
            "the environment `{}` has no ledger: there would be nothing to judge",
            options.env
        ));
    }
    Ok((level, sinks))
}

/// The file of the soak: the environment, small files, and budgets that are passed.
fn configuration(level: &str, disk: &Path, evidence: &Evidence, metrics: SocketAddr) -> String {
    let (options, sinks) = (&evidence.options, &evidence.sinks);
    let mut text = format!(
        "[env.{}]\nlevel = \"{level}\"\nsinks = {sinks:?}\n\n\
         [log]\ntargets = [\"bot\"]\nfields = [\"note\"]\nbacktraces = true\n\n\
         [sink.jsonl]\ndir = {:?}\nmax_file = \"{}B\"\nmax_total = \"{}B\"\n\n\
         [sink.ledger]\npath = {:?}\n\n[sink.prometheus]\nlisten = \"{metrics}\"\nport_required = true\n",
        options.env,
        disk.join("logs"),
        evidence.max_file,
        evidence.max_total,
        disk.join("ledger/campanile.db"),
    );
    let shares = SHARES
        .map(|(_, share)| if share == "1" { "1.0" } else { share })
        .join(", ");
    for budget in budgets(options.minutes * f64::from(options.sessions)) {
        let window = if budget.daily { "day" } else { "month" };
        text.push_str(&format!(
            "\n[[budget]]\nprovider = \"{}\"\nusd = \"{}\"\nwindow = \"{window}\"\nwarn_at = [{shares}]\n",
            budget.provider, budget.usd
        ));
    }
    text
}
