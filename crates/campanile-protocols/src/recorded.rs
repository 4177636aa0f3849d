//! Usage of a recorded response: the fields of a recording in, its inclusive totals out.

use crate::family::{Family, Reports, by_shape, named};
use crate::{Inclusive, base64, bedrock, deepgram};
use campanile_core::{
    Count, Evidence, Facts, Failure, FailureKind, Frame, Meter, Name, Noted, Served, Tally, Usage,
};
use serde::Deserialize;
use std::collections::BTreeMap;

/// One recorded response. Fields that it has beside these are ignored.
///
/// ```
/// use campanile_protocols::recorded::{Record, read};
///
/// let record: Record = serde_json::from_str(
///     r#"{"provider":"openai","endpoint":"openai.embeddings","transport":"json","status":200,
///         "body":"{\"model\":\"m\",\"usage\":{\"prompt_tokens\":2,\"total_tokens\":2}}"}"#,
/// ).unwrap();
/// assert_eq!(read(&record).input_tokens, Some(2));
/// ```
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Record {
    /// The provider's name.
    #[serde(deserialize_with = "or_default")]
    pub provider: String,
    /// The endpoint's name or path.
    #[serde(deserialize_with = "or_default")]
    pub endpoint: String,
    /// How the body came: `ws` is one text frame a line; all others are told apart by their bytes.
    #[serde(deserialize_with = "or_default")]
    pub transport: String,
    /// The HTTP status; zero where nobody recorded it.
    #[serde(deserialize_with = "or_default")]
    pub status: u16,
    /// Fields of the request; `path` stands in for an endpoint that nobody knows.
    #[serde(deserialize_with = "or_default")]
    pub request: BTreeMap<String, serde_json::Value>,
    /// Headers of the response.
    #[serde(deserialize_with = "or_default")]
    pub headers: BTreeMap<String, serde_json::Value>,
    /// `base64` where the body is bytes.
    #[serde(deserialize_with = "or_default")]
    pub body_encoding: String,
    /// The response.
    #[serde(deserialize_with = "or_default")]
    pub body: String,
}

/// Reads null as the default.
fn or_default<'de, D, T>(value: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(value).map(Option::unwrap_or_default)
}

/// Shows what was called, and no content.
impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("endpoint", &self.endpoint)
            .field("transport", &self.transport)
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Everything that a recording says.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Reading {
    /// The inclusive totals, as the provider shows them.
    pub totals: Inclusive,
    /// What is billed, by meter.
    pub usage: Usage,
    /// Who served it, and under which terms.
    pub served: Served,
    /// Why it failed, where it did.
    pub failure: Option<Failure>,
}

/// What the response reports. An error (a status from 400 on) uses nothing: all is `None`.
#[must_use]
pub fn read(record: &Record) -> Inclusive {
    decode(record).totals
}

/// Everything that the response says. Characters that were sent to be spoken are taken from the request
/// (`input_characters`) where the response does not report them.
#[must_use]
pub fn decode(record: &Record) -> Reading {
    let mut decoder = decoder(record);
    let mut reading = Reading::default();
    let mut noted = Noted::new();
    let tally = Tally::default();
    let mut feed = |frame: Option<Frame<'_>>| {
        match frame {
            Some(frame) => decoder.received(frame, &mut noted),
            None => decoder.ended(&mut noted),
        }
        reading.hear(&noted);
        noted.usage(&tally);
        noted.clear();
    };
    if record.transport == "ws" {
        for frame in record.body.lines().filter(|line| !line.trim().is_empty()) {
            feed(Some(Frame::Text(frame)));
        }
    } else if record.body_encoding == "base64" {
        // Bytes that are not what they should be are no response.
        let bytes = base64::decode(&record.body).unwrap_or_default();
        feed(Some(Frame::Body(&bytes)));
    } else {
        feed(Some(Frame::Body(record.body.as_bytes())));
    }
    feed(None);
    limit(record, &tally);
    reading.usage = tally.snapshot();
    reading.totals = decoder.inclusive().clone();
    reading.finish(record);
    reading
}

