//! Phone numbers: `+`, national groups, or digits near a word such as `call` or `fax`.

use super::number::Candidate;
use crate::cue::Cue;
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::run::Run;
use crate::token::{Text, is_space};

pub(super) fn written(text: &Text<'_>, candidate: &Candidate<'_>) -> Option<Find> {
    let run = candidate.run;
    if !(7..=20).contains(&run.count) || is_money(text, run.start) {
        return None;
    }
    let rule = match () {
        () if candidate.plus && run.count <= 17 => "phone_international",
        () if is_date(run.groups.iter().map(|group| group.length)) => return None,
        () if candidate.is(Cue::Reference) => return None,
        () if is_american(candidate) || is_local(text, candidate) => "phone_national",
        () if candidate.is(Cue::Phone) && run.count <= 15 && is_named(text, candidate) => {
            "phone_by_cue"
        }
        () => return None,
    };
    let start = opening(text, run.start);
    let end = extension(text, run.tokens.1).unwrap_or(run.end);
    Some(Find::new(start, end.max(run.end), Kind::Phone, rule))
}

pub(super) fn spoken(candidate: &Candidate<'_>) -> Option<Find> {
    let run = candidate.run;
    let near = candidate.is(Cue::Phone) && (7..=15).contains(&run.count);
    let long = (10..=11).contains(&run.count) && !candidate.is(Cue::Reference);
    (near || long).then(|| candidate.find(Kind::Phone, "spoken_phone"))
}

/// A short number in one piece could be anything: the cue must stand right before it.
fn is_named(text: &Text<'_>, candidate: &Candidate<'_>) -> bool {
    let run = candidate.run;
    if run.groups.len() > 1 || run.count > 9 {
        return true;
    }
    let between = [
        "is", "at", "on", "me", "us", "my", "no", "back", "him", "her", "them", "to",
    ];
    let last = (0..run.tokens.0)
        .rev()
        .find(|at| !text.is_any(*at, &between));
    last.is_some_and(|at| text.bits(at) & (mean::PHONE | mean::NUMBER) != 0)
}

/// `(212) 555-0123`, `212.555.0123`, with or without a leading 1.
fn is_american(candidate: &Candidate<'_>) -> bool {
    let run = candidate.run;
    let lengths: Vec<usize> = run.groups.iter().map(|group| group.length).collect();
    let [area, exchange] = match lengths[..] {
        [3, 3, 4] => [0, 3],
        [1, 3, 3, 4] if run.digits()[0] == 1 => [1, 4],
        // Dialled from abroad.
        [3, 3, 3, 4] if run.digits().starts_with(&[0, 0, 1]) => return true,
        _ => return false,
    };
    let digit = |at: usize| run.digits().get(at).copied().unwrap_or(0);
    digit(area) > 1
        && (digit(exchange) > 1 || run.groups.first().is_some_and(|group| group.gap == b')'))
}

/// National numbers elsewhere begin with a zero and are written in groups.
fn is_local(text: &Text<'_>, candidate: &Candidate<'_>) -> bool {
    let run = candidate.run;
    let zero = run.digits().first() == Some(&0);
    let bracket = text.byte_before(run.start) == b'('
        && run.groups.first().is_some_and(|group| group.gap == b')');
    // A bare number that begins with a zero counts nothing; in quotes, somebody typed it.
    let typed = zero && run.groups.len() == 1 && is_quoted(text, run);
    let grouped = typed
        || (2..=6).contains(&run.groups.len())
            && run
                .groups
                .iter()
                .all(|group| (2..=8).contains(&group.length));
    grouped
        && (zero || bracket)
        && (9..=13).contains(&run.count)
        && !run.groups.iter().any(|group| group.gap == b'.' && !zero)
}

fn is_quoted(text: &Text<'_>, run: &Run) -> bool {
    let quote = |byte: u8| matches!(byte, b'"' | b'\'' | b'`');
    quote(text.byte_before(run.start)) && quote(text.byte(run.end))
}

/// `2024-12-26`, `26.12.2024`
fn is_date(mut lengths: impl Iterator<Item = usize>) -> bool {
    let shape = [
        lengths.next(),
        lengths.next(),
        lengths.next(),
        lengths.next(),
    ];
    matches!(
        shape,
        [Some(4), Some(1..=2), Some(1..=2), None] | [Some(1..=2), Some(1..=2), Some(4), None]
    )
}

fn is_money(text: &Text<'_>, start: usize) -> bool {
    matches!(text.byte_before(start), b'$' | b'#')
        || text
            .all
            .get(..start)
            .is_some_and(|head| head.ends_with(['€', '£', '¥']))
}

/// A find starts with the `+` or the bracket before its first digit.
fn opening(text: &Text<'_>, mut start: usize) -> usize {
    while matches!(text.byte_before(start), b'+' | b'(') {
        start -= 1;
    }
    start
}

/// ` ext. 123`, ` x123`
fn extension(text: &Text<'_>, last: usize) -> Option<usize> {
    let word = last + 1;
    let short = |token: usize| {
        text.tokens
            .get(token)
            .filter(|token| token.is_digits() && token.len() <= 6)
            .map(|token| token.end)
    };
    let spaced = is_space(text.gap(last)) || matches!(text.gap(last), b", " | b" (" | b"");
    if !spaced {
        return None;
    }
    if text.is_any(word, &["ext", "x", "extension"]) {
        return short(word + 1);
    }
    let glued = text.word(word);
    let tail = glued
        .strip_prefix(b"x")
        .or_else(|| glued.strip_prefix(b"ext"))?;
    let digits = !tail.is_empty() && tail.len() <= 6 && tail.iter().all(u8::is_ascii_digit);
    digits.then(|| text.tokens[word].end)
}
