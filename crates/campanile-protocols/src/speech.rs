//! Speech services whose results say at most how long the audio was, or how many characters were spoken: AssemblyAI,
//! Cartesia, ElevenLabs, Gladia, Google, Hume, Inworld, MiniMax, Murf, Rev AI, Soniox, Speechmatics, and those
//! who copy them.

use crate::decimal::Decimal;
use crate::failure;
use crate::json::{self, at, count, decimal, pick};
use crate::openai::usage;
use crate::report::Clock;
use crate::wire::{Out, Read, name};
use campanile_core::{Count, Evidence, Meter, Mode, Moment};

/// Decodes one transcription: a reply, or a live socket.
pub type Decoder = crate::Decoder<Transcripts>;

/// Reads transcripts; see [`Decoder`].
#[derive(Debug, Default)]
pub struct Transcripts {
    spoke: bool,
    heard: Decimal,
}

/// Where services say how many seconds of audio they heard. The billed figure stands before the measured one.
const SECONDS: [&[&str]; 18] = [
    &["result", "metadata", "billing_time"],
    &["result", "metadata", "audio_duration"],
    &["data", "metadata", "billing_time"],
    &["data", "metadata", "audio_duration"],
    &["metadata", "billing_time"],
    &["metadata", "audio_duration"],
    &["totalBilledTime"],
    &["metadata", "totalBilledDuration"],
    &["usage", "seconds"],
    &["usage", "prompt_audio_seconds"],
    &["audio_duration_seconds"],
    &["audio_duration"],
    &["audio_duration_secs"],
    &["duration_seconds"],
    &["job", "duration"],
    &["file", "duration"],
    &["metadata", "duration"],
    &["duration"],
];

/// The same in milliseconds.
const MILLIS: [&[&str]; 6] = [
    &["usage", "transcribedAudioMs"],
    &["result", "usage", "transcribedAudioMs"],
    &["total_audio_proc_ms"],
    &["audio_duration_ms"],
    &["duration_ms"],
    &["durationMilliseconds"],
];

/// The same in Azure's ticks, of which a second has ten million.
const TICKS: [&[&str]; 2] = [&["durationInTicks"], &["Duration"]];

/// Where a live result says at which second its stretch of the audio ends.
const ENDS: [&[&str]; 5] = [
    &["metadata", "end_time"],
    &["end_ts"],
    &["data", "utterance", "end"],
    &["end_time"],
    &["end"],
];

/// Where services that speak say how many seconds they made, and for how many characters.
const SPOKEN: [&[&str]; 2] = [&["audioLengthInSeconds"], &["extra_info", "audio_length"]];
const CHARACTERS: [&[&str]; 5] = [
    &["extra_info", "usage_characters"],
    &["usage", "processedCharactersCount"],
    &["result", "usage", "processedCharactersCount"],
    &["consumedCharacterCount"],
    &["characters_used"],
];

/// Where services name their model beside the counts.
const MODELS: [&[&str]; 2] = [&["usage", "modelId"], &["result", "usage", "modelId"]];

/// Messages that say how far a live session is, and not how long all of it was.
const LIVE: [&str; 12] = [
    "AddTranscript",
    "AddPartialTranscript",
    "final",
    "partial",
    "transcript",
    "partial_transcript",
    "committed_transcript",
    "committed_transcript_with_timestamps",
    "Turn",
    "PartialTranscript",
    "FinalTranscript",
    "transcription",
];

