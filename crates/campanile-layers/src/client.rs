//! Adapters next to the client: they unwrap the request, name the reply's shape, and decode once.
//!
//! | adapter | the client takes | and gives |
//! |---|---|---|
//! | [`unary()`] | `Req` | one value |
//! | [`streaming()`] | `Req` | a stream of results |
//! | [`response()`] | `Req` | an `http::Response` |
//! | [`http()`] | `http::Request` | an `http::Response` |
//! | [`decoding()`] | `http::Request` | an `http::Response`, whose body is decoded as it passes, byte for byte the same |
//!
//! `.upload()` on one of the first three: the client takes an [`Upload`] whose pieces are counted as it takes them.

use crate::carry::{Call, Carries, Sending, Sent, Upload};
use crate::contain::contained;
use crate::decoded::Decoded;
use crate::reply::{Reply, Streaming, Unary};
use campanile_core::{Decode, Record};
use http_body::Body;
use pin_project::pin_project;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower_layer::Layer;
use tower_service::Service;

/// The client gives one value.
#[must_use]
pub const fn unary() -> Client<Whole, AsUnary> {
    Client(Whole, AsUnary)
}

/// The client gives a stream of results.
#[must_use]
pub const fn streaming() -> Client<Whole, AsStreaming> {
    Client(Whole, AsStreaming)
}

/// The client gives an `http::Response`, for a request that is none.
#[must_use]
pub const fn response() -> Client<Whole, AsResponse> {
    Client(Whole, AsResponse)
}

/// The client is an HTTP client or an HTTP service, such as a hyper client or an axum route.
#[must_use]
pub const fn http() -> Client<Http, AsResponse> {
    Client(Http, AsResponse)
}

/// The client is an HTTP client; `decoder` makes what reads each reply as it passes.
#[must_use]
pub const fn decoding<D>(decoder: D) -> Client<Http, AsDecoded<D>> {
    Client(Http, AsDecoded(decoder))
}

/// The adapter that stands next to the client. Made by the functions of [this module](self).
#[derive(Clone, Copy, Debug)]
pub struct Client<I, O>(I, O);

impl<O> Client<Whole, O> {
    /// The client takes an [`Upload`]; the stack begins with [`CallLayer::streamed`](crate::CallLayer::streamed).
    #[must_use]
    pub fn upload(self) -> Client<Uploaded, O> {
        Client(Uploaded, self.1)
    }
}

impl<S, I: Clone, O: Clone> Layer<S> for Client<I, O> {
    type Service = Adapted<S, I, O>;

    fn layer(&self, inner: S) -> Self::Service {
        Adapted {
            inner,
            shape: self.1.clone(),
            _request: PhantomData,
        }
    }
}

/// The service of [`Client`].
#[derive(Debug)]
pub struct Adapted<S, I, O> {
    inner: S,
    shape: O,
    _request: PhantomData<fn(I)>,
}

impl<S: Clone, I, O: Clone> Clone for Adapted<S, I, O> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shape: self.shape.clone(),
            _request: PhantomData,
        }
    }
}

impl<C, S, I, O> Service<C> for Adapted<S, I, O>
where
    I: Unwrap<C>,
    S: Service<I::Request>,
    O: Shape<I::Request, S::Response>,
{
    type Response = O::Reply;
    type Error = S::Error;
    type Future = ShapeFuture<S::Future, O::Namer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, carrier: C) -> Self::Future {
        let request = I::unwrap(carrier);
        let namer = self.shape.namer(&request);
        ShapeFuture {
            inner: self.inner.call(request),
            namer: Some(namer),
        }
    }
}

/// How a client takes its request.
#[diagnostic::on_unimplemented(
    message = "the client adapter that stands here does not unwrap `{C}`",
    label = "`CallLayer` and the `client::…` adapter do not belong together",
    note = "`CallLayer::new` goes with `client::unary()`, `client::streaming()` or `client::response()`",
    note = "`CallLayer::streamed` goes with the same and `.upload()`, such as `client::unary().upload()`",
    note = "`CallLayer::http` goes with `client::http()` or `client::decoding(…)`"
)]
pub trait Unwrap<C> {
    /// What the client takes.
    type Request;
    /// The request without its record.
    fn unwrap(carrier: C) -> Self::Request;
}

/// Takes the request out of its [`Call`].
#[derive(Clone, Copy, Debug)]
pub struct Whole;

impl<R> Unwrap<Call<R>> for Whole {
    type Request = R;
    fn unwrap(call: Call<R>) -> R {
        call.into_request()
    }
}

/// Takes the upload out of its [`Sending`].
#[derive(Clone, Copy, Debug)]
pub struct Uploaded;

