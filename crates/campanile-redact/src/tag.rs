//! What stands in a text where something was masked, and how it is recognised again.

use crate::kind::Kind;
use crate::mode::Mode;

/// A placeholder that an earlier pass has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) kind: Kind,
    /// The mode that writes such a placeholder.
    pub(crate) mode: Mode,
    pub(crate) length: usize,
}

/// The longest is a hash with an id of 16 letters.
const LONGEST: usize = 48;

impl Tag {
    /// The tag that `bytes` starts with: `[CARD]`, `[CARD#k1:9f3a2c7159ab03de]`, `[UNSCANNED 12 bytes]`.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let head = &bytes[..bytes.len().min(LONGEST)];
        let close = head.iter().position(|byte| *byte == b']')?;
        let inside = head.get(1..close)?;
        let name = inside
            .iter()
            .take_while(|byte| byte.is_ascii_uppercase() || **byte == b'_')
            .count();
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| kind.word().as_bytes() == &inside[..name])?;
        let mode = match &inside[name..] {
            [] => Mode::Tag,
            [b'#', rest @ ..] if is_hash(rest) => Mode::Hash,
            [b' ', rest @ ..] if rest.ends_with(b" bytes") => Mode::Tag,
            _ => return None,
        };
        Some(Self {
            kind,
            mode,
            length: close + 1,
        })
    }

    /// The last digits of a card that `bytes` starts with: `**** 4242`.
    pub(crate) fn read_partial(bytes: &[u8]) -> Option<Self> {
        let digits = bytes.strip_prefix(b"**** ")?.get(..4)?;
        digits.iter().all(u8::is_ascii_digit).then_some(Self {
            kind: Kind::Card,
            mode: Mode::Partial,
            length: 9,
        })
    }
}

/// `k1:9f3a2c7159ab03de`
fn is_hash(text: &[u8]) -> bool {
    text.split_last_chunk::<16>().is_some_and(|(id, hash)| {
        id.len() > 1
            && id.ends_with(b":")
            && hash
                .iter()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}
