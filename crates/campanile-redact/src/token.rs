//! One pass over the bytes: words and digit groups with what the lexicon knows of them, and the few signs that
//! announce something (`@`, `://`, `-----BEGIN`). All detectors walk these lists; none looks at all bytes again.

use crate::lexicon::{self, Lexicon, mean};
use crate::tag::Tag;

/// A run of letters and digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) bits: u32,
    pub(crate) value: u8,
    pub(crate) shape: u8,
}

const LOWER: u8 = 1;
const UPPER: u8 = 2;
const NUMERAL: u8 = 4;
const FOREIGN: u8 = 8;
/// A capital behind a small letter: `accountNumber`.
const HUMP: u8 = 16;

impl Token {
    pub(crate) fn has(&self, bits: u32) -> bool {
        self.bits & bits != 0
    }

    pub(crate) fn is_digits(&self) -> bool {
        self.shape == NUMERAL
    }

    pub(crate) fn is_word(&self) -> bool {
        self.shape & NUMERAL == 0
    }

    /// Letters and digits both.
    pub(crate) fn is_mixed(&self) -> bool {
        self.shape & NUMERAL != 0 && self.shape != NUMERAL
    }

    pub(crate) fn has_upper(&self) -> bool {
        self.shape & UPPER != 0
    }

    pub(crate) fn has_hump(&self) -> bool {
        self.shape & HUMP != 0
    }

    pub(crate) fn is_ascii(&self) -> bool {
        self.shape & FOREIGN == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Digits as numerals or as a word.
    pub(crate) fn is_number(&self) -> bool {
        self.is_digits() || self.has(mean::SPOKEN)
    }
}

/// A sign that announces something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// `@`
    At(usize),
    /// The `:` of `://`.
    Scheme(usize),
    /// `-----BEGIN`
    Begin(usize),
    /// `%40`, the `@` of a URL.
    EncodedAt(usize),
    /// `%2B`, the `+` of a URL, before a digit.
    EncodedPlus(usize),
}

/// A text, cut up.
pub(crate) struct Text<'t> {
    pub(crate) all: &'t str,
    pub(crate) bytes: &'t [u8],
    pub(crate) tokens: Vec<Token>,
    pub(crate) signs: Vec<Sign>,
}

const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' => LOWER,
            b'A'..=b'Z' => UPPER,
            b'0'..=b'9' => NUMERAL,
            0x80.. => FOREIGN,
            _ => 0,
        };
        byte += 1;
    }
    table
};

