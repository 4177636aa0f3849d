//! Servers with a shape of their own: Ollama, llama.cpp, LM Studio, SGLang, watsonx, text-generation-inference, Aleph
//! Alpha, Replicate, Vercel's gateway, and the gateways that wrap a body in an envelope.

use crate::failure;
use crate::json::{self, at, count, items, pick};
use crate::openai::usage;
use crate::report::Report;
use crate::wire::{Out, Read};

/// Decodes one reply.
pub type Decoder = crate::Decoder<Local>;

/// Reads replies; see [`Decoder`].
#[derive(Debug, Default)]
pub struct Local(());

impl Read for Local {
    fn message(&mut self, event: &str, message: &str, out: &mut Out<'_>) {
        // An envelope holds the reply beside its own fields. One: a peer could fill the stack with more.
        let [wrapped] = pick(message, ["result"]);
        if let Some(inner) = wrapped.filter(|raw| raw.starts_with('{')) {
            reply("", inner, out);
        }
        reply(event, message, out);
    }
}

fn reply(event: &str, message: &str, out: &mut Out<'_>) {
    let [model, model_id, error, reported, results] =
        pick(message, ["model", "model_id", "error", "usage", "results"]);
    out.model(model.or(model_id));
    let failed = error.is_some_and(|error| error.starts_with(['{', '"']) && error.len() > 2);
    if failed || event == "error" {
        out.failure(failure::read(message));
    }
    text(message, out);
    let mut report = counts(message);
    if let Some(results) = results {
        items(results, |result| watsonx(result, &mut report, out));
    }
    if let Some(raw) = reported.filter(|raw| raw.starts_with('{')) {
        let named = usage(raw, out.provider());
        if named.says_something() {
            report = named;
        }
    }
    if report.says_something() {
        merge(report, out);
    }
}

/// Where servers put their counts beside their text; the first that is there counts.
const INPUT: [&[&str]; 8] = [
    &["prompt_eval_count"],
    &["num_tokens_prompt_total"],
    &["tokens_evaluated"],
    &["metrics", "input_token_count"],
    &["meta_info", "prompt_tokens"],
    &["stats", "input_tokens"],
    &["input_token_count"],
    &["usage", "inputTokens"],
];
const OUTPUT: [&[&str]; 7] = [
    &["eval_count"],
    &["num_tokens_generated"],
    &["tokens_predicted"],
    &["details", "generated_tokens"],
    &["metrics", "output_token_count"],
    &["meta_info", "completion_tokens"],
    &["stats", "total_output_tokens"],
];
const CACHED: [&[&str]; 3] = [
    &["meta_info", "cached_tokens"],
    &["usage", "cachedInputTokens"],
    &["usage", "inputTokens", "cacheRead"],
];
const REASONING: [&[&str]; 3] = [
    &["stats", "reasoning_output_tokens"],
    &["usage", "reasoningTokens"],
    &["usage", "outputTokens", "reasoning"],
];

/// Reads the counts that servers put beside their text.
fn counts(message: &str) -> Report {
    let find = |paths: &[&[&str]]| {
        paths
            .iter()
            .find_map(|path| at(message, path).and_then(count))
    };
    let mut report = Report::default();
    let totals = &mut report.totals;
    totals.input_tokens = find(&INPUT).or_else(|| find(&[&["usage", "inputTokens", "total"]]));
    totals.output_tokens = find(&OUTPUT).or_else(|| {
        find(&[
            &["usage", "outputTokens"],
            &["usage", "outputTokens", "total"],
        ])
    });
    totals.cached_input_tokens = find(&CACHED);
    totals.cache_write_tokens = find(&[&["usage", "inputTokens", "cacheWrite"]]);
    totals.reasoning_tokens = find(&REASONING);
    report
}

/// One result of watsonx: the input stands in the first event and is zero in the others.
fn watsonx(result: &str, report: &mut Report, out: &mut Out<'_>) {
    let [input, made, text] = pick(
        result,
        [
            "input_token_count",
            "generated_token_count",
            "generated_text",
        ],
    );
    report.totals.input_tokens = input.and_then(count).or(report.totals.input_tokens);
    report.totals.output_tokens = made.and_then(count).or(report.totals.output_tokens);
    if let Some(text) = text.and_then(json::filled) {
        out.delta(&text);
    }
}

