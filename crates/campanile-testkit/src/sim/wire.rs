//! The bytes of one connection, and the valve that cuts them off.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection that can be served: a TCP socket, or any pair of reader and writer.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {
    /// Makes the end of the connection a reset, where there is such a thing.
    fn reset(&mut self) {}
}

impl Transport for TcpStream {
    fn reset(&mut self) {
        // With a linger of zero, closing sends RST. A socket that refuses this is closed in the ordinary way.
        let _ = self.set_zero_linger();
    }
}

/// Something without resets: its other side reads an end, and cannot write.
pub(crate) struct Plain<T>(pub(crate) T);

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for Plain<T> {}

impl<T: AsyncRead + Unpin> AsyncRead for Plain<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Plain<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Cuts a connection from afar. Clones belong to the same connection.
#[derive(Clone, Debug)]
pub(crate) struct Valve(Arc<State>);

#[derive(Debug)]
struct State {
    written: AtomicU64,
    last: AtomicU64,
    shut: AtomicBool,
}

impl Valve {
    fn new() -> Self {
        Self(Arc::new(State {
            written: AtomicU64::new(0),
            last: AtomicU64::new(u64::MAX),
            shut: AtomicBool::new(false),
        }))
    }

    /// Resets the connection once that many more bytes have been written.
    pub(crate) fn cut_at(&self, bytes: u64) {
        let written = self.0.written.load(Ordering::Relaxed);
        self.0
            .last
            .store(written.saturating_add(bytes), Ordering::Relaxed);
    }

    /// Takes [`cut_at`](Self::cut_at) back.
    pub(crate) fn clear(&self) {
        self.0.last.store(u64::MAX, Ordering::Relaxed);
    }

    /// Resets the connection at its next flush, when all that was written before has gone out; then waits for the
    /// connection's task to be over.
    pub(crate) async fn cut<T>(&self) -> T {
        self.0.shut.store(true, Ordering::Relaxed);
        // hyper flushes after it has polled a body, but may poll it twice: see to another poll.
        tokio::task::yield_now().await;
        std::future::pending().await
    }

    /// Resets the connection at its next flush.
    pub(crate) fn shut(&self) {
        self.0.shut.store(true, Ordering::Relaxed);
    }

    fn left(&self) -> u64 {
        let last = self.0.last.load(Ordering::Relaxed);
        last.saturating_sub(self.0.written.load(Ordering::Relaxed))
    }
}

/// A connection with a [`Valve`] in it.
pub(crate) struct Wire {
    transport: Box<dyn Transport>,
    valve: Valve,
    /// It has been cut: nothing is read from it either.
    dead: bool,
}

impl Wire {
    pub(crate) fn new(transport: Box<dyn Transport>) -> (Self, Valve) {
        let valve = Valve::new();
        let wire = Self {
            transport,
            valve: valve.clone(),
            dead: false,
        };
        (wire, valve)
    }

    fn reset<T>(&mut self) -> Poll<io::Result<T>> {
        self.transport.reset();
        self.dead = true;
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.dead {
            return self.reset();
        }
        Pin::new(&mut self.transport).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = usize::try_from(self.valve.left()).unwrap_or(usize::MAX);
        if left == 0 {
            return self.reset();
        }
        let part = &buf[..buf.len().min(left)];
        let written = ready!(Pin::new(&mut self.transport).poll_write(cx, part))?;
        self.valve
            .0
            .written
            .fetch_add(written as u64, Ordering::Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.transport).poll_flush(cx))?;
        if self.valve.left() == 0 || self.valve.0.shut.load(Ordering::Relaxed) {
            return self.reset();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}
