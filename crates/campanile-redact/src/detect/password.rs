//! Passwords: a value behind `password`, `pwd`, `passphrase`.

use super::spoken_password::{believed, said};
use super::{Scan, key};
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::tag::Tag;
use crate::token::{Text, is_space};

/// What names of passwords in one word end with.
pub(super) const ENDS: &[&str] = &["password", "passwd", "pwd", "passphrase", PASS];
/// What other words end with, too: the value must look like one.
const PASS: &str = "pass";
const OTHERS: &[&str] = &[
    "bypass",
    "compass",
    "trespass",
    "surpass",
    "overpass",
    "underpass",
    "encompass",
];

/// `dbPassword`, `rootpwd`
pub(super) fn camel(scan: &mut Scan<'_>, at: usize) {
    let word = scan.text.word(at);
    if word.len() > 40 || !key::ends_with(word, ENDS) {
        return;
    }
    if key::ends_with(word, &[PASS]) {
        return passed(scan, at);
    }
    named(scan, at);
}

fn ends_other(word: &[u8]) -> bool {
    let whole = OTHERS
        .iter()
        .any(|other| word.eq_ignore_ascii_case(other.as_bytes()));
    whole || key::ends_with(word, OTHERS)
}

/// `requirepass: x`, `smtpPass=x`
fn passed(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let (from, gap) = (text.tokens[at].end, text.gap(at));
    let sets = gap.len() <= 4 && gap.iter().any(|byte| matches!(byte, b'=' | b':'));
    if !sets || ends_other(text.word(at)) {
        return;
    }
    if let Some((start, end)) = assigned(text, from, gap) {
        let value = &text.bytes[start..end];
        let mixed =
            value.iter().any(u8::is_ascii_digit) && value.iter().any(u8::is_ascii_alphabetic);
        if value.len() >= 8 && mixed {
            scan.add(Find::new(start, end, Kind::Password, "password"));
        }
    }
}

pub(super) fn named(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let from = text.tokens[at].end;
    if text.gap(at).starts_with(b"::") || is_verb(text, at) {
        return;
    }
    // A bracket opens a tag or a placeholder; what stands behind it belongs to something else.
    let gap = text.gap(at);
    let gap = &gap[..gap
        .iter()
        .position(|byte| *byte == b'[')
        .unwrap_or(gap.len())];
    let found = if text.is_any(at, COMMANDS) {
        commanded(text, at)
    } else if let Some(arrow) = ARROWS.iter().find(|arrow| gap.starts_with(arrow)) {
        // The arrow stands for `=`, right before the value.
        assigned(text, from + arrow.len() - 2, b"=")
    } else if gap.first() == Some(&b'>') && text.byte_before(text.tokens[at].start) == b'<' {
        let rest = text.bytes[from + 1..].iter().take(512);
        let length = rest.take_while(|byte| **byte != b'<').count();
        Some((from + 1, trim(text, from + 1, from + 1 + length, true)))
    } else if gap.iter().any(|byte| matches!(byte, b'=' | b':'))
        && gap.first().is_some_and(|byte| b"=:\"' \\".contains(byte))
    {
        assigned(text, from, gap)
    } else if text.is(at + 1, "from") && text.gap(at) == b" " {
        return changed(scan, at + 2);
    } else {
        // On the next line, `value` is the name of the value.
        match text.gap(at).contains(&b'\n') {
            true => paired(text, at).or_else(|| told(text, at)),
            false => told(text, at).or_else(|| paired(text, at)),
        }
    };
    if let Some((start, end)) = found {
        scan.add(Find::new(start, end, Kind::Password, "password"));
    }
}

/// `all tests pass: …`, `to pass 'x'`
fn is_verb(text: &Text<'_>, at: usize) -> bool {
    const BEFORE: &[&str] = &[
        "to", "must", "tests", "test", "checks", "can", "will", "not", "should", "users", "we",
        "you", "they",
    ];
    text.is(at, "pass") && at > 0 && text.is_any(at - 1, BEFORE)
}

const ARROWS: &[&[u8]] = &[b" -> ", b" => ", " → ".as_bytes()];
/// Words that a password follows in a command, and not in a sentence.
const COMMANDS: &[&str] = &[
    "identified",
    "sshpass",
    "curl",
    "mysql",
    "mysqldump",
    "mariadb",
    "redis",
    "docker",
    "podman",
];

/// `IDENTIFIED BY 'x'`, `sshpass -p x`
fn commanded(text: &Text<'_>, at: usize) -> Option<(usize, usize)> {
    if !text.is_any(at, &["identified", "sshpass"]) {
        return optional(text, at);
    }
    let quoted = text.is(at + 1, "by") && matches!(text.gap(at + 1), b" '" | b" \"");
    let option = text.is(at + 1, "p") && text.gap(at) == b" -";
    if !quoted && !option {
        return None;
    }
    let start = text.tokens[at + 1].end
        + text
            .gap(at + 1)
            .iter()
            .take_while(|byte| b" '\"".contains(byte))
            .count();
    let rest = text.bytes.get(start..)?.iter().take(512);
    let length = rest
        .take_while(|byte| !byte.is_ascii_whitespace() && !b"'\"".contains(byte))
        .count();
    let end = trim(text, start, start + length, quoted);
    (end > start).then_some((start, end))
}

