//! Bedrock: Converse and InvokeModel, whole and as event streams.
//!
//! Guardrail traces hold objects that are called `usage` and come after the real one: only the places where the API
//! puts its own are looked at. A body without counts has them in its headers ([`Decoder::headers`]).

use crate::anthropic::Messages;
use crate::base64;
use crate::failure;
use crate::json::{self, count, items, pick};
use crate::openai::chat::Chat;
use crate::report::Report;
use crate::wire::{Out, Read};

/// Decodes one call of Converse or InvokeModel.
pub type Decoder = crate::Decoder<Bedrock>;

/// Reads Bedrock's messages; see [`Decoder`].
#[derive(Debug, Default)]
pub struct Bedrock {
    anthropic: Messages,
    openai: Chat,
    /// What the last chunk's metrics said.
    metrics: Option<Report>,
    /// What the headers said.
    headers: Option<Report>,
}

impl Decoder {
    /// Takes a header of the reply: `x-amzn-bedrock-input-token-count` and its like. Others are ignored.
    #[must_use]
    pub fn headers<'a>(mut self, headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut report = Report::default();
        let (mut read, mut written) = (None, None);
        for (name, value) in headers {
            let value = count(value);
            match name.to_ascii_lowercase().as_str() {
                "x-amzn-bedrock-input-token-count" => report.totals.input_tokens = value,
                "x-amzn-bedrock-output-token-count" => report.totals.output_tokens = value,
                "x-amzn-bedrock-cache-read-input-token-count" => read = value,
                "x-amzn-bedrock-cache-write-input-token-count" => written = value,
                _ => {}
            }
        }
        with_cache(&mut report, read, written);
        self.reader.headers = report.says_something().then_some(report);
        self
    }
}

impl Read for Bedrock {
    const PROVIDER: &'static str = "aws-bedrock";

    fn message(&mut self, event: &str, message: &str, out: &mut Out<'_>) {
        if event.ends_with("Exception") || event.ends_with("exception") {
            let said = failure::read(message);
            let mut failure = failure::named(event);
            failure.chain = said.chain;
            out.failure(failure);
            return;
        }
        let [wrapped, inner] = pick(message, ["bytes", "event"]);
        if let Some(inner) = inner {
            return sonic(inner, out);
        }
        if let Some(text) = wrapped.and_then(json::text)
            && let Some(bytes) = base64::decode(&text)
        {
            self.invoked("", &String::from_utf8_lossy(&bytes), out);
            return;
        }
        self.invoked(event, message, out);
    }

    fn ended(&mut self, out: &mut Out<'_>) {
        // What the body says of itself goes first; metrics and headers may say another thing.
        if !out.usage_known()
            && let Some(report) = self.metrics.take().or(self.headers.take())
        {
            out.report().replace(report);
        }
    }
}

impl Bedrock {
    /// Reads a body, or a chunk of one, by the shape that the model's maker gave it.
    fn invoked(&mut self, event: &str, message: &str, out: &mut Out<'_>) {
        let [metrics, kind, choices, metadata, reported, output] = pick(
            message,
            [
                "amazon-bedrock-invocationMetrics",
                "type",
                "choices",
                "metadata",
                "usage",
                "output",
            ],
        );
        if let Some(raw) = metrics {
            self.metrics = Some(invocation(raw));
        }
        // The chunks of Nova and of Converse are one key each; Converse's event types say the key.
        let nova = metadata.and_then(|raw| pick(raw, ["usage"])[0]);
        if let Some(raw) = nova.or(reported).filter(|raw| {
            ["\"inputTokens\"", "\"outputTokens\""]
                .iter()
                .any(|key| raw.contains(key))
        }) {
            let report = converse(raw);
            out.report().replace(report);
        } else if kind.is_some() && (choices.is_none() && output.is_none()) {
            self.anthropic.message(event, message, out);
        } else if choices.is_some() || (reported.is_some() && output.is_none()) {
            self.openai.message(event, message, out);
        } else {
            self.older(message, out);
        }
        self.text(message, out);
    }

    /// Text in the shapes of Converse and Nova.
    fn text(&self, message: &str, out: &mut Out<'_>) {
        let [delta, wrapped, output] = pick(message, ["delta", "contentBlockDelta", "output"]);
        let delta = wrapped
            .and_then(|raw| pick(raw, ["delta"])[0])
            .or(delta.filter(|_| pick(message, ["contentBlockIndex"])[0].is_some()));
        if let Some(delta) = delta {
            match pick(delta, ["text"])[0].and_then(json::filled) {
                Some(text) => out.delta(&text),
                None => out.unspoken(delta),
            }
        }
        if let Some(content) = output.and_then(|raw| json::at(raw, &["message", "content"])) {
            items(content, |block| {
                out.piece();
                if let Some(text) = pick(block, ["text"])[0].and_then(json::filled) {
                    out.delta(&text);
                }
            });
        }
    }

