//! The usage object of chat completions, of Responses, and of everything that looks like them.

use crate::json::{self, count, pick};
use crate::report::{Clock, Report};

/// Reads a usage object. The names of both APIs are looked for, and those that compatible servers use instead:
/// the details are parts, but for xAI's reasoning and Mistral's audio, which stand beside their whole.
pub(crate) fn usage(raw: &str, provider: &str) -> Report {
    let mut report = Report::default();
    input(raw, &mut report);
    output(raw, &mut report);
    beside(raw, provider, &mut report);
    seconds(raw, &mut report);
    report
}

fn input(raw: &str, report: &mut Report) {
    let [prompt, input, details, details_too, more, more_too] = pick(
        raw,
        [
            "prompt_tokens",
            "input_tokens",
            "prompt_tokens_details",
            "input_tokens_details",
            // OpenAI threads and transcription say "token".
            "prompt_token_details",
            "input_token_details",
        ],
    );
    let details = [details, details_too, more, more_too]
        .into_iter()
        .flatten()
        .next()
        .unwrap_or("");
    let [
        cached,
        written,
        audio,
        image,
        cached_parts,
        creation,
        cached_audio,
    ] = pick(
        details,
        [
            "cached_tokens",
            "cache_write_tokens",
            "audio_tokens",
            "image_tokens",
            "cached_tokens_details",
            "cache_creation_tokens",
            "cached_audio_tokens",
        ],
    );
    let [hits, top, numbered, read, created, ages, creation_too] = pick(
        raw,
        [
            "prompt_cache_hit_tokens",
            "cached_tokens",
            "num_cached_tokens",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
            "cache_creation",
            "cache_write_tokens",
        ],
    );
    let totals = &mut report.totals;
    totals.input_tokens = one(&[prompt, input]);
    totals.cached_input_tokens = one(&[cached, top, hits, numbered, read]);
    totals.cache_write_tokens = one(&[written, creation, created, creation_too]);
    totals.audio_input_tokens = one(&[audio]);
    report.image_in = one(&[image]);
    let [part_audio, part_image] =
        pick(cached_parts.unwrap_or(""), ["audio_tokens", "image_tokens"]);
    report.cached_audio = one(&[part_audio, cached_audio]);
    report.cached_image = one(&[part_image]);
    let [hour, day] = pick(
        ages.unwrap_or(""),
        ["ephemeral_1h_input_tokens", "ephemeral_24h_input_tokens"],
    );
    if hour.is_some() || day.is_some() {
        let long = [hour, day].into_iter().flatten().filter_map(count);
        report.long_write = Some(long.fold(0, u64::saturating_add));
    }
}

fn output(raw: &str, report: &mut Report) {
    let [
        completion,
        output,
        details,
        details_too,
        details_one,
        reasoning_top,
    ] = pick(
        raw,
        [
            "completion_tokens",
            "output_tokens",
            "completion_tokens_details",
            "output_tokens_details",
            "output_token_details",
            "reasoning_tokens",
        ],
    );
    let details = [details, details_too, details_one]
        .into_iter()
        .flatten()
        .next()
        .unwrap_or("");
    let [reasoning, audio, image] = pick(
        details,
        ["reasoning_tokens", "audio_tokens", "image_tokens"],
    );
    report.totals.output_tokens = one(&[completion, output]);
    report.totals.reasoning_tokens = one(&[reasoning, reasoning_top]);
    report.totals.audio_output_tokens = one(&[audio]);
    report.image_out = one(&[image]);
}

/// Adds what the provider counts beside the whole instead of inside it.
fn beside(raw: &str, provider: &str, report: &mut Report) {
    let [total, seconds, prompt] = pick(
        raw,
        ["total_tokens", "prompt_audio_seconds", "prompt_tokens"],
    );
    let total = total.and_then(count);
    let totals = &mut report.totals;
    let (Some(input), Some(output)) = (totals.input_tokens, totals.output_tokens) else {
        if totals.input_tokens.is_none() && totals.output_tokens.is_none() {
            // Voyage says the total only, and it is all input.
            totals.input_tokens = total;
        }
        return;
    };
    let parts = input.saturating_add(output);
    let reasoning = totals.reasoning_tokens.unwrap_or(0);
    let adds_up = |more: u64| total == Some(parts.saturating_add(more)) && more > 0;
    if prompt.is_some() && (adds_up(reasoning) || (provider == "xai" && total != Some(parts))) {
        totals.output_tokens = Some(output.saturating_add(reasoning));
    }
    let audio = totals.audio_input_tokens.unwrap_or(0);
    if seconds.is_some() && adds_up(audio) {
        totals.input_tokens = Some(input.saturating_add(audio));
    }
}

/// Seconds of audio, for transcription.
fn seconds(raw: &str, report: &mut Report) {
    let [seconds, mistral] = pick(raw, ["seconds", "prompt_audio_seconds"]);
    let seconds = [seconds, mistral]
        .into_iter()
        .flatten()
        .find_map(json::decimal);
    if seconds.is_some() {
        report.totals.audio_seconds = seconds;
        report.clock = Clock::Heard;
    }
}

/// The first of several spellings that holds a count.
fn one(spellings: &[Option<&str>]) -> Option<u64> {
    spellings.iter().flatten().find_map(|raw| count(raw))
}
