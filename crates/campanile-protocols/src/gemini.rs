//! Gemini: generateContent whole and streamed (AI Studio, Vertex), embeddings, Live, Interactions.
//!
//! Nearly every chunk reports; the last one wins as a whole, however its counts jumped before. Tool-use prompts stand
//! beside the prompt, thoughts beside the candidates. What is zero is left out by the server.

use crate::failure;
use crate::json::{self, at, count, items, pick, picks};
use crate::report::Report;
use crate::turns::Turns;
use crate::wire::{Out, Read};
use campanile_core::Moment;

/// Decodes one reply of generateContent, embedContent or Interactions, or one Live session.
///
/// ```
/// use campanile_core::{Decode, Frame, Meter, Noted};
///
/// let mut decoder = campanile_protocols::gemini::Decoder::new();
/// let mut noted = Noted::new();
/// let body = br#"{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}],
///     "usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":3,"thoughtsTokenCount":4}}"#;
/// decoder.received(Frame::Body(body), &mut noted);
/// assert_eq!(noted.noted_usage().unwrap().at_least(Meter::ReasoningTokens), 4);
/// assert_eq!(decoder.inclusive().output_tokens, Some(7));
/// ```
pub type Decoder = crate::Decoder<Gemini>;

/// Reads Gemini's messages; see [`Decoder`].
#[derive(Debug, Default)]
pub struct Gemini {
    turns: Turns,
    /// This is a Live session: its turns add up.
    live: bool,
    /// The turn, or the part of one before a tool was called, that reports now.
    turn: u64,
}

impl Read for Gemini {
    const PROVIDER: &'static str = "google";

    fn message(&mut self, event: &str, message: &str, out: &mut Out<'_>) {
        let [
            candidates,
            reported,
            model,
            id,
            error,
            content,
            event_type,
            begun,
            called,
        ] = pick(
            message,
            [
                "candidates",
                "usageMetadata",
                "modelVersion",
                "responseId",
                "error",
                "serverContent",
                "event_type",
                "setupComplete",
                "toolCall",
            ],
        );
        self.live |= content.or(begun).or(called).is_some();
        out.model(model);
        out.request_id(id);
        if error.is_some() || event == "error" {
            out.failure(failure::read(message));
        }
        if let Some(candidates) = candidates {
            picks(candidates, ["content"], |[content]| parts(content, out));
        }
        if content.is_some() || reported.is_some() {
            self.report(reported, content, out);
        } else if candidates.is_none() {
            self.rest(event_type, message, out);
        }
        if called.is_some() {
            self.turn += 1;
        }
    }
}

impl Gemini {
    fn report(&mut self, reported: Option<&str>, content: Option<&str>, out: &mut Out<'_>) {
        if let Some(raw) = reported.filter(|raw| raw.starts_with('{')) {
            let (report, tier) = metadata(raw);
            out.tier(tier);
            if report.says_something() {
                let sum = match self.live {
                    false => report,
                    true => self.turns.report(Some(&self.turn.to_string()), report),
                };
                out.report().replace(sum);
            }
        }
        let Some(content) = content else { return };
        let [turn, spoken, heard, done, interrupted] = pick(
            content,
            [
                "modelTurn",
                "outputTranscription",
                "inputTranscription",
                "turnComplete",
                "interrupted",
            ],
        );
        parts(turn, out);
        if let Some(text) = spoken.and_then(|raw| pick(raw, ["text"])[0]?.into()) {
            out.hidden();
            out.said(&json::text(text).unwrap_or_default());
        }
        if out.keeps_text()
            && let Some(text) = heard.and_then(|raw| json::filled(pick(raw, ["text"])[0]?))
        {
            out.noted().text(&text);
        }
        if json::truth(done) {
            self.turn += 1;
        }
        if json::truth(done) || json::truth(interrupted) {
            out.noted().moment(Moment::UtteranceEnd);
        }
    }

