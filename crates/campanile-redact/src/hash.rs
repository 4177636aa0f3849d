use std::hash::{BuildHasher, RandomState};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::kind::Kind;
use crate::run::Run;
use crate::token::Text;

/// The key of [`Mode::Hash`](crate::Mode::Hash). Wiped from memory when dropped; `Debug` shows its id only.
///
/// Card numbers and phone numbers can be enumerated, so a hash without a key hides nothing. Change the id with the key.
#[derive(Clone)]
pub struct HashKey {
    id: String,
    key: Zeroizing<[u8; 32]>,
}

impl HashKey {
    /// A key and the short id that is written next to each hash. `None` unless the key has 32 bytes at least (more are
    /// ignored) and the id is 1 to 16 ASCII letters and digits.
    #[must_use]
    pub fn new(id: &str, key: &[u8]) -> Option<Self> {
        let named =
            (1..=16).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let key: [u8; 32] = key.get(..32)?.try_into().ok()?;
        named.then(|| Self {
            id: id.to_owned(),
            key: Zeroizing::new(key),
        })
    }

    /// A key that nobody knows and that goes with the process, for ids that need not be the same tomorrow.
    #[must_use]
    pub fn of_process() -> Self {
        let random = RandomState::new();
        let mut key = Zeroizing::new([0; 32]);
        for (at, part) in key.chunks_exact_mut(8).enumerate() {
            part.copy_from_slice(&random.hash_one(at).to_le_bytes());
        }
        Self {
            id: "run".to_owned(),
            key,
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Writes `[CARD#k1:9f3a2c7159ab03de]`: 64 bits of an HMAC-SHA-256 over kind and normalised value.
    pub(crate) fn write(&self, kind: Kind, value: &str, out: &mut String) {
        let sum = self.sum(kind, value);
        out.extend(["[", kind.word(), "#", &self.id, ":", &sum, "]"]);
    }

    /// Sixteen hex digits.
    pub(crate) fn sum(&self, kind: Kind, value: &str) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key[..]).expect("HMAC takes keys of any length");
        mac.update(kind.word().as_bytes());
        mac.update(&[0]);
        mac.update(normal(kind, value).as_bytes());
        let sum = mac.finalize().into_bytes();
        let digits = sum[..8].iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits
            .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
            .collect()
    }
}

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HashKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// One spelling for one value: spoken and written digits are the same number, an address has no case.
fn normal(kind: Kind, value: &str) -> Zeroizing<String> {
    let normal = match kind {
        Kind::Card
        | Kind::Ssn
        | Kind::Phone
        | Kind::BankAccount
        | Kind::AuthCode
        | Kind::Number => digits(value),
        Kind::Email | Kind::Person | Kind::Iban | Kind::Mac | Kind::Address => value
            .chars()
            .filter(|c| !c.is_whitespace())
            .flat_map(char::to_lowercase)
            .collect(),
        _ => value.to_owned(),
    };
    Zeroizing::new(normal)
}

fn digits(value: &str) -> String {
    let text = Text::new(value);
    match Run::parse(&text, 0) {
        Some(run) => run
            .digits()
            .iter()
            .map(|digit| char::from(digit + b'0'))
            .collect(),
        None => value.chars().filter(char::is_ascii_digit).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(key: &HashKey, kind: Kind, value: &str) -> String {
        let mut out = String::new();
        key.write(kind, value, &mut out);
        out
    }

    #[test]
    fn a_short_key_is_no_key() {
        assert!(HashKey::new("k1", &[7; 31]).is_none());
        assert!(HashKey::new("", &[7; 32]).is_none());
    }

    #[test]
    fn spoken_and_written_numbers_are_the_same_number() {
        let key = HashKey::new("k1", &[7; 32]).unwrap();

        let spoken = hash(
            &key,
            Kind::Phone,
            "two one two triple five oh one two three",
        );

        assert_eq!(spoken, hash(&key, Kind::Phone, "(212) 555-0123"));
        assert_ne!(
            spoken,
            hash(&key, Kind::Card, "212 555 0123"),
            "the kind is part of it"
        );
        assert_eq!(spoken.len(), "[PHONE#k1:]".len() + 16);
    }

    #[test]
    fn debug_shows_no_key() {
        let key = HashKey::new("k1", &[b'z'; 32]).unwrap();

        assert_eq!(format!("{key:?}"), r#"HashKey { id: "k1", .. }"#);
    }
}
