//! International bank account numbers, written in one piece or in groups, and spoken letter by letter.

use super::Scan;
use crate::check;
use crate::cue::{self, Cue};
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::run::Run;
use crate::speech::letter;
use crate::token::{Text, Token, is_space};

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
    let three = |first: &usize| {
        // `the iban's`
        if text.gap_before(*first) == b"'" {
            return false;
        }
        let mut next = *first;
        (0..3).all(|_| {
            let piece = is_piece(text, next);
            next = letter(text, next).map_or(next, |(_, last)| last) + 1;
            piece
        })
    };
    let Some(first) = (at + 1..at + 6).find(three) else {
        return;
    };
    // A recogniser may write the country as a word: `de 89 …`.
    let first = first - usize::from(is_country(text, first - 1));
    let spelled = Spelled::read(text, first);
    if let Some((_, last)) = spelled.ends.last().filter(|(length, _)| *length >= 10) {
        let find = Find::new(
            text.tokens[first].start,
            text.tokens[*last].end,
            Kind::Iban,
            "spoken_iban",
        );
        scan.add(find);
    }
}

/// Looks at two single letters and the digits behind them, without a cue: only the check digits tell.
pub(super) fn spelled(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let first = letter(text, at);
    let Some(((a, last), (b, end))) =
        first.and_then(|first| Some((first, letter(text, first.1 + 1)?)))
    else {
        return;
    };
    let numbered = text.tokens.get(end + 1).is_some_and(Token::is_number);
    let spaced = (at..=end).all(|at| is_space(text.gap(at)));
    let Some(length) = check::iban_length([a, b]).filter(|_| numbered && spaced && last < end)
    else {
        return;
    };
    let spelled = Spelled::behind(text, [a, b], end + 1);
    let whole = spelled.ends.iter().find(|(end, _)| *end == length);
    if let Some((_, last)) = whole.filter(|_| check::iban(&spelled.compact[..length])) {
        let find = Find::new(
            text.tokens[at].start,
            text.tokens[*last].end,
            Kind::Iban,
            "spoken_iban",
        );
        scan.add(find);
    }
}

/// Letters and digits said one by one.
struct Spelled {
    compact: Vec<u8>,
    /// How much had been said at the end of which token.
    ends: Vec<(usize, usize)>,
}

/// More than the longest number, so that its end is seen.
const LONGEST: usize = 48;

impl Spelled {
    fn read(text: &Text<'_>, first: usize) -> Self {
        Self::go_on(text, first, Vec::new())
    }

    /// What stands behind the two letters of a country.
    fn behind(text: &Text<'_>, country: [u8; 2], first: usize) -> Self {
        Self::go_on(text, first, country.to_vec())
    }

    fn go_on(text: &Text<'_>, first: usize, compact: Vec<u8>) -> Self {
        let mut said = Self {
            compact,
            ends: Vec::new(),
        };
        let mut next = first;
        while (next == first || text.gap(next - 1).len() <= 4) && said.compact.len() < LONGEST {
            let Some(token) = text.tokens.get(next) else {
                break;
            };
            let mut last = next;
            if let Some((letter, end)) = letter(text, next).filter(|(_, end)| *end > next) {
                said.compact.push(letter);
                last = end;
            } else if is_letter_o(text, next) {
                said.compact.push(b'o');
            } else if let Some(run) = Run::parse(text, next) {
                said.compact
                    .extend(run.digits().iter().map(|digit| digit + b'0'));
                last = run.tokens.1;
                if is_letter_o(text, last) {
                    said.compact.pop();
                    said.compact.push(b'o');
                }
            } else if let Some((letter, end)) = letter(text, next).filter(|_| is_said(text, next)) {
                said.compact.push(letter);
                last = end;
            } else if is_piece(text, next) || next == first {
                said.compact.extend_from_slice(text.word(next));
            } else if !token.has(mean::FILLER) {
                break;
            }
            if !token.has(mean::FILLER) {
                said.ends.push((said.compact.len(), last));
            }
            next = last + 1;
        }
        said
    }
}

/// A letter of its own, or with a word that explains it.
fn is_said(text: &Text<'_>, at: usize) -> bool {
    text.tokens[at].len() == 1 && !text.tokens[at].has(mean::SPOKEN)
        || text.bits(at) & mean::NATO != 0
}

/// `de`, but not `is` and `at`, which are countries too.
fn is_country(text: &Text<'_>, at: usize) -> bool {
    let named = matches!(text.word(at), [a, b] if check::iban_length([*a, *b]).is_some());
    named && text.bits(at) & mean::PLAIN == 0
}

/// An `o` between letters is a letter, elsewhere a zero.
fn is_letter_o(text: &Text<'_>, at: usize) -> bool {
    let letter = |at: usize| {
        text.tokens
            .get(at)
            .is_some_and(|token| token.len() == 1 && token.is_word() && !token.has(mean::SPOKEN))
    };
    text.is(at, "o") && letter(at + 1)
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
