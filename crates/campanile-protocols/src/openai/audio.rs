//! Transcription and speech over HTTP, images, and what else reports beside its result.

use crate::Decimal;
use crate::audio::{Encoding, Raw};
use crate::failure;
use crate::json::{self, pick};
use crate::openai::usage;
use crate::report::{Clock, Report};
use crate::wire::{Out, Read, name};
use campanile_core::{
    Count, Decode, Evidence, Facts, Frame, Meter, Mode, Name, Noted, Served, Tally,
};

/// Decodes one reply of `audio/transcriptions`, `audio/speech`, or `images/generations`.
pub type Decoder = crate::Decoder<Results>;

/// Reads results; see [`Decoder`].
#[derive(Debug, Default)]
pub struct Results {
    images: bool,
}

impl Decoder {
    /// A decoder for images: tokens of the answer are tokens of an image.
    #[must_use]
    pub fn images() -> Self {
        Self::with(Results { images: true })
    }
}

impl Read for Results {
    const PROVIDER: &'static str = "openai";

    fn message(&mut self, event: &str, message: &str, out: &mut Out<'_>) {
        let [
            kind,
            delta,
            text,
            reported,
            duration,
            error,
            model,
            language,
        ] = pick(
            message,
            [
                "type", "delta", "text", "usage", "duration", "error", "model", "language",
            ],
        );
        let kind = kind.and_then(json::text);
        let kind = kind.as_deref().unwrap_or(event);
        out.model(model);
        if let Some(language) = name(language) {
            out.noted().served().language = Some(language);
        }
        if error.is_some() || kind == "error" {
            out.failure(failure::read(message));
        }
        match kind {
            "transcript.text.delta" => {
                out.delta_raw(delta.unwrap_or("\"\""));
            }
            // The whole text was said in deltas.
            "transcript.text.done" => out.piece(),
            "speech.audio.delta" => out.piece(),
            _ => {
                // Not a delta: who bills by the second has made no tokens.
                if let Some(text) = text.and_then(json::filled) {
                    out.said(&text);
                }
            }
        }
        let mut report = reported
            .map(|raw| usage(raw, out.provider()))
            .unwrap_or_default();
        if self.images && report.image_out.is_none() {
            report.image_out = report.totals.output_tokens;
        }
        if report.totals.audio_seconds.is_none() {
            // Azure's own transcription is served beside OpenAI's.
            let millis = || pick(message, ["durationMilliseconds"])[0].and_then(json::count);
            report.totals.audio_seconds = duration
                .and_then(json::decimal)
                .or_else(|| millis().map(|millis| Decimal::new(millis, 3)));
            if report.totals.input_tokens.is_some() {
                // Who bills by the token bills no seconds.
                report.clock = Clock::Aside;
            }
        }
        if report.says_something() {
            self.seconds(&report, out);
            out.report().replace(report);
        }
    }
}

impl Results {
    fn seconds(&self, report: &Report, out: &mut Out<'_>) {
        if report.totals.audio_seconds.is_some() && report.clock == Clock::Heard {
            out.noted().served().terms.mode = Some(Mode::Prerecorded);
        }
    }
}

/// What the body of an `audio/speech` request says: its characters are what is billed where no tokens are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestFacts {
    /// The model that is asked for.
    pub model: Option<Name>,
    /// Unicode scalar values to be spoken.
    pub characters: Option<u64>,
    /// The reply is events, not audio.
    pub events: bool,
    /// The reply is samples without a container.
    pub samples: bool,
}

impl RequestFacts {
    /// Reads a request's body.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        let [model, input, format, stream] = pick(
            &body,
            ["model", "input", "response_format", "stream_format"],
        );
        Self {
            model: name(model),
            characters: input
                .and_then(json::text)
                .map(|text| text.chars().count() as u64),
            events: stream == Some("\"sse\""),
            samples: format == Some("\"pcm\""),
        }
    }
}

/// Decodes one reply of `audio/speech`: audio, events, or an error.
#[derive(Debug)]
pub struct Speech {
    messages: Decoder,
    audio: Raw,
    /// Whether the reply is messages; unknown before its first byte.
    speaks: Option<bool>,
}

impl Speech {
    /// A decoder for the reply to `request`.
    #[must_use]
    pub fn for_request(request: &RequestFacts) -> Self {
        let encoding = match request.samples {
            true => Encoding::Linear16,
            false => Encoding::Other,
        };
        Self {
            messages: Decoder::new(),
            audio: Raw::new(encoding, 24_000),
            speaks: request.events.then_some(true),
        }
    }

