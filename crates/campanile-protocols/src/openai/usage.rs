//! The usage object of chat completions, of Responses, and of everything that looks like them.

use crate::json::{count, decimal, pick};
use crate::report::{Clock, Report};

/// Reads a usage object. The names of both APIs are looked for, and those that compatible servers use instead:
/// the details are parts, but for xAI's reasoning and Mistral's audio, which stand beside their whole.
pub(crate) fn usage(raw: &str, provider: &str) -> Report {
    let mut report = Report::default();
    // One pass: some servers report in every chunk.
    let fields = pick(raw, KEYS);
    let [prompt, input, completion, output, total, fields @ ..] = fields;
    let [seconds_heard, prompt_seconds, fields @ ..] = fields;
    let [i, i2, i3, i4, o, o2, o3, o4, elsewhere @ ..] = fields;
    report.totals.input_tokens = one(&[prompt, input]);
    report.totals.output_tokens = one(&[completion, output]);
    cache(elsewhere, &mut report);
    details(i.or(i2).or(i3).or(i4), o.or(o2).or(o3).or(o4), &mut report);
    seconds([seconds_heard, prompt_seconds], &mut report);
    let total = total.and_then(count);
    beside(
        prompt.is_some(),
        prompt_seconds.is_some(),
        total,
        provider,
        &mut report,
    );
    if report.totals.input_tokens.is_none() && report.totals.output_tokens.is_none() {
        // Voyage says the total only, and it is all input.
        report.totals.input_tokens = total;
    }
    report
}

/// The keys of a usage object: the counts; seconds; the details of the input and of the output, where OpenAI's threads
/// and transcriptions say "token"; and what compatible servers put at the top instead.
const KEYS: [&str; 23] = [
    "prompt_tokens",
    "input_tokens",
    "completion_tokens",
    "output_tokens",
    "total_tokens",
    "seconds",
    "prompt_audio_seconds",
    "prompt_tokens_details",
    "input_tokens_details",
    "prompt_token_details",
    "input_token_details",
    "completion_tokens_details",
    "output_tokens_details",
    "completion_token_details",
    "output_token_details",
    "prompt_cache_hit_tokens",
    "cached_tokens",
    "num_cached_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_write_tokens",
    "cache_creation",
    "reasoning_tokens",
];

/// Reads the parts that the details name: what was read from a cache, and written to one, has several names.
fn details(of_input: Option<&str>, of_output: Option<&str>, report: &mut Report) {
    let totals = &mut report.totals;
    if let Some(of_input) = of_input {
        let [
            audio,
            image,
            parts,
            cached_audio,
            cached,
            cached_too,
            written @ ..,
        ] = pick(
            of_input,
            [
                "audio_tokens",
                "image_tokens",
                "cached_tokens_details",
                "cached_audio_tokens",
                "cached_tokens",
                "cache_read_input_tokens",
                "cache_write_tokens",
                "cache_creation_tokens",
                "cache_creation_input_tokens",
            ],
        );
        totals.cached_input_tokens = one(&[cached, cached_too]).or(totals.cached_input_tokens);
        totals.cache_write_tokens = one(&written).or(totals.cache_write_tokens);
        totals.audio_input_tokens = one(&[audio]);
        report.image_in = one(&[image]);
        let [part_audio, part_image] = pick(parts.unwrap_or(""), ["audio_tokens", "image_tokens"]);
        report.cached_audio = one(&[part_audio, cached_audio]);
        report.cached_image = one(&[part_image]);
    }
    if let Some(of_output) = of_output {
        let [reasoning, audio, image] = pick(
            of_output,
            ["reasoning_tokens", "audio_tokens", "image_tokens"],
        );
        totals.reasoning_tokens = one(&[reasoning]).or(totals.reasoning_tokens);
        totals.audio_output_tokens = one(&[audio]);
        report.image_out = one(&[image]);
    }
}

/// Reads what compatible servers put at the top instead.
fn cache(elsewhere: [Option<&str>; 8], report: &mut Report) {
    let [hits, top, numbered, read, created, written, ages, reasoning] = elsewhere;
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
fn beside(chat: bool, says_seconds: bool, total: Option<u64>, provider: &str, report: &mut Report) {
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
    if audio > 0 && (provider == "mistral" || (adds_up(audio) && says_seconds)) {
        totals.input_tokens = Some(input.saturating_add(audio));
    }
}

/// Seconds of audio, for transcription.
fn seconds(said: [Option<&str>; 2], report: &mut Report) {
    let seconds = said.into_iter().flatten().find_map(decimal);
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
