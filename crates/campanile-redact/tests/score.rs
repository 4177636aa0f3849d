//! Scores the detectors on the labelled development corpus: what leaks, what is masked for nothing, what gets the
//! wrong name. The corpus lives outside the repository; without it the test says so and passes.
//!
//! `cargo test -p campanile-redact --test score -- --nocapture` prints the table; with `SCORE_LEAKS=1` also each miss.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that prints a table, outside of its test functions too"
)]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use campanile_redact::Redactor;
use serde_json::Value;

const SHAPE: &[&str] = &[
    "EMAIL",
    "PHONE",
    "CREDIT_CARD",
    "IBAN",
    "US_SSN",
    "IP_ADDRESS",
    "MAC_ADDRESS",
    "CRYPTO",
    "URL_CREDENTIALS",
    "API_KEY",
    "JWT",
    "PRIVATE_KEY",
];
const CONTEXT: &[&str] = &[
    "DATE_OF_BIRTH",
    "AUTH_CODE",
    "PASSWORD",
    "BANK_ACCOUNT",
    "DRIVER_LICENSE",
];
const NAME: &[&str] = &["PERSON", "ADDRESS"];

struct Span {
    start: usize,
    end: usize,
    kind: String,
}

#[derive(Default)]
struct Tally {
    labels: usize,
    leaked_labels: usize,
    chars: usize,
    leaked: usize,
    hits: usize,
    predicted: usize,
}

impl Tally {
    fn leak(&self) -> f64 {
        100.0 * self.leaked as f64 / self.chars.max(1) as f64
    }

    fn f1(&self) -> f64 {
        200.0 * self.hits as f64 / (self.labels + self.predicted).max(1) as f64
    }

    fn add(&mut self, other: &Self) {
        self.labels += other.labels;
        self.leaked_labels += other.leaked_labels;
        self.chars += other.chars;
        self.leaked += other.leaked;
        self.hits += other.hits;
        self.predicted += other.predicted;
    }
}

#[derive(Default)]
struct Score {
    kinds: BTreeMap<String, Tally>,
    /// Letters and digits of harmless text, and how many of them were masked: by source.
    harmless: BTreeMap<String, (usize, usize)>,
    voice: Tally,
}

impl Score {
    fn group(&self, kinds: &[&str]) -> Tally {
        let mut sum = Tally::default();
        kinds
            .iter()
            .filter_map(|kind| self.kinds.get(*kind))
            .for_each(|tally| sum.add(tally));
        sum
    }

    fn harmless_masked(&self) -> f64 {
        let (all, masked) = self
            .harmless
            .values()
            .fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        100.0 * masked as f64 / all.max(1) as f64
    }
}

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

fn score(redactor: &Redactor, corpus: &str) -> Score {
    let mut score = Score::default();
    for line in corpus.lines() {
        line_score(redactor, &serde_json::from_str(line).unwrap(), &mut score);
    }
    score
}

