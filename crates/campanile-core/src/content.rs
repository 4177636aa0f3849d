//! What people say ([`Content`]), and what may be written of it ([`Redacted`]).

use serde::Serialize;
use std::fmt;
use zeroize::Zeroize;

/// What a person said or heard, or what may hold it. It shows its size and never itself, and is wiped when it is dropped: an error's
/// text may hold a key.
///
/// There is no `Display`, `Serialize`, `Deref`, `AsRef` or `Into<String>`, so that it cannot be written by accident:
///
/// ```compile_fail
/// let content = campanile_core::Content::new("my card is 4111".to_owned());
/// println!("{content}");
/// ```
/// ```compile_fail
/// let content = campanile_core::Content::new("my card is 4111".to_owned());
/// let text: &str = &content;
/// ```
/// ```compile_fail
/// fn written(_: impl serde::Serialize) {}
/// written(campanile_core::Content::new("my card is 4111".to_owned()));
/// ```
#[derive(PartialEq, Eq)]
pub struct Content<T: ?Sized + Zeroize = str>(Box<T>);

impl Content {
    /// Takes text in.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the pipeline. The name is long so that a review finds each use.
    #[must_use]
    pub fn expose_content(&self) -> &str {
        &self.0
    }

    /// Its size, which anybody may know.
    #[must_use]
    pub fn measure(&self) -> Measure {
        Measure::of(&self.0)
    }
}

impl<T: ?Sized + Zeroize> Drop for Content<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Clone for Content {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.0.len())
    }
}

/// The size of a text: what may be known of it everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Measure {
    /// Unicode scalar values.
    pub chars: u64,
    /// Runs of anything but white space.
    pub words: u64,
}

impl Measure {
    /// Measures one text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut measure = Gauge::default();
        measure.add(text);
        measure.measure()
    }
}

/// Measures a text that comes in pieces: a word that is cut in two counts once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauge {
    measure: Measure,
    in_word: bool,
}

impl Gauge {
    /// Measures the next piece.
    #[inline]
    pub fn add(&mut self, piece: &str) {
        let (mut words, mut in_word, mut any) = (0, self.in_word, 0);
        for &byte in piece.as_bytes() {
            // What `char::is_whitespace` holds for ASCII.
            let is_space = byte == b' ' || byte.wrapping_sub(b'\t') < 5;
            words += u64::from(!is_space & !in_word);
            in_word = !is_space;
            any |= byte;
        }
        if any >= 0x80 {
            return self.add_any(piece);
        }
        self.measure.chars += piece.len() as u64;
        self.measure.words += words;
        self.in_word = in_word;
    }

    fn add_any(&mut self, piece: &str) {
        for char in piece.chars() {
            self.measure.chars += 1;
            let in_word = !char.is_whitespace();
            self.measure.words += u64::from(in_word && !self.in_word);
            self.in_word = in_word;
        }
    }

    /// The size so far.
    #[must_use]
    pub fn measure(&self) -> Measure {
        self.measure
    }
}

/// Text that went through a redactor on purpose. The only free text that an event can hold.
///
/// It proves that somebody redacted it, not that it holds nothing.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Redacted(Box<str>);

impl Redacted {
    /// The one constructor: runs `redactor` over `content`. A redactor that panics leaves `[UNSCANNED]`.
    #[must_use]
    pub fn new(content: &Content, redactor: &dyn Redact, counts: &mut Redactions) -> Self {
        let mut masked = String::new();
        let run =
            std::panic::AssertUnwindSafe(|| redactor.redact(content.expose_content(), &mut masked));
        match std::panic::catch_unwind(run) {
            Ok(found) => counts.absorb(&found),
            Err(_) => {
                masked = "[UNSCANNED]".to_owned();
                counts.add("UNSCANNED", 1);
            }
        }
        Self(masked.into())
    }

    /// The text that may be written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Finds and masks what must not be read. Implemented by `campanile-redact`, and by closures.
pub trait Redact: Send + Sync {
    /// Appends the masked text to `masked`, and says what was masked.
    fn redact(&self, text: &str, masked: &mut String) -> Redactions;
}

impl<F: Fn(&str, &mut String) -> Redactions + Send + Sync> Redact for F {
    fn redact(&self, text: &str, masked: &mut String) -> Redactions {
        self(text, masked)
    }
}

/// How many finds of which type were masked. No places, no lengths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redactions(Vec<(&'static str, u32)>);

impl Redactions {
    /// Adds finds of one type.
    pub fn add(&mut self, kind: &'static str, count: u32) {
        if count == 0 {
            return;
        }
        match self.0.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, sum)) => *sum = sum.saturating_add(count),
            None => self.0.push((kind, count)),
        }
    }

    /// Adds all finds of `other`.
    pub fn absorb(&mut self, other: &Redactions) {
        for &(kind, count) in &other.0 {
            self.add(kind, count);
        }
    }

    /// Whether nothing was masked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Types and their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u32)> + '_ {
        self.0.iter().copied()
    }
}

impl Serialize for Redactions {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_shows_its_size_only() {
        assert_eq!(
            format!("{:?}", Content::new("my card is 4111".to_owned())),
            "Content(15 bytes)"
        );
    }

    #[test]
    fn content_is_wiped_when_it_is_dropped() {
        struct Watched<'a>(&'a mut bool);
        impl Zeroize for Watched<'_> {
            fn zeroize(&mut self) {
                *self.0 = true;
            }
        }
        let mut wiped = false;
        drop(Content(Box::new(Watched(&mut wiped))));
        assert!(wiped);
    }

    #[test]
    fn a_word_cut_in_two_counts_once() {
        let mut gauge = Gauge::default();
        for piece in ["naï", "ve ca", "fé", "  ", "😀"] {
            gauge.add(piece);
        }
        assert_eq!(
            gauge.measure(),
            Measure {
                chars: 13,
                words: 3
            }
        );
        assert_eq!(gauge.measure(), Measure::of("naïve café  😀"));

        for byte in 0..128_u8 {
            let text = format!("a{}b", byte as char);
            let mut any = Gauge::default();
            any.add_any(&text);
            assert_eq!(Measure::of(&text), any.measure(), "{byte}");
        }
    }

    #[test]
    fn a_redactor_that_panics_lets_nothing_through() {
        let panics = |_: &str, masked: &mut String| -> Redactions {
            masked.push_str("my card");
            panic!("bug")
        };
        let mut counts = Redactions::default();

        let redacted = Redacted::new(
            &Content::new("my card is 4111".to_owned()),
            &panics,
            &mut counts,
        );

        assert_eq!(redacted.as_str(), "[UNSCANNED]");
        assert_eq!(counts.iter().collect::<Vec<_>>(), [("UNSCANNED", 1)]);
    }
}
