//! Chat completions and legacy completions: OpenAI, Azure, and the servers that copy them.
//!
//! Usage comes once, in the last chunk (with `stream_options.include_usage`), in the finish chunk, in every chunk
//! as a running total, or never. The rule is the same for all: the last report replaces the whole.

use crate::json::{self, count, pick};
use crate::openai::usage;
use crate::wire::{Out, Read};
use crate::{failure, json::truth};
use campanile_core::{Count, Evidence, Facts, Meter, Name, Served, Tally};
use memchr::memmem;

/// Decodes one chat completion, whole or streamed.
///
/// ```
/// use campanile_core::{Decode, Facts, Frame, Meter, Noted};
/// use campanile_protocols::openai::chat::Decoder;
///
/// let mut decoder = Decoder::new();
/// let mut noted = Noted::new();
/// decoder.received(Frame::Body(b"data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n"), &mut noted);
/// assert_eq!(noted.spoken(), Some("Hello"));
///
/// let usage = br#"data: {"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":1}}"#;
/// decoder.received(Frame::Body(usage), &mut noted);
/// decoder.ended(&mut noted);
/// assert_eq!(noted.noted_usage().unwrap().at_least(Meter::InputTokens), 12);
/// ```
pub type Decoder = crate::Decoder<Chat>;

/// Reads chat completions; see [`Decoder`].
#[derive(Debug)]
pub struct Chat {
    /// How many bytes or characters of prompt the request held at least; zero where nobody knows.
    prompt: Count,
    begun: bool,
    keys: Keys,
}

/// Searchers for the keys that decide how a chunk is read.
#[derive(Debug)]
struct Keys {
    usage: memmem::Finder<'static>,
    error: memmem::Finder<'static>,
    delta: memmem::Finder<'static>,
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            prompt: Count::exact(0, Evidence::Unknown),
            begun: false,
            keys: Keys {
                usage: memmem::Finder::new(b"\"usage\""),
                error: memmem::Finder::new(b"\"error\""),
                delta: memmem::Finder::new(b"\"delta\""),
            },
        }
    }
}

impl Decoder {
    /// A decoder that knows what was asked for: once the reply has begun, the prompt has been read, and its
    /// lower bound is raised from zero.
    #[must_use]
    pub fn for_request(request: &RequestFacts) -> Self {
        Self::with(Chat {
            prompt: request.begun_input(),
            ..Chat::default()
        })
    }
}

impl Read for Chat {
    const PROVIDER: &'static str = "openai";

    fn message(&mut self, event: &str, message: &str, out: &mut Out<'_>) {
        // Chunks that say something new are rare; the others are looked at where their delta is.
        let rare = !self.begun
            || !out.knows_model()
            || event == "error"
            || self.says(&self.keys.usage, message)
            || self.says(&self.keys.error, message);
        if rare {
            self.whole(event, message, out);
        } else if let Some(at) = self.keys.delta.find(message.as_bytes()) {
            let rest = message.get(at + "\"delta\"".len()..).unwrap_or_default();
            delta(rest.trim_start().strip_prefix(':').unwrap_or_default(), out);
            // More than one choice in one chunk: nobody streams so, but it is allowed.
            if self.keys.delta.find(rest.as_bytes()).is_some() {
                self.others(rest, out);
            }
        } else if !message.starts_with('[') {
            self.whole(event, message, out);
        }
    }
}

impl Chat {
    /// Whether a key is there with a value other than null.
    fn says(&self, key: &memmem::Finder<'_>, message: &str) -> bool {
        key.find_iter(message.as_bytes()).any(|at| {
            let value = message.get(at + key.needle().len()..).unwrap_or_default();
            let value = value.trim_start().strip_prefix(':').map(str::trim_start);
            value.is_some_and(|value| !value.starts_with("null"))
        })
    }

    fn others(&self, mut rest: &str, out: &mut Out<'_>) {
        while let Some(at) = self.keys.delta.find(rest.as_bytes()) {
            rest = rest.get(at + "\"delta\"".len()..).unwrap_or_default();
            delta(rest.trim_start().strip_prefix(':').unwrap_or_default(), out);
        }
    }

