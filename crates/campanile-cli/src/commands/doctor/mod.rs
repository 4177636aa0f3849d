//! `campanile doctor`: is everything set up?

mod values;

use crate::{
    Io,
    fault::Fault,
    moment,
    settings::{self, Settings},
    table::{Cell, Form, Table, Tone, counted, grouped},
    text,
};
use campanile::config::{Config, Durable, Environment};
use campanile_core::{Clock, SCHEMA_VERSION, Tick, TimeSource, Timestamp};
use campanile_pricing::Book;
use campanile_sinks::{Jsonl, ledger::Reader};
use rustix::fs::{Access, access, statvfs};
use serde_json::json;
use std::io::Write;
use std::path::Path;
use values::{Value, absolute, age, size, values};

const EXAMPLES: &str = "\
Examples:
  campanile doctor
  CAMPANILE_ENV=prod campanile doctor --config /etc/campanile.toml && start-the-bot";

/// Less free space than this is trouble.
const LITTLE_SPACE: u64 = 64 << 20;
/// Prices that nobody has looked at for so long may be wrong.
const OLD_DAYS: i64 = 90;
/// Clocks of one house differ by less.
const CLOCK_OFF_US: i64 = 60_000_000;

/// Checks configuration, environment, folders, retention, ledger, durability, prices and clock; says which setting comes from where.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Doctor {
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

/// What was found of one thing.
enum Finding {
    Good(String),
    /// It works, and a person should know.
    Note(String),
    Bad(String),
}

use Finding::{Bad, Good, Note};

impl Finding {
    fn parts(&self) -> (&'static str, Tone, &str) {
        match self {
            Good(what) => ("ok", Tone::Good, what),
            Note(what) => ("note", Tone::Bold, what),
            Bad(what) => ("BAD", Tone::Bad, what),
        }
    }
}

