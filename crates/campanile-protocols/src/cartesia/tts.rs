//! Text to speech: WebSocket `/tts/websocket`, POST `/tts/bytes` and `/tts/sse`.
//!
//! No message says what is billed: that is the characters of the transcripts that were sent, counted here as
//! Unicode scalar values after JSON decoding. One WebSocket carries many contexts: route each message by its
//! [`context_id`] to a decoder of its own.

use crate::audio::{Encoding, Pcm, Raw};
use crate::failure;
use crate::json::{self, count, pick, truth};
use crate::wire::{Out, Read, name};
use campanile_core::{Count, Evidence, Facts, Frame, Meter, Mode, Moment, Name, Served, Tally};
use memchr::memmem;
use std::borrow::Cow;

/// Decodes one context of a WebSocket, both ways; or one reply of `/tts/sse`. That of `/tts/bytes` is
/// [`RequestFacts::raw`] audio.
///
/// ```
/// use campanile_core::{Decode, Frame, Meter, Noted};
/// use campanile_protocols::cartesia::tts::Decoder;
///
/// let mut decoder = Decoder::new();
/// let mut noted = Noted::new();
/// let sent = r#"{"context_id":"c1","transcript":"Naïve café 😀","continue":true}"#;
/// decoder.sent(Frame::Text(sent), &mut noted);
/// assert_eq!(noted.noted_usage().unwrap().at_least(Meter::Characters), 12);
/// ```
pub type Decoder = crate::Decoder<Context>;

/// The context to which a message belongs, whichever way it goes. A look, not a parse: cheap enough for each
/// message of a shared socket. Errors may have none.
#[must_use]
pub fn context_id(message: &str) -> Option<Cow<'_, str>> {
    const KEY: &[u8] = b"\"context_id\"";
    // A quote inside a string is escaped, so that what looks like the key is the key.
    let at = memmem::find(message.as_bytes(), KEY)?;
    let value = message.get(at + KEY.len()..)?.trim_start();
    let value = value.strip_prefix(':')?.trim_start();
    let mut reader = serde_json::Deserializer::from_str(value).into_iter::<Cow<'_, str>>();
    reader
        .next()?
        .ok()
        .map(|id| match value.get(1..1 + id.len()) {
            Some(same) if same == id => Cow::Borrowed(same),
            _ => Cow::Owned(id.into_owned()),
        })
}

/// How far a context is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// More text may be sent.
    #[default]
    Open,
    /// The end of input was sent; speech is still coming.
    InputEnded,
    /// A cancel was sent. No `done` follows; chunks under way may.
    Cancelled,
    /// The provider said that it is done.
    Done,
    /// The provider sent an error.
    Failed,
}

/// Reads one context; see [`Decoder`].
#[derive(Debug, Default)]
pub struct Context {
    characters: u64,
    spoken: Pcm,
    phase: Phase,
    introduced: bool,
}

impl Decoder {
    /// A decoder for the reply to a POST.
    #[must_use]
    pub fn for_request(request: &RequestFacts) -> Self {
        Self::with(Context {
            spoken: request.pcm,
            phase: Phase::InputEnded,
            introduced: true,
            ..Context::default()
        })
    }

    /// How far the context is. From [`Phase::Cancelled`] on nothing more will be billed.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.reader.phase
    }
}

impl Read for Context {
    const PROVIDER: &'static str = "cartesia";

    fn sent(&mut self, frame: Frame<'_>, out: &mut Out<'_>) {
        let Frame::Text(message) = frame else { return };
        let [transcript, cancel, more] = pick(message, ["transcript", "cancel", "continue"]);
        if truth(cancel) {
            self.phase = Phase::Cancelled;
            return;
        }
        if !self.introduced {
            self.introduced = true;
            self.introduce(message, out);
        }
        if let Some(text) = transcript.and_then(json::text) {
            self.submit(&text, out);
        }
        if more.is_some() && !truth(more) && self.phase == Phase::Open {
            self.phase = Phase::InputEnded;
        }
    }