    /// Titan, Llama, and those who say nothing.
    fn older(&mut self, message: &str, out: &mut Out<'_>) {
        let [titan, results, tokens, prompt, generated, error] = pick(
            message,
            [
                "inputTextTokenCount",
                "results",
                "totalOutputTextTokenCount",
                "prompt_token_count",
                "generation_token_count",
                "message",
            ],
        );
        let mut report = Report::default();
        report.totals.input_tokens = titan.or(prompt).and_then(count);
        report.totals.output_tokens = tokens.or(generated).and_then(count);
        if let Some(results) = results {
            items(results, |result| {
                let [tokens, text] = pick(result, ["tokenCount", "outputText"]);
                let known = &mut report.totals.output_tokens;
                if let Some(tokens) = tokens.and_then(count) {
                    *known = Some(known.unwrap_or(0).saturating_add(tokens));
                }
                if let Some(text) = text.and_then(json::filled) {
                    out.delta(&text);
                }
            });
        }
        let [outputs, generations, generation, text, output] = pick(
            message,
            ["outputs", "generations", "generation", "outputText", "text"],
        );
        for list in [outputs, generations].into_iter().flatten() {
            items(list, |one| {
                if let Some(text) = pick(one, ["text"])[0].and_then(json::filled) {
                    out.delta(&text);
                }
            });
        }
        for text in [generation, text, output].into_iter().flatten() {
            if let Some(text) = json::filled(text) {
                out.delta(&text);
            }
        }
        if report.says_something() {
            // Llama counts its prompt in the first chunk, its output in each.
            let known = &out.reported().totals;
            report.totals.input_tokens = report.totals.input_tokens.or(known.input_tokens);
            report.totals.output_tokens = report.totals.output_tokens.or(known.output_tokens);
            out.report().replace(report);
        } else if error.is_some_and(|error| error.starts_with('"')) {
            out.failure(failure::read(message));
        }
    }
}

/// Reads an event of a speech-to-speech session. Its totals grow; the last one wins.
fn sonic(event: &str, out: &mut Out<'_>) {
    let [reported, text, audio] = pick(event, ["usageEvent", "textOutput", "audioOutput"]);
    if let Some(text) = text.and_then(|raw| json::filled(pick(raw, ["content"])[0]?)) {
        out.said(&text);
    }
    if audio.is_some() {
        out.piece();
    }
    let Some(raw) = reported else { return };
    let [input, output] = pick(raw, ["totalInputTokens", "totalOutputTokens"]);
    let speech = |side| json::at(raw, &["details", "total", side, "speechTokens"]).and_then(count);
    let mut report = Report::default();
    report.totals.input_tokens = input.and_then(count);
    report.totals.output_tokens = output.and_then(count);
    report.totals.audio_input_tokens = speech("input");
    report.totals.audio_output_tokens = speech("output");
    if report.says_something() {
        out.report().replace(report);
    }
}

/// Reads Converse's usage, which leaves the cache out of its input.
fn converse(raw: &str) -> Report {
    let [details, counts @ ..] = pick(
        raw,
        [
            "cacheDetails",
            "inputTokens",
            "outputTokens",
            "cacheReadInputTokens",
            "cacheReadInputTokenCount",
            "cacheWriteInputTokens",
            "cacheWriteInputTokenCount",
            "totalTokens",
        ],
    );
    let [input, output, read, read_too, write, write_too, total] =
        counts.map(|raw| raw.and_then(count));
    let mut report = Report::default();
    // What was written to a cache for an hour costs more.
    items(details.unwrap_or(""), |detail| {
        let [ttl, tokens] = pick(detail, ["ttl", "inputTokens"]);
        if ttl.is_some_and(|ttl| ttl.to_ascii_lowercase().contains("1h")) {
            report.long_write = tokens.and_then(count);
        }
    });
    report.totals.input_tokens = input;
    report.totals.output_tokens = output;
    let (read, write) = (read.or(read_too), write.or(write_too));
    // One maker's models count the cached part inside the input: the total tells.
    let cached = read.unwrap_or(0).saturating_add(write.unwrap_or(0));
    let inside = cached > 0
        && total.is_some()
        && total
            == input
                .zip(output)
                .map(|(input, output)| input.saturating_add(output));
    if inside && input.is_some_and(|input| input >= cached) {
        report.totals.cached_input_tokens = read;
        report.totals.cache_write_tokens = write;
    } else {
        with_cache(&mut report, read, write);
    }
    report
}

/// Adds the cache to the input that leaves it out.
fn with_cache(report: &mut Report, read: Option<u64>, written: Option<u64>) {
    let totals = &mut report.totals;
    totals.input_tokens = totals.input_tokens.map(|fresh| {
        [read, written]
            .into_iter()
            .flatten()
            .fold(fresh, u64::saturating_add)
    });
    totals.cached_input_tokens = read;
    totals.cache_write_tokens = written;
}

