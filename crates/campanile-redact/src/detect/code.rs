//! PINs, check values of cards, one-time codes: three to eight digits near the word.

use super::Scan;
use super::number::Candidate;
use crate::cue::{self, Cue};
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::run::Run;
use crate::token::Text;

/// `G-123456 is your verification code`, `your code is G-123456`: a letter belongs to it, what else the sign before it
/// belongs to does not matter.
pub(super) fn told(text: &Text<'_>, run: &Run) -> Option<Find> {
    let letter = lettered(text, run);
    let named = letter.is_some_and(|at| cue::before(text, at) == Some(Cue::Code));
    let code = (4..=8).contains(&run.count) && (named || is_told(text, run));
    let start = letter.map_or(run.start, |at| text.tokens[at].start);
    code.then(|| Find::new(start, run.end, Kind::AuthCode, "code"))
}

/// The capital before a code's dash, alone.
fn lettered(text: &Text<'_>, run: &Run) -> Option<usize> {
    let letter = run.tokens.0.checked_sub(1)?;
    let alone = matches!(
        text.gap_before(letter).last(),
        None | Some(b' ' | b'"' | b'\'')
    );
    let capital = matches!(text.word(letter), [b'A'..=b'Z']);
    (capital && alone && text.gap(letter) == b"-").then_some(letter)
}

/// `4111 … / 123`, `4111 … 12/27 123`: the check value behind a card, at token `at`.
pub(super) fn behind_card(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let two = |at: usize| {
        text.tokens
            .get(at)
            .is_some_and(|token| token.is_digits() && token.len() == 2)
    };
    let expires = two(at) && two(at + 1) && matches!(text.gap(at), b"/" | b"-");
    let at = if expires { at + 2 } else { at };
    let value = text
        .tokens
        .get(at)
        .filter(|token| token.is_digits() && matches!(token.len(), 3 | 4));
    let near = expires && text.gap_before(at) == b" "
        || matches!(text.gap_before(at), b" / " | b", " | b" | " | b"/" | b" - ");
    let alone = !matches!(text.gap(at).first(), Some(b'.' | b'-' | b'/'));
    if let Some(value) = value.filter(|_| near && alone) {
        let find = Find::new(value.start, value.end, Kind::AuthCode, "code_of_card");
        scan.add(find);
    }
}

pub(super) fn find(text: &Text<'_>, candidate: &Candidate<'_>) -> Option<Find> {
    let run = candidate.run;
    if is_assigned(text, run) && (is_of_error(text, run) || is_of_another(text, run)) {
        return None;
    }
    // Three digits are the code of a card, or of something that fails.
    let least = if is_plain_code(text, run) { 4 } else { 3 };
    let most = if run.corrected { 11 } else { 8 };
    let near = candidate.is(Cue::Code) && (least..=most).contains(&run.count);
    let sent = (4..=6).contains(&run.count)
        && candidate.is(Cue::Phone)
        && cue::code_before(text, run.tokens.0);
    // `the pin of the card is …`
    let of_card = (3..=6).contains(&run.count)
        && candidate.is(Cue::Card)
        && cue::code_before(text, run.tokens.0);
    let told = matches!(candidate.cue, None | Some(Cue::Phone))
        && (4..=8).contains(&run.count)
        && is_told(text, run);
    let back = (3..=4).contains(&run.count) && is_of_card(text, run);
    let read_out = (4..=8).contains(&run.count) && is_read_out(text, run);
    // `… code ([#1696])`: an issue.
    let issue = text.byte_before(run.start) == b'#'
        && matches!(text.byte_before(run.start - 1), b'[' | b'(');
    let decimal = run.groups.iter().any(|group| group.gap == b'.');
    ((near || sent || of_card || told || back || read_out) && !candidate.plus && !decimal && !issue)
        .then(|| candidate.find(Kind::AuthCode, "code"))
}