    /// The provider that bills. Default: `openai`.
    #[must_use]
    pub fn provider(mut self, provider: Name) -> Self {
        self.messages = self.messages.provider(provider);
        self
    }
}

impl Decode for Speech {
    fn received(&mut self, frame: Frame<'_>, noted: &mut Noted) {
        let (Frame::Body(bytes) | Frame::Binary(bytes)) = frame else {
            return;
        };
        let Some(&first) = bytes.first() else { return };
        // No container begins with a brace; a sample that does costs its reply the count of its seconds.
        if *self.speaks.get_or_insert(first == b'{') {
            self.messages.received(frame, noted);
        } else {
            self.messages.introduce(noted);
            self.audio.received(frame, noted);
        }
    }

    fn ended(&mut self, noted: &mut Noted) {
        self.messages.ended(noted);
    }
}

impl Facts for RequestFacts {
    fn usage(&self, tally: &Tally) {
        if let Some(characters) = self.characters {
            tally.set(
                Meter::Characters,
                Count::exact(characters, Evidence::Measured),
            );
        }
    }

    fn served(&self, served: &mut Served) {
        if self.model.is_some() {
            served.requested.clone_from(&self.model);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::Moment;

    fn read(body: &str) -> (Decoder, Noted) {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        decoder.received(Frame::Body(body.as_bytes()), &mut noted);
        decoder.ended(&mut noted);
        (decoder, noted)
    }

    #[test]
    fn rounded_seconds_are_what_is_billed() {
        let (_, noted) =
            read(r#"{"duration":36.71,"text":"Hi.","usage":{"type":"duration","seconds":37}}"#);

        let usage = noted.noted_usage().unwrap();
        assert_eq!(usage.at_least(Meter::ServerAudioUs), 37_000_000);
        assert_eq!(noted.spoken(), Some("Hi."));
    }

    #[test]
    fn a_transcript_by_the_second_has_no_tokens() {
        let (_, noted) = read(r#"{"text":"Hi.","duration":5.5}"#);

        assert_eq!(noted.noted_seen(), 0);
    }

    #[test]
    fn tokens_of_a_transcript_have_singular_details() {
        let (decoder, noted) = read(
            r#"{"text":"Hi.","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":4,"audio_tokens":10},"output_tokens":3,"total_tokens":17}}"#,
        );

        assert_eq!(decoder.inclusive().audio_input_tokens, Some(10));
        assert_eq!(noted.noted_usage().unwrap().at_least(Meter::InputTokens), 4);
    }

    #[test]
    fn a_duration_without_usage_is_reported() {
        let (decoder, _) = read(r#"{"text":"Hi.","duration":5.5}"#);

        assert_eq!(
            decoder.inclusive().audio_seconds.unwrap().to_string(),
            "5.5"
        );
    }

    #[test]
    fn a_duration_may_be_in_milliseconds() {
        let (decoder, _) = read(r#"{"durationMilliseconds":36710,"phrases":[]}"#);

        let seconds = decoder.inclusive().audio_seconds.unwrap();
        assert_eq!(seconds.to_string(), "36.71");
    }

    #[test]
    fn speech_is_audio_unless_it_is_an_error() {
        let request = RequestFacts::read(br#"{"input":"Hi","response_format":"pcm"}"#);
        let (mut audio, mut noted) = (Speech::for_request(&request), Noted::new());
        audio.received(Frame::Body(&[0; 4800]), &mut noted);
        assert_eq!(
            noted.noted_usage().unwrap().at_least(Meter::SpeechUs),
            100_000
        );
        assert_eq!(noted.moment(), Moment::Piece);

        let (mut error, mut noted) = (Speech::for_request(&request), Noted::new());
        error.received(
            Frame::Body(br#"{"error":{"code":"invalid_api_key"#),
            &mut noted,
        );
        error.received(Frame::Body(br#"","message":"m"}}"#), &mut noted);
        assert!(Facts::failure(&noted).is_some());

        let request = RequestFacts::read(br#"{"input":"Hi","stream_format":"sse"}"#);
        let (mut events, mut noted) = (Speech::for_request(&request), Noted::new());
        let done = b"data: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":3,\"output_tokens\":9}}\n\n";
        events.received(Frame::Body(done), &mut noted);
        assert_eq!(noted.noted_usage().unwrap().at_least(Meter::InputTokens), 3);
    }

    #[test]
    fn speech_is_billed_by_its_request() {
        let facts = RequestFacts::read(br#"{"model":"tts-1","input":"caf\u00e9"}"#);

        let tally = Tally::default();
        facts.usage(&tally);
        assert_eq!(tally.snapshot().at_least(Meter::Characters), 4);
    }
}
