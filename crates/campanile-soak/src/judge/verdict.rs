//! What held and what did not, each with its numbers.

use super::evidence::Evidence;
use super::{alerts, bills, calls, lanes, latency, memory};
use serde::Serialize;

/// One thing that must hold.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) held: Held,
    pub(crate) numbers: String,
    /// The first things that broke it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) broken: Vec<String>,
}

/// Whether it held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Held {
    Yes,
    No,
    /// There was nothing to judge it by.
    Unknown,
}

const NOT_CLOSED: &str = "no worker ended in order";
/// How many things that broke are named.
const NAMED: usize = 5;

impl Line {
    /// Held, unless something broke it.
    pub(crate) fn new(
        name: &'static str,
        numbers: impl Into<String>,
        mut broken: Vec<String>,
    ) -> Self {
        let more = broken.len().saturating_sub(NAMED);
        broken.truncate(NAMED);
        if more > 0 {
            broken.push(format!("and {more} more"));
        }
        Self {
            name,
            held: if broken.is_empty() {
                Held::Yes
            } else {
                Held::No
            },
            numbers: numbers.into(),
            broken,
        }
    }

    pub(crate) fn unknown(name: &'static str, why: impl Into<String>) -> Self {
        Self {
            name,
            held: Held::Unknown,
            numbers: why.into(),
            broken: Vec::new(),
        }
    }
}

/// Judges everything.
pub(crate) fn judge(evidence: &Evidence) -> Vec<Line> {
    let mut lines = vec![
        calls::recorded(evidence),
        calls::outcomes(evidence),
        calls::errors(evidence),
        calls::sessions(evidence),
        calls::integrity(evidence),
    ];
    lines.extend(bills::providers(evidence));
    lines.push(bills::costs(evidence));
    lines.push(alerts::once(evidence));
    lines.push(canaries(evidence));
    lines.extend(lanes::judge(evidence));
    lines.push(metrics(evidence));
    lines.extend(memory::judge(evidence));
    lines.extend(latency::judge(evidence));
    lines.push(ends(evidence));
    lines.push(disk(evidence));
    lines.push(faults(evidence));
    lines
}

fn canaries(evidence: &Evidence) -> Line {
    let numbers = format!("{} bytes searched, 0 expected", evidence.searched_bytes);
    let mut broken = evidence.canaries.clone();
    if evidence.searched_bytes == 0 {
        broken.push("nothing was written that could be searched".into());
    }
    Line::new("no canary in any output", numbers, broken)
}

fn metrics(evidence: &Evidence) -> Line {
    let name = "metrics are served, and count the same calls";
    let Some(closed) = &evidence.closed else {
        return Line::new(name, "", vec![NOT_CLOSED.into()]);
    };
    if !evidence.has("prometheus") {
        return Line::unknown(name, "this environment serves none");
    }
    let Some(counted) = evidence.metric_calls else {
        return Line::new(name, "", vec!["nobody answered".into()]);
    };
    let calls = evidence
        .calls
        .iter()
        .filter(|call| call.life == closed.life);
    let calls = calls.count() as u64;
    let numbers = format!("{calls} made by the last worker, {counted} in its metrics");
    let mut broken = Vec::new();
    if counted != calls {
        broken.push(format!("{} calls do not fit", calls.abs_diff(counted)));
    }
    if calls == 0 && !evidence.ended_early {
        broken.push("no call was made: this proves nothing".into());
    }
    Line::new(name, numbers, broken)
}

/// Descriptors, tasks and threads are back where they were.
fn ends(evidence: &Evidence) -> Line {
    let name = "descriptors, tasks and threads are back";
    let (Some(begun), Some(closed)) = (evidence.lives.last(), &evidence.closed) else {
        return Line::new(name, "", vec![NOT_CLOSED.into()]);
    };
    let numbers = format!(
        "tasks {} → {}, files {} → {}, threads {} → {}",
        begun.tasks, closed.tasks, begun.fds, closed.fds, begun.threads, closed.threads
    );
    let mut broken = Vec::new();
    if closed.tasks > begun.tasks {
        broken.push(format!("{} tasks are left", closed.tasks - begun.tasks));
    }
    if closed.fds > begun.fds {
        broken.push(format!("{} files are left open", closed.fds - begun.fds));
    }
    if closed.threads > begun.threads {
        broken.push(format!(
            "{} threads are left",
            closed.threads - begun.threads
        ));
    }
    if !closed.clean {
        broken.push("the monitor was not done in time".into());
    }
    Line::new(name, numbers, broken)
}

