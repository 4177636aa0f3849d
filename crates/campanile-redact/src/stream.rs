//! Masks text that arrives in pieces.
//!
//! ```text
//!        emitted                held, at most 512 bytes (4 KiB inside a private key)
//! ───────────────┬──────────────────────────────────┬──────────────────┐
//!   look-behind  │ may go: nothing in it is open     │ may still grow   │
//! ───────────────┴──────────────────────────────────┴──────────────────┘
//!                                                   cut: white space, outside of every find
//! ```
//!
//! A piece's border decides nothing. Text is looked at whenever the held part reaches a length that depends on
//! earlier text only, so that the same text gives the same output however it is cut.

use crate::counts::Counts;
use crate::cut::{self, OPEN, ends_word};
use crate::find::Find;
use crate::kind::Kind;
use crate::redactor::Redactor;

/// Held text is looked at when it has grown by this much.
const STEP: usize = 156;
/// No more is held, but for a private key.
const HELD: usize = 512;
/// No more is held of a private key.
const HELD_KEY: usize = 4096;

/// Masks one text that arrives in pieces. Holds back at most 512 bytes (4 KiB inside a private key): what could still
/// become a find. Nothing that was written changes later; the output does not depend on where the text was cut.
///
/// The output of a long text may differ from that of [`Redactor::mask`]: a stream sees a window, not the whole.
/// Dropped without [`finish`](Stream::finish), a stream keeps what it held to itself.
///
/// ```
/// let redactor = campanile_redact::Redactor::standard();
/// let mut stream = redactor.stream();
/// let mut out = String::new();
///
/// for piece in ["call me at (212) 5", "55-01", "23 please"] {
///     stream.push(piece, &mut out);
/// }
/// stream.finish(&mut out);
///
/// assert_eq!(out, "call me at [PHONE] please");
/// ```
#[derive(Clone)]
#[must_use = "what is held back is lost without `finish`"]
pub struct Stream {
    redactor: Redactor,
    /// Emitted look-behind, then what is held.
    text: String,
    /// Where the held part begins.
    held: usize,
    /// The length of the held part at which it is looked at next.
    look_at: usize,
    state: State,
    counts: Counts,
}

/// What the text before the held part says about its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The tag of a find has been written that goes on.
    Inside,
    /// A private key too long to hold is swallowed up to the end of its `-----END …-----` line.
    Key,
    /// A word too long to hold is swallowed up to its end.
    Word,
}

impl Redactor {
    /// A masker for one text that arrives in pieces. Ignores the scan limit: it needs none.
    pub fn stream(&self) -> Stream {
        Stream {
            redactor: self.clone(),
            text: String::new(),
            held: 0,
            look_at: OPEN + STEP,
            state: State::Open,
            counts: Counts::default(),
        }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("held", &self.held_bytes())
            .finish_non_exhaustive()
    }
}

impl Stream {
    /// Takes the next piece; appends to `out` what can no longer be part of a find.
    pub fn push(&mut self, mut piece: &str, out: &mut String) {
        while !piece.is_empty() {
            let room = self.look_at.saturating_sub(self.held_bytes()).max(1);
            let take = piece.ceil_char_boundary(room.min(piece.len()));
            self.text.push_str(&piece[..take]);
            piece = &piece[take..];
            if self.held_bytes() >= self.look_at {
                self.look(out);
            }
        }
    }

    /// The text is over: appends the rest and tells what was masked in all of it.
    pub fn finish(mut self, out: &mut String) -> Counts {
        self.swallow();
        // What is left of a key without an end is still the key.
        if self.state != State::Key {
            let finds = self.finds();
            self.emit(&finds, self.text.len(), out);
        }
        self.counts
    }

