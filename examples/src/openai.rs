//! A client of chat completions (`POST /v1/chat/completions`), streamed.
//!
//! A reply is a stream of [`Piece`]s; dropping it closes the connection, so that the provider stops as well.

use crate::connect::{Http, http};
use crate::{Dial, Error, Piece};
use bytes::Bytes;
use campanile::protocols::openai::chat::{Decoder, RequestFacts};
use campanile::{Decode, Facts, Failure, Frame, Name, Noted, Served, Tally};
use futures_util::Stream;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use serde_json::json;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower::Service;

/// The client. Clones share their connections.
#[derive(Clone, Debug)]
pub struct OpenAi {
    http: Http,
    url: String,
    key: HeaderValue,
}

impl OpenAi {
    /// A client of the server at `base` (`https://api.openai.com/v1`).
    ///
    /// # Errors
    ///
    /// When the key cannot be a header.
    pub fn new(base: &str, key: &str) -> Result<Self, http::Error> {
        let mut key = HeaderValue::try_from(format!("Bearer {key}"))?;
        key.set_sensitive(true);
        let url = format!("{}/chat/completions", base.trim_end_matches('/'));
        let http = http(Dial::tcp());
        Ok(Self { http, url, key })
    }

    /// Makes connections in another way than [`Dial::tcp`].
    #[must_use]
    pub fn dial(self, dial: Dial) -> Self {
        Self {
            http: http(dial),
            ..self
        }
    }
}

/// One line of a conversation: who says it, and what.
pub type Line = (&'static str, String);

/// A question. What it can cost at most is read from its body once.
#[derive(Clone)]
pub struct Ask {
    body: Bytes,
    facts: RequestFacts,
    headers: HeaderMap,
}

impl Ask {
    /// Asks `model` to go on with the conversation, for at most `most` tokens.
    #[must_use]
    pub fn new(model: &str, conversation: &[Line], most: u32) -> Self {
        let lines = conversation.iter();
        let body = json!({
            "model": model,
            "messages": lines.map(|(role, content)| json!({"role": role, "content": content})).collect::<Vec<_>>(),
            "max_completion_tokens": most,
            "stream": true,
            // Without it, a stream says nothing of what it costs.
            "stream_options": {"include_usage": true},
        });
        let body = Bytes::from(body.to_string());
        let facts = RequestFacts::read(&body);
        let headers = HeaderMap::new();
        Self {
            body,
            facts,
            headers,
        }
    }

    /// Sends one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<HeaderValue>) -> Self {
        self.headers.insert(name, value.into());
        self
    }
}

impl Facts for Ask {
    fn usage(&self, tally: &Tally) {
        self.facts.usage(tally);
    }
    fn served(&self, served: &mut Served) {
        served.provider = Some(Name::from_static("openai"));
        self.facts.served(served);
    }
}

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ask")
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Service<Ask> for OpenAi {
    type Response = Deltas;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Deltas, Error>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        let client = self.clone();
        Box::pin(async move { client.ask(ask).await })
    }
}

impl OpenAi {
    async fn ask(self, ask: Ask) -> Result<Deltas, Error> {
        const ASKING: &str = "asking the language model";
        let mut request = Request::post(&self.url)
            .header(header::AUTHORIZATION, self.key)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(ask.body))
            .map_err(|error| Error::broken(ASKING, &error))?;
        request.headers_mut().extend(ask.headers);
        let response = self.http.request(request).await;
        let (head, body) = response
            .map_err(|error| Error::broken(ASKING, &error))?
            .into_parts();
        let decoder = Decoder::for_request(&ask.facts);
        if let Some(error) = Error::status(ASKING, &head) {
            return Err(explained(error, body, decoder).await);
        }
        // Keeps the id under which the provider's support finds the request; chunks have another one.
        let mut served = Served::default();
        head.served(&mut served);
        Ok(Deltas {
            body: Some(body),
            decoder,
            request_id: served.request_id,
            failure: None,
        })
    }
}

/// Reads what the provider says about its refusal.
async fn explained(error: Error, body: Incoming, mut decoder: Decoder) -> Error {
    const MOST: usize = 64 << 10;
    let mut failure = error.failure().clone();
    if let Ok(body) = http_body_util::Limited::new(body, MOST).collect().await {
        let mut noted = Noted::new();
        decoder.received(Frame::Body(&body.to_bytes()), &mut noted);
        decoder.ended(&mut noted);
        if let Some(said) = Facts::failure(&noted) {
            failure.code = said.code.or(failure.code);
            failure.chain = said.chain;
        }
    }
    Error::new("asking the language model", failure)
}

/// A reply: text as it comes.
#[derive(Debug)]
pub struct Deltas {
    body: Option<Incoming>,
    decoder: Decoder,
    request_id: Option<Name>,
    /// An error that came inside the stream: told after the piece in which it stood.
    failure: Option<Failure>,
}

impl Deltas {
    fn piece(&mut self, mut noted: Noted) -> Piece<()> {
        if noted.noted_served().is_some() && self.request_id.is_some() {
            let served = Noted::served(&mut noted);
            served.request_id.clone_from(&self.request_id);
        }
        self.failure = Facts::failure(&noted);
        Piece::new((), noted)
    }
}

impl Stream for Deltas {
    type Item = Result<Piece<()>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        const READING: &str = "reading the answer";
        let this = &mut *self;
        if let Some(failure) = this.failure.take() {
            this.body = None;
            return Poll::Ready(Some(Err(Error::new(READING, failure))));
        }
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        let mut noted = Noted::new();
        match ready!(Pin::new(body).poll_frame(cx)) {
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    this.decoder.received(Frame::Body(bytes), &mut noted);
                }
            }
            Some(Err(error)) => {
                this.body = None;
                return Poll::Ready(Some(Err(Error::broken(READING, &error))));
            }
            None => {
                this.body = None;
                this.decoder.ended(&mut noted);
            }
        }
        Poll::Ready(Some(Ok(this.piece(noted))))
    }
}