/// Reads what AWS adds to the last chunk.
fn invocation(raw: &str) -> Report {
    let [input, output, read, written] = pick(
        raw,
        [
            "inputTokenCount",
            "outputTokenCount",
            "cacheReadInputTokenCount",
            "cacheWriteInputTokenCount",
        ],
    )
    .map(|raw| raw.and_then(count));
    let mut report = Report::default();
    report.totals.input_tokens = input;
    report.totals.output_tokens = output;
    with_cache(&mut report, read, written);
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventstream::tests::encode;
    use campanile_core::{Decode, Facts, FailureKind, Frame, Meter, Noted};

    fn read(mut decoder: Decoder, body: &[u8]) -> (Decoder, Noted) {
        let mut noted = Noted::new();
        decoder.received(Frame::Body(body), &mut noted);
        decoder.ended(&mut noted);
        (decoder, noted)
    }

    #[test]
    fn converse_streams_its_usage_after_its_stop() {
        let mut body = encode(
            "contentBlockDelta",
            br#"{"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"abc"}"#,
        );
        body.extend(encode("messageStop", br#"{"stopReason":"end_turn"}"#));
        body.extend(encode("metadata", br#"{"metrics":{"latencyMs":5},"usage":{"inputTokens":37,"outputTokens":8,"totalTokens":52,"cacheReadInputTokens":7}}"#));

        let (decoder, noted) = read(Decoder::new(), &body);

        assert_eq!(noted.spoken(), Some("Hi"));
        assert_eq!(decoder.inclusive().input_tokens, Some(44));
        assert_eq!(
            noted.noted_usage().unwrap().at_least(Meter::InputTokens),
            37
        );
    }

    #[test]
    fn a_guardrail_is_not_the_usage() {
        let (decoder, _) = read(
            Decoder::new(),
            br#"{"usage":{"inputTokens":20,"outputTokens":72,"totalTokens":92},"trace":{"guardrail":{"x":{"invocationMetrics":{"usage":{"inputTokens":1}}}}},"output":{"message":{"content":[{"text":"Hi"}]}}}"#,
        );

        assert_eq!(decoder.inclusive().input_tokens, Some(20));
    }

    #[test]
    fn what_is_cached_for_an_hour_is_known_by_itself() {
        let (_, noted) = read(
            Decoder::new(),
            br#"{"output":{},"usage":{"inputTokens":3,"outputTokens":1,"totalTokens":13,"cacheWriteInputTokens":9,"cacheDetails":[{"ttl":"5m","inputTokens":4},{"ttl":"1h","inputTokens":5}]}}"#,
        );

        let usage = noted.noted_usage().unwrap();
        assert_eq!(usage.at_least(Meter::CacheWriteTokens), 4);
        assert_eq!(usage.at_least(Meter::LongCacheWriteTokens), 5);
    }

    #[test]
    fn a_usage_may_be_half_of_one() {
        let (decoder, _) = read(
            Decoder::new(),
            br#"{"output":{"message":{"content":[{"text":"Hi"}]}},"usage":{"outputTokens":50}}"#,
        );

        assert_eq!(decoder.inclusive().output_tokens, Some(50));
        assert_eq!(decoder.inclusive().input_tokens, None);
    }

    #[test]
    fn headers_count_where_the_body_does_not() {
        let headers = [
            ("x-amzn-bedrock-input-token-count", "9"),
            ("X-Amzn-Bedrock-Output-Token-Count", "112"),
        ];
        let (silent, noted) = read(
            Decoder::new().headers(headers),
            br#"{"generations":[{"text":"Hi"}]}"#,
        );
        let (telling, _) = read(
            Decoder::new().headers(headers),
            br#"{"inputTextTokenCount":30.0,"results":[{"tokenCount":29,"outputText":"a"}]}"#,
        );

        assert_eq!(silent.inclusive().output_tokens, Some(112));
        assert_eq!(noted.spoken(), Some("Hi"));
        assert_eq!(telling.inclusive().input_tokens, Some(30));
    }

    #[test]
    fn chunks_of_a_stream_are_the_makers_own() {
        // {"type":"content_block_delta","delta":{"text":"Hi"}}
        let chunk = br#"{"bytes":"eyJ0eXBlIjoiY29udGVudF9ibG9ja19kZWx0YSIsImRlbHRhIjp7InRleHQiOiJIaSJ9fQ==","p":"abc"}"#;

        let (_, noted) = read(Decoder::new(), &encode("chunk", chunk));

        assert_eq!(noted.spoken(), Some("Hi"));
    }

    #[test]
    fn the_totals_of_a_spoken_session_grow() {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        for (input, output) in [(10, 4), (25, 9)] {
            let frame = format!(
                r#"{{"event":{{"usageEvent":{{"totalInputTokens":{input},"totalOutputTokens":{output},"details":{{"total":{{"input":{{"speechTokens":8,"textTokens":2}},"output":{{"speechTokens":3}}}}}}}}}}}}"#
            );
            decoder.received(Frame::Text(&frame), &mut noted);
        }
        decoder.ended(&mut noted);

        let totals = decoder.inclusive();
        assert_eq!(
            (totals.input_tokens, totals.output_tokens),
            (Some(25), Some(9))
        );
        assert_eq!(totals.audio_input_tokens, Some(8));
    }

    #[test]
    fn an_exception_is_a_failure() {
        let (_, noted) = read(
            Decoder::new(),
            &encode("throttlingException", br#"{"message":"Too many"}"#),
        );

        assert_eq!(Facts::failure(&noted).unwrap().kind, FailureKind::RateLimit);
    }
}
