//! `REPORT.html`: the verdict and what it was like, on one page that needs nothing else.

use super::svg::{Band, Plot, Series, Unit};
use crate::journal::{Latency, Sample};
use crate::judge::calls::pairs;
use crate::judge::evidence::Evidence;
use crate::judge::verdict::{Held, Line};
use crate::options::Options;
use campanile::Money;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const STYLE: &str = include_str!("style.css");

/// The page.
pub(super) fn page(options: &Options, evidence: &Evidence, lines: &[Line]) -> String {
    let good = super::held(lines);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Soak: {word}</title><style>{STYLE}</style><main><h1 class=\"{class}\">{word}</h1>\
         <p class=\"lead\">{} sessions at once for {} minutes at {}× · {} calls in {} turns, {} of them interrupted · seed {}</p>\
         <pre>{}</pre>",
        options.sessions,
        options.minutes,
        options.speed,
        evidence.calls.len(),
        evidence.turns,
        evidence.interrupted,
        options.seed,
        escape(&options.command()),
        word = if good {
            "Everything held"
        } else {
            "Something broke"
        },
        class = if good { "yes" } else { "no" },
    );
    if evidence.ended_early {
        page.push_str(
            "<p class=\"lead\">It was ended early: this is about what was seen until then.</p>",
        );
    }
    verdict(&mut page, lines);
    if let Some(latency) = evidence
        .closed
        .as_ref()
        .and_then(|closed| closed.latency.as_ref())
    {
        added(&mut page, latency);
    }
    page.push_str("<section>");
    let bands = bands(evidence);
    legend(&mut page, &bands);
    for plot in plots(evidence) {
        page.push_str(&plot.draw(options.minutes, &bands));
    }
    page.push_str("</section></main></html>\n");
    page
}

fn verdict(page: &mut String, lines: &[Line]) {
    page.push_str("<table class=\"verdict\">");
    for line in lines {
        let (class, word) = match line.held {
            Held::Yes => ("yes", "held"),
            Held::No => ("no", "broken"),
            Held::Unknown => ("unknown", "not judged"),
        };
        let _ = write!(
            page,
            "<tr class=\"{class}\"><td>{word}<td>{}<td>{}",
            escape(line.name),
            escape(&line.numbers)
        );
        for broken in &line.broken {
            let _ = write!(page, "<p>{}</p>", escape(broken));
        }
    }
    page.push_str("</table>");
}

/// What the layers add.
fn added(page: &mut String, latency: &Latency) {
    page.push_str(
        "<h2>What the layers add</h2><table class=\"latency\"><tr><th>from, to<th>pieces<th>p50 without<th>with\
         <th>p99 without<th>with<th>p99.9 without<th>with",
    );
    let us = |ns: u64| format!("{:.1} µs", ns as f64 / 1e3);
    for row in &latency.rows {
        let _ = write!(page, "<tr><td>{}<td>{}", escape(&row.what), row.watched.n);
        for (bare, watched) in [
            (row.bare.p50, row.watched.p50),
            (row.bare.p99, row.watched.p99),
            (row.bare.p999, row.watched.p999),
        ] {
            let _ = write!(page, "<td>{}<td>{}", us(bare), us(watched));
        }
    }
    page.push_str("</table>");
}

/// When which fault was on, in minutes.
fn bands(evidence: &Evidence) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    for mark in &evidence.marks {
        let at = minutes(mark.at_ms);
        if mark.on {
            bands.push(Band {
                name: mark.fault.clone(),
                from: at,
                until: at,
            });
        } else if let Some(band) = bands.iter_mut().rev().find(|band| band.name == mark.fault) {
            band.until = at;
        }
    }
    bands
}

fn legend(page: &mut String, bands: &[Band]) {
    if bands.is_empty() {
        return;
    }
    page.push_str("<p class=\"faults\">");
    for band in bands {
        let _ = write!(
            page,
            "<span><b>{:.1}</b> {}</span>",
            band.from,
            escape(&band.name)
        );
    }
    page.push_str("</p>");
}

fn minutes(ms: u64) -> f64 {
    ms as f64 / 60_000.0
}

/// A line through what the samples say.
fn sampled(evidence: &Evidence, name: &str, class: char, of: impl Fn(&Sample) -> f64) -> Series {
    let points = evidence
        .samples
        .iter()
        .map(|(_, s)| (minutes(s.at_ms), of(s)));
    Series {
        name: name.to_owned(),
        class,
        points: points.collect(),
        steps: false,
    }
}

/// How much a count grows in a minute.
fn rate(evidence: &Evidence, name: &str, class: char, of: fn(&Sample) -> u64) -> Series {
    let mut points = Vec::new();
    let samples: Vec<_> = evidence.samples.iter().collect();
    for pair in samples.windows(6).step_by(3) {
        let (first, last) = (pair[0], pair[5]);
        let passed = minutes(last.1.at_ms) - minutes(first.1.at_ms);
        if first.0 == last.0 && passed > 0.0 {
            let grown = of(&last.1).saturating_sub(of(&first.1)) as f64;
            points.push((minutes(last.1.at_ms), grown / passed));
        }
    }
    Series {
        name: name.to_owned(),
        class,
        points,
        steps: false,
    }
}