impl<'t> Text<'t> {
    pub(crate) fn new(all: &'t str) -> Self {
        let bytes = all.as_bytes();
        let mut text = Self {
            all,
            bytes,
            tokens: Vec::with_capacity(bytes.len() / 5 + 8),
            signs: Vec::new(),
        };
        let lexicon = Lexicon::get();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match CLASS[usize::from(byte)] {
                0 => {
                    text.sign(at, byte);
                    // Nothing is found in what an earlier pass has written, and its words are no cues.
                    at += match byte {
                        b'[' => Tag::read(&bytes[at..]).map_or(1, |tag| tag.length),
                        _ => 1,
                    };
                }
                FOREIGN if letter_length(all, at).is_none() => at += foreign_length(byte),
                _ => at = text.token(at, lexicon),
            }
        }
        text
    }

    #[inline]
    fn token(&mut self, start: usize, lexicon: &Lexicon) -> usize {
        let (mut at, mut shape, mut hash, mut last) = (start, 0, lexicon::seed(), 0);
        while let Some(&byte) = self.bytes.get(at) {
            match CLASS[usize::from(byte)] {
                0 => break,
                FOREIGN => match letter_length(self.all, at) {
                    Some(length) => (shape, at) = (shape | FOREIGN, at + length),
                    None => break,
                },
                class => {
                    shape |= class | (last & LOWER) << 4 & (class & UPPER) << 3;
                    last = class;
                    hash = lexicon::mix(hash, byte);
                    at += 1;
                }
            }
        }
        let known = if shape & FOREIGN == 0 && shape != NUMERAL && at - start < 14 {
            lexicon.look_up(hash, &self.bytes[start..at])
        } else {
            lexicon::Meaning::default()
        };
        // With digits among them it is no name, but random.
        let humps = match shape == LOWER | UPPER | HUMP && known.bits == 0 {
            true => humps(lexicon, &self.bytes[start..at]),
            false => 0,
        };
        self.tokens.push(Token {
            start,
            end: at,
            bits: known.bits | humps,
            value: known.value,
            shape,
        });
        at
    }

    #[inline]
    fn sign(&mut self, at: usize, byte: u8) {
        match byte {
            b'@' => self.signs.push(Sign::At(at)),
            b':' if self.bytes[at..].starts_with(b"://") => self.signs.push(Sign::Scheme(at)),
            b'%' => match &self.bytes[at + 1..] {
                [b'4', b'0', ..] => self.signs.push(Sign::EncodedAt(at)),
                [b'2', b'b' | b'B', b'0'..=b'9', ..] => self.signs.push(Sign::EncodedPlus(at)),
                _ => {}
            },
            b'-' if self.bytes[at..].starts_with(b"-----BEGIN") => self.signs.push(Sign::Begin(at)),
            _ => {}
        }
    }

    /// What stands between token `at` and the next one; behind the last token, the rest of the text.
    pub(crate) fn gap(&self, at: usize) -> &'t [u8] {
        let from = self.tokens.get(at).map_or(0, |token| token.end);
        let to = self
            .tokens
            .get(at + 1)
            .map_or(self.bytes.len(), |token| token.start);
        self.bytes.get(from..to).unwrap_or_default()
    }

    /// What stands before token `at`.
    pub(crate) fn gap_before(&self, at: usize) -> &'t [u8] {
        match at.checked_sub(1) {
            Some(before) => self.gap(before),
            None => self
                .tokens
                .first()
                .map_or(&[], |token| &self.bytes[..token.start]),
        }
    }

    /// The bytes of token `at`; empty past the end.
    pub(crate) fn word(&self, at: usize) -> &'t [u8] {
        self.tokens
            .get(at)
            .map_or(&[], |token| &self.bytes[token.start..token.end])
    }

    /// Whether token `at` is `word`, in any case.
    pub(crate) fn is(&self, at: usize, word: &str) -> bool {
        self.word(at).eq_ignore_ascii_case(word.as_bytes())
    }

    /// Whether token `at` is one of `words`, in any case.
    pub(crate) fn is_any(&self, at: usize, words: &[&str]) -> bool {
        let said = self.word(at);
        words
            .iter()
            .any(|word| said.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// The meanings of token `at`; none past the end.
    pub(crate) fn bits(&self, at: usize) -> u32 {
        self.tokens.get(at).map_or(0, |token| token.bits)
    }

    /// The byte at `at`; zero outside.
    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    /// The byte before `at`; zero at the start.
    pub(crate) fn byte_before(&self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |before| self.byte(before))
    }

    /// The first token that starts at or behind byte `at`.
    pub(crate) fn token_from(&self, at: usize) -> usize {
        self.tokens.partition_point(|token| token.start < at)
    }
}

/// Whether a gap is white space only, and some.
pub(crate) fn is_space(gap: &[u8]) -> bool {
    match gap {
        b" " => true,
        [] => false,
        _ => {
            let plain = |byte: &u8| byte.is_ascii_whitespace();
            gap.iter().all(plain)
                || matches!(gap, [0xc2, 0xa0] | [0xe2, 0x80, 0xaf] | [0xe2, 0x80, 0x89])
        }
    }
}

/// What the words of `accountNumber` say a number behind it is.
#[inline(never)]
fn humps(lexicon: &Lexicon, name: &[u8]) -> u32 {
    let (mut bits, mut rest) = (0, &name[..name.len().min(64)]);
    while !rest.is_empty() {
        let hump = rest
            .windows(2)
            .position(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
        let (word, behind) = rest.split_at(hump.map_or(rest.len(), |hump| hump + 1));
        bits |= lexicon.meaning(word).bits;
        rest = behind;
    }
    bits & mean::CUES
}

fn foreign_length(byte: u8) -> usize {
    match byte {
        0xf0.. => 4,
        0xe0.. => 3,
        _ => 2,
    }
}

/// The length of the letter at `at`, `None` when it is no letter.
#[inline(never)]
fn letter_length(all: &str, at: usize) -> Option<usize> {
    let letter = all.get(at..)?.chars().next()?;
    letter.is_alphanumeric().then(|| letter.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_words_groups_and_signs() {
        let text = Text::new("Zoë: a1 42\u{a0}7 x@y s://z");

        let words: Vec<_> = (0..text.tokens.len())
            .map(|at| String::from_utf8_lossy(text.word(at)))
            .collect();
        assert_eq!(words, ["Zoë", "a1", "42", "7", "x", "y", "s", "z"]);
        assert_eq!(text.signs, [Sign::At(16), Sign::Scheme(20)]);
        assert!(text.tokens[1].is_mixed() && text.tokens[2].is_digits() && is_space(text.gap(2)));
    }
}
