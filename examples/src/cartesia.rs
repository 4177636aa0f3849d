//! A client of text-to-speech (WebSocket `/tts/websocket`): one socket for a session, one context for each utterance.
//!
//! ```text
//!  utterance ──text──▶ ┌────────┐          ┌──────────┐
//!  utterance ──text──▶ │ driver │ ◀──────▶ │ provider │
//!  utterance ◀─speech─ └────────┘  socket  └──────────┘
//! ```
//!
//! Polling an utterance's reply drives its text as well. Dropping the reply cancels the context and leaves the socket to
//! the others.

use crate::connect::Socket;
use crate::{Dial, Error, Piece};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use campanile::protocols::cartesia::tts::{Decoder, Phase, RequestFacts, context_id};
use campanile::{Decode, Facts, Failure, FailureKind, Frame, Mode, Name, Noted, Served, Upload};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, SinkExt as _, Stream, StreamExt as _};
use http::{HeaderMap, HeaderValue};
use serde_json::json;
use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tower::Service;

const VERSION: &str = "2025-04-16";
const SPEAKING: &str = "speaking";
/// Messages that wait for the socket, over all contexts. An utterance holds two places while it waits for text.
const OUTBOX: usize = 1024;
/// Messages of one context that wait for their reader. A context that nobody reads holds the others up, as the
/// socket itself would.
const INBOX: usize = 256;

/// Where the messages of each open context go.
type Contexts = Arc<Mutex<HashMap<String, mpsc::Sender<Utf8Bytes>>>>;

/// The client of one socket. Clones share it; it is closed when the last one is gone.
#[derive(Clone, Debug)]
pub struct Cartesia {
    outbox: mpsc::Sender<Message>,
    contexts: Contexts,
}

/// The task that owns the socket.
#[derive(Debug)]
#[must_use]
pub struct Driver(JoinHandle<()>);

impl Driver {
    /// Waits until the socket is closed: after the last [`Cartesia`] and the last reply are gone.
    pub async fn closed(self) {
        // A panic in it was a lost connection for everybody who used it.
        let _ = self.0.await;
    }
}

impl Cartesia {
    /// Connects to the server at `base` (`wss://api.cartesia.ai`).
    ///
    /// # Errors
    ///
    /// When the key cannot be a header, or the handshake fails.
    pub async fn connect(base: &str, key: &str) -> Result<(Self, Driver), Error> {
        Self::dial(base, key, HeaderMap::new(), &Dial::tcp()).await
    }

    /// The same with more headers, and in another way than [`Dial::tcp`].
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn dial(
        base: &str,
        key: &str,
        headers: HeaderMap,
        dial: &Dial,
    ) -> Result<(Self, Driver), Error> {
        const CALLING: &str = "calling the speaker";
        let url = format!("{}/tts/websocket", base.trim_end_matches('/'));
        let request = url.into_client_request();
        let mut request = request.map_err(|error| Error::socket(CALLING, error))?;
        let mut key = HeaderValue::try_from(key).map_err(|error| Error::broken(CALLING, &error))?;
        key.set_sensitive(true);
        request.headers_mut().insert("x-api-key", key);
        let version = HeaderValue::from_static(VERSION);
        request.headers_mut().insert("cartesia-version", version);
        request.headers_mut().extend(headers);
        let connected = dial.socket(request).await;
        let socket = connected.map_err(|error| Error::socket(CALLING, error))?;
        let (outbox, outgoing) = mpsc::channel(OUTBOX);
        let contexts = Contexts::default();
        let routes = Arc::clone(&contexts);
        #[expect(clippy::disallowed_methods, reason = "`Driver::closed` waits for it")]
        let task = tokio::spawn(drive(socket, outgoing, routes));
        Ok((Self { outbox, contexts }, Driver(task)))
    }
}

/// Carries messages both ways until nobody sends any more, or the provider has gone.
async fn drive(mut socket: Socket, mut outgoing: mpsc::Receiver<Message>, contexts: Contexts) {
    loop {
        let heard = tokio::select! {
            // In this order: a cancel does not wait for what it cancels.
            biased;
            message = outgoing.recv() => {
                let Some(message) = message else {
                    let _ = socket.close(None).await;
                    break;
                };
                if socket.send(message).await.is_err() {
                    break;
                }
                continue;
            }
            heard = socket.next() => heard,
        };
        match heard {
            Some(Ok(Message::Text(text))) => route(text, &contexts).await,
            Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            Some(Ok(_)) => {}
        }
    }
    // Those who still wait for speech hear that none will come.
    contexts
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clear();
}

async fn route(text: Utf8Bytes, contexts: &Contexts) {
    let inbox = {
        let contexts = contexts.lock().unwrap_or_else(PoisonError::into_inner);
        context_id(&text).and_then(|id| contexts.get(&*id).cloned())
    };
    // What comes for a cancelled context was under way.
    if let Some(inbox) = inbox {
        let _ = inbox.send(text).await;
    }
}

/// What comes before the text of an utterance: whose voice it is, and how it is written.
#[derive(Clone, Debug)]
pub struct Speak {
    context_id: String,
    model: &'static str,
    format: RequestFacts,
}

/// One piece of the request: some text, as it goes to the provider.
pub type Words = Piece<String>;

