//! The end of a call: the one state machine that every layer shares, and the only file with pins.
//!
//! ```text
//!  call() ──▶ future ──▶ reply ──▶ items ──▶ end          each arrow can also panic, fail, or be dropped
//!    │          │          │         │         │
//!  observe    (wait)    replied    item …     end         what a probe sees; `end` exactly once, and last
//! ```
//!
//! A probe travels in a [`Baton`] from the future into the reply. Whoever holds the baton when the call is over
//! ends it, and dropping it is an end too: that is why nothing can end a call twice, or forget to.
//!
//! Wrappers hold `inner` first and the baton after it. Fields drop in this order, so that inner layers end
//! before outer ones.

use crate::contain::{contained, counted};
use crate::reply::Reply;
use campanile_core::Record;
use futures_core::Stream;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower_service::Service;

/// How a call ended, as one layer saw it.
#[derive(Debug)]
pub enum End<'a, R: Reply, E> {
    /// The reply came to its end.
    Done,
    /// There was no reply but an error.
    Failed(&'a E),
    /// The reply broke off with an error.
    Broke(&'a R::Break),
    /// The stage panicked. The panic goes on to the caller unchanged.
    Panicked,
    /// The caller dropped the future or the reply.
    Dropped,
}

/// What one layer does during one call.
///
/// Methods run on the caller's thread: count, and write once at the end. A panic in one of them is caught and
/// counted (`observer_failed`); from then on the probe hears nothing but its end, and the call goes on.
pub trait Probe<R: Reply, E>: Send {
    /// The reply has begun.
    fn replied(&mut self, _record: &Record, _head: &R::Head) {}

    /// A piece of the reply has come.
    fn item(&mut self, _record: &Record, _item: &R::Item) {}

    /// The span in which the inner service is polled, for a probe that has one.
    fn span(&self) -> Option<tracing::Span> {
        None
    }

    /// The call is over. Called exactly once, last; it may run inside `Drop` and must not block.
    fn end(self, record: &Record, end: End<'_, R, E>);
}

/// Makes a probe for each call; what a layer of one's own implements.
///
/// It may write into the request's record, begin an attempt
/// ([`Record::begin_attempt`]), and listen to a streamed request ([`Carries::on_sent`](crate::Carries::on_sent)).
pub trait Observe<C, R: Reply, E> {
    /// What watches one call.
    type Probe: Probe<R, E>;

    /// A call begins. Runs before the inner service sees the request.
    fn observe(&self, request: &mut C) -> Self::Probe;
}

/// Holds a probe until the end of its call. Dropping it is an end.
pub struct Baton<P: Probe<R, E>, R: Reply, E> {
    probe: Holds<P>,
    record: Record,
    _reply: PhantomData<fn(R, E)>,
}

/// A probe that has panicked is told the end all the same: what it knows until then is worth writing.
enum Holds<P> {
    Listening(P),
    Deaf(P),
    Nothing,
}

impl<P> Holds<P> {
    fn take(&mut self) -> Self {
        std::mem::replace(self, Holds::Nothing)
    }

    #[cold]
    fn deafen(&mut self) {
        *self = match self.take() {
            Holds::Listening(probe) => Holds::Deaf(probe),
            other => other,
        };
    }
}

// A panic is caught before it can be seen through a baton, and a probe that had one is told its end only.
impl<P: Probe<R, E>, R: Reply, E> UnwindSafe for Baton<P, R, E> {}
impl<P: Probe<R, E>, R: Reply, E> RefUnwindSafe for Baton<P, R, E> {}

impl<P: Probe<R, E>, R: Reply, E> Baton<P, R, E> {
    pub(crate) fn new(probe: Option<P>, record: Record) -> Self {
        Self {
            probe: probe.map_or(Holds::Nothing, Holds::Listening),
            record,
            _reply: PhantomData,
        }
    }

    /// Runs a piece of the probe. A probe's bug ends at the probe.
    #[inline]
    fn guarded<T>(&mut self, run: impl FnOnce(&mut P, &Record) -> T) -> Option<T> {
        let Holds::Listening(probe) = &mut self.probe else {
            return None;
        };
        let done = counted(&self.record, || run(probe, &self.record));
        if done.is_none() {
            self.probe.deafen();
        }
        done
    }

    /// The reply has begun.
    pub fn replied(&mut self, head: &R::Head) {
        self.guarded(|probe, record| probe.replied(record, head));
    }

    /// A piece has come.
    #[inline]
    pub fn item(&mut self, item: &R::Item) {
        self.guarded(|probe, record| probe.item(record, item));
    }

    /// The call is over. Only the first end counts.
    pub fn end(&mut self, end: End<'_, R, E>) {
        if let Holds::Listening(probe) | Holds::Deaf(probe) = self.probe.take() {
            counted(&self.record, || probe.end(&self.record, end));
        }
    }

    /// Hands the probe on; this baton is empty then.
    #[must_use]
    fn pass(&mut self) -> Self {
        Self {
            probe: self.probe.take(),
            record: self.record.clone(),
            _reply: PhantomData,
        }
    }

    /// Runs code of the stage, in the probe's span if it has one. If it unwinds, the call has panicked.
    #[inline]
    fn within<T>(&mut self, run: impl FnOnce() -> T) -> T {
        let span = self.guarded(|probe, _| probe.span()).flatten();
        let watched = Watched(self);
        let done = match span {
            None => run(),
            Some(span) => span.in_scope(run),
        };
        std::mem::forget(watched);
        done
    }
}

impl<P: Probe<R, E>, R: Reply, E> Drop for Baton<P, R, E> {
    fn drop(&mut self) {
        self.end(End::Dropped);
    }
}

impl<P: Probe<R, E>, R: Reply, E> std::fmt::Debug for Baton<P, R, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Baton")
            .field("over", &matches!(self.probe, Holds::Nothing))
            .finish_non_exhaustive()
    }
}

