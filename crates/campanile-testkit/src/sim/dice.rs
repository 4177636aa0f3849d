//! Numbers that a seed decides.

/// A stream of numbers that depends on what it was made from, and on nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Dice(fastrand::Rng);

impl Dice {
    /// Different words or numbers give streams that have nothing to do with each other.
    pub(crate) fn new(seed: u64, word: &str, number: u64) -> Self {
        let mut mixed = fnv(seed ^ 0xcbf2_9ce4_8422_2325, word.as_bytes());
        mixed = fnv(mixed, &number.to_le_bytes());
        Self(fastrand::Rng::with_seed(mixed))
    }

    /// A number from 0 to `most`, both included.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        self.0.u64(0..=most)
    }

    /// A number from `least` to `most`, both included.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        self.0.u64(least..=most.max(least))
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.0.usize(0..from.len())]
    }

    pub(crate) fn hex(&mut self, digits: usize) -> String {
        self.spell(b"0123456789abcdef", digits)
    }

    pub(crate) fn letters(&mut self, count: usize) -> String {
        self.spell(
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            count,
        )
    }

    /// Shaped as a random UUID is.
    pub(crate) fn uuid(&mut self) -> String {
        let variant = self.spell(b"89ab", 1);
        format!(
            "{}-{}-4{}-{variant}{}-{}",
            self.hex(8),
            self.hex(4),
            self.hex(3),
            self.hex(3),
            self.hex(12)
        )
    }

    fn spell(&mut self, alphabet: &[u8], count: usize) -> String {
        (0..count)
            .map(|_| char::from(alphabet[self.0.usize(0..alphabet.len())]))
            .collect()
    }
}

/// FNV-1a: the same number for the same bytes, on every machine and in every release.
pub(crate) fn fnv(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
