//! Chat completions and legacy completions: OpenAI, Azure, and the servers that copy them.
//!
//! Usage comes once, in the last chunk (with `stream_options.include_usage`), in the finish chunk, in every chunk
//! as a running total, or never. The rule is the same for all: the last report replaces the whole.

use crate::failure;
use crate::json::{self, pick};
use crate::openai::usage;
use crate::wire::{Out, Read};
use memchr::memmem;

pub use crate::request::RequestFacts;

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
    begun: bool,
    keys: Keys,
}

/// The most choices that a request can ask for.
const MAX_CHOICES: usize = 128;
/// Stands for the event of a chunk that was taken out of an envelope.
const UNWRAPPED: &str = "unwrapped";

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
        Self::new().asked(request)
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
        for _ in 1..MAX_CHOICES {
            let Some(at) = self.keys.delta.find(rest.as_bytes()) else {
                return;
            };
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
        // Some gateways put the chunk into an envelope: one, or else a peer could fill the stack.
        if choices.is_none()
            && event != "error"
            && event != UNWRAPPED
            && error.is_none()
            && reported.is_none()
            && let Some(inner) = wrapped.filter(|inner| inner.starts_with('{'))
        {
            return self.whole(UNWRAPPED, inner, out);
        }
        out.model(model.or_else(|| pick(message, ["model_id"])[0]));
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
        } else if reported.is_none()
            && object.is_none()
            && let Some(failure) = failure::complaint(message)
        {
            out.failure(failure);
        }
        let mut of_choice = None;
        json::picks(choices.unwrap_or(""), CHOICE, |parts| {
            of_choice = choice(parts, out).or(of_choice);
        });
        let groq = groq.and_then(|groq| pick(groq, ["usage"])[0]);
        let mut said = [reported, groq, of_choice].into_iter().flatten();
        if let Some(raw) = said.find(|raw| raw.starts_with('{')) {
            report(raw, out);
        }
    }

    /// The first sign of an answer: the prompt has been read, and is billed.
    fn begin(&mut self, out: &mut Out<'_>) {
        out.begun();
        self.begun = true;
    }
}

/// Reads a usage object, which replaces what was reported before.
fn report(raw: &str, out: &mut Out<'_>) {
    let newer = usage(raw, out.provider());
    out.tier(pick(raw, ["service_tier"])[0]);
    if newer.says_something() {
        out.report().replace(newer);
    }
}

/// What a choice is read for.
const CHOICE: [&str; 4] = ["delta", "message", "text", "usage"];

/// Reads one choice: of a chunk (`delta`), of a whole answer (`message`), or of a legacy completion (`text`). Moonshot's
/// last choice holds the usage.
fn choice<'a>(parts: [Option<&'a str>; 4], out: &mut Out<'_>) -> Option<&'a str> {
    let [piece, message, text, reported] = parts;
    if let Some(piece) = piece {
        delta(piece, out);
    } else if let Some(message) = message {
        delta(message, out);
    } else if let Some(text) = text.and_then(json::filled) {
        out.delta(&text);
    }
    reported
}

