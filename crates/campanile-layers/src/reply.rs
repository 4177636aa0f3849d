//! What a stage gives back: one value, a stream, or an HTTP response.

use crate::follow::{Baton, End, FollowBody, FollowStream, Probe};
use futures_core::Stream;
use http_body::Body;
use pin_project::pin_project;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A reply that can be followed to its end: a head, items, an end.
///
/// It knows nothing of the service's error type, so that a typed client error under a timeout, an axum route and a
/// hyper client all fit. The three shapes are [`Unary`], [`Streaming`] and `http::Response`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reply that can be followed to its end",
    label = "the shape of this reply is not named",
    note = "put `.layer(client::unary())` (one value) or `.layer(client::streaming())` (a stream of results) next to the client",
    note = "`Streaming<S>` is a reply where `S` is a `Stream` whose items are `Result`s"
)]
pub trait Reply: Sized {
    /// What comes first.
    type Head: ?Sized;
    /// One piece.
    type Item;
    /// Why it broke off.
    type Break;
    /// The same shape, with a probe inside.
    type Followed<P: Probe<Self, E>, E>: Reply<Head = Self::Head, Item = Self::Item, Break = Self::Break>;

    /// Takes a probe along until the end.
    fn follow<P: Probe<Self, E>, E>(self, baton: Baton<P, Self, E>) -> Self::Followed<P, E>;
}

/// A reply that is one value. It is over when it is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unary<T>(pub T);

impl<T> Reply for Unary<T> {
    type Head = ();
    type Item = T;
    type Break = Infallible;
    type Followed<P: Probe<Self, E>, E> = Self;

    fn follow<P: Probe<Self, E>, E>(self, mut baton: Baton<P, Self, E>) -> Self {
        baton.replied(&());
        baton.item(&self.0);
        baton.end(End::Done);
        self
    }
}

/// A reply that is a stream of results. Its first error ends it.
#[pin_project]
#[derive(Clone, Copy, Debug)]
pub struct Streaming<S>(#[pin] pub S);

// For what is no stream of results the message of `Reply` says more than the bound does.
#[diagnostic::do_not_recommend]
impl<S: Stream<Item = Result<T, X>>, T, X> Reply for Streaming<S> {
    type Head = ();
    type Item = T;
    type Break = X;
    type Followed<P: Probe<Self, E>, E> = Streaming<FollowStream<S, P, Self, E>>;

    fn follow<P: Probe<Self, E>, E>(self, mut baton: Baton<P, Self, E>) -> Self::Followed<P, E> {
        baton.replied(&());
        Streaming(FollowStream::new(self.0, baton))
    }
}

impl<S: Stream> Stream for Streaming<S> {
    type Item = S::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.project().0.poll_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<B: Body> Reply for http::Response<B> {
    type Head = http::response::Parts;
    type Item = B::Data;
    type Break = B::Error;
    type Followed<P: Probe<Self, E>, E> = http::Response<FollowBody<B, P, Self, E>>;

    fn follow<P: Probe<Self, E>, E>(self, mut baton: Baton<P, Self, E>) -> Self::Followed<P, E> {
        let (head, body) = self.into_parts();
        baton.replied(&head);
        http::Response::from_parts(head, FollowBody::new(body, baton))
    }
}
