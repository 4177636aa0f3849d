//! The checks of the mission: what an engineer wants to have seen after five minutes, and after thirty.

use super::bills;
use super::calls::is_traced;
use super::evidence::Evidence;
use super::verdict::{Held, Line};
use campanile::sinks::ledger::FailureGroup;
use std::collections::BTreeSet;

/// What was there when the calls had gone on for five minutes of their own time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Early {
    pub(crate) console_lines: u64,
    pub(crate) log_files: u64,
    pub(crate) log_lines: u64,
    pub(crate) not_json: usize,
    /// Lines of `/metrics`, and of these what says what was spent and how long things took.
    pub(crate) metrics: usize,
    pub(crate) cost_metrics: usize,
    pub(crate) latency_metrics: usize,
}

/// When the first look is taken.
pub(crate) const FIVE_MINUTES_MS: u64 = 300_000;

/// All checks.
pub(crate) fn judge(evidence: &Evidence) -> Vec<Line> {
    let mut lines = five_minutes(evidence);
    lines.push(network(evidence));
    lines.push(recoverable(evidence));
    lines.extend(bills::providers(evidence).into_iter().map(|line| Line {
        name: renamed(line.name),
        ..line
    }));
    lines
}

/// What a line about bills is called here.
fn renamed(name: &'static str) -> &'static str {
    match name {
        "openai's bill is met" => "cost accuracy: openai",
        "deepgram's bill is met" => "cost accuracy: deepgram",
        "cartesia's bill is met" => "cost accuracy: cartesia",
        bills::BOUNDED => "cost accuracy: ranges have an upper bound",
        other => other,
    }
}

fn check(name: &'static str, good: bool, numbers: String) -> Line {
    let broken = if good {
        Vec::new()
    } else {
        vec!["not so".to_owned()]
    };
    Line::new(name, numbers, broken)
}

fn five_minutes(evidence: &Evidence) -> Vec<Line> {
    let Some(early) = &evidence.early else {
        return vec![Line {
            held: Held::No,
            ..Line::unknown("five minutes", "it did not go on for so long")
        }];
    };
    vec![
        check(
            "console output visible",
            early.console_lines > 0,
            format!("{} lines", early.console_lines),
        ),
        check(
            "log file created",
            early.log_files > 0,
            format!("{} files", early.log_files),
        ),
        check(
            "structured format",
            early.log_lines > 0 && early.not_json == 0,
            format!(
                "{} lines of JSON, {} others",
                early.log_lines, early.not_json
            ),
        ),
        check(
            "metrics collected",
            early.metrics > 0,
            format!("{} series", early.metrics),
        ),
        check(
            "cost estimate generated",
            early.cost_metrics > 0,
            format!("{} series", early.cost_metrics),
        ),
        check(
            "latency tracked",
            early.latency_metrics > 0,
            format!("{} series", early.latency_metrics),
        ),
    ]
}

/// The network goes away in the middle of sessions: each error is logged, with where it was caught.
fn network(evidence: &Evidence) -> Line {
    let groups = evidence.ledger.iter().flat_map(|ledger| &ledger.errors);
    let groups: Vec<_> = groups.map(Group::of).collect();
    traces(&groups, evidence.logs.failures)
}

/// Calls that failed in the same way.
struct Group<'a> {
    kind: &'a str,
    count: u64,
    trace: Option<&'a str>,
}

impl<'a> Group<'a> {
    fn of(group: &'a FailureGroup) -> Self {
        Self {
            kind: group.kind,
            count: group.count,
            trace: group.backtrace.as_deref(),
        }
    }
}

/// Whatever goes wrong in the mission comes as an error, and the configuration promises a trace for it.
fn traces(groups: &[Group<'_>], logged: u64) -> Line {
    let lost = groups.iter().filter(|group| group.kind == "connectivity");
    let lost: u64 = lost.map(|group| group.count).sum();
    let traced = groups.iter().filter(|group| is_traced(group.trace)).count();
    let mut broken: Vec<_> = groups
        .iter()
        .filter(|group| !is_traced(group.trace))
        .map(|group| {
            format!(
                "{} calls failed by {} without a trace",
                group.count, group.kind
            )
        })
        .collect();
    if lost == 0 {
        broken.push("no call lost its network".into());
    }
    if logged == 0 {
        broken.push("no failure is in the log files".into());
    }
    Line::new(
        "network lost mid-session: error logged with stack trace",
        format!(
            "{lost} calls lost it; {} kinds of errors, {traced} of them with a trace; {logged} failed calls in the log files",
            groups.len()
        ),
        broken,
    )
}

/// Sessions whose network went away went on, and what failed says that it may be tried again.
fn recoverable(evidence: &Evidence) -> Line {
    let calls = evidence.ledger.iter().flat_map(|ledger| &ledger.calls);
    let (mut hit, mut marked, mut wrong) = (BTreeSet::new(), 0, 0);
    let mut went_on = BTreeSet::new();
    let mut calls: Vec<_> = calls.collect();
    calls.sort_by_key(|call| call.started_at);
    for call in calls {
        let Some(session) = &call.session else {
            continue;
        };
        match &call.failure {
            Some(failure) if failure.kind == "connectivity" => {
                hit.insert(session);
                marked += u32::from(failure.retryable);
                wrong += u32::from(!failure.retryable);
            }
            None if call.outcome == Some(campanile::Outcome::Completed)
                && hit.contains(session) =>
            {
                went_on.insert(session);
            }
            _ => {}
        }
    }
    check(
        "recoverable",
        marked > 0 && wrong == 0 && !went_on.is_empty(),
        format!(
            "{marked} failures may be tried again; {} of {} sessions went on",
            went_on.len(),
            hit.len()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: Option<&str> = Some("one\n  at a.rs:1\ntwo\n  at b.rs:2");

    fn group(kind: &'static str, trace: Option<&'static str>) -> Group<'static> {
        Group {
            kind,
            count: 3,
            trace,
        }
    }

    #[test]
    fn an_error_of_any_kind_without_a_trace_breaks() {
        let held = |groups: &[_]| traces(groups, 6).held;
        let network = || group("connectivity", TRACE);

        assert_eq!(held(&[network(), group("rate_limit", TRACE)]), Held::Yes);
        assert_eq!(held(&[network(), group("rate_limit", None)]), Held::No);
        assert_eq!(held(&[network(), group("connectivity", None)]), Held::No);
        assert_eq!(held(&[network(), group("timeout", Some("one"))]), Held::No);
    }

    #[test]
    fn a_network_that_was_never_lost_breaks() {
        assert_eq!(traces(&[group("rate_limit", TRACE)], 6).held, Held::No);
        assert_eq!(traces(&[group("connectivity", TRACE)], 0).held, Held::No);
    }

    #[test]
    fn each_line_about_bills_has_its_own_name() {
        let names = bills::PROVIDERS.map(|(_, name)| renamed(name));

        assert_eq!(
            names,
            [
                "cost accuracy: openai",
                "cost accuracy: deepgram",
                "cost accuracy: cartesia"
            ]
        );
        assert_eq!(
            renamed(bills::BOUNDED),
            "cost accuracy: ranges have an upper bound"
        );
        assert_eq!(
            renamed("the providers' bills are met"),
            "the providers' bills are met"
        );
    }
}
