//! Bank accounts and routing numbers: digits near the word.

use super::number::Candidate;
use crate::check;
use crate::cue::Cue;
use crate::find::Find;
use crate::kind::Kind;

pub(super) fn find(candidate: &Candidate<'_>) -> Option<Find> {
    let run = candidate.run;
    if candidate.plus || !candidate.is(Cue::Account) || !(6..=17).contains(&run.count) {
        return None;
    }
    let rule = if check::routing(run.digits()) {
        "routing"
    } else {
        "account"
    };
    Some(candidate.find(Kind::BankAccount, rule))
}
