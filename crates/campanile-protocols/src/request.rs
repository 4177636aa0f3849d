//! What the body of a request to a language model says: who is asked, and how much it can be at most.

use crate::json::{self, at, count, pick, truth};
use crate::weigh;
use crate::wire::name;
use campanile_core::{Count, Evidence, Facts, Meter, Name, Served, Tally};

/// What the body of a request says, before anything is sent.
///
/// Each family has a function that reads it: [`read`](RequestFacts::read) for chat completions,
/// [`responses`](RequestFacts::responses), [`anthropic`](RequestFacts::anthropic), [`gemini`](RequestFacts::gemini).
///
/// ```
/// use campanile_core::{Facts, Meter, Tally};
/// use campanile_protocols::RequestFacts;
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
    /// The model that is asked for; Gemini has it in its path.
    pub model: Option<Name>,
    /// Whether the reply is to be streamed; Gemini has it in its path.
    pub stream: bool,
    /// Whether a stream of chat completions is to end with its usage.
    pub include_usage: bool,
    /// The tier that is asked for.
    pub tier: Option<Name>,
    /// The most tokens that may be made, over all choices; `None` without a limit.
    pub most_output: Option<u64>,
    /// The most tokens that the prompt can be; `None` where it holds what its text does not bound (images, audio,
    /// files, earlier turns that the provider keeps).
    pub most_input: Option<u64>,
    /// Unicode scalar values of all message texts.
    pub characters: u64,
    /// What the texts of the prompt likely are, in tokens: the least, and the most with what they are wrapped in.
    likely: (u64, u64),
}

/// A tokenizer makes at most one token of a byte; each message is wrapped in a few more.
const TOKENS_PER_MESSAGE: u64 = 16;
const TOKENS_PER_REQUEST: u64 = 64;
/// What wraps a message and a request in practice: role and marks. At least one of each.
const USUAL_PER_MESSAGE: u64 = 5;
const USUAL_PER_REQUEST: u64 = 12;

impl RequestFacts {
    /// Reads the body of a chat completion. What is not there, or is no JSON, says nothing.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        let [options, limit, limit_new, choices, messages] = pick(
            &body,
            [
                "stream_options",
                "max_tokens",
                "max_completion_tokens",
                "n",
                "messages",
            ],
        );
        let mut prompt = Prompt::default();
        json::items(messages.unwrap_or(""), |message| prompt.message(message));
        prompt.schemas(&pick(&body, ["tools", "functions", "response_format"]));
        let choices = choices.and_then(count).unwrap_or(1).max(1);
        let most = limit_new.or(limit).and_then(count);
        Self {
            include_usage: truth(options.and_then(|raw| pick(raw, ["include_usage"])[0])),
            most_output: most.map(|most| most.saturating_mul(choices)),
            ..Self::of(&body, &prompt)
        }
    }

    /// Reads the body of a response (or the message that asks for one on a WebSocket).
    #[must_use]
    pub fn responses(body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        let [input, instructions, limit, previous, conversation, stored] = pick(
            &body,
            [
                "input",
                "instructions",
                "max_output_tokens",
                "previous_response_id",
                "conversation",
                "prompt",
            ],
        );
        let mut prompt = Prompt::default();
        match input {
            Some(list) if list.starts_with('[') => json::items(list, |item| prompt.message(item)),
            Some(text) => prompt.whole(text),
            None => {}
        }
        if let Some(instructions) = instructions {
            prompt.whole(instructions);
        }
        prompt.schemas(&pick(&body, ["tools", "text"]));
        // The provider keeps what was said before, and bills it again.
        prompt.bounded &= [previous, conversation, stored].iter().all(Option::is_none);
        Self {
            most_output: limit.and_then(count),
            ..Self::of(&body, &prompt)
        }
    }

    /// Reads the body of a message to Anthropic.
    #[must_use]
    pub fn anthropic(body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        let [messages, system, limit] = pick(&body, ["messages", "system", "max_tokens"]);
        let mut prompt = Prompt::default();
        json::items(messages.unwrap_or(""), |message| prompt.message(message));
        match system {
            Some(list) if list.starts_with('[') => json::items(list, |part| prompt.part(part)),
            Some(text) => prompt.whole(text),
            None => {}
        }
        let [tools] = pick(&body, ["tools"]);
        prompt.schemas(&[tools]);
        // Tools that the provider runs bring pages into the prompt that nobody sees here.
        json::items(tools.unwrap_or(""), |tool| {
            prompt.bounded &= pick(tool, ["input_schema"])[0].is_some();
        });
        Self {
            most_output: limit.and_then(count),
            ..Self::of(&body, &prompt)
        }
    }

    /// Reads the body of a generateContent.
    #[must_use]
    pub fn gemini(body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        let [contents, system, tools, cached] = pick(
            &body,
            ["contents", "systemInstruction", "tools", "cachedContent"],
        );
        let [limit, candidates] = ["maxOutputTokens", "candidateCount"]
            .map(|key| at(&body, &["generationConfig", key]).and_then(count));
        let mut prompt = Prompt::default();
        json::items(contents.unwrap_or(""), |content| prompt.content(content));
        if let Some(system) = system {
            prompt.content(system);
        }
        prompt.schemas(&[tools]);
        prompt.bounded &= cached.is_none();
        // Functions are declared here; searches and code run there, and come back into the prompt.
        json::items(tools.unwrap_or(""), |tool| {
            prompt.bounded &= pick(tool, ["functionDeclarations"])[0].is_some();
        });
        let candidates = candidates.unwrap_or(1).max(1);
        Self {
            most_output: limit.map(|limit| limit.saturating_mul(candidates)),
            ..Self::of(&body, &prompt)
        }
    }

    /// What all families name alike, and the bounds of a prompt.
    fn of(body: &str, prompt: &Prompt) -> Self {
        let [model, stream, tier] = pick(body, ["model", "stream", "service_tier"]);
        Self {
            model: name(model),
            stream: truth(stream),
            include_usage: false,
            tier: name(tier),
            most_output: None,
            most_input: (prompt.bounded && prompt.messages > 0)
                .then(|| prompt.bytes + prompt.messages * TOKENS_PER_MESSAGE + TOKENS_PER_REQUEST),
            characters: prompt.characters,
            likely: prompt.likely(),
        }
    }

    /// The prompt's bounds once the reply has begun: it was read, and is billed. `None` where nothing is known.
    pub(crate) fn begun_input(&self) -> Option<Count> {
        let (at_least, likely) = self.likely;
        (self.characters > 0).then(|| Count {
            at_least,
            at_most: self.most_input.map(|most| most.min(likely).max(at_least)),
            evidence: Evidence::Estimated,
        })
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
    /// Thousandths of tokens, at least and at most.
    least: u64,
    most: u64,
    /// All of it is text.
    bounded: bool,
}

