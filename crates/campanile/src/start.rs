//! From a configuration to a running monitor.

use crate::alerts;
use crate::config::{self, Config, Durable, Environment};
use crate::levels::Levels;
use crate::texts::Tight;
use crate::{Monitor, TextMode, Texts};
use campanile_core::{Clock, Event, Lane, Level, Sink, Stats};
use campanile_pricing::Book;
use campanile_sinks::ledger::{Durability, Ledger, LedgerOptions};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts the monitor that `campanile.toml` and `CAMPANILE_ENV` describe, and makes it the program's own: its `tracing` subscriber
/// (unless there is one), its panic hook, and its `metrics` recorder where the environment has `prometheus`.
///
/// A program that owns these composes instead: [`Monitor::from_config`], and then [`Monitor::tracing_layer`],
/// [`install_panic_hook`](crate::install_panic_hook), [`Monitor::metrics_recorder`].
///
/// # Errors
///
/// When the configuration is wrong, or a folder, the ledger or a required port cannot be had. The message is one line that says
/// what, where, and what to do; programs print it and end with status 2.
pub fn init() -> Result<Monitor, StartError> {
    let config = Config::find()?;
    let (name, _) = config.environment()?;
    let monitor = Monitor::from_config(&config, &name)?;
    let subscriber = tracing_subscriber::registry().with(monitor.tracing_layer());
    // Somebody was here before: theirs stays, and takes our layer in if they want it.
    let _ = subscriber.try_init();
    crate::install_panic_hook(&monitor);
    if let Some(recorder) = monitor.metrics_recorder() {
        let _ = metrics::set_global_recorder(recorder);
    }
    Ok(monitor)
}

/// Puts something around each sink, by its name.
pub(crate) type Around<'a> = Box<dyn FnMut(&'static str, Box<dyn Sink>) -> Box<dyn Sink> + 'a>;

/// What the sinks leave behind: an endpoint that serves, a recorder for the `metrics` facade, and a sink that wants to know how many
/// calls are open.
#[derive(Default)]
pub(crate) struct Started {
    pub(crate) endpoint: Option<campanile_sinks::MetricsEndpoint>,
    pub(crate) recorder: Option<campanile_sinks::PrometheusRecorder>,
    pub(crate) metrics: Option<Arc<campanile_sinks::MetricsSink>>,
    pub(crate) ledger: Weak<Ledger>,
}

/// The ledger, with whatever a program has put around it.
struct Money(Box<dyn Sink>);

impl Sink for Money {
    fn record(&self, event: &Event) {
        self.0.record(event);
    }

    fn flush(&self, within: Duration) -> bool {
        self.0.flush(within)
    }

    fn name(&self) -> &'static str {
        "ledger"
    }

    fn lane(&self) -> Option<Lane> {
        Some(Lane::Money)
    }

    fn account(&self) -> Option<Stats> {
        self.0.account()
    }
}

pub(crate) fn sinks(
    config: &Config,
    environment: &Environment,
    levels: &Levels,
    clock: &Clock,
    started: &mut Started,
    around: &mut Around<'_>,
) -> Result<Box<dyn Sink>, StartError> {
    let mut all: Box<dyn Sink> = Box::new(());
    for name in &environment.sinks {
        let sink: Box<dyn Sink> = match name.as_str() {
            "ledger" => {
                let ledger = Arc::new(ledger(config, clock)?);
                started.ledger = Arc::downgrade(&ledger);
                // Whatever stands around it: no worker that may shed comes between.
                Box::new(Money(around("ledger", Box::new(ledger))))
            }
            "jsonl" => {
                let jsonl = jsonl(&config.sink.jsonl, clock)?;
                Box::new(levels.gate(around("jsonl", Box::new(jsonl))))
            }
            "console" => {
                let console = console(&config.sink.console, clock)?;
                Box::new(levels.gate(around("console", Box::new(console))))
            }
            _ => {
                let metrics = prometheus(&config.sink.prometheus, started)?;
                around("prometheus", Box::new(metrics))
            }
        };
        let (texts, redactor) = config.sink.tight(name).map_err(StartError)?;
        let base = config.redact.texts();
        let texts = texts.tighten(base).beyond(base);
        let sink: Box<dyn Sink> = match texts == Texts::LOOSEST && redactor.is_none() {
            true => sink,
            false => Box::new(Tight {
                sink,
                texts,
                redactor,
            }),
        };
        all = Box::new(all.and(sink));
    }
    Ok(all)
}