fn lanes(sample: &Sample, name: &str, of: fn(&crate::journal::Lane) -> u64) -> f64 {
    let lanes = sample.lanes.iter().filter(|lane| lane.name == name);
    lanes.map(of).sum::<u64>() as f64
}

fn plots(evidence: &Evidence) -> Vec<Plot<'static>> {
    vec![
        Plot {
            title: "Memory",
            about: "of the worker; the heap by a counting allocator, resident from smaps_rollup",
            unit: Unit::Bytes,
            series: vec![
                sampled(evidence, "resident", 'b', |s| s.resident as f64),
                sampled(evidence, "heap", 'a', |s| s.heap as f64),
            ],
        },
        Plot {
            title: "Throughput",
            about: "in a minute of the calls' own time",
            unit: Unit::Count,
            series: vec![
                rate(evidence, "calls", 'a', |s| s.calls),
                rate(evidence, "turns", 'c', |s| s.turns),
            ],
        },
        Plot {
            title: "Latency",
            about: "first piece of the model and of speech, as recorded",
            unit: Unit::Millis,
            series: latencies(evidence),
        },
        Plot {
            title: "Cost",
            about: "as recorded, summed up",
            unit: Unit::Dollars,
            series: costs(evidence),
        },
        Plot {
            title: "Waiting",
            about: "bytes that wait for a sink",
            unit: Unit::Bytes,
            series: vec![
                sampled(evidence, "ledger", 'a', |s| s.ledger.waiting_bytes as f64),
                sampled(evidence, "jsonl", 'b', |s| {
                    lanes(s, "jsonl", |lane| lane.queued_bytes)
                }),
                sampled(evidence, "console", 'c', |s| {
                    lanes(s, "console", |lane| lane.queued_bytes)
                }),
            ],
        },
        Plot {
            title: "Losses",
            about: "lines of logs that a sink could not take, each of them told; amounts are never lost",
            unit: Unit::Count,
            series: vec![
                sampled(evidence, "jsonl", 'b', |s| {
                    lanes(s, "jsonl", |lane| lane.lost)
                }),
                sampled(evidence, "console", 'c', |s| {
                    lanes(s, "console", |lane| lane.lost)
                }),
            ],
        },
    ]
}

/// Median and tail of first pieces, over time.
fn latencies(evidence: &Evidence) -> Vec<Series> {
    let Some(ledger) = &evidence.ledger else {
        return Vec::new();
    };
    let pieces = 60;
    let length = evidence.options.length_ms().max(1);
    let mut bins: BTreeMap<(&str, u64), Vec<f64>> = BTreeMap::new();
    for pair in pairs(evidence, ledger).0 {
        let first = pair.recorded.and_then(|call| call.timing?.first_item);
        let bin = (pair.called.at_ms * pieces / length).min(pieces - 1);
        if let Some(first) = first.filter(|_| pair.called.stage != "stt") {
            bins.entry((pair.called.stage.as_str(), bin))
                .or_default()
                .push(first.0 as f64 / 1e6);
        }
    }
    let line = |stage: &str, name: &str, class: char, share: f64| {
        let of = |((known, bin), samples): (&(&str, u64), &Vec<f64>)| {
            let mut samples = samples.clone();
            samples.sort_by(f64::total_cmp);
            let at = ((samples.len() as f64 * share).ceil() as usize).clamp(1, samples.len());
            (*known == stage).then(|| {
                (
                    minutes((bin * 2 + 1) * length / pieces / 2),
                    samples[at - 1],
                )
            })
        };
        Series {
            name: name.to_owned(),
            class,
            points: bins.iter().filter_map(of).collect(),
            steps: false,
        }
    };
    vec![
        line("llm", "llm p50", 'a', 0.5),
        line("llm", "llm p95", 'b', 0.95),
        line("tts", "tts p50", 'c', 0.5),
        line("tts", "tts p95", 'd', 0.95),
    ]
}

/// What was spent, with the upper bounds.
fn costs(evidence: &Evidence) -> Vec<Series> {
    let Some(ledger) = &evidence.ledger else {
        return Vec::new();
    };
    let mut paid: Vec<(u64, i128, i128)> = pairs(evidence, ledger)
        .0
        .into_iter()
        .filter_map(|pair| {
            let cost = &pair.recorded?.cost;
            let least = cost.at_least.grains();
            Some((
                pair.called.at_ms,
                least,
                cost.at_most.map_or(least, Money::grains),
            ))
        })
        .collect();
    paid.sort_unstable();
    let usd = |grains: i128| grains as f64 / Money::GRAINS_PER_USD as f64;
    let sum = |name: &str, class: char, of: fn(&(u64, i128, i128)) -> i128| {
        let mut total = 0;
        let points = paid.iter().map(|one| {
            total += of(one);
            (minutes(one.0), usd(total))
        });
        Series {
            name: name.to_owned(),
            class,
            points: points.collect(),
            steps: true,
        }
    };
    vec![
        sum("at most", 'b', |one| one.2),
        sum("at least", 'a', |one| one.1),
    ]
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