impl Default for Prompt {
    fn default() -> Self {
        Self {
            bytes: 0,
            characters: 0,
            messages: 0,
            least: 0,
            most: 0,
            bounded: true,
        }
    }
}

impl Prompt {
    /// A text that is a message of its own.
    fn whole(&mut self, raw: &str) {
        self.messages += 1;
        self.text(raw);
    }

    /// A message of OpenAI or Anthropic, or an item of a response.
    fn message(&mut self, message: &str) {
        self.messages += 1;
        let [content, name, refusal, tools, call, arguments, output] = pick(
            message,
            [
                "content",
                "name",
                "refusal",
                "tool_calls",
                "function_call",
                "arguments",
                "output",
            ],
        );
        match content {
            Some(parts) if parts.starts_with('[') => json::items(parts, |part| self.part(part)),
            Some(text) => self.text(text),
            None => {}
        }
        for raw in [name, refusal, arguments, output].into_iter().flatten() {
            self.text(raw);
        }
        // Arguments of calls are JSON in JSON: their raw length is more than what is read of them.
        for raw in [tools, call].into_iter().flatten() {
            self.code(raw);
        }
        // An item that refers to another one, or holds what is not shown.
        let [kind, hidden] = pick(message, ["type", "encrypted_content"]);
        self.bounded &= kind != Some("\"item_reference\"") && hidden.is_none();
    }

    /// A part of a message.
    fn part(&mut self, part: &str) {
        let [text, kind, content] = pick(part, ["text", "type", "content"]);
        match (text, kind) {
            (Some(text), _) => self.text(text),
            // What a tool was asked, and what it gave back: text, or parts again.
            (None, Some("\"tool_use\"")) => self.code(part),
            (None, Some("\"tool_result\"")) => match content {
                Some(parts) if parts.starts_with('[') => {
                    json::items(parts, |part| match pick(part, ["text"])[0] {
                        Some(text) => self.text(text),
                        None => self.bounded = false,
                    });
                }
                Some(text) => self.text(text),
                None => {}
            },
            _ => self.bounded = false,
        }
    }

