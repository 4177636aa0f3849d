//! Latency for programs.

use super::{Measured, QUANTILES, What, rate};
use crate::commands::by::By;
use campanile_core::SCHEMA_VERSION;
use campanile_sinks::ledger::Sketch;
use serde_json::{Map, Value, json};

/// Everything that was measured, and with `other` what it was then.
pub(super) fn document(measured: &Measured, other: Option<&Measured>, by: &[By]) -> Value {
    let mut document = of(measured, by);
    document.insert("v".to_owned(), SCHEMA_VERSION.into());
    if let Some(other) = other {
        document.insert("compared_with".to_owned(), of(other, by).into());
    }
    document.into()
}

fn of(measured: &Measured, by: &[By]) -> Map<String, Value> {
    let turns = &measured.turns;
    let rows: Vec<Value> = measured
        .groups
        .iter()
        .map(|(keys, group)| {
            let mut row = Map::new();
            for (by, key) in by.iter().zip(keys) {
                let key = Some(key.as_str()).filter(|key| !key.is_empty());
                row.insert(by.name().into_owned(), json!(key));
            }
            row.insert("calls".to_owned(), group.all.calls.into());
            for what in What::ALL {
                row.insert(what.key().to_owned(), sketch(group.all.of(what)));
            }
            row.into()
        })
        .collect();
    let mut document = Map::new();
    let mut put = |key: &str, value: Value| document.insert(key.to_owned(), value);
    put("since", json!(measured.since));
    put("until", json!(measured.until));
    put("by", by.iter().map(|by| by.name().into_owned()).collect());
    // A decimal string, as all numbers that are not whole.
    put(
        "relative_error",
        json!(format!("{:.4}", Sketch::RELATIVE_ERROR)),
    );
    put(
        "turns",
        json!({
            "turns": turns.turns,
            "interrupted": turns.interrupted,
            "user_to_bot": sketch(&turns.user_to_bot),
            "elapsed": sketch(&turns.elapsed),
        }),
    );
    put("rows", rows.into());
    put("throughput", throughput(measured));
    document
}

/// `null`: too few carry it.
fn sketch(sketch: &Sketch) -> Value {
    let mut object = Map::new();
    object.insert("n".to_owned(), sketch.count().into());
    for (name, per_mille) in QUANTILES {
        object.insert(format!("{name}_us"), json!(sketch.quantile(per_mille)));
    }
    object.insert("mean_us".to_owned(), json!(sketch.mean_us()));
    object.insert("least_us".to_owned(), json!(sketch.least_us()));
    object.insert("most_us".to_owned(), json!(sketch.most_us()));
    object.into()
}

fn throughput(measured: &Measured) -> Value {
    let mut object = Map::new();
    object.insert("span_us".to_owned(), json!(measured.span_us()));
    for (key, _, count) in measured.amounts() {
        object.insert(key.to_owned(), count.into());
        if let Some(span) = measured.span_us() {
            object.insert(format!("{key}_rate"), rate(count, span).into());
        }
    }
    object.into()
}
