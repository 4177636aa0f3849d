//! Passwords: a value behind `password`, `pwd`, `passphrase`.

use super::Scan;
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::token::{Text, Token, is_space};

/// `dbPassword`, `rootpwd`
pub(super) fn camel(scan: &mut Scan<'_>, at: usize) {
    let word = scan.text.word(at);
    let ends = |tail: &[u8]| {
        word.len() > tail.len() && word[word.len() - tail.len()..].eq_ignore_ascii_case(tail)
    };
    if word.len() <= 40
        && (ends(b"password") || ends(b"passwd") || ends(b"pwd") || ends(b"passphrase"))
    {
        named(scan, at);
    }
}

pub(super) fn named(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let from = text.tokens[at].end;
    // A bracket opens a tag or a placeholder; what stands behind it belongs to something else.
    let gap = text.gap(at);
    let gap = &gap[..gap
        .iter()
        .position(|byte| *byte == b'[')
        .unwrap_or(gap.len())];
    let found = if gap.iter().any(|byte| matches!(byte, b'=' | b':'))
        && gap.first().is_some_and(|byte| b"=:\"' \\".contains(byte))
    {
        assigned(text, from, gap)
    } else {
        told(text, at)
    };
    if let Some((start, end)) = found {
        scan.add(Find::new(start, end, Kind::Password, "password"));
    }
}

/// `password: x`, `PASSWORD='x'`, `"password": "x"`, `&password=x`
fn assigned(text: &Text<'_>, from: usize, gap: &[u8]) -> Option<(usize, usize)> {
    let sets = gap.iter().position(|byte| matches!(byte, b'=' | b':'))?;
    let equals = gap[sets] == b'=';
    let mut start = from + sets + 1;
    while matches!(text.byte(start), b' ' | b'=' | b'>') {
        start += 1;
    }
    let escaped = text.byte(start) == b'\\';
    start += usize::from(escaped);
    let quote = Some(text.byte(start)).filter(|byte| b"\"'`".contains(byte));
    start += usize::from(quote.is_some());
    let rest = text.bytes.get(start..)?;
    let stops = |byte: u8| match quote {
        Some(quote) => byte == quote || byte == b'\n',
        None => byte.is_ascii_whitespace() || matches!(byte, b'&' | b';' | b',' | b'"' | b'\''),
    };
    let length = rest
        .iter()
        .take(512)
        .position(|byte| stops(*byte))
        .unwrap_or(rest.len().min(512));
    let end = trim(text, start, start + length, quote.is_some());
    let end = end - usize::from(escaped && text.byte_before(end) == b'\\' && end > start);
    let value = text.bytes.get(start..end)?;
    let least = if equals || quote.is_some() { 4 } else { 6 };
    let plain = value.iter().all(u8::is_ascii_alphabetic)
        && text.bits(text.token_from(start)) & mean::PLAIN != 0;
    (value.len() >= least && !is_placeholder(value) && !plain).then_some((start, end))
}

