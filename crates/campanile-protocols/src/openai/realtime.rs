//! Speech to speech over a WebSocket: OpenAI, Azure, Azure Voice Live, xAI; and OpenAI's live sessions.
//!
//! Each turn reports its whole conversation again: turns add up. What a transcription of the input uses is billed to
//! another model, and is left out here, unless the session does nothing else. A live session reports its seconds when
//! it closes; the answers that it delegates are billed to another model as well.

use crate::failure;
use crate::json::{self, pick};
use crate::openai::usage;
use crate::report::{Clock, Report};
use crate::turns::Turns;
use crate::wire::{Out, Read};
use campanile_core::{Mode, Moment};

/// Decodes one session.
pub type Decoder = crate::Decoder<Realtime>;

/// Reads sessions; see [`Decoder`].
#[derive(Debug, Default)]
pub struct Realtime {
    turns: Turns,
    /// The session transcribes, and answers nothing.
    transcribes: bool,
}

impl Read for Realtime {
    const PROVIDER: &'static str = "openai";

    fn message(&mut self, _event: &str, message: &str, out: &mut Out<'_>) {
        let [kind] = pick(message, ["type"]);
        let Some(kind) = kind.and_then(json::text) else {
            return;
        };
        match kind.as_ref() {
            "session.created" | "session.updated" | "session.started" => {
                self.session(pick(message, ["session"])[0].unwrap_or(""), out);
            }
            "transcription_session.created" | "transcription_session.updated" => {
                self.transcribes = true;
                self.session(pick(message, ["session"])[0].unwrap_or(message), out);
            }
            "session.closed" => self.closed(message, out),
            "response.done" => self.done(message, out),
            "conversation.item.input_audio_transcription.completed" => {
                self.transcribed(message, out);
            }
            "error" => out.failure(failure::read(message)),
            kind if kind.ends_with(".delta") => piece(kind, message, out),
            _ => {}
        }
    }
}

fn piece(kind: &str, message: &str, out: &mut Out<'_>) {
    match kind {
        "response.audio.delta" | "response.output_audio.delta" | "session.output_audio.delta" => {
            out.piece();
        }
        "response.text.delta"
        | "response.output_text.delta"
        | "response.audio_transcript.delta"
        | "response.output_audio_transcript.delta"
        | "session.output_transcript.delta" => {
            let [delta] = pick(message, ["delta"]);
            if let Some(text) = delta.and_then(json::filled) {
                // Its sound is made of tokens too, which nobody can count.
                out.hidden();
                out.said(&text);
            }
        }
        "response.function_call_arguments.delta" => out.hidden(),
        _ => {}
    }
}

impl Realtime {
    fn session(&mut self, session: &str, out: &mut Out<'_>) {
        let [model, id, kind, audio, old] = pick(
            session,
            ["model", "id", "type", "audio", "input_audio_transcription"],
        );
        self.transcribes |= kind == Some("\"transcription\"");
        out.request_id(id);
        let transcriber = old
            .or(audio.and_then(|audio| json::at(audio, &["input", "transcription"])))
            .filter(|_| self.transcribes);
        out.model(model.or(transcriber.and_then(|raw| pick(raw, ["model"])[0])));
        if self.transcribes {
            out.noted().served().terms.mode = Some(Mode::Streaming);
        }
    }

    /// What was heard. Its usage is the session's where the session does nothing else.
    fn transcribed(&mut self, message: &str, out: &mut Out<'_>) {
        let [transcript, reported, item] = pick(message, ["transcript", "usage", "item_id"]);
        out.noted().moment(Moment::UtteranceEnd);
        if out.keeps_text()
            && let Some(text) = transcript.and_then(json::filled)
        {
            out.noted().text(&text);
        }
        if let Some(raw) = reported.filter(|raw| self.transcribes && raw.starts_with('{')) {
            let part = usage(raw, out.provider());
            self.turn(item, part, out);
        }
    }

    /// A live session says at its end for how long it was active.
    fn closed(&mut self, message: &str, out: &mut Out<'_>) {
        let [session, reported] = pick(message, ["session", "usage"]);
        let mut part = usage(reported.unwrap_or(""), out.provider());
        part.clock = Clock::Open;
        let id = session.and_then(|raw| pick(raw, ["id"])[0]);
        self.turn(id, part, out);
    }

    fn turn(&mut self, id: Option<&str>, part: Report, out: &mut Out<'_>) {
        if part.says_something() {
            let id = id.and_then(json::text);
            let sum = self.turns.report(id.as_deref(), part);
            out.report().replace(sum);
        }
    }

