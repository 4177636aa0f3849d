//! Times each attempt: when its client started, when the first piece came, the longest gap, the end.
//!
//! ```text
//!  opened        started      first piece        over
//!    |--- queued ---|-- first_item --|             |
//!                   |--------- elapsed ------------|
//! ```
//!
//! Everything between [`CallLayer`](crate::CallLayer) and this layer counts as queueing, so put it next to the
//! client, and limits, buffers and retries above it. Of a streamed request the clock of the first piece starts when
//! the first part was sent.
//!
//! ```
//! use campanile_core::{Clock, Ids, Intake};
//! use campanile_layers::{CallLayer, TimingLayer, Unary, client};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), std::convert::Infallible> {
//! # let intake = Intake::new(Clock::system(), Ids::random());
//! let stage = ServiceBuilder::new()
//!     .layer(CallLayer::new("llm", &intake))
//!     .layer(TimingLayer::new())
//!     .layer(client::unary())
//!     .service_fn(async |text: &str| Ok::<_, std::convert::Infallible>(text.to_uppercase()));
//!
//! let Unary(answer) = stage.oneshot("hello").await?;
//! # assert_eq!(answer, "HELLO");
//! # Ok(())
//! # }
//! ```

use crate::carry::Carries;
use crate::follow::{End, Follow, Observe, Probe};
use crate::reply::Reply;
use campanile_core::{Facts, Moment, Record, Span, Tick};
use std::sync::Arc;
use tower_layer::Layer;

/// Adds the times of an attempt to its draft. See the [module docs](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct TimingLayer(());

impl TimingLayer {
    /// Creates the layer.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for TimingLayer {
    type Service = Follow<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Follow::new(inner, *self)
    }
}

impl<C: Carries, R: Reply, E> Observe<C, R, E> for TimingLayer
where
    R::Item: Facts,
{
    type Probe = Stopwatch;

    fn observe(&self, request: &mut C) -> Stopwatch {
        let live = request.record_mut().begin_attempt();
        let record = request.record();
        let clock = record.clock().clone();
        let started = clock.tick();
        record.attempt(|attempt| attempt.started = Some(started));
        request.on_sent(|| {
            let live = Arc::clone(&live);
            Box::new(move |_| live.sent(clock.tick()))
        });
        Stopwatch {
            started,
            first: None,
            last: started,
            longest_gap: Span(0),
            items: 0,
        }
    }
}

/// The probe of [`TimingLayer`]: local counts while the call runs, one write when it is over.
#[derive(Debug)]
pub struct Stopwatch {
    started: Tick,
    first: Option<Tick>,
    last: Tick,
    longest_gap: Span,
    items: u64,
}

impl Stopwatch {
    #[cold]
    fn first_piece(&mut self, record: &Record, now: Tick) {
        self.first = Some(now);
        if let Some(turn) = record.turn() {
            turn.first_item(record.stage(), self.started, now);
        }
    }
}

impl<R: Reply, E> Probe<R, E> for Stopwatch
where
    R::Item: Facts,
{
    #[inline]
    fn item(&mut self, record: &Record, item: &R::Item) {
        // What is read on for a caller that has gone is nobody's waiting.
        if item.moment() == Moment::Aside || record.is_draining() {
            return;
        }
        let now = record.clock().tick();
        self.items += 1;
        match self.first {
            None => self.first_piece(record, now),
            Some(_) => self.longest_gap = self.longest_gap.max(now.since(self.last)),
        }
        self.last = now;
    }

    fn end(self, record: &Record, _end: End<'_, R, E>) {
        let now = record.clock().tick();
        record.attempt(|attempt| {
            let asked = attempt.live.sent_between().map(|(first, _)| first);
            let since = |first: Tick| {
                let from = asked
                    .filter(|asked| *asked <= first)
                    .unwrap_or(self.started);
                first.since(from.max(self.started))
            };
            attempt.first_item = self.first.map(since);
            // Where the caller has gone before, its time is known.
            attempt.elapsed.get_or_insert(now.since(self.started));
            attempt.items = Some(self.items);
            attempt.longest_gap = (self.items > 1).then_some(self.longest_gap);
        });
    }
}
