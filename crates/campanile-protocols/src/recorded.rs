//! Usage of a recorded response: the fields of a recording in, its inclusive totals out.

use crate::family::{Family, Reports, by_shape, named};
use crate::{Inclusive, base64, bedrock, deepgram};
use campanile_core::{Frame, Noted};
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

/// What the response reports. An error (a status from 400 on) uses nothing: all is `None`.
#[must_use]
pub fn read(record: &Record) -> Inclusive {
    let mut decoder = decoder(record);
    if record.status >= 400 {
        return Inclusive::default();
    }
    let mut noted = Noted::new();
    if record.transport == "ws" {
        for frame in record.body.lines().filter(|line| !line.trim().is_empty()) {
            noted.clear();
            decoder.received(Frame::Text(frame), &mut noted);
        }
    } else if record.body_encoding == "base64" {
        // Bytes that are not what they should be are no response.
        let bytes = base64::decode(&record.body).unwrap_or_default();
        decoder.received(Frame::Body(&bytes), &mut noted);
    } else {
        decoder.received(Frame::Body(record.body.as_bytes()), &mut noted);
    }
    noted.clear();
    decoder.ended(&mut noted);
    decoder.inclusive().clone()
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
    let path = record.request.get("path").and_then(|path| path.as_str());
    let family = Family::of(provider, &record.endpoint)
        .or_else(|| Family::of(provider, path.unwrap_or_default()));
    match family {
        Some(Family::Bedrock) => {
            let decoder = bedrock::Decoder::new().headers(headers());
            Box::new(named(decoder, provider))
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
