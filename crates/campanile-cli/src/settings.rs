//! What holds for each command: the configuration, the ledger, the prices.

use crate::fault::Fault;
use campanile::config::Config;
use campanile_pricing::Book;
use campanile_sinks::ledger::Reader;
use std::path::{Path, PathBuf};

/// Arguments that each command takes.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Settings {
    /// The configuration. Default: CAMPANILE_CONFIG, else campanile.toml if it is there.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The ledger. Default: the one of the configuration, else ledger/campanile.db.
    #[arg(long, global = true, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

impl Settings {
    /// The configuration that holds.
    pub(crate) fn config(&self) -> Result<Config, Fault> {
        match &self.config {
            Some(file) => Config::read(file),
            None => Config::find(),
        }
        .map_err(Fault::usage)
    }

    /// Whether an argument names the ledger.
    pub(crate) fn names_ledger(&self) -> bool {
        self.ledger.is_some()
    }

    /// The file of the ledger, whether it is there or not.
    pub(crate) fn ledger_path(&self) -> Result<PathBuf, Fault> {
        match &self.ledger {
            Some(file) => Ok(file.clone()),
            None => Ok(self.config()?.sink.ledger.path),
        }
    }

    /// The folder of the log files, whether it is there or not.
    pub(crate) fn logs(&self) -> Result<PathBuf, Fault> {
        Ok(self.config()?.sink.jsonl.dir)
    }

    /// The ledger, for reading.
    pub(crate) fn reader(&self) -> Result<Reader, Fault> {
        Reader::open(self.ledger_path()?).map_err(Fault::usage)
    }

    /// The prices: the standard book, and the file of the configuration over it.
    pub(crate) fn book(&self) -> Result<Book, Fault> {
        book(self.config()?.prices.file.as_deref())
    }
}

/// The standard book, and a file over it.
pub(crate) fn book(file: Option<&Path>) -> Result<Book, Fault> {
    let Some(file) = file else {
        return Ok(Book::standard());
    };
    let fail = |what: String| Fault::Usage(format!("{}: {what}", file.display()));
    let text = std::fs::read_to_string(file)
        .map_err(|error| fail(format!("the prices cannot be read: {error}")))?;
    Book::standard()
        .with_override(&text)
        .map_err(|error| fail(without_picture(&error.to_string())))
}

/// What a TOML error says on one line: the lines that draw the place (`1 | x`) are left out.
fn without_picture(error: &str) -> String {
    let is_picture = |line: &&str| {
        line.trim_start_matches(|char: char| char.is_ascii_digit() || char == ' ')
            .starts_with('|')
    };
    let lines = error.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .filter(|line| !is_picture(line))
        .collect::<Vec<_>>()
        .join(": ")
}
