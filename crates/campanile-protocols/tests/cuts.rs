//! Streams that a caller hangs up on: whatever was seen is counted, and the bounds hold what was made until then.

#![expect(
    clippy::print_stdout,
    reason = "the figures are what the test is about"
)]

use campanile_core::{Count, Decode, Evidence, Facts, Frame, Meter, Noted, Tally, Usage};
use campanile_protocols::recorded::{Record, decode};
use campanile_protocols::{RequestFacts, openai};
use serde_json::Value;
use std::path::Path;

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/data/provider-responses-dev.jsonl"
);
const CUTS: usize = 1_000;

/// Dice that fall alike each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// A stream of text alone, whose model shows all that it makes, and what it reports at its end.
struct Stream {
    record: Record,
    input: u64,
    output: u64,
    /// The last byte of each delta, from the beginning, and how much text it holds.
    deltas: Vec<(usize, u64)>,
}

const OUTPUT: [Meter; 2] = [Meter::OutputTokens, Meter::ReasoningTokens];
const INPUT: [Meter; 4] = [
    Meter::InputTokens,
    Meter::CachedInputTokens,
    Meter::CacheWriteTokens,
    Meter::LongCacheWriteTokens,
];

fn output(usage: &Usage) -> Option<(u64, Option<u64>)> {
    sum(usage, &OUTPUT)
}

fn input(usage: &Usage) -> Option<(u64, Option<u64>)> {
    sum(usage, &INPUT)
}

fn sum(usage: &Usage, meters: &[Meter]) -> Option<(u64, Option<u64>)> {
    let mut counts = meters.iter().filter_map(|meter| usage.get(*meter));
    let first: Count = counts.next()?;
    Some(
        counts.fold((first.at_least, first.at_most), |(least, most), count| {
            let most = most.zip(count.at_most).map(|(a, b)| a + b);
            (least + count.at_least, most)
        }),
    )
}

impl Stream {
    /// `None` for what is no such stream.
    fn of(record: Record) -> Option<Self> {
        if !matches!(record.transport.as_str(), "sse" | "ndjson") || record.status >= 400 {
            return None;
        }
        let usage = decode(&record).usage;
        let (least, most) = output(&usage)?;
        let (input, _) = input(&usage)?;
        let shown = decode(&record)
            .totals
            .model
            .is_none_or(|model| !model.starts_with("gpt-5"));
        let text = shown
            && is_text_alone(&record)
            && most == Some(least)
            && usage
                .get(Meter::ReasoningTokens)
                .is_none_or(|count| count.at_most == Some(0));
        let deltas = deltas(&record.body);
        (text && deltas.len() > 1).then_some(Self {
            record,
            input,
            output: least,
            deltas,
        })
    }

    /// What was made when so many bytes had come: nobody knows it to the token. Where each delta is a token, all deltas
    /// are alike; elsewhere, all letters are.
    fn made(&self, at: usize) -> u64 {
        let deltas = self.deltas.len() as u64;
        let alike = self.output <= deltas + deltas / 8 + 2;
        let of = |(_, letters): &(usize, u64)| if alike { 1 } else { *letters };
        let seen: u64 = self
            .deltas
            .iter()
            .filter(|(end, _)| *end <= at)
            .map(of)
            .sum();
        let all: u64 = self.deltas.iter().map(of).sum();
        self.output * seen / all
    }

    fn cut(&self, at: usize) -> Record {
        let mut record = self.record.clone();
        record.body.truncate(record.body.floor_char_boundary(at));
        record
    }
}

fn is_text_alone(record: &Record) -> bool {
    const OTHERS: [&str; 10] = [
        "tool_calls\":[{",
        "\"reasoning\":\"",
        "reasoning_content\":\"",
        "input_json_delta",
        "thinking",
        "function_call",
        "functionCall",
        "\"thought\"",
        "tool_use",
        "tool-call",
    ];
    !OTHERS.iter().any(|word| record.body.contains(word))
}

/// Where each piece of text ends, and how long it is.
fn deltas(body: &str) -> Vec<(usize, u64)> {
    let mut ends = Vec::new();
    let mut at = 0;
    for line in body.split_inclusive('\n') {
        at += line.len();
        let data = line.trim().trim_start_matches("data:").trim_start();
        let Ok(value) = serde_json::from_str::<Value>(data) else {
            continue;
        };
        const TEXTS: [&str; 7] = [
            "/choices/0/delta/content",
            "/delta/text",
            "/delta/message/content/text",
            "/message/content",
            "/response",
            "/text",
            "/delta",
        ];
        let text = TEXTS
            .iter()
            .find_map(|pointer| value.pointer(pointer)?.as_str());
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            ends.push((at, text.len() as u64));
        }
    }
    ends
}

/// Streams of our own, as several makers write them: words of one token, and pieces of several.
fn synthetic() -> Vec<Record> {
    let words = [
        "The", " quick", " brown", " fox", " jumps", " over", " the", " lazy", " dog", ".",
    ];
    let chat = |provider: &str, count: usize, each: usize| {
        let mut body = String::new();
        for n in (0..count).step_by(each) {
            let text: String = (n..n + each).map(|n| words[n % words.len()]).collect();
            let chunk = serde_json::json!({"id":"c","model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":text}}]});
            body.push_str(&format!("data: {chunk}\n\n"));
        }
        let usage = serde_json::json!({"id":"c","model":"gpt-4o-mini","choices":[],"usage":{"prompt_tokens":25,"completion_tokens":count + 1}});
        body.push_str(&format!("data: {usage}\n\ndata: [DONE]\n\n"));
        let record = serde_json::json!({"provider":provider,"endpoint":"chat.completions","transport":"sse","status":200,"body":body});
        serde_json::from_value(record).expect("a record of ours")
    };
    vec![
        chat("openai", 20, 1),
        chat("openai", 120, 1),
        chat("groq", 300, 1),
        chat("gateway", 120, 4),
        chat("gateway", 500, 5),
    ]
}

