//! Speech to text behind the WebSocket `/v1/listen`.

mod ask;
mod ear;
mod talk;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use hyper::Response;
use serde_json::json;

use self::ask::Ask;
use self::ear::{Ear, Speech};
use self::talk::Talk;
use super::bill::{Open, Provider};
use super::desk::{Desk, Ticket, header};
use super::pace::Pace;
use super::query::Query;
use super::server::{self, Body, Visit};
use super::simulation::{Refusal, Simulation, Voice, door, refuse};
use super::socket::{Socket, accept_key};

/// A simulated Deepgram: live transcription over a WebSocket.
///
/// - It does not listen: an utterance is a scripted text, or words by seed, laid out along the audio at so many words a
///   second. Interim and final results come as the audio gets there, however fast it is sent.
/// - Audio is `linear16`, `mulaw` or `alaw`. Each byte received is billed, silence too, until `CloseStream` or the end
///   of the connection; `multichannel=true` bills each channel.
/// - `Metadata` comes after `CloseStream` and only then. A client that just goes is billed all the same.
/// - Ten seconds without audio or `KeepAlive` close the connection with 1011.
/// - Each connection starts the script from its beginning.
/// - Not simulated: containers, opus, languages, diarisation; several channels all say nothing but the first.
pub type Deepgram = Simulation<Listen>;

/// What is particular to speech to text.
#[derive(Debug)]
pub struct Listen {
    speech: Speech,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            speech: Speech {
                script: Vec::new(),
                word_us: 350_000,
                pause_us: 1_500_000,
            },
        }
    }
}

impl Deepgram {
    /// Adds an utterance. After the last one there is silence; without any, the seed has people talk without end.
    pub fn transcript(mut self, utterance: impl Into<String>) -> Self {
        self.voice.speech.script.push(utterance.into());
        self
    }

    /// Sets how much audio a word takes; 350 ms unless set, 10 ms at least.
    pub fn word(mut self, length: Duration) -> Self {
        self.voice.speech.word_us = micros(length).max(10_000);
        self
    }

    /// Sets how much silence is between utterances; 1.5 s unless set.
    pub fn pause(mut self, length: Duration) -> Self {
        self.voice.speech.pause_us = micros(length);
        self
    }
}

fn micros(length: Duration) -> u64 {
    // A day is longer than any test, and far from an overflow.
    u64::try_from(length.as_micros()).map_or(86_400_000_000, |us| us.min(86_400_000_000))
}

impl Voice for Listen {
    const PROVIDER: Provider = Provider::Deepgram;
    const PATH: &'static str = "";

    fn pace() -> Pace {
        let ms = Duration::from_millis;
        Pace::new(ms(80)..=ms(250), ms(0)..=ms(0))
    }

    fn refusal(&self, ticket: &Ticket, refusal: Refusal) -> Response<Body> {
        let (code, message) = match refusal {
            Refusal::TooMany(_) => (
                "TOO_MANY_REQUESTS",
                "Too many requests. Please try again later.",
            ),
            Refusal::Broken => ("INTERNAL_SERVER_ERROR", "Something went wrong."),
        };
        error(ticket, refusal.status(), code, message, refusal.headers())
    }

    fn answer(
        self: Arc<Self>,
        desk: Arc<Desk>,
        visit: Visit,
    ) -> BoxFuture<'static, Response<Body>> {
        async move { self.handshake(&desk, visit).await }.boxed()
    }
}

impl Listen {
    async fn handshake(&self, desk: &Desk, visit: Visit) -> Response<Body> {
        let ticket = desk.arrival(visit.request.headers());
        let mut open = desk.open(&ticket, 0);
        let ask = match admit(&visit, &ticket) {
            Ok(ask) => ask,
            Err(response) => return refuse(&mut open, *response),
        };
        if let Some(response) = door(self, &ticket, &mut open, &visit.valve).await {
            return response;
        }
        enter(&mut open, &ask);
        let ear = Ear::new(ask.clone(), &self.speech, desk.dice(&ticket, "speech"));
        let talk = Talk::new(desk, &ticket, open, ask, ear);
        let mut headers = vec![("dg-request-id", ticket.request_id.clone())];
        let protocols = header(visit.request.headers(), "sec-websocket-protocol");
        if protocols.is_some_and(|list| list.starts_with("token")) {
            headers.push(("sec-websocket-protocol", String::from("token")));
        }
        Socket::upgrade(
            visit.request,
            visit.valve,
            &visit.after,
            (Provider::Deepgram, &ticket),
            &headers,
            |socket| Box::pin(talk.run(socket)),
        )
    }
}

fn enter(open: &mut Open, ask: &Ask) {
    open.line(|line| {
        line.model.clone_from(&ask.model);
        line.served_model.clone_from(&ask.model);
        line.audio = Some(ask.format);
        line.status = Some(101);
    });
}

/// Checks a handshake; an error is the answer to it.
fn admit(visit: &Visit, ticket: &Ticket) -> Result<Ask, Box<Response<Body>>> {
    let no = |status, code, message: &str| {
        Err(Box::new(error(ticket, status, code, message, Vec::new())))
    };
    let headers = visit.request.headers();
    let uri = visit.request.uri();
    if uri.path() != "/v1/listen" {
        return no(404, "NOT_FOUND", "No such endpoint.");
    }
    let from_header = header(headers, "authorization").and_then(|value| {
        let value = value.trim();
        value
            .strip_prefix("Token ")
            .or(value.strip_prefix("Bearer "))
    });
    // Browsers cannot set headers.
    let from_protocol =
        header(headers, "sec-websocket-protocol").and_then(|value| value.strip_prefix("token,"));
    if from_header
        .or(from_protocol)
        .is_none_or(|key| key.trim().is_empty())
    {
        return no(401, "INVALID_AUTH", "Invalid credentials.");
    }
    if accept_key(headers).is_none() {
        return no(400, "Bad Request", "Not a WebSocket handshake.");
    }
    match Ask::parse(&Query::parse(uri.query())) {
        Ok(ask) => Ok(ask),
        Err(wrong) => no(400, "INVALID_QUERY_PARAMETER", &wrong),
    }
}

/// An answer of no, in the provider's words.
fn error(
    ticket: &Ticket,
    status: u16,
    code: &str,
    message: &str,
    mut headers: Vec<(&'static str, String)>,
) -> Response<Body> {
    headers.push(("dg-error", format!("{code}: {message}")));
    headers.push(("dg-request-id", ticket.request_id.clone()));
    let body = json!({
        "err_code": code,
        "err_msg": message,
        "request_id": ticket.request_id,
    });
    server::json(status, &headers, &body)
}
