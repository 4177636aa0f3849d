//! The delta of an event that is written as its maker always writes it: found without reading what stands before it.

use memchr::memmem;

/// Finds deltas. Nearly every event of a stream has one.
#[derive(Debug)]
pub(crate) struct Deltas(memmem::Finder<'static>);

impl Default for Deltas {
    fn default() -> Self {
        Self(memmem::Finder::new(b"\"delta\":"))
    }
}

impl Deltas {
    /// The raw delta of a message that begins with `head`, and what stands behind it; `None` where it must be read key by
    /// key. No string holds the key: its quotes would be escaped there.
    pub(crate) fn find<'a>(&self, head: &str, message: &'a str) -> Option<&'a str> {
        let rest = message.strip_prefix(head)?;
        let at = self.0.find(rest.as_bytes())?;
        Some(rest.get(at + self.0.needle().len()..)?.trim_start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_a_string_is_none() {
        let deltas = Deltas::default();
        let message = r#"{"type":"x","id":"\"delta\":1","delta": {"text":"Hi"}}"#;

        let found = deltas.find(r#"{"type":"x","#, message);

        assert_eq!(found, Some(r#"{"text":"Hi"}}"#));
        assert_eq!(deltas.find(r#"{"type":"y","#, message), None);
    }
}
