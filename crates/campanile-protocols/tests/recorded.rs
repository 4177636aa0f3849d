//! Real responses, where they are at hand: each must give exactly the totals that it is known to report.

#![expect(
    clippy::print_stdout,
    reason = "a test that is skipped, and how many records are right, should be seen"
)]

use campanile_protocols::recorded::{Record, read};
use serde_json::Value;
use std::path::Path;

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/data/provider-responses-dev.jsonl"
);

/// Whether `found` is what `expected` says, field by field; numbers as numbers.
fn same(found: &Value, expected: &Value) -> bool {
    let fields = expected.as_object().expect("an object of totals");
    fields.iter().all(|(field, expected)| {
        let found = found.get(field).unwrap_or(&Value::Null);
        match (found.as_f64(), expected.as_f64()) {
            (Some(found), Some(expected)) => found == expected,
            _ => found == expected,
        }
    })
}

/// Each recording with what it is known to report; none where there are no recordings.
fn recordings() -> Vec<(Record, Value)> {
    if !Path::new(FILE).exists() {
        println!("skipped: no recorded responses at {FILE}");
        return Vec::new();
    }
    let text = std::fs::read_to_string(FILE).expect("the recordings are readable");
    let read = |line| {
        let known: Value = serde_json::from_str(line).expect("a record is JSON");
        let record: Record = serde_json::from_str(line).expect("a record has our fields");
        (record, known)
    };
    text.lines().map(read).collect()
}

/// What is wrong with the totals of a record; `None` where nothing is.
fn wrong(record: &Record, known: &Value) -> Option<String> {
    let found = serde_json::to_value(read(record)).expect("totals are JSON");
    let expected = &known["expected"];
    (!same(&found, expected))
        .then(|| format!("{}\n     found {found}\n  expected {expected}", known["id"]))
}

/// Shapes of more providers than anybody recorded, written by hand: facts, and no content.
const SHAPES: &str = include_str!("shapes.jsonl");

fn shapes() -> impl Iterator<Item = (Record, Value)> {
    SHAPES.lines().map(|line| {
        let known: Value = serde_json::from_str(line).expect("a shape is JSON");
        let record = serde_json::from_str(line).expect("a shape has our fields");
        (record, known)
    })
}

#[test]
fn every_shape_gives_its_totals() {
    let wrong: Vec<String> = shapes()
        .filter_map(|(record, known)| {
            let found = serde_json::to_value(read(&record)).expect("totals are JSON");
            let mut told = found.as_object()?.clone();
            told.retain(|_, total| !total.is_null());
            let told = Value::Object(told);
            let expected = &known["expected"];
            let as_many = told.as_object()?.len() == expected.as_object()?.len();
            (!as_many || !same(&told, expected)).then(|| {
                format!(
                    "{}\n     found {told}\n  expected {expected}",
                    known["endpoint"]
                )
            })
        })
        .collect();

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn recorded_responses_give_their_known_totals() {
    let all = recordings();

    let wrong: Vec<String> = all
        .iter()
        .filter_map(|(record, known)| wrong(record, known))
        .collect();

    println!("{} of {} right", all.len() - wrong.len(), all.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn providers_without_a_name_are_read_by_their_shape() {
    let all = recordings();

    let wrong: Vec<String> = all
        .iter()
        .filter_map(|(record, known)| {
            let mut nameless = record.clone();
            nameless.provider = "newcomer".to_owned();
            nameless.endpoint = "newcomer.endpoint".to_owned();
            nameless.request.clear();
            wrong(&nameless, known)
        })
        .collect();

    println!("{} of {} right", all.len() - wrong.len(), all.len());
    // Counts in headers, and a socket's first frame that could be anybody's, want a name.
    assert!(wrong.len() <= all.len() / 50, "{}", wrong.join("\n"));
}

/// The body as another recorder would have kept it: keys in order of the alphabet, white space as it
/// likes.
fn written_anew(record: &Record) -> Record {
    let mut anew = record.clone();
    // A socket's frames are a line each.
    let whole = json(&record.body).filter(|_| record.transport != "ws");
    if let Some(whole) = whole {
        anew.body = format!("{whole:#}");
        return anew;
    }
    let line = |line: &str| {
        let (prefix, data) = match line.strip_prefix("data:") {
            Some(data) => ("data:", data),
            None => ("", line),
        };
        match json(data) {
            Some(value) => format!("{prefix}{value}\r\n"),
            None => format!("{line}\n"),
        }
    };
    anew.body = record.body.lines().map(line).collect();
    anew
}

/// A document; numbers and strings by themselves are text to us.
fn json(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    (value.is_object() || value.is_array()).then_some(value)
}

#[test]
fn a_response_says_the_same_however_its_json_is_written() {
    let all = shapes().chain(recordings());

    let wrong: Vec<Value> = all
        .filter(|(record, _)| record.body_encoding != "base64")
        .filter(|(record, _)| read(&written_anew(record)) != read(record))
        .map(|(_, known)| known["endpoint"].clone())
        .collect();

    assert!(wrong.is_empty(), "{wrong:?}");
}
