//! Social security numbers: `3-2-4`, or nine digits near the word.

use super::number::Candidate;
use crate::check;
use crate::cue::Cue;
use crate::find::Find;
use crate::kind::Kind;

pub(super) fn find(candidate: &Candidate<'_>) -> Option<Find> {
    let run = candidate.run;
    let most = if run.corrected { 13 } else { 10 };
    if candidate.is(Cue::Social) && (8..=most).contains(&run.count) {
        return Some(candidate.find(Kind::Ssn, "social_by_cue"));
    }
    let shaped =
        run.is_shaped(&[3, 2, 4]) && run.groups[0].gap == run.groups[1].gap && !candidate.plus;
    let free = !matches!(candidate.cue, Some(Cue::Reference | Cue::Phone));
    (run.spoken == 0 && shaped && free && check::social(run.digits()))
        .then(|| candidate.find(Kind::Ssn, "social"))
}
