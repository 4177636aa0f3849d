//! What can be wrong with a price book.

use std::fmt;

/// Why a book was refused: which row, which field, and what to do.
#[derive(Debug)]
pub struct BookError {
    row: Option<String>,
    field: String,
    says: String,
    source: Option<Box<toml::de::Error>>,
}

impl BookError {
    pub(crate) fn new(
        row: impl Into<String>,
        field: impl Into<String>,
        says: impl Into<String>,
    ) -> Self {
        Self {
            row: Some(row.into()),
            field: field.into(),
            says: says.into(),
            source: None,
        }
    }

    /// The row, as `price 3 (deepgram nova-3)`; `None` where the text is not TOML of this shape.
    #[must_use]
    pub fn row(&self) -> Option<&str> {
        self.row.as_deref()
    }

    /// The field of the row.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }
}

impl From<toml::de::Error> for BookError {
    fn from(source: toml::de::Error) -> Self {
        Self {
            row: None,
            field: String::new(),
            says: "the price book is not TOML of the right shape".into(),
            source: Some(Box::new(source)),
        }
    }
}

impl fmt::Display for BookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.row, &self.source) {
            (Some(row), _) => write!(f, "{row}: `{}`: {}", self.field, self.says),
            (None, Some(source)) => write!(f, "{}: {source}", self.says),
            (None, None) => f.write_str(&self.says),
        }
    }
}

impl std::error::Error for BookError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
