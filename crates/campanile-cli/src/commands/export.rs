//! `campanile ledger export`: everything that is counted, for a spreadsheet or another database.

use crate::{Io, fault::Fault, table::csv_line, text};
use campanile_core::Meter;
use campanile_sinks::ledger::Reader;
use serde_json::Value;
use std::io::{self, Write};
use std::ops::ControlFlow;

/// How an export is written.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Form {
    /// One line an attempt, amounts in columns of their own: they sum to what reports say. Cells that a spreadsheet would
    /// take for a formula begin with an apostrophe.
    Csv,
    /// One JSON object a call, as `ledger dump` prints it.
    Jsonl,
}

/// Columns before those of the meters: where they stand in a call, or with a dot in its attempt.
const FIRST: [&str; 13] = [
    "id",
    "started_at",
    "session",
    "turn",
    "stage",
    "outcome",
    "reason",
    "folded",
    ".n",
    ".provider",
    ".model",
    ".request_id",
    ".outcome",
];
/// And behind them. An amount without an upper bound has an empty cell there.
const LAST: [&str; 3] = ["cost_usd_at_least", "cost_usd_at_most", "book"];

/// The name of a column.
fn head(path: &str) -> String {
    match path.strip_prefix('.') {
        Some("n") => "attempt".to_owned(),
        Some("outcome") => "attempt_outcome".to_owned(),
        Some(path) => path.replace('.', "_"),
        None => path.to_owned(),
    }
}

pub(super) fn run(reader: &Reader, form: Form, io: &mut Io<'_>) -> Result<(), Fault> {
    let mut written = match form {
        Form::Csv => heads(&mut io.out),
        Form::Jsonl => Ok(()),
    };
    let read = reader.dump(|event| {
        if written.is_ok() {
            written = match form {
                Form::Csv => rows(event, &mut io.out),
                Form::Jsonl => writeln!(io.out, "{}", text::json(event)),
            };
        }
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    written?;
    Fault::damaged(read.map_err(|error| Fault::Failed(error.to_string()))?)
}

fn heads(out: &mut dyn Write) -> io::Result<()> {
    let meters = Meter::ALL.map(|meter| meter.name().to_owned());
    let heads = FIRST.map(head).into_iter().chain(meters);
    let heads = heads.chain(LAST.map(str::to_owned));
    let heads: Vec<String> = heads.collect();
    csv_line(out, heads.iter().map(String::as_str))
}

/// One line for each attempt; one for what has none.
fn rows(event: &Value, out: &mut dyn Write) -> io::Result<()> {
    match event["attempts"].as_array().map(Vec::as_slice) {
        None | Some([]) => row(event, event, out),
        Some(attempts) => attempts
            .iter()
            .try_for_each(|attempt| row(event, attempt, out)),
    }
}

fn row(event: &Value, attempt: &Value, out: &mut dyn Write) -> io::Result<()> {
    let cell = |path: &&str| match path.strip_prefix('.') {
        Some(path) => shown(path.split('.').fold(attempt, |at, key| &at[key])),
        None => shown(&event[*path]),
    };
    let meters = Meter::ALL.map(|meter| count(&attempt["usage"][meter.name()]));
    let cells = FIRST
        .iter()
        .map(cell)
        .chain(meters)
        .chain(amount(&attempt["cost"]));
    let cells: Vec<String> = cells.collect();
    csv_line(out, cells.iter().map(String::as_str))
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn amount(cost: &Value) -> [String; 3] {
    let [least, most] = match &cost["usd"] {
        Value::Null => [&cost["at_least"], &cost["at_most"]],
        exact => [exact, exact],
    };
    [least, most, &cost["book"]].map(shown)
}

/// The lower bound of a count.
fn count(value: &Value) -> String {
    match value {
        Value::Object(bounds) => bounds.get("at_least").map_or(String::new(), shown),
        value => shown(value),
    }
}
