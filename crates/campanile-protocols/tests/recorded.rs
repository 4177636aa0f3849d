//! Real responses, where they are at hand: each must give exactly the totals that it is known to report.

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

#[test]
fn recorded_responses_give_their_known_totals() {
    if !Path::new(FILE).exists() {
        println!("skipped: no recorded responses at {FILE}");
        return;
    }
    let text = std::fs::read_to_string(FILE).expect("the recordings are readable");
    let mut wrong = Vec::new();
    let mut all = 0;
    for line in text.lines() {
        let known: Value = serde_json::from_str(line).expect("a record is JSON");
        let record: Record = serde_json::from_str(line).expect("a record has our fields");
        let found = serde_json::to_value(read(&record)).expect("totals are JSON");
        all += 1;
        if !same(&found, &known["expected"]) {
            wrong.push(format!(
                "{}\n     found {found}\n  expected {}",
                known["id"], known["expected"]
            ));
        }
    }
    println!("{} of {all} right", all - wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
