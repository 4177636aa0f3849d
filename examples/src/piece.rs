//! One message of a wire, decoded once.

use campanile::{Facts, Failure, Moment, Noted, Served, Tally};

/// What the program needs of a message, beside what a decoder has noted of it.
#[derive(Debug)]
pub struct Piece<T> {
    /// What the program needs.
    pub what: T,
    noted: Noted,
}

impl<T> Piece<T> {
    /// A message and its facts.
    pub fn new(what: T, noted: Noted) -> Self {
        Self { what, noted }
    }

    /// The text in it, where it holds any.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.noted.spoken()
    }

    /// How many deltas of a language model it holds.
    #[must_use]
    pub fn deltas(&self) -> u32 {
        self.noted.noted_seen()
    }
}

impl<T> Facts for Piece<T> {
    fn usage(&self, tally: &Tally) {
        self.noted.usage(tally);
    }
    fn spoken(&self) -> Option<&str> {
        self.noted.spoken()
    }
    fn failure(&self) -> Option<Failure> {
        self.noted.failure()
    }
    fn served(&self, served: &mut Served) {
        self.noted.served(served);
    }
    fn moment(&self) -> Moment {
        self.noted.moment()
    }
}
