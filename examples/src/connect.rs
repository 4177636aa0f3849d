//! How connections are made: over TCP (with TLS where the feature `live` is on), or however a program says.

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tower::Service;

/// A connection of any kind: a TCP socket, one side of [`tokio::io::duplex`].
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A transport that was made. Its bytes pass through unchanged.
pub struct Wire(Box<dyn Transport>);

/// How a client reaches its server. Clones dial in the same way.
#[derive(Clone)]
pub struct Dial(Arc<dyn Fn(Uri) -> BoxFuture<'static, io::Result<Wire>> + Send + Sync>);

impl Dial {
    /// Over TCP, each piece at once.
    #[must_use]
    pub fn tcp() -> Self {
        Self::new(|uri| {
            Box::pin(async move {
                let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
                let plain = matches!(uri.scheme_str(), Some("http" | "ws"));
                let port = uri.port_u16().unwrap_or(if plain { 80 } else { 443 });
                let socket = TcpStream::connect((host, port)).await?;
                socket.set_nodelay(true)?;
                Ok(Wire::new(socket))
            })
        })
    }

    /// As `dial` says: a server in memory, a proxy, a line that is down.
    pub fn new(
        dial: impl Fn(Uri) -> BoxFuture<'static, io::Result<Wire>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(dial))
    }

    /// Shakes hands over a WebSocket.
    pub(crate) async fn socket(
        &self,
        request: http::Request<()>,
    ) -> Result<Socket, tungstenite::Error> {
        let wire = (self.0)(request.uri().clone()).await?;
        shake_hands(request, wire).await
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dial")
    }
}

/// A WebSocket over any transport.
pub(crate) type Socket = WebSocketStream<MaybeTlsStream<Wire>>;

#[cfg(feature = "live")]
async fn shake_hands(request: http::Request<()>, wire: Wire) -> Result<Socket, tungstenite::Error> {
    let connector = None;
    let shaken =
        tokio_tungstenite::client_async_tls_with_config(request, wire, config(), connector);
    Ok(shaken.await?.0)
}

#[cfg(not(feature = "live"))]
async fn shake_hands(request: http::Request<()>, wire: Wire) -> Result<Socket, tungstenite::Error> {
    let plain = MaybeTlsStream::Plain(wire);
    let shaken = tokio_tungstenite::client_async_with_config(request, plain, config());
    Ok(shaken.await?.0)
}

/// The buffer is zeroed for each read: the usual 128 KiB of it are many for some messages of speech.
fn config() -> Option<WebSocketConfig> {
    Some(WebSocketConfig::default().read_buffer_size(8 << 10))
}

/// Sends HTTP requests whose bodies are there already.
pub(crate) type Http = Client<Connector, http_body_util::Full<bytes::Bytes>>;

#[cfg(not(feature = "live"))]
pub(crate) type Connector = Dial;
#[cfg(feature = "live")]
pub(crate) type Connector = hyper_rustls::HttpsConnector<Dial>;

pub(crate) fn http(dial: Dial) -> Http {
    Client::builder(TokioExecutor::new()).build(connector(dial))
}

#[cfg(not(feature = "live"))]
fn connector(dial: Dial) -> Connector {
    dial
}

#[cfg(feature = "live")]
fn connector(dial: Dial) -> Connector {
    hyper_rustls::HttpsConnectorBuilder::new()
        .with_webpki_roots()
        .https_or_http()
        .enable_http1()
        .wrap_connector(dial)
}

/// What hyper's client wants of a connector.
impl Service<Uri> for Dial {
    type Response = TokioIo<Wire>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<TokioIo<Wire>>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let wire = (self.0)(uri);
        Box::pin(async move { Ok(TokioIo::new(wire.await?)) })
    }
}

impl Wire {
    /// Takes a transport in.
    pub fn new(transport: impl Transport + 'static) -> Self {
        Self(Box::new(transport))
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