impl Read for Transcripts {
    fn message(&mut self, event: &str, message: &str, out: &mut Out<'_>) {
        let [
            kind,
            old_kind,
            error,
            model,
            speech_model,
            id,
            session,
            language,
            code,
        ] = pick(
            message,
            [
                "type",
                "message_type",
                "error",
                "model",
                "speech_model",
                "id",
                "session_id",
                "language",
                "language_code",
            ],
        );
        // A message may hold a piece of audio: it is walked again only for what is not known.
        let is_new = !out.knows_model();
        let beside = || {
            let mut paths = MODELS.iter().filter(|_| is_new);
            paths.find_map(|path| at(message, path))
        };
        out.model(model.or(speech_model).or_else(beside));
        out.request_id(id.or(session));
        if let Some(language) = name(code.or(language)) {
            out.noted().served().language = Some(language);
        }
        let kind = kind
            .or(old_kind)
            .or(pick(message, ["message"])[0])
            .and_then(json::text);
        let kind = kind.as_deref().unwrap_or(event);
        let failed = error.is_some_and(|raw| raw.starts_with(['{', '"']) && raw != "\"\"");
        if failed || matches!(kind, "error" | "Error") || pick(message, ["error_code"])[0].is_some()
        {
            out.failure(failure::read(message));
        }
        // A live result says how long it is itself, not how long all of them are.
        if LIVE.contains(&kind) {
            self.end(message, out);
        } else {
            reported(message, out);
        }
        self.text(kind, message, out);
    }
}

/// A number, which may be written as `"12.5s"`.
fn number(raw: &str) -> Option<Decimal> {
    let text = json::text(raw);
    let plain = text
        .as_deref()
        .map_or(raw, |text| text.trim_end_matches('s'));
    decimal(plain)
}

fn first<T>(message: &str, paths: &[&[&str]], read: impl Fn(&str) -> Option<T>) -> Option<T> {
    paths
        .iter()
        .find_map(|path| at(message, path).and_then(&read))
}

/// Reads what a whole result, or the last message of a live one, reports.
fn reported(message: &str, out: &mut Out<'_>) {
    let mut report = pick(message, ["usage"])[0]
        .filter(|raw| raw.starts_with('{'))
        .map(|raw| usage(raw, out.provider()))
        .unwrap_or_default();
    let millis = || first(message, &MILLIS, count).map(|millis| Decimal::new(millis, 3));
    let ticks = || first(message, &TICKS, count).map(|ticks| Decimal::new(ticks, 7));
    let seconds = first(message, &SECONDS, number);
    if let Some(seconds) = seconds.or_else(millis).or_else(ticks) {
        report.totals.audio_seconds = Some(seconds);
        report.clock = Clock::Heard;
    } else if let Some(seconds) = spoken(message) {
        report.totals.audio_seconds = Some(seconds);
        report.clock = Clock::Spoken;
    }
    report.totals.characters = first(message, &CHARACTERS, count);
    // A running total grows; a summary after it is final.
    if report.says_something() {
        out.report().replace(report);
    }
    let [open] = pick(message, ["session_duration_seconds"]);
    if let Some(open) = open.and_then(decimal).and_then(Decimal::micros) {
        let noted = out.noted();
        noted.usage(Meter::SocketUs, Count::exact(open, Evidence::Reported));
        noted.served().terms.mode = Some(Mode::Streaming);
    }
}

/// Seconds of speech that was made: in one place, or one for each of several takes.
fn spoken(message: &str) -> Option<Decimal> {
    let [whole, millis] = SPOKEN;
    if let Some(seconds) = at(message, whole).and_then(decimal) {
        return Some(seconds);
    }
    if let Some(millis) = at(message, millis).and_then(count) {
        return Some(Decimal::new(millis, 3));
    }
    let mut sum: Option<Decimal> = None;
    json::items(pick(message, ["generations"])[0].unwrap_or(""), |take| {
        if let Some(seconds) = pick(take, ["duration"])[0].and_then(decimal) {
            sum = Some(sum.unwrap_or_default().plus(seconds));
        }
    });
    sum
}

impl Transcripts {
    /// The end of the last stretch that a live result covers: less than what will be billed, so that it is no meter.
    fn end(&mut self, message: &str, out: &mut Out<'_>) {
        let end = first(message, &ENDS, decimal).or_else(|| last_word(message));
        if let Some(end) = end.filter(|end| *end > self.heard) {
            self.heard = end;
            let report = out.report();
            report.totals.audio_seconds = Some(end);
            report.clock = Clock::Aside;
        }
    }

