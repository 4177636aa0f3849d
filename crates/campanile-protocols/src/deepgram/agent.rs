//! Voice agent (WebSocket `/v1/agent/converse`): billed by the time for which the socket is open, which the caller measures.
//! No message says what was used.

use crate::audio::{Encoding, Pcm};
use crate::failure;
use crate::json::{self, count, pick};
use crate::wire::{Out, Read};
use campanile_core::{Frame, Mode, Moment};

/// Decodes one conversation, both ways.
pub type Decoder = crate::Decoder<Agent>;

/// Reads conversations; see [`Decoder`].
#[derive(Debug, Default)]
pub struct Agent {
    sent: Pcm,
}

impl Read for Agent {
    const PROVIDER: &'static str = "deepgram";

    fn sent(&mut self, frame: Frame<'_>, out: &mut Out<'_>) {
        match frame {
            Frame::Text(message) => self.settings(message, out),
            Frame::Binary(bytes) | Frame::Body(bytes) => self.sent.sent(bytes, out.noted()),
        }
    }

    fn binary(&mut self, _bytes: &[u8], out: &mut Out<'_>) {
        out.piece();
    }

    fn message(&mut self, _event: &str, message: &str, out: &mut Out<'_>) {
        let [kind, id, content] = pick(message, ["type", "request_id", "content"]);
        out.request_id(id);
        match kind.and_then(json::text).as_deref() {
            Some("ConversationText") => {
                out.noted().moment(Moment::UtteranceEnd);
                if out.keeps_text()
                    && let Some(text) = content.and_then(json::filled)
                {
                    out.noted().text(&text);
                    out.noted().text(" ");
                }
            }
            Some("Error") => out.failure(failure::read(message)),
            _ => {}
        }
    }
}

impl Agent {
    fn settings(&mut self, message: &str, out: &mut Out<'_>) {
        let [kind, audio] = pick(message, ["type", "audio"]);
        if kind != Some("\"Settings\"") {
            return;
        }
        out.noted().served().terms.mode = Some(Mode::Streaming);
        let input = audio.and_then(|audio| pick(audio, ["input"])[0]);
        let [encoding, rate] = pick(input.unwrap_or(""), ["encoding", "sample_rate"]);
        if let Some(encoding) = encoding.and_then(json::text) {
            let rate = rate.and_then(count).unwrap_or(0);
            self.sent = Pcm::new(Encoding::named(&encoding), rate, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::Meter;
    use campanile_core::{Decode, Facts, Noted};

    #[test]
    fn audio_is_counted_by_the_settings() {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        let settings =
            r#"{"type":"Settings","audio":{"input":{"encoding":"linear16","sample_rate":24000}}}"#;

        decoder.sent(Frame::Text(settings), &mut noted);
        decoder.sent(Frame::Binary(&[0; 4800]), &mut noted);
        let said = r#"{"type":"ConversationText","role":"assistant","content":"Of course!"}"#;
        decoder.received(Frame::Text(said), &mut noted);

        assert_eq!(
            noted.noted_usage().unwrap().at_least(Meter::AudioUs),
            100_000
        );
        assert_eq!(noted.spoken(), Some("Of course! "));
    }
}
