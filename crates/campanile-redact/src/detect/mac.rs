//! Hardware addresses: six pairs, or three groups of four with letters in them.

use super::Scan;
use crate::find::Find;
use crate::kind::Kind;
use crate::token::Text;

pub(super) fn find(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let token = &text.tokens[at];
    let sign = text.byte(token.end);
    let (count, width) = match sign {
        b':' | b'-' => (6, 2),
        b'.' => (3, 4),
        _ => return,
    };
    let goes_on = |at: usize| text.gap(at) == [sign];
    if at > 0 && goes_on(at - 1) && is_hex(text, at - 1, width) {
        return;
    }
    let last = at + count - 1;
    let groups = (at..=last).all(|group| is_hex(text, group, width)) && (at..last).all(goes_on);
    if !groups || goes_on(last) && text.tokens.get(last + 1).is_some() {
        return;
    }
    let (start, end) = (token.start, text.tokens[last].end);
    let letters = text.bytes[start..end].iter().any(u8::is_ascii_alphabetic);
    if letters || sign == b':' {
        scan.add(Find::new(start, end, Kind::Mac, "mac"));
    }
}

fn is_hex(text: &Text<'_>, at: usize, width: usize) -> bool {
    let word = text.word(at);
    word.len() == width && word.iter().all(u8::is_ascii_hexdigit)
}
