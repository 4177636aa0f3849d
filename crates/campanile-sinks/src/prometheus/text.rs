//! The text format of Prometheus, version 0.0.4.

use super::{Described, Fixed};
use ::metrics::{Key, Unit};
use metrics_util::registry::Registry;
use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
    sync::atomic::Ordering::Relaxed,
};

/// The lines of one metric.
struct Family {
    kind: &'static str,
    help: Option<String>,
    /// Labels → lines.
    series: BTreeMap<String, String>,
}

type Families = BTreeMap<String, Family>;

pub(super) fn render(
    registry: &Registry<Key, Fixed>,
    described: &HashMap<String, Described>,
) -> String {
    let mut families = Families::new();
    registry.visit_counters(|key, counter| {
        let value = counter.load(Relaxed);
        enter(
            &mut families,
            described,
            key,
            "counter",
            |out, name, labels| {
                line(out, name, labels, value);
            },
        );
    });
    registry.visit_gauges(|key, gauge| {
        let value = f64::from_bits(gauge.load(Relaxed));
        enter(
            &mut families,
            described,
            key,
            "gauge",
            |out, name, labels| {
                line(out, name, labels, value);
            },
        );
    });
    registry.visit_histograms(|key, buckets| {
        let (bounded, count, sum) = buckets.cumulated();
        enter(
            &mut families,
            described,
            key,
            "histogram",
            |out, name, labels| {
                let comma = if labels.is_empty() { "" } else { "," };
                let bucket = format!("{name}_bucket");
                for (bound, so_far) in &bounded {
                    line(
                        out,
                        &bucket,
                        &format!("{labels}{comma}le=\"{bound}\""),
                        so_far,
                    );
                }
                line(out, &bucket, &format!("{labels}{comma}le=\"+Inf\""), count);
                line(out, &format!("{name}_sum"), labels, sum);
                line(out, &format!("{name}_count"), labels, count);
            },
        );
    });
    let mut text = String::new();
    for (name, family) in families {
        if let Some(help) = family.help {
            let _ = writeln!(text, "# HELP {name} {help}");
        }
        let _ = writeln!(text, "# TYPE {name} {}", family.kind);
        text.extend(family.series.into_values());
    }
    text
}

fn enter(
    families: &mut Families,
    described: &HashMap<String, Described>,
    key: &Key,
    kind: &'static str,
    lines: impl Fn(&mut String, &str, &str),
) {
    let about = described.get(key.name());
    let name = name(key.name(), kind, about.and_then(|about| about.unit));
    let family = families.entry(name.clone()).or_insert_with(|| Family {
        kind,
        help: about.map(|about| about.help.replace('\\', "\\\\").replace('\n', "\\n")),
        series: BTreeMap::new(),
    });
    if family.kind != kind {
        return; // Two kinds under one name are not valid: the first one stays.
    }
    let labels = labels(key);
    let mut text = String::new();
    lines(&mut text, &name, &labels);
    family.series.insert(labels, text);
}

fn line(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    // Writing to a `String` does not fail.
    let _ = match labels.is_empty() {
        true => writeln!(out, "{name} {value}"),
        false => writeln!(out, "{name}{{{labels}}} {value}"),
    };
}

fn name(name: &str, kind: &str, unit: Option<Unit>) -> String {
    let mut text = identifier(name);
    if unit == Some(Unit::Seconds) && !text.ends_with("_seconds") {
        text.push_str("_seconds");
    }
    if kind == "counter" && !text.ends_with("_total") {
        text.push_str("_total");
    }
    text
}

fn labels(key: &Key) -> String {
    let pairs = key.labels().map(|label| {
        let value = label.value();
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        format!(
            "{}=\"{}\"",
            identifier(label.key()),
            value.replace('\n', "\\n")
        )
    });
    pairs.collect::<Vec<_>>().join(",")
}

/// Letters, digits and `_`, not beginning with a digit.
fn identifier(text: &str) -> String {
    let fits = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let mut name: String = text
        .chars()
        .map(|char| if fits(char) { char } else { '_' })
        .collect();
    if !name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_') {
        name.insert(0, '_');
    }
    name
}