impl Reading {
    fn hear(&mut self, noted: &Noted) {
        if let Some(served) = noted.noted_served() {
            self.served.update(served);
        }
        if self.failure.is_none() {
            self.failure = noted.failure();
        }
    }

    /// What the request and the status say.
    fn finish(&mut self, record: &Record) {
        let text = |field| record.request.get(field).and_then(|value| value.as_str());
        self.served.requested = text("model").and_then(Name::outside);
        if record.status >= 400 {
            self.totals = Inclusive::default();
            self.usage = Usage::new();
            // The body says more than the status, unless it says it in words alone.
            let status = Failure::from_status(record.status);
            self.failure = match (self.failure.take(), status) {
                (Some(body), Some(status)) if body.kind == FailureKind::Unknown => {
                    let code = body.code.clone().or(status.code);
                    Some(body.kind(status.kind).code(code))
                }
                (body, status) => body.or(status),
            };
            return;
        }
        let billed = record
            .headers
            .iter()
            .find(|(name, _)| BILLS.iter().any(|bill| name.eq_ignore_ascii_case(bill)));
        if let Some(billed) = billed.and_then(|(_, cost)| cost.as_str()?.parse().ok()) {
            self.totals.characters.get_or_insert(billed);
            let count = Count::exact(billed, Evidence::Reported);
            self.usage.set(Meter::Characters, count);
        }
        let sent = record.request.get("input_characters");
        if let Some(sent) = sent.and_then(serde_json::Value::as_u64)
            && self.usage.get(Meter::Characters).is_none()
        {
            let count = Count::exact(sent, Evidence::Measured);
            self.usage.set(Meter::Characters, count);
        }
    }
}

/// What the request allowed is the most that was made, where something was seen and nothing reported.
fn limit(record: &Record, tally: &Tally) {
    let seen = tally.snapshot().get(Meter::OutputTokens);
    let body = serde_json::to_vec(&record.request).unwrap_or_default();
    let most = family(record)
        .unwrap_or(Family::Chat)
        .request(&body)
        .most_output;
    if let (Some(_), Some(most)) = (seen, most) {
        let within = Count {
            at_least: 0,
            at_most: Some(most),
            evidence: Evidence::Estimated,
        };
        tally.set(Meter::OutputTokens, within);
    }
}

/// The headers of spoken audio that say for how many characters it is billed: ElevenLabs, Amazon Polly.
const BILLS: [&str; 2] = ["character-cost", "x-amzn-requestcharacters"];

/// The family of a record: what its endpoint is named, or else the path that was asked for.
fn family(record: &Record) -> Option<Family> {
    let path = record.request.get("path").and_then(|path| path.as_str());
    Family::of(&record.provider, &record.endpoint)
        .or_else(|| Family::of(&record.provider, path.unwrap_or_default()))
}

