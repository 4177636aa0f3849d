//! Transcription of recordings (POST `/v1/listen`) and text intelligence (`/v1/read`).

use crate::deepgram::live::{introduce_model, spoken_in};
use crate::failure;
use crate::json::{self, count, decimal, pick};
use crate::report::Clock;
use crate::wire::{Out, Read};
use campanile_core::{Mode, Moment};

/// Decodes one reply.
pub type Decoder = crate::Decoder<Prerecorded>;

/// Reads replies; see [`Decoder`].
#[derive(Debug, Default)]
pub struct Prerecorded(());

impl Read for Prerecorded {
    const PROVIDER: &'static str = "deepgram";

    fn message(&mut self, _event: &str, message: &str, out: &mut Out<'_>) {
        let [metadata, results, code, error] =
            pick(message, ["metadata", "results", "err_code", "error"]);
        if code.is_some() || error.is_some() {
            out.failure(failure::read(message));
        }
        // A reply to a request with a callback is the id alone.
        introduce_model(Some(message), None, out);
        let Some(metadata) = metadata else { return };
        introduce_model(Some(metadata), None, out);
        let [duration, channels] = pick(metadata, ["duration", "channels"]);
        out.noted().served().terms.mode = Some(Mode::Prerecorded);
        if let Some(channels) = channels
            .and_then(count)
            .and_then(|channels| u32::try_from(channels).ok())
        {
            out.noted().served().terms.channels = Some(channels.max(1));
        }
        if let Some(duration) = duration.and_then(decimal) {
            let report = out.report();
            report.totals.audio_seconds = Some(duration);
            report.clock = Clock::Heard;
        }
        intelligence(metadata, out);
        if let Some(results) = results {
            transcripts(results, out);
        }
    }
}

fn transcripts(results: &str, out: &mut Out<'_>) {
    let [channels] = pick(results, ["channels"]);
    json::items(channels.unwrap_or(""), |channel| {
        out.noted().moment(Moment::UtteranceEnd);
        let best = spoken_in(channel, out);
        let text = best.and_then(|best| pick(best, ["transcript"])[0]);
        if out.keeps_text()
            && let Some(text) = text.and_then(json::filled)
        {
            out.noted().text(&text);
        }
    });
}

/// Adds up the tokens of `summary_info`, `topics_info` and their like. Zeros say that nothing was done.
fn intelligence(metadata: &str, out: &mut Out<'_>) {
    let (mut input, mut output) = (0_u64, 0_u64);
    json::members(metadata, |key, info| {
        if key.ends_with("_info") {
            let tokens = pick(info, ["input_tokens", "output_tokens"]);
            let [more_in, more_out] = tokens.map(|raw| raw.and_then(count).unwrap_or(0));
            input = input.saturating_add(more_in);
            output = output.saturating_add(more_out);
        }
    });
    if input > 0 || output > 0 {
        let totals = &mut out.report().totals;
        totals.input_tokens = Some(input);
        totals.output_tokens = Some(output);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::{Decode, Facts, Frame, Meter, Noted};

    #[test]
    fn a_recording_says_how_long_it_was() {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        let body = r#"{"metadata":{"request_id":"r-1","duration":17.566313,"channels":2,"models":["m"],"model_info":{"m":{"name":"general-x","arch":"x"}},"summary_info":{"input_tokens":0,"output_tokens":0}},"results":{"channels":[{"alternatives":[{"transcript":"Yep."}]}]}}"#;

        decoder.received(Frame::Body(body.as_bytes()), &mut noted);

        let usage = noted.noted_usage().unwrap();
        assert_eq!(usage.at_least(Meter::ServerAudioUs), 17_566_313);
        assert_eq!(usage.get(Meter::InputTokens), None);
        let served = noted.noted_served().unwrap();
        assert_eq!(served.model.as_deref(), Some("x"));
        assert_eq!(served.terms.channels, Some(2));
        assert_eq!(noted.spoken(), Some("Yep."));
    }

    #[test]
    fn intelligence_is_billed_by_its_tokens() {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        let body = r#"{"metadata":{"request_id":"r","summary_info":{"input_tokens":50,"output_tokens":5},"topics_info":{"input_tokens":50,"output_tokens":1}}}"#;

        decoder.received(Frame::Body(body.as_bytes()), &mut noted);

        assert_eq!(decoder.inclusive().input_tokens, Some(100));
    }
}