    /// Reads a chunk or a whole completion.
    fn whole(&mut self, event: &str, message: &str, out: &mut Out<'_>) {
        let [
            choices,
            reported,
            groq,
            error,
            model,
            id,
            tier,
            object,
            wrapped,
        ] = pick(
            message,
            [
                "choices",
                "usage",
                "x_groq",
                "error",
                "model",
                "id",
                "service_tier",
                "object",
                "data",
            ],
        );
        // Some gateways put the chunk into an envelope.
        if choices.is_none()
            && event != "error"
            && error.is_none()
            && reported.is_none()
            && let Some(inner) = wrapped.filter(|inner| inner.starts_with('{'))
        {
            return self.whole("data", inner, out);
        }
        out.model(model);
        out.request_id(id);
        out.tier(tier);
        let is_error = error.is_some_and(|error| error.starts_with(['{', '"']))
            || event == "error"
            || object == Some("\"error\"");
        if is_error {
            out.failure(failure::read(message));
        }
        if choices.is_some() {
            self.begin(out);
        }
        if let Some(choices) = choices {
            json::items(choices, |choice| self::choice(choice, out));
        }
        let groq = groq.and_then(|groq| pick(groq, ["usage"])[0]);
        if let Some(raw) = reported.or(groq).filter(|raw| raw.starts_with('{')) {
            let newer = usage(raw, out.provider());
            let [tier] = pick(raw, ["service_tier"]);
            out.tier(tier);
            if newer.says_something() {
                out.report().replace(newer);
            }
        }
    }

    /// The first sign of an answer: the prompt has been read, and is billed.
    fn begin(&mut self, out: &mut Out<'_>) {
        if !self.begun && self.prompt.evidence == Evidence::Estimated {
            out.noted().usage(Meter::InputTokens, self.prompt);
        }
        self.begun = true;
    }
}

/// Reads one choice: of a chunk (`delta`), of a whole answer (`message`), or of a legacy completion (`text`).
fn choice(choice: &str, out: &mut Out<'_>) {
    let [piece, message, text] = pick(choice, ["delta", "message", "text"]);
    if let Some(piece) = piece {
        delta(piece, out);
    } else if let Some(message) = message {
        delta(message, out);
    } else if let Some(text) = text.and_then(json::filled) {
        out.delta(&text);
    }
}

/// Reads a delta. A role alone is no piece of the answer.
fn delta(raw: &str, out: &mut Out<'_>) {
    let [content, tools, reasoning, reasoning_too, refusal, audio] = pick(
        raw,
        [
            "content",
            "tool_calls",
            "reasoning_content",
            "reasoning",
            "refusal",
            "audio",
        ],
    );
    match content {
        Some(content) if content.starts_with('[') => json::items(content, |part| {
            let [text] = pick(part, ["text"]);
            if let Some(text) = text.and_then(json::filled) {
                out.delta(&text);
            }
        }),
        Some(content) if content != "\"\"" && content.starts_with('"') => {
            if out.keeps_text() {
                out.delta(&json::text(content).unwrap_or_default());
            } else {
                out.delta("");
            }
        }
        _ => {}
    }
    // Not spoken, but made, and billed.
    let unspoken = [reasoning.or(reasoning_too), refusal, audio, tools];
    for part in unspoken.into_iter().flatten() {
        if !matches!(part, "\"\"" | "[]" | "{}") {
            out.delta("");
        }
    }
}

/// What the body of a request says, before anything is sent: who is asked, and how much it can be at most.
///
/// ```
/// use campanile_core::{Facts, Meter, Tally};
/// use campanile_protocols::openai::chat::RequestFacts;
///
/// let body = br#"{"model":"gpt-x","max_tokens":100,"messages":[{"role":"user","content":"Hi"}]}"#;
/// let tally = Tally::default();
/// RequestFacts::read(body).usage(&tally);
///
/// let output = tally.snapshot().get(Meter::OutputTokens).unwrap();
/// assert_eq!((output.at_least, output.at_most), (0, Some(100)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestFacts {
    /// The model that is asked for.
    pub model: Option<Name>,
    /// Whether the reply is to be streamed.
    pub stream: bool,
    /// Whether the stream is to end with its usage.
    pub include_usage: bool,
    /// The tier that is asked for.
    pub tier: Option<Name>,
    /// The most tokens that may be made, over all choices; `None` without a limit.
    pub most_output: Option<u64>,
    /// The most tokens that the prompt can be; `None` where it holds what text does not bound (images, audio, files).
    pub most_input: Option<u64>,
    /// Unicode scalar values of all message texts.
    pub characters: u64,
}

