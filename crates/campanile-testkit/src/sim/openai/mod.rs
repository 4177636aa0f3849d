//! A language model behind `POST /v1/chat/completions`.

mod ask;
mod reply;

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::http::request::Parts;
use hyper::{Method, Response};
use serde_json::json;

use self::ask::{Ask, Wrong};
use self::reply::{Made, Reply};
use super::bill::Provider;
use super::desk::{Desk, Ticket, header};
use super::dice::fnv;
use super::pace::Pace;
use super::server::{self, Body, Visit};
use super::simulation::{Refusal, Simulation, Voice, door, refuse};
use super::text;

/// A simulated OpenAI: chat completions as one JSON object or as a stream of server-sent events.
///
/// - A model's dated version answers (`gpt-4o-mini` is served as `gpt-4o-mini-2024-07-18`), also on the bill.
/// - Tokens are counted by a tokenizer of its own: about one for four letters. A prompt never has more tokens than its
///   messages' texts have bytes, plus 8 for each message, plus 8. Each content delta is one completion token.
/// - Usage is told in a stream only when `stream_options.include_usage` asks for it; the bill is the same.
/// - A client that hangs up is billed the prompt, all tokens that were sent, and up to 8 more (by seed) that were made
///   before the provider noticed; never more than the whole reply, so never more than `max_completion_tokens`.
/// - Not simulated: tool calls, several choices, images, audio, log probabilities.
pub type OpenAi = Simulation<Chat>;

/// What is particular to a language model.
#[derive(Debug, Default)]
pub struct Chat {
    replies: Vec<String>,
    thinks: Option<u64>,
    /// Prompts that were seen, as hashes of their beginnings.
    beginnings: Mutex<HashSet<u64>>,
}

impl OpenAi {
    /// Adds a reply. The first request gets the first one, and after the last comes the first again. Without any, the
    /// seed makes sentences up.
    pub fn reply(mut self, text: impl Into<String>) -> Self {
        self.voice.replies.push(text.into());
        self
    }

    /// Sets how many tokens are thought before each reply; unless set, reasoning models (`gpt-5…`, `o1…` to `o4…`)
    /// think 0 to 192 by seed, and others do not.
    pub fn reasoning(mut self, tokens: u64) -> Self {
        self.voice.thinks = Some(tokens);
        self
    }
}

impl Voice for Chat {
    const PROVIDER: Provider = Provider::OpenAi;
    const PATH: &'static str = "/v1";

    fn pace() -> Pace {
        let ms = Duration::from_millis;
        Pace::new(ms(180)..=ms(600), ms(8)..=ms(40))
    }

    fn refusal(&self, ticket: &Ticket, refusal: Refusal) -> Response<Body> {
        let wrong = match refusal {
            Refusal::TooMany(_) => Wrong {
                status: 429,
                message: "Rate limit reached for requests. Please try again later.".into(),
                kind: "requests",
                param: None,
                code: Some("rate_limit_exceeded"),
            },
            Refusal::Broken => Wrong {
                status: 500,
                message: "The server had an error while processing your request.".into(),
                kind: "server_error",
                param: None,
                code: None,
            },
        };
        error(ticket, &wrong, refusal.headers())
    }

    fn answer(
        self: Arc<Self>,
        desk: Arc<Desk>,
        visit: Visit,
    ) -> BoxFuture<'static, Response<Body>> {
        async move { self.chat(&desk, visit).await }.boxed()
    }
}

impl Chat {
    async fn chat(&self, desk: &Desk, visit: Visit) -> Response<Body> {
        let Visit { request, valve, .. } = visit;
        let (head, body) = request.into_parts();
        let ticket = desk.arrival(&head.headers);
        let mut open = desk.open(&ticket, 0);
        // Read before anything is answered: a connection closed over unread bytes is reset, and the answer lost.
        let body = server::collect(body).await;
        if let Err(wrong) = admit(&head) {
            return refuse(&mut open, error(&ticket, &wrong, Vec::new()));
        }
        if let Some(response) = door(self, &ticket, &mut open, &valve).await {
            return response;
        }
        let ask = match body.as_deref().map(Ask::parse) {
            Some(Ok(ask)) => ask,
            Some(Err(wrong)) => return refuse(&mut open, error(&ticket, &wrong, Vec::new())),
            None => {
                let wrong = Wrong::invalid("The request body is too large.");
                return refuse(&mut open, error(&ticket, &wrong, Vec::new()));
            }
        };
        let made = self.make(desk, &ticket, &ask);
        open.line(|line| {
            line.model.clone_from(&ask.model);
            line.served_model.clone_from(&made.model);
            line.tier = Some(ask.tier.clone());
            line.status = Some(200);
            line.meters.prompt_tokens = made.prompt;
            line.meters.cached_tokens = made.cached;
        });
        let mut headers = headers(&ticket);
        let mut reply = Reply::new(desk, &ticket, open, valve, ask, made);
        headers.push(("openai-processing-ms", reply.processing_ms().to_string()));
        if reply.is_stream() {
            stream_of(reply, &headers)
        } else {
            match reply.whole().await {
                Some(body) => server::json(200, &headers, &body),
                None => self.refusal(&ticket, Refusal::Broken),
            }
        }
    }

