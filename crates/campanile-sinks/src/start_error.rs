//! Why a sink could not start.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// A sink could not start: what, where, why, and what to do about it, in one line.
#[derive(Debug)]
pub struct StartError {
    what: &'static str,
    place: PathBuf,
    advice: &'static str,
    source: io::Error,
}

impl StartError {
    pub(crate) fn new(
        what: &'static str,
        place: &Path,
        source: io::Error,
        advice: &'static str,
    ) -> Self {
        Self {
            what,
            place: place.to_owned(),
            advice,
            source,
        }
    }

    /// The path (or the address) that it is about.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            place,
            advice,
            source,
        } = self;
        write!(f, "cannot {what} {place:?}: {source}; {advice}")
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