/// Reads a delta. A role alone is no piece of the answer.
fn delta<'a>(raw: &'a str, out: &mut Out<'_>) {
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
            out.delta_raw(content);
        }
        _ => {}
    }
    // Not spoken, but made, and billed.
    let empty = |part: &&str| matches!(*part, "\"\"" | "[]" | "{}");
    let filled = |part: Option<&'a str>| part.filter(|part| !empty(part));
    if let Some(thought) = filled(reasoning.or(reasoning_too)) {
        out.thought(thought);
    }
    for part in [refusal, tools].into_iter().filter_map(filled) {
        out.unspoken(part);
    }
    if filled(audio).is_some() {
        out.hidden();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::{Decode, Evidence, Facts, FailureKind, Frame, Meter, Moment, Noted};

    const ROLE: &str = r#"{"id":"c-1","model":"gpt-x-1","choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"usage":null}"#;
    const TEXT: &str = r#"{"id":"c-1","model":"gpt-x-1","choices":[{"index":0,"delta":{"content":"Hello"}}],"usage":null}"#;

    fn chunk(decoder: &mut Decoder, chunk: &str) -> Noted {
        let mut noted = Noted::new();
        decoder.received(
            Frame::Body(format!("data: {chunk}\n\n").as_bytes()),
            &mut noted,
        );
        noted
    }

    #[test]
    fn the_role_is_aside_and_the_first_text_is_a_piece() {
        let mut decoder = Decoder::new();

        let role = chunk(&mut decoder, ROLE);
        assert_eq!((role.moment(), role.noted_seen()), (Moment::Aside, 0));
        assert_eq!(
            role.noted_served().unwrap().model.as_deref(),
            Some("gpt-x-1")
        );

        let text = chunk(&mut decoder, TEXT);
        assert_eq!((text.moment(), text.noted_seen()), (Moment::Piece, 1));
        assert_eq!(text.spoken(), Some("Hello"));

        let tool =
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}]}"#;
        let tool = chunk(&mut decoder, tool);
        assert_eq!((tool.moment(), tool.spoken()), (Moment::Piece, None));

        let usage = chunk(
            &mut decoder,
            r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#,
        );
        assert_eq!(usage.moment(), Moment::Aside);
    }

    #[test]
    fn two_choices_in_one_chunk_are_both_seen() {
        let mut decoder = Decoder::new();
        chunk(&mut decoder, ROLE);

        let both = chunk(
            &mut decoder,
            r#"{"model":"m","choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}"#,
        );

        assert_eq!((both.spoken(), both.noted_seen()), (Some("ab"), 2));
    }

    #[test]
    fn usage_stands_in_many_places() {
        for usage in [
            r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#,
            r#"{"choices":[{"delta":{}}],"x_groq":{"id":"req","usage":{"prompt_tokens":5,"completion_tokens":2}}}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":5,"completion_tokens":2}}]}"#,
        ] {
            let mut decoder = Decoder::new();
            chunk(&mut decoder, ROLE);
            chunk(
                &mut decoder,
                r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#,
            );
            chunk(&mut decoder, usage);
            chunk(&mut decoder, "[DONE]");
            assert_eq!(decoder.inclusive().input_tokens, Some(5), "{usage}");
            assert_eq!(decoder.inclusive().output_tokens, Some(2), "{usage}");
        }
    }

    #[test]
    fn an_error_in_a_stream_is_a_failure() {
        let mut decoder = Decoder::new();
        chunk(&mut decoder, ROLE);
        let mut noted = Noted::new();

        let body = b"event: error\ndata: {\"error\":{\"message\":\"m\",\"type\":\"invalid_request_error\",\"code\":\"x_failed\",\"status_code\":400}}\n\n";
        decoder.received(Frame::Body(body), &mut noted);

        let failure = Facts::failure(&noted).unwrap();
        assert_eq!(failure.kind, FailureKind::InvalidRequest);
        assert_eq!(failure.chain.len(), 1);
    }

    #[test]
    fn an_error_may_stand_in_a_chunk_with_choices() {
        let mut decoder = Decoder::new();
        chunk(&mut decoder, ROLE);

        let noted = chunk(
            &mut decoder,
            r#"{"id":"c-2","model":"m","error":{"code":502,"message":"m"},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#,
        );

        assert_eq!(Facts::failure(&noted).unwrap().kind, FailureKind::Server);
        // The id that came first is the request's; some servers change it on the way.
        assert_eq!(noted.noted_served(), None);
    }

    #[test]
    fn a_prompt_is_billed_once_the_reply_has_begun() {
        let text = "word ".repeat(32);
        let request = format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}]}}"#);
        let mut decoder = Decoder::for_request(&RequestFacts::read(request.as_bytes()));

        let noted = chunk(&mut decoder, ROLE);

        let input = noted
            .noted_usage()
            .unwrap()
            .get(Meter::InputTokens)
            .unwrap();
        // 33 of the text, and what it is wrapped in.
        let range = input.at_least..=input.at_most.unwrap();
        assert!(range.contains(&40) && *range.end() < 60, "{input:?}");
        assert_eq!(input.evidence, Evidence::Estimated);
    }

    #[test]
    fn a_completion_of_the_old_kind_is_text() {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        let body = r#"{"model":"m","choices":[{"text":"Hi","index":0}],"usage":{"prompt_tokens":8,"completion_tokens":1}}"#;

        decoder.received(Frame::Body(body.as_bytes()), &mut noted);

        assert_eq!(noted.spoken(), Some("Hi"));
        assert_eq!(noted.noted_usage().unwrap().at_least(Meter::InputTokens), 8);
    }

    #[test]
    fn a_decoder_prints_no_text() {
        let mut decoder = Decoder::new();
        let mut noted = Noted::new();
        decoder.received(Frame::Body(b"data: {\"my card is"), &mut noted);

        assert!(!format!("{decoder:?}").contains("card"));
    }
}
