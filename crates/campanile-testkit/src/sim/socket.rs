//! One side of a WebSocket, with the trouble that is scripted for it.

use std::fmt;
use std::future::Future;

use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::{Duration, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::bill::Provider;
use super::desk::{Ticket, header};
use super::fault::{Fault, reason};
use super::server::{After, Body, put, response};
use super::wire::Valve;

/// Bytes that are read from a connection at once: some frames of audio.
const READ_AT_ONCE: usize = 4 << 10;
/// How long a client that was told to close may say nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection after its handshake.
pub(crate) struct Socket {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    valve: Valve,
    provider: Provider,
    fault: Option<Fault>,
    items: u64,
    frames: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Nothing more is sent, but all is received: a fault, or the client does not read any more.
    Mute,
    /// The closing frame has been sent.
    Closed,
}

/// What a client sent.
#[derive(Debug)]
pub(crate) enum Heard {
    Text(String),
    Binary(Bytes),
    /// It closes, in due form.
    Close,
    /// The connection is gone, or what came on it is no WebSocket.
    Gone,
}

/// What a fault does to the connection now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Reset it: [`Socket::cut`].
    Cut,
    /// Send an error.
    Error,
}

impl Socket {
    /// Answers 101 and goes on with `talk` once the client has read it. The caller has checked [`accept_key`].
    pub(crate) fn upgrade<F>(
        request: Request<Incoming>,
        valve: Valve,
        after: &After,
        (provider, ticket): (Provider, &Ticket),
        headers: &[(&'static str, String)],
        talk: impl FnOnce(Self) -> F + Send + 'static,
    ) -> Response<Body>
    where
        F: Future<Output = ()> + Send,
    {
        let mut response = switching(request.headers(), headers);
        let upgrade = hyper::upgrade::on(request);
        let fault = ticket.fault;
        let go_on = async move {
            let Ok(upgraded) = upgrade.await else { return };
            let io = TokioIo::new(upgraded);
            // The buffer is zeroed for each read: the usual 128 KiB of it would be most of the work.
            let config = WebSocketConfig::default().read_buffer_size(READ_AT_ONCE);
            let stream = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
            let socket = Self {
                stream,
                valve,
                provider,
                fault,
                items: 0,
                frames: 0,
                state: State::Open,
            };
            talk(socket).await;
        };
        after.set(go_on.boxed());
        put(response.headers_mut(), "connection", "upgrade");
        response
    }

    /// Waits for what the client sends next.
    pub(crate) async fn hear(&mut self) -> Heard {
        loop {
            let heard = match self.next().await {
                Some(Ok(Message::Text(text))) => Heard::Text(text.as_str().to_owned()),
                Some(Ok(Message::Binary(bytes))) => Heard::Binary(bytes),
                Some(Ok(Message::Close(_))) => {
                    // Sends the answer to it, which was queued by reading it. Without waiting: whoever listens may
                    // stop doing so at any await, and would not hear of the close.
                    let _ = self.stream.flush().now_or_never();
                    return Heard::Close;
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Err(Error::Protocol(_) | Error::Capacity(_) | Error::Utf8(_))) => {
                    let _ = self.close(1002, "").now_or_never();
                    return Heard::Gone;
                }
                Some(Err(_)) | None => return Heard::Gone,
            };
            self.frames += 1;
            return heard;
        }
    }

    /// The next message; none from a client that was told to close and took too long over it.
    async fn next(&mut self) -> Option<Result<Message, Error>> {
        match self.state {
            State::Closed => timeout(PATIENCE, self.stream.next()).await.ok().flatten(),
            _ => self.stream.next().await,
        }
    }

    /// Sends a message, unless the client does not listen any more.
    pub(crate) async fn say(&mut self, message: &Value) {
        if self.state == State::Open {
            let sent = self.stream.send(Message::text(message.to_string())).await;
            if sent.is_err() {
                // What it sent before can still be read, and is billed.
                self.state = State::Mute;
            }
        }
    }

    /// Sends a message that counts as an item.
    pub(crate) async fn say_item(&mut self, message: &Value) {
        self.say(message).await;
        self.items += 1;
    }

    /// Whether the fault comes now; at the `end` of what can be said, it comes in any case. A fault comes once.
    pub(crate) fn due(&mut self, end: bool) -> Option<Due> {
        if self.state != State::Open {
            return None;
        }
        let fault = self.fault?;
        let due = match fault {
            _ if !fault
                .items()
                .is_some_and(|items| end || self.items >= items) =>
            {
                return None;
            }
            Fault::CutAfter { .. } => Due::Cut,
            Fault::ErrorInStream { .. } => Due::Error,
            _ => {
                self.state = State::Mute;
                return None;
            }
        };
        self.fault = None;
        Some(due)
    }

    /// The code and the reason to close with, if that is to be done now.
    pub(crate) fn closing(&mut self, end: bool) -> Option<(u16, &'static str)> {
        match self.fault {
            Some(Fault::CloseSocket { after_frames, code })
                if self.state == State::Open && (end || self.frames >= after_frames) =>
            {
                self.fault = None;
                Some((code, reason(code, self.provider)))
            }
            _ => None,
        }
    }

    /// Whether anything can be said any more.
    pub(crate) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether the script lets the provider sum up.
    pub(crate) fn tells_usage(&self) -> bool {
        self.fault != Some(Fault::NoUsageChunk)
    }

    /// Sends the closing frame.
    pub(crate) async fn close(&mut self, code: u16, reason: &'static str) {
        if self.state == State::Open {
            let frame = CloseFrame {
                code: code.into(),
                reason: reason.into(),
            };
            let _ = self.stream.send(Message::Close(Some(frame))).await;
        }
        self.state = State::Closed;
    }

    /// Resets the connection, when all that was said before has gone out.
    pub(crate) async fn cut(mut self) {
        self.valve.shut();
        let _ = self.stream.flush().await;
    }

    /// Reads on until the client has gone, for no purpose but an end in due form.
    pub(crate) async fn farewell(mut self) {
        while !matches!(self.hear().await, Heard::Close | Heard::Gone) {}
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("provider", &self.provider)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// The key that accepts this handshake; `None` where the request is no handshake.
pub(crate) fn accept_key(headers: &HeaderMap) -> Option<String> {
    let upgrade = header(headers, "upgrade")?;
    let version = header(headers, "sec-websocket-version")?;
    let key = header(headers, "sec-websocket-key")?;
    (upgrade.eq_ignore_ascii_case("websocket") && version == "13")
        .then(|| derive_accept_key(key.as_bytes()))
}

fn switching(request: &HeaderMap, headers: &[(&'static str, String)]) -> Response<Body> {
    let mut response = response(101, "", headers, "");
    let out = response.headers_mut();
    out.remove("content-type");
    put(out, "upgrade", "websocket");
    put(
        out,
        "sec-websocket-accept",
        &accept_key(request).unwrap_or_default(),
    );
    // Extensions that are offered, such as permessage-deflate, are not taken up.
    response
}
