//! Provider keys: by what they begin with, by their shape, by the name that stands before them.

mod prefix;
mod shape;

pub(crate) use prefix::words as prefix_words;
pub(super) use prefix::{is_prefixed, prefixed};
pub(super) use shape::{bot, buried, shaped};

use super::Scan;
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::token::{Text, Token};

/// No value is longer: bounds the work for each name.
const LONGEST: usize = 2048;

/// What names of secrets in one word end with.
pub(super) const ENDS: &[&str] = &["key", "secret", "token", "credential", "credentials"];

/// `deepgramApiKey`, `secretAccessKey`: names that end like a secret's.
pub(super) fn camel(scan: &mut Scan<'_>, at: usize) {
    let word = scan.text.word(at);
    if word.len() <= 40 && ends_with(word, ENDS) && !is_public(word) {
        named(scan, at);
    }
}

/// Whether a word ends with one of these, in any case, and something stands before it.
pub(super) fn ends_with(word: &[u8], ends: &[&str]) -> bool {
    ends.iter().any(|end| {
        let front = word.len().saturating_sub(end.len());
        front > 0 && word[front..].eq_ignore_ascii_case(end.as_bytes())
    })
}

fn is_public(word: &[u8]) -> bool {
    let head = word.to_ascii_lowercase();
    [
        &b"public"[..],
        b"primary",
        b"foreign",
        b"cache",
        b"partition",
        b"idempotency",
        b"monkey",
        b"hotkey",
        b"turkey",
        b"page",
        b"nextpage",
        b"continuation",
        b"sync",
        b"cancellation",
    ]
    .iter()
    .any(|name| head.starts_with(name))
}

const HARMLESS: &[&str] = &[
    "public",
    "primary",
    "foreign",
    "cache",
    "partition",
    "idempotency",
    "duplicate",
    "routing",
    "sort",
    "email",
    "max",
    "trace",
    "page",
    "next",
    "cursor",
    "continuation",
    "pagination",
    "sync",
    "cancellation",
];

/// A value behind a name such as `api_key`, `secret` or `Authorization: Bearer`.
pub(super) fn named(scan: &mut Scan<'_>, at: usize) {
    let joined = matches!(scan.text.gap_before(at), b"_" | b"-" | b" ");
    if at > 0 && joined && scan.text.is_any(at - 1, HARMLESS) || scan.text.gap(at) == b"::" {
        return;
    }
    let at = behind_suffix(&scan.text, at);
    let found = value(&scan.text, at).or_else(|| paired(&scan.text, at).map(|at| (at, true)));
    let Some((token, assigned)) = found else {
        return;
    };
    let mut start = value_start(&scan.text, token);
    // `Bearer%20…`
    let scheme = [&b"Bearer%20"[..], b"Token%20", b"Basic%20"];
    if let Some(scheme) = scheme
        .iter()
        .find(|scheme| scan.text.bytes[start..].starts_with(scheme))
    {
        start += scheme.len();
    }
    let end = value_end(&scan.text, start);
    start += last_name(&scan.text.bytes[start..end]);
    let query = assigned && is_query(&scan.text, at);
    let text = &scan.text.bytes[start..end];
    let least = if query { 6 } else { 16 };
    let random = if query {
        !text.is_empty()
    } else {
        is_random(text)
    };
    let account = scan.text.is(at, "subscription") && is_uuid(text);
    if text.len() >= least
        && !account
        && !is_account_id(text)
        && random
        && (assigned || !is_uuid(text))
        && (query || !is_reference(&scan.text, start, text))
    {
        let rule = if query { "query_secret" } else { "key_name" };
        scan.add(Find::new(start, end, Kind::ApiKey, rule));
    }
}

/// The token where the value of the name at token `at` starts, and whether `:` or `=` assigns it.
fn value(text: &Text<'_>, at: usize) -> Option<(usize, bool)> {
    let mut assigned = false;
    for next in at + 1..at + 6 {
        let gap = text.gap(next - 1);
        let sets = gap.iter().any(|byte| matches!(byte, b':' | b'='));
        if gap.len() > 8
            || gap.iter().any(ends_clause) && !is_call(gap)
            || next == at + 1 && !sets && !(opens(gap) || is_listed(text, gap, next))
        {
            return None;
        }
        assigned |= sets;
        let token = text.tokens.get(next)?;
        if token.has(mean::REFERENCE) || text.is_any(next, SUBJECTS) {
            return None;
        }
        let plain = token.is_word() && token.len() < 16 && is_name_end(text, token.end);
        if !plain || assigned && is_query(text, at) {
            return Some((next, assigned));
        }
    }
    None
}