/// A tokenizer makes at most one token of a byte; each message is wrapped in a few more.
const TOKENS_PER_MESSAGE: u64 = 16;
const TOKENS_PER_REQUEST: u64 = 64;
/// No tokenizer in use packs more than this into a token of ordinary text, on average over a prompt.
const CHARACTERS_PER_TOKEN: u64 = 16;

impl RequestFacts {
    /// Reads a request's body. What is not there, or is no JSON, says nothing.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        let [model, stream, options, tier, limit, limit_new, choices] = pick(
            &body,
            [
                "model",
                "stream",
                "stream_options",
                "service_tier",
                "max_tokens",
                "max_completion_tokens",
                "n",
            ],
        );
        let [messages, tools, functions, format] =
            pick(&body, ["messages", "tools", "functions", "response_format"]);
        let mut prompt = Prompt::default();
        if let Some(messages) = messages {
            json::items(messages, |message| prompt.message(message));
        }
        let schemas = [tools, functions, format].into_iter().flatten();
        let schemas = schemas.map(|raw| raw.len() as u64).sum::<u64>();
        let known = prompt.bounded && prompt.messages > 0;
        Self {
            model: crate::wire::name(model),
            stream: truth(stream),
            include_usage: truth(options.and_then(|raw| pick(raw, ["include_usage"])[0])),
            tier: crate::wire::name(tier),
            most_output: limit_new
                .or(limit)
                .and_then(count)
                .map(|limit| limit.saturating_mul(choices.and_then(count).unwrap_or(1).max(1))),
            most_input: known.then(|| {
                prompt.bytes + schemas + prompt.messages * TOKENS_PER_MESSAGE + TOKENS_PER_REQUEST
            }),
            characters: prompt.characters,
        }
    }

    /// The prompt's bounds once the reply has begun.
    fn begun_input(&self) -> Count {
        Count {
            at_least: self.characters.div_ceil(CHARACTERS_PER_TOKEN),
            at_most: self.most_input,
            evidence: if self.characters > 0 {
                Evidence::Estimated
            } else {
                Evidence::Unknown
            },
        }
    }
}

/// Bounds, as estimates: nothing may be billed at all.
impl Facts for RequestFacts {
    fn usage(&self, tally: &Tally) {
        let bound = |at_most| Count {
            at_least: 0,
            at_most,
            evidence: Evidence::Estimated,
        };
        tally.set(Meter::InputTokens, bound(self.most_input));
        tally.set(Meter::OutputTokens, bound(self.most_output));
    }

    fn served(&self, served: &mut Served) {
        if self.model.is_some() {
            served.requested.clone_from(&self.model);
        }
        if self.tier.is_some() && !served.terms.tier_served {
            served.terms.tier.clone_from(&self.tier);
        }
    }
}

/// The size of a prompt.
#[derive(Debug)]
struct Prompt {
    bytes: u64,
    characters: u64,
    messages: u64,
    /// All of it is text.
    bounded: bool,
}

impl Default for Prompt {
    fn default() -> Self {
        Self {
            bytes: 0,
            characters: 0,
            messages: 0,
            bounded: true,
        }
    }
}

impl Prompt {
    fn message(&mut self, message: &str) {
        self.messages += 1;
        let [content, name, tools, call, refusal] = pick(
            message,
            ["content", "name", "tool_calls", "function_call", "refusal"],
        );
        match content {
            Some(parts) if parts.starts_with('[') => json::items(parts, |part| self.part(part)),
            Some(text) => self.text(text),
            None => {}
        }
        for raw in [name, refusal].into_iter().flatten() {
            self.text(raw);
        }
        // Arguments of calls are JSON in JSON: their raw length is more than what is read of them.
        for raw in [tools, call].into_iter().flatten() {
            self.bytes += raw.len() as u64;
        }
    }

    fn part(&mut self, part: &str) {
        match pick(part, ["text"])[0] {
            Some(text) => self.text(text),
            None => self.bounded = false,
        }
    }

    fn text(&mut self, raw: &str) {
        match json::text(raw) {
            Some(text) => {
                self.bytes += text.len() as u64;
                self.characters += text.chars().count() as u64;
            }
            None => self.bytes += raw.len() as u64,
        }
    }
}
