//! One reply, as it is made.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::super::bill::{Open, Why};
use super::super::desk::{Desk, Ticket};
use super::super::dice::Dice;
use super::super::fault::Fault;
use super::super::pace::{Gait, rest};
use super::super::wire::Valve;
use super::ask::Ask;

/// The most tokens that are made after the last one that could be sent.
const AHEAD: u64 = 8;

/// What a reply will be.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) tokens: Vec<String>,
    pub(super) finish: &'static str,
    pub(super) prompt: u64,
    pub(super) cached: u64,
    pub(super) reasoning: u64,
}

/// A reply on its way. Dropped before its end, its client has hung up: it is billed what was made until then, and what
/// was made until that was noticed.
#[derive(Debug)]
pub(super) struct Reply {
    open: Open,
    valve: Valve,
    ask: Ask,
    made: Made,
    fault: Option<Fault>,
    gait: Gait,
    first: Duration,
    padding: Dice,
    ahead: u64,
    created: u64,
    sent: usize,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Role,
    Text,
    Finish,
    Usage,
    Done,
    Over,
}

/// What a fault makes of the place that a reply has come to.
enum Turn {
    GoOn,
    Error,
}

impl Reply {
    pub(super) fn new(
        desk: &Desk,
        ticket: &Ticket,
        open: Open,
        valve: Valve,
        ask: Ask,
        made: Made,
    ) -> Self {
        let mut gait = desk.gait(ticket, 0);
        let mut dice = desk.dice(ticket, "hang-up");
        Self {
            first: gait.first(),
            gait,
            ahead: dice.up_to(AHEAD),
            padding: desk.dice(ticket, "padding"),
            // Some moment that the seed alone decides.
            created: 1_780_000_000 + dice.up_to(999_999),
            fault: ticket.fault,
            open,
            valve,
            ask,
            made,
            sent: 0,
            step: Step::Role,
        }
    }

    pub(super) fn is_stream(&self) -> bool {
        self.ask.stream
    }

    /// What the header says of the time until the first item.
    pub(super) fn processing_ms(&self) -> u128 {
        self.first.as_millis()
    }

