//! Texts and their numbers: a map whose hash takes eight bytes at a time.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hasher},
};

/// The numbers of texts.
pub(super) type Numbers = HashMap<Box<str>, i64, Quick>;

/// An odd number without a pattern: the fraction of the golden ratio.
const STIR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Makes hashers that start from a number of this process: who chooses a text does not choose its place.
#[derive(Clone, Debug)]
pub(super) struct Quick(u64);

impl Default for Quick {
    fn default() -> Self {
        Self(RandomState::new().hash_one(STIR))
    }
}

impl BuildHasher for Quick {
    type Hasher = QuickHasher;
    fn build_hasher(&self) -> QuickHasher {
        QuickHasher {
            seed: self.0,
            state: self.0,
        }
    }
}

/// Multiplies to twice the width and folds both halves, for each eight bytes.
#[derive(Debug)]
pub(super) struct QuickHasher {
    seed: u64,
    state: u64,
}

impl QuickHasher {
    fn stir(&mut self, word: u64) {
        let wide = u128::from(self.state ^ word) * u128::from(self.seed | 1);
        self.state = (wide as u64 ^ (wide >> 64) as u64).wrapping_add(STIR);
    }
}

impl Hasher for QuickHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.stir(u64::from_le_bytes(*word));
        }
        // With the length, so that zeros at the end count.
        let mut last = bytes.len() as u64;
        for byte in rest {
            last = last << 8 | u64::from(*byte);
        }
        self.stir(last);
    }

    /// The byte that ends a text tells nothing that its length does not.
    fn write_u8(&mut self, byte: u8) {
        self.state ^= u64::from(byte);
    }

    fn finish(&self) -> u64 {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn texts_that_look_alike_spread() {
        let quick = Quick::default();
        let texts: Vec<_> = (0..20_000).map(|i| format!("session-{i}")).collect();

        let hashes: HashSet<_> = texts.iter().map(|text| quick.hash_one(text)).collect();
        let low: HashSet<_> = hashes.iter().map(|hash| hash & 0xffff).collect();
        let high: HashSet<_> = hashes.iter().map(|hash| hash >> 57).collect();

        assert_eq!(hashes.len(), texts.len());
        assert!(low.len() > 16_000, "{}", low.len());
        assert_eq!(high.len(), 128);
    }

    #[test]
    fn the_length_of_a_text_counts() {
        let quick = Quick::default();
        let hashes: HashSet<_> = (0..40)
            .map(|len| quick.hash_one("\0".repeat(len)))
            .collect();

        assert_eq!(hashes.len(), 40);
    }
}
