//! What holds, and where it was said.

use crate::{fault::Fault, settings::Settings, table::grouped};
use campanile::config::{Config, Durable};
use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

/// One setting as it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) key: String,
    pub(super) is: String,
    /// A file, a variable of the environment, an argument, or `default`.
    pub(super) from: String,
}

/// The settings that hold in the chosen environment.
pub(super) fn values(settings: &Settings, config: &Config) -> Result<Vec<Value>, Fault> {
    let table = match &config.file {
        Some(file) => std::fs::read_to_string(file)
            .ok()
            .and_then(|text| text.parse().ok()),
        None => None,
    };
    let mut list = List {
        file: config
            .file
            .as_deref()
            .map(|file| file.display().to_string()),
        table: table.unwrap_or_default(),
        values: Vec::new(),
    };
    if let Ok((name, environment)) = config.environment() {
        let (level, sinks) = (["env", &name, "level"], ["env", &name, "sinks"]);
        match std::env::var("RUST_LOG")
            .ok()
            .filter(|filter| !filter.is_empty())
        {
            Some(filter) => list.put(&level, filter, Some("RUST_LOG")),
            None => list.put(&level, environment.level.clone(), None),
        }
        list.put(&sinks, environment.sinks.join(", "), None);
    }
    list.put(&["log", "targets"], config.log.targets.join(", "), None);
    list.put(&["log", "fields"], config.log.fields.join(", "), None);
    list.put(
        &["log", "backtraces"],
        config.log.backtraces.to_string(),
        None,
    );
    let redact = &config.redact;
    list.put(&["redact", "content"], word(&redact.content), None);
    list.put(&["redact", "errors"], word(&redact.errors), None);
    list.put(&["redact", "logs"], word(&redact.logs), None);
    let jsonl = &config.sink.jsonl;
    list.put(
        &["sink", "jsonl", "dir"],
        jsonl.dir.display().to_string(),
        None,
    );
    list.put(&["sink", "jsonl", "max_file"], size(jsonl.max_file.0), None);
    list.put(
        &["sink", "jsonl", "max_total"],
        size(jsonl.max_total.0),
        None,
    );
    list.put(&["sink", "jsonl", "max_age"], age(jsonl.max_age.0), None);
    list.put(&["sink", "jsonl", "content"], word(&jsonl.content), None);
    let path = settings.ledger_path()?.display().to_string();
    list.put(
        &["sink", "ledger", "path"],
        path,
        settings.names_ledger().then_some("--ledger"),
    );
    let durability = match config.sink.ledger.durability {
        Durable::Fast => "fast",
        _ => "durable",
    };
    list.put(
        &["sink", "ledger", "durability"],
        durability.to_owned(),
        None,
    );
    let prometheus = &config.sink.prometheus;
    list.put(
        &["sink", "prometheus", "listen"],
        prometheus.listen.to_string(),
        None,
    );
    list.put(
        &["sink", "prometheus", "port_required"],
        prometheus.port_required.to_string(),
        None,
    );
    list.put(
        &["sink", "console", "stderr"],
        config.sink.console.stderr.to_string(),
        None,
    );
    list.put(
        &["summary", "turns"],
        config.summary.turns.to_string(),
        None,
    );
    list.put(&["summary", "every"], age(config.summary.every.0), None);
    let prices = config
        .prices
        .file
        .as_deref()
        .map_or("the book", |file| file.to_str().unwrap_or("?"));
    list.put(&["prices", "file"], prices.to_owned(), None);
    Ok(list.values)
}

struct List {
    file: Option<String>,
    table: toml::Table,
    values: Vec<Value>,
}

impl List {
    fn put(&mut self, path: &[&str], is: String, from: Option<&str>) {
        let from = match (from, &self.file) {
            (Some(from), _) => from.to_owned(),
            (None, Some(file)) if says(&self.table, path) => file.clone(),
            _ => "default".to_owned(),
        };
        self.values.push(Value {
            key: path.join("."),
            is,
            from,
        });
    }
}

/// Whether a table has a value at that path.
fn says(table: &toml::Table, path: &[&str]) -> bool {
    let Some((last, tables)) = path.split_last() else {
        return false;
    };
    let mut table = Some(table);
    for name in tables {
        table = table
            .and_then(|table| table.get(*name))
            .and_then(toml::Value::as_table);
    }
    table.is_some_and(|table| table.contains_key(*last))
}

/// The word of a unit variant: `Redacted` as `redacted`.
fn word(variant: &impl Debug) -> String {
    format!("{variant:?}").to_lowercase()
}

/// `64 MiB`
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0x4000_0000.. if bytes.trailing_zeros() >= 30 => format!("{} GiB", grouped(bytes >> 30)),
        0..0x40_0000 => format!("{} KiB", bytes >> 10),
        0x40_0000..0x1_0000_0000 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", grouped(bytes >> 30)),
    }
}

/// `14d`, `5m`
pub(super) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    let units = [("d", 86_400), ("h", 3_600), ("m", 60)];
    let whole = units
        .iter()
        .find(|(_, unit)| seconds >= *unit && seconds.is_multiple_of(*unit));
    whole.map_or_else(
        || format!("{seconds}s"),
        |(name, unit)| format!("{}{name}", seconds / unit),
    )
}

/// A path from here.
pub(super) fn absolute(path: &Path) -> std::path::PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stands_where_it_was_said() {
        let table: toml::Table = "[sink.jsonl]\ndir = \"x\"".parse().unwrap();
        assert!(says(&table, &["sink", "jsonl", "dir"]));
        assert!(!says(&table, &["sink", "jsonl", "max_age"]));
        assert!(!says(&table, &["sink", "ledger", "path"]));
        assert!(!says(&table, &["sink", "jsonl", "dir", "deeper"]));
    }

    #[test]
    fn ages_have_the_unit_that_fits() {
        let text = |seconds| age(Duration::from_secs(seconds));
        assert_eq!(
            [14 * 86_400, 300, 90, 0].map(text),
            ["14d", "5m", "90s", "0s"]
        );
    }
}
