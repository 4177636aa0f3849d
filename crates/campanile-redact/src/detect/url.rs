//! What URLs carry: user and password before the host.

use super::{Scan, key};
use crate::find::Find;
use crate::kind::Kind;

const LIMIT: usize = 1024;

/// `scheme://user:password@` and `scheme://:password@`; a token alone. `colon` is the one of `://`.
pub(super) fn find(scan: &mut Scan<'_>, colon: usize) {
    let start = colon + 3;
    let rest = scan.text.bytes.get(start..).unwrap_or_default();
    let Some(at) = authority(rest) else { return };
    scan.authority_at = start + at;
    let Some(split) = rest[..at].iter().position(|byte| *byte == b':') else {
        return alone(scan, start, start + at);
    };
    let hidden = matches!(
        &rest[split + 1..at],
        [] | [b'*', ..] | [b'[', .., b']'] | [b'$', b'{', ..]
    );
    if !hidden {
        scan.add(Find::new(
            start,
            start + at,
            Kind::UrlCredentials,
            "url_credentials",
        ));
    }
}

/// `https://TOKEN@host`: a user alone is no secret, unless nobody is called like that.
fn alone(scan: &mut Scan<'_>, start: usize, end: usize) {
    let user = &scan.text.bytes[start..end];
    let digits = user.iter().filter(|byte| byte.is_ascii_digit()).count();
    if user.len() >= 20 && digits >= 2 && key::is_random(user) {
        scan.add(Find::new(start, end, Kind::ApiKey, "url_token"));
    }
}

/// Where the `@` behind user and password stands. Passwords may hold `/` and `?`, which end the host of a sane URL.
fn authority(rest: &[u8]) -> Option<usize> {
    let part = &rest[..rest.len().min(LIMIT)];
    let outside =
        |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'<' | b'>' | b'`');
    let sane = part
        .iter()
        .position(|byte| outside(*byte) || matches!(byte, b'/' | b'?'));
    let host = &part[..sane.unwrap_or(part.len())];
    if let Some(at) = host.iter().rposition(|byte| *byte == b'@') {
        return Some(at);
    }
    // Behind `host:` come digits, so anything else is a password that goes on.
    let colon = host.iter().position(|byte| *byte == b':')?;
    if host[colon + 1..].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let end = part.iter().position(|byte| outside(*byte) || *byte == b'=');
    part[..end.unwrap_or(part.len())]
        .iter()
        .rposition(|byte| *byte == b'@')
}
