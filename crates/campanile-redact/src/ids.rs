//! Ids from outside: a telephone number that serves as an id becomes a keyed hash.

use std::borrow::Cow;

use crate::detect::key;
use crate::hash::HashKey;
use crate::kind::Kind;
use crate::mode::Mode;
use crate::policy::Policy;
use crate::redactor::Redactor;

/// Looks at ids and names that others chose, once, where they come in. Most stay as they are: UUIDs, counters, hashes,
/// timestamps, names of models. One that is or holds a card, a telephone number, an e-mail address or a key
/// becomes a keyed hash, so that it still tells one caller from the next.
///
/// ```
/// use campanile_redact::{HashKey, IdGuard};
///
/// let guard = IdGuard::new(HashKey::new("k1", &[7; 32]).unwrap());
///
/// assert_eq!(guard.checked("call-7"), "call-7");
/// assert_eq!(guard.checked("12025550143"), guard.checked("12025550143"));
/// assert!(guard.checked("12025550143").starts_with("phone-k1-"));
/// ```
#[derive(Clone, Debug)]
pub struct IdGuard {
    redactor: Redactor,
    key: HashKey,
}

/// Kinds that an id can be by accident of a design. Others (names, codes) look like ids.
const KINDS: [Kind; 11] = [
    Kind::PrivateKey,
    Kind::Jwt,
    Kind::UrlCredentials,
    Kind::ApiKey,
    Kind::Email,
    Kind::Iban,
    Kind::Card,
    Kind::Crypto,
    Kind::Ip,
    Kind::Ssn,
    Kind::Phone,
];

impl IdGuard {
    /// A guard that hashes with this key. The same key gives the same caller the same id in every process.
    #[must_use]
    pub fn new(key: HashKey) -> Self {
        let policy = Policy::new().every(Mode::Keep);
        let policy = KINDS
            .iter()
            .fold(policy, |policy, kind| policy.mode(*kind, Mode::Tag));
        let redactor = Redactor::new(policy).expect("tags need no key");
        Self { redactor, key }
    }

    /// The id, or what stands in its place: letters, digits and `-`, at most 64 bytes.
    #[must_use]
    pub fn checked<'a>(&self, id: &'a str) -> Cow<'a, str> {
        if self.is_ours(id) {
            return Cow::Borrowed(id);
        }
        match self.holds(id) {
            Some(kind) => Cow::Owned(self.hashed(kind, id)),
            None => Cow::Borrowed(id),
        }
    }

    fn holds(&self, id: &str) -> Option<Kind> {
        // Few ids have anything to look at.
        let digits = id.bytes().filter(u8::is_ascii_digit).count();
        if digits < 7 && !id.contains('@') && id.len() < 20 {
            return None;
        }
        let find = self.redactor.scan(id).into_iter().next();
        find.map(|find| find.kind)
            .or_else(|| has_bare_number(id).then_some(Kind::Phone))
    }

    fn hashed(&self, kind: Kind, id: &str) -> String {
        let word = kind.word().to_ascii_lowercase().replace('_', "-");
        let mut sum = self.key.sum(kind, id);
        // It is told from a number by a letter.
        if sum.bytes().all(|byte| byte.is_ascii_digit()) {
            sum.replace_range(..1, "a");
        }
        format!("{word}-{}-{sum}", self.key.id())
    }

    /// Whether this is a hash of ours already.
    fn is_ours(&self, id: &str) -> bool {
        let Some((front, sum)) = id.rsplit_once('-') else {
            return false;
        };
        let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let word = front
            .strip_suffix(self.key.id())
            .and_then(|word| word.strip_suffix('-'));
        sum.len() == 16
            && sum.as_bytes().iter().all(hex)
            && sum.bytes().any(|byte| byte.is_ascii_alphabetic())
            && word.is_some_and(|word| Kind::of_word(&word.replace('-', "_")).is_some())
    }
}

/// Whether a run of digits between two borders could be dialled, though nothing says so.
fn has_bare_number(id: &str) -> bool {
    if is_hex(id) {
        return false;
    }
    let runs = id.split(|char: char| !char.is_ascii_alphanumeric());
    runs.filter(|run| run.bytes().all(|byte| byte.is_ascii_digit()))
        .any(is_dialled)
}

/// UUIDs and the like: groups of hex digits, of which one may be all digits.
fn is_hex(id: &str) -> bool {
    let digits = id.bytes().filter(u8::is_ascii_hexdigit).count();
    let letters = id.bytes().any(|byte| matches!(byte | 32, b'a'..=b'f'));
    letters
        && digits >= 20
        && id
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
        || id.as_bytes().windows(36).any(key::is_uuid)
}

