//! Text to speech: POST `/v1/speak`, WebSocket `/v1/speak`, and Flux (`/v2/speak`).
//!
//! Only Flux reports what it bills, each turn and at last for the whole session; before that, and on version 1, the
//! characters of the texts that were sent are counted.

use crate::audio::{Encoding, Pcm};
use crate::decimal::Decimal;
use crate::failure;
use crate::json::{self, count, pick};
use crate::report::{Clock, Report};
use crate::wire::{Out, Read};
use campanile_core::{Count, Evidence, Frame, Meter, Mode, Moment, Name};

/// Decodes one socket, or the headers of a POST's reply, whose body is [`Raw`](crate::audio::Raw) audio.
pub type Decoder = crate::Decoder<Speak>;

/// Unicode scalar values in the body of a POST, which are what is billed; `None` where it holds no text.
#[must_use]
pub fn characters(body: &[u8]) -> Option<u64> {
    let body = String::from_utf8_lossy(body);
    let text = pick(&body, ["text"])[0].and_then(json::text)?;
    Some(text.chars().count() as u64)
}

/// Reads speech; see [`Decoder`].
#[derive(Debug, Default)]
pub struct Speak {
    requested: Option<Name>,
    introduced: bool,
    /// What a POST's headers said.
    characters: Option<u64>,
    model: Option<String>,
    sent: u64,
    spoken: Pcm,
    /// What the turns reported.
    turns: Report,
    closed: bool,
}

impl Decoder {
    /// A decoder that knows the query of the handshake's URL, or of the POST's.
    #[must_use]
    pub fn for_query(query: &str) -> Self {
        let mut speak = Speak::default();
        let (mut encoding, mut rate) = (Encoding::Linear16, 24_000);
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some(("model", model)) => speak.requested = Name::outside(model),
                Some(("encoding", name)) => encoding = Encoding::named(name),
                Some(("sample_rate", value)) => rate = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        speak.spoken = Pcm::new(encoding, rate, 1);
        Self::with(speak)
    }

    /// Takes the headers of a POST's reply: `dg-char-count`, `dg-model-name`. Others are ignored.
    #[must_use]
    pub fn headers<'a>(mut self, headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        for (name, value) in headers {
            match name.to_ascii_lowercase().as_str() {
                "dg-char-count" => self.reader.characters = count(value),
                "dg-model-name" => self.reader.model = Some(value.to_owned()),
                _ => {}
            }
        }
        self
    }
}

impl Read for Speak {
    const PROVIDER: &'static str = "deepgram";

    fn sent(&mut self, frame: Frame<'_>, out: &mut Out<'_>) {
        self.introduce(out);
        let (Frame::Text(message), true) = (frame, self.turns == Report::default()) else {
            return;
        };
        let [kind, text] = pick(message, ["type", "text"]);
        if kind == Some("\"Speak\"")
            && let Some(text) = text.and_then(json::text)
        {
            self.sent = self.sent.saturating_add(text.chars().count() as u64);
            let count = Count::exact(self.sent, Evidence::Measured);
            out.noted().usage(Meter::Characters, count);
            if out.keeps_text() {
                out.noted().text(&text);
            }
        }
    }

    fn binary(&mut self, bytes: &[u8], out: &mut Out<'_>) {
        self.introduce(out);
        self.spoken.add(bytes.len() as u64);
        if !bytes.is_empty() {
            out.piece();
        }
        if let Some(micros) = self.spoken.micros().filter(|_| !self.closed) {
            let count = Count::exact(micros, Evidence::Measured);
            out.noted().usage(Meter::SpeechUs, count);
        }
    }

    fn ended(&mut self, out: &mut Out<'_>) {
        self.introduce(out);
    }

    fn message(&mut self, _event: &str, message: &str, out: &mut Out<'_>) {
        self.introduce(out);
        let [kind, id, model, characters, metadata, error] = pick(
            message,
            [
                "type",
                "request_id",
                "model_name",
                "characters",
                "metadata",
                "err_code",
            ],
        );
        out.request_id(id);
        out.model(model);
        match kind.and_then(json::text).as_deref() {
            Some("SpeechMetadata") => self.turn(message, out),
            Some("SpeechInterrupted") => self.turn(metadata.unwrap_or(message), out),
            Some("SessionMetadata") => self.session(message, out),
            Some("Flushed") => out.noted().moment(Moment::UtteranceEnd),
            Some("Error") => out.failure(failure::read(message)),
            None if error.is_some() => out.failure(failure::read(message)),
            None => {
                if let Some(characters) = characters.and_then(count) {
                    out.report().totals.characters = Some(characters);
                }
            }
            _ => {}
        }
    }
}