/// Whether nothing but the word `code` speaks of it.
fn is_plain_code(text: &Text<'_>, run: &Run) -> bool {
    const SECRET: &[&str] = &[
        "security",
        "digit",
        "back",
        "card",
        "verification",
        "secret",
        "access",
    ];
    let mut before = run.tokens.0.saturating_sub(10)..run.tokens.0;
    !before.any(|near| {
        text.is_any(near, SECRET)
            || text.bits(near) & mean::CODE != 0 && !text.is_any(near, &["code", "codes"])
            || cue::spelled(text, near) == Some(Cue::Code)
    })
}

/// `amount=819`, `"amount":"819"`: a name of its own stands before it.
fn is_assigned(text: &Text<'_>, run: &Run) -> bool {
    let gap = text.gap_before(run.tokens.0);
    gap.len() <= 4 && gap.iter().any(|byte| matches!(byte, b'=' | b':'))
}

/// `msg="sms failed" … code=21211`: what a program calls its errors, not what somebody was sent.
fn is_of_error(text: &Text<'_>, run: &Run) -> bool {
    const ERRORS: &[&str] = &[
        "error",
        "err",
        "errors",
        "errno",
        "failed",
        "fails",
        "failure",
        "exception",
        "rejected",
        "refused",
        "undelivered",
        "unreachable",
        "disconnected",
    ];
    let (first, last) = run.tokens;
    let named = first > 0 && text.is(first - 1, "code") && run.count <= 5;
    named
        && is_plain_code(text, run)
        && (first.saturating_sub(LINE)..last + LINE).any(|near| text.is_any(near, ERRORS))
}

/// Tokens around an error's code that may say that it is one.
const LINE: usize = 16;

/// `"cvc":"828","amount":819`: the code has its value already.
fn is_of_another(text: &Text<'_>, run: &Run) -> bool {
    let first = run.tokens.0;
    let speaks = |at: usize| text.bits(at) & mean::CODE != 0 || cue::spelled(text, at).is_some();
    let code = (first.saturating_sub(10)..first)
        .rev()
        .find(|at| speaks(*at));
    code.is_some_and(|code| {
        let sets = text
            .gap(code)
            .iter()
            .any(|byte| matches!(byte, b'=' | b':'));
        sets && code + 1 < first && text.tokens[code + 1].is_digits()
    })
}

/// `the three digits on the back are …`
fn is_of_card(text: &Text<'_>, run: &Run) -> bool {
    let before = run.tokens.0.saturating_sub(8)..run.tokens.0;
    let says = |words: &[&str]| before.clone().any(|near| text.is_any(near, words));
    let on = |near: usize| {
        text.is(near, "on")
            && text.is(near + 1, "the")
            && text.is_any(near + 2, &["back", "reverse"])
    };
    says(&["digits", "numbers", "digit"]) && says(&["back", "reverse"])
        || says(&["number", "code", "three", "four"]) && before.clone().any(on)
}

/// `the text i got says …`
fn is_read_out(text: &Text<'_>, run: &Run) -> bool {
    let before = run.tokens.0.saturating_sub(8)..run.tokens.0;
    let says = |words: &[&str]| before.clone().any(|near| text.is_any(near, words));
    let reads = run.tokens.0.checked_sub(1);
    reads.is_some_and(|at| text.is_any(at, &["says", "said", "reads"]))
        && says(&["text", "message", "sms", "texted"])
        && !says(&["error", "log", "panic", "exception"])
}

/// `… is your login code`, `… as the verification code`, `enter … to log in`
fn is_told(text: &Text<'_>, run: &Run) -> bool {
    const LOG_IN: &[&str] = &[
        "log", "sign", "verify", "confirm", "complete", "finish", "access",
    ];
    let behind = run.tokens.1 + 1;
    let before = run.tokens.0.checked_sub(1);
    let enter = before.is_some_and(|at| text.is_any(at, &["enter", "use", "type"]));
    if enter && text.is(behind, "to") && text.is_any(behind + 1, LOG_IN) {
        return true;
    }
    text.is_any(behind, &["is", "as"])
        && text.is_any(behind + 1, &["your", "the", "my"])
        && (behind + 2..behind + 6).any(|near| text.bits(near) & mean::CODE != 0)
}
