//! PINs, check values of cards, one-time codes: three to eight digits near the word.

use super::number::Candidate;
use crate::cue::{self, Cue};
use crate::find::Find;
use crate::kind::Kind;
use crate::token::Text;

pub(super) fn find(text: &Text<'_>, candidate: &Candidate<'_>) -> Option<Find> {
    let run = candidate.run;
    let near = candidate.is(Cue::Code) && (3..=8).contains(&run.count);
    let sent = candidate.is(Cue::Phone)
        && (4..=6).contains(&run.count)
        && cue::code_before(text, run.tokens.0);
    ((near || sent) && !candidate.plus).then(|| candidate.find(Kind::AuthCode, "code"))
}
