//! What the layers may not take away: `Send`, `Sync`, `Unpin`, `UnwindSafe`.

use crate::support::*;
use bytes::Bytes;
use campanile_core::{Decode, Failure, Frame, Gate, Hold, Noted, OverBudget, Record};
use campanile_layers::*;
use futures_util::stream;
use std::future::poll_fn;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::Poll;
use tower::{Service, ServiceBuilder, service_fn};

fn keeps_all<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>(_: &T) {}

/// What of a reply is ours: the head of an HTTP response has extensions, which are any values, in itself.
trait Inside {
    type Inside;
    fn inside(self) -> Self::Inside;
}

impl<T> Inside for Unary<T> {
    type Inside = Self;
    fn inside(self) -> Self {
        self
    }
}

impl<S> Inside for Streaming<S> {
    type Inside = Self;
    fn inside(self) -> Self {
        self
    }
}

impl<B> Inside for http::Response<B> {
    type Inside = B;
    fn inside(self) -> B {
        self.into_body()
    }
}

type Fails = fn(&Trouble) -> Failure;

/// Calls each stack once with a request, and looks at the service, the future and the reply.
macro_rules! looked_at {
    ($open:ident, $request:expr, $client:expr, $answer:expr, [$($layer:expr),* $(,)?]) => {$(
        let mut stack = ServiceBuilder::new()
            .layer(CallLayer::$open("tts", &intake()))
            .layer($layer)
            .layer($client)
            .service(service_fn(|_| poll_fn(|_| Poll::Ready(Ok::<_, Trouble>($answer)))));
        keeps_all(&stack);
        let future = stack.call($request);
        keeps_all(&future);
        let reply = future.await.unwrap();
        keeps_all(&Inside::inside(reply));
    )*};
}

macro_rules! each_layer {
    ($open:ident, $request:expr, $client:expr, $answer:expr) => {
        looked_at!(
            $open,
            $request,
            $client,
            $answer,
            [
                tower_layer::Identity::new(),
                ErrorLayer::new(classify::error::<Trouble> as Fails),
                UsageLayer::new(),
                RedactLayer::new(),
                TimingLayer::new(),
                SpanLayer::new(),
            ]
        )
    };
}

fn pieces() -> stream::Iter<std::array::IntoIter<Result<Said, Trouble>, 2>> {
    stream::iter([Ok(Said::default()), Ok(Said::default())])
}

fn page() -> http::Response<http_body_util::Full<Said>> {
    http::Response::new(http_body_util::Full::new(Said::default()))
}

#[tokio::test(start_paused = true)]
async fn whole_requests_keep_them() {
    each_layer!(new, Ask, client::unary(), Said::default());
    each_layer!(new, Ask, client::streaming(), pieces());
    each_layer!(new, Ask, client::response(), page());
    each_layer!(http, http::Request::new(()), client::http(), page());
}

#[tokio::test(start_paused = true)]
async fn streamed_requests_keep_them() {
    fn upload() -> Upload<Ask, stream::Iter<std::array::IntoIter<Audio, 2>>> {
        Upload::new(Ask, stream::iter([Audio, Audio]))
    }
    each_layer!(
        streamed,
        upload(),
        client::unary().upload(),
        Said::default()
    );
    let mut stack = ServiceBuilder::new()
        .layer(CallLayer::streamed("stt", &intake()))
        .layer(UsageLayer::new())
        .layer(RedactLayer::new())
        .layer(TimingLayer::new())
        .layer(client::unary().upload())
        .service(service_fn(|upload: Upload<_, _>| {
            keeps_all(&upload);
            poll_fn(|_| Poll::Ready(Ok::<_, Trouble>(Said::default())))
        }));
    let Unary(_) = stack.call(upload()).await.unwrap();
}

struct Deaf;

impl Decode for Deaf {
    fn received(&mut self, _frame: Frame<'_>, _noted: &mut Noted) {}
}

#[test]
fn decoded_bodies_keep_them() {
    let body = http_body_util::Full::new(Bytes::from_static(b"{}"));
    keeps_all(&Decoded::new(body.clone(), Deaf));
    keeps_all(&Plain::new(Decoded::new(body, Deaf)));
}

#[tokio::test(start_paused = true)]
async fn a_drained_reply_can_be_sent_and_moved() {
    let mut stack = ServiceBuilder::new()
        .layer(CallLayer::new("tts", &intake()))
        .layer(DrainLayer::new())
        .layer(UsageLayer::new())
        .layer(client::streaming())
        .service(service_fn(|_: Ask| {
            poll_fn(|_| Poll::Ready(Ok::<_, Trouble>(pieces())))
        }));
    keeps_all(&stack);
    let future = stack.call(Ask);
    keeps_all(&future);
    let reply = future.await.unwrap();
    keeps_all(&reply);
}

struct Open;

impl Gate for Open {
    fn admit(&self, _record: &Record) -> Result<Hold, OverBudget> {
        Ok(Hold::new(|_| ()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_be_refused_keeps_them() {
    let mut stack = ServiceBuilder::new()
        .layer(CallLayer::new("tts", &intake()))
        .layer(BudgetLayer::new(Open))
        .layer(client::unary())
        .service(service_fn(|_: Ask| {
            poll_fn(|_| Poll::Ready(Ok::<_, Trouble>(Said::default())))
        }));
    keeps_all(&stack);
    let future = stack.call(Ask);
    keeps_all(&future);
    let Unary(_) = future.await.unwrap();
}
