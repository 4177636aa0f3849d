//! What leaks, what is masked for nothing, what gets the wrong name.

use campanile_redact::Redactor;
use std::collections::BTreeMap;

pub(crate) const SHAPE: &[&str] = &[
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
pub(crate) const CONTEXT: &[&str] = &[
    "DATE_OF_BIRTH",
    "AUTH_CODE",
    "PASSWORD",
    "BANK_ACCOUNT",
    "DRIVER_LICENSE",
];
pub(crate) const NAME: &[&str] = &["PERSON", "ADDRESS"];

/// A sentence with its labels, counted in characters.
pub(crate) struct Sentence {
    pub(crate) text: String,
    pub(crate) source: String,
    pub(crate) labels: Vec<Span>,
    /// What to call it where a miss is printed; `None` keeps it unseen.
    pub(crate) name: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) kind: String,
}

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) labels: usize,
    pub(crate) leaked_labels: usize,
    chars: usize,
    leaked: usize,
    hits: usize,
    predicted: usize,
}

impl Tally {
    pub(crate) fn leak(&self) -> f64 {
        100.0 * self.leaked as f64 / self.chars.max(1) as f64
    }

    pub(crate) fn f1(&self) -> f64 {
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
pub(crate) struct Score {
    kinds: BTreeMap<String, Tally>,
    /// Letters and digits of harmless text, and how many of them were masked: by source.
    pub(crate) harmless: BTreeMap<String, (usize, usize)>,
    pub(crate) voice: Tally,
}

impl Score {
    pub(crate) fn group(&self, kinds: &[&str]) -> Tally {
        let mut sum = Tally::default();
        kinds
            .iter()
            .filter_map(|kind| self.kinds.get(*kind))
            .for_each(|tally| sum.add(tally));
        sum
    }

    pub(crate) fn harmless_masked(&self) -> f64 {
        let (all, masked) = self
            .harmless
            .values()
            .fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        100.0 * masked as f64 / all.max(1) as f64
    }
}

pub(crate) fn score(redactor: &Redactor, sentences: &[Sentence]) -> Score {
    let mut score = Score::default();
    for sentence in sentences {
        line_score(redactor, sentence, &mut score);
    }
    score
}

/// The finds of a text, counted in characters.
fn finds(redactor: &Redactor, text: &str) -> Vec<Span> {
    let (mut byte, mut char) = (0, 0);
    let mut chars_up_to = |end: usize| {
        char += text[byte..end].chars().count();
        byte = end;
        char
    };
    let mut spans = Vec::new();
    for find in redactor.scan(text) {
        spans.push(Span {
            start: chars_up_to(find.start),
            end: chars_up_to(find.end),
            kind: find.kind.label().to_owned(),
        });
    }
    spans
}

fn line_score(redactor: &Redactor, sentence: &Sentence, score: &mut Score) {
    let Sentence {
        text,
        source,
        labels,
        ..
    } = sentence;
    let shown = sentence
        .name
        .as_ref()
        .filter(|_| std::env::var_os("SCORE_LEAKS").is_some());
    let chars: Vec<char> = text.chars().collect();
    let finds = finds(redactor, text);
    let within = |at: usize, spans: &[Span]| {
        spans
            .iter()
            .any(|span| (span.start..span.end).contains(&at))
    };

    for label in labels {
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
            && let Some(name) = shown
        {
            println!(
                "MISS {name} {source} {} leaked {leaked} of {}: {text:?} -> {:?}",
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
        .filter(|at| chars[*at].is_alphanumeric() && !within(*at, labels))
        .collect();
    let masked = harmless.iter().filter(|at| within(**at, &finds)).count();
    if masked > 0
        && let Some(name) = shown
    {
        println!(
            "HARMLESS {name} {source} {masked}: {text:?} -> {:?}",
            redactor.mask(text)
        );
    }
    let sum = score.harmless.entry(source.clone()).or_default();
    *sum = (sum.0 + harmless.len(), sum.1 + masked);
}

fn overlap(a: &Span, b: &Span) -> f64 {
    let shared = a.end.min(b.end).saturating_sub(a.start.max(b.start));
    shared as f64 / (a.end.max(b.end) - a.start.min(b.start)).max(1) as f64
}

pub(crate) fn print(score: &Score) {
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
