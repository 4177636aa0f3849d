use crate::Kind;

/// How many finds of each kind were masked. Says that redaction works without saying what it saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u32; Kind::COUNT]);

impl Counts {
    /// How many finds of `kind`.
    #[must_use]
    pub const fn of(&self, kind: Kind) -> u32 {
        self.0[kind.index()]
    }

    /// How many finds of all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().copied().map(u64::from).sum()
    }

    /// Kinds that occurred, with their number.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, u32)> + '_ {
        Kind::ALL
            .into_iter()
            .map(|kind| (kind, self.of(kind)))
            .filter(|(_, count)| *count > 0)
    }

    /// Adds another text's counts. Saturates.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = mine.saturating_add(theirs);
        }
    }

    pub(crate) fn note(&mut self, kind: Kind) {
        let count = &mut self.0[kind.index()];
        *count = count.saturating_add(1);
    }
}