/// `password is x`, `password x`
fn told(text: &Text<'_>, at: usize) -> Option<(usize, usize)> {
    let mut next = at + 1;
    if !text.gap(at).first().is_some_and(u8::is_ascii_whitespace) || text.gap(at).len() > 3 {
        return None;
    }
    let says = ["is", "was", "its", "are", "now", "to", "as", "of"];
    while next < at + 4
        && text.is_any(next, &says)
        && text.gap(next).first().is_some_and(u8::is_ascii_whitespace)
    {
        next += 1;
    }
    let after_verb = next > at + 1;
    if let Some(said) = spelled(text, next)
        .or_else(|| said(text, next))
        .filter(|_| after_verb)
    {
        return Some(said);
    }
    let token = text.tokens.get(next)?;
    let mut start = token.start;
    while !text.byte_before(start).is_ascii_whitespace() && start > text.tokens[next - 1].end {
        start -= 1;
    }
    let quote = Some(text.byte(start)).filter(|byte| b"\"'`".contains(byte));
    start += usize::from(quote.is_some());
    let rest = text.bytes.get(start..)?;
    let length = rest
        .iter()
        .take(512)
        .position(|byte| byte.is_ascii_whitespace() || Some(*byte) == quote)
        .unwrap_or(rest.len().min(512));
    let end = trim(text, start, start + length, quote.is_some());
    let value = text.bytes.get(start..end)?;
    let digits = value.iter().any(u8::is_ascii_digit);
    let letters = value.iter().any(u8::is_ascii_alphabetic);
    let signs = value
        .iter()
        .filter(|byte| byte.is_ascii_punctuation() && !matches!(byte, b'-' | b'\'' | b'_'))
        .count();
    let turns = value
        .windows(2)
        .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    let strange = letters && (digits || signs > 0 || turns) || digits && after_verb;
    let quoted = quote.is_some() && text.bits(next) & mean::PLAIN == 0;
    (value.len() >= 6 && (strange || quoted) && !is_placeholder(value)).then_some((start, end))
}

/// `t r e e five`: letters and digits one by one.
fn spelled(text: &Text<'_>, first: usize) -> Option<(usize, usize)> {
    const SHIFTS: &[&str] = &[
        "capital",
        "uppercase",
        "lowercase",
        "upper",
        "lower",
        "case",
        "big",
        "small",
    ];
    let single = |at: usize| {
        text.tokens.get(at).is_some_and(|token| {
            token.len() == 1 || token.has(mean::SPOKEN | mean::NATO | mean::REPEAT)
        }) || text.is_any(at, SHIFTS)
    };
    let mut last = first;
    while single(last) && (last == first || is_space(text.gap(last - 1))) {
        last += 1;
    }
    (last >= first + 4).then(|| (text.tokens[first].start, text.tokens[last - 1].end))
}

/// `raven glacier eighty three`: words that are no sentence, then a number.
fn said(text: &Text<'_>, first: usize) -> Option<(usize, usize)> {
    let spaced = |at: usize| at == first || is_space(text.gap(at - 1));
    let word = |at: &usize| {
        spaced(*at)
            && text
                .tokens
                .get(*at)
                .is_some_and(|token| token.is_word() && !token.has(mean::PLAIN | mean::SPOKEN))
    };
    let words = (first..first + 4).take_while(word).count();
    let number = |at: &usize| spaced(*at) && text.tokens.get(*at).is_some_and(Token::is_number);
    let numbers = (first + words..first + words + 8)
        .take_while(number)
        .count();
    (words > 0 && numbers > 0).then(|| {
        (
            text.tokens[first].start,
            text.tokens[first + words + numbers - 1].end,
        )
    })
}

/// Signs of the sentence around, not of the value. An end inside a letter moves back before it.
fn trim(text: &Text<'_>, start: usize, mut end: usize, quoted: bool) -> usize {
    while end > start && !text.all.is_char_boundary(end) {
        end -= 1;
    }
    while !quoted
        && end > start
        && matches!(
            text.byte_before(end),
            b'.' | b',' | b';' | b')' | b']' | b'}' | b'"' | b'\''
        )
    {
        end -= 1;
    }
    end
}

/// `********`, `${PASSWORD}`, `<password>`, `[REDACTED]`
fn is_placeholder(value: &[u8]) -> bool {
    let masked = value
        .iter()
        .all(|byte| matches!(byte, b'*' | b'x' | b'X' | b'.' | b'#' | b'_'));
    masked
        || value.starts_with(b"***")
        || matches!(value.first(), Some(b'$' | b'<' | b'[' | b'{' | b'%')) && bracketed(value)
}

fn bracketed(value: &[u8]) -> bool {
    matches!(
        value,
        [b'$', b'{' | b'(' | b'A'..=b'Z' | b'_', ..]
            | [b'<', .., b'>']
            | [b'[', ..]
            | [b'{', ..]
            | [b'%', b'A'..=b'Z', .., b'%']
    )
}
