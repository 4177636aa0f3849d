//! Runs of digits: who of the number detectors gets them.

use super::{Scan, account, card, code, phone, social};
use crate::cue::{self, Cue};
use crate::find::Find;
use crate::kind::Kind;
use crate::run::Run;
use crate::token::Text;

/// A run with what stands around it.
pub(super) struct Candidate<'r> {
    pub(super) run: &'r Run,
    pub(super) cue: Option<Cue>,
    /// The byte before the run and, over `(`, before that.
    pub(super) plus: bool,
}

impl Candidate<'_> {
    pub(super) fn is(&self, cue: Cue) -> bool {
        self.cue == Some(cue)
    }

    pub(super) fn find(&self, kind: Kind, rule: &'static str) -> Find {
        Find::new(self.run.start, self.run.end, kind, rule)
    }
}

/// Reads the run at token `at`; returns the first token behind it.
pub(super) fn find(scan: &mut Scan<'_>, at: usize) -> usize {
    let Some(run) = Run::parse(&scan.text, at) else {
        return at + 1;
    };
    let behind = run.tokens.1 + 1;
    if run.count < 3 {
        return behind;
    }
    let plus = is_plus(&scan.text, &run);
    if run.spoken == 0 && !plus && is_glued(&scan.text, &run) {
        return behind;
    }
    if card::written(scan, &run) {
        return behind;
    }
    let cue = cue::before(&scan.text, at);
    let candidate = Candidate {
        run: &run,
        cue,
        plus,
    };
    let found = if run.spoken == 0 {
        written(&scan.text, &candidate)
    } else {
        spoken(&scan.text, &candidate)
    };
    if let Some(find) = found {
        scan.add(find);
    }
    behind
}

fn written(text: &Text<'_>, candidate: &Candidate<'_>) -> Option<Find> {
    card::misheard(text, candidate)
        .or_else(|| social::find(candidate))
        .or_else(|| account::find(candidate))
        .or_else(|| code::find(text, candidate))
        .or_else(|| phone::written(text, candidate))
}

fn spoken(text: &Text<'_>, candidate: &Candidate<'_>) -> Option<Find> {
    if candidate.run.counted && candidate.run.count < 12 {
        return None;
    }
    social::find(candidate)
        .or_else(|| account::find(candidate))
        .or_else(|| code::find(text, candidate))
        .or_else(|| card::spoken(text, candidate))
        .or_else(|| phone::spoken(candidate))
        .or_else(|| any(candidate))
}

/// Seven digits that somebody says are somebody's number, whatever it is.
fn any(candidate: &Candidate<'_>) -> Option<Find> {
    let digits = candidate.run.digits();
    let counting = digits.len() < 12 && digits.windows(2).all(|pair| pair[1] == pair[0] + 1);
    let long = candidate.run.count >= 7 && !candidate.is(Cue::Reference);
    (long && !counting || candidate.run.count >= 12)
        .then(|| candidate.find(Kind::Number, "spoken_number"))
}

fn is_plus(text: &Text<'_>, run: &Run) -> bool {
    match text.byte_before(run.start) {
        b'+' => true,
        b'(' => text.byte_before(run.start - 1) == b'+',
        _ => false,
    }
}

/// Part of a longer name: a UUID, a version with letters, a hash, a decimal.
fn is_glued(text: &Text<'_>, run: &Run) -> bool {
    let (first, last) = run.tokens;
    let before = first > 0 && matches!(text.gap_before(first), b"-" | b"_" | b".");
    let behind =
        matches!(text.gap(last), b"-" | b"_" | b".") && text.tokens.get(last + 1).is_some();
    before || behind
}
