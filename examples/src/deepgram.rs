//! A client of live transcription (WebSocket `/v1/listen`).
//!
//! Polling the reply drives both ways: audio is sent as the socket takes it, messages are read as they come. Dropping
//! the reply closes the socket.

use crate::connect::Socket;
use crate::{Dial, Error, Piece};
use bytes::Bytes;
use campanile::protocols::audio::Encoding;
use campanile::protocols::deepgram::live::{self, Decoder};
use campanile::{Decode, Facts, Frame, Name, Noted, Served, Upload};
use futures_util::future::BoxFuture;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt as _, SinkExt as _, Stream, StreamExt as _};
use http::{HeaderMap, HeaderValue, header};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};
use tower::Service;

/// The client.
#[derive(Clone, Debug)]
pub struct Deepgram {
    base: String,
    headers: HeaderMap,
    dial: Dial,
}

impl Deepgram {
    /// A client of the server at `base` (`wss://api.deepgram.com`).
    ///
    /// # Errors
    ///
    /// When the key cannot be a header.
    pub fn new(base: &str, key: &str) -> Result<Self, http::Error> {
        let mut key = HeaderValue::try_from(format!("Token {key}"))?;
        key.set_sensitive(true);
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            headers: HeaderMap::from_iter([(header::AUTHORIZATION, key)]),
            dial: Dial::tcp(),
        })
    }

    /// Makes connections in another way than [`Dial::tcp`].
    #[must_use]
    pub fn dial(self, dial: Dial) -> Self {
        Self { dial, ..self }
    }

    /// Sends one more header with each handshake.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<HeaderValue>) -> Self {
        self.headers.insert(name, value.into());
        self
    }
}

/// What comes before the audio: how it is written, and who shall listen.
#[derive(Debug)]
pub struct Listen {
    query: String,
    options: live::Listen,
    noted: Noted,
}

/// One piece of the request: audio, or a word to the provider.
pub type Sound = Piece<Message>;

impl Listen {
    /// Raw 16-bit audio of one channel, and the microphone that makes pieces of it.
    #[must_use]
    pub fn linear16(model: &'static str, sample_rate: u32) -> (Self, Microphone) {
        let query = format!("model={model}&encoding=linear16&sample_rate={sample_rate}");
        let options = live::Listen::new(Encoding::Linear16, sample_rate)
            .model(Some(Name::from_static(model)));
        let mut decoder = Decoder::for_request(options.clone());
        // Who is asked is known before anything is sent.
        let mut noted = Noted::new();
        decoder.sent(Frame::Text(""), &mut noted);
        let listen = Self {
            query,
            options,
            noted,
        };
        (listen, Microphone { decoder })
    }
}

impl Facts for Listen {
    fn served(&self, served: &mut Served) {
        self.noted.served(served);
    }
}

/// Makes the pieces of one request; it counts how much audio that is.
#[derive(Debug)]
pub struct Microphone {
    decoder: Decoder,
}

impl Microphone {
    /// Some audio: 20 ms is usual.
    pub fn audio(&mut self, samples: Bytes) -> Sound {
        let mut noted = Noted::new();
        self.decoder.sent(Frame::Binary(&samples), &mut noted);
        Piece::new(Message::Binary(samples), noted)
    }

    /// Says that the line is still in use, where no audio is sent for a while.
    #[must_use]
    pub fn keep_alive(&self) -> Sound {
        Piece::new(Message::text(r#"{"type":"KeepAlive"}"#), Noted::new())
    }

    /// Asks for the final transcript of everything sent so far.
    #[must_use]
    pub fn finalize(&self) -> Sound {
        Piece::new(Message::text(r#"{"type":"Finalize"}"#), Noted::new())
    }
}

/// A message of the provider, as far as a bot needs it. Its text is that of final results only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub struct Heard {
    /// Whether the transcript up to here will not change any more.
    pub is_final: bool,
    /// Whether it answers [`Microphone::finalize`].
    pub from_finalize: bool,
}

impl<S> Service<Upload<Listen, S>> for Deepgram
where
    S: Stream<Item = Sound> + Send + 'static,
{
    type Response = Transcript;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Transcript, Error>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, upload: Upload<Listen, S>) -> Self::Future {
        let client = self.clone();
        let Upload { head, items } = upload;
        Box::pin(async move {
            let socket = client.connect(&head.query).await;
            let (sink, messages) = socket
                .map_err(|error| Error::socket("calling the transcriber", error))?
                .split();
            Ok(Transcript {
                messages,
                sending: Some(send(items, sink).boxed()),
                decoder: Decoder::for_request(head.options),
                over: false,
            })
        })
    }
}

impl Deepgram {
    async fn connect(&self, query: &str) -> Result<Socket, tungstenite::Error> {
        let url = format!("{}/v1/listen?{query}", self.base);
        let mut request = url.into_client_request()?;
        request.headers_mut().extend(self.headers.clone());
        self.dial.socket(request).await
    }
}

/// Sends what there is; at its end, the provider is asked for the rest of the transcript.
async fn send(
    sounds: impl Stream<Item = Sound>,
    mut sink: SplitSink<Socket, Message>,
) -> Result<(), tungstenite::Error> {
    let mut sounds = pin!(sounds);
    while let Some(sound) = sounds.next().await {
        sink.send(sound.what).await?;
    }
    let close = Message::text(r#"{"type":"CloseStream"}"#);
    sink.send(close).await
}

/// A reply: what was heard, as it is understood.
pub struct Transcript {
    messages: SplitStream<Socket>,
    sending: Option<BoxFuture<'static, Result<(), tungstenite::Error>>>,
    decoder: Decoder,
    over: bool,
}

const LISTENING: &str = "listening";

impl Transcript {
    fn read(
        &mut self,
        message: Option<Result<Message, tungstenite::Error>>,
    ) -> Option<Result<Piece<Heard>, Error>> {
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(frame))) => {
                self.over = true;
                let code = frame.map_or(CloseCode::Normal, |frame| frame.code);
                let clean = code == CloseCode::Normal;
                return (!clean).then(|| Err(Error::closed(LISTENING, code.into())));
            }
            Some(Ok(_)) => return Some(Ok(Piece::new(Heard::default(), Noted::new()))),
            Some(Err(error)) => {
                self.over = true;
                return Some(Err(Error::socket(LISTENING, error)));
            }
            None => {
                self.over = true;
                return None;
            }
        };
        let mut noted = Noted::new();
        self.decoder.received(Frame::Text(&text), &mut noted);
        if let Some(failure) = Facts::failure(&noted) {
            self.over = true;
            return Some(Err(Error::new(LISTENING, failure)));
        }
        // Messages of other types have none of its fields.
        let heard = serde_json::from_str(&text).unwrap_or_default();
        Some(Ok(Piece::new(heard, noted)))
    }
}

impl Stream for Transcript {
    type Item = Result<Piece<Heard>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        if let Some(sending) = &mut this.sending
            && let Poll::Ready(sent) = sending.as_mut().poll(cx)
        {
            this.sending = None;
            // Where the socket is closed, reading says why.
            if let Err(error) = sent
                && !matches!(error, tungstenite::Error::ConnectionClosed)
            {
                this.over = true;
                return Poll::Ready(Some(Err(Error::socket(LISTENING, error))));
            }
        }
        let message = ready!(this.messages.poll_next_unpin(cx));
        Poll::Ready(this.read(message))
    }
}

impl std::fmt::Debug for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transcript")
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}