    /// Text that is final. What may still change is not said yet.
    fn text(&mut self, kind: &str, message: &str, out: &mut Out<'_>) {
        let [text, transcript, ended, is_final, formatted, tokens] = pick(
            message,
            [
                "text",
                "transcript",
                "end_of_turn",
                "is_final",
                "turn_is_formatted",
                "tokens",
            ],
        );
        if let Some(tokens) = tokens {
            json::items(tokens, |token| soniox(token, out));
        }
        let open = [ended, is_final]
            .into_iter()
            .flatten()
            .any(|raw| raw == "false");
        let repeated = formatted == Some("false");
        let settled = !open && !repeated && !kind.contains("partial") && !kind.contains("Partial");
        let whole = at(message, &["result", "transcription", "full_transcript"]);
        let said = text
            .or(transcript)
            .or(whole)
            .or(at(message, &["metadata", "transcript"]));
        let Some(text) = said
            .filter(|_| settled && tokens.is_none())
            .and_then(json::filled)
        else {
            return;
        };
        out.noted().moment(Moment::UtteranceEnd);
        if out.keeps_text() {
            if std::mem::replace(&mut self.spoke, true) {
                out.noted().text(" ");
            }
            out.noted().text(&text);
        }
    }
}

/// Where the last word of a live result ends: in seconds, but for AssemblyAI's whole milliseconds.
fn last_word(message: &str) -> Option<Decimal> {
    let [words, audio_end] = pick(message, ["words", "audio_end"]);
    let mut end = audio_end;
    json::items(words.unwrap_or(""), |word| {
        end = pick(word, ["end"])[0].or(end);
    });
    let end = end?;
    let millis = pick(message, ["audio_end", "turn_order"])
        .iter()
        .any(Option::is_some);
    match millis {
        true => count(end).map(|millis| Decimal::new(millis, 3)),
        false => decimal(end),
    }
}

