//! JSON web tokens: base64url parts of which the first is a JSON object.

use super::Scan;
use crate::find::Find;
use crate::kind::Kind;

/// Looks at `eyJ` at byte `start`: two or three parts with dots between.
pub(super) fn find(scan: &mut Scan<'_>, start: usize) {
    if is_part(scan.text.byte_before(start)) {
        return;
    }
    let mut end = scan.key_end(start);
    let head = &scan.text.bytes[start..end];
    let mut parts = 1;
    while parts < 5 && scan.text.byte(end) == b'.' && is_part(scan.text.byte(end + 1)) {
        end = scan.key_end(end + 1);
        parts += 1;
    }
    let whole = parts >= 2 && head.len() >= 10 && names_algorithm(head);
    let claims = scan.text.bytes[start + head.len()..end].starts_with(b".eyJ");
    if whole || claims || parts == 1 && head.len() >= 24 && names_algorithm(head) {
        scan.add(Find::new(start, end, Kind::Jwt, "jwt"));
    }
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn names_algorithm(head: &[u8]) -> bool {
    decode(head)
        .windows(5)
        .any(|name| name == b"\"alg\"" || name == b"\"enc\"")
}

/// Base64url without padding, as far as it goes, at most 256 bytes of it.
fn decode(text: &[u8]) -> Vec<u8> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for byte in text.iter().take(256) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' | b'+' => 62,
            _ => 63,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    bytes
}