    /// Interactions, embeddings by Vertex's `predict`, and the set-up of a session.
    fn rest(&mut self, event_type: Option<&str>, message: &str, out: &mut Out<'_>) {
        let [inner, delta] = pick(message, ["interaction", "delta"]);
        if event_type.is_some()
            && let Some(delta) = delta
        {
            let [text, kind] = pick(delta, ["text", "type"]);
            let said = text.filter(|_| kind == Some("\"text\""));
            match said {
                Some(text) => out.delta_raw(text),
                None => out.hidden(),
            }
        }
        let whole = inner.unwrap_or(message);
        let [reported, model, id, predictions, tier] = pick(
            whole,
            ["usage", "model", "id", "predictions", "service_tier"],
        );
        out.model(model);
        out.request_id(id);
        out.tier(tier);
        // What a stream ends with, its deltas have said.
        if event_type.is_none() {
            outputs(whole, out);
        }
        // What is known so far rides beside any event.
        let so_far = || at(message, &["metadata", "usage"]);
        if let Some(raw) = reported.or_else(so_far).filter(|raw| raw.starts_with('{')) {
            let report = interaction(raw);
            if report.says_something() {
                out.report().replace(report);
            }
        }
        if let Some(predictions) = predictions {
            predicted(predictions, message, out);
        }
    }
}

/// Text of a whole interaction.
fn outputs(message: &str, out: &mut Out<'_>) {
    let [outputs, steps] = pick(message, ["outputs", "steps"]);
    for list in [outputs, steps].into_iter().flatten() {
        items(list, |item| {
            out.piece();
            let [text, content] = pick(item, ["text", "content"]);
            if let Some(text) = text.and_then(json::filled) {
                out.delta(&text);
            }
            items(content.unwrap_or(""), |part| {
                if let Some(text) = pick(part, ["text"])[0].and_then(json::filled) {
                    out.delta(&text);
                }
            });
        });
    }
}

/// Vertex's `predict`: each embedding has its own count, older language models have one beside their answers.
fn predicted(predictions: &str, message: &str, out: &mut Out<'_>) {
    let mut sum = None;
    let beside = |side| at(message, &["metadata", "tokenMetadata", side, "totalTokens"]);
    let [input, output] =
        ["inputTokenCount", "outputTokenCount"].map(|side| beside(side).and_then(count));
    if input.is_some() || output.is_some() {
        let totals = &mut out.report().totals;
        (totals.input_tokens, totals.output_tokens) = (input, output);
        return;
    }
    items(predictions, |prediction| {
        let tokens = at(prediction, &["embeddings", "statistics", "token_count"]);
        if let Some(tokens) = tokens.and_then(count) {
            sum = Some(sum.unwrap_or(0_u64).saturating_add(tokens));
        }
    });
    if sum.is_some() {
        out.report().totals.input_tokens = sum;
    }
}

/// Reads the parts of a content. Thoughts are made, not said.
fn parts(content: Option<&str>, out: &mut Out<'_>) {
    let Some(list) = content.and_then(|content| pick(content, ["parts"])[0]) else {
        return;
    };
    picks(list, ["text", "thought", "inlineData"], |part| {
        let [text, thought, data] = part;
        match text {
            Some("\"\"") => {}
            Some(text) if !json::truth(thought) => {
                out.delta_raw(text);
            }
            _ if data.is_some() => out.piece(),
            _ => out.hidden(),
        }
    });
}

/// Reads a `usageMetadata`, and the tier that it names.
fn metadata(raw: &str) -> (Report, Option<&str>) {
    let fields = pick(
        raw,
        [
            "promptTokenCount",
            "toolUsePromptTokenCount",
            "candidatesTokenCount",
            "responseTokenCount",
            "thoughtsTokenCount",
            "cachedContentTokenCount",
            "serviceTier",
            "promptTokensDetails",
            "promptTokenDetails",
            "toolUsePromptTokensDetails",
            "candidatesTokensDetails",
            "responseTokensDetails",
            "cacheTokensDetails",
        ],
    );
    let [
        prompt,
        tools,
        candidates,
        responses,
        thoughts,
        cached,
        tier,
        details @ ..,
    ] = fields;
    let [prompt, tools, candidates, responses, thoughts, cached] =
        [prompt, tools, candidates, responses, thoughts, cached].map(|raw| raw.and_then(count));
    let mut report = Report::default();
    let totals = &mut report.totals;
    totals.input_tokens = sum(prompt, tools);
    totals.cached_input_tokens = cached;
    totals.output_tokens = sum(candidates.or(responses), thoughts);
    totals.reasoning_tokens = thoughts;
    let [
        of_prompt,
        of_prompt_too,
        of_tools,
        of_answer,
        of_response,
        of_cache,
    ] = details.map(|raw| raw.map(modalities).unwrap_or_default());
    let of_prompt = [of_prompt, of_prompt_too, of_tools];
    let all = |pick: fn(&Modalities) -> Option<u64>| of_prompt.iter().map(pick).fold(None, sum);
    totals.audio_input_tokens = all(|details| details.audio);
    report.image_in = all(|details| details.image);
    totals.audio_output_tokens = sum(of_answer.audio, of_response.audio);
    report.image_out = sum(of_answer.image, of_response.image);
    report.cached_audio = of_cache.audio;
    report.cached_image = of_cache.image;
    if cached.is_none() {
        (report.cached_audio, report.cached_image) = (None, None);
    }
    (report, tier)
}