    /// Decides what the reply will be.
    fn make(&self, desk: &Desk, ticket: &Ticket, ask: &Ask) -> Made {
        let mut dice = desk.dice(ticket, "reply");
        let text = match self.replies.as_slice() {
            [] => text::reply(&mut dice),
            replies => replies[ticket.turn(replies.len())].clone(),
        };
        let model = served(&ask.model);
        let thinks = match self.thinks {
            Some(tokens) => tokens,
            None if reasons(&model) => 64 * dice.up_to(3),
            None => 0,
        };
        let most = ask.most.unwrap_or(u64::MAX);
        let reasoning = thinks.min(most);
        let whole = text::tokens(&text);
        let room = usize::try_from(most - reasoning).unwrap_or(usize::MAX);
        Made {
            finish: if whole.len() > room { "length" } else { "stop" },
            tokens: whole.iter().take(room).map(ToString::to_string).collect(),
            reasoning,
            prompt: ask.prompt,
            cached: self.cached(ask),
            model,
            // Nobody else's number: the order of arrival is not to show where clients name themselves.
            id: format!("chatcmpl-{}", dice.letters(29)),
        }
    }

    /// How much of the prompt was seen before: from 1,024 tokens on, in steps of 128, never all of it.
    fn cached(&self, ask: &Ask) -> u64 {
        const LEAST: usize = 1_024;
        const STEP: usize = 128;
        let mut seen = self
            .beginnings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let tokens = text::tokens(&ask.text);
        let mut hash = fnv(0xcbf2_9ce4_8422_2325, served(&ask.model).as_bytes());
        let mut cached = 0;
        for (index, token) in tokens.iter().enumerate() {
            if index >= LEAST && index.is_multiple_of(STEP) && !seen.insert(hash) {
                cached = index;
            }
            hash = fnv(hash, token.as_bytes());
        }
        cached as u64
    }
}

/// Checks what the head of a request can tell.
fn admit(head: &Parts) -> Result<(), Wrong> {
    let path = head.uri.path();
    if path != "/v1/chat/completions" {
        return Err(Wrong {
            status: 404,
            ..Wrong::invalid(format!("Invalid URL ({} {path})", head.method))
        });
    }
    if head.method != Method::POST {
        return Err(Wrong {
            status: 405,
            ..Wrong::invalid(format!("Not allowed to {} on {path}", head.method))
        });
    }
    let key = header(&head.headers, "authorization")
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::trim);
    match key {
        Some(key) if !key.is_empty() => Ok(()),
        _ => Err(Wrong {
            status: 401,
            ..Wrong::invalid(
                "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth.",
            )
        }),
    }
}

fn headers(ticket: &Ticket) -> Vec<(&'static str, String)> {
    vec![
        ("x-request-id", ticket.request_id.clone()),
        ("openai-version", String::from("2020-10-01")),
    ]
}

fn error(ticket: &Ticket, wrong: &Wrong, more: Vec<(&'static str, String)>) -> Response<Body> {
    let mut headers = headers(ticket);
    headers.extend(more);
    let body = json!({ "error": {
        "message": wrong.message,
        "type": wrong.kind,
        "param": wrong.param,
        "code": wrong.code,
    }});
    server::json(wrong.status, &headers, &body)
}

fn stream_of(reply: Reply, headers: &[(&'static str, String)]) -> Response<Body> {
    let events = stream::unfold(reply, |mut reply| async move {
        let event = reply.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(event)), reply))
    });
    let mut response = server::response(200, "text/event-stream; charset=utf-8", headers, "");
    server::put(response.headers_mut(), "cache-control", "no-cache");
    *response.body_mut() = StreamBody::new(events).boxed_unsync();
    response
}

/// The dated model that answers for an undated name.
fn served(model: &str) -> String {
    let date = match model {
        "gpt-5" | "gpt-5-mini" | "gpt-5-nano" => "-2025-08-07",
        "gpt-5.1" => "-2025-11-13",
        "gpt-4.1" | "gpt-4.1-mini" | "gpt-4.1-nano" => "-2025-04-14",
        "gpt-4o" => "-2024-08-06",
        "gpt-4o-mini" => "-2024-07-18",
        "gpt-4" => "-0613",
        "gpt-3.5-turbo" => "-0125",
        "o3" | "o4-mini" => "-2025-04-16",
        "o3-mini" => "-2025-01-31",
        // Dated already, or none that has dates.
        _ => "",
    };
    format!("{model}{date}")
}

fn reasons(model: &str) -> bool {
    ["gpt-5", "o1", "o3", "o4"]
        .iter()
        .any(|family| model.starts_with(family))
}
