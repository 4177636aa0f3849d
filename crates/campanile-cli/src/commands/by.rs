//! What rows are made of.

use crate::fault::Fault;
use crate::table::{Cell, Tone};
use campanile_sinks::ledger::{Dimension, Query};
use std::borrow::Cow;

/// One word of `--by`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Provider,
    Model,
    Stage,
    Session,
    Day,
    Hour,
    Outcome,
    Label(String),
}

const NAMES: [(&str, By); 7] = [
    ("provider", By::Provider),
    ("model", By::Model),
    ("stage", By::Stage),
    ("session", By::Session),
    ("day", By::Day),
    ("hour", By::Hour),
    ("outcome", By::Outcome),
];

impl By {
    /// For the command line.
    pub(crate) fn parse(word: &str) -> Result<Self, String> {
        if let Some(name) = word.strip_prefix("label:").filter(|name| !name.is_empty()) {
            return Ok(Self::Label(name.to_owned()));
        }
        let known = NAMES.iter().find(|(name, _)| *name == word);
        known.map(|(_, by)| by.clone()).ok_or_else(|| {
            "rows are made of provider, model, stage, session, day, hour, outcome or label:NAME"
                .to_owned()
        })
    }

    /// The name of the column.
    pub(crate) fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Label(name) => Cow::Owned(format!("label:{name}")),
            by => NAMES
                .iter()
                .find(|(_, known)| known == by)
                .map_or(Cow::Borrowed("?"), |(name, _)| Cow::Borrowed(*name)),
        }
    }

    /// Whether rows of it stand in the order of time.
    pub(crate) fn is_time(&self) -> bool {
        matches!(self, Self::Day | Self::Hour)
    }

    fn dimension(&self) -> Dimension {
        match self {
            Self::Provider => Dimension::Provider,
            Self::Model => Dimension::Model,
            Self::Stage => Dimension::Stage,
            Self::Session => Dimension::Session,
            Self::Day => Dimension::Day,
            Self::Hour => Dimension::Hour,
            Self::Outcome => Dimension::Outcome,
            Self::Label(_) => Dimension::Label,
        }
    }
}

/// Rows by these; at most `most` different ones.
pub(crate) fn rows_by(query: Query, by: &[By], most: usize) -> Result<Query, Fault> {
    let twice = (1..by.len()).any(|n| by[..n].contains(&by[n]));
    let labels = by.iter().filter(|by| matches!(by, By::Label(_))).count();
    if by.is_empty() || by.len() > most || twice || labels > 1 {
        let count = if most == 2 { "one or two" } else { "a few" };
        return Err(Fault::Usage(format!(
            "--by takes {count} different words, and one label, such as `--by stage,outcome`"
        )));
    }
    let mut query = query.by(by.iter().map(By::dimension).collect::<Vec<_>>());
    for by in by {
        if let By::Label(name) = by {
            query = query.label(name);
        }
    }
    Ok(query)
}

/// A key; a dash where nobody said.
pub(crate) fn key_cell(key: &str) -> Cell {
    match key.is_empty() {
        true => Cell::new("–").tone(Tone::Dim),
        false => Cell::new(key),
    }
}