/// Adds where at least one side is known.
fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (known, other) => known.or(other),
    }
}

/// Tokens by modality.
#[derive(Clone, Copy, Debug, Default)]
struct Modalities {
    audio: Option<u64>,
    /// Images, and frames of a video.
    image: Option<u64>,
}

/// Reads details by modality; Vertex may number the modalities. One that is there without a count has zero.
fn modalities(list: &str) -> Modalities {
    let mut found = Modalities::default();
    picks(list, ["modality", "tokenCount", "tokens"], |item| {
        let [modality, tokens, tokens_too] = item;
        let tokens = Some(tokens.or(tokens_too).and_then(count).unwrap_or(0));
        match modality {
            Some("\"AUDIO\"" | "\"audio\"" | "4") => found.audio = sum(found.audio, tokens),
            Some("\"IMAGE\"" | "\"image\"" | "2" | "\"VIDEO\"" | "\"video\"" | "3") => {
                found.image = sum(found.image, tokens);
            }
            _ => {}
        }
    });
    found
}

/// Reads the usage of an interaction.
fn interaction(raw: &str) -> Report {
    let [input, tools, cached, output, thoughts] = pick(
        raw,
        [
            "total_input_tokens",
            "total_tool_use_tokens",
            "total_cached_tokens",
            "total_output_tokens",
            "total_thought_tokens",
        ],
    )
    .map(|raw| raw.and_then(count));
    let [of_input, of_output, of_cache] = pick(
        raw,
        [
            "input_tokens_by_modality",
            "output_tokens_by_modality",
            "cached_tokens_by_modality",
        ],
    )
    .map(|raw| raw.map(modalities).unwrap_or_default());
    let mut report = Report::default();
    let totals = &mut report.totals;
    totals.input_tokens = sum(input, tools);
    totals.cached_input_tokens = cached;
    totals.output_tokens = sum(output, thoughts);
    totals.reasoning_tokens = thoughts;
    totals.audio_input_tokens = of_input.audio;
    totals.audio_output_tokens = of_output.audio;
    report.image_in = of_input.image;
    report.image_out = of_output.image;
    report.cached_audio = of_cache.audio;
    report.cached_image = of_cache.image;
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::{Decode, Facts, Frame, Meter, Noted};

    fn read(body: &str) -> (Decoder, Noted) {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        decoder.received(Frame::Body(body.as_bytes()), &mut noted);
        decoder.ended(&mut noted);
        (decoder, noted)
    }

    #[test]
    fn the_last_report_wins_as_a_whole() {
        let (decoder, noted) = read(
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"thinking\",\"thought\":true}]}}],\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":21,\"thoughtsTokenCount\":5},\"modelVersion\":\"gemini-x\"}\r\n\r\ndata: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"}]}}],\"usageMetadata\":{\"promptTokenCount\":87,\"thoughtsTokenCount\":78}}\r\n\r\n",
        );

        assert_eq!(decoder.inclusive().input_tokens, Some(87));
        assert_eq!(decoder.inclusive().output_tokens, Some(78));
        assert_eq!(noted.spoken(), Some("Hi"));
    }

    #[test]
    fn an_array_is_a_stream_too() {
        let (decoder, noted) = read(
            r#"[{"candidates":[{"content":{"parts":[{"text":"A"}]}}]},
{"candidates":[{"content":{"parts":[{"text":"B"}]}}],"usageMetadata":{"promptTokenCount":2,"candidatesTokenCount":2}}]"#,
        );

        assert_eq!(noted.spoken(), Some("AB"));
        assert_eq!(decoder.inclusive().output_tokens, Some(2));
    }

    #[test]
    fn turns_of_a_live_session_add_up() {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        for (prompt, answer) in [(10, 3), (20, 4)] {
            let frame = format!(
                r#"{{"serverContent":{{"turnComplete":true}},"usageMetadata":{{"promptTokenCount":{prompt},"responseTokenCount":{answer},"thoughtsTokenCount":1,"responseTokensDetails":[{{"modality":"AUDIO","tokenCount":{answer}}}]}}}}"#
            );
            decoder.received(Frame::Text(&frame), &mut noted);
        }

        assert_eq!(decoder.inclusive().input_tokens, Some(30));
        assert_eq!(decoder.inclusive().output_tokens, Some(9));
        assert_eq!(
            noted
                .noted_usage()
                .unwrap()
                .at_least(Meter::AudioOutputTokens),
            7
        );
        assert_eq!(noted.moment(), Moment::UtteranceEnd);
    }

    #[test]
    fn a_live_session_may_report_beside_its_content() {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        for frame in [
            r#"{"setupComplete":{}}"#,
            r#"{"toolCall":{"functionCalls":[]},"usageMetadata":{"promptTokenCount":5,"responseTokenCount":1}}"#,
            r#"{"usageMetadata":{"promptTokenCount":10,"responseTokenCount":2}}"#,
            r#"{"serverContent":{"turnComplete":true}}"#,
            r#"{"usageMetadata":{"promptTokenCount":20,"responseTokenCount":3}}"#,
            r#"{"serverContent":{"turnComplete":true}}"#,
        ] {
            decoder.received(Frame::Text(frame), &mut noted);
        }

        assert_eq!(decoder.inclusive().input_tokens, Some(35));
        assert_eq!(decoder.inclusive().output_tokens, Some(6));
    }

    #[test]
    fn modalities_may_be_numbers_and_counts_left_out() {
        let (report, _) = metadata(
            r#"{"promptTokenCount":9,"promptTokensDetails":[{"modality":4,"tokenCount":7}],"candidatesTokensDetails":[{"modality":"AUDIO"}],"trafficType":1}"#,
        );

        assert_eq!(report.totals.audio_input_tokens, Some(7));
        assert_eq!(report.totals.audio_output_tokens, Some(0));
        assert_eq!(report.totals.output_tokens, None);
    }

    #[test]
    fn predictions_count_beside_or_inside() {
        let (embedded, _) = read(
            r#"{"predictions":[{"embeddings":{"statistics":{"token_count":3}}},{"embeddings":{"statistics":{"token_count":4}}}]}"#,
        );
        let (made, _) = read(
            r#"{"predictions":[{"content":"Hi"}],"metadata":{"tokenMetadata":{"inputTokenCount":{"totalTokens":5},"outputTokenCount":{"totalTokens":1}}}}"#,
        );

        assert_eq!(embedded.inclusive().input_tokens, Some(7));
        assert_eq!(made.inclusive().input_tokens, Some(5));
        assert_eq!(made.inclusive().output_tokens, Some(1));
    }

    #[test]
    fn an_interaction_that_is_cut_off_has_what_was_known_so_far() {
        let (decoder, _) = read(
            "data: {\"interaction\":{\"id\":\"v1\",\"model\":\"gemini-x\"},\"event_type\":\"interaction.created\",\"metadata\":{\"usage\":{\"total_input_tokens\":11,\"total_output_tokens\":0,\"total_thought_tokens\":68}}}\n\ndata: {\"index\":1,\"delta\":{\"text\":\"ok\",\"type\":\"text\"},\"event_type\":\"step.delta\",\"metadata\":{\"usage\":{\"total_input_tokens\":11,\"total_output_tokens\":5,\"total_thought_tokens\":126}}}\n\n",
        );

        assert_eq!(decoder.inclusive().input_tokens, Some(11));
        assert_eq!(decoder.inclusive().output_tokens, Some(131));
    }

    #[test]
    fn an_interaction_ends_with_its_usage() {
        let (decoder, noted) = read(
            "event: step.delta\ndata: {\"event_type\":\"step.delta\",\"delta\":{\"type\":\"text\",\"text\":\"ok\"}}\n\nevent: interaction.completed\ndata: {\"event_type\":\"interaction.completed\",\"interaction\":{\"id\":\"v1\",\"model\":\"gemini-x\",\"usage\":{\"raw_prompt_token\":29,\"total_cached_tokens\":0,\"total_input_tokens\":8,\"total_output_tokens\":3,\"total_thought_tokens\":41,\"total_tool_use_tokens\":0}}}\n\n",
        );

        assert_eq!(decoder.inclusive().input_tokens, Some(8));
        assert_eq!(decoder.inclusive().output_tokens, Some(44));
        assert_eq!(decoder.inclusive().model.as_deref(), Some("gemini-x"));
        assert_eq!(noted.spoken(), Some("ok"));
    }
}
