//! Text to speech behind the WebSocket `/tts/websocket` and `POST /tts/bytes`.

mod ask;
mod bytes;
mod context;
mod sound;
mod talk;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use serde_json::json;

use self::ask::{Ask, Wrong};
use self::bytes::Saying;
use self::talk::Talk;
use super::bill::{Open, Provider};
use super::desk::{Desk, Ticket, header};
use super::pace::Pace;
use super::query::Query;
use super::server::{self, Body, Visit};
use super::simulation::{Refusal, Simulation, Voice, door, refuse};
use super::socket::{Socket, accept_key};

/// A simulated Cartesia: contexts of speech that share a WebSocket, and one-shot speech over HTTP.
///
/// - Each context is a line on the bill, with the code points of all texts that came before it ended or was cancelled.
///   A connection without contexts is on the bill only if its handshake was refused.
/// - Speech begins at once and takes turns between contexts. `flush_done` follows a text that asked for it, or that
///   came with `max_buffer_delay_ms: 0`.
/// - After a cancel nothing more comes for that context, no `done` either; input for an ended context is an error
///   message.
/// - The sound is a tone, 60 ms for each character.
/// - A *request*, as far as faults go, is a connection or an HTTP request, not a context.
/// - Not simulated: mp3, voices, contexts that end by themselves, `/tts/sse`.
pub type Cartesia = Simulation<Speak>;

/// What is particular to text to speech.
#[derive(Debug)]
pub struct Speak {
    character_us: u64,
}

impl Default for Speak {
    fn default() -> Self {
        Self {
            character_us: 60_000,
        }
    }
}

impl Cartesia {
    /// Sets how long one character sounds; 60 ms unless set, a second at most.
    pub fn character(mut self, length: Duration) -> Self {
        let micros = length.min(Duration::from_secs(1)).as_micros();
        self.voice.character_us = u64::try_from(micros).unwrap_or(1_000_000);
        self
    }
}

impl Voice for Speak {
    const PROVIDER: Provider = Provider::Cartesia;
    const PATH: &'static str = "";

    fn pace() -> Pace {
        let ms = Duration::from_millis;
        Pace::new(ms(60)..=ms(180), ms(5)..=ms(40))
    }

    fn refusal(&self, ticket: &Ticket, refusal: Refusal) -> Response<Body> {
        let wrong = match refusal {
            Refusal::TooMany(_) => Wrong {
                status: 429,
                code: "concurrency_limited",
                title: "Too many requests",
                ..Wrong::invalid("Too many requests. Please try again later.")
            },
            Refusal::Broken => Wrong::internal(),
        };
        error(ticket, &wrong, refusal.headers())
    }

    fn answer(
        self: Arc<Self>,
        desk: Arc<Desk>,
        visit: Visit,
    ) -> BoxFuture<'static, Response<Body>> {
        async move {
            match visit.request.uri().path() {
                "/tts/bytes" => self.bytes(&desk, visit).await,
                _ => self.handshake(desk, visit).await,
            }
        }
        .boxed()
    }
}

impl Speak {
    async fn handshake(&self, desk: Arc<Desk>, visit: Visit) -> Response<Body> {
        let ticket = desk.arrival(visit.request.headers());
        let mut open = desk.open(&ticket, 0);
        let admitted = admit(visit.request.headers(), visit.request.uri().query())
            .and_then(|()| upgradable(&visit.request));
        if let Err(wrong) = admitted {
            return refuse(&mut open, error(&ticket, &wrong, Vec::new()));
        }
        if let Some(response) = door(self, &ticket, &mut open, &visit.valve).await {
            return response;
        }
        // Contexts have lines of their own.
        open.discard();
        let headers = [("x-request-id", ticket.request_id.clone())];
        let talk = Talk::new(desk, ticket.clone(), self.character_us);
        Socket::upgrade(
            visit.request,
            visit.valve,
            &visit.after,
            (Provider::Cartesia, &ticket),
            &headers,
            |socket| Box::pin(talk.run(socket)),
        )
    }

    async fn bytes(&self, desk: &Desk, visit: Visit) -> Response<Body> {
        let Visit { request, valve, .. } = visit;
        let (head, body) = request.into_parts();
        let ticket = desk.arrival(&head.headers);
        let mut open = desk.open(&ticket, 0);
        // Before anything is answered, so that the connection is not closed over unread bytes.
        let body = server::collect(body).await;
        let admitted = admit(&head.headers, head.uri.query()).and_then(|()| posted(&head));
        if let Err(wrong) = admitted {
            return refuse(&mut open, error(&ticket, &wrong, Vec::new()));
        }
        if let Some(response) = door(self, &ticket, &mut open, &valve).await {
            return response;
        }
        let parsed = match body {
            Some(body) => Ask::parse(&body),
            None => Err(Wrong::invalid("the body is too large")),
        };
        match parsed {
            Ok(ask) => {
                enter(&mut open, &ask, 200);
                open.meter(|meters| meters.characters = ask.characters());
                let headers = [("x-request-id", ticket.request_id.clone())];
                let gait = desk.gait(&ticket, 0);
                Saying::new(open, valve, gait, &ask, self.character_us, ticket.fault)
                    .response(&headers)
            }
            Err(wrong) => refuse(&mut open, error(&ticket, &wrong, Vec::new())),
        }
    }
}

/// Notes what is to be spoken.
fn enter(open: &mut Open, ask: &Ask, status: u16) {
    open.line(|line| {
        line.model.clone_from(&ask.model);
        line.served_model.clone_from(&ask.model);
        line.status = Some(status);
    });
}

/// Checks key and version.
fn admit(headers: &hyper::HeaderMap, query: Option<&str>) -> Result<(), Wrong> {
    let query = Query::parse(query);
    let bearer = header(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
    let key = header(headers, "x-api-key")
        .or(bearer)
        .or(query.get("api_key"))
        .or(query.get("access_token"));
    if key.is_none_or(|key| key.trim().is_empty()) {
        return Err(Wrong {
            status: 401,
            code: "unauthorized",
            title: "Unauthorized",
            ..Wrong::invalid("Invalid credentials.")
        });
    }
    let version = header(headers, "cartesia-version").or(query.get("cartesia_version"));
    if version.is_none_or(str::is_empty) {
        return Err(Wrong::invalid("cartesia_version is required"));
    }
    Ok(())
}

fn upgradable(request: &Request<Incoming>) -> Result<(), Wrong> {
    if request.uri().path() != "/tts/websocket" {
        return Err(lost());
    }
    match accept_key(request.headers()) {
        Some(_) => Ok(()),
        None => Err(Wrong::invalid("not a WebSocket handshake")),
    }
}

fn posted(head: &Parts) -> Result<(), Wrong> {
    match head.method {
        Method::POST => Ok(()),
        _ => Err(lost()),
    }
}

fn lost() -> Wrong {
    Wrong {
        status: 404,
        code: "not_found",
        title: "Not found",
        ..Wrong::invalid("No such endpoint.")
    }
}

fn error(
    ticket: &Ticket,
    wrong: &Wrong,
    mut headers: Vec<(&'static str, String)>,
) -> Response<Body> {
    headers.push(("x-request-id", ticket.request_id.clone()));
    let body = json!({
        "error_code": wrong.code,
        "title": wrong.title,
        "message": wrong.message,
        "request_id": ticket.request_id,
    });
    server::json(wrong.status, &headers, &body)
}
