//! What is left of a soak for people and for programs.

pub(crate) mod console;
mod html;
pub(crate) mod live;
mod svg;

use crate::journal::Sample;
use crate::judge::evidence::{Evidence, Mark};
use crate::judge::verdict::{Held, Line};
use crate::options::Options;
use serde::Serialize;
use std::fs;

/// `report.json`.
#[derive(Serialize)]
struct Report<'a> {
    command: String,
    held: bool,
    ended_early: bool,
    verdict: &'a [Line],
    totals: Vec<Total>,
    sessions: usize,
    turns: u64,
    interrupted: u64,
    calls: usize,
    marks: &'a [Mark],
    samples: Vec<&'a Sample>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<&'a crate::journal::Latency>,
}

/// One row of the ledger's report. Two runs with one seed on a scaled clock have the same ones.
#[derive(Debug, Serialize)]
pub(crate) struct Total {
    provider: String,
    model: String,
    outcome: String,
    calls: u64,
    attempts: u64,
    usage: campanile::Usage,
    at_least_grains: String,
    at_most_grains: Option<String>,
}

/// The ledger's totals.
pub(crate) fn totals(evidence: &Evidence) -> Vec<Total> {
    let rows = evidence
        .ledger
        .iter()
        .flat_map(|ledger| &ledger.report.rows);
    rows.map(|row| {
        let key = |at: usize| row.keys.get(at).cloned().unwrap_or_default();
        // What a killed process may have used at most depends on the moment in which it died: no seed tells that.
        let died = key(2) == "crashed";
        let most = row.cost.at_most.filter(|_| !died);
        Total {
            provider: key(0),
            model: key(1),
            outcome: key(2),
            calls: row.calls,
            attempts: row.parts,
            usage: if died { counted(&row.usage) } else { row.usage },
            at_least_grains: row.cost.at_least.grains().to_string(),
            at_most_grains: most.map(|most| most.grains().to_string()),
        }
    })
    .collect()
}

/// The lower bounds alone.
fn counted(usage: &campanile::Usage) -> campanile::Usage {
    usage
        .iter()
        .fold(campanile::Usage::new(), |usage, (meter, count)| {
            usage.with(meter, count.at_least, count.evidence)
        })
}

/// Whether everything held.
pub(crate) fn held(lines: &[Line]) -> bool {
    lines.iter().all(|line| line.held != Held::No)
}

/// Writes `REPORT.html` and `report.json`.
pub(crate) fn write(options: &Options, evidence: &Evidence, lines: &[Line]) -> Result<(), String> {
    let report = Report {
        command: options.command(),
        held: held(lines),
        ended_early: evidence.ended_early,
        verdict: lines,
        totals: totals(evidence),
        sessions: evidence.sessions.len(),
        turns: evidence.turns,
        interrupted: evidence.interrupted,
        calls: evidence.calls.len(),
        marks: &evidence.marks,
        samples: evidence.samples.iter().map(|(_, sample)| sample).collect(),
        latency: evidence
            .closed
            .as_ref()
            .and_then(|closed| closed.latency.as_ref()),
    };
    let page = options.report.join("REPORT.html");
    fs::write(&page, html::page(options, evidence, lines))
        .map_err(|error| format!("{}: {error}", page.display()))?;
    let path = options.report.join("report.json");
    let wrong = |error: String| format!("{}: {error}", path.display());
    let text = serde_json::to_string_pretty(&report).map_err(|error| wrong(error.to_string()))?;
    fs::write(&path, text).map_err(|error| wrong(error.to_string()))
}