    fn done(&mut self, message: &str, out: &mut Out<'_>) {
        let [response, beside] = pick(message, ["response", "usage"]);
        let [id, inside, status] = pick(response.unwrap_or(""), ["id", "usage", "status_details"]);
        out.noted().moment(Moment::UtteranceEnd);
        if let Some(details) = status.filter(|details| details.contains("\"error\"")) {
            out.failure(failure::read(details));
        }
        // xAI leaves the one inside empty and says it beside the response.
        let said = [inside, beside];
        let said = said.into_iter().flatten().find(|raw| raw.len() > 2);
        let Some(raw) = said.filter(|raw| raw.starts_with('{')) else {
            return;
        };
        let mut turn = usage(raw, out.provider());
        let [billable, made] = pick(raw, ["billable_audio_seconds", "output_audio_seconds"]);
        let seconds = [billable, made]
            .into_iter()
            .flatten()
            .find_map(json::decimal);
        if seconds.is_some() {
            turn.totals.audio_seconds = seconds;
            turn.clock = Clock::Spoken;
        }
        self.turn(id, turn, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::{Decode, Frame, Meter, Noted};

    #[test]
    fn turns_add_up_and_transcription_stays_apart() {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        for frame in [
            r#"{"type":"session.created","session":{"id":"s","model":"gpt-rt"}}"#,
            r#"{"type":"conversation.item.input_audio_transcription.completed","transcript":"hello","usage":{"type":"duration","seconds":3}}"#,
            r#"{"type":"response.done","response":{"id":"a","usage":{"total_tokens":83,"input_tokens":63,"output_tokens":20,"input_token_details":{"text_tokens":33,"audio_tokens":30,"cached_tokens":0},"output_token_details":{"text_tokens":5,"audio_tokens":15}}}}"#,
            r#"{"type":"response.done","response":{"id":"b","usage":{"total_tokens":123,"input_tokens":103,"output_tokens":20,"input_token_details":{"text_tokens":43,"audio_tokens":60,"cached_tokens":64,"cached_tokens_details":{"text_tokens":34,"audio_tokens":30}},"output_token_details":{"text_tokens":5,"audio_tokens":15}}}}"#,
        ] {
            decoder.received(Frame::Text(frame), &mut noted);
        }

        assert_eq!(decoder.inclusive().input_tokens, Some(166));
        assert_eq!(decoder.inclusive().audio_seconds, None);
        let usage = noted.noted_usage().unwrap();
        assert!(usage.is_exact());
        assert_eq!(usage.at_least(Meter::CachedAudioTokens), 30);
        assert_eq!(usage.at_least(Meter::CachedInputTokens), 34);
        assert_eq!(usage.at_least(Meter::AudioInputTokens), 60);
        assert_eq!(usage.at_least(Meter::InputTokens), 42);
        assert_eq!(usage.at_least(Meter::AudioOutputTokens), 30);
    }

    #[test]
    fn a_session_that_only_transcribes_is_billed_for_it() {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        for frame in [
            r#"{"type":"session.created","session":{"id":"s","type":"transcription","audio":{"input":{"transcription":{"model":"gpt-tr"}}}}}"#,
            r#"{"type":"conversation.item.input_audio_transcription.completed","item_id":"a","transcript":"hello","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":3,"total_tokens":17}}"#,
            r#"{"type":"conversation.item.input_audio_transcription.completed","item_id":"b","transcript":"hi","usage":{"type":"tokens","input_tokens":6,"input_token_details":{"text_tokens":0,"audio_tokens":6},"output_tokens":1,"total_tokens":7}}"#,
        ] {
            decoder.received(Frame::Text(frame), &mut noted);
        }

        let totals = decoder.inclusive();
        assert_eq!(totals.model.as_deref(), Some("gpt-tr"));
        assert_eq!(
            (totals.input_tokens, totals.output_tokens),
            (Some(20), Some(4))
        );
        assert_eq!(totals.audio_input_tokens, Some(20));
    }

    #[test]
    fn a_live_session_reports_its_seconds_at_its_end() {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        for frame in [
            r#"{"type":"session.started","session":{"id":"live_1","model":"gpt-live-x","status":"active"}}"#,
            r#"{"type":"response.event","delegation_id":"d","event":{"type":"response.completed","response":{"model":"gpt-y","usage":{"input_tokens":900,"output_tokens":9}}}}"#,
            r#"{"type":"session.closed","reason":"close_requested","session":{"id":"live_1","model":"gpt-live-x"},"usage":{"seconds":15.0}}"#,
        ] {
            decoder.received(Frame::Text(frame), &mut noted);
        }

        let totals = decoder.inclusive();
        assert_eq!(totals.model.as_deref(), Some("gpt-live-x"));
        assert_eq!(
            (totals.input_tokens, totals.audio_seconds),
            (None, crate::Decimal::parse("15"))
        );
        assert_eq!(
            noted.noted_usage().unwrap().at_least(Meter::SocketUs),
            15_000_000
        );
    }

    #[test]
    fn usage_beside_an_empty_one_is_taken() {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        let done = r#"{"type":"response.done","response":{"id":"a","usage":{}},"usage":{"input_tokens":7,"input_token_details":{"text_tokens":7,"audio_tokens":0},"output_tokens":113,"output_token_details":{"text_tokens":9,"audio_tokens":104},"total_tokens":120,"output_audio_seconds":2.08,"billable_audio_seconds":1}}"#;

        decoder.received(Frame::Text(done), &mut noted);

        let usage = noted.noted_usage().unwrap();
        assert_eq!(usage.at_least(Meter::SpeechUs), 1_000_000);
        assert_eq!(usage.at_least(Meter::AudioOutputTokens), 104);
    }
}