    fn message(&mut self, event: &str, message: &str, out: &mut Out<'_>) {
        let [kind, data, done, code] = pick(message, ["type", "data", "done", "status_code"]);
        let kind = kind.and_then(json::text);
        match kind.as_deref().unwrap_or(event) {
            "chunk" => self.chunk(data, out),
            "done" => self.done(out),
            "error" => self.fail(message, out),
            // Older versions: an error without a type.
            "" if code.and_then(count).is_some_and(|code| code >= 400) => self.fail(message, out),
            "" if truth(done) => self.done(out),
            _ => {}
        }
    }
}

impl Context {
    fn introduce(&mut self, message: &str, out: &mut Out<'_>) {
        let (model, pcm) = request(message);
        self.spoken = pcm;
        let served = out.noted().served();
        served.requested = model;
        served.terms.mode = Some(Mode::Streaming);
        let id = context_id(message);
        if let Some(id) = id.as_deref().and_then(Name::outside) {
            out.noted().served().request_id = Some(id);
        }
    }

    fn submit(&mut self, text: &str, out: &mut Out<'_>) {
        let characters = text.chars().count() as u64;
        self.characters = self.characters.saturating_add(characters);
        out.noted().usage(
            Meter::Characters,
            Count::exact(self.characters, Evidence::Measured),
        );
        if out.keeps_text() && !text.is_empty() {
            out.noted().text(text);
        }
    }

    fn chunk(&mut self, data: Option<&str>, out: &mut Out<'_>) {
        let base64 = data.map_or("", |raw| raw.trim_matches('"'));
        self.speak(decoded_length(base64.as_bytes()), out);
    }

    /// Counts speech, of which `bytes` came.
    fn speak(&mut self, bytes: u64, out: &mut Out<'_>) {
        if bytes > 0 {
            out.piece();
        }
        self.spoken.add(bytes);
        if let Some(micros) = self.spoken.micros() {
            out.noted()
                .usage(Meter::SpeechUs, Count::exact(micros, Evidence::Measured));
        }
    }

    fn done(&mut self, out: &mut Out<'_>) {
        self.phase = Phase::Done;
        out.noted().moment(Moment::UtteranceEnd);
    }

    fn fail(&mut self, message: &str, out: &mut Out<'_>) {
        self.phase = Phase::Failed;
        out.failure(failure::read(message));
    }
}

/// Model and output format of a request, on the socket or by POST.
fn request(message: &str) -> (Option<Name>, Pcm) {
    let [model, format] = pick(message, ["model_id", "output_format"]);
    let [container, encoding, rate] = pick(
        format.unwrap_or(""),
        ["container", "encoding", "sample_rate"],
    );
    let raw = container.is_none_or(|container| container == "\"raw\"");
    let encoding = encoding
        .and_then(json::text)
        .filter(|_| raw)
        .map_or(Encoding::Other, |name| Encoding::named(&name));
    let rate = rate.and_then(count).unwrap_or(0);
    (name(model), Pcm::new(encoding, rate, 1))
}

/// How many bytes stand in a base64 string.
pub(crate) fn decoded_length(base64: &[u8]) -> u64 {
    let padding = base64
        .iter()
        .rev()
        .take_while(|byte| **byte == b'=')
        .count();
    (base64.len() - padding) as u64 * 3 / 4
}

/// What the body of `/tts/bytes` or `/tts/sse` asks for: the characters are what is billed, unless the reply is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestFacts {
    /// The model that is asked for.
    pub model: Option<Name>,
    /// Unicode scalar values to be spoken; `None` where the body holds no transcript.
    pub characters: Option<u64>,
    pcm: Pcm,
}

impl RequestFacts {
    /// Reads a request's body.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        let (model, pcm) = request(&body);
        let [transcript] = pick(&body, ["transcript"]);
        Self {
            model,
            characters: transcript
                .and_then(json::text)
                .map(|text| text.chars().count() as u64),
            pcm,
        }
    }
}

impl RequestFacts {
    /// The decoder for the audio of a `/tts/bytes` reply.
    #[must_use]
    pub fn raw(&self) -> Raw {
        Raw::of(self.pcm)
    }
}

