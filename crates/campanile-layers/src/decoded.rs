//! A body that is decoded as it passes, byte for byte the same.

use crate::contain::{contained, counted};
use bytes::{Buf, Bytes};
use campanile_core::{Decode, Facts, Failure, Frame, Moment, Noted, Record, Served, Tally};
use http::HeaderMap;
use http_body::{Body, SizeHint};
use pin_project::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A body whose frames carry what a decoder has noted of them.
///
/// Facts that are known only when the body is over (the usage of a JSON answer) come with an empty last frame where the
/// length of the body was not known before; trailers follow it. A decoder that panics reads no further, and the
/// bytes pass all the same.
#[pin_project]
pub struct Decoded<B, D> {
    #[pin]
    inner: B,
    reader: Reader<D>,
    rest: Rest,
}

/// What is still to come.
enum Rest {
    Body,
    /// The body is over, but for these.
    Over(Option<HeaderMap>),
}

impl<B, D> Decoded<B, D> {
    /// Has `decoder` read `body` as it passes.
    pub const fn new(body: B, decoder: D) -> Self {
        Self::of(body, Some(decoder), None)
    }

    /// The same for a decoder that may have failed already; its bugs are counted in `record`.
    pub(crate) const fn of(body: B, decoder: Option<D>, record: Option<Record>) -> Self {
        Self {
            inner: body,
            reader: Reader { decoder, record },
            rest: Rest::Body,
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
        let next = match this.rest {
            Rest::Over(trailers) => {
                return Poll::Ready(trailers.take().map(http_body::Frame::trailers).map(Ok));
            }
            // Known to be over without being asked: it may not be polled again.
            Rest::Body if this.inner.is_end_stream() => None,
            Rest::Body => ready!(this.inner.as_mut().poll_frame(cx)),
        };
        let (piece, rest) = match next.map(|frame| frame.map(http_body::Frame::into_data)) {
            Some(Ok(Ok(bytes))) if this.inner.is_end_stream() => {
                (this.reader.read(bytes, true), Rest::Over(None))
            }
            Some(Ok(Ok(bytes))) => (this.reader.read(bytes, false), Rest::Body),
            Some(Ok(Err(frame))) => {
                let trailers = frame.into_trailers().ok();
                (this.reader.read(Bytes::new(), true), Rest::Over(trailers))
            }
            Some(Err(broken)) => {
                *this.rest = Rest::Over(None);
                return Poll::Ready(Some(Err(broken)));
            }
            None => (this.reader.read(Bytes::new(), true), Rest::Over(None)),
        };
        *this.rest = rest;
        Poll::Ready(Some(Ok(http_body::Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        match self.rest {
            // A body without any frame ends before the decoder has seen one.
            Rest::Body => self.inner.is_end_stream() && self.inner.size_hint().exact() == Some(0),
            Rest::Over(ref trailers) => trailers.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A decoder, until it breaks.
struct Reader<D> {
    decoder: Option<D>,
    record: Option<Record>,
}

// A decoder that panics is gone: nobody meets what it left half done.
impl<D> std::panic::UnwindSafe for Reader<D> {}
impl<D> std::panic::RefUnwindSafe for Reader<D> {}

impl<D: Decode> Reader<D> {
    /// Notes what `bytes` say. A decoder's bug ends at the decoder.
    fn read(&mut self, bytes: Bytes, ends: bool) -> Piece {
        let mut noted = Noted::new();
        if let Some(decoder) = &mut self.decoder {
            let read = || {
                if !bytes.is_empty() {
                    decoder.received(Frame::Body(&bytes), &mut noted);
                }
                if ends {
                    decoder.ended(&mut noted);
                }
            };
            let done = match &self.record {
                Some(record) => counted(record, read),
                None => contained(read),
            };
            if done.is_none() {
                let broken = self.decoder.take();
                contained(|| drop(broken));
            }
        }
        Piece { bytes, noted }
    }
}

impl<B: fmt::Debug, D> fmt::Debug for Decoded<B, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded")
            .field("over", &matches!(self.rest, Rest::Over(_)))
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
