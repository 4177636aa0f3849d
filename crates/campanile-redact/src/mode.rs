use serde::{Deserialize, Serialize};

/// What stands in the text instead of a find. Ordered from the most readable to the strictest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// The find itself: the kind is not looked for.
    Keep,
    /// `**** 4242`: the last four digits of a card of at least 12. Of everything else, the tag.
    Partial,
    /// `[CARD#k1:9f3a2c7159ab03de]`: the same for the same value, so that a caller can be followed over events. Needs a key.
    Hash,
    /// `[CARD]`.
    #[default]
    Tag,
    /// `***`, whatever the kind and the length.
    Mask,
    /// Nothing.
    Drop,
}

impl Mode {
    /// Every mode, from the most readable to the strictest.
    pub const ALL: [Self; 6] = [
        Self::Keep,
        Self::Partial,
        Self::Hash,
        Self::Tag,
        Self::Mask,
        Self::Drop,
    ];

    /// The name in configurations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Partial => "partial",
            Self::Hash => "hash",
            Self::Tag => "tag",
            Self::Mask => "mask",
            Self::Drop => "drop",
        }
    }
}
