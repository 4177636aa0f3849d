//! `campanile.toml`: environments, sinks, what logs may hold, budgets.
//!
//! Every key that is not known is an error which names the key, the file, and the nearest right one. A file that
//! is not there gives the default: an environment `dev` with console, jsonl and ledger.

mod budget;
mod keys;
mod redaction;
mod rule;
mod units;
mod webhook;

use crate::{TextMode, Texts};
pub use budget::Budget;
use campanile_redact::{HashKey, Redactor};
pub use redaction::{KeyOptions, Redaction, RuleOptions};
pub use rule::{Latency, Rule};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
pub use units::{Age, Bytes};
pub use webhook::Webhook;

/// What stands in `campanile.toml`.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Config {
    /// Environments by name.
    #[serde(default = "Config::default_environments")]
    pub env: BTreeMap<String, Environment>,
    /// What the program's own log lines may hold.
    #[serde(default)]
    pub log: Log,
    /// How texts are masked.
    #[serde(default)]
    pub redact: Redaction,
    /// Options of the sinks.
    #[serde(default)]
    pub sink: Sinks,
    /// Summary lines.
    #[serde(default)]
    pub summary: SummaryLines,
    /// Prices that replace those of the book.
    #[serde(default)]
    pub prices: Prices,
    /// Limits whose passing is told.
    #[serde(default)]
    pub budget: Vec<Budget>,
    /// What is told beside budgets.
    #[serde(default)]
    pub rule: Vec<Rule>,
    /// Who is told of alerts over HTTP.
    #[serde(default)]
    pub webhook: Vec<Webhook>,
    /// The file that was read; `None` for the default.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

/// One environment: a level and sinks.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Environment {
    /// What is written: `error`, `warn`, `info`, `debug` or `trace`. `RUST_LOG` wins.
    #[serde(default = "info")]
    pub level: String,
    /// Where to: any of `console`, `jsonl`, `ledger`, `prometheus`.
    #[serde(default)]
    pub sinks: Vec<String>,
}

/// What the program's own log lines may hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct Log {
    /// Targets (crates, modules) whose message text may be written, redacted.
    #[serde(default)]
    pub targets: Vec<String>,
    /// Names of fields that may be written: numbers as they are, texts redacted.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Whether failures bring a backtrace.
    #[serde(default)]
    pub backtraces: bool,
}

/// Options of the sinks.
#[derive(Clone, Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct Sinks {
    /// The files of JSON lines.
    #[serde(default)]
    pub jsonl: JsonlOptions,
    /// The ledger.
    #[serde(default)]
    pub ledger: LedgerTable,
    /// The endpoint for Prometheus.
    #[serde(default)]
    pub prometheus: PrometheusOptions,
    /// The console.
    #[serde(default)]
    pub console: ConsoleOptions,
}

/// The files of JSON lines.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct JsonlOptions {
    /// The folder.
    pub dir: PathBuf,
    /// A file that is larger is closed, and the next one begun.
    pub max_file: Bytes,
    /// What all files of the folder may take.
    pub max_total: Bytes,
    /// Older files are deleted.
    pub max_age: Age,
    /// What is said: `redacted` writes it, redacted; `drop` not even its size. Default: its size.
    pub content: TextMode,
    /// Texts of errors. Default: as [`Redaction::errors`].
    pub errors: TextMode,
    /// Texts of log lines. Default: as [`Redaction::logs`].
    pub logs: TextMode,
    /// What stands in place of finds, where it is stricter than [`Redaction::modes`].
    pub modes: BTreeMap<String, String>,
}

/// The ledger.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct LedgerTable {
    /// Its file.
    pub path: PathBuf,
    /// What is promised before an event counts as written.
    pub durability: Durable,
    /// Texts of errors. Default: as [`Redaction::errors`].
    pub errors: TextMode,
    /// What stands in place of finds, where it is stricter than [`Redaction::modes`].
    pub modes: BTreeMap<String, String>,
}

/// What the ledger promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Durable {
    /// It survives the loss of power.
    #[default]
    Durable,
    /// It survives the death of the process; power loss may cost up to a second.
    Fast,
}

/// The endpoint for Prometheus.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct PrometheusOptions {
    /// Its address.
    pub listen: std::net::SocketAddr,
    /// Whether a port that is taken is an error; else the next free one is used and printed.
    pub port_required: bool,
}

