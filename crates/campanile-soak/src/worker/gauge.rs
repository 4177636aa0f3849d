//! A transport that notes when bytes came and went, and that can be cut.

use super::latency::Stopwatch;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A line to a provider, seen from afar. Clones are the same line.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_cut: AtomicBool,
    reader: Mutex<Option<Waker>>,
}

impl Line {
    /// Breaks the connection: the next read fails.
    pub(super) fn cut(&self) {
        self.0.is_cut.store(true, Relaxed);
        let reader = self
            .0
            .reader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// The transport itself.
#[derive(Debug)]
pub(super) struct Gauge<T> {
    pub(super) inner: T,
    pub(super) line: Line,
    pub(super) stopwatch: Option<Arc<Stopwatch>>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Gauge<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.line.0.is_cut.load(Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        match (&polled, &self.stopwatch) {
            (Poll::Ready(_), Some(stopwatch)) => stopwatch.read(),
            (Poll::Pending, _) => {
                let mut reader = self
                    .line
                    .0
                    .reader
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                if !reader
                    .as_ref()
                    .is_some_and(|known| known.will_wake(cx.waker()))
                {
                    *reader = Some(cx.waker().clone());
                }
            }
            _ => {}
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Gauge<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if let (Poll::Ready(_), Some(stopwatch)) = (&polled, &self.stopwatch) {
            stopwatch.wrote();
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
