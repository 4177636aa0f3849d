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

/// A sink of a user's that is slow, stuck or panics: each event is accounted for, by the sink's own count.
fn hostile(evidence: &Evidence) -> Line {
    let name = "a sink that misbehaves is counted, and disturbs nobody";
    let (mut opened, mut given, mut written, mut lost, mut panics) = (0, 0, 0, 0, 0);
    let mut broken = Vec::new();
    for begun in &evidence.lives {
        let Some(sample) = last(evidence, begun.life) else {
            continue;
        };
        let lane = &sample.hostile;
        opened += lane.opened;
        given += sample.hostile_events;
        written += lane.written;
        lost += lane.lost;
        panics += sample.panics;
        let closed = evidence
            .closed
            .as_ref()
            .is_some_and(|closed| closed.life == begun.life);
        broken.extend(match closed {
            true => at_the_end(sample),
            false => under_way(sample),
        });
    }
    if given == 0 && evidence.ended_early && broken.is_empty() {
        return Line::unknown(name, "it was ended before anything was handed over");
    }
    if given == 0 {
        broken.push("it was given nothing: this proves nothing".into());
    }
    let numbers = format!(
        "{opened} handed over = {written} written + {lost} lost; it was given {given}, and panicked at {panics} of them"
    );
    Line::new(name, numbers, broken)
}

/// When the monitor is closed, both sides have counted the same.
fn at_the_end(sample: &Sample) -> Vec<String> {
    let (lane, given, panics) = (&sample.hostile, sample.hostile_events, sample.panics);
    let mut broken = Vec::new();
    if lane.written + lane.lost != lane.opened {
        broken.push(format!(
            "of {} events {} are written and {} lost",
            lane.opened, lane.written, lane.lost
        ));
    }
    if given != lane.written + panics {
        broken.push(format!(
            "it was given {given} and panicked at {panics}, and {} count as written",
            lane.written
        ));
    }
    if sample.hostile_told != lane.lost {
        broken.push(format!(
            "it was told of {} lost events, and {} are",
            sample.hostile_told, lane.lost
        ));
    }
    if panics != sample.sinks_failed {
        broken.push(format!(
            "{panics} panics, and the monitor counted {}",
            sample.sinks_failed
        ));
    }
    broken
}

/// Of a worker that was killed: nothing can be written that was not given.
fn under_way(sample: &Sample) -> Vec<String> {
    let (lane, given) = (&sample.hostile, sample.hostile_events);
    let mut broken = Vec::new();
    if lane.written + lane.lost > lane.opened {
        broken.push(format!(
            "of {} events {} are written and {} lost",
            lane.opened, lane.written, lane.lost
        ));
    }
    if lane.written + sample.panics > given {
        broken.push(format!(
            "it was given {given} and panicked at {}, and {} count as written",
            sample.panics, lane.written
        ));
    }
    if sample.panics.abs_diff(sample.sinks_failed) > 1 {
        broken.push(format!(
            "{} panics, and the monitor counted {}",
            sample.panics, sample.sinks_failed
        ));
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::verdict::Held;

    fn held(evidence: &Evidence) -> Vec<Held> {
        judge(evidence).iter().map(|line| line.held).collect()
    }

    /// Of a sink that was given ten events, of which it panicked at two, and for three of which there was no room.
    fn misbehaved() -> Sample {
        Sample {
            hostile: Lane {
                opened: 13,
                written: 8,
                lost: 5,
                ..Lane::default()
            },
            hostile_events: 10,
            hostile_told: 5,
            panics: 2,
            sinks_failed: 2,
            ..Sample::default()
        }
    }

    fn with(change: impl FnOnce(&mut Sample)) -> Line {
        let mut evidence = Evidence::of(&["ledger"]);
        let mut sample = misbehaved();
        change(&mut sample);
        evidence.samples.push((0, sample));
        hostile(&evidence)
    }

    #[test]
    fn a_sink_that_misbehaves_holds_when_its_own_count_is_the_monitors() {
        let line = with(|_| {});
        assert_eq!(line.held, Held::Yes, "{line:?}");
    }

    #[test]
    fn a_sink_whose_own_count_differs_breaks() {
        let changes: [fn(&mut Sample); 5] = [
            // The monitor counts as written what never came, and as lost what did.
            |sample| sample.hostile_events -= 1,
            |sample| sample.hostile_events += 1,
            |sample| sample.hostile_told -= 1,
            |sample| sample.panics -= 1,
            |sample| sample.hostile.opened += 1,
        ];
        for (at, change) in changes.into_iter().enumerate() {
            assert_eq!(with(change).held, Held::No, "{at}");
        }
    }

    #[test]
    fn a_sink_that_was_given_nothing_proves_nothing() {
        let line = with(|sample| *sample = Sample::default());
        assert_eq!(line.held, Held::No);
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
