//! Payment cards: by check digit and issuer, or by the words around when a digit was misheard.

use super::Scan;
use super::number::{Candidate, is_digit_by_digit};
use crate::check;
use crate::cue::{self, Cue};
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::run::{Group, Run};
use crate::token::Text;

const LENGTHS: std::ops::RangeInclusive<usize> = 13..=19;

/// Finds cards with a right check digit among the groups of a run, wherever they start in it. Where the last one ends.
pub(super) fn written(scan: &mut Scan<'_>, run: &Run) -> Option<usize> {
    if run.count < *LENGTHS.start() || run.spoken > 0 || run.count > 19 && run.groups.len() == 1 {
        return None;
    }
    // Digits before a card can make a false one with its first groups, so every start counts; overlaps become one find.
    let mut found = None;
    for from in 0..run.groups.len() {
        if let Some(to) = longest(&scan.text, run, from) {
            let find = Find::new(
                run.groups[from].start,
                run.groups[to].end,
                Kind::Card,
                "card",
            );
            scan.add(find);
            found = Some(run.groups[to].end);
        }
    }
    found
}

/// Groups of any length that a recogniser has listed, `4 11, 1111, …`, when all of them are a card. `first` is where it
/// begins. The token behind it.
pub(super) fn listed(scan: &mut Scan<'_>, first: &Run) -> Option<usize> {
    let text = &scan.text;
    let signs = |gap: &[u8]| matches!(gap, b", " | b". " | b"... ");
    if !signs(text.gap(first.tokens.1)) {
        return None;
    }
    // A list has one group between two commas; what is dictated begins with more, `4 1 1, …`.
    if first.groups.len() < 2 && cue::before(text, first.tokens.0) != Some(Cue::Card) {
        return None;
    }
    let begins = text.gap_before(first.tokens.0).last();
    if matches!(begins, Some(b'[' | b'(' | b'{' | b'=' | b':')) {
        return None;
    }
    // `48.533455, 11.753823` is a place.
    let decimal = |run: &Run| {
        let point = |group: &Group| {
            text.byte(group.end) == b'.' && text.byte(group.end + 1).is_ascii_digit()
        };
        run.groups.iter().any(point)
    };
    if decimal(first) {
        return None;
    }
    let mut digits = first.digits().to_vec();
    let (mut last, mut end) = (first.tokens.1, first.end);
    while signs(text.gap(last)) && digits.len() < *LENGTHS.end() {
        let Some(run) = Run::parse(text, last + 1).filter(|run| !decimal(run)) else {
            break;
        };
        digits.extend_from_slice(run.digits());
        (last, end) = (run.tokens.1, run.end);
    }
    let closed = matches!(text.gap(last).first(), Some(b']' | b')' | b'}'));
    let card = !closed && end > first.end && LENGTHS.contains(&digits.len()) && is_card(&digits);
    card.then(|| scan.add(Find::new(first.start, end, Kind::Card, "card_listed")))?;
    Some(last + 1)
}

/// The last group of the longest card that starts with group `from`.
fn longest(text: &Text<'_>, run: &Run, from: usize) -> Option<usize> {
    let (mut digits, mut best) = ([0_u8; 19], None);
    let mut count = 0;
    for (at, group) in run.groups.iter().enumerate().skip(from) {
        let expires = at > from && group.length == 2 && text.byte(group.end) == b'/';
        if expires
            || count + group.length > digits.len()
            || group.length < 2 && run.groups.len() > 19
        {
            break;
        }
        for byte in text.bytes[group.start..group.end]
            .iter()
            .filter(|byte| byte.is_ascii_digit())
            .take(group.length)
        {
            digits[count] = byte - b'0';
            count += 1;
        }
        let whole = from == 0 && at + 1 == run.groups.len();
        if LENGTHS.contains(&count)
            && (whole || is_printed(run, from, at))
            && is_card(&digits[..count])
        {
            best = Some(at);
        }
    }
    best
}

fn is_card(digits: &[u8]) -> bool {
    check::luhn(digits) && check::issuer(digits)
}

/// Groups as they stand on a card.
fn is_printed(run: &Run, from: usize, to: usize) -> bool {
    let lengths: Vec<usize> = run.groups[from..=to]
        .iter()
        .map(|group| group.length)
        .collect();
    matches!(
        lengths[..],
        [_] | [4, 6, 4 | 5] | [4, 4, 5] | [4, 4, 4, 1..=7] | [4, 4, 4, 4, 1..=3]
    )
}

/// A run near the word `card` whose check digit is wrong, or whose groups are odd.
pub(super) fn misheard(text: &Text<'_>, candidate: &Candidate<'_>) -> Option<Find> {
    let run = candidate.run;
    let near = candidate.is(Cue::Card)
        || matches!(run.count, 14..=16 | 19) && is_digit_by_digit(run)
        || candidate.cue.is_none() && cue::card_behind(text, run.tokens.1);
    // Dialled from abroad.
    let near = near && !(run.count < 16 && run.digits().starts_with(&[0, 0]));
    (near && LENGTHS.contains(&run.count)).then(|| candidate.find(Kind::Card, "misheard_card"))
}

/// A spoken run that is as long as a card. A wrong check digit frees nothing: recognisers mishear.
pub(super) fn spoken(text: &Text<'_>, candidate: &Candidate<'_>) -> Option<Find> {
    let run = candidate.run;
    let near = candidate.is(Cue::Card) && run.count >= 11
        || cue::card_behind(text, run.tokens.1)
            && run.count >= 12
            && text.bits(run.tokens.1) & mean::SPOKEN != 0;
    if candidate.plus && !candidate.is(Cue::Card) && run.count <= 18 {
        return None;
    }
    // Dialled from abroad.
    if run.digits().starts_with(&[0, 0]) && run.count <= 17 {
        return None;
    }
    let long = run.count == 13 && is_card(run.digits()) || (14..=19).contains(&run.count);
    (long || near && run.count <= 21).then(|| candidate.find(Kind::Card, "spoken_card"))
}
