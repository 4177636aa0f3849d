//! Reads a dropped reply to its end, for the usage that providers tell last.
//!
//! A caller that hangs up saves what the provider has not made yet, and the amount becomes a range. A stage with
//! this layer reads on instead: the amount is exact, and the provider may bill words that nobody hears. Push it right above
//! [`UsageLayer`](crate::UsageLayer), on stages where exact amounts are worth more than the words.
//!
//! Reading on happens on a task of tokio's, bounded in time and pieces; how many there may be at once is bounded
//! too. Where there is no runtime, or no room, the reply is dropped as it would be without this layer. Outcome and
//! times are those of the caller; for what was said to be the caller's too, put [`RedactLayer`](crate::RedactLayer)
//! above. [`Intake::drains`] counts the tasks; a monitor that closes waits for them.

use crate::carry::Carries;
use crate::reply::{Reply, Streaming, Unary};
use bytes::Buf;
use campanile_core::{Intake, Outcome, Record};
use futures_core::Stream;
use http_body::{Body, Frame, SizeHint};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// Reads dropped replies to their end. See the [module docs](self).
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct DrainLayer {
    within: Duration,
    max_items: u64,
    max_tasks: usize,
}

impl DrainLayer {
    /// Reads on for at most 10 seconds and 100,000 pieces, of at most 64 replies at once.
    pub const fn new() -> Self {
        Self {
            within: Duration::from_secs(10),
            max_items: 100_000,
            max_tasks: 64,
        }
    }

    /// Sets for how long to read on.
    pub const fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Sets how many pieces to read at most.
    pub const fn max_items(mut self, max_items: u64) -> Self {
        self.max_items = max_items;
        self
    }

    /// Sets how many replies of the monitor may be read on at once.
    pub const fn max_tasks(mut self, max_tasks: usize) -> Self {
        self.max_tasks = max_tasks;
        self
    }
}

impl Default for DrainLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for DrainLayer {
    type Service = Draining<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Draining {
            inner,
            policy: *self,
        }
    }
}

/// The service of [`DrainLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Draining<S> {
    inner: S,
    policy: DrainLayer,
}

impl<C, S> Service<C> for Draining<S>
where
    C: Carries,
    S: Service<C>,
    S::Response: Drains,
    S::Future: Send + 'static,
    S::Error: Send,
{
    type Response = <S::Response as Drains>::Drained;
    type Error = S::Error;
    type Future = DrainFuture<S::Future, S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: C) -> Self::Future {
        // The layers below write into this attempt: a retry above may drop one and begin the next.
        request.record_mut().begin_attempt();
        let ticket = Ticket {
            record: request.record().clone(),
            policy: self.policy,
        };
        DrainFuture {
            inner: Some(Box::pin(self.inner.call(request))),
            begun: false,
            ticket,
        }
    }
}

/// The right to read one reply on.
#[derive(Clone, Debug)]
pub struct Ticket {
    record: Record,
    policy: DrainLayer,
}

impl Ticket {
    /// Runs `rest` to its end, within the bounds, unless there is no room or no runtime.
    fn redeem(&self, rest: impl Future<Output = ()> + Send + 'static) {
        let intake: &Intake = self.record.intake();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let Some(drain) = intake.begin_drain(self.policy.max_tasks) else {
            return;
        };
        self.record.set_draining();
        // The caller's end, before its call is closed.
        let now = self.record.clock().tick();
        self.record.attempt(|attempt| {
            attempt.outcome = Some(Outcome::Cancelled);
            attempt.reads_on = true;
            attempt.stop(now);
        });
        let within = self.policy.within;
        // Who waits for it: the monitor, by the count that `drain` holds.
        runtime.spawn(async move {
            let _ = tokio::time::timeout(within, rest).await;
            drop(drain);
        });
    }
}

/// A reply that can be read on when its caller has gone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read on by `DrainLayer`",
    label = "not a reply that a task could own",
    note = "replies under a `DrainLayer` are `Send` and `'static`, and named by a `client::…` adapter below it"
)]
pub trait Drains: Reply + Send + 'static {
    /// The same shape, reading on when it is dropped.
    type Drained: Reply<Head = Self::Head, Item = Self::Item, Break = Self::Break>;

    /// Has this reply read on when it is dropped.
    fn drained(self, ticket: Ticket) -> Self::Drained;

    /// Reads to the end, or until `max_items` pieces have passed.
    fn read_on(self, max_items: u64) -> impl Future<Output = ()> + Send;
}

/// The future of [`DrainLayer`]. Dropped before the reply, it waits for the reply on a task and reads that; dropped
/// before it was polled, it asks for nothing.
pub struct DrainFuture<F, R, E>
where
    F: Future<Output = Result<R, E>> + Send + 'static,
    R: Drains,
{
    inner: Option<Pin<Box<F>>>,
    begun: bool,
    ticket: Ticket,
}

impl<F, R, E> Future for DrainFuture<F, R, E>
where
    F: Future<Output = Result<R, E>> + Send + 'static,
    R: Drains,
{
    type Output = Result<R::Drained, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Out of its place while it is polled: what has panicked is not polled again.
        let mut inner = self
            .inner
            .take()
            .expect("a future is not polled after its end");
        let Poll::Ready(answer) = inner.as_mut().poll(cx) else {
            self.inner = Some(inner);
            self.begun = true;
            return Poll::Pending;
        };
        Poll::Ready(answer.map(|reply| reply.drained(self.ticket.clone())))
    }
}