fn disk(evidence: &Evidence) -> Line {
    let name = "log files rotate inside their budget";
    let logs = &evidence.logs;
    let limit = evidence.max_total + evidence.max_file;
    let numbers = format!(
        "{} files begun, {} compressed, at most {} KiB at once of {} KiB",
        logs.files,
        logs.compressed,
        logs.largest / 1_024,
        evidence.max_total / 1_024
    );
    if !evidence.has("jsonl") {
        return Line::unknown(name, "this environment writes none");
    }
    let mut broken = Vec::new();
    if logs.files == 0 {
        broken.push("no file was begun".into());
    }
    if logs.largest > limit {
        broken.push(format!(
            "{} KiB is more than the budget and a file",
            logs.largest / 1_024
        ));
    }
    if (logs.files < 2 || logs.compressed == 0) && !evidence.ended_early {
        broken.push("no rotation was seen".into());
    }
    Line::new(name, numbers, broken)
}

/// Each fault that was asked for has happened.
fn faults(evidence: &Evidence) -> Line {
    let name = "the faults happened";
    let mut broken = Vec::new();
    for fault in &evidence.options.faults.list {
        let hits = evidence.hits(*fault);
        if hits == 0 && !evidence.ended_early {
            broken.push(format!("{} met nothing", fault.name()));
        }
    }
    let hits = evidence
        .options
        .faults
        .list
        .iter()
        .map(|fault| format!("{} {}", fault.name(), evidence.hits(*fault)));
    Line::new(name, hits.collect::<Vec<_>>().join(", "), broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::evidence::{Called, Closed};

    fn held(evidence: &Evidence, name: &str) -> Held {
        let lines = judge(evidence);
        let line = lines.iter().find(|line| line.name.contains(name));
        line.map(|line| line.held).expect("a line of that name")
    }

    #[test]
    fn a_sink_that_was_asked_for_and_left_nothing_breaks_its_lines() {
        let evidence = Evidence::of(&["ledger", "jsonl", "prometheus"]);

        assert_eq!(held(&evidence, "metrics are served"), Held::No);
        assert_eq!(held(&evidence, "log files rotate"), Held::No);
    }

    #[test]
    fn what_the_environment_does_not_have_is_not_judged() {
        let evidence = Evidence::of(&["ledger"]);

        assert_eq!(held(&evidence, "metrics are served"), Held::Unknown);
        assert_eq!(held(&evidence, "log files rotate"), Held::Unknown);
    }

    #[test]
    fn metrics_count_every_call_and_no_other() {
        let mut evidence = Evidence::of(&["ledger", "prometheus"]);
        for n in 0..3 {
            evidence.calls.push(Called {
                n,
                ..Called::default()
            });
        }
        let mut with = |counted| {
            evidence.metric_calls = Some(counted);
            held(&evidence, "metrics are served")
        };

        assert_eq!(with(3), Held::Yes);
        assert_eq!([0, 1, 2, 4].map(with), [Held::No; 4]);
    }

    #[test]
    fn what_is_left_at_the_end_breaks() {
        let changes: [fn(&mut Closed); 4] = [
            |closed| closed.fds += 1,
            |closed| closed.tasks += 1,
            |closed| closed.threads += 1,
            |closed| closed.clean = false,
        ];
        let mut evidence = Evidence::of(&["ledger"]);
        assert_eq!(held(&evidence, "descriptors"), Held::Yes);

        let good = evidence.closed.clone();
        for change in changes {
            evidence.closed = good.clone();
            evidence.closed.as_mut().map(change);
            assert_eq!(held(&evidence, "descriptors"), Held::No);
        }
    }

    #[test]
    fn a_worker_that_did_not_end_in_order_breaks_what_its_end_would_show() {
        let mut evidence = Evidence::of(&["ledger", "prometheus"]);
        evidence.closed = None;

        assert_eq!(held(&evidence, "metrics are served"), Held::No);
        assert_eq!(held(&evidence, "descriptors"), Held::No);
    }
}