/// First non-zero in, last out.
fn merge(mut report: Report, out: &mut Out<'_>) {
    let known = &out.reported().totals;
    if known.input_tokens.is_some_and(|known| known > 0) {
        report.totals.input_tokens = known.input_tokens;
    }
    report.totals.output_tokens = report.totals.output_tokens.or(known.output_tokens);
    out.report().replace(report);
}

fn text(message: &str, out: &mut Out<'_>) {
    let [chat, response, generated, token, completion] = pick(
        message,
        ["message", "response", "generated_text", "token", "value"],
    );
    let [content, thinking, tools] =
        pick(chat.unwrap_or(""), ["content", "thinking", "tool_calls"]);
    let [piece] = pick(token.unwrap_or(""), ["text"]);
    // A stream of tokens repeats its whole text at the end.
    let generated = generated.filter(|_| token.is_none());
    for text in [content, response, generated, piece, completion]
        .into_iter()
        .flatten()
    {
        if let Some(text) = json::filled(text) {
            out.delta(&text);
        }
    }
    for unspoken in [thinking, tools].into_iter().flatten() {
        if !matches!(unspoken, "\"\"" | "[]") {
            out.unspoken(unspoken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::{Decode, Facts, Frame, Noted};

    fn read(body: &str) -> (Decoder, Noted) {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        decoder.received(Frame::Body(body.as_bytes()), &mut noted);
        decoder.ended(&mut noted);
        (decoder, noted)
    }

    #[test]
    fn a_cached_prompt_of_ollama_is_unknown_not_zero() {
        let (decoder, noted) = read(
            "{\"model\":\"m:1b\",\"response\":\"Hi\",\"done\":false}\n{\"model\":\"m:1b\",\"response\":\"\",\"done\":true,\"eval_count\":51}\n",
        );

        assert_eq!(decoder.inclusive().output_tokens, Some(51));
        assert_eq!(decoder.inclusive().input_tokens, None);
        assert_eq!(noted.spoken(), Some("Hi"));
    }

    #[test]
    fn watsonx_says_its_input_first_and_its_output_last() {
        let (decoder, _) = read(
            "id: 1\nevent: message\ndata: {\"model_id\":\"m\",\"results\":[{\"generated_text\":\"a\",\"generated_token_count\":1,\"input_token_count\":7}]}\n\nid: 2\nevent: message\ndata: {\"model_id\":\"m\",\"results\":[{\"generated_text\":\"b\",\"generated_token_count\":2,\"input_token_count\":0}]}\n\n",
        );

        assert_eq!(decoder.inclusive().input_tokens, Some(7));
        assert_eq!(decoder.inclusive().output_tokens, Some(2));
    }

    #[test]
    fn each_server_has_its_own_words() {
        for (body, input, output) in [
            (
                r#"{"content":"Hi","tokens_evaluated":5,"tokens_predicted":2}"#,
                Some(5),
                2,
            ),
            (
                r#"{"completions":[],"num_tokens_prompt_total":5,"num_tokens_generated":2}"#,
                Some(5),
                2,
            ),
            (
                r#"[{"generated_text":"Hi","details":{"generated_tokens":2}}]"#,
                None,
                2,
            ),
            (
                r#"{"output":[],"metrics":{"input_token_count":5,"output_token_count":2}}"#,
                Some(5),
                2,
            ),
            (
                r#"{"text":"Hi","meta_info":{"prompt_tokens":5,"completion_tokens":2,"cached_tokens":0}}"#,
                Some(5),
                2,
            ),
            (
                r#"{"output":[],"stats":{"input_tokens":5,"total_output_tokens":2}}"#,
                Some(5),
                2,
            ),
            (
                r#"{"content":[],"finishReason":"stop","usage":{"inputTokens":5,"outputTokens":2,"totalTokens":7}}"#,
                Some(5),
                2,
            ),
            (
                r#"data: {"type":"finish","usage":{"inputTokens":{"total":5,"cacheRead":1},"outputTokens":{"total":2,"reasoning":0}}}"#,
                Some(5),
                2,
            ),
        ] {
            let (decoder, _) = read(body);
            assert_eq!(decoder.inclusive().input_tokens, input, "{body}");
            assert_eq!(decoder.inclusive().output_tokens, Some(output), "{body}");
        }
    }

    #[test]
    fn an_error_in_words_is_a_failure() {
        let (_, noted) = read(r#"{"error":"model 'x' not found"}"#);

        assert!(Facts::failure(&noted).is_some());
    }
}