impl<F, R, E> Drop for DrainFuture<F, R, E>
where
    F: Future<Output = Result<R, E>> + Send + 'static,
    R: Drains,
{
    fn drop(&mut self) {
        // What was never polled has asked for nothing, and need not for nobody.
        let begun = self.begun && !std::thread::panicking();
        let Some(inner) = self.inner.take().filter(|_| begun) else {
            return;
        };
        let max_items = self.ticket.policy.max_items;
        self.ticket.redeem(async move {
            // The service's error may not be `Send`-safe to hold over a wait: it goes at once.
            let Some(reply) = inner.await.ok() else {
                return;
            };
            reply.read_on(max_items).await;
        });
    }
}

impl<T: Send + 'static> Drains for Unary<T> {
    type Drained = Self;

    fn drained(self, _ticket: Ticket) -> Self {
        self
    }

    async fn read_on(self, _max_items: u64) {}
}

impl<S, T, X> Drains for Streaming<S>
where
    S: Stream<Item = Result<T, X>> + Send + 'static,
    T: 'static,
    X: 'static,
{
    type Drained = Streaming<DrainStream<S, T, X>>;

    fn drained(self, ticket: Ticket) -> Self::Drained {
        Streaming(DrainStream {
            inner: Some(Box::pin(self.0)),
            ticket,
        })
    }

    fn read_on(self, max_items: u64) -> impl Future<Output = ()> + Send {
        read_stream(Box::pin(self.0), max_items)
    }
}

fn read_stream<S, T, X>(mut stream: Pin<Box<S>>, max_items: u64) -> impl Future<Output = ()> + Send
where
    S: Stream<Item = Result<T, X>> + Send,
{
    let mut left = max_items;
    poll_fn(move |cx| {
        while left > 0 {
            match ready!(stream.as_mut().poll_next(cx)) {
                Some(Ok(_)) => left -= 1,
                Some(Err(_)) | None => break,
            }
        }
        Poll::Ready(())
    })
}

/// A stream that is read to its end when it is dropped.
pub struct DrainStream<S, T, X>
where
    S: Stream<Item = Result<T, X>> + Send + 'static,
    T: 'static,
    X: 'static,
{
    inner: Option<Pin<Box<S>>>,
    ticket: Ticket,
}

impl<S, T, X> Stream for DrainStream<S, T, X>
where
    S: Stream<Item = Result<T, X>> + Send + 'static,
    T: 'static,
    X: 'static,
{
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        // Out of its place while it is polled: what has panicked is not polled again.
        let Some(mut inner) = self.inner.take() else {
            return Poll::Ready(None);
        };
        let polled = inner.as_mut().poll_next(cx);
        if matches!(polled, Poll::Pending | Poll::Ready(Some(Ok(_)))) {
            self.inner = Some(inner);
        }
        polled
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner
            .as_ref()
            .map_or((0, Some(0)), |inner| inner.size_hint())
    }
}

impl<S, T, X> Drop for DrainStream<S, T, X>
where
    S: Stream<Item = Result<T, X>> + Send + 'static,
    T: 'static,
    X: 'static,
{
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take().filter(|_| !std::thread::panicking()) {
            self.ticket
                .redeem(read_stream(inner, self.ticket.policy.max_items));
        }
    }
}

impl<B> Drains for http::Response<B>
where
    B: Body + Send + 'static,
    B::Data: Buf,
{
    type Drained = http::Response<DrainBody<B>>;

    fn drained(self, ticket: Ticket) -> Self::Drained {
        self.map(|body| DrainBody {
            inner: Some(Box::pin(body)),
            ticket,
        })
    }

    fn read_on(self, max_items: u64) -> impl Future<Output = ()> + Send {
        read_body(Box::pin(self.into_body()), max_items)
    }
}

fn read_body<B: Body + Send>(
    mut body: Pin<Box<B>>,
    max_items: u64,
) -> impl Future<Output = ()> + Send {
    let mut left = max_items;
    poll_fn(move |cx| {
        while left > 0 && !body.is_end_stream() {
            match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(_)) => left -= 1,
                Some(Err(_)) | None => break,
            }
        }
        Poll::Ready(())
    })
}

/// A body that is read to its end when it is dropped.
pub struct DrainBody<B: Body + Send + 'static> {
    inner: Option<Pin<Box<B>>>,
    ticket: Ticket,
}

impl<B: Body + Send + 'static> Body for DrainBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        // Out of its place while it is polled: what has panicked is not polled again.
        let Some(mut inner) = self.inner.take() else {
            return Poll::Ready(None);
        };
        let polled = inner.as_mut().poll_frame(cx);
        let goes_on = match polled {
            Poll::Pending => true,
            Poll::Ready(Some(Ok(_))) => !inner.is_end_stream(),
            Poll::Ready(_) => false,
        };
        if goes_on {
            self.inner = Some(inner);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner
            .as_ref()
            .is_none_or(|inner| inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), |inner| inner.size_hint())
    }
}

impl<B: Body + Send + 'static> Drop for DrainBody<B> {
    fn drop(&mut self) {
        let rest = self.inner.take().filter(|inner| !inner.is_end_stream());
        if let Some(inner) = rest.filter(|_| !std::thread::panicking()) {
            self.ticket
                .redeem(read_body(inner, self.ticket.policy.max_items));
        }
    }
}

impl<F, R, E> fmt::Debug for DrainFuture<F, R, E>
where
    F: Future<Output = Result<R, E>> + Send + 'static,
    R: Drains,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainFuture").finish_non_exhaustive()
    }
}

impl<S, T, X> fmt::Debug for DrainStream<S, T, X>
where
    S: Stream<Item = Result<T, X>> + Send + 'static,
    T: 'static,
    X: 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainStream").finish_non_exhaustive()
    }
}

impl<B: Body + Send + 'static> fmt::Debug for DrainBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainBody").finish_non_exhaustive()
    }
}
