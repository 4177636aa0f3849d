//! Calls: each is recorded once, as its caller saw it.

use super::evidence::{Called, Evidence, Ledgered};
use super::verdict::Line;
use crate::journal::Outcome as Seen;
use campanile::Outcome;
use campanile::sinks::ledger::LedgerCall;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// A call of the journal with the call of the ledger that it is.
pub(crate) struct Pair<'a> {
    pub(crate) called: &'a Called,
    pub(crate) recorded: Option<&'a LedgerCall>,
}

/// What belongs together, and what the ledger has that nobody called. Calls of one place meet in the order of the wall clock, which is
/// all that the ledger knows: it may have jumped between them.
pub(crate) fn pairs<'a>(
    evidence: &'a Evidence,
    ledger: &'a Ledgered,
) -> (Vec<Pair<'a>>, Vec<&'a LedgerCall>) {
    type Key<'a> = (&'a str, u32, &'a str);
    let mut recorded: HashMap<Key<'_>, VecDeque<&LedgerCall>> = HashMap::new();
    for call in &ledger.calls {
        let session = call.session.as_deref().unwrap_or_default();
        let key = (session, call.turn.unwrap_or(0), call.stage.as_str());
        recorded.entry(key).or_default().push_back(call);
    }
    for calls in recorded.values_mut() {
        calls
            .make_contiguous()
            .sort_by_key(|call| (call.started_at, call.id.clone()));
    }
    let mut called: Vec<_> = evidence.calls.iter().collect();
    called.sort_by_key(|called| called.wall);
    let pairs = called.into_iter().map(|called| {
        let key = (called.session.as_str(), called.turn, called.stage.as_str());
        let recorded = recorded.get_mut(&key).and_then(VecDeque::pop_front);
        Pair { called, recorded }
    });
    let pairs = pairs.collect();
    (pairs, recorded.into_values().flatten().collect())
}

/// An open call is checkpointed each second; so old it must be in the ledger, if it has used anything.
const CHECKPOINT_MS: u64 = 1_200;

const NO_LEDGER: &str = "there is no ledger to read";

/// Opened = recorded + counted by reason.
pub(crate) fn recorded(evidence: &Evidence) -> Line {
    let name = "every call is recorded once";
    let Some(ledger) = &evidence.ledger else {
        return Line::new(name, "", vec![NO_LEDGER.into()]);
    };
    let (pairs, extra) = pairs(evidence, ledger);
    let mut broken: Vec<String> = extra
        .iter()
        .map(|call| {
            let session = call.session.as_deref().unwrap_or("no session");
            format!(
                "recorded and never made (twice?): {} of {session}, {}",
                call.stage, call.id
            )
        })
        .collect();
    let (mut crashed, mut unused) = (0, 0);
    for pair in &pairs {
        match (pair.recorded, pair.called.over) {
            (Some(call), None) => crashed += u32::from(call.outcome == Some(Outcome::Crashed)),
            (Some(_), Some(_)) => {}
            // Killed before its first checkpoint, which comes after a second.
            (None, None) => {
                unused += 1;
                let killed = evidence.killed_at.get(pair.called.life as usize);
                let age = killed.map_or(0, |killed| killed.saturating_sub(pair.called.at_ms));
                if age > CHECKPOINT_MS {
                    broken.push(format!(
                        "{age} ms old when its process died, and not recorded: {}",
                        pair.called.place()
                    ));
                }
            }
            (None, Some(_)) => {
                broken.push(format!("made and not recorded: {}", pair.called.place()))
            }
        }
    }
    let stats = &ledger.stats;
    let numbers = format!(
        "{} made = {} recorded ({crashed} of them crashed) + {unused} killed before a checkpoint; {} folded, {} open",
        evidence.calls.len(),
        ledger.calls.len(),
        stats.folds,
        stats.open,
    );
    if stats.open > 0 {
        broken.push(format!("{} calls are open in the ledger", stats.open));
    }
    if let Some(closed) = &evidence.closed {
        let made = evidence
            .calls
            .iter()
            .filter(|call| call.life == closed.life)
            .count() as u64;
        if closed.opened != made {
            broken.push(format!(
                "the monitor opened {} calls of {made}",
                closed.opened
            ));
        }
    }
    broken.extend(
        evidence
            .logs
            .twice
            .iter()
            .map(|id| format!("twice in the log files: call {id}")),
    );
    if evidence.calls.is_empty() {
        broken.push("no call was made: this proves nothing".into());
    }
    Line::new(name, numbers, broken)
}