    /// A content of Gemini.
    fn content(&mut self, content: &str) {
        self.messages += 1;
        let [parts] = pick(content, ["parts"]);
        json::items(parts.unwrap_or(""), |part| {
            let [text, call, response] = pick(part, ["text", "functionCall", "functionResponse"]);
            match (text, call.or(response)) {
                (Some(text), _) => self.text(text),
                (None, Some(raw)) => self.code(raw),
                (None, None) => self.bounded = false,
            }
        });
    }

    fn schemas(&mut self, schemas: &[Option<&str>]) {
        for raw in schemas.iter().flatten() {
            self.code(raw);
        }
    }

    /// JSON that a program wrote: providers write it anew, in more or fewer tokens.
    fn code(&mut self, raw: &str) {
        self.bytes += raw.len() as u64;
        // What stands around tools is the provider's secret: as much again as they are.
        self.most += 2 * u64::from(weigh::text(raw).most);
    }

    fn text(&mut self, raw: &str) {
        match json::text(raw) {
            Some(text) => {
                self.bytes += text.len() as u64;
                self.characters += text.chars().count() as u64;
                let weight = weigh::text(&text);
                self.least += u64::from(weight.least);
                // A reply shows how its maker cuts; a prompt does not, and some count four letters a token.
                self.most += u64::from(weight.most).max(1_000 * weigh::in_fours(&text));
            }
            None => self.code(raw),
        }
    }

    /// The least and the most tokens that the prompt likely is.
    fn likely(&self) -> (u64, u64) {
        (
            self.least / 1_000 + self.messages + 1,
            self.most / 1_000 + self.messages * USUAL_PER_MESSAGE + USUAL_PER_REQUEST,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_bounded_by_its_bytes() {
        let facts = RequestFacts::read(
            r#"{"model":"gpt-x","stream":true,"stream_options":{"include_usage":true},"service_tier":"flex","n":2,"max_completion_tokens":50,"messages":[{"role":"system","content":"Be kind."},{"role":"user","content":[{"type":"text","text":"café"}]}],"tools":[{}]}"#.as_bytes(),
        );

        assert_eq!(facts.most_input, Some(8 + 5 + 4 + 2 * 16 + 64));
        assert_eq!(facts.most_output, Some(100));
        assert_eq!((facts.characters, facts.stream), (12, true));
        assert!(facts.include_usage);
        assert_eq!(facts.tier.as_deref(), Some("flex"));
    }

    #[test]
    fn what_text_does_not_bound_has_no_bound() {
        let image =
            br#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]}"#;
        let kept = br#"{"input":"Hi","previous_response_id":"resp_1"}"#;
        let search = br#"{"messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"web_search","name":"web_search"}]}"#;
        let file = br#"{"contents":[{"parts":[{"fileData":{}}]}]}"#;

        assert_eq!(RequestFacts::read(image).most_input, None);
        assert_eq!(RequestFacts::responses(kept).most_input, None);
        assert_eq!(RequestFacts::anthropic(search).most_input, None);
        assert_eq!(RequestFacts::gemini(file).most_input, None);
        let cached = br#"{"contents":[{"parts":[{"text":"Hi"}]}],"cachedContent":"c/1"}"#;
        assert_eq!(RequestFacts::gemini(cached).most_input, None);
        assert_eq!(RequestFacts::read(b"no json").most_input, None);
    }

    #[test]
    fn each_family_has_its_limits() {
        let responses = RequestFacts::responses(
            br#"{"model":"gpt-x","input":[{"role":"user","content":"Hi"}],"instructions":"Be kind.","max_output_tokens":9}"#,
        );
        let anthropic = RequestFacts::anthropic(
            br#"{"model":"claude-x","system":[{"type":"text","text":"Be kind."}],"messages":[{"role":"user","content":"Hi"}],"max_tokens":9,"stream":true}"#,
        );
        let gemini = RequestFacts::gemini(
            br#"{"systemInstruction":{"parts":[{"text":"Be kind."}]},"contents":[{"parts":[{"text":"Hi"}]}],"generationConfig":{"maxOutputTokens":9}}"#,
        );

        for facts in [responses, anthropic, gemini] {
            assert_eq!(
                (facts.most_output, facts.characters),
                (Some(9), 10),
                "{facts:?}"
            );
            assert!(facts.most_input.is_some());
        }
    }
}
