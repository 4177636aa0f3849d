//! The seam between wires and layers: pieces of a connection in, facts out.

use crate::{Count, Facts, Failure, Made, Meter, Moment, Served, Tally, Usage};

/// Reads what passes over one exchange with a provider: an HTTP reply, one side of a WebSocket, a context on a
/// shared one. Implemented for each wire by `campanile-protocols`.
///
/// A decoder is incremental: any cut of the same bytes gives the same facts in sum. It holds a bounded number of
/// bytes, and it never panics, whatever it is given. Usage that it notes is the total so far, by the merge rule
/// of its provider.
pub trait Decode: Send {
    /// A piece that goes to the provider, at the moment when it is handed to the socket.
    fn sent(&mut self, _frame: Frame<'_>, _noted: &mut Noted) {}

    /// A piece that came from the provider.
    fn received(&mut self, frame: Frame<'_>, noted: &mut Noted);

    /// Nothing more will come: what was held back is read now.
    fn ended(&mut self, _noted: &mut Noted) {}
}

impl Decode for Box<dyn Decode> {
    fn sent(&mut self, frame: Frame<'_>, noted: &mut Noted) {
        (**self).sent(frame, noted);
    }
    fn received(&mut self, frame: Frame<'_>, noted: &mut Noted) {
        (**self).received(frame, noted);
    }
    fn ended(&mut self, noted: &mut Noted) {
        (**self).ended(noted);
    }
}

/// One piece of a wire.
#[derive(Clone, Copy)]
pub enum Frame<'a> {
    /// Bytes of a body, cut anywhere.
    Body(&'a [u8]),
    /// A text message of a WebSocket, whole.
    Text(&'a str),
    /// A binary message of a WebSocket, whole.
    Binary(&'a [u8]),
}

impl std::fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Frame::Body(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Frame::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Frame::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
        }
    }
}

/// What a decoder noted of one piece. Most pieces hold text or nothing; the rest is boxed, so that they stay small.
#[derive(Default)]
pub struct Noted {
    moment: Option<Moment>,
    text: Option<String>,
    seen: u32,
    made: Option<Made>,
    rare: Option<Box<Rare>>,
}

#[derive(Default)]
struct Rare {
    usage: Usage,
    /// Of these, the meters of which what was said before does not hold either: one bit each.
    doubted: u32,
    failure: Option<Failure>,
    served: Option<Served>,
}

impl Noted {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes where the piece stands. A stronger moment (`UtteranceEnd`, then `Piece`) stays.
    pub fn moment(&mut self, moment: Moment) {
        let rank = |moment| match moment {
            Moment::Aside => 0,
            Moment::Piece => 1,
            Moment::UtteranceEnd => 2,
        };
        if self.moment.is_none_or(|known| rank(moment) > rank(known)) {
            self.moment = Some(moment);
        }
    }

    /// Notes a piece of what is said, in order.
    pub fn text(&mut self, text: &str) {
        self.text.get_or_insert_default().push_str(text);
    }

    /// Notes `count` deltas of output whose tokens the provider has not counted yet: each is at least one token.
    pub fn seen(&mut self, count: u32) {
        self.seen = self.seen.saturating_add(count);
    }

    /// Notes one delta of output, and what it weighs.
    pub fn made(&mut self, made: Made) {
        self.seen(1);
        self.made = Some(self.made.map_or(made, |known| known.and(made)));
    }

    /// Notes the total of one meter so far.
    pub fn usage(&mut self, meter: Meter, count: Count) {
        let rare = self.rare.get_or_insert_default();
        rare.usage.set(meter, count);
        rare.doubted &= !(1 << meter.index());
    }

    /// Notes the total of one meter so far, as the provider says it and contradicts itself: an exact count that it has given before
    /// is worth no more.
    pub fn doubt(&mut self, meter: Meter, count: Count) {
        let rare = self.rare.get_or_insert_default();
        rare.usage.set(meter, count);
        rare.doubted |= 1 << meter.index();
    }

    /// Notes a failure. The first one stays.
    pub fn failure(&mut self, failure: Failure) {
        self.rare
            .get_or_insert_default()
            .failure
            .get_or_insert(failure);
    }

    /// Who served this, to be filled in.
    pub fn served(&mut self) -> &mut Served {
        self.rare
            .get_or_insert_default()
            .served
            .get_or_insert_default()
    }

    /// What was noted of usage.
    #[must_use]
    pub fn noted_usage(&self) -> Option<&Usage> {
        self.rare
            .as_ref()
            .map(|rare| &rare.usage)
            .filter(|usage| !usage.is_empty())
    }

    /// What was noted of who served.
    #[must_use]
    pub fn noted_served(&self) -> Option<&Served> {
        self.rare.as_ref()?.served.as_ref()
    }

    /// What the deltas weigh that were noted with [`made`](Self::made).
    #[must_use]
    pub fn noted_made(&self) -> Option<Made> {
        self.made
    }

    /// How many deltas were noted with [`seen`](Self::seen) or [`made`](Self::made).
    #[must_use]
    pub fn noted_seen(&self) -> u32 {
        self.seen
    }

    /// Forgets everything but the room for text.
    pub fn clear(&mut self) {
        let mut text = self.text.take();
        if let Some(text) = &mut text {
            text.clear();
        }
        *self = Self {
            text: text.filter(|text| text.capacity() > 0),
            ..Self::default()
        };
    }
}

impl Facts for Noted {
    fn usage(&self, tally: &Tally) {
        match self.made {
            Some(made) => tally.made(made),
            None if self.seen > 0 => tally.seen(Meter::OutputTokens, self.seen.into()),
            None => {}
        }
        if let Some(rare) = &self.rare {
            for (meter, count) in rare.usage.iter() {
                match rare.doubted & (1 << meter.index()) {
                    0 => tally.set(meter, count),
                    _ => tally.replace(meter, count),
                }
            }
        }
    }

    fn spoken(&self) -> Option<&str> {
        self.text.as_deref().filter(|text| !text.is_empty())
    }

    fn failure(&self) -> Option<Failure> {
        self.rare.as_ref()?.failure.clone()
    }

    fn served(&self, served: &mut Served) {
        if let Some(noted) = self.noted_served() {
            served.update(noted);
        }
    }

    fn moment(&self) -> Moment {
        self.moment.unwrap_or(Moment::Aside)
    }
}

impl std::fmt::Debug for Noted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Noted")
            .field("moment", &self.moment)
            .field("text_bytes", &self.text.as_ref().map(String::len))
            .field("seen", &self.seen)
            .field("usage", &self.noted_usage())
            .finish_non_exhaustive()
    }
}