/// How each call ended.
pub(crate) fn outcomes(evidence: &Evidence) -> Line {
    let name = "calls ended as their callers saw it";
    let Some(ledger) = &evidence.ledger else {
        return Line::new(name, "", vec![NO_LEDGER.into()]);
    };
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let mut broken = Vec::new();
    for pair in pairs(evidence, ledger).0 {
        let Some(call) = pair.recorded else { continue };
        let recorded = call.outcome.map_or("open", Outcome::name);
        *counts.entry(recorded).or_default() += 1;
        let seen = pair.called.over.map_or("crashed", Seen::name);
        // A call that was over a moment before its process was killed may be known as either.
        if recorded != seen && pair.called.over.is_some() {
            broken.push(format!(
                "{}: {seen}, recorded as {recorded}",
                pair.called.place()
            ));
        }
    }
    let numbers = counts.iter().map(|(name, count)| format!("{count} {name}"));
    Line::new(name, numbers.collect::<Vec<_>>().join(", "), broken)
}

/// What a fault must be recorded as: kind, and whether another try may help.
fn expected(word: &str) -> Option<(&'static str, bool)> {
    let name = word.split('=').next().unwrap_or_default();
    Some(match name {
        "too_many_requests" => ("rate_limit", true),
        "server_error" | "error_in_stream" => ("server", true),
        "refuse" | "refused" | "cut_after" | "close_socket" => ("connectivity", true),
        "black_hole" => ("timeout", true),
        _ => return None,
    })
}

/// Each error that was injected is captured once, under its own fingerprint, as recoverable or not.
pub(crate) fn errors(evidence: &Evidence) -> Line {
    let name = "each injected error is captured once, under its fingerprint";
    let Some(ledger) = &evidence.ledger else {
        return Line::new(name, "", vec![NO_LEDGER.into()]);
    };
    let mut captured = Captured::default();
    for pair in pairs(evidence, ledger).0 {
        if let (Some(call), Some(seen)) = (pair.recorded, pair.called.over) {
            captured.call(pair.called, call, seen);
        }
    }
    for failure in ledger.calls.iter().filter_map(|call| call.failure.as_ref()) {
        *captured
            .failed
            .entry(failure.fingerprint.clone())
            .or_default() += 1;
    }
    captured.traces(ledger);
    let groups = ledger.errors.iter();
    captured.groups(groups.map(|group| (group.fingerprint.as_str(), group.count)));
    let numbers = format!(
        "{} injected, {} captured, {} fingerprints",
        captured.injected,
        captured.found,
        captured
            .prints
            .values()
            .flatten()
            .collect::<BTreeSet<_>>()
            .len()
    );
    Line::new(name, numbers, captured.broken)
}

/// Whether a trace says where something was caught: some frames, of two lines each.
pub(crate) fn is_traced(trace: Option<&str>) -> bool {
    trace.is_some_and(|trace| trace.lines().count() > 2)
}

#[derive(Default)]
struct Captured {
    injected: u64,
    found: u64,
    /// Fingerprints by stage and word.
    prints: BTreeMap<(String, String), BTreeSet<String>>,
    /// Stages and kinds by fingerprint.
    troubles: BTreeMap<String, BTreeSet<(String, &'static str)>>,
    /// Calls that failed, by fingerprint.
    failed: BTreeMap<String, u64>,
    broken: Vec<String>,
}

impl Captured {
    fn call(&mut self, called: &Called, call: &LedgerCall, seen: Seen) {
        if (seen == Seen::Failed) != call.failure.is_some() && seen != Seen::Panicked {
            self.broken.push(format!(
                "{}: {}, and its failure is {:?}",
                called.place(),
                seen.name(),
                call.failure.as_ref().map(|failure| failure.kind)
            ));
        }
        let whole =
            matches!(called.faults.as_str(), "refused" | "black_hole") || called.stage != "llm";
        match whole {
            true => self.whole(called, call, seen),
            false => self.tries(called, call, seen),
        }
    }

    /// A fault that is the call's, as its caller saw it.
    fn whole(&mut self, called: &Called, call: &LedgerCall, seen: Seen) {
        let Some(wanted) = expected(&called.faults).filter(|_| seen == Seen::Failed) else {
            return;
        };
        self.injected += 1;
        let found = call.failure.as_ref();
        let found = found.map(|f| (f.kind, f.retryable, f.fingerprint.clone()));
        self.compare(called, &called.faults, wanted, found);
    }

