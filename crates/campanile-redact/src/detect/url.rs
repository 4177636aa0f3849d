//! What URLs carry: user and password before the host.

use memchr::{memchr, memmem};

use super::password::is_placeholder;
use super::{Scan, key};
use crate::find::Find;
use crate::kind::Kind;

const LIMIT: usize = 1024;
/// Users that are nobody: tools call themselves so where the password is a key.
const TOOLS: &[&[u8]] = &[
    b"x-access-token",
    b"x-token-auth",
    b"oauth2",
    b"gitlab-ci-token",
    b"git",
    b"token",
    b"api",
];

/// `scheme://user:password@` and `scheme://:password@`; a token alone. `colon` is the one of `://`.
pub(super) fn find(scan: &mut Scan<'_>, colon: usize) {
    let start = colon + 3;
    webhook(scan, start);
    let rest = scan.text.bytes.get(start..).unwrap_or_default();
    let Some(at) = authority(rest) else { return };
    scan.authority_at = start + at;
    let Some(split) = rest[..at].iter().position(|byte| *byte == b':') else {
        return alone(scan, start, start + at);
    };
    let password = &rest[split + 1..at];
    if TOOLS.contains(&&rest[..split]) && key::is_prefixed(password) {
        let find = Find::new(start + split + 1, start + at, Kind::ApiKey, "url_token");
        scan.add(find);
    } else if is_secret(password) {
        scan.add(Find::new(
            start,
            start + at,
            Kind::UrlCredentials,
            "url_credentials",
        ));
    }
}

/// Whether a password is one, and no name of it. Nothing has cut it, so a bracket that it opens is closed in a name.
fn is_secret(password: &[u8]) -> bool {
    let open = matches!(password, [b'[' | b'{', .., last] if !b"]}".contains(last));
    open || !is_placeholder(password)
}

/// What stands before the secret part of addresses that whoever knows them may write to.
const WEBHOOKS: &[&[u8]] = &[
    b"hooks.slack.com/services/",
    b"hooks.slack.com/workflows/",
    b"hooks.slack.com/triggers/",
    b"/api/webhooks/",
    b"/IncomingWebhook/",
    b"/hooks/catch/",
];
/// The secret part stands no farther from the start of its URL.
const REACH: usize = 256;

/// `https://hooks.slack.com/services/T…/B…/…`: all behind the last known folder.
fn webhook(scan: &mut Scan<'_>, start: usize) {
    let rest = scan.text.bytes.get(start..).unwrap_or_default();
    let near = &rest[..rest.len().min(REACH)];
    // Each of them has one; one search lets most URLs go.
    if memmem::find(near, b"hook").is_none() {
        return;
    }
    let outside =
        |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>');
    let near = &near[..near.iter().position(outside).unwrap_or(near.len())];
    let found = WEBHOOKS.iter().find_map(|folder| {
        let at = memmem::find(near, folder)?;
        Some(start + at + folder.len())
    });
    let Some(from) = found else { return };
    let path = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_');
    let length = scan.text.bytes[from..]
        .iter()
        .take(LIMIT)
        .take_while(path)
        .count();
    let secret = &scan.text.bytes[from..from + length];
    let secret = secret.strip_suffix(b"/").unwrap_or(secret);
    if secret.len() >= 20 && key::is_random(secret) {
        let end = from + secret.len();
        scan.add(Find::new(from, end, Kind::ApiKey, "webhook"));
    }
}

/// `jdbc:oracle:thin:user/password@//host`, `sqlplus user/password@//host`, around the sign at byte `at`.
pub(super) fn oracle(scan: &mut Scan<'_>, at: usize) {
    let from = at.saturating_sub(REACH / 2);
    let head = &scan.text.bytes[from..at];
    if memchr(b'/', head).is_none() {
        return;
    }
    let named = memmem::rfind(head, b"jdbc:oracle:").and_then(|scheme| {
        let driver = scheme + b"jdbc:oracle:".len();
        let colon = head[driver..]
            .iter()
            .take(8)
            .position(|byte| *byte == b':')?;
        Some(driver + colon + 1)
    });
    let bare = || {
        let stops = |byte: &u8| byte.is_ascii_whitespace() || b"\"'=:".contains(byte);
        let slashes = scan.text.bytes[at + 1..].starts_with(b"//");
        slashes.then(|| head.iter().rposition(stops).map_or(0, |stop| stop + 1))
    };
    let Some(start) = named.or_else(bare) else {
        return;
    };
    let pair = &head[start..];
    let slash = pair.iter().position(|byte| *byte == b'/').unwrap_or(0);
    let user = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'#');
    let whole = slash > 0 && slash + 1 < pair.len() && pair[..slash].iter().all(user);
    let spaced = pair.iter().any(u8::is_ascii_whitespace);
    if whole && !spaced && is_secret(&pair[slash + 1..]) {
        let find = Find::new(from + start, at, Kind::UrlCredentials, "url_credentials");
        scan.add(find);
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