impl<H, S: futures_core::Stream> Unwrap<Sending<H, S>> for Uploaded {
    type Request = Upload<H, Sent<S>>;
    fn unwrap(sending: Sending<H, S>) -> Self::Request {
        sending.into_upload()
    }
}

/// Leaves an HTTP request as it is.
#[derive(Clone, Copy, Debug)]
pub struct Http;

impl<B> Unwrap<http::Request<B>> for Http
where
    http::Request<B>: Carries,
{
    type Request = http::Request<B>;
    fn unwrap(request: http::Request<B>) -> Self::Request {
        request
    }
}

/// How the shape of a client's answers is named.
#[diagnostic::on_unimplemented(
    message = "the client adapter that stands here cannot name the shape of `{T}`",
    label = "another `client::…` adapter is needed next to this client",
    note = "`client::unary()` is for one value, `client::streaming()` for a stream of results, \
            `client::response()` and `client::http()` for an `http::Response`"
)]
pub trait Shape<Q, T> {
    /// The answer with its shape.
    type Reply: Reply;
    /// What names one answer.
    type Namer: FnOnce1<T, Output = Self::Reply>;
    /// Makes it, from the request to which the answer will belong.
    fn namer(&self, request: &Q) -> Self::Namer;
}

/// A function that is called once; `FnOnce` with a name for its type.
pub trait FnOnce1<T> {
    /// What it gives.
    type Output;
    /// Calls it.
    fn call(self, argument: T) -> Self::Output;
}

/// Names one value.
#[derive(Clone, Copy, Debug)]
pub struct AsUnary;

impl<Q, T> Shape<Q, T> for AsUnary {
    type Reply = Unary<T>;
    type Namer = Self;
    fn namer(&self, _request: &Q) -> Self {
        *self
    }
}

impl<T> FnOnce1<T> for AsUnary {
    type Output = Unary<T>;
    fn call(self, value: T) -> Unary<T> {
        Unary(value)
    }
}

/// Names a stream.
#[derive(Clone, Copy, Debug)]
pub struct AsStreaming;

impl<Q, T> Shape<Q, T> for AsStreaming
where
    Streaming<T>: Reply,
{
    type Reply = Streaming<T>;
    type Namer = Self;
    fn namer(&self, _request: &Q) -> Self {
        *self
    }
}

impl<T> FnOnce1<T> for AsStreaming {
    type Output = Streaming<T>;
    fn call(self, stream: T) -> Streaming<T> {
        Streaming(stream)
    }
}

/// Leaves what has a shape already.
#[derive(Clone, Copy, Debug)]
pub struct AsResponse;

impl<Q, T: Reply> Shape<Q, T> for AsResponse {
    type Reply = T;
    type Namer = Self;
    fn namer(&self, _request: &Q) -> Self {
        *self
    }
}

impl<T> FnOnce1<T> for AsResponse {
    type Output = T;
    fn call(self, response: T) -> T {
        response
    }
}

/// Decodes the body of an HTTP response as it passes.
#[derive(Clone, Copy, Debug)]
pub struct AsDecoded<D>(D);

impl<Q, B, D, M> Shape<http::Request<Q>, http::Response<B>> for AsDecoded<M>
where
    B: Body<Data = bytes::Bytes>,
    D: Decode,
    M: Fn(&http::Request<Q>) -> D,
{
    type Reply = http::Response<Decoded<B, D>>;
    type Namer = DecodeWith<D>;
    fn namer(&self, request: &http::Request<Q>) -> DecodeWith<D> {
        let record = request.extensions().get::<Record>().cloned();
        let decoder = contained(|| (self.0)(request));
        if let (None, Some(record)) = (&decoder, &record) {
            record.observer_failed();
        }
        DecodeWith { decoder, record }
    }
}

/// Decodes one response.
pub struct DecodeWith<D> {
    decoder: Option<D>,
    record: Option<Record>,
}

impl<D> std::fmt::Debug for DecodeWith<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecodeWith").finish_non_exhaustive()
    }
}

impl<B: Body<Data = bytes::Bytes>, D: Decode> FnOnce1<http::Response<B>> for DecodeWith<D> {
    type Output = http::Response<Decoded<B, D>>;
    fn call(self, response: http::Response<B>) -> Self::Output {
        response.map(|body| Decoded::of(body, self.decoder, self.record))
    }
}

/// The future of [`Client`].
#[pin_project]
#[derive(Debug)]
pub struct ShapeFuture<F, N> {
    #[pin]
    inner: F,
    namer: Option<N>,
}

impl<F, N, T, E> Future for ShapeFuture<F, N>
where
    F: Future<Output = Result<T, E>>,
    N: FnOnce1<T>,
{
    type Output = Result<N::Output, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.inner.poll(cx))?;
        let namer = this
            .namer
            .take()
            .expect("a future is not polled after its end");
        Poll::Ready(Ok(namer.call(answer)))
    }
}