/// The console.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ConsoleOptions {
    /// Whether lines go to stderr instead of stdout.
    pub stderr: bool,
    /// Texts of errors. Default: as [`Redaction::errors`].
    pub errors: TextMode,
    /// Texts of log lines. Default: as [`Redaction::logs`].
    pub logs: TextMode,
    /// What stands in place of finds, where it is stricter than [`Redaction::modes`].
    pub modes: BTreeMap<String, String>,
}

/// Summary lines.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SummaryLines {
    /// After so many turns.
    pub turns: u64,
    /// Or after so much time.
    pub every: Age,
}

/// Prices that replace those of the book.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Prices {
    /// A file in the format of the book.
    pub file: Option<PathBuf>,
}

fn info() -> String {
    "info".to_owned()
}

impl Default for JsonlOptions {
    fn default() -> Self {
        Self {
            dir: "logs".into(),
            max_file: Bytes(64 << 20),
            max_total: Bytes(2 << 30),
            max_age: Age::days(14),
            content: TextMode::Measure,
            errors: TextMode::default(),
            logs: TextMode::default(),
            modes: BTreeMap::new(),
        }
    }
}

impl Default for LedgerTable {
    fn default() -> Self {
        Self {
            path: "ledger/campanile.db".into(),
            durability: Durable::Durable,
            errors: TextMode::default(),
            modes: BTreeMap::new(),
        }
    }
}

impl Default for PrometheusOptions {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 9464).into(),
            port_required: false,
        }
    }
}

impl Default for SummaryLines {
    fn default() -> Self {
        Self {
            turns: 10,
            every: Age::minutes(5),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            env: Self::default_environments(),
            log: Log::default(),
            redact: Redaction::default(),
            sink: Sinks::default(),
            summary: SummaryLines::default(),
            prices: Prices::default(),
            budget: Vec::new(),
            rule: Vec::new(),
            webhook: Vec::new(),
            file: None,
        }
    }
}

/// The names of sinks that an environment may list.
pub(crate) const SINKS: [&str; 4] = ["console", "jsonl", "ledger", "prometheus"];
/// The levels that an environment may name.
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

impl Config {
    /// The file named by `CAMPANILE_CONFIG`, or else `campanile.toml` in the working directory if it is there, or else
    /// the default.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is not what it should be.
    pub fn find() -> Result<Self, ConfigError> {
        match std::env::var_os("CAMPANILE_CONFIG") {
            Some(path) => Self::read(Path::new(&path)),
            None if Path::new("campanile.toml").exists() => Self::read(Path::new("campanile.toml")),
            None => Ok(Self::default()),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is not what it should be.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::new(path, format!("cannot be read: {error}")))?;
        Self::parse(&text, path)
    }

