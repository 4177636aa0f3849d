//! Phone numbers: `+`, national groups, or digits near a word such as `call` or `fax`.

use super::Scan;
use super::number::{Candidate, is_digit_by_digit};
use crate::cue::{self, Cue};
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::run::{Group, Run};
use crate::token::{Text, is_space};

/// `%2B12125550123`, from its `%`.
pub(super) fn encoded(scan: &mut Scan<'_>, at: usize) {
    let start = at + 3;
    let rest = scan.text.bytes.get(start..).unwrap_or_default();
    let length = rest
        .iter()
        .take(17)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if (8..=15).contains(&length) {
        scan.add(Find::new(
            start,
            start + length,
            Kind::Phone,
            "phone_encoded",
        ));
    }
}

pub(super) fn written(text: &Text<'_>, candidate: &Candidate<'_>) -> Option<Find> {
    let run = candidate.run;
    if !(7..=20).contains(&run.count) || is_money(text, run.start) {
        return None;
    }
    let rule = match () {
        () if candidate.plus && run.count <= 17 => "phone_international",
        () if candidate.is(Cue::Reference) => return None,
        () if is_dialled_abroad(run) || has_area(run) => "phone_national",
        () if is_american(text, candidate) || is_local(text, candidate) => "phone_national",
        () if matches!(run.count, 10 | 11) && is_digit_by_digit(run) => "phone_digits",
        () if (9..=11).contains(&run.count) && cue::phone_behind(text, run.tokens.1) => {
            "phone_by_line"
        }
        () if run.count >= 9 && cue::line_behind(text, run.tokens.1) => "phone_by_line",
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
    let most = if run.corrected { 13 } else { 11 };
    let free = !candidate.is(Cue::Reference) && !candidate.is(Cue::Licence);
    let long = (10..=most).contains(&run.count) && free
        || candidate.plus && (9..=if run.corrected { 18 } else { 15 }).contains(&run.count)
        || !candidate.is(Cue::Reference)
            && run.digits().starts_with(&[0, 0])
            && (11..=17).contains(&run.count);
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

/// `00 44 20 7946 0317`
fn is_dialled_abroad(run: &Run) -> bool {
    run.digits().starts_with(&[0, 0])
        && run.digits().get(2).is_some_and(|digit| *digit > 0)
        && (11..=17).contains(&run.count)
        && (2..=7).contains(&run.groups.len())
}

/// `8 (953) 982-29-37`: a group in brackets, and more before and behind it.
fn has_area(run: &Run) -> bool {
    let area = |group: &Group| group.gap == b')' && (2..=5).contains(&group.length);
    run.groups.iter().take(3).any(area) && (9..=13).contains(&run.count) && run.groups.len() > 2
}

/// `(212) 555-0123`, `212.555.0123`, with or without a leading 1.
fn is_american(text: &Text<'_>, candidate: &Candidate<'_>) -> bool {
    let run = candidate.run;
    let lengths: Vec<usize> = run.groups.iter().map(|group| group.length).collect();
    let first = match lengths[..] {
        [3, 3, 4] => 0,
        [1, 3, 3, 4] if run.digits()[0] == 1 => 1,
        // Dialled from abroad.
        [3, 3, 3, 4] if run.digits().starts_with(&[0, 0, 1]) => return true,
        _ => return false,
    };
    let digit = |group: usize| text.byte(run.groups[group].start);
    let gap = |group: usize| run.groups[group].gap;
    // What is written like this is nothing else, even where no exchange has such a number.
    let written =
        gap(first) == b')' || gap(first) == gap(first + 1) && matches!(gap(first), b'-' | b'.');
    written || run.extended || digit(first) > b'1' && digit(first + 1) > b'1'
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
    let mobile = run.groups.len() == 1 && run.count == 11 && run.digits().starts_with(&[0, 7]);
    (grouped || mobile)
        && (zero || bracket)
        && run.digits().iter().any(|digit| *digit > 1)
        && (9..=13).contains(&run.count)
        && !run.groups.iter().any(|group| group.gap == b'.' && !zero)
}

fn is_quoted(text: &Text<'_>, run: &Run) -> bool {
    let quote = |byte: u8| matches!(byte, b'"' | b'\'' | b'`');
    quote(text.byte_before(run.start)) && quote(text.byte(run.end))
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
