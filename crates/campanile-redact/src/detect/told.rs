//! Digits that a recogniser has written in the middle of a sentence: long enough to be somebody's, with no word that says what.

use super::number::{Candidate, is_counting};
use crate::check;
use crate::cue::Cue;
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::run::Run;
use crate::token::Text;

/// What people say right before a number of theirs.
const BEFORE: &[&str] = &[
    "to", "at", "add", "on", "have", "is", "it", "its", "s", "from", "me", "about", "with", "was",
    "yes", "yeah", "okay", "ok", "so", "use", "up", "remove", "see", "got", "under", "that", "be",
    "are", "again", "down",
];

pub(super) fn find(text: &Text<'_>, candidate: &Candidate<'_>) -> Option<Find> {
    let run = candidate.run;
    if !matches!(
        candidate.cue,
        None | Some(Cue::Phone | Cue::Card | Cue::Code)
    ) || !is_in_sentence(text, run)
        || is_counting(run)
    {
        return None;
    }
    let digits = run.digits();
    let split = run.groups.len() >= 3 && run.groups.iter().all(|group| group.gap != b'.');
    let whole = run.groups.len() == 1;
    let varied = digits.iter().any(|digit| *digit > 1);
    let american = whole && run.count == 10 && digits[0] > 1 && digits[3] > 1;
    if american || split && varied && (9..=11).contains(&run.count) {
        return Some(candidate.find(Kind::Phone, "phone_told"));
    }
    let card = (14..=19).contains(&run.count) && check::issuer(digits);
    (card && (whole || split)).then(|| candidate.find(Kind::Card, "card_told"))
}

/// Whether words stand around it, and no unit.
fn is_in_sentence(text: &Text<'_>, run: &Run) -> bool {
    let Some(before) = run.tokens.0.checked_sub(1) else {
        return false;
    };
    let behind = run.tokens.1 + 1;
    let over = text.tokens.len() == behind;
    let word = text
        .tokens
        .get(behind)
        .is_some_and(|next| next.is_word() && !next.has(mean::REFERENCE));
    text.gap(before) == b" "
        && text.is_any(before, BEFORE)
        && (over || word && !text.is_any(behind, UNITS) && text.gap(run.tokens.1).starts_with(b" "))
}

const UNITS: &[&str] = &[
    "b",
    "kb",
    "mb",
    "gb",
    "ns",
    "us",
    "ms",
    "s",
    "sec",
    "seconds",
    "milliseconds",
    "hz",
    "khz",
    "samples",
    "frames",
    "people",
    "users",
    "times",
    "records",
    "events",
    "dollars",
    "euros",
    "usd",
    "eur",
    "percent",
    "characters",
    "keys",
];