    /// Reads text; `path` is for messages.
    ///
    /// # Errors
    ///
    /// When it is not what it should be.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let fail = |what: String| ConfigError::new(path, what);
        let table: toml::Table = text.parse().map_err(|error| fail(one_line(&error)))?;
        keys::check(&table).map_err(fail)?;
        let mut config: Config = toml::from_str(text).map_err(|error| fail(one_line(&error)))?;
        for (name, environment) in &config.env {
            let of =
                |what, known| move |word| unknown_word(&format!("env.{name}.{what}"), word, known);
            one_of(&environment.level, &LEVELS)
                .map_err(of("level", &LEVELS))
                .map_err(fail)?;
            for sink in &environment.sinks {
                one_of(sink, &SINKS)
                    .map_err(of("sinks", &SINKS))
                    .map_err(fail)?;
            }
        }
        config.budgets().map_err(fail)?;
        config.rules().map_err(fail)?;
        for (number, webhook) in config.webhook.iter().enumerate() {
            webhook.check().map_err(fail)?;
            let same = |other: &Webhook| other.name == webhook.name;
            if config.webhook[..number].iter().any(same) {
                return Err(fail(format!(
                    "two webhooks are called `{}`: give one of them another `name`",
                    webhook.name
                )));
            }
        }
        config.redact.check().map_err(fail)?;
        for sink in SINKS {
            config.sink.tight(sink).map_err(fail)?;
        }
        config.file = Some(path.to_owned());
        Ok(config)
    }

    /// The redactor that `[redact]` describes.
    ///
    /// # Errors
    ///
    /// When the key of hashes is not in the environment, or the file of words cannot be read.
    pub fn redactor(&self) -> Result<Redactor, ConfigError> {
        let file = self.file.as_deref().unwrap_or(Path::new("campanile.toml"));
        self.redact
            .redactor()
            .map_err(|what| ConfigError::new(file, what))
    }

    /// The key of hashes, from the environment; `None` where the file names none.
    ///
    /// # Errors
    ///
    /// When it is not in the environment, or is no key.
    pub fn hash_key(&self) -> Result<Option<HashKey>, ConfigError> {
        let file = self.file.as_deref().unwrap_or(Path::new("campanile.toml"));
        self.redact
            .key()
            .map_err(|what| ConfigError::new(file, what))
    }

    /// The budgets, ready to be used; or what is wrong with one of them.
    ///
    /// # Errors
    ///
    /// When a value is not what it should be, or two budgets have one name.
    pub fn budgets(&self) -> Result<Vec<crate::alerts::Budget>, String> {
        let mut budgets: Vec<crate::alerts::Budget> = Vec::new();
        for budget in &self.budget {
            let budget = budget.build()?;
            if budgets.iter().any(|known| known.name() == budget.name()) {
                return Err(format!(
                    "two budgets are called `{}`: give one of them another `name`",
                    budget.name()
                ));
            }
            budgets.push(budget);
        }
        Ok(budgets)
    }

    /// The rules, ready to be used; or what is wrong with one of them.
    ///
    /// # Errors
    ///
    /// When a value is not what it should be, or two rules have one name.
    pub fn rules(&self) -> Result<Vec<crate::alerts::Rule>, String> {
        let mut rules: Vec<crate::alerts::Rule> = Vec::new();
        for rule in &self.rule {
            let rule = rule.build()?;
            if rules.iter().any(|known| known.name() == rule.name()) {
                return Err(format!(
                    "two rules are called `{}`: give one of them another `name`",
                    rule.name()
                ));
            }
            rules.push(rule);
        }
        Ok(rules)
    }

    /// The webhooks, with their addresses.
    ///
    /// # Errors
    ///
    /// When an address is not there, or is none.
    pub fn webhooks(&self) -> Result<Vec<crate::alerts::Webhook>, String> {
        self.webhook.iter().map(Webhook::build).collect()
    }

    /// The environment that `CAMPANILE_ENV` names; `dev` unless it is set.
    ///
    /// # Errors
    ///
    /// When there is no such environment.
    pub fn environment(&self) -> Result<(String, &Environment), ConfigError> {
        let name = std::env::var("CAMPANILE_ENV").unwrap_or_else(|_| "dev".to_owned());
        Ok((name.clone(), self.named_environment(&name)?))
    }

    /// The environment of that name.
    ///
    /// # Errors
    ///
    /// When there is no such environment.
    pub fn named_environment(&self, name: &str) -> Result<&Environment, ConfigError> {
        let known: Vec<&str> = self.env.keys().map(String::as_str).collect();
        self.env.get(name).ok_or_else(|| {
            let file = self.file.as_deref().unwrap_or(Path::new("campanile.toml"));
            let hint = keys::nearest(name, &known);
            ConfigError::new(
                file,
                format!(
                    "no environment `{name}` (CAMPANILE_ENV){hint}; there are: {}",
                    known.join(", ")
                ),
            )
        })
    }

    fn default_environments() -> BTreeMap<String, Environment> {
        let environment = |level: &str, sinks: &[&str]| Environment {
            level: level.to_owned(),
            sinks: sinks.iter().map(|&sink| sink.to_owned()).collect(),
        };
        BTreeMap::from([
            (
                "dev".to_owned(),
                environment("debug", &["console", "jsonl", "ledger"]),
            ),
            (
                "prod".to_owned(),
                environment("info", &["jsonl", "ledger", "prometheus"]),
            ),
        ])
    }
}

impl Sinks {
    /// What a sink is told less than `[redact]` allows: by class of text, and by kind of find.
    pub(crate) fn tight(&self, sink: &str) -> Result<(Texts, Option<Redactor>), String> {
        let (texts, modes) = match sink {
            "jsonl" => {
                let JsonlOptions {
                    content,
                    errors,
                    logs,
                    ref modes,
                    ..
                } = self.jsonl;
                (Texts::new(content, errors, logs), modes)
            }
            "console" => {
                let ConsoleOptions {
                    errors,
                    logs,
                    ref modes,
                    ..
                } = self.console;
                (Texts::new(TextMode::Measure, errors, logs), modes)
            }
            "ledger" => {
                let errors = self.ledger.errors;
                (
                    Texts::new(TextMode::Measure, errors, TextMode::Drop),
                    &self.ledger.modes,
                )
            }
            // No text becomes a metric.
            _ => return Ok((Texts::LOOSEST, None)),
        };
        let redactor = redaction::tight(modes, &format!("sink.{sink}.modes"))?;
        Ok((texts, redactor))
    }
}

