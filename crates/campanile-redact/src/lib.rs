//! Finds and masks what people must not read: cards, keys, names, also in spoken form.
//!
//! ```text
//! text ──► words, digit groups, signs ──► detectors ──► finds, disjoint ──► text with [CARD], [KEY], [NAME]
//!          one pass, one hash table       walk the list  surest kind wins    counts per kind
//! ```
//!
//! A [`Redactor`] looks at whole texts, a [`Stream`] at texts that arrive in pieces; a [`Policy`] says what stands in
//! the text instead of each [`Kind`] and what else is to be found. Pure: text in, text out, no clock, no files, nothing
//! remembered.
//!
//! ```
//! use campanile_redact::{Kind, Redactor};
//!
//! let redactor = Redactor::standard();
//! let mut out = String::new();
//!
//! let counts = redactor.mask_into(
//!     "my card is four one double one, one one one one, one one one one, one one one one, mail jo@example.com",
//!     &mut out,
//! );
//!
//! assert_eq!(out, "my card is [CARD], mail [EMAIL]");
//! assert_eq!(counts.of(Kind::Card), 1);
//! ```
//!
//! # When it fails
//!
//! It fails closed. Text over the scan limit comes out as its length, a text on which a detector panics as
//! `[UNSCANNED]`, a card with a misheard digit as `[CARD]`. Work is linear in the length of the text, whatever the text.
//!
//! # What it does not do
//!
//! It proves nothing. It knows English cues, names without a cue only from a list, and no way to find a secret that
//! looks like a word. What must never be read must not be carried: masking is the second line, for text that must be kept.
//! Masking twice may mask more, when a find of the first pass stood between a number and the word that explains it.

mod check;
mod counts;
mod cue;
mod custom;
mod cut;
mod detect;
mod find;
mod hash;
mod ids;
mod kind;
mod lexicon;
mod measure;
mod mode;
mod policy;
mod redactor;
mod run;
mod speech;
mod stream;
mod tag;
mod tighten;
mod token;

pub use counts::Counts;
pub use find::Find;
pub use hash::HashKey;
pub use ids::IdGuard;
pub use kind::Kind;
pub use measure::{Measure, measure};
pub use mode::Mode;
pub use policy::{Policy, PolicyError, Rule};
pub use redactor::Redactor;
pub use stream::Stream;
