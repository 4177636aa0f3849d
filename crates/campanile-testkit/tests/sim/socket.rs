//! A client of WebSockets.

use bytes::Bytes;
use campanile_testkit::sim::Server;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::Response;
use tokio_tungstenite::tungstenite::http::header::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};

/// A connection after its handshake.
#[derive(Debug)]
pub(crate) struct Socket<T = TcpStream> {
    pub(crate) stream: WebSocketStream<T>,
    pub(crate) response: Response<Option<Vec<u8>>>,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// A closing frame with this code and reason.
    Closed(u16, String),
    /// Anything else.
    Broken,
}

pub(crate) async fn connect(
    server: &Server,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Socket, Error> {
    let address = server.address().expect("the server has a port");
    let socket = TcpStream::connect(address).await.expect("the port is open");
    over(socket, &server.ws_url(), path, headers).await
}

pub(crate) async fn over<T: AsyncRead + AsyncWrite + Unpin>(
    io: T,
    base: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Socket<T>, Error> {
    let mut request = format!("{base}{path}").into_client_request()?;
    for (name, value) in headers {
        let name: HeaderName = name.parse().expect("a header's name");
        let value: HeaderValue = value.parse().expect("a header's value");
        request.headers_mut().insert(name, value);
    }
    let (stream, response) = tokio_tungstenite::client_async(request, io).await?;
    Ok(Socket { stream, response })
}

/// The response to a handshake that was refused.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> Response<Option<Vec<u8>>> {
    match result {
        Err(Error::Http(response)) => *response,
        other => panic!("not refused: {other:?}"),
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Socket<T> {
    pub(crate) async fn text(&mut self, text: impl ToString) {
        let sent = self.stream.send(Message::text(text.to_string())).await;
        sent.expect("the connection takes a text");
    }

    pub(crate) async fn binary(&mut self, bytes: impl Into<Bytes>) {
        let sent = self.stream.send(Message::Binary(bytes.into())).await;
        sent.expect("the connection takes bytes");
    }

    /// The next message; none at the end.
    pub(crate) async fn read(&mut self) -> Result<Value, Ended> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(text.as_str()).expect("a message is JSON"));
                }
                Some(Ok(Message::Close(frame))) => {
                    // Sends the answer.
                    let _ = self.stream.flush().await;
                    return Err(frame.map_or(Ended::Broken, |frame| {
                        Ended::Closed(frame.code.into(), frame.reason.to_string())
                    }));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(Ended::Broken),
            }
        }
    }

    /// All messages until the end.
    pub(crate) async fn rest(&mut self) -> (Vec<Value>, Ended) {
        let mut read = Vec::new();
        loop {
            match self.read().await {
                Ok(message) => read.push(message),
                Err(ended) => return (read, ended),
            }
        }
    }
}
