//! Measures what is said, and keeps it only where a sink was allowed to write it.
//!
//! Text is joined before anybody looks at it: a card number may be cut in two by a stream. It is masked on the recorder's thread,
//! so that nothing is held back from the caller.

use crate::carry::Carries;
use crate::follow::{End, Follow, Observe, Probe};
use crate::reply::Reply;
use campanile_core::{Content, Facts, Gauge, Record};
use tower_layer::Layer;

/// How much of one reply is kept, where any is.
const MAX_TEXT_BYTES: usize = 16 << 10;

/// Adds to the draft how much was said, and what, where a sink wants it.
///
/// Without such a sink (the default in every environment) nothing is kept: characters and words are counted as
/// they pass. What a streamed request says is measured too.
#[derive(Clone, Copy, Debug, Default)]
pub struct RedactLayer(());

impl RedactLayer {
    /// Creates the layer.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for RedactLayer {
    type Service = Follow<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Follow::new(inner, *self)
    }
}

impl<C: Carries, R: Reply, E> Observe<C, R, E> for RedactLayer
where
    C::Sent: Facts,
    R::Item: Facts,
{
    type Probe = Listener;

    fn observe(&self, request: &mut C) -> Listener {
        let record = request.record().clone();
        request.on_sent(|| {
            let mut said = Said::new(&record);
            Box::new(move |item: &C::Sent| said.hear(&record, item))
        });
        Listener(Said::new(request.record()))
    }
}

/// The probe of [`RedactLayer`].
#[derive(Debug)]
pub struct Listener(Said);

impl<R: Reply, E> Probe<R, E> for Listener
where
    R::Item: Facts,
{
    #[inline]
    fn item(&mut self, _record: &Record, item: &R::Item) {
        self.0.add(item.spoken());
    }

    fn end(self, record: &Record, _end: End<'_, R, E>) {
        self.0.write(record);
    }
}

/// What was said so far.
#[derive(Debug)]
struct Said {
    gauge: Gauge,
    text: Option<String>,
}

impl Said {
    fn new(record: &Record) -> Self {
        Self {
            gauge: Gauge::default(),
            text: record.intake().keeps_content().then(String::new),
        }
    }

    #[inline]
    fn add(&mut self, piece: Option<&str>) {
        let Some(piece) = piece else { return };
        self.gauge.add(piece);
        if let Some(text) = &mut self.text {
            let room = MAX_TEXT_BYTES.saturating_sub(text.len()).min(piece.len());
            text.push_str(&piece[..piece.floor_char_boundary(room)]);
        }
    }

    /// A piece of a streamed request: there is no end to wait for, so each piece is written.
    fn hear(&mut self, record: &Record, item: &impl Facts) {
        let Some(piece) = item.spoken() else { return };
        self.add(Some(piece));
        let text = self.text.as_deref().map(Content::new);
        record.draft(|draft| {
            draft.spoken = Some(self.gauge.measure());
            draft.text = text;
        });
    }

    fn write(self, record: &Record) {
        let measure = self.gauge.measure();
        record.draft(|draft| {
            // A reply of audio says nothing here; what was sent to be spoken stays.
            if measure.chars > 0 || draft.spoken.is_none() {
                draft.spoken = Some(measure);
                draft.text = self.text.filter(|text| !text.is_empty()).map(Content::new);
            }
        });
    }
}
