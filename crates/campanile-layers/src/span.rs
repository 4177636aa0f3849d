//! Gives the program's own `tracing` lines the ids of their call.

use crate::carry::Carries;
use crate::follow::{End, Follow, Observe, Probe};
use crate::reply::Reply;
use campanile_core::Record;
use tower_layer::Layer;

/// Enters a span named `call` whenever the stage below is polled, so that what it logs carries the ids of
/// session, turn and call. Optional: it costs a span a call and an entry a poll.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpanLayer(());

impl SpanLayer {
    /// Creates the layer.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for SpanLayer {
    type Service = Follow<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Follow::new(inner, *self)
    }
}

impl<C: Carries, R: Reply, E> Observe<C, R, E> for SpanLayer {
    type Probe = SpanProbe;

    fn observe(&self, request: &mut C) -> SpanProbe {
        let record = request.record();
        let turn = record.turn();
        let session = turn.map(|turn| tracing::field::display(turn.session().id().clone()));
        SpanProbe(tracing::info_span!(
            target: "campanile",
            "call",
            call = %record.id(),
            stage = record.stage().as_str(),
            session,
            turn = turn.map(|turn| u64::from(turn.number())),
        ))
    }
}

/// The probe of [`SpanLayer`].
#[derive(Clone, Debug)]
pub struct SpanProbe(tracing::Span);

impl<R: Reply, E> Probe<R, E> for SpanProbe {
    fn span(&self) -> Option<tracing::Span> {
        Some(self.0.clone())
    }

    fn end(self, _record: &Record, _end: End<'_, R, E>) {}
}