impl Speak {
    /// An utterance, and the writer that makes pieces of its text. The id must be new to the socket.
    #[must_use]
    pub fn new(
        context_id: String,
        model: &'static str,
        voice: &str,
        sample_rate: u32,
    ) -> (Self, Writer) {
        let writer = Writer {
            request: json!({
                "context_id": context_id,
                "model_id": model,
                "voice": {"mode": "id", "id": voice},
                "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": sample_rate},
                "language": "en",
            }),
            decoder: Decoder::new(),
        };
        let format = RequestFacts::read(writer.request.to_string().as_bytes());
        let speak = Self {
            context_id,
            model,
            format,
        };
        (speak, writer)
    }
}

impl Facts for Speak {
    fn served(&self, served: &mut Served) {
        served.provider = Some(Name::from_static("cartesia"));
        served.requested = Some(Name::from_static(self.model));
        served.request_id = Name::outside(&self.context_id);
        served.terms.mode = Some(Mode::Streaming);
    }
}

/// Makes the pieces of one utterance; it counts their characters.
#[derive(Debug)]
pub struct Writer {
    request: serde_json::Value,
    decoder: Decoder,
}

impl Writer {
    /// Some text: a sentence is good. What follows must bring its own blank.
    pub fn text(&mut self, text: &str) -> Words {
        self.message(text, true)
    }

    /// Nothing more will be said.
    #[must_use]
    pub fn end(mut self) -> Words {
        self.message("", false)
    }

    fn message(&mut self, text: &str, go_on: bool) -> Words {
        self.request["transcript"] = json!(text);
        self.request["continue"] = json!(go_on);
        let message = self.request.to_string();
        let mut noted = Noted::new();
        self.decoder.sent(Frame::Text(&message), &mut noted);
        Piece::new(message, noted)
    }
}

impl<S> Service<Upload<Speak, S>> for Cartesia
where
    S: Stream<Item = Words> + Send + 'static,
{
    type Response = Speech;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Speech, Error>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, upload: Upload<Speak, S>) -> Self::Future {
        let client = self.clone();
        let Upload { head, items } = upload;
        Box::pin(async move {
            // Its place is kept from the start: whoever drops the reply cannot wait for one.
            let reserved = client.outbox.clone().reserve_owned().await;
            let cancel = reserved.map_err(|_| gone())?;
            let (inbox, messages) = mpsc::channel(INBOX);
            let open = Open {
                id: head.context_id,
                contexts: client.contexts,
                cancel: Some(cancel),
            };
            open.enter(inbox);
            Ok(Speech {
                messages,
                writing: Some(write(items, client.outbox).boxed()),
                decoder: Decoder::for_request(&head.format),
                open: Some(open),
            })
        })
    }
}

/// The socket is closed, and nobody has said why.
fn gone() -> Error {
    Error::new(SPEAKING, Failure::new(FailureKind::Connectivity))
}

/// Hands text to the socket as there is room for it. A piece is taken only when it will be sent.
async fn write(words: impl Stream<Item = Words>, outbox: mpsc::Sender<Message>) {
    let mut words = pin!(words);
    while let Ok(room) = outbox.reserve().await {
        match words.next().await {
            Some(piece) => room.send(Message::text(piece.what)),
            None => return,
        }
    }
}

/// A context that has not ended: dropped, it is cancelled.
struct Open {
    id: String,
    contexts: Contexts,
    cancel: Option<mpsc::OwnedPermit<Message>>,
}

impl Open {
    fn enter(&self, inbox: mpsc::Sender<Utf8Bytes>) {
        let mut contexts = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        contexts.insert(self.id.clone(), inbox);
    }

    /// The provider has ended it.
    fn end(mut self) {
        self.cancel = None;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut contexts = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        contexts.remove(&self.id);
        if let Some(cancel) = self.cancel.take() {
            let message = json!({"context_id": self.id, "cancel": true});
            cancel.send(Message::text(message.to_string()));
        }
    }
}

/// A reply: speech as it is made, raw 16-bit samples. Messages without speech have none.
pub struct Speech {
    messages: mpsc::Receiver<Utf8Bytes>,
    writing: Option<BoxFuture<'static, ()>>,
    decoder: Decoder,
    open: Option<Open>,
}

/// The part of a message that is not billed, but played.
#[derive(serde::Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    data: Option<&'a str>,
}

impl Speech {
    fn read(&mut self, text: &str) -> Result<Piece<Bytes>, Error> {
        let mut noted = Noted::new();
        self.decoder.received(Frame::Text(text), &mut noted);
        if matches!(self.decoder.phase(), Phase::Done | Phase::Failed)
            && let Some(open) = self.open.take()
        {
            open.end();
        }
        if let Some(failure) = Facts::failure(&noted) {
            return Err(Error::new(SPEAKING, failure));
        }
        let chunk = serde_json::from_str(text).unwrap_or(Chunk { data: None });
        let audio = chunk.data.and_then(|data| STANDARD.decode(data).ok());
        Ok(Piece::new(audio.unwrap_or_default().into(), noted))
    }
}

impl Stream for Speech {
    type Item = Result<Piece<Bytes>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.open.is_none() {
            return Poll::Ready(None);
        }
        if let Some(writing) = &mut this.writing
            && writing.as_mut().poll(cx).is_ready()
        {
            this.writing = None;
        }
        match this.messages.poll_recv(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(text)) => Poll::Ready(Some(this.read(&text))),
            Poll::Ready(None) => {
                // There is nobody left to tell that it is cancelled.
                this.open = None;
                Poll::Ready(Some(Err(gone())))
            }
        }
    }
}

impl std::fmt::Debug for Speech {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Speech")
            .field("phase", &self.decoder.phase())
            .finish_non_exhaustive()
    }
}