/// The decoder for a record, with the headers that count.
fn decoder(record: &Record) -> Box<dyn Reports> {
    let headers = || {
        record
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap_or("")))
    };
    let provider = record.provider.as_str();
    match family(record) {
        Some(Family::Bedrock) => {
            let decoder = bedrock::Decoder::new().headers(headers());
            Box::new(named(decoder, provider))
        }
        // One path serves recordings and sockets.
        Some(Family::DeepgramRecording) if record.transport == "ws" => {
            Family::DeepgramLive.decoder(provider)
        }
        Some(Family::DeepgramSpeak) => {
            let decoder = deepgram::speak::Decoder::new().headers(headers());
            Box::new(named(decoder, provider))
        }
        Some(family) => family.decoder(provider),
        None => by_shape(provider),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(json: &str) -> Record {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_error_uses_nothing() {
        let failed = record(
            r#"{"provider":"openai","endpoint":"openai.chat.completions","status":400,"body":"{\"model\":\"m\",\"usage\":{\"prompt_tokens\":2}}"}"#,
        );

        assert_eq!(read(&failed), Inclusive::default());
    }

    #[test]
    fn a_reading_can_be_priced() {
        let spoken = record(
            r#"{"provider":"openai","endpoint":"openai.audio.speech","transport":"binary","status":200,"request":{"model":"tts-1","input_characters":5},"body_encoding":"base64","body":"SUQz"}"#,
        );

        let reading = decode(&spoken);

        assert_eq!(reading.totals, Inclusive::default());
        assert_eq!(reading.usage.at_least(Meter::Characters), 5);
        assert_eq!(reading.served.requested.as_deref(), Some("tts-1"));
        assert_eq!(reading.served.provider.as_deref(), Some("openai"));
        let failed = record(
            r#"{"endpoint":"x.chat.completions","status":429,"body":"{\"detail\":\"slow down\"}"}"#,
        );
        let failure = decode(&failed).failure.unwrap();
        assert_eq!((failure.retryable, failure.chain.len()), (true, 1));
    }

    #[test]
    fn a_stream_that_was_cut_off_has_used_what_was_seen() {
        let cut = record(
            r#"{"provider":"openai","endpoint":"openai.chat.completions","transport":"sse","status":200,"request":{"max_tokens":3},"body":"data: {\"model\":\"gpt-4o\",\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\ndata: {\"model\":\"gpt-4o\",\"choices\":[{\"delta\":{\"content\":\" there\"}}]}\n\ndata: {\"mod"}"#,
        );

        let output = decode(&cut).usage.get(Meter::OutputTokens).unwrap();

        assert_eq!(read(&cut).output_tokens, None);
        assert_eq!((output.at_least, output.at_most), (2, Some(3)));
    }

    #[test]
    fn a_limit_holds_for_each_choice_that_was_asked_for() {
        let cut = record(
            r#"{"provider":"openai","endpoint":"openai.chat.completions","transport":"sse","status":200,"request":{"max_tokens":3,"n":2},"body":"data: {\"model\":\"o3\",\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n"}"#,
        );

        let output = decode(&cut).usage.get(Meter::OutputTokens).unwrap();

        assert_eq!((output.at_least, output.at_most), (1, Some(6)));
    }

    #[test]
    fn a_header_may_be_the_bill() {
        let spoken = record(
            r#"{"provider":"elevenlabs","endpoint":"elevenlabs.text_to_speech","transport":"binary","status":200,"request":{"input_characters":9},"headers":{"character-cost":"7"},"body":""}"#,
        );

        assert_eq!(read(&spoken).characters, Some(7));
        assert_eq!(decode(&spoken).usage.at_least(Meter::Characters), 7);
    }

    #[test]
    fn a_socket_is_one_frame_a_line() {
        let session = record(
            r#"{"provider":"google","endpoint":"google.live","transport":"ws","status":101,"body":"{\"setupComplete\":{}}\n\n{\"serverContent\":{\"turnComplete\":true},\"usageMetadata\":{\"promptTokenCount\":3}}\n"}"#,
        );

        assert_eq!(read(&session).input_tokens, Some(3));
    }

    #[test]
    fn null_is_a_default_and_a_path_an_endpoint() {
        let bare = record(
            r#"{"provider":"x","endpoint":"x.nobody_knows","headers":null,"status":null,"request":{"path":"/v1/embeddings"},"body":"{\"usage\":{\"prompt_tokens\":2}}"}"#,
        );

        assert_eq!(read(&bare).input_tokens, Some(2));
        assert!(!format!("{bare:?}").contains("prompt_tokens"));
    }

    #[test]
    fn the_output_has_all_fields() {
        let json = serde_json::to_string(&Inclusive::default()).unwrap();

        assert_eq!(
            json,
            r#"{"model":null,"input_tokens":null,"cached_input_tokens":null,"cache_write_tokens":null,"output_tokens":null,"reasoning_tokens":null,"audio_input_tokens":null,"audio_output_tokens":null,"audio_seconds":null,"characters":null}"#
        );
    }
}