impl Facts for RequestFacts {
    fn usage(&self, tally: &Tally) {
        if let Some(characters) = self.characters {
            let count = Count::exact(characters, Evidence::Measured);
            tally.set(Meter::Characters, count);
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
    use campanile_core::{Decode, FailureKind, Noted};

    const REQUEST: &str = r#"{"context_id":"c-1","model_id":"sonic-x","transcript":"Hello \u00e9. ","continue":true,"voice":{"mode":"id","id":"v"},"output_format":{"container":"raw","encoding":"pcm_s16le","sample_rate":24000},"language":"en"}"#;

    fn open() -> (Decoder, Noted) {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        decoder.sent(Frame::Text(REQUEST), &mut noted);
        (decoder, noted)
    }

    #[test]
    fn characters_are_counted_after_decoding_and_add_up() {
        let (mut decoder, mut noted) = open();

        let more = r#"{"context_id":"c-1","transcript":"Yes.","continue":true}"#;
        decoder.sent(Frame::Text(more), &mut noted);
        let flush = r#"{"context_id":"c-1","transcript":"","flush":true,"continue":true}"#;
        decoder.sent(Frame::Text(flush), &mut noted);
        assert_eq!(decoder.phase(), Phase::Open);
        let end = r#"{"context_id":"c-1","transcript":"","continue":false}"#;
        decoder.sent(Frame::Text(end), &mut noted);

        let usage = noted.noted_usage().unwrap();
        assert_eq!(
            usage.get(Meter::Characters),
            Some(Count::exact(13, Evidence::Measured))
        );
        assert_eq!(decoder.phase(), Phase::InputEnded);
        assert_eq!(
            noted.noted_served().unwrap().requested.as_deref(),
            Some("sonic-x")
        );
    }

    #[test]
    fn speech_is_what_the_chunks_hold() {
        let (mut decoder, mut noted) = open();
        let data = format!("{}==", "A".repeat(4 * 1600 - 2));
        let chunk = format!(
            r#"{{"type":"chunk","context_id":"c-1","data":"{data}","done":false,"status_code":206,"step_time":1.5}}"#
        );

        decoder.received(Frame::Text(&chunk), &mut noted);

        let speech = noted.noted_usage().unwrap().at_least(Meter::SpeechUs);
        assert_eq!(speech, (4800 - 2) * 1_000_000 / 48_000);
        assert_eq!(noted.moment(), Moment::Piece);
    }

    #[test]
    fn a_context_ends_by_done_cancel_or_error() {
        let (mut done, mut noted) = open();
        let message = r#"{"type":"done","context_id":"c-1","done":true,"status_code":200}"#;
        done.received(Frame::Text(message), &mut noted);
        assert_eq!(done.phase(), Phase::Done);

        let (mut cancelled, mut noted) = open();
        cancelled.sent(
            Frame::Text(r#"{"context_id":"c-1","cancel":true}"#),
            &mut noted,
        );
        assert_eq!(cancelled.phase(), Phase::Cancelled);

        let (mut failed, mut noted) = open();
        let message = r#"{"type":"error","context_id":"c-1","status_code":500,"error_code":"internal","title":"t","message":"m","done":true}"#;
        failed.received(Frame::Text(message), &mut noted);
        assert_eq!(failed.phase(), Phase::Failed);
        assert_eq!(Facts::failure(&noted).unwrap().kind, FailureKind::Server);
    }

    #[test]
    fn the_context_is_found_without_a_parse() {
        let tricky = r#"{"transcript":"\"context_id\":\"no\"","context_id" : "c-1"}"#;

        assert!(matches!(context_id(tricky), Some(Cow::Borrowed("c-1"))));
        assert_eq!(
            context_id(r#"{"context_id":"a\u002db"}"#).as_deref(),
            Some("a-b")
        );
        assert_eq!(context_id(r#"{"type":"error"}"#), None);
        assert_eq!(context_id(r#"{"context_id":"#), None);
    }

    #[test]
    fn a_post_is_billed_by_its_transcript() {
        let request = RequestFacts::read(REQUEST.as_bytes());
        let mut bytes = request.raw();
        let mut noted = Noted::new();

        bytes.received(Frame::Body(&[0; 4800]), &mut noted);

        assert_eq!(request.characters, Some(9));
        let speech = noted.noted_usage().unwrap().at_least(Meter::SpeechUs);
        assert_eq!(speech, 100_000);
    }
}