/// `- name: SESSION_SECRET`, and on the next line `value: …`; `variable "api_key" { … default = "…" }`: the token of the value.
pub(super) fn paired(text: &Text<'_>, at: usize) -> Option<usize> {
    let lines = |at: usize| text.gap(at).iter().filter(|byte| **byte == b'\n').count();
    let mut next = at + 1;
    let mut broken = lines(at);
    while next < at + 10 && broken <= 3 {
        let sets = text
            .gap(next)
            .iter()
            .any(|byte| matches!(byte, b':' | b'='));
        if text.is_any(next, &["value", "default"]) && sets && text.gap(next).len() <= 8 {
            return text.tokens.get(next + 1).map(|_| next + 1);
        }
        // Another name has begun.
        if text.is_any(next, &["name", "variable", "key"]) {
            return None;
        }
        broken += lines(next);
        next += 1;
    }
    None
}

/// Where the value of the last of `a=b=c`, `A_B=c` begins; `=` at the end is part of it.
fn last_name(value: &[u8]) -> usize {
    let named = |name: &[u8]| {
        let small = |byte: &u8| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_');
        let capital =
            |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
        let variable = name.first().is_some_and(u8::is_ascii_uppercase)
            && name.iter().all(capital)
            && (name.contains(&b'_') || !name.iter().any(u8::is_ascii_digit));
        name.len() <= 40 && (name.iter().all(small) || variable)
    };
    let mut from = 0;
    while let Some(at) = value[from..].iter().take(41).position(|byte| *byte == b'=') {
        let more = value
            .get(from + at + 1)
            .is_some_and(u8::is_ascii_alphanumeric);
        if !more || !named(&value[from..from + at]) {
            break;
        }
        from += at + 1;
    }
    from
}

/// `AC…`, `CA…`: Twilio's names of accounts, calls, messages. `SK…` is a key.
fn is_account_id(value: &[u8]) -> bool {
    let [a @ b'A'..=b'Z', b @ b'A'..=b'Z', rest @ ..] = value else {
        return false;
    };
    let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    [*a, *b] != *b"SK" && rest.len() == 32 && rest.iter().all(hex)
}

/// The last token of a name that says where its secret is used: `SECRET_KEY_BASE`, `API_KEY_PROD_2`.
fn behind_suffix(text: &Text<'_>, at: usize) -> usize {
    const USES: &[&str] = &[
        "base",
        "prod",
        "production",
        "dev",
        "development",
        "staging",
        "stage",
        "test",
        "live",
        "secondary",
        "backup",
        "old",
        "new",
        "value",
        "eu",
        "us",
        "main",
        "default",
        "v1",
        "v2",
        "v3",
        "1",
        "2",
        "3",
    ];
    let joined = |next: usize| matches!(text.gap(next - 1), b"_" | b"-") && text.is_any(next, USES);
    (at + 1..at + 4)
        .take_while(|next| joined(*next))
        .last()
        .unwrap_or(at)
}

/// `token, …`: a list of protocols, of which the second is a key; `the api key, …, was revoked`.
fn is_listed(text: &Text<'_>, gap: &[u8], at: usize) -> bool {
    let cased = |token: &Token| token.len() >= 20 && token.has_hump();
    let long = |token: &Token| token.is_mixed() && (token.len() >= 32 || cased(token));
    gap == b", " && text.tokens.get(at).is_some_and(long)
}

/// What follows these is theirs, not a key.
const SUBJECTS: &[&str] = &[
    "trace",
    "span",
    "call",
    "room",
    "uuid",
    "hash",
    "digest",
    "sha",
    "fingerprint",
    "region",
];

/// No value stands behind these: another clause, a placeholder.
fn ends_clause(byte: &u8) -> bool {
    matches!(
        byte,
        b'\n' | b'{' | b'[' | b'(' | b'.' | b'?' | b'&' | b'$' | b'*'
    )
}

