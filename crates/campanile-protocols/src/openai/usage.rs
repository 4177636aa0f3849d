//! The usage object of chat completions, of Responses, and of everything that looks like them.

use crate::json::{count, decimal, pick};
use crate::report::{Clock, Report};

/// Reads a usage object. The names of both APIs are looked for, and those that compatible servers use instead:
/// the details are parts, but for xAI's reasoning and Mistral's audio, which stand beside their whole.
pub(crate) fn usage(raw: &str, provider: &str) -> Report {
    let mut report = Report::default();
    let [prompt, input, completion, output, total] = pick(
        raw,
        [
            "prompt_tokens",
            "input_tokens",
            "completion_tokens",
            "output_tokens",
            "total_tokens",
        ],
    );
    report.totals.input_tokens = one(&[prompt, input]);
    report.totals.output_tokens = one(&[completion, output]);
    cache(raw, &mut report);
    details(raw, &mut report);
    seconds(raw, &mut report);
    let chat = prompt.is_some();
    beside(raw, chat, total.and_then(count), provider, &mut report);
    if report.totals.input_tokens.is_none() && report.totals.output_tokens.is_none() {
        // Voyage says the total only, and it is all input.
        report.totals.input_tokens = total.and_then(count);
    }
    report
}

/// The names of the input's and the output's details. OpenAI's threads and transcriptions say "token".
const OF_INPUT: [&str; 4] = [
    "prompt_tokens_details",
    "input_tokens_details",
    "prompt_token_details",
    "input_token_details",
];
const OF_OUTPUT: [&str; 4] = [
    "completion_tokens_details",
    "output_tokens_details",
    "completion_token_details",
    "output_token_details",
];
/// The names of what was read from a cache, and written to one, among the input's details.
const CACHED: [&str; 2] = ["cached_tokens", "cache_read_input_tokens"];
const WRITTEN: [&str; 3] = [
    "cache_write_tokens",
    "cache_creation_tokens",
    "cache_creation_input_tokens",
];

/// Reads the parts that the details name.
fn details(raw: &str, report: &mut Report) {
    let of_input = pick(raw, OF_INPUT).into_iter().flatten().next();
    let of_output = pick(raw, OF_OUTPUT).into_iter().flatten().next();
    let [audio, image, parts, cached_audio] = pick(
        of_input.unwrap_or(""),
        [
            "audio_tokens",
            "image_tokens",
            "cached_tokens_details",
            "cached_audio_tokens",
        ],
    );
    let cached = pick(of_input.unwrap_or(""), CACHED);
    let written = pick(of_input.unwrap_or(""), WRITTEN);
    let totals = &mut report.totals;
    totals.cached_input_tokens = one(&cached).or(totals.cached_input_tokens);
    totals.cache_write_tokens = one(&written).or(totals.cache_write_tokens);
    totals.audio_input_tokens = one(&[audio]);
    report.image_in = one(&[image]);
    let [part_audio, part_image] = pick(parts.unwrap_or(""), ["audio_tokens", "image_tokens"]);
    report.cached_audio = one(&[part_audio, cached_audio]);
    report.cached_image = one(&[part_image]);

    let [reasoning, audio, image] = pick(
        of_output.unwrap_or(""),
        ["reasoning_tokens", "audio_tokens", "image_tokens"],
    );
    totals.reasoning_tokens = one(&[reasoning]).or(totals.reasoning_tokens);
    totals.audio_output_tokens = one(&[audio]);
    report.image_out = one(&[image]);
}

/// Reads what compatible servers put at the top instead.
fn cache(raw: &str, report: &mut Report) {
    let [hits, top, numbered, read, created, written, ages, reasoning] = pick(
        raw,
        [
            "prompt_cache_hit_tokens",
            "cached_tokens",
            "num_cached_tokens",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
            "cache_write_tokens",
            "cache_creation",
            "reasoning_tokens",
        ],
    );
    let totals = &mut report.totals;
    totals.cached_input_tokens = one(&[top, hits, numbered, read]);
    totals.cache_write_tokens = one(&[created, written]);
    totals.reasoning_tokens = one(&[reasoning]);
    let [hour, day] = pick(
        ages.unwrap_or(""),
        ["ephemeral_1h_input_tokens", "ephemeral_24h_input_tokens"],
    );
    if hour.is_some() || day.is_some() {
        let long = [hour, day].into_iter().flatten().filter_map(count);
        report.long_write = Some(long.fold(0, u64::saturating_add));
    }
}