/// Words of one command at most.
const COMMAND: usize = 40;

/// `curl -u user:x`, `mysql -px`, `redis-cli -a x`, `docker login -p x`
fn optional(text: &Text<'_>, at: usize) -> Option<(usize, usize)> {
    let mysql = text.is_any(at, &["mysql", "mysqldump", "mariadb"]);
    let curl = text.is(at, "curl");
    let login = text.is(at + 1, "login");
    for next in at + 1..at + COMMAND {
        let gap = text.gap_before(next);
        if ends_command(gap) {
            return None;
        }
        let short = matches!(gap, [.., space, b'-'] if space.is_ascii_whitespace());
        let long = matches!(gap, [.., space, b'-', b'-'] if space.is_ascii_whitespace());
        let word = text.word(next);
        let start = match word {
            [b'p', _, ..] if mysql && short => text.tokens[next].start + 1,
            // What stands behind a space is no password.
            b"p" if mysql && short && !text.gap(next).starts_with(b" ") => opened(text, next),
            b"u" if curl && short => opened(text, next),
            b"user" if curl && long => opened(text, next),
            b"a" if text.is(at, "redis") && short => opened(text, next),
            b"p" if login && short => opened(text, next),
            _ => continue,
        };
        let end = option_end(text, start);
        let value = text.bytes.get(start..end)?;
        // A user alone is asked for the rest, and the number of an account is no secret.
        let colon = value.iter().position(|byte| *byte == b':');
        let hidden = colon.map_or(value, |colon| &value[colon + 1..]);
        let named = curl && (colon.is_none() || value.starts_with(b"AC") && colon == Some(34));
        let secret = hidden.len() >= 4 && !is_placeholder(hidden) && !named;
        return secret.then_some((start, end));
    }
    None
}

/// Where the value of an option begins that token `at` names.
fn opened(text: &Text<'_>, at: usize) -> usize {
    let signs = text
        .gap(at)
        .iter()
        .take_while(|byte| b" =\\'\"".contains(byte))
        .count();
    text.tokens[at].end + signs
}

/// Where the value of an option ends that begins at byte `start`: at its quote, or at a space.
fn option_end(text: &Text<'_>, start: usize) -> usize {
    let quote = Some(text.byte_before(start)).filter(|byte| b"\"'".contains(byte));
    // `\"`: the command stands in a string.
    let escaped = quote.is_some() && text.byte_before(start - 1) == b'\\';
    let stops = |byte: &u8| match quote {
        Some(quote) => *byte == quote || *byte == b'\n' || escaped && *byte == b'\\',
        None => byte.is_ascii_whitespace() || b"'\"".contains(byte),
    };
    let rest = text.bytes[start..].iter().take(512);
    let length = rest.take_while(|byte| !stops(byte)).count();
    trim(text, start, start + length, true)
}

/// Whether a pipe stands between two words, or a newline without a backslash before it.
fn ends_command(gap: &[u8]) -> bool {
    let goes_on = |line: &[u8]| line.ends_with(b"\\") || line.ends_with(b"\\\r");
    let mut lines = gap.rsplit(|byte| *byte == b'\n').skip(1);
    gap.contains(&b'|') || !lines.all(goes_on)
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
    let stops = |(at, byte): (usize, &u8)| match quote {
        Some(quote) => *byte == quote || *byte == b'\n',
        None if matches!(byte, b'&' | b';' | b',') => is_next_pair(&rest[at + 1..]),
        None => byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\''),
    };
    let length = rest
        .iter()
        .take(512)
        .enumerate()
        .position(stops)
        .unwrap_or(rest.len().min(512));
    let end = trim(text, start, start + length, quote.is_some());
    let end = end - usize::from(escaped && text.byte_before(end) == b'\\' && end > start);
    let value = text.bytes.get(start..end)?;
    let least = if equals || quote.is_some() { 4 } else { 6 };
    let plain = value.iter().all(u8::is_ascii_alphabetic)
        && text.bits(text.token_from(start)) & mean::PLAIN != 0;
    (value.len() >= least && !is_placeholder(value) && !plain).then_some((start, end))
}

/// `- name: DB_PASSWORD`, and on the next line `value: …`
fn paired(text: &Text<'_>, at: usize) -> Option<(usize, usize)> {
    let value = key::paired(text, at)? - 1;
    assigned(text, text.tokens[value].end, text.gap(value))
}

/// `password from x to y`: both, where the word of the first value is token `first`.
fn changed(scan: &mut Scan<'_>, first: usize) {
    let text = &scan.text;
    let old = lone(text, first, false);
    let behind = text.token_from(old.map_or(usize::MAX, |(_, end)| end));
    let new = match text.is(behind, "to") && text.gap(behind).starts_with(b" ") {
        true => lone(text, behind + 1, false),
        false => None,
    };
    for (start, end) in old.into_iter().chain(new) {
        scan.add(Find::new(start, end, Kind::Password, "password"));
    }
}

