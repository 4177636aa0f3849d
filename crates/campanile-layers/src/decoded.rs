//! A body that is decoded as it passes, byte for byte the same.

use bytes::{Buf, Bytes};
use campanile_core::{Decode, Facts, Failure, Frame, Moment, Noted, Served, Tally};
use http_body::{Body, SizeHint};
use pin_project::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A body whose frames carry what a decoder has noted of them.
///
/// Facts that are known only when the body is over (the usage of a JSON answer) come with an empty last frame where the
/// length of the body was not known before.
#[pin_project]
pub struct Decoded<B, D> {
    #[pin]
    inner: B,
    decoder: D,
    over: bool,
}

impl<B, D> Decoded<B, D> {
    /// Has `decoder` read `body` as it passes.
    pub const fn new(body: B, decoder: D) -> Self {
        Self {
            inner: body,
            decoder,
            over: false,
        }
    }
}

impl<B: Body<Data = Bytes>, D: Decode> Body for Decoded<B, D> {
    type Data = Piece;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Piece>, B::Error>>> {
        let mut this = self.project();
        if *this.over {
            return Poll::Ready(None);
        }
        let Some(next) = ready!(this.inner.as_mut().poll_frame(cx)) else {
            *this.over = true;
            let mut piece = Piece::default();
            this.decoder.ended(&mut piece.noted);
            return Poll::Ready(Some(Ok(http_body::Frame::data(piece))));
        };
        let (decoder, over) = (this.decoder, this.over);
        let ends = this.inner.is_end_stream();
        Poll::Ready(Some(next.map(|frame| {
            frame.map_data(|bytes| {
                let mut noted = Noted::new();
                decoder.received(Frame::Body(&bytes), &mut noted);
                if ends {
                    *over = true;
                    decoder.ended(&mut noted);
                }
                Piece { bytes, noted }
            })
        })))
    }

    fn is_end_stream(&self) -> bool {
        // A body without any frame ends before the decoder has seen one.
        self.over || (self.inner.is_end_stream() && self.inner.size_hint().exact() == Some(0))
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: fmt::Debug, D> fmt::Debug for Decoded<B, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded")
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

/// Bytes as they came, and what a decoder has noted of them.
#[derive(Default)]
pub struct Piece {
    bytes: Bytes,
    noted: Noted,
}

impl Piece {
    /// The bytes as they came.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

impl Facts for Piece {
    fn usage(&self, tally: &Tally) {
        self.noted.usage(tally);
    }
    fn spoken(&self) -> Option<&str> {
        self.noted.spoken()
    }
    fn failure(&self) -> Option<Failure> {
        self.noted.failure()
    }
    fn served(&self, served: &mut Served) {
        self.noted.served(served);
    }
    fn moment(&self) -> Moment {
        self.noted.moment()
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }
    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }
    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        self.bytes.copy_to_bytes(len)
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Piece")
            .field("bytes", &self.bytes.len())
            .field("noted", &self.noted)
            .finish()
    }
}

/// Gives the bytes of [`Piece`]s back to those who want `Bytes`, such as axum.
#[pin_project]
#[derive(Debug)]
pub struct Plain<B>(#[pin] B);

impl<B> Plain<B> {
    /// A body of plain bytes.
    pub const fn new(body: B) -> Self {
        Self(body)
    }
}

impl<B: Body<Data = Piece>> Body for Plain<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, B::Error>>> {
        let next = ready!(self.project().0.poll_frame(cx));
        Poll::Ready(next.map(|frame| frame.map(|frame| frame.map_data(Piece::into_bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