/// `deepgram("…")`
fn is_call(gap: &[u8]) -> bool {
    matches!(gap, b"(" | b"('" | b"(\"")
}

/// What may stand between a name and a value that nothing assigns.
fn opens(gap: &[u8]) -> bool {
    is_call(gap)
        || gap
            .first()
            .is_some_and(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`'))
}

/// A value may begin with a sign of its alphabet: `/Ab…`, `-x…`.
fn value_start(text: &Text<'_>, token: usize) -> usize {
    let mut start = text.tokens[token].start;
    while matches!(text.byte_before(start), b'/' | b'+' | b'-' | b'_') {
        start -= 1;
    }
    start
}

/// Whether a word that ends at byte `at` is part of the name, not of the value.
fn is_name_end(text: &Text<'_>, at: usize) -> bool {
    ends_value(text, at) || text.byte(at) == b'='
}

/// Whether a value that reaches byte `at` ends there.
fn ends_value(text: &Text<'_>, at: usize) -> bool {
    !is_sign(text.byte(at))
        || !(is_sign(text.byte(at + 1)) || text.byte(at + 1).is_ascii_alphanumeric())
}

fn is_sign(byte: u8) -> bool {
    matches!(byte, b'_' | b'-' | b'.' | b'/' | b'+' | b'=' | b'~' | b'%')
}

fn value_end(text: &Text<'_>, start: usize) -> usize {
    let rest = &text.bytes[start..];
    let mut length = rest
        .iter()
        .take(LONGEST)
        .take_while(|byte| byte.is_ascii_alphanumeric() || is_sign(**byte))
        .count();
    while length > 0 && matches!(rest[length - 1], b'.' | b'/' | b'-') {
        length -= 1;
    }
    start + length
}

/// Letters and digits both, or upper and lower case mixed beyond what words do.
pub(super) fn is_random(text: &[u8]) -> bool {
    let text = &text[..text.len().min(96)];
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let turns = turns(text);
    let letters = text
        .iter()
        .filter(|byte| byte.is_ascii_alphabetic())
        .count();
    let one_piece =
        text.len() >= 24 && letters + digits == text.len() && (turns == 0 || digits > 0);
    digits >= 2 && letters >= 2 || digits == 1 && turns >= 1 || turns >= 4 || one_piece
}

/// How often a capital follows a small letter.
fn turns(text: &[u8]) -> usize {
    text.windows(2)
        .filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
        .count()
}

/// Hex digits in groups of 8, 4, 4, 4 and 12.
pub(crate) fn is_uuid(text: &[u8]) -> bool {
    let fits = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.iter().enumerate().all(fits)
}

/// A path, a host or a date, not a secret.
fn is_reference(text: &Text<'_>, start: usize, value: &[u8]) -> bool {
    let url = text.bytes[start + value.len()..].starts_with(b"://");
    let slashes = value.iter().filter(|byte| **byte == b'/').count();
    let path = slashes * 6 > value.len();
    url || path || is_identifier(value)
}

/// `voice_sample_2024_final`, `nova-2-general`: words and numbers, not letters and digits in turn.
fn is_identifier(value: &[u8]) -> bool {
    let part = |part: &[u8]| {
        let letters = part
            .iter()
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        let digits = part[letters..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        letters + digits == part.len() && (letters == 0 || digits <= 2)
    };
    let mut parts = value.split(|byte| matches!(byte, b'-' | b'_' | b'.' | b'/'));
    turns(value) < 3
        && value
            .iter()
            .any(|byte| matches!(byte, b'-' | b'_' | b'.' | b'/'))
        && parts.all(part)
}

/// Whether the name that ends with token `at` is a parameter of a query: `?x-api-key=`, `&sig=`.
fn is_query(text: &Text<'_>, at: usize) -> bool {
    let mut first = at;
    while first > 0 && at - first < 5 && matches!(text.gap_before(first), b"-" | b"_") {
        first -= 1;
    }
    matches!(text.byte_before(text.tokens[first].start), b'?' | b'&')
        && text.byte(text.tokens[at].end) == b'='
}