/// `password is x`, `password x`
fn told(text: &Text<'_>, at: usize) -> Option<(usize, usize)> {
    // `pass phrase`
    let apart =
        text.is(at, "pass") && text.is_any(at + 1, &["phrase", "word"]) && text.gap(at) == b" ";
    let at = at + usize::from(apart);
    // `one time password`: a code.
    let once = at > 0 && text.is(at - 1, "time");
    if let Some(value) = believed(text, at).filter(|_| !once) {
        return said(text, value).or_else(|| lone(text, value, true));
    }
    let mut next = at + 1;
    let gap = text.gap(at);
    // `password's`
    let owns = gap == b"'" && text.is(next, "s") && is_space(text.gap(next));
    next += usize::from(owns);
    if !owns
        && (!gap.first().is_some_and(u8::is_ascii_whitespace)
            || gap.len() > 8
            || gap.contains(&b'['))
    {
        return None;
    }
    let says = [
        "is", "was", "its", "are", "now", "to", "as", "of", "be", "been", "will", "used", "would",
        "should", "equals",
    ];
    while next < at + 5
        && text.is_any(next, &says)
        && text.gap(next).first().is_some_and(u8::is_ascii_whitespace)
    {
        next += 1;
    }
    // `… a password it's …`
    if text.is(next, "it") && text.gap(next) == b"'" && text.is(next + 1, "s") {
        next += 2;
    }
    // `the password for the portal is …`, `the password i used was …`
    if next == at + 1 && text.is_any(next, BEFORE_VERB) {
        let verb = (next + 1..next + 6).find(|at| text.is_any(*at, &["is", "was"]));
        let near = verb.filter(|verb| (next..*verb).all(|at| is_space(text.gap(at))));
        next = near.map_or(next, |verb| verb + 1);
    }
    // `the password for the portal: …`
    if next == at + 1 && text.is_any(next, BEFORE_VERB) {
        let colon = (next..next + 6)
            .find(|at| !is_space(text.gap(*at)))
            .filter(|at| text.gap(*at) == b": ");
        if let Some(colon) = colon {
            return lone(text, colon + 1, true);
        }
    }
    let after_verb = next > at + 1;
    let unsaid = |(start, end): &(usize, usize)| {
        let words = text.token_from(*start)..text.token_from(*end);
        !text.tokens[next].is_number() && words.len() >= 2
    };
    if let Some(said) = said(text, next).filter(|said| (after_verb || unsaid(said)) && !once) {
        return Some(said);
    }
    lone(text, next, after_verb)
}

/// The value that token `next` begins, up to the next space: no word of a sentence.
fn lone(text: &Text<'_>, next: usize, after_verb: bool) -> Option<(usize, usize)> {
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
    let url = value.windows(3).any(|part| part == b"://");
    (value.len() >= 6 && (strange || quoted) && !url && !is_placeholder(value))
        .then_some((start, end))
}

/// What may stand between a password and the verb behind which its value comes.
pub(super) const BEFORE_VERB: &[&str] = &[
    "for", "of", "to", "on", "at", "i", "we", "they", "you", "he", "she", "that", "which",
];

/// Whether what stands behind `&`, `;` or `,` is no part of a value: nothing, or the next `name=`.
fn is_next_pair(rest: &[u8]) -> bool {
    let named = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(byte);
    let name = rest.iter().take(40).take_while(named).count();
    rest.first().is_none_or(u8::is_ascii_whitespace) || matches!(rest.get(name), Some(b'=' | b':'))
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

/// `********`, `${PASSWORD}`, `<password>`, `[REDACTED]`, `%s`
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    // What a pass before has masked.
    let mut brackets = memchr::memchr_iter(b'[', value);
    if brackets.any(|at| Tag::read(&value[at..]).is_some()) {
        return true;
    }
    if value.first() == Some(&b'(') && value[1..].iter().all(u8::is_ascii_lowercase) {
        return true;
    }
    let masked = value
        .iter()
        .all(|byte| matches!(byte, b'*' | b'x' | b'X' | b'.' | b'#' | b'_'));
    masked || value.starts_with(b"***") || value == b"%s" || bracketed(value)
}

fn bracketed(value: &[u8]) -> bool {
    match value {
        [b'$', b'{' | b'(', ..] | [b'$', b'E' | b'e', b'n', b'v', b':', ..] => true,
        [b'$', name @ ..] => is_variable(name),
        _ => matches!(
            value,
            [b'<', .., b'>'] | [b'[' | b'{', ..] | [b'%', b'A'..=b'Z', .., b'%']
        ),
    }
}

/// `PASSWORD`, `_POST[`, `PASS:$X`: a name in capitals, and what ends one.
fn is_variable(value: &[u8]) -> bool {
    let named = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    let name = value.iter().take_while(|byte| named(byte)).count();
    let behind = value.get(name);
    name > 0 && behind.is_none_or(|byte| b"[:;/.,-)}\\".contains(byte))
}
