//! Dates of birth: a date, written or spoken, behind `born`, `birthday`, `dob`.

use memchr::memmem;

use super::Scan;
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::token::Text;

/// Words that may stand between the cue and the date.
const BETWEEN: usize = 8;

/// `d.o.b.`, `d o b`, at its last letter.
pub(super) fn dotted(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let same = at > 1 && text.gap(at - 1) == text.gap(at - 2);
    let dots = same && matches!(text.gap(at - 1), b"." | b" ");
    if dots && text.is(at, "b") && text.is(at - 1, "o") && text.is(at - 2, "d") {
        find(scan, at);
    }
}

pub(super) fn find(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let Some(first) = (at + 1..=at + BETWEEN).find(|next| is_part(text, *next)) else {
        return;
    };
    if text.tokens[first].start - text.tokens[at].end > 56 {
        return;
    }
    let mut last = first;
    let mut next = first + 1;
    let (mut count, mut digits) = (1, digits(text, first));
    while count < 8 && text.gap(next - 1).len() <= 3 && !text.gap(next - 1).contains(&b'\n') {
        if is_part(text, next) {
            digits += self::digits(text, next);
            count += 1;
            last = next;
        } else if !text.is_any(
            next,
            &[
                "of", "the", "and", "in", "um", "uh", "slash", "dash", "er", "then",
            ],
        ) {
            break;
        }
        next += 1;
    }
    // A year alone, or `born two days ago`, is no date.
    if count >= 2 && digits >= 1 || digits == 8 && count == 1 {
        let find = Find::new(
            start(text, first),
            text.tokens[last].end,
            Kind::BirthDate,
            "birth_date",
        );
        scan.add(find);
    }
}

/// A date that was said before the word at token `at`: `… is my birthday`.
pub(super) fn before(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let Some(verb) = at.checked_sub(2) else {
        return;
    };
    let own = text.is_any(at - 1, &["my", "his", "her", "your", "their", "the"]);
    if !own || !text.is_any(verb, &["is", "was", "s"]) || verb == 0 {
        return;
    }
    let (mut first, mut count, mut digits) = (verb, 0, 0);
    for near in (verb.saturating_sub(10)..verb).rev() {
        let close = text.gap(near).len() <= 3 && !text.gap(near).contains(&b'\n');
        if close && is_part(text, near) {
            (first, count, digits) = (near, count + 1, digits + self::digits(text, near));
        } else if !close || !text.is_any(near, &["of", "the", "and"]) {
            break;
        }
    }
    if count >= 3 && digits >= 2 {
        let end = text.tokens[verb - 1].end;
        let find = Find::new(start(text, first), end, Kind::BirthDate, "birth_date");
        scan.add(find);
    }
}

/// What opens a row of a database, no farther than this before it.
const ROWS: &[&[u8]] = &[b"row contains (", b"VALUES ("];
const ROW: usize = 192;
/// The last year in which somebody may be born who calls.
const YOUNGEST: u32 = 2012;

/// `Failing row contains (7, …, jo@example.com, 1970-05-04)`: a date of long ago next to the address that ends at byte
/// `mail`. Rows have dates of their own, but of these decades.
pub(super) fn in_row(scan: &mut Scan<'_>, mail: usize) {
    let text = &scan.text;
    let opens = |byte: &&u8| matches!(**byte, b',' | b' ' | b'\'');
    let gap = text.bytes[mail..].iter().take(5).take_while(opens).count();
    let start = mail + gap;
    let Some(date) = text.bytes.get(start..start + 10) else {
        return;
    };
    let shaped = (date.iter().enumerate()).all(|(at, byte)| match at {
        4 | 7 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if gap < 2 || !shaped || !matches!(text.byte(start + 10), b')' | b',' | b'\'') {
        return;
    }
    let year = date[..4]
        .iter()
        .fold(0, |year, digit| year * 10 + u32::from(digit - b'0'));
    let head = &text.bytes[mail.saturating_sub(ROW)..mail];
    let row = ROWS.iter().any(|row| memmem::rfind(head, row).is_some());
    if row && (1900..=YOUNGEST).contains(&year) {
        scan.add(Find::new(start, start + 10, Kind::BirthDate, "birth_row"));
    }
}

/// `the twenty fourth of …` starts with its article.
fn start(text: &Text<'_>, first: usize) -> usize {
    let article = first > 0
        && text.is(first - 1, "the")
        && text.gap(first - 1) == b" "
        && (text.tokens[first].has(mean::ORDINAL | mean::TENS) || is_ordinal(text.word(first)));
    text.tokens[if article { first - 1 } else { first }].start
}

fn is_part(text: &Text<'_>, at: usize) -> bool {
    let Some(token) = text.tokens.get(at) else {
        return false;
    };
    token.has(mean::SPOKEN | mean::ORDINAL | mean::MONTH | mean::MAGNITUDE)
        || token.is_digits() && token.len() <= 8
        || is_ordinal(text.word(at))
        || matches!(text.word(at), [b'0'..=b'3', b'0'..=b'9', b'T', ..])
}

/// `21st`
fn is_ordinal(word: &[u8]) -> bool {
    let head = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=2).contains(&head) && [&b"st"[..], b"nd", b"rd", b"th"].contains(&&word[head..])
}

fn digits(text: &Text<'_>, at: usize) -> usize {
    match &text.tokens[at] {
        token if token.is_digits() => token.len(),
        token if token.has(mean::MONTH) => 0,
        _ => 1,
    }
}
