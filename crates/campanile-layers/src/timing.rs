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
use campanile_core::{Facts, Live, Moment, Record, Tick};
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
        Stopwatch { started, live }
    }
}

/// The probe of [`TimingLayer`]: counts without a lock while the call runs, one write when it is over.
#[derive(Debug)]
pub struct Stopwatch {
    started: Tick,
    live: Arc<Live>,
}

impl Stopwatch {
    #[cold]
    fn first_piece(&self, record: &Record, now: Tick) {
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
        // Off unless somebody asks for it by name (`RUST_LOG=items=trace`): a frame of audio is an item, too.
        tracing::trace!(target: "items", call = %record.id(), stage = record.stage().as_str());
        let now = record.clock().tick();
        if self.live.item(now) {
            self.first_piece(record, now);
        }
    }

    fn end(self, record: &Record, _end: End<'_, R, E>) {
        let now = record.clock().tick();
        record.attempt(|attempt| attempt.stop(now));
    }
}
