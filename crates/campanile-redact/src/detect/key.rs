//! Provider keys: by what they begin with, by their shape, by the name that stands before them.

use super::{Scan, jwt};
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::token::Text;

/// What a key of a known prefix is made of.
#[derive(Clone, Copy)]
enum Body {
    /// Letters and digits only.
    Plain,
    /// With `-` and `_` between: random enough not to be a name.
    Joined,
}

use Body::{Joined, Plain};

/// Keys that announce themselves: prefix, body, how many characters follow at least. Longer prefixes first.
const PREFIXES: &[(&[u8], Body, usize)] = &[
    (b"sk_live_", Plain, 8),
    (b"sk_test_", Plain, 8),
    (b"rk_live_", Plain, 8),
    (b"rk_test_", Plain, 8),
    (b"pk_live_", Plain, 8),
    (b"sk-", Joined, 18),
    (b"sk_", Joined, 16),
    (b"gsk_", Plain, 20),
    (b"ghp_", Plain, 16),
    (b"gho_", Plain, 16),
    (b"ghu_", Plain, 16),
    (b"ghs_", Plain, 16),
    (b"ghr_", Plain, 16),
    (b"github_pat_", Joined, 16),
    (b"glpat-", Joined, 16),
    (b"xoxb-", Joined, 10),
    (b"xoxa-", Joined, 10),
    (b"xoxp-", Joined, 10),
    (b"xoxr-", Joined, 10),
    (b"xoxs-", Joined, 10),
    (b"xapp-", Joined, 10),
    (b"hf_", Plain, 16),
    (b"pplx-", Plain, 16),
    (b"npm_", Plain, 16),
    (b"xai-", Plain, 16),
    (b"whsec_", Plain, 16),
    (b"shpat_", Plain, 16),
    (b"glsa_", Joined, 16),
    (b"dop_v1_", Plain, 16),
    (b"pypi-", Joined, 16),
];

/// No value is longer: bounds the work for each name.
const LONGEST: usize = 2048;

/// A key that begins with a known word, at byte `start`.
pub(super) fn prefixed(scan: &mut Scan<'_>, start: usize) {
    let rest = &scan.text.bytes[start..];
    if rest.starts_with(b"SG.") {
        return sendgrid(scan, start);
    }
    let Some((prefix, body, least)) = PREFIXES
        .iter()
        .find(|(prefix, ..)| rest.starts_with(prefix))
    else {
        return;
    };
    let (from, end) = (start + prefix.len(), scan.key_end(start));
    let text = &scan.text.bytes[from.min(end)..end];
    let found = match body {
        Plain => {
            let plain = text
                .iter()
                .take(*least)
                .take_while(|byte| byte.is_ascii_alphanumeric())
                .count();
            plain == *least && text.iter().take(256).any(|byte| !byte.is_ascii_lowercase())
        }
        Joined => {
            text.len() >= *least
                && (is_random(text)
                    || prefix.len() > 4 && text.iter().take(64).any(u8::is_ascii_uppercase))
        }
    };
    if found {
        scan.add(Find::new(start, end, Kind::ApiKey, "key_prefix"));
    }
}

/// A key behind a letter that is not ASCII: `…é` and the key in one token.
pub(super) fn buried(scan: &mut Scan<'_>, at: usize) {
    let token = scan.text.tokens[at];
    let foreign = scan.text.word(at).iter().rposition(|byte| !byte.is_ascii());
    let tail = token.start + foreign.map_or(0, |place| place + 1);
    prefixed(scan, tail);
    // Letters may stand on both sides.
    let mut start = token.start;
    for part in scan.text.word(at).split(|byte| !byte.is_ascii()) {
        if part.len() >= 4 {
            let end = start + part.len();
            shape(scan, start, end);
        }
        start += part.len() + 1;
    }
}

fn sendgrid(scan: &mut Scan<'_>, start: usize) {
    let middle = scan.key_end(start + 3);
    let end = if scan.text.byte(middle) == b'.' {
        scan.key_end(middle + 1)
    } else {
        middle
    };
    if end > start + 24 {
        scan.add(Find::new(
            start,
            end.max(middle),
            Kind::ApiKey,
            "key_prefix",
        ));
    }
}

/// A key that is known by the shape of one token: cloud access keys, Google keys, JSON web tokens.
pub(super) fn shaped(scan: &mut Scan<'_>, at: usize) {
    let token = scan.text.tokens[at];
    if token.is_ascii() {
        shape(scan, token.start, token.end);
    }
}

fn shape(scan: &mut Scan<'_>, start: usize, end: usize) {
    let word = &scan.text.bytes[start..end];
    let found = match word {
        [b'e', b'y', b'J', ..] => {
            jwt::find(scan, start);
            false
        }
        [b'A', b'I', b'z', b'a', ..] => scan.key_end(start) - start >= 30,
        [b'S', b'K', rest @ ..] | [b'A', b'C', rest @ ..] if rest.len() == 32 => {
            rest.iter().all(u8::is_ascii_hexdigit)
        }
        [b'A', ..] => is_cloud_access(word),
        _ => false,
    };
    if found {
        let end = scan.key_end(start);
        scan.add(Find::new(start, end, Kind::ApiKey, "key_shape"));
    }
}

fn is_cloud_access(word: &[u8]) -> bool {
    let known = word.starts_with(b"A3T")
        || [b"AKIA", b"ASIA", b"ABIA", b"ACCA"]
            .iter()
            .any(|prefix| word.starts_with(*prefix));
    known
        && word.len() >= 16
        && word
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// `deepgramApiKey`, `secretAccessKey`: names that end like a secret's.
pub(super) fn camel(scan: &mut Scan<'_>, at: usize) {
    let word = scan.text.word(at);
    let ends = |tail: &[u8]| {
        word.len() > tail.len() && word[word.len() - tail.len()..].eq_ignore_ascii_case(tail)
    };
    if word.len() <= 40 && (ends(b"key") || ends(b"secret") || ends(b"token")) && !is_public(word) {
        named(scan, at);
    }
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
];

/// A value behind a name such as `api_key`, `secret` or `Authorization: Bearer`.
pub(super) fn named(scan: &mut Scan<'_>, at: usize) {
    let joined = matches!(scan.text.gap_before(at), b"_" | b"-" | b" ");
    if at > 0 && joined && scan.text.is_any(at - 1, HARMLESS) {
        return;
    }
    let Some((token, assigned)) = value(&scan.text, at) else {
        return;
    };
    let start = value_start(&scan.text, token);
    let end = value_end(&scan.text, start);
    let query = assigned && is_query(&scan.text, at);
    let text = &scan.text.bytes[start..end];
    let least = if query { 6 } else { 16 };
    let random = if query {
        !text.is_empty()
    } else {
        is_random(text)
    };
    if text.len() >= least
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
            || next == at + 1 && !sets && !opens(gap)
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
fn is_random(text: &[u8]) -> bool {
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

fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && [8, 13, 18, 23].iter().all(|at| text[*at] == b'-')
        && text.iter().filter(|byte| **byte == b'-').count() == 4
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
