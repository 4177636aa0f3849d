//! Lines of each sink: what was handed over is written or told as lost, to the unit.

use super::evidence::{Begun, Evidence};
use super::logs::Seen;
use super::verdict::Line;
use crate::journal::{Lane, Sample};

/// One verdict for each sink that writes lines, and one for the sink that misbehaves.
pub(crate) fn judge(evidence: &Evidence) -> Vec<Line> {
    let names = [
        ("jsonl", "lines of the log files are counted"),
        ("console", "lines of the console are counted"),
    ];
    let mut lines: Vec<_> = names
        .iter()
        .map(|(sink, name)| lane(evidence, sink, name))
        .collect();
    lines.push(hostile(evidence));
    lines
}

/// The last that was heard of a worker.
fn last(evidence: &Evidence, life: u32) -> Option<&Sample> {
    let mut samples = evidence.samples.iter().rev();
    samples
        .find(|(of, _)| *of == life)
        .map(|(_, sample)| sample)
}

fn lane(evidence: &Evidence, sink: &str, name: &'static str) -> Line {
    let (mut given, mut written, mut told, mut died) = (0, 0, 0, 0);
    let mut broken = Vec::new();
    if !evidence.has(sink) {
        return Line::unknown(name, "this environment has no such sink");
    }
    for begun in &evidence.lives {
        let Some(sample) = last(evidence, begun.life) else {
            continue;
        };
        let seen = match sink {
            "jsonl" => evidence.logs.of_life(begun.pid),
            _ => evidence.console.of_life(begun.life),
        };
        let Some(lane) = sample.lanes.iter().find(|lane| lane.name == sink) else {
            broken.push(format!("worker {} has not counted it", begun.life));
            continue;
        };
        given += lane.given;
        written += seen.lines;
        told += seen.told;
        died += compare(evidence, begun, lane, &seen, &mut broken);
        broken.extend(seen.wrong);
    }
    let mut numbers = format!("{given} handed over = {written} written + {told} told as lost");
    if evidence.kills > 0 {
        numbers.push_str(&format!(" + {died} died with their process"));
    }
    if given == 0 && evidence.ended_early && broken.is_empty() {
        return Line::unknown(name, "it was ended before anything was handed over");
    }
    if given == 0 {
        broken.push("nothing was handed over: this proves nothing".into());
    }
    Line::new(name, numbers, broken)
}

/// Compares one life; gives the lines that its end may have cost.
fn compare(
    evidence: &Evidence,
    begun: &Begun,
    lane: &Lane,
    seen: &Seen,
    broken: &mut Vec<String>,
) -> u64 {
    let there = seen.lines + seen.told;
    let closed = evidence
        .closed
        .as_ref()
        .is_some_and(|closed| closed.life == begun.life);
    if closed && lane.given != there {
        let missing = i128::from(lane.given) - i128::from(there);
        broken.push(format!(
            "{missing} lines are neither written nor told as lost"
        ));
    }
    // In real time a worker goes on until the axe falls, a little after it has said how it was.
    if !closed && !evidence.options.is_real() && there > lane.given {
        broken.push(format!(
            "{} lines were never handed over",
            there - lane.given
        ));
    }
    if closed && lane.opened != lane.written + lane.lost {
        broken.push(format!(
            "its own counters: {} opened, {} written, {} lost",
            lane.opened, lane.written, lane.lost
        ));
    }
    lane.given.saturating_sub(there)
}

/// A lane whose writer is slow, stuck or panics, and a sink of a user's that panics: each event is accounted for.
fn hostile(evidence: &Evidence) -> Line {
    let name = "a sink that misbehaves is counted, and disturbs nobody";
    let (mut opened, mut written, mut lost, mut panics) = (0, 0, 0, 0);
    let mut broken = Vec::new();
    for begun in &evidence.lives {
        let Some(sample) = last(evidence, begun.life) else {
            continue;
        };
        let lane = &sample.hostile;
        opened += lane.opened;
        written += lane.written;
        lost += lane.lost;
        panics += sample.panics;
        let closed = evidence
            .closed
            .as_ref()
            .is_some_and(|closed| closed.life == begun.life);
        if lane.written + lane.lost > lane.opened
            || (closed && lane.written + lane.lost != lane.opened)
        {
            broken.push(format!(
                "of {} lines {} are written and {} lost",
                lane.opened, lane.written, lane.lost
            ));
        }
        if sample.panics.abs_diff(sample.sinks_failed) > u64::from(!closed) {
            broken.push(format!(
                "{} panics, and the monitor counted {}",
                sample.panics, sample.sinks_failed
            ));
        }
    }
    let numbers = format!(
        "{opened} handed over = {written} written + {lost} lost; {panics} panics of a sink of a user's"
    );
    Line::new(name, numbers, broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::verdict::Held;

    fn held(evidence: &Evidence) -> Vec<Held> {
        judge(evidence).iter().map(|line| line.held).collect()
    }

    #[test]
    fn a_sink_that_was_asked_for_has_to_leave_lines() {
        let evidence = Evidence::of(&["ledger", "jsonl", "console"]);

        assert_eq!(held(&evidence)[..2], [Held::No, Held::No]);
    }

    #[test]
    fn a_sink_that_nobody_asked_for_is_not_judged() {
        let evidence = Evidence::of(&["ledger"]);

        assert_eq!(held(&evidence)[..2], [Held::Unknown, Held::Unknown]);
    }
}
