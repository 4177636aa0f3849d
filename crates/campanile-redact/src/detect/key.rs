//! Provider keys: by what they begin with, by their shape, by the name that stands before them.

use super::{Scan, jwt};
use crate::find::Find;
use crate::kind::Kind;
use crate::token::Text;

/// Keys that announce themselves by the word before `-`, `_` or `.`: prefix and how many characters follow at least.
const PREFIXES: &[(&[u8], usize)] = &[
    (b"sk-", 18),
    (b"sk_", 16),
    (b"rk_", 16),
    (b"pk_live_", 10),
    (b"gsk_", 20),
    (b"ghp_", 16),
    (b"gho_", 16),
    (b"ghu_", 16),
    (b"ghs_", 16),
    (b"ghr_", 16),
    (b"github_pat_", 16),
    (b"glpat-", 16),
    (b"xoxb-", 10),
    (b"xoxa-", 10),
    (b"xoxp-", 10),
    (b"xoxr-", 10),
    (b"xoxs-", 10),
    (b"xapp-", 10),
    (b"hf_", 16),
    (b"pplx-", 16),
    (b"npm_", 16),
    (b"xai-", 16),
    (b"whsec_", 16),
    (b"shpat_", 16),
    (b"glsa_", 16),
    (b"dop_v1_", 16),
    (b"pypi-", 16),
];

/// No value is longer: bounds the work for each name.
const LONGEST: usize = 2048;

/// A key that begins with a known word.
pub(super) fn prefixed(scan: &mut Scan<'_>, at: usize) {
    let start = scan.text.tokens[at].start;
    if scan.text.bytes[start..].starts_with(b"SG.") {
        return sendgrid(scan, start);
    }
    let rest = &scan.text.bytes[start..];
    let Some((prefix, least)) = PREFIXES.iter().find(|(prefix, _)| rest.starts_with(prefix)) else {
        return;
    };
    let (body, end) = (start + prefix.len(), scan.key_end(start));
    if end >= body + least && is_random(&scan.text.bytes[body..end]) {
        scan.add(Find::new(start, end, Kind::ApiKey, "key_prefix"));
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
    let word = scan.text.word(at);
    let found = match word {
        [b'e', b'y', b'J', ..] => {
            jwt::find(scan, at);
            false
        }
        [b'A', b'I', b'z', b'a', ..] => scan.key_end(token.start) - token.start >= 30,
        [b'S', b'K', rest @ ..] | [b'A', b'C', rest @ ..] if rest.len() == 32 => {
            rest.iter().all(u8::is_ascii_hexdigit)
        }
        [b'A', ..] => is_cloud_access(word),
        _ => false,
    };
    if found {
        let end = scan.key_end(token.start);
        scan.add(Find::new(token.start, end, Kind::ApiKey, "key_shape"));
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
        && !is_reference(&scan.text, start, text)
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
        if gap.len() > 8
            || gap.iter().any(|byte| {
                matches!(
                    byte,
                    b'\n' | b'{' | b'[' | b'(' | b'.' | b'?' | b'&' | b'$' | b'*'
                )
            })
        {
            return None;
        }
        let sets = gap.iter().any(|byte| matches!(byte, b':' | b'='));
        if next == at + 1
            && !sets
            && !gap.first().is_some_and(|byte| {
                byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`')
            })
        {
            return None;
        }
        assigned |= sets;
        let token = text.tokens.get(next)?;
        let plain = token.is_word() && token.len() < 16 && is_name_end(text, token.end);
        if !plain || assigned && is_query(text, at) {
            return Some((next, assigned));
        }
    }
    None
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
    ends_value(text, at) || matches!(text.byte(at), b'-' | b'=')
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
    let turns = text
        .windows(2)
        .filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
        .count();
    let letters = text
        .iter()
        .filter(|byte| byte.is_ascii_alphabetic())
        .count();
    digits >= 2 && letters >= 2 || digits == 1 && turns >= 1 || turns >= 4
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
    url || path
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
