//! PINs, check values of cards, one-time codes: three to eight digits near the word.

use super::number::Candidate;
use crate::cue::{self, Cue};
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::run::Run;
use crate::token::Text;

/// `G-123456 is your verification code`: what the sign before it belongs to does not matter.
pub(super) fn told(text: &Text<'_>, run: &Run) -> Option<Find> {
    let code = (4..=8).contains(&run.count) && is_told(text, run);
    code.then(|| Find::new(run.start, run.end, Kind::AuthCode, "code"))
}

pub(super) fn find(text: &Text<'_>, candidate: &Candidate<'_>) -> Option<Find> {
    let run = candidate.run;
    let near = candidate.is(Cue::Code) && (3..=8).contains(&run.count);
    let sent = (4..=6).contains(&run.count)
        && candidate.is(Cue::Phone)
        && cue::code_before(text, run.tokens.0);
    let told = candidate.cue.is_none() && (4..=8).contains(&run.count) && is_told(text, run);
    let back = (3..=4).contains(&run.count) && is_of_card(text, run);
    let decimal = run.groups.iter().any(|group| group.gap == b'.');
    ((near || sent || told || back) && !candidate.plus && !decimal)
        .then(|| candidate.find(Kind::AuthCode, "code"))
}

/// `the three digits on the back are …`
fn is_of_card(text: &Text<'_>, run: &Run) -> bool {
    let before = run.tokens.0.saturating_sub(8)..run.tokens.0;
    let says = |words: &[&str]| before.clone().any(|near| text.is_any(near, words));
    says(&["digits", "numbers", "digit"]) && says(&["back", "reverse"])
}

/// `… is your login code`, `… as the verification code`
fn is_told(text: &Text<'_>, run: &Run) -> bool {
    let behind = run.tokens.1 + 1;
    text.is_any(behind, &["is", "as"])
        && text.is_any(behind + 1, &["your", "the", "my"])
        && (behind + 2..behind + 6).any(|near| text.bits(near) & mean::CODE != 0)
}
