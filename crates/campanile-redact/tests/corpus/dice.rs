//! Chance from a seed, so that the same seed makes the same sentences.

pub(crate) struct Dice(fastrand::Rng);

pub(crate) const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";
pub(crate) const CAPITALS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
pub(crate) const DIGITS: &str = "0123456789";
pub(crate) const HEX: &str = "0123456789abcdef";

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.usize(..end)
    }

    /// Once in `n` times.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// So many characters of an alphabet.
    pub(crate) fn text(&mut self, length: usize, alphabet: &str) -> String {
        let alphabet = alphabet.as_bytes();
        (0..length)
            .map(|_| char::from(self.pick(alphabet)))
            .collect()
    }

    pub(crate) fn digits(&mut self, length: usize) -> String {
        self.text(length, DIGITS)
    }

    /// A number of so many digits that does not begin with a zero.
    pub(crate) fn number(&mut self, length: usize) -> String {
        self.text(1, "123456789") + &self.digits(length - 1)
    }

    /// A pattern in which `#` is a digit, `N` one of 2 to 9, and all else itself.
    pub(crate) fn pattern(&mut self, pattern: &str) -> String {
        let mut digit = |c| match c {
            '#' => self.text(1, DIGITS),
            'N' => self.text(1, "23456789"),
            c => String::from(c),
        };
        pattern.chars().map(&mut digit).collect()
    }
}