    /// Faults of single tries.
    fn tries(&mut self, called: &Called, call: &LedgerCall, seen: Seen) {
        if seen == Seen::Cancelled {
            return;
        }
        for (at, word) in called.faults.split(',').enumerate() {
            let Some(wanted) = expected(word) else {
                continue;
            };
            self.injected += 1;
            let attempt = call.attempts.get(at);
            let found = attempt.and_then(|attempt| attempt.failure.as_ref());
            let found = found.map(|f| (f.kind, f.retryable, f.fingerprint.clone()));
            self.compare(called, word, wanted, found);
        }
        let quiet = called.faults.is_empty() || called.faults.starts_with("no_usage");
        if quiet
            && call
                .attempts
                .iter()
                .any(|attempt| attempt.failure.is_some())
        {
            self.broken.push(format!(
                "{}: a failure that nobody injected",
                called.place()
            ));
        }
    }

    fn compare(
        &mut self,
        called: &Called,
        word: &str,
        wanted: (&'static str, bool),
        found: Option<(&str, bool, String)>,
    ) {
        let Some((kind, retryable, print)) = found else {
            self.broken
                .push(format!("{}: {word} was not captured", called.place()));
            return;
        };
        self.found += 1;
        if (kind, retryable) != wanted {
            self.broken.push(format!(
                "{}: {word} is {kind} (retryable: {retryable}), not {} ({})",
                called.place(),
                wanted.0,
                wanted.1
            ));
        }
        let word = word.split('=').next().unwrap_or_default().to_owned();
        let trouble = (called.stage.clone(), wanted.0);
        self.troubles
            .entry(print.clone())
            .or_default()
            .insert(trouble);
        self.prints
            .entry((called.stage.clone(), word))
            .or_default()
            .insert(print);
    }

    /// The configuration promises a trace for each kind of failure.
    fn traces(&mut self, ledger: &Ledgered) {
        let traceless = ledger
            .errors
            .iter()
            .filter(|group| !is_traced(group.backtrace.as_deref()));
        self.broken.extend(traceless.map(|group| {
            format!(
                "{} of {}: no trace says where it was caught",
                group.kind,
                group.stages.join(", ")
            )
        }));
    }

    /// One fingerprint for each kind of trouble, one kind of trouble for each fingerprint, and groups that count the same calls.
    fn groups<'a>(&mut self, groups: impl IntoIterator<Item = (&'a str, u64)>) {
        for ((stage, word), prints) in &self.prints {
            if prints.len() > 1 {
                self.broken.push(format!(
                    "{word} of {stage} has {} fingerprints",
                    prints.len()
                ));
            }
        }
        for (print, troubles) in self.troubles.iter().filter(|(_, all)| all.len() > 1) {
            let troubles = troubles
                .iter()
                .map(|(stage, kind)| format!("{kind} of {stage}"));
            let troubles = troubles.collect::<Vec<_>>().join(", ");
            self.broken.push(format!("{print} stands for {troubles}"));
        }
        let mut counts: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
        for (print, count) in &self.failed {
            counts.entry(print).or_default()[0] += count;
        }
        for (print, count) in groups {
            counts.entry(print).or_default()[1] += count;
        }
        for (print, [failed, grouped]) in counts {
            if failed != grouped {
                self.broken.push(format!(
                    "{print}: {failed} calls, and {grouped} in its group"
                ));
            }
        }
    }
}

/// Sessions have a start and an end.
pub(crate) fn sessions(evidence: &Evidence) -> Line {
    let name = "sessions are paired";
    let Some(ledger) = &evidence.ledger else {
        return Line::new(name, "", vec![NO_LEDGER.into()]);
    };
    let mut broken = Vec::new();
    let known: HashMap<&str, _> = ledger
        .sessions
        .iter()
        .map(|row| (row.session.as_str(), row))
        .collect();
    for (id, over) in &evidence.sessions {
        match known.get(id.as_str()) {
            None => broken.push(format!("{id} is not recorded")),
            Some(row) if row.started_at.is_none() || row.ended_at.is_none() => {
                broken.push(format!(
                    "{id} has no {}",
                    if row.ended_at.is_none() {
                        "end"
                    } else {
                        "start"
                    }
                ));
            }
            Some(row) => {
                let wanted = over.as_deref().unwrap_or("crashed");
                if row.reason.as_deref() != Some(wanted) {
                    broken.push(format!(
                        "{id} ended by {wanted}, recorded as {:?}",
                        row.reason
                    ));
                }
            }
        }
    }
    let numbers = format!(
        "{} begun, {} recorded, {} of them ended with their process; {} turns, {} interrupted",
        evidence.sessions.len(),
        ledger.sessions.len(),
        evidence
            .sessions
            .values()
            .filter(|over| over.is_none())
            .count(),
        evidence.turns,
        evidence.interrupted
    );
    if ledger.sessions.len() != evidence.sessions.len() {
        broken.push("these are not as many".into());
    }
    Line::new(name, numbers, broken)
}