/// Adds what the provider counts beside the whole instead of inside it: the total tells.
fn beside(raw: &str, chat: bool, total: Option<u64>, provider: &str, report: &mut Report) {
    let totals = &mut report.totals;
    let (Some(input), Some(output)) = (totals.input_tokens, totals.output_tokens) else {
        return;
    };
    let parts = input.saturating_add(output);
    let reasoning = totals.reasoning_tokens.unwrap_or(0);
    let adds_up = |more: u64| total == Some(parts.saturating_add(more)) && more > 0;
    if chat && (adds_up(reasoning) || (provider == "xai" && total != Some(parts))) {
        totals.output_tokens = Some(output.saturating_add(reasoning));
    }
    let audio = totals.audio_input_tokens.unwrap_or(0);
    let told = || pick(raw, ["prompt_audio_seconds"])[0].is_some();
    if audio > 0 && (provider == "mistral" || (adds_up(audio) && told())) {
        totals.input_tokens = Some(input.saturating_add(audio));
    }
}

/// Seconds of audio, for transcription.
fn seconds(raw: &str, report: &mut Report) {
    let [seconds, of_prompt] = pick(raw, ["seconds", "prompt_audio_seconds"]);
    let seconds = [seconds, of_prompt].into_iter().flatten().find_map(decimal);
    if seconds.is_some() {
        report.totals.audio_seconds = seconds;
        report.clock = Clock::Heard;
    }
}

/// The first of several spellings that holds a count.
fn one(spellings: &[Option<&str>]) -> Option<u64> {
    spellings.iter().flatten().find_map(|raw| count(raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_beside_its_whole_is_added_where_the_total_says_so() {
        let beside = usage(
            r#"{"prompt_tokens":291,"completion_tokens":26,"total_tokens":513,"completion_tokens_details":{"reasoning_tokens":196}}"#,
            "gateway",
        );
        let inside = usage(
            r#"{"prompt_tokens":17,"completion_tokens":128,"total_tokens":145,"completion_tokens_details":{"reasoning_tokens":130}}"#,
            "gateway",
        );

        assert_eq!(beside.totals.output_tokens, Some(222));
        assert_eq!(inside.totals.output_tokens, Some(128));
    }

    #[test]
    fn audio_of_a_transcript_stands_beside_the_prompt() {
        let report = usage(
            r#"{"prompt_audio_seconds":3,"prompt_tokens":4,"completion_tokens":6,"total_tokens":385,"prompt_tokens_details":{"audio_tokens":375}}"#,
            "mistral",
        );

        assert_eq!(report.totals.input_tokens, Some(379));
        assert_eq!(report.totals.audio_input_tokens, Some(375));
        assert_eq!(report.totals.audio_seconds.unwrap().to_string(), "3");
    }

    #[test]
    fn each_spelling_of_a_cache_is_read() {
        for raw in [
            r#"{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":5}}"#,
            r#"{"input_tokens":9,"input_tokens_details":{"cached_tokens":5}}"#,
            r#"{"input_tokens":9,"input_token_details":{"cached_tokens":5}}"#,
            r#"{"prompt_tokens":9,"num_cached_tokens":5}"#,
            r#"{"prompt_tokens":9,"prompt_cache_hit_tokens":5,"prompt_cache_miss_tokens":4}"#,
            r#"{"prompt_tokens":9,"cached_tokens":5}"#,
            r#"{"prompt_tokens":9,"cache_read_input_tokens":5}"#,
            r#"{"input_tokens":9,"input_tokens_details":{"cache_read_input_tokens":5}}"#,
        ] {
            let totals = usage(raw, "any").totals;
            assert_eq!(
                (totals.input_tokens, totals.cached_input_tokens),
                (Some(9), Some(5)),
                "{raw}"
            );
        }
    }

    #[test]
    fn a_total_alone_is_input() {
        assert_eq!(
            usage(r#"{"total_tokens":18}"#, "voyage")
                .totals
                .input_tokens,
            Some(18)
        );
    }
}