fn durability(stated: Durable) -> Durability {
    match stated {
        Durable::Durable => Durability::Durable,
        Durable::Fast => Durability::Fast,
    }
}

fn ledger(config: &Config, clock: &Clock) -> Result<Ledger, StartError> {
    let options = &config.sink.ledger;
    let options = LedgerOptions::new(&options.path).durability(durability(options.durability));
    let options = options.prices(book(config)?).tell(|trouble| {
        let (why, waiting) = (&trouble.message, trouble.waiting_events);
        tell(&format!("{why}; events that wait in memory: {waiting}"));
    });
    Ledger::open(options, clock.clone()).map_err(StartError::of)
}

fn jsonl(
    options: &config::JsonlOptions,
    clock: &Clock,
) -> Result<campanile_sinks::JsonlSink, StartError> {
    campanile_sinks::Jsonl::new(&options.dir)
        .max_file(options.max_file.0)
        .max_total(options.max_total.0)
        .max_age(options.max_age.0)
        .content(options.content == TextMode::Redacted)
        .clock(clock.clone())
        .open()
        .map_err(StartError::of)
}

fn console(
    options: &config::ConsoleOptions,
    clock: &Clock,
) -> Result<campanile_sinks::ConsoleSink, StartError> {
    let console = match options.stderr {
        true => campanile_sinks::Console::stderr(),
        false => campanile_sinks::Console::stdout(),
    };
    console
        .level(Level::Trace)
        .clock(clock.clone())
        .open()
        .map_err(StartError::of)
}

fn prometheus(
    options: &config::PrometheusOptions,
    started: &mut Started,
) -> Result<Arc<campanile_sinks::MetricsSink>, StartError> {
    let recorder = campanile_sinks::PrometheusRecorder::new();
    let endpoint = campanile_sinks::Endpoint::new(recorder.clone())
        .address(options.listen)
        .port_required(options.port_required)
        .open()
        .map_err(StartError::of)?;
    if options.listen.port() != 0 && endpoint.address() != options.listen {
        tell(&format!(
            "{} is taken, metrics are at http://{}/metrics",
            options.listen,
            endpoint.address()
        ));
    }
    let sink = Arc::new(campanile_sinks::MetricsSink::new(recorder.clone()));
    started.metrics = Some(Arc::clone(&sink));
    started.endpoint = Some(endpoint);
    started.recorder = Some(recorder);
    Ok(sink)
}

/// `RUST_LOG` wins over the environment's level. That level is meant for our own events and the program's own targets: what
/// other crates say below `info` is for those who ask for it.
pub(crate) fn levels(config: &Config, environment: &Environment) -> Result<Levels, StartError> {
    match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.trim().is_empty() => {
            Levels::parse(&directives).map_err(|why| StartError(format!("RUST_LOG: {why}")))
        }
        _ => {
            let level = environment.level.as_str();
            let others = if matches!(level, "debug" | "trace") {
                "info"
            } else {
                level
            };
            let own = config
                .log
                .targets
                .iter()
                .map(String::as_str)
                .chain(["campanile"]);
            let own: String = own.map(|target| format!(",{target}={level}")).collect();
            Levels::parse(&format!("{others}{own}")).map_err(StartError)
        }
    }
}

pub(crate) fn book(config: &Config) -> Result<Book, StartError> {
    let book = Book::standard();
    let Some(file) = &config.prices.file else {
        return Ok(book);
    };
    let fail = |why: String| StartError(format!("{}: {why}", file.display()));
    let text =
        std::fs::read_to_string(file).map_err(|error| fail(format!("cannot be read: {error}")))?;
    book.with_override(&text)
        .map_err(|error| fail(error.to_string()))
}