    /// How many bytes are held back now.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.text.len() - self.held
    }

    fn look(&mut self, out: &mut String) {
        self.swallow();
        if self.held_bytes() < self.look_at {
            return;
        }
        let finds = self.finds();
        if let Some(cut) = cut::safe(&self.text, &finds, self.held, self.text.len()) {
            self.emit(&finds, cut, out);
            return;
        }
        let limit = if self.is_in_key(&finds) {
            HELD_KEY
        } else {
            HELD
        };
        if self.held_bytes() + STEP <= limit {
            self.look_at = self.held_bytes() + STEP;
        } else {
            self.overflow(&finds, out);
        }
    }

    fn finds(&self) -> Vec<Find> {
        let mut finds = self.redactor.scan_window(&self.text);
        finds.retain(|find| find.end > self.held);
        finds
    }

    fn is_in_key(&self, finds: &[Find]) -> bool {
        finds
            .last()
            .is_some_and(|find| find.kind == Kind::PrivateKey && find.end == self.text.len())
    }

    /// Nothing may go, and no more may be held: a find is written before its end, or a word without a find in it is
    /// given up. Both are swallowed from then on.
    fn overflow(&mut self, finds: &[Find], out: &mut String) {
        let held = self.held;
        match finds
            .iter()
            .find(|find| find.start <= held || find.start < self.text.len() - OPEN)
        {
            Some(find) if find.end == self.text.len() && find.kind == Kind::PrivateKey => {
                self.emit(finds, self.text.len(), out);
                self.state = State::Key;
            }
            Some(find) => {
                // Cut inside the find, but so that the rest of it is found again by what is kept of it.
                let cut = find
                    .end
                    .min(self.text.floor_char_boundary(self.text.len() - OPEN))
                    .max(find.start);
                let cut = if cut > held {
                    cut
                } else {
                    self.text.floor_char_boundary(self.text.len() - OPEN)
                };
                let goes_on = cut < find.end;
                self.emit(finds, cut, out);
                self.state = if goes_on { State::Inside } else { State::Open };
            }
            None => {
                let tag = Find::new(held, self.text.len(), Kind::Unscanned, "long_word");
                self.emit(&[tag], self.text.len(), out);
                self.state = State::Word;
            }
        }
    }

    /// Writes the held text up to `cut`, finds replaced, and forgets all but the look-behind.
    fn emit(&mut self, finds: &[Find], cut: usize, out: &mut String) {
        let mut from = self.held;
        for find in finds.iter().filter(|find| find.start < cut) {
            if find.start > from {
                out.push_str(&self.text[from..find.start]);
            }
            let told = self.state == State::Inside && find.start <= self.held;
            if !told {
                self.redactor
                    .write(find, &self.text[find.start..find.end], out);
                self.counts.note(find.kind);
            }
            from = find.end.max(from);
        }
        if from < cut {
            out.push_str(&self.text[from..cut]);
        }
        self.state = State::Open;
        self.keep_from(cut);
    }

    fn keep_from(&mut self, cut: usize) {
        let start = cut::behind(&self.text, cut);
        self.text.drain(..start);
        self.held = cut - start;
        self.look_at = OPEN + STEP;
    }

    /// Drops what belongs to something that is swallowed.
    fn swallow(&mut self) {
        let held = &self.text[self.held..];
        let (drop, over) = match self.state {
            State::Open | State::Inside => return,
            State::Key => key_end(held),
            State::Word => match held.find(ends_word) {
                Some(end) => (end, true),
                None => (held.len(), false),
            },
        };
        // No look-behind: half a key or half a word would be read as something else.
        self.text.drain(..self.held + drop);
        self.held = 0;
        self.look_at = OPEN + STEP;
        if over {
            self.state = State::Open;
        }
    }
}

/// How much of `held` belongs to the key before it, and whether the key ends there. Keeps what may be half a mark.
fn key_end(held: &str) -> (usize, bool) {
    const MARK: &str = "-----END";
    const DASHES: &str = "-----";
    match held.find(MARK) {
        Some(at) => match held[at + MARK.len()..].find(DASHES) {
            Some(close) => (at + MARK.len() + close + DASHES.len(), true),
            // An END line that is not closed within its 64 bytes is closed by that.
            None if held.len() - at > 72 => (held.ceil_char_boundary(at + 72), true),
            None => (at, false),
        },
        None => (
            held.floor_char_boundary(held.len().saturating_sub(MARK.len())),
            false,
        ),
    }
}
