//! A monitor of a configuration, put together in steps.

use crate::config::Config;
use crate::start::{self, Around, Started, book, levels, reload, tell};
use crate::{LogPolicy, Masker, Monitor, StartError, TextMode};
use campanile_core::{And, Clock, Price, Sink};
use campanile_pricing::Book;
use std::fmt;
use std::path::Path;

impl Monitor {
    /// Starts a monitor for one environment of a configuration. Nothing of the program's is touched.
    ///
    /// # Errors
    ///
    /// As [`init`](crate::init).
    pub fn from_config(config: &Config, environment: &str) -> Result<Self, StartError> {
        Self::configure(config, environment).start()
    }

    /// [`from_config`](Monitor::from_config) in steps: for a program that reads time elsewhere, or puts something of its
    /// own around what the configuration names. Nothing runs before [`Setup::start`].
    pub fn configure<'a>(config: &'a Config, environment: &'a str) -> Setup<'a> {
        Setup {
            config,
            environment,
            clock: None,
            around: Box::new(|_, sink| sink),
            prices: Box::new(|book| Box::new(book)),
            also: And::default(),
        }
    }
}

/// A monitor for one environment of a configuration, before it starts.
///
/// ```
/// use campanile::{Clock, Monitor, config::Config};
///
/// # let folder = tempfile::tempdir()?;
/// # let text = format!("[env.dev]\nsinks = [\"jsonl\"]\n[sink.jsonl]\ndir = {:?}", folder.path());
/// # let config = Config::parse(&text, "campanile.toml".as_ref())?;
/// let mut names = Vec::new();
/// let monitor = Monitor::configure(&config, "dev")
///     .clock(Clock::system())
///     .around_sinks(|name, sink| {
///         names.push(name);
///         sink // or a sink that hands on to it
///     })
///     .start()?;
/// monitor.close_blocking();
/// assert_eq!(names, ["jsonl"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct Setup<'a> {
    config: &'a Config,
    environment: &'a str,
    clock: Option<Clock>,
    around: Around<'a>,
    prices: Box<dyn FnOnce(Book) -> Box<dyn Price> + 'a>,
    also: And,
}

impl<'a> Setup<'a> {
    /// Reads time elsewhere, for events and for files. Default: the processor's counter.
    pub fn clock(self, clock: Clock) -> Self {
        Self {
            clock: Some(clock),
            ..self
        }
    }

    /// Puts something around each sink, by its name in the configuration. It gets what passes the environment's level.
    pub fn around_sinks(
        self,
        around: impl FnMut(&'static str, Box<dyn Sink>) -> Box<dyn Sink> + 'a,
    ) -> Self {
        Self {
            around: Box::new(around),
            ..self
        }
    }

    /// One more sink, of the program's own, beside those of the configuration. It gets every event.
    pub fn also(self, sink: impl Sink + 'static) -> Self {
        Self {
            also: self.also.with(sink),
            ..self
        }
    }

    /// Puts something around the price book.
    pub fn around_prices(self, around: impl FnOnce(Book) -> Box<dyn Price> + 'a) -> Self {
        Self {
            prices: Box::new(around),
            ..self
        }
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// As [`init`](crate::init).
    pub fn start(mut self) -> Result<Monitor, StartError> {
        let (config, environment) = (self.config, self.environment);
        let chosen = config.named_environment(environment)?;
        let levels = levels(config, chosen)?;
        let clock = self.clock.unwrap_or_else(crate::clock::counter);
        let mut started = Started::default();
        let sink = start::sinks(
            config,
            chosen,
            &levels,
            &clock,
            &mut started,
            &mut self.around,
        )?;
        let texts = config.redact.texts();
        let content = config.sink.jsonl.content.max(texts.content) == TextMode::Redacted
            && chosen.sinks.iter().any(|sink| sink == "jsonl");
        if content {
            tell(&format!(
                "what is said is written (redacted) to {}, as {} asks",
                config.sink.jsonl.dir.display(),
                config
                    .file
                    .as_deref()
                    .unwrap_or(Path::new("campanile.toml"))
                    .display()
            ));
        }
        let budgets = config.budgets().map_err(StartError::of)?;
        let rules = config.rules().map_err(StartError::of)?;
        let webhooks = config.webhooks().map_err(StartError::of)?;
        if !rules.is_empty() && started.ledger.upgrade().is_none() {
            tell("rules look into the ledger, and this environment has none: they are off");
        }
        let mut builder = Monitor::builder(sink.and(self.also))
            .watch_ledger(start::watch(config, (&budgets, rules), &webhooks, &started))
            .webhooks(webhooks)
            .prices((self.prices)(book(config)?))
            .redactor(Masker::new(config.redactor()?))
            .texts(texts)
            .clock(clock.clone())
            .keep_content(content)
            .backtraces(config.log.backtraces)
            .summary(config.summary.turns, config.summary.every.0)
            .budgets(budgets)
            .logs(LogPolicy {
                targets: config.log.targets.clone(),
                fields: config.log.fields.clone(),
            })
            .levels(levels.clone())
            .metrics_recorder(started.recorder)
            .ledger(started.ledger)
            .keep(started.endpoint);
        if let Some(key) = config.hash_key()? {
            builder = builder.id_key(key);
        }
        let mut reload = config
            .file
            .as_deref()
            .map(|file| reload(file, environment, levels));
        let metrics = started.metrics;
        builder = builder.watch(Box::new(move |intake, _| {
            if let Some(reload) = &mut reload {
                reload();
            }
            if let Some(metrics) = &metrics {
                metrics.open_calls(intake.open_calls().len() as u64);
            }
        }));
        Ok(builder.start())
    }
}

impl fmt::Debug for Setup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}