fn line_score(redactor: &Redactor, line: &Value, score: &mut Score) {
    let text = line["text"].as_str().unwrap();
    let source = line["source"].as_str().unwrap();
    let place: BTreeMap<usize, usize> = text
        .char_indices()
        .map(|(byte, _)| byte)
        .chain([text.len()])
        .enumerate()
        .map(|(at, byte)| (byte, at))
        .collect();
    let chars: Vec<char> = text.chars().collect();
    let finds: Vec<Span> = redactor
        .scan(text)
        .iter()
        .map(|find| Span {
            start: place[&find.start],
            end: place[&find.end],
            kind: find.kind.label().to_owned(),
        })
        .collect();
    let labels: Vec<Span> = line["spans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|span| Span {
            start: span["start"].as_u64().unwrap() as usize,
            end: span["end"].as_u64().unwrap() as usize,
            kind: span["type"].as_str().unwrap().to_owned(),
        })
        .collect();
    let within = |at: usize, spans: &[Span]| {
        spans
            .iter()
            .any(|span| (span.start..span.end).contains(&at))
    };

    for label in &labels {
        let tally = score.kinds.entry(label.kind.clone()).or_default();
        let meant: Vec<usize> = (label.start..label.end)
            .filter(|at| chars[*at].is_alphanumeric())
            .collect();
        let leaked = meant.iter().filter(|at| !within(**at, &finds)).count();
        let hit = finds
            .iter()
            .any(|find| find.kind == label.kind && overlap(find, label) >= 0.5);
        let part = Tally {
            labels: 1,
            leaked_labels: usize::from(leaked > 0),
            chars: meant.len(),
            leaked,
            hits: usize::from(hit),
            predicted: 0,
        };
        tally.add(&part);
        let counted =
            SHAPE.contains(&label.kind.as_str()) || CONTEXT.contains(&label.kind.as_str());
        if source == "voice" && counted {
            score.voice.add(&part);
        }
        if (counted || NAME.contains(&label.kind.as_str()))
            && (leaked > 0 || !hit)
            && std::env::var_os("SCORE_LEAKS").is_some()
        {
            println!(
                "MISS {} {source} {} leaked {leaked} of {}: {text:?} -> {:?}",
                line["id"],
                label.kind,
                meant.len(),
                redactor.mask(text)
            );
        }
    }
    for find in &finds {
        let neutral = labels.iter().any(|label| {
            !SHAPE.contains(&label.kind.as_str())
                && !CONTEXT.contains(&label.kind.as_str())
                && !NAME.contains(&label.kind.as_str())
                && overlap(find, label) > 0.0
        });
        if !neutral {
            score.kinds.entry(find.kind.clone()).or_default().predicted += 1;
        }
    }
    let harmless: Vec<usize> = (0..chars.len())
        .filter(|at| chars[*at].is_alphanumeric() && !within(*at, &labels))
        .collect();
    let masked = harmless.iter().filter(|at| within(**at, &finds)).count();
    if masked > 0 && std::env::var_os("SCORE_LEAKS").is_some() {
        println!(
            "HARMLESS {} {source} {masked}: {text:?} -> {:?}",
            line["id"],
            redactor.mask(text)
        );
    }
    let sum = score.harmless.entry(source.to_owned()).or_default();
    *sum = (sum.0 + harmless.len(), sum.1 + masked);
}

fn overlap(a: &Span, b: &Span) -> f64 {
    let shared = a.end.min(b.end).saturating_sub(a.start.max(b.start));
    shared as f64 / (a.end.max(b.end) - a.start.min(b.start)).max(1) as f64
}

fn print(score: &Score) {
    println!(
        "{:16} {:>6} {:>6} {:>8} {:>8} {:>6}",
        "type", "labels", "hits", "leaked", "leak %", "F1"
    );
    for (kind, tally) in &score.kinds {
        println!(
            "{kind:16} {:6} {:6} {:8} {:8.2} {:6.1}",
            tally.labels,
            tally.hits,
            tally.leaked_labels,
            tally.leak(),
            tally.f1()
        );
    }
    for (name, kinds) in [("shape", SHAPE), ("context", CONTEXT), ("name", NAME)] {
        let sum = score.group(kinds);
        println!(
            "{name:16} {:6} {:6} {:8} {:8.2} {:6.1}",
            sum.labels,
            sum.hits,
            sum.leaked_labels,
            sum.leak(),
            sum.f1()
        );
    }
    println!(
        "voice, names and addresses aside: {:.2} % leaked",
        score.voice.leak()
    );
    for (source, (all, masked)) in &score.harmless {
        println!(
            "harmless {source}: {masked} of {all} masked, {:.2} %",
            100.0 * *masked as f64 / (*all).max(1) as f64
        );
    }
    println!("harmless: {:.2} % masked", score.harmless_masked());
}

/// No worse than this; the figures that the corpus really reaches are a little better.
#[test]
fn the_corpus_scores_at_least_what_it_did() {
    let Some(corpus) = corpus() else {
        println!("skipped: no corpus next to the workspace");
        return;
    };

    let score = score(&Redactor::standard(), &corpus);

    print(&score);
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
