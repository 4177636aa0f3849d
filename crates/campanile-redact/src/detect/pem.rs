//! Private keys in PEM, also unfinished ones and ones with `\n` written as two characters.

use memchr::memmem;

use super::Scan;
use crate::find::Find;
use crate::kind::Kind;

pub(super) fn find(scan: &mut Scan<'_>, start: usize) {
    if start < scan.pem_until {
        return;
    }
    let rest = &scan.text.bytes[start..];
    if !is_private(rest) {
        return;
    }
    let end = memmem::find(rest, b"-----END").map_or(rest.len(), |end| {
        let label = &rest[end + 8..rest.len().min(end + 72)];
        memmem::find(label, b"-----").map_or(end + 8 + label.len(), |close| end + 8 + close + 5)
    });
    let end = end + escapes(&rest[end..]);
    let end = (start + end..scan.text.bytes.len()).find(|at| scan.text.all.is_char_boundary(*at));
    scan.pem_until = end.unwrap_or(scan.text.bytes.len());
    scan.add(Find::new(
        start,
        scan.pem_until,
        Kind::PrivateKey,
        "private_key",
    ));
}

/// The end of the last line, where it is written as `\n`.
fn escapes(rest: &[u8]) -> usize {
    let mut length = 0;
    while let [b'\\', tail @ ..] = &rest[length..] {
        match tail {
            [b'n' | b'r', ..] => length += 2,
            [b'\\', b'n' | b'r', ..] => length += 3,
            _ => break,
        }
    }
    length
}

/// Whether a block that begins with `-----BEGIN` holds a private key. A label that is cut off may become one.
fn is_private(block: &[u8]) -> bool {
    let label = &block[10.min(block.len())..block.len().min(64)];
    let length = label
        .iter()
        .take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || **byte == b' ')
        .count();
    let cut_off = length == label.len() && block.len() < 64;
    cut_off && !label.is_empty() || memmem::find(&label[..length], b"PRIVATE KEY").is_some()
}