/// A guard that is dropped only by a panic. Cheaper than catching and resuming, and the panic stays as it was.
struct Watched<'a, P: Probe<R, E>, R: Reply, E>(&'a mut Baton<P, R, E>);

impl<P: Probe<R, E>, R: Reply, E> Drop for Watched<'_, P, R, E> {
    fn drop(&mut self) {
        self.0.end(End::Panicked);
    }
}

/// A service that is watched by an observer: what every layer of campanile makes.
#[derive(Clone, Copy, Debug)]
pub struct Follow<S, O> {
    inner: S,
    observer: O,
}

impl<S, O> Follow<S, O> {
    /// Has `observer` watch `inner`.
    pub const fn new(inner: S, observer: O) -> Self {
        Self { inner, observer }
    }
}

impl<C, S, O> Service<C> for Follow<S, O>
where
    C: crate::Carries,
    S: Service<C>,
    S::Response: Reply,
    O: Observe<C, S::Response, S::Error>,
{
    type Response = <S::Response as Reply>::Followed<O::Probe, S::Error>;
    type Error = S::Error;
    type Future = FollowFuture<S::Future, O::Probe, S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: C) -> Self::Future {
        let probe = contained(|| self.observer.observe(&mut request));
        let record = request.record().clone();
        if probe.is_none() {
            record.observer_failed();
        }
        let mut baton = Baton::new(probe, record);
        let inner = baton.within(|| self.inner.call(request));
        FollowFuture { inner, baton }
    }
}

/// The future of [`Follow`]. Dropping it before the reply ends the call as dropped.
#[pin_project]
#[derive(Debug)]
pub struct FollowFuture<F, P: Probe<R, E>, R: Reply, E> {
    #[pin]
    inner: F,
    baton: Baton<P, R, E>,
}

impl<F, P, R, E> Future for FollowFuture<F, P, R, E>
where
    F: Future<Output = Result<R, E>>,
    P: Probe<R, E>,
    R: Reply,
{
    type Output = Result<R::Followed<P, E>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = this.baton.within(|| this.inner.poll(cx));
        match ready!(polled) {
            Ok(reply) => Poll::Ready(Ok(reply.follow(this.baton.pass()))),
            Err(error) => {
                this.baton.end(End::Failed(&error));
                Poll::Ready(Err(error))
            }
        }
    }
}

/// A stream that is followed to its end. Dropping it before ends the call as dropped.
#[pin_project]
#[derive(Debug)]
pub struct FollowStream<S, P: Probe<R, E>, R: Reply, E> {
    #[pin]
    inner: S,
    baton: Baton<P, R, E>,
}

impl<S, P: Probe<R, E>, R: Reply, E> FollowStream<S, P, R, E> {
    pub(crate) fn new(inner: S, baton: Baton<P, R, E>) -> Self {
        Self { inner, baton }
    }
}

impl<S, P, R, E> Stream for FollowStream<S, P, R, E>
where
    S: Stream<Item = Result<R::Item, R::Break>>,
    P: Probe<R, E>,
    R: Reply,
    R::Item: Sized,
    R::Break: Sized,
{
    type Item = S::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let polled = this.baton.within(|| this.inner.poll_next(cx));
        let next = ready!(polled);
        match &next {
            Some(Ok(item)) => this.baton.item(item),
            Some(Err(broken)) => this.baton.end(End::Broke(broken)),
            None => this.baton.end(End::Done),
        }
        Poll::Ready(next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

/// A body that is followed to its end. Dropping it before ends the call as dropped.
#[pin_project]
#[derive(Debug)]
pub struct FollowBody<B, P: Probe<R, E>, R: Reply, E> {
    #[pin]
    inner: B,
    baton: Baton<P, R, E>,
}

impl<B: Body, P: Probe<R, E>, R: Reply, E> FollowBody<B, P, R, E> {
    pub(crate) fn new(inner: B, mut baton: Baton<P, R, E>) -> Self {
        // A body without frames may never be polled.
        if baton.within(|| inner.is_end_stream()) {
            baton.end(End::Done);
        }
        Self { inner, baton }
    }
}

impl<B, P, R, E> Body for FollowBody<B, P, R, E>
where
    B: Body<Data = R::Item, Error = R::Break>,
    P: Probe<R, E>,
    R: Reply,
    R::Item: bytes::Buf + Sized,
    R::Break: Sized,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let (polled, over) = this.baton.within(|| {
            let polled = this.inner.as_mut().poll_frame(cx);
            let over = polled.is_ready() && this.inner.is_end_stream();
            (polled, over)
        });
        let next = ready!(polled);
        match &next {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    this.baton.item(data);
                }
                // Nobody polls again after the last frame.
                if over {
                    this.baton.end(End::Done);
                }
            }
            Some(Err(broken)) => this.baton.end(End::Broke(broken)),
            None => this.baton.end(End::Done),
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