/// Findings by name, in the order of the checks.
#[derive(Default)]
struct Findings(Vec<(&'static str, Finding)>);

impl Findings {
    fn add(&mut self, name: &'static str, finding: Finding) {
        self.0.push((name, finding));
    }
}

impl Doctor {
    pub(crate) fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        let mut found = Findings::default();
        let mut settled = Vec::new();
        match settings.config() {
            Ok(config) => {
                found.add("configuration", Good(origin(settings, &config)));
                examine(settings, &config, io.now, &mut found)?;
                settled = values(settings, &config)?;
            }
            Err(Fault::Usage(what)) => found.add("configuration", Bad(what)),
            Err(other) => return Err(other),
        }
        match self.format {
            Form::Table => {
                table(&found, io)?;
                settings_table(&settled, io)?;
            }
            Form::Json => {
                for (check, finding) in &found.0 {
                    let (state, _, what) = finding.parts();
                    let state = state.to_lowercase();
                    let line = text::json(
                        &json!({"v": SCHEMA_VERSION, "check": check, "state": state, "what": what}),
                    );
                    writeln!(io.out, "{line}")?;
                }
                for Value { key, is, from } in &settled {
                    let line = text::json(
                        &json!({"v": SCHEMA_VERSION, "setting": key, "is": is, "from": from}),
                    );
                    writeln!(io.out, "{line}")?;
                }
            }
        }
        let bad = found
            .0
            .iter()
            .filter(|(_, finding)| matches!(finding, Bad(_)))
            .count();
        match bad {
            0 => Ok(()),
            _ => Err(Fault::Failed(format!(
                "{bad} of {} checks failed",
                found.0.len()
            ))),
        }
    }
}

fn table(found: &Findings, io: &mut Io<'_>) -> Result<(), Fault> {
    let mut table = Table::new(&["check", "", "what"]);
    for (name, finding) in &found.0 {
        let (word, tone, what) = finding.parts();
        table.row(vec![
            (*name).into(),
            Cell::new(word).tone(tone),
            what.into(),
        ]);
    }
    Ok(table.draw(&mut io.out, io.terminal.colours)?)
}

/// What holds, and where it was said.
fn settings_table(values: &[Value], io: &mut Io<'_>) -> Result<(), Fault> {
    if values.is_empty() {
        return Ok(());
    }
    writeln!(io.out)?;
    let mut table = Table::new(&["setting", "is", "from"]);
    for Value { key, is, from } in values {
        let tone = if from == "default" {
            Tone::Dim
        } else {
            Tone::Plain
        };
        let is = if is.is_empty() { "none" } else { is };
        table.row(vec![
            key.as_str().into(),
            is.into(),
            Cell::new(from.as_str()).tone(tone),
        ]);
    }
    Ok(table.draw(&mut io.out, io.terminal.colours)?)
}

fn origin(settings: &Settings, config: &Config) -> String {
    let Some(file) = &config.file else {
        return "the default; no campanile.toml here, CAMPANILE_CONFIG is not set".to_owned();
    };
    let why = match (&settings.config, std::env::var_os("CAMPANILE_CONFIG")) {
        (Some(_), _) => "--config",
        (None, Some(_)) => "CAMPANILE_CONFIG",
        (None, None) => "in this folder",
    };
    format!("{} ({why})", file.display())
}

fn examine(
    settings: &Settings,
    config: &Config,
    now: Timestamp,
    found: &mut Findings,
) -> Result<(), Fault> {
    let environment = match config.environment() {
        Ok((name, environment)) => {
            found.add("environment", environment_of(&name, environment));
            Some(environment)
        }
        Err(error) => {
            found.add("environment", Bad(error.to_string()));
            None
        }
    };
    let uses = |sink: &str| {
        environment.is_none_or(|environment| environment.sinks.iter().any(|known| known == sink))
    };
    if uses("jsonl") {
        let jsonl = &config.sink.jsonl;
        found.add("logs", folder(&jsonl.dir));
        found.add("retention", retention(config, now));
        let most = config.redact.texts().content;
        if jsonl.content.max(most) == campanile::TextMode::Redacted {
            found.add(
                "content",
                Note("jsonl writes what was said, redacted: `content` in [sink.jsonl]".to_owned()),
            );
        }
    }
    found.add("redaction", redaction(config));
    let path = settings.ledger_path()?;
    if uses("ledger") {
        found.add("ledger", ledger(&path));
        found.add("ledger folder", folder(parent(&path)));
        found.add(
            "durability",
            Good(durability(config.sink.ledger.durability)),
        );
    }
    if uses("prometheus") {
        let prometheus = &config.sink.prometheus;
        let taken = match prometheus.port_required {
            true => "required",
            false => "or the next free port",
        };
        found.add(
            "prometheus",
            Good(format!("{} ({taken})", prometheus.listen)),
        );
    }
    for (stated, budget) in config
        .budget
        .iter()
        .zip(config.budgets().unwrap_or_default())
    {
        let limit = format!("{} ${} ({})", budget.name(), stated.usd, stated.timezone);
        found.add("budget", Good(limit));
    }
    for rule in config.rules().unwrap_or_default() {
        found.add(
            "rule",
            match uses("ledger") {
                true => Good(rule.name().to_string()),
                false => Note(format!(
                    "{} is off: this environment has no ledger to look into",
                    rule.name()
                )),
            },
        );
    }
    for webhook in &config.webhook {
        found.add(
            "webhook",
            match webhook.build() {
                Ok(webhook) => Good(format!("{} (its address is not shown)", webhook.name())),
                Err(error) => Bad(error),
            },
        );
    }
    found.add("prices", prices(config, now));
    found.add("clock", clock(&path, now));
    Ok(())
}

/// Whether texts can be masked as the file says: the key of hashes is there, the words can be read.
fn redaction(config: &Config) -> Finding {
    let (rules, words) = (config.redact.rule.len(), config.redact.words.len());
    match config.redactor() {
        Ok(_) if rules + words == 0 => Good("the standard detectors".to_owned()),
        Ok(_) => Good(format!(
            "the standard detectors, {rules} rules and {words} words of the file"
        )),
        Err(error) => Bad(error.to_string()),
    }
}

fn environment_of(name: &str, environment: &Environment) -> Finding {
    let why = match std::env::var_os("CAMPANILE_ENV") {
        Some(_) => "CAMPANILE_ENV",
        None => "CAMPANILE_ENV is not set",
    };
    let (level, sinks) = (&environment.level, environment.sinks.join(", "));
    match sinks.is_empty() {
        true => Note(format!(
            "{name} ({why}): level {level}; no sinks, nothing is kept"
        )),
        false => Good(format!("{name} ({why}): level {level}; sinks {sinks}")),
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Whether a folder can be written, or made.
fn folder(path: &Path) -> Finding {
    let there = absolute(path);
    let Some(nearest) = there.ancestors().find(|above| above.exists()) else {
        return Bad(format!("{}: nothing of this path exists", path.display()));
    };
    let shown = there.display();
    if !nearest.is_dir() {
        return Bad(format!(
            "{shown}: {} is no folder; name another one",
            nearest.display()
        ));
    }
    if let Err(error) = access(nearest, Access::WRITE_OK | Access::EXEC_OK) {
        let nearest = nearest.display();
        return Bad(format!(
            "{shown}: {nearest} cannot be written ({error}); give this user the right to"
        ));
    }
    let state = match nearest == there {
        true => "can be written",
        false => "will be made",
    };
    let free = statvfs(nearest).map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    match free {
        Ok(free) if free < LITTLE_SPACE => Bad(format!("{shown}: only {} are free", size(free))),
        Ok(free) => Good(format!("{shown} {state}; {} are free", size(free))),
        Err(error) => Note(format!(
            "{shown} {state}; its free space cannot be told ({error})"
        )),
    }
}

fn ledger(path: &Path) -> Finding {
    let shown = absolute(path).display().to_string();
    if !path.exists() {
        return Good(format!("{shown}: not there yet, the first event makes it"));
    }
    let stats = match Reader::open(path).and_then(|reader| reader.stats()) {
        Ok(stats) => stats,
        Err(error) => return Bad(error.to_string()),
    };
    if let Err(error) = access(path, Access::WRITE_OK) {
        return Bad(format!(
            "{shown}: can be read and not written ({error}); give this user the right to"
        ));
    }
    let (calls, size) = (
        grouped(stats.calls),
        size(stats.file_bytes.saturating_add(stats.wal_bytes)),
    );
    Good(format!(
        "{shown}: {calls} calls, {size}, tables of version {}",
        stats.version
    ))
}

/// What the log files take, and what of them would be deleted now.
fn retention(config: &Config, now: Timestamp) -> Finding {
    let jsonl = &config.sink.jsonl;
    let kept = Jsonl::new(&jsonl.dir)
        .max_total(jsonl.max_total.0)
        .max_age(jsonl.max_age.0)
        .clock(Clock::new(At(now)))
        .kept();
    let held = format!(
        "{}, {} of {}, {} at most",
        counted(kept.files, "file"),
        size(kept.bytes),
        size(jsonl.max_total.0),
        age(jsonl.max_age.0)
    );
    match (kept.old_files, kept.surplus_files) {
        (0, 0) => Good(format!("{held}; nothing would be deleted now")),
        (old, surplus) => {
            let why = [(old, "too old"), (surplus, "over the total")];
            let why = why.iter().filter(|(files, _)| *files > 0);
            let why: Vec<String> = why
                .map(|(files, why)| format!("{} {why}", counted(*files, "file")))
                .collect();
            let freed = size(kept.freed_bytes);
            Note(format!(
                "{held}; {freed} would be deleted now, unless held open: {}",
                why.join(", ")
            ))
        }
    }
}

/// One moment.
struct At(Timestamp);

impl TimeSource for At {
    fn tick(&self) -> Tick {
        Tick(1)
    }

    fn now(&self) -> Timestamp {
        self.0
    }
}

/// Whether the clock can be right: it decides what is billed to which day, and what is deleted.
fn clock(ledger: &Path, now: Timestamp) -> Finding {
    let shown = moment::short(now);
    // What is wrong with the ledger is told of the ledger.
    let newest = Reader::open(ledger).and_then(|reader| reader.newest());
    let newest = newest.unwrap_or_default();
    let looked_up = Book::standard()
        .rows()
        .map(|row| row.source().checked)
        .max();
    if looked_up.is_some_and(|looked_up| now < looked_up) {
        return Bad(format!(
            "{shown} UTC: before this campanile was made; set the clock"
        ));
    }
    match newest {
        Some(newest) if newest.0 > now.0 + CLOCK_OFF_US => Bad(format!(
            "{shown} UTC: the newest call in the ledger is of {}; one of two clocks is wrong",
            moment::short(newest)
        )),
        Some(newest) => Good(format!(
            "{shown} UTC; the newest call in the ledger is of {}",
            moment::short(newest)
        )),
        None => Good(format!("{shown} UTC")),
    }
}

fn durability(durable: Durable) -> String {
    match durable {
        Durable::Fast => {
            "fast: a kill loses at most 10 ms, a power cut at most the last second".to_owned()
        }
        _ => "durable: an event survives kill and power cut from about 15 ms after its call ended"
            .to_owned(),
    }
}

fn prices(config: &Config, now: Timestamp) -> Finding {
    let file = config.prices.file.as_deref();
    let book = match settings::book(file) {
        Ok(book) => book,
        Err(Fault::Usage(what)) => return Bad(what),
        Err(_) => return Bad("the price book cannot be read".to_owned()),
    };
    let problems = book.check(now);
    let errors = problems.iter().filter(|problem| problem.is_error).count();
    let old = problems.len() - errors;
    let checked = book
        .rows()
        .map(|row| row.source().checked)
        .max()
        .unwrap_or_default();
    let days = now.0.saturating_sub(checked.0).max(0) / Timestamp::DAY_US;
    let over = file
        .map(|file| format!(", {} over it", file.display()))
        .unwrap_or_default();
    let day = &moment::short(checked)[..10];
    let what = format!(
        "book {}{over}: {} rows, the newest looked up {day} ({days} days ago), {old} that deserve another look",
        book.version(),
        grouped(book.rows().count() as u64),
    );
    match (errors, days > OLD_DAYS) {
        (0, false) => Good(what),
        (0, true) => Note(format!("{what}; a newer campanile has newer prices")),
        (errors, _) => Bad(format!(
            "{what}; {errors} are likely wrong: `campanile prices check` names them"
        )),
    }
}
