//! How many megabytes a second one core redacts, beside a copy and one plain multi-pattern regex.
//!
//! `cargo bench -p campanile-redact`; behind `--`, `once NUMBER KIB` masks one of the hostile texts (or, behind them, prose) once and does nothing else, so that
//! instructions can be counted: `perf stat -e instructions:u …`. Twice the text should be twice the work. `stream` in place of `once` pushes
//! it in small pieces, for a look at memory.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures")]
#![expect(clippy::print_stdout, reason = "a benchmark tells")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use campanile_redact::{Policy, Redactor};
use regex_automata::meta::{self, Regex};

const ENOUGH: Duration = Duration::from_millis(400);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [how, number, kib, ..] = &arguments[..] {
        let number: usize = number.parse().expect("the number of a hostile text");
        let kib: usize = kib.parse().expect("a size in KiB");
        return once(how == "stream", number, kib << 10);
    }
    let redactor = Redactor::standard();
    let unlimited = Redactor::new(Policy::new().scan_limit(usize::MAX)).expect("a plain policy");
    let regex = plain_regex();
    let dense = dense();
    let prose = prose();
    let joined = dense.join("\n").repeat(8);

    rate("copy, prose", prose.len(), || prose.clone());
    rate("regex, dense short texts", bytes(&dense), || {
        dense
            .iter()
            .map(|text| regex.find_iter(text).count())
            .sum::<usize>()
    });
    rate("regex, prose", prose.len(), || {
        regex.find_iter(&prose).count()
    });
    let mut out = String::new();
    rate("mask, dense short texts", bytes(&dense), || {
        out.clear();
        dense
            .iter()
            .map(|text| redactor.mask_into(text, &mut out).total())
            .sum::<u64>()
    });
    rate("mask, dense documents", joined.len(), || {
        redactor.mask(&joined)
    });
    rate("mask, prose", prose.len(), || redactor.mask(&prose));
    rate("stream, prose in pieces of 16", prose.len(), || {
        stream(&redactor, &prose)
    });

    for (name, text) in hostile() {
        for size in [1 << 17, 1 << 20] {
            let text = text.repeat(size / text.len());
            rate(
                &format!("hostile {name}, {} KiB", size >> 10),
                text.len(),
                || unlimited.mask(&text),
            );
        }
    }
}

fn once(in_pieces: bool, number: usize, size: usize) {
    let redactor = Redactor::new(Policy::new().scan_limit(usize::MAX)).expect("a plain policy");
    let mut texts = hostile();
    texts.push(("prose", prose()));
    let (name, text) = texts.swap_remove(number);
    if in_pieces {
        // Nothing of the text is kept: what memory is for is the stream.
        let (mut stream, mut out, mut bytes) = (redactor.stream(), String::new(), 0);
        while bytes < size {
            out.clear();
            stream.push(&text, &mut out);
            bytes += text.len();
        }
        let finds = stream.finish(&mut out).total();
        println!("{name}: {bytes} bytes, {finds} finds");
        return;
    }
    let text = text.repeat(size / text.len());
    println!(
        "{name}: {} bytes become {}",
        text.len(),
        redactor.mask(&text).len()
    );
}

fn rate<T>(name: &str, bytes: usize, mut work: impl FnMut() -> T) {
    let start = Instant::now();
    let mut best = Duration::MAX;
    while start.elapsed() < ENOUGH {
        let begun = Instant::now();
        black_box(work());
        best = best.min(begun.elapsed());
    }
    println!(
        "{name:44} {:9.1} MB/s",
        bytes as f64 / 1e6 / best.as_secs_f64()
    );
}

fn bytes(texts: &[String]) -> usize {
    texts.iter().map(String::len).sum()
}

fn stream(redactor: &Redactor, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut stream = redactor.stream();
    for piece in text.as_bytes().chunks(16) {
        stream.push(std::str::from_utf8(piece).expect("ASCII"), &mut out);
    }
    stream.finish(&mut out);
    out
}

/// Texts of about 76 bytes with something in each.
fn dense() -> Vec<String> {
    let key = ["s", "k-proj-", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4"].concat();
    let texts = [
        "i want to pay with my visa four one one one one one one one one one one one one one one one",
        "send the receipt to jo dot doe at example dot com please and call me after that",
        "you can reach me at two one two triple five oh one two three in the afternoon ok",
        "Customer Anna Berg (DOB May 4, 1970) called from +1 (212) 555-0123 about card 4111 1111 1111 1111",
        "peer [2001:db8::1]:4433 closed the stream, client 192.0.2.17 retried after 20 ms with backoff",
        "SQLSTATE 23505: Key (email)=(anna.berg@example.com) already exists in table users",
        "the password is ravenglacier83 all one word and my birthday is may fourth nineteen seventy",
        "GET /v1/stream?model=nova-2&token=abcdef0123456789abcdef&tier=1 from https://api.example.com",
    ];
    texts
        .into_iter()
        .map(str::to_owned)
        .chain([format!(
            "request failed: header x-api-key: {key} was refused"
        )])
        .collect()
}

/// English without anything to hide.
fn prose() -> String {
    "The harbour lay quiet in the early light, and the boats rocked a little against the stones. An old keeper walked \
     along the wall with a lantern that he no longer needed, counting ropes and listening to the gulls. He thought of \
     the winter when the water had frozen between the piers and children had run across it until a sound like thunder \
     sent them home. Nobody had believed him when he spoke of the bell that rang below the ice, slow and even, as \
     though a church stood on the bottom of the bay. Later the town built a tower with a clock, and people forgot what \
     they had heard before there were hours to keep. When the wind turned he put the lantern down, wrote a short line \
     into the book that hung beside the door, and went back to the kitchen where the bread was waiting for the oven.\n"
        .repeat(64)
}

fn hostile() -> Vec<(&'static str, String)> {
    [
        "a@",
        "1 ",
        "one ",
        "-----BEGIN",
        "sk-",
        "eyJ.",
        "key=",
        "://",
        "a.b@",
        "password ",
        "4111 ",
        "f:",
        "name is ",
    ]
    .into_iter()
    .map(|text| (text, text.to_owned()))
    .chain([(
        "PEM without end",
        ["-----BEGIN ", "PRIVATE KEY-----", "a@b.co "].concat(),
    )])
    .collect()
}

/// What a person would write first: shapes in one multi-pattern regex.
fn plain_regex() -> Regex {
    let patterns = [
        r"(?-u:\b)[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}(?-u:\b)",
        r"(?-u:\b)(?:[0-9][ -]?){13,19}(?-u:\b)",
        r"(?-u:\b)[0-9]{3}-[0-9]{2}-[0-9]{4}(?-u:\b)",
        r"\+?[0-9]{0,3}[ .-]?\(?[0-9]{3}\)?[ .-]?[0-9]{3}[ .-]?[0-9]{4}(?-u:\b)",
        r"(?-u:\b)[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?-u:\b)",
        r"(?-u:\b)[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}(?-u:\b)",
        r"(?-u:\b)(?:sk|gsk|hf|npm)[-_][A-Za-z0-9_-]{16,}",
        r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+",
    ];
    let config = meta::Config::new().hybrid_cache_capacity(64 << 20);
    Regex::builder()
        .configure(config)
        .build_many(&patterns)
        .expect("the patterns are constant")
}
