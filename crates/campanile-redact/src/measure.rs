/// What may always be said about a text: how long it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Measure {
    /// Unicode scalar values.
    pub chars: u64,
    /// Runs of anything but white space.
    pub words: u64,
}

/// Measures `text`.
///
/// ```
/// let measure = campanile_redact::measure("call me back");
/// assert_eq!((measure.chars, measure.words), (12, 3));
/// ```
#[must_use]
pub fn measure(text: &str) -> Measure {
    Measure {
        chars: text.chars().count() as u64,
        words: text.split_whitespace().count() as u64,
    }
}
