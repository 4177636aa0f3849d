//! The pure parts as filters.

use crate::support::{Done, Home, campanile};
use serde_json::Value;
use std::io::Read;
use std::path::PathBuf;

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

/// A file of shared data; `None`, and a note, where it is not at hand.
fn shared(name: &str) -> Option<Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            println!("skipped: {}: {error}", path.display());
            None
        }
    }
}

#[test]
fn recorded_responses_give_their_totals() {
    let Some(input) = shared("provider-responses-dev.jsonl") else {
        return;
    };
    let known = lines(std::str::from_utf8(&input).unwrap());

    let found = lines(&campanile(&["usage"], &input).good());

    assert_eq!(found.len(), known.len());
    for (found, known) in found.iter().zip(&known) {
        assert_eq!(found["id"], known["id"]);
        for (field, expected) in known["expected"].as_object().unwrap() {
            let found = &found["usage"][field];
            let same = found == expected
                || found.as_f64().is_some() && found.as_f64() == expected.as_f64();
            assert!(same, "{}: {field}: {found} is not {expected}", known["id"]);
        }
    }
}

#[test]
fn costs_are_those_that_three_calculators_agree_on() {
    let Some(input) = shared("costs-dev.jsonl") else {
        return;
    };
    let known = lines(std::str::from_utf8(&input).unwrap());

    let found = lines(&campanile(&["cost"], &input).good());

    assert_eq!(found.len(), known.len());
    let wrong: Vec<_> = found
        .iter()
        .zip(&known)
        .filter(|(found, known)| {
            known["tolerance_usd"] == "0"
                && known["expected_fraction"].is_null()
                && found["usd"] != known["expected_usd"]
        })
        .map(|(found, known)| {
            format!(
                "{}: {} is not {}",
                known["id"], found["usd"], known["expected_usd"]
            )
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn masking_hides_what_the_spans_point_at() {
    let Some(packed) = shared("pii-dev.jsonl.gz") else {
        return;
    };
    let mut input = String::new();
    flate2::read::GzDecoder::new(&packed[..])
        .read_to_string(&mut input)
        .unwrap();
    let texts = lines(&input);

    let spans = lines(&campanile(&["redact", "--jsonl", "--spans"], &input).good());
    let masked = lines(&campanile(&["redact", "--jsonl"], &input).good());

    assert_eq!((spans.len(), masked.len()), (texts.len(), texts.len()));
    for ((text, spans), masked) in texts.iter().zip(&spans).zip(&masked) {
        let chars: Vec<char> = text["text"].as_str().unwrap().chars().collect();
        let mut rest = String::new();
        let mut from = 0;
        for span in spans["spans"].as_array().unwrap() {
            let (start, end) = (
                span["start"].as_u64().unwrap() as usize,
                span["end"].as_u64().unwrap() as usize,
            );
            rest.extend(&chars[from..start]);
            rest.push('\u{0}');
            from = end;
        }
        rest.extend(&chars[from..]);
        // What stands between the spans stands between the tags.
        let mut left = masked["text"].as_str().unwrap();
        for piece in rest.split('\u{0}') {
            let at = left
                .find(piece)
                .unwrap_or_else(|| panic!("{}: {piece}", text["id"]));
            left = &left[at + piece.len()..];
        }
        assert_eq!(masked["id"], text["id"]);
    }
}

fn cost(usage: &str) -> Done {
    let line = format!(
        r#"{{"id":"x","provider":"openai","model":"gpt-4o-mini","at":"2026-11-15T12:00:00Z","usage":{usage}}}"#
    );
    campanile(&["cost"], line)
}

#[test]
fn a_cost_is_exact_or_says_why_not() {
    let exact = &lines(
        &cost(r#"{"input_tokens":20000,"cache_read_tokens":16384,"output_tokens":321}"#).good(),
    )[0];
    assert_eq!(
        (exact["usd"].as_str(), exact["exact"].as_bool()),
        (Some("0.0019638"), Some(true))
    );
    assert_eq!(exact["lines"].as_array().unwrap().len(), 3);

    let odd = &lines(&cost(r#"{"input_tokens":10,"cached_input_tokens":16}"#).good())[0];
    assert_eq!(
        (&odd["usd"], &odd["exact"]),
        (&Value::Null, &Value::Bool(false))
    );
    assert!(
        odd["why"]
            .as_array()
            .unwrap()
            .contains(&Value::from("contradiction"))
    );

    let unknown = campanile(
        &["cost"],
        r#"{"provider":"newcomer","model":"m","at":"2026-11-15T12:00:00Z","usage":{"input_tokens":1}}"#,
    );
    let unknown = &lines(&unknown.good())[0];
    assert_eq!(
        (&unknown["usd"], &unknown["at_most"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(unknown["why"], serde_json::json!(["unknown_model"]));
}

#[test]
fn one_filter_feeds_the_other() {
    let line = r#"{"id":"r","provider":"openai","endpoint":"openai.chat.completions","status":200,"body":"{\"model\":\"gpt-4o-mini\",\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":10}}"}"#;
    let usage = campanile(&["usage"], line).good();

    let cost = campanile(
        &["cost", "--provider", "openai", "--at", "2026-11-15"],
        &usage,
    )
    .good();

    assert_eq!(lines(&cost)[0]["usd"], "0.000156");
    let nobody = campanile(&["cost"], &usage);
    assert_eq!(
        nobody.err,
        "line 1: missing field `at`; --at says it for all lines\n"
    );
}

#[test]
fn what_cannot_be_priced_is_no_zero() {
    for (usage, why) in [
        (r#"{"input_token":1}"#, "usage.input_token: is no count"),
        (
            r#"{"input_tokens":"many"}"#,
            "usage.input_tokens: is no whole number",
        ),
        (
            r#"{"audio_seconds":"a minute"}"#,
            "usage.audio_seconds: is no decimal number",
        ),
        (
            r#"{"mode":"loud"}"#,
            "usage.mode: is `streaming` or `prerecorded`",
        ),
        (r#"[]"#, "invalid type: sequence"),
    ] {
        let done = cost(usage);
        assert_eq!((done.code, done.out.as_str()), (1, ""), "{usage}");
        assert!(
            done.err.starts_with("line 1: ") && done.err.contains(why),
            "{}",
            done.err
        );
    }
}

#[test]
fn a_number_that_counts_nothing_is_a_range_with_a_reason() {
    for number in [
        "-1",
        "1.5",
        "1e400",
        "18446744073709551616",
        "NaN",
        "-Infinity",
        "1,\"input_tokens\":2",
    ] {
        let usage = format!(r#"{{"input_tokens":{number},"output_tokens":10}}"#);
        let told = &lines(&cost(&usage).good())[0];
        assert_eq!(told["at_least"], "0.000006", "{number}: {told}");
        assert_eq!(told["exact"], false, "{number}");
        let why = told["why"].to_string();
        assert!(why.contains("contradiction"), "{number}: {why}");
    }

    let part = r#"{"input_tokens":1000,"cached_input_tokens":-3,"output_tokens":10}"#;
    let told = &lines(&cost(part).good())[0];
    assert!(told["at_most"].is_string(), "{told}");

    let written_otherwise = r#"{"input_tokens":1e3,"output_tokens":10.0}"#;
    assert_eq!(lines(&cost(written_otherwise).good())[0]["usd"], "0.000156");
}

#[test]
fn a_bad_line_is_told_and_the_rest_goes_on() {
    let deep = "[".repeat(100_000);
    let good = r#"{"id":7,"body":"{\"model\":\"m\",\"usage\":{\"prompt_tokens\":2}}","endpoint":"openai.chat.completions","provider":"openai"}"#;
    let mut input = format!("{good}\nnot json\n{{}}\n{deep}\n\n").into_bytes();
    input.extend(b"{\"body\":\"\xff\"}\n");
    input.extend(good.as_bytes());

    let done = campanile(&["usage"], input);

    assert_eq!(done.code, 1);
    assert_eq!(lines(&done.out).len(), 2);
    let told: Vec<_> = done
        .err
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(told, ["line 2", "line 3", "line 4", "line 6"]);
}

#[test]
fn a_line_without_an_end_is_refused_and_not_kept() {
    let mut input = vec![b'x'; (64 << 20) + 1];
    input.extend(b"\nafter\n");

    let done = campanile(&["redact"], input);

    assert_eq!((done.code, done.out.as_str()), (1, "after\n"));
    assert_eq!(done.err, "line 1: longer than 64 MiB\n");
}

#[test]
fn meters_are_counted_apart_on_request() {
    let line = r#"{"id":"r","provider":"openai","endpoint":"openai.chat.completions","transport":"json","status":200,"body":"{\"model\":\"m\",\"usage\":{\"prompt_tokens\":118,\"completion_tokens\":15,\"prompt_tokens_details\":{\"cached_tokens\":64}}}"}"#;
    let found = &lines(&campanile(&["usage", "--disjoint"], line).good())[0]["usage"];
    assert_eq!(
        (&found["input_tokens"], &found["cached_input_tokens"]),
        (&Value::from(54), &Value::from(64))
    );
    assert_eq!(found["evidence"], "reported");
}

#[test]
fn text_is_masked_and_a_key_is_one_text() {
    let edge = |word: &str| format!("-----{word} PRIVATE KEY-----");
    let key = format!("{}\nQUJD\nREVG\n{}", edge("BEGIN"), edge("END"));
    let input = format!("my card is 4111 1111 1111 1111\n\n{key}\nbye\n");

    let done = campanile(&["redact"], &input);

    assert_eq!(done.good(), "my card is [CARD]\n\n[PRIVATE_KEY]\nbye\n");
    let cut = campanile(&["redact"], format!("{}\nQUJD\n", edge("BEGIN")));
    assert!(!cut.good().contains("QUJD"));
}

#[test]
fn spans_count_characters_and_explain_names_the_rule() {
    let text = "\u{e9}\u{1f600} my card is 4111 1111 1111 1111";
    let spans = campanile(&["redact", "--spans"], text).good();
    assert_eq!(
        spans,
        "{\"spans\":[{\"start\":14,\"end\":33,\"type\":\"CREDIT_CARD\"}]}\n"
    );
    let explained = campanile(&["redact", "--explain"], text).good();
    assert!(explained.contains(r#""rule":"card""#), "{explained}");
}

#[test]
fn text_that_is_not_utf_8_does_not_pass() {
    let done = campanile(&["redact"], b"good\n\xff 4111 1111 1111 1111\nbye\n");
    assert_eq!((done.code, done.out.as_str()), (1, "good\nbye\n"));
    assert_eq!(done.err, "line 2: not UTF-8 (byte 1)\n");
}

#[test]
fn prices_are_listed_explained_and_checked() {
    let list = campanile(
        &["prices", "list", "deepgram", "nova-3", "--format", "json"],
        "",
    )
    .good();
    assert!(
        lines(&list)
            .iter()
            .any(|row| row["mode"] == "streaming" && row["rates"][0]["usd"] == "0.0048/minute")
    );
    assert!(
        campanile(&["prices", "list", "deepgram"], "")
            .good()
            .starts_with("vendor")
    );
    assert!(
        campanile(&["prices", "list", "deepgram", "--format", "csv"], "")
            .good()
            .starts_with("vendor,models,")
    );

    let explained = campanile(
        &[
            "prices",
            "explain",
            "deepgram",
            "nova-3",
            "--mode",
            "streaming",
        ],
        "",
    )
    .good();
    assert!(
        explained.contains("0.0048/minute") && explained.contains("source"),
        "{explained}"
    );
    let unknown = campanile(&["prices", "explain", "deepgram", "nova-99"], "");
    assert_eq!(unknown.code, 1);
    assert!(
        unknown
            .err
            .contains("`campanile prices list deepgram` lists its models"),
        "{}",
        unknown.err
    );

    let checked = campanile(&["prices", "check"], "");
    assert_eq!(checked.code, 0, "{}", checked.out);
}

#[test]
fn redaction_follows_the_file() {
    let home = Home::new();
    let file = home.dir().join("campanile.toml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    let redact = |input: &str| {
        let file = file.to_str().unwrap();
        campanile(&["--config", file, "redact", "--explain"], input)
    };
    write(
        "[redact]\nwords = [\"zephyr\"]\n[[redact.rule]]\nname = \"ticket\"\npattern = \"TCK-[0-9]+\"\n",
    );

    let explained = redact("TCK-77 of Zephyr").good();
    assert_eq!(
        explained,
        "{\"spans\":[{\"start\":0,\"end\":6,\"type\":\"CUSTOM\",\"rule\":\"ticket\"},\
         {\"start\":10,\"end\":16,\"type\":\"CUSTOM\",\"rule\":\"user_word\"}]}\n"
    );

    write("[[redact.rule]]\nname = \"all\"\npattern = \".+\"\n");
    let refused = redact("x");
    assert_eq!((refused.code, refused.out.as_str()), (2, ""));
    assert!(
        refused
            .err
            .ends_with("rule `all` of `redact.rule` finds most of any text\n")
    );
}
