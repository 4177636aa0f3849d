//! Ids: of calls, made here; of sessions, made here or told by the program.

use crate::Timestamp;
use serde::{Serialize, Serializer};
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// The id of one call: shaped like a UUID of version 7, so that ids sort by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u128);

impl CallId {
    /// Reads the form that [`Display`](fmt::Display) writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let dashed =
            text.len() == 36 && [8, 13, 18, 23].iter().all(|&i| text.as_bytes()[i] == b'-');
        let hex: String = text.chars().filter(|&char| char != '-').collect();
        let plain = dashed && hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| u128::from_str_radix(&hex, 16).ok().map(Self))?
    }
}

impl CallId {
    /// Writes the hyphenated form into `room`.
    fn hyphenated(self, room: &mut [u8; 36]) -> &str {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut id = self.0;
        for (at, byte) in room.iter_mut().enumerate().rev() {
            if matches!(at, 8 | 13 | 18 | 23) {
                *byte = b'-';
            } else {
                *byte = DIGITS[(id & 0xf) as usize];
                id >>= 4;
            }
        }
        std::str::from_utf8(room).unwrap_or_default()
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.hyphenated(&mut [0; 36]))
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for CallId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.hyphenated(&mut [0; 36]))
    }
}

/// Makes [`CallId`]s without a call into the kernel: the caller brings the time.
///
/// Ids of one generator differ for certain while fewer than 2⁶² are made; those of two differ by their random seeds.
#[derive(Debug)]
pub struct Ids {
    seed: u64,
    next: AtomicU64,
}

impl Ids {
    /// A generator with a seed from the operating system.
    #[must_use]
    pub fn random() -> Self {
        Self::seeded(RandomState::new().hash_one(std::process::id()))
    }

    /// A generator that makes the same ids for the same seed and times.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            next: AtomicU64::new(0),
        }
    }

    /// The next id.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> CallId {
        let n = self.next.fetch_add(1, Relaxed);
        let millis = (now.micros() / 1_000) as u128 & 0xffff_ffff_ffff;
        // Mixing is a bijection of `n`; its upper 62 bits differ almost always, the 12 below tell the rest apart.
        let high = mix(self.seed ^ n);
        let low = mix(self.seed.rotate_left(32).wrapping_add(high));
        let random_a = u128::from(low & 0xfff);
        let random_b = u128::from(high >> 2);
        CallId(millis << 80 | 0x7 << 76 | random_a << 64 | 0b10 << 62 | random_b)
    }
}

/// The finalizer of SplitMix64.
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The id of one session: 1 to 64 of `A-Z a-z 0-9 . _ : -`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// Takes an id that the program chose. It should not name a person: a telephone number becomes a keyed hash where the
    /// session [begins](crate::Session::begin).
    ///
    /// # Errors
    ///
    /// When it is empty, longer than 64 bytes, or holds anything but letters, digits and `. _ : -`.
    pub fn new(id: &str) -> Result<Self, BadId> {
        let shaped = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if id.is_empty() || id.len() > 64 || !id.bytes().all(shaped) {
            return Err(BadId(()));
        }
        Ok(Self(id.into()))
    }

    /// An id of ours, for a session that nobody has named.
    #[must_use]
    pub fn from_call(id: CallId) -> Self {
        Self(id.to_string().into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A text that cannot be an id. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadId(());

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id has 1 to 64 letters, digits and . _ : -")
    }
}

impl std::error::Error for BadId {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_differ_and_sort_by_time() {
        let ids = Ids::seeded(7);
        let early: HashSet<_> = (0..10_000)
            .map(|_| ids.next(Timestamp(1_000_000)))
            .collect();
        let late = ids.next(Timestamp(1_001_000));

        assert_eq!(early.len(), 10_000);
        assert!(early.iter().all(|id| *id < late));
    }

    #[test]
    fn an_id_is_a_uuid_of_version_7_and_is_read_again() {
        let id = Ids::random().next(Timestamp(1_795_485_029_000_000));
        let text = id.to_string();

        assert_eq!((&text[14..15], text.len()), ("7", 36));
        assert!("89ab".contains(&text[19..20]));
        assert_eq!(CallId::parse(&text), Some(id));
        assert_eq!(
            CallId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef).to_string(),
            "01234567-89ab-cdef-0123-456789abcdef"
        );
        assert_eq!(CallId::parse("naïve-------------------------------"), None);
    }

    #[test]
    fn a_telephone_number_with_a_plus_is_no_id() {
        assert!(SessionId::new("call-7").is_ok());
        for bad in ["", "+1 202 555 0143", "a b", "ü", &"x".repeat(65)] {
            assert!(SessionId::new(bad).is_err());
        }
    }
}
