//! Messages of nobody we know: read by the keys that they have.

use crate::family::{Reports, boxed};
use crate::json;
use crate::wire::{Out, Read};
use crate::{anthropic, bedrock, cohere, deepgram, gemini, local, openai, speech};

/// A decoder that chooses its family when it sees the first message that tells.
#[must_use]
pub fn by_shape(provider: &str) -> Box<dyn Reports> {
    boxed::<Any>(provider)
}

/// Reads whatever comes, by its shape.
#[derive(Debug, Default)]
pub(crate) struct Any {
    shape: Option<Shape>,
    chat: openai::chat::Chat,
    responses: openai::responses::Responses,
    realtime: openai::realtime::Realtime,
    results: openai::audio::Results,
    anthropic: anthropic::Messages,
    gemini: gemini::Gemini,
    bedrock: bedrock::Bedrock,
    cohere: cohere::Cohere,
    local: local::Local,
    recording: deepgram::prerecorded::Prerecorded,
    live: deepgram::live::Live,
    flux: deepgram::flux::Flux,
    speak: deepgram::speak::Speak,
    transcripts: speech::Transcripts,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    Chat,
    Responses,
    Realtime,
    Results,
    Anthropic,
    Gemini,
    Bedrock,
    Cohere,
    Local,
    Recording,
    Live,
    Flux,
    Speak,
    Transcripts,
}

impl Read for Any {
    fn message(&mut self, event: &str, message: &str, out: &mut Out<'_>) {
        self.shape = self.shape.or_else(|| shape(event, message));
        match self.shape.unwrap_or(Shape::Local) {
            Shape::Chat => self.chat.message(event, message, out),
            Shape::Responses => self.responses.message(event, message, out),
            Shape::Realtime => self.realtime.message(event, message, out),
            Shape::Results => self.results.message(event, message, out),
            Shape::Anthropic => self.anthropic.message(event, message, out),
            Shape::Gemini => self.gemini.message(event, message, out),
            Shape::Bedrock => self.bedrock.message(event, message, out),
            Shape::Cohere => self.cohere.message(event, message, out),
            Shape::Local => self.local.message(event, message, out),
            Shape::Recording => self.recording.message(event, message, out),
            Shape::Live => self.live.message(event, message, out),
            Shape::Flux => self.flux.message(event, message, out),
            Shape::Speak => self.speak.message(event, message, out),
            Shape::Transcripts => self.transcripts.message(event, message, out),
        }
    }

    fn ended(&mut self, out: &mut Out<'_>) {
        self.bedrock.ended(out);
    }
}

/// The family whose keys a message has; `None` where it could be anybody's.
fn shape(event: &str, message: &str) -> Option<Shape> {
    let [kind, event_type, object] = json::pick(message, ["type", "event_type", "object"]);
    let kind = kind.or(event_type).and_then(json::text);
    let kind = kind.as_deref().unwrap_or(event);
    let by_kind = match kind {
        "message_start" | "message" | "content_block_start" | "content_block_delta" => {
            Some(Shape::Anthropic)
        }
        "message-start" | "message-end" => Some(Shape::Cohere),
        "stream-start" | "text-generation" | "stream-end" if event_type.is_some() => {
            Some(Shape::Cohere)
        }
        "finish" => Some(Shape::Local),
        "messageStart" | "contentBlockDelta" | "chunk" => Some(Shape::Bedrock),
        "Results" => Some(Shape::Live),
        "TurnInfo" => Some(Shape::Flux),
        "SpeechStarted" if json::pick(message, ["speech_id"])[0].is_some() => Some(Shape::Speak),
        kind if kind.starts_with("session.") || kind.starts_with("transcription_session.") => {
            Some(Shape::Realtime)
        }
        kind if kind.starts_with("response.") => Some(Shape::Responses),
        kind if kind.starts_with("interaction") => Some(Shape::Gemini),
        kind if kind.starts_with("transcript.") => Some(Shape::Results),
        _ if matches!(object, Some("\"response\"" | "\"thread.run\"")) => Some(Shape::Responses),
        _ => None,
    };
    by_kind.or_else(|| by_keys(message))
}

