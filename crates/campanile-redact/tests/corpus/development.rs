//! The labelled development corpus. It lies outside the repository; without it the tests say so and pass.
//!
//! `cargo test -p campanile-redact --test corpus -- --nocapture` prints the table; with `SCORE_LEAKS=1` also each miss.

use crate::scoring::{self, CONTEXT, NAME, SHAPE, Sentence, Span};
use campanile_redact::Redactor;
use serde_json::Value;
use std::io::Read;
use std::path::Path;

fn corpus() -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/pii-dev.jsonl.gz");
    let path = std::env::var_os("PII_CORPUS").map_or(path, Into::into);
    let file = std::fs::File::open(path).ok()?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}

fn sentence(line: &Value) -> Sentence {
    let span = |span: &Value| Span {
        start: span["start"].as_u64().unwrap() as usize,
        end: span["end"].as_u64().unwrap() as usize,
        kind: span["type"].as_str().unwrap().to_owned(),
    };
    Sentence {
        text: line["text"].as_str().unwrap().to_owned(),
        source: line["source"].as_str().unwrap().to_owned(),
        labels: line["spans"].as_array().unwrap().iter().map(span).collect(),
        name: Some(line["id"].to_string()),
    }
}

/// No worse than this; the figures that the corpus really reaches are a little better.
#[test]
fn the_corpus_scores_at_least_what_it_did() {
    let Some(corpus) = corpus() else {
        println!("skipped: no corpus next to the workspace");
        return;
    };

    let lines = corpus
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let sentences: Vec<Sentence> = lines.map(|line| sentence(&line)).collect();
    let score = scoring::score(&Redactor::standard(), &sentences);

    scoring::print(&score);
    let (shape, context, name) = (score.group(SHAPE), score.group(CONTEXT), score.group(NAME));
    for kind in [
        "API_KEY",
        "JWT",
        "PRIVATE_KEY",
        "URL_CREDENTIALS",
        "PASSWORD",
    ] {
        assert_eq!(score.group(&[kind]).leaked_labels, 0, "{kind}");
    }
    for kind in SHAPE {
        assert!(score.group(&[kind]).leak() <= 0.5, "{kind}");
    }
    assert!(shape.f1() >= 99.0 && context.leak() <= 1.0 && context.f1() >= 98.0);
    assert!(name.leak() <= 8.0 && name.f1() >= 88.0);
    assert!(score.voice.leak() <= 0.5);
    assert!(score.harmless_masked() <= 0.1);
    assert_eq!(score.harmless["negative"].1, 0);
}

#[test]
fn masking_the_corpus_again_changes_nothing() {
    let redactor = Redactor::standard();

    for line in corpus().iter().flat_map(|corpus| corpus.lines()) {
        let line: Value = serde_json::from_str(line).unwrap();
        let masked = redactor.mask(line["text"].as_str().unwrap());
        assert_eq!(redactor.mask(&masked), masked);
    }
}

/// All lines in one stream, in pieces of seven bytes: nothing that has a shape may come out.
#[test]
fn a_stream_of_the_corpus_lets_no_shape_through() {
    let redactor = Redactor::standard();
    let (mut out, mut stream) = (String::new(), redactor.stream());
    let mut secrets = Vec::new();

    for line in corpus().iter().flat_map(|corpus| corpus.lines()) {
        let line: Value = serde_json::from_str(line).unwrap();
        let chars: Vec<char> = line["text"].as_str().unwrap().chars().collect();
        for span in line["spans"].as_array().unwrap() {
            let at = |name: &str| span[name].as_u64().unwrap() as usize;
            if SHAPE.contains(&span["type"].as_str().unwrap()) {
                secrets.push(chars[at("start")..at("end")].iter().collect::<String>());
            }
        }
        for piece in chars.chunks(7) {
            stream.push(&piece.iter().collect::<String>(), &mut out);
        }
        stream.push("\n", &mut out);
    }
    stream.finish(&mut out);

    let leaked: Vec<_> = secrets
        .iter()
        .filter(|secret| out.contains(secret.as_str()))
        .collect();
    if std::env::var_os("SCORE_LEAKS").is_some() {
        println!("{leaked:?}");
    }
    assert!(leaked.is_empty(), "{} of {}", leaked.len(), secrets.len());
}