/// Whether these digits have the form of a telephone number somewhere: of ten or eleven in North America, with a
/// country's code in front, or with a zero. Times (`20240131…`, seconds since 1970) have not.
fn is_dialled(digits: &str) -> bool {
    let bytes = digits.as_bytes();
    let american = |bytes: &[u8]| bytes.len() == 10 && bytes[0] > b'1' && bytes[3] > b'1';
    match bytes {
        [b'0', b'0', rest @ ..] => (9..=15).contains(&rest.len()),
        [b'0', ..] => (10..=12).contains(&bytes.len()) && bytes[1] > b'0',
        [b'1', rest @ ..] => american(rest),
        _ if is_day(bytes) => false,
        _ => american(bytes) || (11..=13).contains(&bytes.len()) && has_country(digits),
    }
}

fn is_day(bytes: &[u8]) -> bool {
    let number = |from: usize, to: usize| {
        let digits = bytes.get(from..to).unwrap_or_default();
        let sum = |sum: u32, byte: &u8| sum * 10 + u32::from(byte - b'0');
        digits.iter().fold(0, sum)
    };
    bytes.len() >= 8
        && (1970..2100).contains(&number(0, 4))
        && (1..=12).contains(&number(4, 6))
        && (1..=31).contains(&number(6, 8))
}

/// Whether a country's code stands first: one of two digits, or the first two of one of three.
fn has_country(digits: &str) -> bool {
    const CODES: &str = "20 21 22 23 24 25 26 27 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 \
        55 56 57 58 59 60 61 62 63 64 65 66 67 68 81 82 84 85 86 88 90 91 92 93 94 95 96 97 98 99";
    let code = &digits[..2];
    code.starts_with('7') || CODES.split(' ').any(|known| known == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> IdGuard {
        IdGuard::new(HashKey::new("k1", &[7; 32]).unwrap())
    }

    #[test]
    fn ids_and_names_stay_readable() {
        let guard = guard();
        for id in [
            "call-7",
            "01932f2e-8f4a-7c3e-9d2b-5e1f4a2291c7",
            "01932f2e-8f4a-7c3e-9d2b-447911123456",
            "sess_01932f2e-8f4a-7c3e-9d2b-447911123456",
            "CA3b1f8f2a4c5d6e7f8091a2b3c4d5e6f7",
            "req_011CSHoEeqs5C35K2UUqYf9b",
            "chatcmpl-9XyZabCdEfGhIjKlMnOpQrStUvWx",
            "20240131123456",
            "202401311234",
            "1717171717",
            "1717171717123",
            "1717171717123456",
            "session-20240131-000123",
            "gpt-4o-mini-2024-07-18",
            "us.anthropic.claude-3-5-sonnet-20241022-v2:0",
            "@cf/meta/llama-3.1-8b-instruct-fp8-fast",
            "meta-llama/Llama-3.3-70B-Instruct:free",
            "ft:gpt-4o-mini-2024-07-18:acme::9XyZabCd",
            "eleven_turbo_v2_5",
            "rate_limit_exceeded",
            "123456",
            "v1.2.3-rc.4",
            "d41d8cd98f00b204e9800998ecf8427e",
            "eu-central-1",
        ] {
            assert_eq!(guard.checked(id), id);
        }
    }

    #[test]
    fn what_names_a_person_becomes_a_hash() {
        let guard = guard();
        let card = ["4", &"1".repeat(15)].concat();
        let key = ["sk", "proj", &"Zk9aB3".repeat(9)].join("-");
        for id in [
            "12025550143",
            "+12025550143",
            "2025550143",
            "447911123456",
            "4915123456789",
            "0044-7911-123456",
            "07911123456",
            "call-2025550143",
            "call:202-555-0143",
            "+1-202-555-0143",
            "tel.447911123456.7",
            "jo@example.com",
            card.as_str(),
            key.as_str(),
        ] {
            let checked = guard.checked(id);
            assert_ne!(checked, id);
            assert!(
                checked.len() <= 64 && !checked.contains("0143"),
                "{checked}"
            );
            assert_eq!(guard.checked(&checked), checked);
        }
    }

    #[test]
    fn another_key_gives_another_hash() {
        let other = IdGuard::new(HashKey::new("k2", &[8; 32]).unwrap());
        assert_ne!(guard().checked("12025550143"), other.checked("12025550143"));
        let looks_like_ours = format!("phone-k1-{}", "4111111111111111");
        assert_ne!(guard().checked(&looks_like_ours), looks_like_ours);
    }
}
