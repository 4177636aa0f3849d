//! How fast a stream is read, by the time that it has a core, against parsing each chunk into a `serde_json::Value`.
//!
//! `cargo bench -p campanile-protocols --bench sse [-- PART-OF-A-NAME]`

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench measures real time and prints it"
)]

use campanile_core::{Decode, Frame, Noted};
use campanile_protocols::{anthropic, gemini, openai};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// What one read of a socket brings.
const READ: usize = 16 * 1024;
const ROUNDS: usize = 5;

fn chat(usage: &str) -> Vec<u8> {
    let head = r#"{"id":"chatcmpl-CkNq2vYbL0aZ7sWf","object":"chat.completion.chunk","created":1767000000,"model":"gpt-x-2026-01-01","service_tier":"default","system_fingerprint":"fp_0123456789""#;
    stream(|word| {
        format!(
            "data: {head},\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" {word}\"}},\"logprobs\":null,\"finish_reason\":null}}],\"usage\":{usage},\"obfuscation\":\"aB3dE6gH9\"}}\n\n"
        )
    })
}

fn responses() -> Vec<u8> {
    stream(|word| {
        format!(
            "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"sequence_number\":17,\"item_id\":\"msg_0123456789abcdef0123456789abcdef0123456789abcdef\",\"output_index\":0,\"content_index\":0,\"delta\":\" {word}\",\"logprobs\":[],\"obfuscation\":\"aB3dE6gH9\"}}\n\n"
        )
    })
}

fn messages() -> Vec<u8> {
    stream(|word| {
        format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\" {word}\"}}}}\n\n"
        )
    })
}

fn generate_content() -> Vec<u8> {
    stream(|word| {
        format!(
            "data: {{\"candidates\": [{{\"content\": {{\"parts\": [{{\"text\": \" {word}\"}}],\"role\": \"model\"}},\"index\": 0}}],\"usageMetadata\": {{\"promptTokenCount\": 8,\"candidatesTokenCount\": 37,\"totalTokenCount\": 45,\"promptTokensDetails\": [{{\"modality\": \"TEXT\",\"tokenCount\": 8}}]}},\"modelVersion\": \"gemini-x\",\"responseId\": \"abcdefghijklmnop\"}}\r\n\r\n"
        )
    })
}

fn stream(event: impl Fn(&str) -> String) -> Vec<u8> {
    let words = ["hello", "there", "this", "is", "a", "streamed", "answer"];
    let mut body = Vec::new();
    while body.len() < 32 << 20 {
        for word in words {
            body.extend_from_slice(event(word).as_bytes());
        }
    }
    body
}

/// How long this thread has had a core: what others do on the machine is not counted. `None` where no kernel says it.
fn on_core() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = stat.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// The best of some rounds, in MB/s.
fn measure(name: &str, body: &[u8], mut round: impl FnMut(&[u8])) {
    let asked = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    if asked.is_some_and(|part| !name.contains(&part)) {
        return;
    }
    let best = (0..ROUNDS)
        .map(|_| {
            let (core, start) = (on_core(), Instant::now());
            round(body);
            let elapsed = start.elapsed();
            core.zip(on_core())
                .map_or(elapsed, |(before, after)| after.saturating_sub(before))
        })
        .min()
        .unwrap_or_default();
    let rate = body.len() as f64 / best.as_secs_f64() / 1e6;
    println!("{name:<52} {rate:>8.0} MB/s");
}

fn decode(mut decoder: impl Decode) -> impl FnMut(&[u8]) {
    move |body| {
        let mut noted = Noted::new();
        for read in body.chunks(READ) {
            decoder.received(Frame::Body(read), &mut noted);
            black_box(&noted);
            noted.clear();
        }
    }
}

fn value(body: &[u8]) {
    for line in body.split(|byte| *byte == b'\n') {
        if let Some(data) = line.strip_prefix(b"data: ") {
            let value: serde_json::Value = serde_json::from_slice(data).unwrap_or_default();
            black_box(&value["usage"]);
            black_box(&value["choices"][0]["delta"]["content"]);
        }
    }
}

fn main() {
    let plain = chat("null");
    measure(
        "chat, no usage, no text kept",
        &plain,
        decode(openai::chat::Decoder::new().keep_text(false)),
    );
    measure(
        "chat, no usage, text kept",
        &plain,
        decode(openai::chat::Decoder::new()),
    );
    measure("chat, no usage: a Value for each chunk", &plain, value);
    let usage = chat("{\"prompt_tokens\":118,\"completion_tokens\":15,\"total_tokens\":133}");
    measure(
        "chat, usage in each chunk, text kept",
        &usage,
        decode(openai::chat::Decoder::new()),
    );
    measure("chat, usage in each chunk: a Value", &usage, value);
    let body = responses();
    measure(
        "responses, text kept",
        &body,
        decode(openai::responses::Decoder::new()),
    );
    measure("responses: a Value for each chunk", &body, value);
    let body = messages();
    measure(
        "messages, text kept",
        &body,
        decode(anthropic::Decoder::new()),
    );
    measure("messages: a Value for each chunk", &body, value);
    let body = generate_content();
    measure(
        "generateContent, usage in each chunk, text kept",
        &body,
        decode(gemini::Decoder::new()),
    );
    measure("generateContent: a Value for each chunk", &body, value);
}
