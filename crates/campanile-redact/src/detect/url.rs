//! What URLs carry: user and password before the host.

use super::Scan;
use crate::find::Find;
use crate::kind::Kind;

const LIMIT: usize = 1024;

/// `scheme://user:password@` and `scheme://:password@`; a user alone is no secret. `colon` is the one of `://`.
pub(super) fn find(scan: &mut Scan<'_>, colon: usize) {
    let start = colon + 3;
    let rest = scan.text.bytes.get(start..).unwrap_or_default();
    let stops = |byte: &u8| {
        byte.is_ascii_whitespace() || matches!(byte, b'/' | b'"' | b'<' | b'>' | b'`' | b'?')
    };
    let length = rest
        .iter()
        .take(LIMIT)
        .position(stops)
        .unwrap_or(rest.len().min(LIMIT));
    let Some(at) = rest[..length].iter().rposition(|byte| *byte == b'@') else {
        return;
    };
    let Some(split) = rest[..at].iter().position(|byte| *byte == b':') else {
        return;
    };
    scan.authority_at = start + at;
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