fn one_of<'a>(word: &'a str, known: &[&str]) -> Result<(), &'a str> {
    if known.contains(&word) {
        Ok(())
    } else {
        Err(word)
    }
}

fn unknown_word(place: &str, word: &str, known: &[&str]) -> String {
    format!(
        "`{place}` cannot be `{word}`{}; it is one of: {}",
        keys::nearest(word, known),
        known.join(", ")
    )
}

/// The first line of an error, and where it is.
fn one_line(error: &toml::de::Error) -> String {
    error
        .message()
        .lines()
        .next()
        .unwrap_or("not valid TOML")
        .to_owned()
}

/// A configuration that cannot be used: what, where, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    file: PathBuf,
    what: String,
}

impl ConfigError {
    /// What is quoted of the file may be a key that stands in the wrong place.
    fn new(file: &Path, what: String) -> Self {
        Self {
            file: file.to_owned(),
            what: Redactor::standard().mask(&what),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.what)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Config::parse(text, Path::new("campanile.toml"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_secret_in_the_wrong_place_is_not_repeated() {
        let key = ["sk", "proj", &"Zk9".repeat(12)].join("-");
        let error = Config::parse(
            &format!("[redact]\nerrors = \"{key}\""),
            Path::new("c.toml"),
        );

        let told = error.unwrap_err().to_string();
        assert!(told.contains("[KEY]") && !told.contains("Zk9"), "{told}");
    }

    #[test]
    fn no_file_is_a_sensible_dev() {
        let config = Config::default();
        let dev = config.named_environment("dev").unwrap();
        assert_eq!((dev.level.as_str(), dev.sinks.len()), ("debug", 3));
        assert_eq!(config.sink.jsonl.max_file.0, 64 << 20);
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        assert_eq!(
            error("[sink.jsonl]\nmax_flie = \"1MiB\""),
            "campanile.toml: unknown key `sink.jsonl.max_flie`; did you mean `max_file`?"
        );
        assert_eq!(
            error("[envv.dev]"),
            "campanile.toml: unknown key `envv`; did you mean `env`?"
        );
        assert!(error("zzz = 1").starts_with("campanile.toml: unknown key `zzz`; known are: "));
    }

    #[test]
    fn the_example_is_the_default_with_budgets() {
        // Not there in a packaged crate.
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../campanile.example.toml");
        let Ok(text) = std::fs::read_to_string(&path) else {
            return;
        };

        let example = Config::parse(&text, &path).unwrap();

        let default = Config::default();
        assert_eq!(format!("{:?}", example.env), format!("{:?}", default.env));
        assert_eq!(format!("{:?}", example.sink), format!("{:?}", default.sink));
        assert_eq!(format!("{:?}", example.log), format!("{:?}", default.log));
        assert_eq!(
            format!("{:?}", example.redact),
            format!("{:?}", default.redact)
        );
        assert_eq!(
            format!("{:?}", example.summary),
            format!("{:?}", default.summary)
        );
        let limits: Vec<_> = example
            .budget
            .iter()
            .map(|budget| (budget.provider.as_deref().unwrap_or_default(), &*budget.usd))
            .collect();
        assert_eq!(
            limits,
            [("deepgram", "50"), ("openai", "50"), ("cartesia", "20")]
        );
    }

    #[test]
    fn words_are_checked() {
        assert_eq!(
            error("[env.dev]\nlevel = \"debgu\""),
            "campanile.toml: `env.dev.level` cannot be `debgu`; did you mean `debug`?; it is one of: error, warn, info, debug, trace"
        );
        assert!(error("[env.dev]\nsinks = [\"jsonll\"]").contains("did you mean `jsonl`?"));
        assert!(error("[sink.jsonl]\ncontent = \"raw\"").contains("raw"));
        assert!(error("[sink.jsonl]\nmax_file = \"64 elephants\"").contains("64MiB"));
        assert!(
            error("[[budget]]\nprovider = \"openai\"\nusd = \"50 dollars\"")
                .contains("decimal number")
        );
        assert!(error("[env").starts_with("campanile.toml: "));
    }

    #[test]
    fn an_unknown_environment_lists_those_that_are_known() {
        let config = Config::default();
        let error = config.named_environment("prd").unwrap_err().to_string();
        assert_eq!(
            error,
            "campanile.toml: no environment `prd` (CAMPANILE_ENV); did you mean `prod`?; there are: dev, prod"
        );
    }
}