/// The watch over budgets and rules in the ledger, where there is one.
pub(crate) fn watch(
    config: &Config,
    (budgets, rules): (&[alerts::Budget], Vec<alerts::Rule>),
    webhooks: &[alerts::Webhook],
    started: &Started,
) -> Option<alerts::Watch> {
    let ledger = started.ledger.upgrade();
    let ledger = ledger.filter(|_| !budgets.is_empty() || !rules.is_empty())?;
    let watch = alerts::Watch::new(ledger.path(), budgets.to_vec())
        .durability(durability(config.sink.ledger.durability))
        .rules(rules)
        .webhooks(
            webhooks
                .iter()
                .map(|webhook| webhook.name().clone())
                .collect(),
        )
        .run(ledger.run());
    Some(watch)
}

/// Looks at the file's time, and takes over its level when it has changed. A file that cannot be used is told, and the level stays.
pub(crate) fn reload(
    file: &Path,
    environment: &str,
    levels: Levels,
) -> impl FnMut() + Send + use<> {
    let (file, environment) = (file.to_owned(), environment.to_owned());
    let modified =
        |file: &Path| -> Option<SystemTime> { std::fs::metadata(file).ok()?.modified().ok() };
    let mut known = modified(&file);
    move || {
        let now = modified(&file);
        if now.is_none() || now == known {
            return;
        }
        known = now;
        let config = Config::read(&file).map_err(StartError::from);
        let fresh = config
            .and_then(|config| self::levels(&config, config.named_environment(&environment)?));
        match fresh {
            Ok(fresh) => levels.set(&fresh),
            Err(why) => tell(&format!("{why}; what was read before stays")),
        }
    }
}

/// One line for whoever runs the program.
pub(crate) fn tell(line: &str) {
    // No complaint when nobody listens: `eprintln!` would panic.
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("campanile: {line}\n").as_bytes(),
    );
}

/// A monitor that could not be started: what, where, what to do, in one line. `Debug` shows the same line, for programs
/// whose `main` returns it.
#[derive(Clone, PartialEq, Eq)]
pub struct StartError(String);

impl StartError {
    /// Prints the line on stderr and ends the process with status 2.
    ///
    /// ```no_run
    /// let monitor = campanile::init().unwrap_or_else(|error| error.exit());
    /// ```
    pub fn exit(&self) -> ! {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{self}\n").as_bytes());
        std::process::exit(2)
    }
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StartError {
    pub(crate) fn of(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl From<config::ConfigError> for StartError {
    fn from(error: config::ConfigError) -> Self {
        Self::of(error)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "campanile: {}", self.0)
    }
}

impl std::error::Error for StartError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_level_is_taken_over_and_a_broken_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("campanile.toml");
        let write = |level: &str, age: u64| {
            std::fs::write(
                &file,
                format!("[env.dev]\nlevel = \"{level}\"\nsinks = []\n"),
            )
            .unwrap();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 + age);
            std::fs::File::options()
                .write(true)
                .open(&file)
                .unwrap()
                .set_modified(time)
                .unwrap();
        };
        write("info", 0);
        let levels = Levels::new(Level::Info);
        let mut look = reload(&file, "dev", levels.clone());

        look();
        assert_eq!(levels.own(), Level::Info);
        write("debug", 1);
        look();
        assert_eq!(levels.own(), Level::Debug);
        write("loud", 2);
        look();
        assert_eq!(levels.own(), Level::Debug);
        std::fs::remove_file(&file).unwrap();
        look();
        assert_eq!(levels.own(), Level::Debug);
    }

    #[test]
    fn other_crates_speak_from_info_on() {
        let mut config = Config::default();
        config.log.targets = vec!["my_bot".to_owned()];
        let levels = levels(&config, config.named_environment("dev").unwrap()).unwrap();

        assert_eq!(levels.own(), Level::Debug);
        let shown = format!("{levels:?}");
        assert!(shown.contains("my_bot"), "{shown}");
    }
}
