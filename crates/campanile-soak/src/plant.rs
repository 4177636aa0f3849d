//! Defects that can be planted, at seams that every program has: around a sink, around the price book.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A defect that the soak must find, and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Plant {
    /// What an interrupted call has used is forgotten.
    UsageDropped,
    /// A call is recorded a second time.
    EventTwice,
    /// A kilobyte is kept for each turn.
    Leak,
    /// Somebody's words stand in a field of a log line.
    Canary,
    /// A cost is one grain too high.
    Grain,
    /// A line is lost, and not counted.
    LineLost,
    /// An alert rings twice.
    AlertTwice,
}

impl Plant {
    /// The word on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::UsageDropped => "usage-dropped",
            Self::EventTwice => "event-twice",
            Self::Leak => "leak",
            Self::Canary => "canary",
            Self::Grain => "grain",
            Self::LineLost => "line-lost",
            Self::AlertTwice => "alert-twice",
        }
    }
}