fn streams() -> Vec<Stream> {
    let mut records = synthetic();
    match Path::new(FILE).exists() {
        true => {
            let text = std::fs::read_to_string(FILE).expect("the file is there");
            records.extend(
                text.lines()
                    .map(|line| serde_json::from_str::<Record>(line).expect("a recorded line")),
            );
        }
        false => println!("without recorded responses: there are none at {FILE}"),
    }
    records.into_iter().filter_map(Stream::of).collect()
}

/// The request to which a stream is the answer: recordings leave prompts out, so that this one has as many words as the
/// provider counted tokens.
fn request(tokens: u64) -> RequestFacts {
    let words = [
        "please", " tell", " me", " when", " the", " next", " train", " leaves", " from", " here",
    ];
    let around = 7.min(tokens.saturating_sub(1));
    let prompt: String = (around..tokens)
        .map(|n| words[n as usize % words.len()])
        .collect();
    let body = serde_json::json!({"model":"m","messages":[{"role":"user","content":prompt}]});
    RequestFacts::read(body.to_string().as_bytes())
}

/// A byte of any stream, behind its first piece: before that nothing was made.
fn anywhere<'a>(streams: &'a [Stream], dice: &mut Dice) -> (&'a Stream, usize) {
    let room = |stream: &Stream| stream.record.body.len() - stream.deltas[0].0;
    let mut at = dice.below(streams.iter().map(room).sum());
    for stream in streams {
        if at < room(stream) {
            return (stream, stream.deltas[0].0 + at);
        }
        at -= room(stream);
    }
    unreachable!("the dice fall within all streams")
}

/// Figures of many cuts.
#[derive(Default)]
struct Widths {
    percent: Vec<u64>,
    unbounded: usize,
}

impl Widths {
    fn take(&mut self, least: u64, most: Option<u64>, truth: u64) {
        match most {
            Some(most) => self.percent.push((most - least) * 100 / truth),
            None => self.unbounded += 1,
        }
    }

    fn tell(&mut self, what: &str) -> (u64, u64) {
        self.percent.sort_unstable();
        let of = |percent: usize| self.percent[(self.percent.len() - 1) * percent / 100];
        println!(
            "{what}: {} cuts, {} without bound; width in percent of the truth: median {}, p95 {}",
            self.percent.len() + self.unbounded,
            self.unbounded,
            of(50),
            of(95)
        );
        (of(50), of(95))
    }
}

/// An output token costs four input tokens, as nearly everywhere.
const DEARER: u64 = 4;

#[test]
fn a_reply_that_is_cut_off_is_a_range_that_holds_what_was_made() {
    let streams = streams();
    let mut dice = Dice(7);
    let (mut replies, mut bills) = (Widths::default(), Widths::default());
    for _ in 0..CUTS {
        let (stream, at) = anywhere(&streams, &mut dice);
        let usage = decode(&stream.cut(at)).usage;
        let what = || format!("{:?} cut at {at}: {usage:?}", stream.record);
        let (least, most) = output(&usage).unwrap_or_else(|| panic!("nothing: {}", what()));
        assert!(least > 0, "{}", what());

        // Some say how far they are in each chunk: that is the truth.
        let said = usage
            .get(Meter::OutputTokens)
            .is_some_and(|count| count.evidence == Evidence::Reported);
        let made = if said { least } else { stream.made(at).max(1) };

        assert!(least <= made + made / 8 + 1, "{made} made, {}", what());
        assert!(
            most.is_none_or(|most| made <= most),
            "{made} made, {}",
            what()
        );
        replies.take(least, most, made);
        let (read_least, read_most) = input(&usage).unwrap_or_else(|| {
            let tally = Tally::default();
            asked(stream.input).usage(&tally);
            let read = tally.snapshot().get(Meter::InputTokens).unwrap();
            (read.at_least, read.at_most)
        });
        let holds = read_least <= stream.input && read_most.is_none_or(|most| stream.input <= most);
        assert!(
            holds,
            "{} read, {read_least} to {read_most:?}: {}",
            stream.input,
            what()
        );
        bills.take(
            read_least + DEARER * least,
            read_most.zip(most).map(|(read, made)| read + DEARER * made),
            stream.input + DEARER * made,
        );
    }
    println!("{} streams", streams.len());
    replies.tell("what was made");
    let (median, p95) = bills.tell("the bill");
    assert!(median <= 25 && p95 <= 100, "median {median} p95 {p95}");
    assert!(
        bills.unbounded * 100 <= CUTS,
        "{} without bound",
        bills.unbounded
    );
}

/// What is noted of a request once its reply has begun.
fn asked(tokens: u64) -> Noted {
    let mut noted = Noted::new();
    let mut decoder = openai::chat::Decoder::for_request(&request(tokens));
    let begun = br#"{"model":"m","choices":[{"delta":{"role":"assistant"}}]}"#;
    decoder.received(Frame::Body(begun), &mut noted);
    noted
}