/// One token of Soniox: final ones are sent once.
fn soniox(token: &str, out: &mut Out<'_>) {
    let [text, is_final] = pick(token, ["text", "is_final"]);
    if is_final == Some("false") {
        return;
    }
    if let Some(text) = text.and_then(json::filled) {
        out.piece();
        if text == "<end>" {
            out.noted().moment(Moment::UtteranceEnd);
        } else if out.keeps_text() {
            out.noted().text(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::{Decode, Facts, Frame, Noted};

    fn read(body: &str) -> (Decoder, Noted) {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        decoder.received(Frame::Text(body), &mut noted);
        (decoder, noted)
    }

    #[test]
    fn each_service_has_its_place_for_seconds() {
        for (body, seconds) in [
            (r#"{"text":"Hi","duration":2.479}"#, "2.479"),
            (
                r#"{"result":{"metadata":{"audio_duration":4.2,"billing_time":5}}}"#,
                "5",
            ),
            (
                r#"{"id":"j","status":"transcribed","duration_seconds":9.5}"#,
                "9.5",
            ),
            (
                r#"{"type":"Termination","audio_duration_seconds":12,"session_duration_seconds":15}"#,
                "12",
            ),
            (r#"{"tokens":[],"total_audio_proc_ms":2500}"#, "2.5"),
            (r#"{"job":{"id":"j","duration":30}}"#, "30"),
            (
                r#"{"durationMilliseconds":36710,"combinedPhrases":[{"text":"Hi"}],"phrases":[{"durationMilliseconds":36712}]}"#,
                "36.71",
            ),
            (
                r#"{"RecognitionStatus":"Success","Offset":1000000,"Duration":21400000,"DisplayText":"Hi."}"#,
                "2.14",
            ),
            (r#"{"results":[],"totalBilledTime":"15s"}"#, "15"),
            (
                r#"{"type":"transcript","data":{"utterance":{"start":0.5,"end":2.25,"text":"Hi"}}}"#,
                "2.25",
            ),
            (
                r#"{"type":"Turn","turn_order":0,"transcript":"Hi","words":[{"start":0,"end":640},{"start":700,"end":1250}]}"#,
                "1.25",
            ),
            (
                r#"{"message_type":"committed_transcript_with_timestamps","text":"Hi","words":[{"start":0.1,"end":0.8}]}"#,
                "0.8",
            ),
            (
                r#"{"generations":[{"duration":2.5},{"duration":1}]}"#,
                "3.5",
            ),
            (
                r#"{"data":{"audio":""},"extra_info":{"audio_length":9900,"usage_characters":26}}"#,
                "9.9",
            ),
        ] {
            let (decoder, _) = read(body);
            let found = decoder
                .inclusive()
                .audio_seconds
                .map(|found| found.to_string());
            assert_eq!(found.as_deref(), Some(seconds), "{body}");
        }
    }

    #[test]
    fn who_speaks_may_report_characters() {
        let (decoder, noted) = read(
            r#"{"data":{"audio":""},"extra_info":{"audio_length":9900,"usage_characters":26}}"#,
        );

        assert_eq!(decoder.inclusive().characters, Some(26));
        let usage = noted.noted_usage().unwrap();
        assert_eq!(usage.at_least(Meter::Characters), 26);
        assert_eq!(usage.at_least(Meter::SpeechUs), 9_900_000);
    }

    #[test]
    fn a_model_may_be_named_beside_the_counts() {
        for (body, characters, seconds) in [
            (
                r#"{"audioContent":"","usage":{"processedCharactersCount":21,"modelId":"voice-x"}}"#,
                Some(21),
                None,
            ),
            (
                r#"{"result":{"audioContent":"","usage":{"processedCharactersCount":21,"modelId":"voice-x"}}}"#,
                Some(21),
                None,
            ),
            (
                r#"{"result":{"usage":{"transcribedAudioMs":2400,"modelId":"voice-x"}}}"#,
                None,
                Some("2.4"),
            ),
        ] {
            let totals = read(body).0.inclusive().clone();

            assert_eq!(totals.model.as_deref(), Some("voice-x"), "{body}");
            assert_eq!(totals.characters, characters, "{body}");
            let heard = totals.audio_seconds.map(|seconds| seconds.to_string());
            assert_eq!(heard.as_deref(), seconds, "{body}");
        }
    }

    #[test]
    fn who_understands_speech_may_report_tokens() {
        let (decoder, _) = read(
            r#"{"request_id":"r","response":"Hi","usage":{"input_tokens":27,"output_tokens":3}}"#,
        );

        assert_eq!(decoder.inclusive().input_tokens, Some(27));
        assert_eq!(decoder.inclusive().output_tokens, Some(3));
    }

    #[test]
    fn an_open_socket_is_billed() {
        let (_, noted) = read(
            r#"{"type":"Termination","audio_duration_seconds":12,"session_duration_seconds":15}"#,
        );

        assert_eq!(
            noted.noted_usage().unwrap().at_least(Meter::SocketUs),
            15_000_000
        );
    }

    #[test]
    fn the_end_of_a_live_result_is_shown_and_not_billed() {
        let (decoder, noted) = read(
            r#"{"message":"AddTranscript","metadata":{"start_time":1.0,"end_time":2.5,"transcript":"Hi."}}"#,
        );

        let end = decoder.inclusive().audio_seconds.map(|end| end.to_string());
        assert_eq!(end.as_deref(), Some("2.5"));
        assert_eq!(noted.noted_usage(), None);
        assert_eq!(noted.spoken(), Some("Hi."));
    }

    #[test]
    fn only_what_is_final_is_said() {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        for frame in [
            r#"{"type":"Turn","transcript":"he","end_of_turn":false,"turn_is_formatted":false}"#,
            r#"{"type":"Turn","transcript":"hello","end_of_turn":true,"turn_is_formatted":false}"#,
            r#"{"type":"Turn","transcript":"Hello.","end_of_turn":true,"turn_is_formatted":true}"#,
            r#"{"type":"transcript","text":"no","is_final":false}"#,
        ] {
            decoder.received(Frame::Text(frame), &mut noted);
        }

        assert_eq!(noted.spoken(), Some("Hello."));
    }
}