impl Speak {
    fn introduce(&mut self, out: &mut Out<'_>) {
        if !std::mem::replace(&mut self.introduced, true) {
            let served = out.noted().served();
            served.requested.clone_from(&self.requested);
            served.terms.mode = Some(Mode::Streaming);
            if let Some(model) = self.model.take() {
                out.model_named(&model);
            }
            if self.characters.is_some() {
                out.report().totals.characters = self.characters;
            }
        }
    }

    fn turn(&mut self, metadata: &str, out: &mut Out<'_>) {
        out.noted().moment(Moment::UtteranceEnd);
        if self.closed {
            return;
        }
        let [characters, duration] =
            pick(metadata, ["billable_character_count", "audio_duration_ms"]);
        self.turns.add(&spoken(characters, duration));
        out.report().replace(self.turns.clone());
    }

    /// The session's summary replaces the sum of its turns.
    fn session(&mut self, message: &str, out: &mut Out<'_>) {
        let [characters, duration] = pick(
            message,
            ["total_billable_character_count", "total_audio_duration_ms"],
        );
        self.closed = true;
        self.turns = spoken(characters, duration);
        out.report().replace(self.turns.clone());
    }
}

fn spoken(characters: Option<&str>, millis: Option<&str>) -> Report {
    let mut report = Report {
        clock: Clock::Spoken,
        ..Report::default()
    };
    report.totals.characters = characters.and_then(count);
    report.totals.audio_seconds = millis.and_then(count).map(|millis| Decimal::new(millis, 3));
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::{Decode, Noted};

    #[test]
    fn version_one_is_counted_as_it_is_sent() {
        let mut decoder = Decoder::for_query("model=aura-x&encoding=linear16&sample_rate=24000");
        let mut noted = Noted::new();

        decoder.sent(
            Frame::Text(r#"{"type":"Speak","text":"caf\u00e9"}"#),
            &mut noted,
        );
        decoder.sent(Frame::Text(r#"{"type":"Flush"}"#), &mut noted);
        decoder.received(Frame::Binary(&[0; 4800]), &mut noted);

        let usage = noted.noted_usage().unwrap();
        assert_eq!(usage.at_least(Meter::Characters), 4);
        assert_eq!(usage.at_least(Meter::SpeechUs), 100_000);
    }

    #[test]
    fn the_sessions_summary_replaces_its_turns() {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        decoder.sent(
            Frame::Text(r#"{"type":"Speak","text":"Hello"}"#),
            &mut noted,
        );
        for frame in [
            r#"{"type":"Connected","request_id":"r","model_name":"alexis"}"#,
            r#"{"type":"SpeechMetadata","speech_id":"s1","audio_duration_ms":100,"input_character_count":5,"billable_character_count":5}"#,
            r#"{"type":"SpeechInterrupted","speech_id":"s2","metadata":{"audio_duration_ms":50,"input_character_count":9,"billable_character_count":3}}"#,
        ] {
            decoder.received(Frame::Text(frame), &mut noted);
        }
        assert_eq!(decoder.inclusive().characters, Some(8));
        assert_eq!(
            noted.noted_usage().unwrap().at_least(Meter::SpeechUs),
            150_000
        );

        let closing = r#"{"type":"SessionMetadata","total_audio_duration_ms":160,"total_input_character_count":14,"total_billable_character_count":0}"#;
        decoder.received(Frame::Text(closing), &mut noted);

        assert_eq!(decoder.inclusive().characters, Some(0));
        assert_eq!(
            noted.noted_usage().unwrap().get(Meter::Characters),
            Some(Count::exact(0, Evidence::Reported))
        );
    }

    #[test]
    fn a_posts_characters_are_in_its_body() {
        assert_eq!(characters(br#"{"text":"caf\u00e9"}"#), Some(4));
        assert_eq!(characters(b"{}"), None);
    }

    #[test]
    fn a_posts_characters_are_in_its_headers() {
        let headers = [("dg-char-count", "13"), ("dg-model-name", "aura-x-en")];
        let mut decoder = Decoder::for_query("model=aura-x").headers(headers);
        let mut noted = Noted::new();

        decoder.ended(&mut noted);

        assert_eq!(decoder.inclusive().characters, Some(13));
        assert_eq!(noted.noted_usage().unwrap().at_least(Meter::Characters), 13);
        assert_eq!(
            noted.noted_served().unwrap().model.as_deref(),
            Some("aura-x-en")
        );
    }
}
