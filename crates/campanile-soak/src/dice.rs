//! Numbers that the seed decides, for a purpose, whatever else is asked for.

/// A stream of numbers.
#[derive(Debug)]
pub(crate) struct Dice(fastrand::Rng);

impl Dice {
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        let bytes = seed.to_le_bytes();
        let all = bytes.iter().chain(purpose.as_bytes());
        Self(fastrand::Rng::with_seed(
            all.fold(0xcbf2_9ce4_8422_2325, fnv),
        ))
    }

    /// From `least` to `most`, both included.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        self.0.u64(least..=most.max(least))
    }

    /// True that many times of a hundred.
    pub(crate) fn percent(&mut self, share: u64) -> bool {
        self.0.u64(0..100) < share
    }
}
