//! Home folders: the name of a person between two slashes.

use super::Scan;
use crate::find::Find;
use crate::kind::Kind;

const SHARED: &[&str] = &[
    "shared", "public", "default", "runner", "root", "user", "ubuntu", "app",
];

/// `/home/x/`, `/Users/x/`, `C:\Users\x\`, also with doubled backslashes.
pub(super) fn find(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let below = matches!(text.byte_before(text.tokens[at].start), b'/' | b'\\');
    if !below || !text.is_any(at, &["home", "users"]) {
        return;
    }
    let gap = text.gap(at);
    if !matches!(gap, b"/" | b"\\" | b"\\\\" | b"//") || text.is_any(at + 1, SHARED) {
        return;
    }
    let start = text.tokens[at].end + gap.len();
    let Some(rest) = text.all.get(start..) else {
        return;
    };
    let name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    let length: usize = rest
        .chars()
        .take(64)
        .take_while(|c| name(*c))
        .map(char::len_utf8)
        .sum();
    let length = rest[..length].trim_end_matches('.').len();
    scan.add(Find::new(
        start,
        start + length,
        Kind::Person,
        "home_folder",
    ));
}
