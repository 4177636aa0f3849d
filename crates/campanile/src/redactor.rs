//! The redactor of `campanile-redact`, for the seam of `campanile-core`.

use campanile_core::{Redact, Redactions};
use campanile_redact::Redactor;

/// Masks texts by the rules of a [`Redactor`].
#[derive(Debug)]
pub struct Masker(Redactor);

impl Masker {
    /// Masks by `redactor`'s policy.
    #[must_use]
    pub fn new(redactor: Redactor) -> Self {
        Self(redactor)
    }

    /// Masks by the standard policy: every kind of find becomes its tag, such as `[CARD]`.
    #[must_use]
    pub fn standard() -> Self {
        Self::new(Redactor::standard())
    }
}

impl Redact for Masker {
    fn redact(&self, text: &str, masked: &mut String) -> Redactions {
        let mut redactions = Redactions::default();
        for (kind, count) in self.0.mask_into(text, masked).iter() {
            redactions.add(kind.word(), count);
        }
        redactions
    }
}
