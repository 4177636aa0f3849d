//! International bank account numbers, written in one piece or in groups, and spoken letter by letter.

use super::Scan;
use crate::check;
use crate::cue::{self, Cue};
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::token::{Text, is_space};

/// Looks at a token such as `GB43` or a whole IBAN.
pub(super) fn written(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let [a, b, c, d, ..] = text.word(at) else {
        return;
    };
    if !(a.is_ascii_alphabetic()
        && b.is_ascii_alphabetic()
        && c.is_ascii_digit()
        && d.is_ascii_digit())
    {
        return;
    }
    let Some(length) = check::iban_length([*a, *b]) else {
        return;
    };
    let mut compact = Vec::with_capacity(length);
    for next in at..at + 12 {
        if next > at && !(is_space(text.gap(next - 1)) || text.gap(next - 1) == b"-") {
            return;
        }
        compact.extend_from_slice(text.word(next));
        if compact.len() >= length || text.word(next).is_empty() {
            break;
        }
    }
    let named = cue::before(text, at) == Some(Cue::Iban) && compact.len() == length;
    if named || check::iban(&compact) {
        let start = text.tokens[at].start;
        let last = (at..text.tokens.len()).scan(0, |sum, next| {
            *sum += text.tokens[next].len();
            Some((next, *sum))
        });
        let end = last
            .take(12)
            .find(|(_, sum)| *sum >= length)
            .map_or(start, |(next, _)| text.tokens[next].end);
        scan.add(Find::new(start, end, Kind::Iban, "iban"));
    }
}

/// Looks behind the word `iban` for letters and digits one by one, ten at least.
pub(super) fn spoken(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let Some(first) = (at + 1..at + 6)
        .find(|next| is_piece(text, *next) && is_piece(text, next + 1) && is_piece(text, next + 2))
    else {
        return;
    };
    let (mut last, mut count) = (first, 0);
    let mut next = first;
    while next == first || text.gap(next - 1).len() <= 4 {
        if is_piece(text, next) {
            count += if text.tokens[next].is_digits() || text.tokens[next].is_mixed() {
                text.tokens[next].len()
            } else {
                1
            };
            last = next;
        } else if text.bits(next) & mean::FILLER == 0 {
            break;
        }
        next += 1;
    }
    if count >= 10 {
        let find = Find::new(
            text.tokens[first].start,
            text.tokens[last].end,
            Kind::Iban,
            "spoken_iban",
        );
        scan.add(find);
    }
}

fn is_piece(text: &Text<'_>, at: usize) -> bool {
    text.tokens.get(at).is_some_and(|token| {
        let letter = token.is_word() && token.len() == 1;
        letter
            || token.is_number()
            || token.has(mean::REPEAT | mean::NATO)
            || token.is_mixed() && token.len() <= 4
    })
}