    /// The next server-sent event.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        // Gives the connection the time to send the event before: each goes out on its own, and none is made ahead.
        tokio::task::yield_now().await;
        match self.step {
            Step::Role => {
                self.think().await;
                self.step = Step::Text;
                let delta = json!({"role": "assistant", "content": "", "refusal": null});
                Some(self.chunk(delta, Value::Null))
            }
            Step::Text => self.delta().await,
            Step::Finish => {
                self.step = match self.ask.usage && self.fault != Some(Fault::NoUsageChunk) {
                    true => Step::Usage,
                    false => Step::Done,
                };
                Some(self.chunk(json!({}), json!(self.made.finish)))
            }
            Step::Usage => {
                self.step = Step::Done;
                let mut chunk = self.head("chat.completion.chunk");
                chunk.insert("choices".into(), json!([]));
                chunk.insert("usage".into(), self.usage());
                Some(self.event(chunk))
            }
            Step::Done => {
                self.step = Step::Over;
                // On the bill before the client can have read it.
                self.open.close(Why::Completed);
                Some(Bytes::from_static(b"data: [DONE]\n\n"))
            }
            Step::Over => None,
        }
    }

    /// The reply in one piece; `None` where it fails.
    pub(super) async fn whole(&mut self) -> Option<Value> {
        self.think().await;
        loop {
            match self.turn().await {
                Turn::GoOn => {}
                Turn::Error => {
                    // Nothing was delivered, so this is a plain failure.
                    self.step = Step::Over;
                    self.open.line(|line| {
                        line.meters = super::super::Meters::default();
                        line.status = Some(500);
                    });
                    self.open.close(Why::Failed);
                    return None;
                }
            }
            if self.made.tokens.get(self.sent).is_none() {
                break;
            }
            self.make().await;
        }
        self.step = Step::Over;
        self.open.close(Why::Completed);
        let mut body = self.head("chat.completion");
        body.insert(
            "choices".into(),
            json!([{
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": self.made.tokens.concat(),
                    "refusal": null,
                    "annotations": [],
                },
                "logprobs": null,
                "finish_reason": self.made.finish,
            }]),
        );
        if self.fault != Some(Fault::NoUsageChunk) {
            body.insert("usage".into(), self.usage());
        }
        Some(Value::Object(body))
    }

    async fn think(&mut self) {
        rest(self.first).await;
        let reasoning = self.made.reasoning;
        self.open.meter(|meters| {
            meters.completion_tokens = reasoning;
            meters.reasoning_tokens = reasoning;
        });
    }

    async fn delta(&mut self) -> Option<Bytes> {
        if let Turn::Error = self.turn().await {
            self.step = Step::Over;
            self.open.close(Why::Failed);
            let error = json!({"error": {
                "message": "The server had an error while processing your request. Sorry about that!",
                "type": "server_error",
                "param": null,
                "code": null,
            }});
            return Some(Bytes::from(format!("data: {error}\n\n")));
        }
        let Some(token) = self.made.tokens.get(self.sent).cloned() else {
            self.step = Step::Finish;
            let chunk = Box::pin(self.next()).await;
            return chunk;
        };
        self.make().await;
        Some(self.chunk(json!({"content": token}), Value::Null))
    }

    /// One more token.
    async fn make(&mut self) {
        if self.sent > 0 {
            rest(self.gait.between()).await;
        }
        self.sent += 1;
        self.open.meter(|meters| meters.completion_tokens += 1);
    }

    /// Looks whether the fault is due.
    async fn turn(&mut self) -> Turn {
        let due = match self.fault {
            Some(Fault::CloseSocket { after_frames, .. }) => Some(after_frames),
            fault => fault.and_then(Fault::items),
        };
        let here = |due: u64| due.min(self.made.tokens.len() as u64) == self.sent as u64;
        match self.fault {
            Some(fault) if due.is_some_and(here) => match fault {
                Fault::ErrorInStream { .. } => Turn::Error,
                Fault::HoldAfter { .. } => std::future::pending().await,
                _ => self.valve.cut().await,
            },
            _ => Turn::GoOn,
        }
    }

    fn chunk(&mut self, delta: Value, finish: Value) -> Bytes {
        let mut chunk = self.head("chat.completion.chunk");
        chunk.insert(
            "choices".into(),
            json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]),
        );
        if self.ask.usage {
            chunk.insert("usage".into(), Value::Null);
        }
        self.event(chunk)
    }

    fn event(&mut self, mut chunk: Map<String, Value>) -> Bytes {
        if self.ask.padding {
            let length = self.padding.between(1, 12) as usize;
            chunk.insert("obfuscation".into(), self.padding.letters(length).into());
        }
        Bytes::from(format!("data: {}\n\n", Value::Object(chunk)))
    }

    /// What all objects of this reply say.
    fn head(&self, object: &str) -> Map<String, Value> {
        let mut head = Map::new();
        head.insert("id".into(), self.made.id.clone().into());
        head.insert("object".into(), object.into());
        head.insert("created".into(), self.created.into());
        head.insert("model".into(), self.made.model.clone().into());
        head.insert("service_tier".into(), self.ask.tier.clone().into());
        head.insert("system_fingerprint".into(), "fp_5e5e5e5e5e".into());
        head
    }

    fn usage(&self) -> Value {
        let completion = self.made.reasoning + self.made.tokens.len() as u64;
        json!({
            "prompt_tokens": self.made.prompt,
            "completion_tokens": completion,
            "total_tokens": self.made.prompt + completion,
            "prompt_tokens_details": {"cached_tokens": self.made.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": self.made.reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        })
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        // A closed line takes no more; an open one belongs to a client that has gone.
        let made = match self.fault {
            // The client said how far it reads: the bill is not to depend on when its going was noticed.
            Some(Fault::HoldAfter { items }) => items.max(self.sent as u64),
            _ => self.sent as u64,
        };
        let made = made
            .saturating_add(self.ahead)
            .min(self.made.tokens.len() as u64);
        let reasoning = self.made.reasoning;
        self.open.meter(|meters| {
            meters.completion_tokens = reasoning + made;
            meters.reasoning_tokens = reasoning;
        });
        self.open.close(Why::HungUp);
    }
}
