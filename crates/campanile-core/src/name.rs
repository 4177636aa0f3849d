//! Names from outside: models, providers, codes.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, ops::Deref, sync::Arc};

/// The longest name that is kept.
pub const MAX_NAME_BYTES: usize = 128;

/// A short name: of a model, a provider, a tier, an error code. Cheap to clone.
///
/// What a peer sends is content until it has the shape of a name: [`Name::outside`] takes letters, digits and
/// `. _ : - / @ + #` only, up to [`MAX_NAME_BYTES`], so that no sentence, escape sequence or formula can travel as one.
#[derive(Clone)]
pub struct Name(Repr);

#[derive(Clone)]
enum Repr {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Name {
    /// A name that the program itself chose.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        Self(Repr::Static(name))
    }

    /// A name that somebody else sent; `None` where it does not look like one.
    #[must_use]
    pub fn outside(name: &str) -> Option<Self> {
        let shaped = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-/@+#".contains(&byte);
        let fits = !name.is_empty() && name.len() <= MAX_NAME_BYTES && name.bytes().all(shaped);
        fits.then(|| Self(Repr::Shared(name.into())))
    }

    /// Whether it stands in the program's source.
    #[must_use]
    pub fn is_static(&self) -> bool {
        matches!(self.0, Repr::Static(_))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Static(name) => name,
            Repr::Shared(name) => name,
        }
    }
}

impl Default for Name {
    fn default() -> Self {
        Self::from_static("")
    }
}

impl Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Name {}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl std::hash::Hash for Name {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl From<&'static str> for Name {
    fn from(name: &'static str) -> Self {
        Self::from_static(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

/// An empty one is what [`Name::default`] writes.
impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.is_empty() {
            true => Ok(Self::default()),
            false => Self::outside(&text).ok_or_else(|| D::Error::custom("this is no name")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_not_a_name() {
        assert_eq!(
            Name::outside("gpt-4o-mini-2024-07-18").unwrap(),
            "gpt-4o-mini-2024-07-18"
        );
        assert_eq!(
            Name::outside("meta-llama/Llama-3.3:free").unwrap(),
            "meta-llama/Llama-3.3:free"
        );
        for bad in [
            "",
            "my card is 4111",
            "=cmd()",
            "\u{1b}[31m",
            "naïve",
            &"x".repeat(129),
        ] {
            assert_eq!(Name::outside(bad), None, "{bad}");
        }
    }
}
