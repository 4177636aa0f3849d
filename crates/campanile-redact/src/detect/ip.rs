//! IP addresses. Loopback and unspecified ones tell nothing and stay.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Scan;
use crate::find::Find;
use crate::kind::Kind;
use crate::token::Text;

/// What has a number with dots in it that is no address.
pub(super) const NUMBERED: &[&str] = &[
    "version",
    "v",
    "ver",
    "section",
    "chapter",
    "firmware",
    "release",
    "build",
    "clause",
    "paragraph",
    "rev",
];

/// `192.0.2.1`, from its first number.
pub(super) fn version_four(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let token = &text.tokens[at];
    if token.len() > 3
        || text.byte(token.end) != b'.'
        || matches!(text.byte_before(token.start), b'.' | b'-' | b'_')
    {
        return;
    }
    let joined = (at..at + 3).all(|next| text.gap(next) == b".");
    let Some(last) = text
        .tokens
        .get(at + 3)
        .filter(|last| joined && last.is_digits())
    else {
        return;
    };
    let more = text.byte(last.end) == b'.' && text.byte(last.end + 1).is_ascii_digit();
    let Some(address) = text
        .all
        .get(token.start..last.end)
        .and_then(|part| part.parse::<Ipv4Addr>().ok())
    else {
        return;
    };
    let named = at > 0 && text.is_any(at - 1, NUMBERED) || is_upgrade(text, at);
    let nobodys =
        address.is_loopback() || address.is_unspecified() || is_of_no_host(text, last.end, address);
    if !more && !named && !nobodys {
        let start = mapped(text, token.start);
        scan.add(Find::new(start, last.end, Kind::Ip, "ip_v4"));
    }
}

/// `255.255.255.0`, `10.0.0.0/8`, `Chrome/120.0.0.0`, the version `1.2.3.4-beta`.
fn is_of_no_host(text: &Text<'_>, end: usize, address: Ipv4Addr) -> bool {
    let [first, second, _, last] = address.octets();
    let net = last == 0 && text.byte(end) == b'/' && text.byte(end + 1).is_ascii_digit();
    let version = text.byte(end) == b'-' && text.byte(end + 1).is_ascii_lowercase();
    let major = address.octets()[1..] == [0, 0, 0];
    (first, second) == (255, 255) || net || version || major
}

/// `upgraded the codec to 4.8.1.2`
fn is_upgrade(text: &Text<'_>, at: usize) -> bool {
    const WORDS: &[&str] = &[
        "upgraded",
        "upgrade",
        "upgrading",
        "upgrades",
        "downgraded",
        "downgrade",
        "bumped",
        "bump",
        "bumps",
    ];
    let short = (at..at + 4).all(|part| text.word(part).len() <= 2);
    short && (at.saturating_sub(6)..at).any(|near| text.is_any(near, WORDS))
}

/// `::ffff:192.0.2.1` belongs together.
fn mapped(text: &Text<'_>, start: usize) -> usize {
    let head = &text.bytes[..start];
    if head.len() >= 7 && head[head.len() - 7..].eq_ignore_ascii_case(b"::ffff:") {
        start - 7
    } else {
        start
    }
}

/// `2001:db8::1`, from its first group or from `::`.
pub(super) fn version_six(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let token = &text.tokens[at];
    let before = text.byte_before(token.start);
    let leads = before == b':'
        && text.gap_before(at).ends_with(b"::")
        && (at == 0 || text.gap_before(at).len() > 2);
    if !leads && (text.byte(token.end) != b':' || before == b':') {
        return;
    }
    let start = if leads { token.start - 2 } else { token.start };
    let rest = &text.bytes[start..];
    let mut length = rest
        .iter()
        .take(46)
        .take_while(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
        .count();
    while length > 0
        && (rest[length - 1] == b'.'
            || rest[length - 1] == b':' && !rest[..length].ends_with(b"::"))
    {
        length -= 1;
    }
    let Some(mut part) = text.all.get(start..start + length) else {
        return;
    };
    // What cannot be a group is a port.
    if part.parse::<Ipv6Addr>().is_err()
        && let Some((groups, _)) = part
            .rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
    {
        part = groups;
    }
    let length = part.len();
    let Ok(address) = part.parse::<Ipv6Addr>() else {
        return;
    };
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let hex = part.bytes().filter(u8::is_ascii_hexdigit).count();
    let glued =
        text.byte(start + length).is_ascii_alphanumeric() || text.byte(start + length) == b'_';
    let silent = IpAddr::V6(address).is_loopback() || address.is_unspecified();
    if digits > 0 && hex >= 4 && !glued && !silent {
        let end = start + length + zone(&rest[length..]);
        scan.add(Find::new(start, end, Kind::Ip, "ip_v6"));
    }
}

/// `%eth0`
fn zone(rest: &[u8]) -> usize {
    match rest {
        [b'%', name @ ..] => match name
            .iter()
            .take(16)
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count()
        {
            0 => 0,
            length => length + 1,
        },
        _ => 0,
    }
}
