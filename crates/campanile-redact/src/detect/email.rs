//! Written e-mail addresses, around an `@`.

use std::net::IpAddr;

use super::{Scan, birth, person};
use crate::find::Find;
use crate::kind::Kind;

const LOCAL: usize = 64;
const DOMAIN: usize = 253;

pub(super) fn find(scan: &mut Scan<'_>, at: usize) {
    // What stands before the host of a URL is user and password, not a mailbox.
    if at != scan.authority_at {
        around(scan, at, 1);
    }
}

/// The same in a URL: `jo%40example.com`.
pub(super) fn encoded(scan: &mut Scan<'_>, at: usize) {
    around(scan, at, 3);
}

/// Looks around a sign at byte `at` that is `width` bytes long.
fn around(scan: &mut Scan<'_>, at: usize, width: usize) {
    let all = scan.text.all;
    let (Some(head), Some(tail)) = (all.get(..at), all.get(at + width..)) else {
        return;
    };
    let length: usize = head
        .chars()
        .rev()
        .take(LOCAL)
        .take_while(|c| is_local(*c))
        .map(char::len_utf8)
        .sum();
    let raw = &head[at - length..];
    let local = raw.trim_start_matches(['.', '-', '\'', '/', '=', '&', '*']);
    let local = local.rsplit(['=', '/', '&', '?']).next().unwrap_or(local);
    let domain = domain(tail);
    if local.is_empty() || local.ends_with('.') || domain.is_empty() {
        return;
    }
    let start = at - local.len();
    if is_clone_address(local, &tail[domain.len()..]) || is_phone(all.get(..start), local) {
        return;
    }
    let end = at + width + domain.len();
    scan.add(Find::new(start, end, Kind::Email, "email"));
    person::before_mail(scan, start);
    birth::in_row(scan, end);
}

fn is_local(c: char) -> bool {
    c.is_alphanumeric()
        || matches!(
            c,
            '.' | '_'
                | '%'
                | '+'
                | '-'
                | '\''
                | '!'
                | '#'
                | '$'
                | '&'
                | '*'
                | '/'
                | '='
                | '?'
                | '^'
                | '~'
        )
}

/// The host name that `tail` starts with; empty when there is none. Its last label is letters: no version, no digest.
fn domain(tail: &str) -> &str {
    let length: usize = tail
        .chars()
        .take(DOMAIN)
        .take_while(|c| c.is_alphanumeric() || matches!(c, '.' | '-'))
        .map(char::len_utf8)
        .sum();
    let mut host = tail[..length].trim_end_matches(['.', '-']);
    // A sentence may go on without a space: `bob@example.com.Then`; that is still a host name and stays whole.
    loop {
        let Some((rest, last)) = host.rsplit_once('.') else {
            return "";
        };
        let named = last.chars().count() >= 2 && last.chars().all(char::is_alphabetic)
            || last.starts_with("xn--");
        if host.parse::<IpAddr>().is_ok() || rest.is_empty() || host.contains("..") {
            return "";
        }
        if named {
            return host;
        }
        host = rest;
    }
}

/// `git@github.com:owner/repository`
fn is_clone_address(local: &str, behind: &str) -> bool {
    local == "git" && behind.starts_with([':', '/'])
}

/// `sip:+15550100@example.com`: the number is found as a phone, the host may stay.
fn is_phone(head: Option<&str>, local: &str) -> bool {
    let digits = local.trim_start_matches('+');
    let scheme = head.is_some_and(|head| {
        head.ends_with("sip:") || head.ends_with("sips:") || head.ends_with("tel:")
    });
    scheme && digits.len() >= 7 && digits.bytes().all(|byte| byte.is_ascii_digit())
}
