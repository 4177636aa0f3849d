//! What was for nothing, and what nobody priced.

use crate::{SOON, assert_sound, attempt, call, folder, open, record, tokens, total, usage, usd};
use campanile_core::{
    CALL_REV, CallEvent, Cost, Evidence, Meter, Money, Outcome, Sink, Usage, Waste,
};
use campanile_sinks::ledger::Reader;
use std::path::Path;

/// A call of each kind of waste, and what each has wasted.
fn wasteful() -> (Vec<CallEvent>, String) {
    let spoken = |n, unplayed| {
        let mut spoken = attempt(n, 0, "0.3");
        spoken.usage = Some(
            Usage::new()
                .with(Meter::SpeechUs, 3_000_000, Evidence::Measured)
                .with(Meter::UnplayedUs, unplayed, Evidence::Measured),
        );
        spoken
    };
    let mut cut = call(1, vec![attempt(1, 10, "0.1")]);
    cut.outcome = Outcome::Cancelled;
    let mut cut_speech = call(2, vec![spoken(1, 2_000_000)]);
    cut_speech.outcome = Outcome::Cancelled;
    let mut retried = call(4, vec![attempt(1, 3, "0.25"), attempt(2, 4, "0.5")]);
    retried.attempts[0].wasted = Some(Waste::Retries);
    let mut guessed = call(5, vec![attempt(1, 3, "0.125")]);
    guessed.attempts[0].wasted = Some(Waste::Speculation);
    let mut listening = call(6, vec![attempt(1, 0, "0.6")]);
    listening.outcome = Outcome::Cancelled;
    listening.attempts[0].usage = Some(
        Usage::new()
            .with(Meter::AudioUs, 4_000_000, Evidence::Measured)
            .with(Meter::KeepAliveUs, 1_000_000, Evidence::Measured),
    );
    let mut failed = call(7, vec![attempt(1, 3, "0.07")]);
    failed.outcome = Outcome::Failed;
    failed.attempts[0].outcome = Some(Outcome::Failed);
    let calls = vec![
        cut,
        cut_speech,
        call(3, vec![spoken(1, 1_000_000)]),
        retried,
        guessed,
        listening,
        failed,
    ];
    let kinds = "interrupted 0.1–0.1, unplayed 0.3–0.4, retries 0.25–0.25, speculation 0.125–0.125, \
                 keep_alive 0.15–0.15, failed 0.07–0.07";
    (calls, kinds.to_owned())
}

fn kinds(path: &Path) -> String {
    let total = total(path);
    let kinds = Waste::ALL.map(|kind| {
        let cost = total.wasted_by.get(kind).unwrap();
        format!(
            "{} {}–{}",
            kind.name(),
            cost.at_least,
            cost.at_most.unwrap()
        )
    });
    kinds.join(", ")
}

#[test]
fn what_was_wasted_is_told_by_kind_also_when_it_is_summed_and_after_a_restart() {
    let (_dir, path) = folder();
    let (calls, expected) = wasteful();
    let ledger = open(&path);
    calls.into_iter().for_each(|call| record(&ledger, call));
    assert!(ledger.flush(SOON));
    assert_eq!(kinds(&path), expected);
    assert!(ledger.close(SOON));

    let ledger = open(&path);
    assert!(ledger.close(SOON));

    let stats = Reader::open(&path).unwrap().stats().unwrap();
    assert_eq!((stats.calls, stats.summed_calls), (7, 7));
    assert_eq!(kinds(&path), expected);
    assert_sound(&path);
}

#[test]
fn what_is_learnt_of_waste_later_replaces_what_was_known() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    let mut guess = attempt(1, 3, "0.125");
    record(&ledger, call(1, vec![guess.clone()]));
    guess.wasted = Some(Waste::Speculation);
    ledger.record(&usage(1, CALL_REV + 1, guess));
    assert!(ledger.flush(SOON));

    let total = total(&path);

    assert_eq!((total.calls, total.cost.at_least), (1, usd("0.125")));
    assert_eq!(total.wasted, Cost::exact(usd("0.125")));
    assert!(total.wasted_by.get(Waste::Speculation).is_some());
}

#[test]
fn a_call_that_nobody_priced_has_no_upper_bound() {
    let (_dir, path) = folder();
    let ledger = open(&path);
    let mut unpriced = call(1, Vec::new());
    unpriced.usage = Some(tokens(5));
    record(&ledger, unpriced);
    assert!(ledger.flush(SOON));

    let total = total(&path);

    assert_eq!(
        (total.cost.at_least, total.cost.at_most),
        (Money::ZERO, None)
    );
    assert_eq!(
        (total.parts, total.unpriced, total.usage.quantity()),
        (1, 1, 5)
    );
}
