//! Keys that are known by the shape of one token.

use super::prefix::{base64, prefixed};
use crate::detect::{Scan, jwt};
use crate::find::Find;
use crate::kind::Kind;

/// A key behind a letter that is not ASCII: `…é` and the key in one token.
pub(in crate::detect) fn buried(scan: &mut Scan<'_>, at: usize) {
    let token = scan.text.tokens[at];
    let foreign = scan.text.word(at).iter().rposition(|byte| !byte.is_ascii());
    let tail = token.start + foreign.map_or(0, |place| place + 1);
    prefixed(scan, tail);
    // Letters may stand on both sides.
    let mut start = token.start;
    for part in scan.text.word(at).split(|byte| !byte.is_ascii()) {
        if part.len() >= 4 {
            shape(scan, start, start + part.len());
        }
        start += part.len() + 1;
    }
}

/// A key that is known by the shape of one token: cloud access keys, Google keys, JSON web tokens.
pub(in crate::detect) fn shaped(scan: &mut Scan<'_>, at: usize) {
    let token = scan.text.tokens[at];
    if token.is_ascii() {
        shape(scan, token.start, token.end);
    }
}

/// Shapes of one token: what it begins with, how long the run of key characters is at least.
const RUNS: &[(&[u8], usize)] = &[
    (b"AIza", 30),
    (b"AKCp", 50),
    (b"cmVmd", 50),
    (b"dapi", 34),
    (b"EAA", 50),
    (b"EZAK", 50),
    (b"EZTK", 50),
    (b"LTAI", 20),
    (b"oy2", 46),
    (b"cio", 35),
    (b"GR1348941", 25),
    (b"ATBB", 32),
    (b"eyJrIjoi", 60),
];
/// The same for keys of base64, and for those that end with `=` and a checksum.
const BASE64_RUNS: &[(&[u8], usize)] = &[(b"ABSK", 100), (b"ATATT3", 40), (b"ATCTT3", 40)];

fn shape(scan: &mut Scan<'_>, start: usize, end: usize) {
    let word = &scan.text.bytes[start..end];
    if word.starts_with(b"eyJ") {
        jwt::find(scan, start);
    }
    let length = end - start;
    let found = match word {
        [b'S', b'K', rest @ ..] if rest.len() == 32 => rest.iter().all(u8::is_ascii_hexdigit),
        [b'A', ..] if is_cloud_access(word) => true,
        _ if length == 32 && is_mail_list(scan, start, end) => true,
        _ if length >= 32 && scan.text.byte_before(start) == b'_' => is_mixed(word),
        _ => false,
    };
    let run = RUNS.iter().find(|(head, _)| word.starts_with(head));
    let found = found || run.is_some_and(|(_, least)| scan.key_end(start) - start >= *least);
    let whole = match found {
        true => Some((start, scan.key_end(start))),
        false => base64_run(scan, start).or_else(|| dotted(scan, start, end)),
    };
    if word.starts_with(b"AC") && length == 34 {
        behind_account(scan, end);
    }
    if let Some((start, end)) = whole {
        scan.add(Find::new(start, end, Kind::ApiKey, "key_shape"));
    }
}

/// Capitals, small letters and digits: behind `name_` no hash and no id is written so.
fn is_mixed(word: &[u8]) -> bool {
    let count = |class: fn(&u8) -> bool| word.iter().take(64).filter(|byte| class(byte)).count();
    count(u8::is_ascii_uppercase) > 3
        && count(u8::is_ascii_lowercase) > 3
        && count(u8::is_ascii_digit) > 2
}

/// `Client("AC…", "…")`: the token behind the number of an account that ends at byte `end`.
fn behind_account(scan: &mut Scan<'_>, end: usize) {
    let text = &scan.text;
    let at = text.token_from(end);
    let near = at > 0 && matches!(text.gap(at - 1), b"\", \"" | b"', '" | b":" | b", ");
    if let Some(token) = text
        .tokens
        .get(at)
        .filter(|token| near && token.len() == 32)
    {
        let find = Find::new(token.start, token.end, Kind::ApiKey, "key_of_account");
        if text.word(at).iter().all(u8::is_ascii_hexdigit) {
            scan.add(find);
        }
    }
}

fn base64_run(scan: &Scan<'_>, start: usize) -> Option<(usize, usize)> {
    let rest = &scan.text.bytes[start..];
    let (_, least) = BASE64_RUNS
        .iter()
        .find(|(head, _)| rest.starts_with(head))?;
    let length = base64(rest);
    (length >= *least).then_some((start, start + length))
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

/// `0123456789abcdef0123456789abcdef-us7`: a key that names its data centre.
fn is_mail_list(scan: &Scan<'_>, start: usize, end: usize) -> bool {
    let (word, rest) = (&scan.text.bytes[start..end], &scan.text.bytes[end..]);
    rest.starts_with(b"-us")
        && rest.get(3).is_some_and(u8::is_ascii_digit)
        && word.iter().all(u8::is_ascii_hexdigit)
}

/// Keys of three parts with dots between: `pat….…`, `….atlasv1.…`, bot tokens of 24, 6 and 27 characters.
fn dotted(scan: &mut Scan<'_>, start: usize, end: usize) -> Option<(usize, usize)> {
    let length = end - start;
    if !(14..=28).contains(&length)
        || scan.text.byte(end) != b'.'
        || is_key(scan.text.byte_before(start))
    {
        return None;
    }
    let second = scan.key_end(end + 1);
    let middle = &scan.text.bytes[end + 1..second.max(end + 1)];
    let hex = middle.len() == 64 && middle.iter().all(u8::is_ascii_hexdigit);
    if hex && scan.text.bytes[start..end].starts_with(b"pat") {
        return Some((start, second));
    }
    let word = &scan.text.bytes[start..end];
    let bot = middle.len() == 6 && length >= 23 && matches!(word[0], b'M' | b'N' | b'O');
    if scan.text.byte(second) != b'.' || !(bot || middle == b"atlasv1") {
        return None;
    }
    let third = scan.key_end(second + 1);
    (third > second + 24).then_some((start, third))
}

/// `0123456789:AA…`: the number of a chat bot and its token. `end` is that of the number.
pub(in crate::detect) fn bot(scan: &mut Scan<'_>, start: usize, end: usize) {
    let number = scan.text.bytes.get(start..end).unwrap_or_default();
    let numbered = (8..=10).contains(&number.len()) && number.iter().all(u8::is_ascii_digit);
    if !numbered || !scan.text.bytes[end..].starts_with(b":AA") {
        return;
    }
    let last = scan.key_end(end + 1);
    if last - end > 32 {
        scan.add(Find::new(start, last, Kind::ApiKey, "key_shape"));
    }
}

pub(super) fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