/// The ledger's own check of itself.
pub(crate) fn integrity(evidence: &Evidence) -> Line {
    let name = "the ledger is sound";
    let Some(ledger) = &evidence.ledger else {
        return Line::new(name, "", vec![NO_LEDGER.into()]);
    };
    let problems = ledger.problems.iter();
    let broken =
        problems.map(|problem| format!("{} {}: {}", problem.table, problem.row, problem.what));
    let numbers = format!(
        "{} calls, {} attempts, {} processes, {} of them killed, {} KiB",
        ledger.stats.calls,
        ledger.stats.parts,
        ledger.stats.runs,
        ledger.stats.crashed_runs,
        ledger.stats.file_bytes / 1_024
    );
    let mut broken: Vec<_> = broken.collect();
    if ledger.stats.crashed_runs != u64::from(evidence.kills) {
        broken.push(format!("{} processes were killed", evidence.kills));
    }
    Line::new(name, numbers, broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile::sinks::ledger::{Ledger, LedgerOptions};
    use campanile::{CallEvent, Clock, Event, Ids, Name, Sink as _, Timestamp};
    use std::time::Duration;

    #[test]
    fn calls_of_one_place_meet_whatever_the_wall_clock_did_between_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("campanile.db");
        let ledger = Ledger::open(LedgerOptions::new(&path), Clock::system()).unwrap();
        let mut evidence = Evidence::of(&["ledger"]);
        let ids = Ids::seeded(1);
        // The second was made after the clock had been set back by a minute.
        let calls = [
            (100, Outcome::Failed, Seen::Failed),
            (40, Outcome::Completed, Seen::Completed),
        ];
        for (n, (second, outcome, seen)) in calls.into_iter().enumerate() {
            let wall = Timestamp(1_795_485_000_000_000 + second * 1_000_000);
            let call = CallEvent::new(ids.next(wall), Name::from_static("stt"), wall, outcome);
            ledger.record(&Event::Call(Box::new(call)));
            evidence.calls.push(Called {
                n: n as u64,
                stage: "stt".to_owned(),
                wall,
                over: Some(seen),
                ..Called::default()
            });
        }
        assert!(ledger.close(Duration::from_secs(20)));
        evidence.ledger = Some(Ledgered::read(&path).unwrap());

        assert_eq!(outcomes(&evidence).broken, Vec::<String>::new());
    }

    /// A fault of a stage, as it was expected and with this fingerprint.
    fn capture(captured: &mut Captured, stage: &str, word: &str, print: &str) {
        let called = Called {
            stage: stage.to_owned(),
            ..Called::default()
        };
        let wanted = expected(word).unwrap();
        let found = (wanted.0, wanted.1, print.to_owned());
        captured.compare(&called, word, wanted, Some(found));
        *captured.failed.entry(print.to_owned()).or_default() += 1;
    }

    fn broken(faults: &[(&str, &str, &str)], groups: &[(&str, u64)]) -> Vec<String> {
        let mut captured = Captured::default();
        for (stage, word, print) in faults {
            capture(&mut captured, stage, word, print);
        }
        captured.groups(groups.iter().copied());
        captured.broken
    }

    #[test]
    fn troubles_with_fingerprints_of_their_own_hold() {
        let faults = [
            ("llm", "refused", "one"),
            ("llm", "refused", "one"),
            ("stt", "close_socket=1/1011", "two"),
        ];

        assert_eq!(
            broken(&faults, &[("one", 2), ("two", 1)]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_trouble_with_two_fingerprints_breaks() {
        let faults = [("llm", "refused", "one"), ("llm", "refused", "two")];

        let broken = broken(&faults, &[("one", 1), ("two", 1)]);
        assert_eq!(broken, ["refused of llm has 2 fingerprints"]);
    }

    #[test]
    fn a_fingerprint_for_two_troubles_breaks() {
        let kinds = [("llm", "refused", "one"), ("llm", "server_error", "one")];
        let stages = [("llm", "refused", "one"), ("stt", "refused", "one")];

        for faults in [kinds, stages] {
            let broken = broken(&faults, &[("one", 2)]);
            assert!(
                matches!(&broken[..], [only] if only.starts_with("one stands for")),
                "{broken:?}"
            );
        }
    }

    #[test]
    fn a_group_that_counts_less_or_more_or_that_nobody_made_breaks() {
        let faults = [("llm", "refused", "one")];

        for groups in [
            &[("one", 0)][..],
            &[("one", 2)],
            &[("one", 1), ("two", 1)],
            &[],
        ] {
            assert_eq!(broken(&faults, groups).len(), 1, "{groups:?}");
        }
    }
}