fn by_keys(message: &str) -> Option<Shape> {
    const KEYS: [(&str, Shape); 29] = [
        ("choices", Shape::Chat),
        ("x_groq", Shape::Chat),
        ("usageMetadata", Shape::Gemini),
        ("candidates", Shape::Gemini),
        ("serverContent", Shape::Gemini),
        ("setupComplete", Shape::Gemini),
        ("prompt_eval_count", Shape::Local),
        ("generated_text", Shape::Local),
        ("inputTextTokenCount", Shape::Bedrock),
        ("generation_token_count", Shape::Bedrock),
        ("amazon-bedrock-invocationMetrics", Shape::Bedrock),
        ("stop_reason", Shape::Anthropic),
        ("monologues", Shape::Transcripts),
        ("audio_duration", Shape::Transcripts),
        ("audio_duration_secs", Shape::Transcripts),
        ("audio_duration_seconds", Shape::Transcripts),
        ("audio_duration_ms", Shape::Transcripts),
        ("duration_seconds", Shape::Transcripts),
        ("total_audio_proc_ms", Shape::Transcripts),
        ("totalBilledTime", Shape::Transcripts),
        ("combinedPhrases", Shape::Transcripts),
        ("RecognitionStatus", Shape::Transcripts),
        ("extra_info", Shape::Transcripts),
        ("audioContent", Shape::Transcripts),
        ("segments", Shape::Results),
        ("words", Shape::Results),
        ("duration", Shape::Results),
        ("embeddings", Shape::Cohere),
        ("finishReason", Shape::Local),
    ];
    let found = json::pick(message, KEYS.map(|(key, _)| key));
    let by_key = found
        .iter()
        .zip(KEYS)
        .find(|(raw, _)| raw.is_some())
        .map(|(_, (_, shape))| shape);
    let has = |path: &[&str]| json::at(message, path).is_some();
    match by_key {
        Some(Shape::Cohere) if !has(&["meta"]) => None,
        // Films have durations too.
        Some(Shape::Results) if !has(&["text"]) && !has(&["transcript"]) => None,
        Some(shape) => Some(shape),
        None if has(&["usage", "inputTokens"]) => Some(Shape::Bedrock),
        None if has(&["meta", "billed_units"]) || has(&["usage", "billed_units"]) => {
            Some(Shape::Cohere)
        }
        None if has(&["metadata", "duration"]) => Some(Shape::Recording),
        None if has(&["usage", "total_input_tokens"]) => Some(Shape::Gemini),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::{Frame, Noted};

    #[test]
    fn a_newcomer_is_read_by_its_shape() {
        for (body, input) in [
            (
                r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":1}}"#,
                5,
            ),
            (
                r#"{"type":"message","content":[],"usage":{"input_tokens":5,"output_tokens":1}}"#,
                5,
            ),
            (r#"{"usageMetadata":{"promptTokenCount":5}}"#, 5),
            (r#"{"usage":{"inputTokens":5,"outputTokens":1}}"#, 5),
            (
                r#"{"object":"response","usage":{"input_tokens":5,"output_tokens":1}}"#,
                5,
            ),
            (
                r#"{"result":{"response":"Hi","usage":{"prompt_tokens":5}},"success":true}"#,
                5,
            ),
            (r#"{"model":"m","done":true,"prompt_eval_count":5}"#, 5),
            (
                r#"{"text":"Hi","meta":{"billed_units":{"input_tokens":5}}}"#,
                5,
            ),
        ] {
            let (mut decoder, mut noted) = (by_shape("newcomer"), Noted::new());
            decoder.received(Frame::Body(body.as_bytes()), &mut noted);
            decoder.ended(&mut noted);
            assert_eq!(decoder.inclusive().input_tokens, Some(input), "{body}");
            let served = noted.noted_served().unwrap();
            assert_eq!(served.provider.as_deref(), Some("newcomer"));
        }
    }
}
