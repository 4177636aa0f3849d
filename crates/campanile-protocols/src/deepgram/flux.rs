//! Flux: live transcription that knows turns (WebSocket `/v2/listen`). No message says what is billed; the bytes do.

use crate::audio::Pcm;
use crate::decimal::Decimal;
use crate::deepgram::live::Listen;
use crate::failure;
use crate::json::{self, decimal, pick};
use crate::report::Clock;
use crate::wire::{Out, Read};
use campanile_core::{Frame, Mode, Moment};

/// Decodes one live transcription, both ways.
pub type Decoder = crate::Decoder<Flux>;

/// Reads turns; see [`Decoder`].
#[derive(Debug, Default)]
pub struct Flux {
    listen: Option<Listen>,
    sent: Pcm,
    introduced: bool,
    heard: Decimal,
    spoke: bool,
}

impl Decoder {
    /// A decoder that knows what the handshake asked for.
    #[must_use]
    pub fn for_request(listen: Listen) -> Self {
        Self::with(Flux {
            sent: listen.pcm(),
            listen: Some(listen),
            ..Flux::default()
        })
    }
}

impl Read for Flux {
    const PROVIDER: &'static str = "deepgram";

    fn sent(&mut self, frame: Frame<'_>, out: &mut Out<'_>) {
        self.introduce(out);
        if let Frame::Binary(bytes) | Frame::Body(bytes) = frame {
            self.sent.sent(bytes, out.noted());
        }
    }

    fn message(&mut self, _event: &str, message: &str, out: &mut Out<'_>) {
        self.introduce(out);
        let [kind, id] = pick(message, ["type", "request_id"]);
        out.request_id(id);
        match kind.and_then(json::text).as_deref() {
            Some("TurnInfo") => self.turn(message, out),
            Some("Error" | "ConfigureFailure") => out.failure(failure::read(message)),
            _ => {}
        }
    }
}

impl Flux {
    fn introduce(&mut self, out: &mut Out<'_>) {
        if !std::mem::replace(&mut self.introduced, true) {
            out.noted().served().terms.mode = Some(Mode::Streaming);
            if let Some(listen) = &self.listen {
                listen.introduce(out);
            }
        }
    }

    fn turn(&mut self, message: &str, out: &mut Out<'_>) {
        let [event, end, transcript] = pick(message, ["event", "audio_window_end", "transcript"]);
        if let Some(end) = end.and_then(decimal).filter(|end| *end > self.heard) {
            self.heard = end;
            let report = out.report();
            report.totals.audio_seconds = Some(end);
            report.clock = Clock::Aside;
        }
        if event != Some("\"EndOfTurn\"") {
            return;
        }
        out.noted().moment(Moment::UtteranceEnd);
        if out.keeps_text()
            && let Some(text) = transcript.and_then(json::filled)
        {
            if std::mem::replace(&mut self.spoke, true) {
                out.noted().text(" ");
            }
            out.noted().text(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::Meter;
    use campanile_core::{Decode, Facts, Noted};

    #[test]
    fn only_the_end_of_a_turn_is_said() {
        let listen =
            Listen::from_query("model=flux-general-en&encoding=linear16&sample_rate=16000");
        let (mut decoder, mut noted) = (Decoder::for_request(listen), Noted::new());
        decoder.sent(Frame::Binary(&[0; 3200]), &mut noted);
        for (event, end) in [
            ("Update", "0.24"),
            ("EagerEndOfTurn", "0.5"),
            ("EndOfTurn", "0.72"),
        ] {
            let frame = format!(
                r#"{{"type":"TurnInfo","request_id":"r","event":"{event}","turn_index":0,"audio_window_start":0.0,"audio_window_end":{end},"transcript":"We","words":[]}}"#
            );
            decoder.received(Frame::Text(&frame), &mut noted);
        }

        assert_eq!(noted.spoken(), Some("We"));
        assert_eq!(noted.moment(), Moment::UtteranceEnd);
        assert_eq!(
            decoder.inclusive().audio_seconds.unwrap().to_string(),
            "0.72"
        );
        let usage = noted.noted_usage().unwrap();
        assert_eq!(usage.at_least(Meter::AudioUs), 100_000);
        assert_eq!(usage.get(Meter::ServerAudioUs), None);
    }
}
