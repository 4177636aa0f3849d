//! What holds for every wire: a cut changes nothing, and nothing that a peer sends makes a decoder panic.

use campanile_core::{Facts, Frame, Meter, Noted, Served, Usage};
use campanile_protocols::family::{Reports, by_shape, family};
use campanile_protocols::{Decoder, Inclusive, Read, RequestFacts, anthropic, gemini, openai};
use proptest::prelude::*;

/// Everything that a decoder said of one exchange.
#[derive(Debug, Default, PartialEq)]
struct Said {
    text: String,
    seen: u64,
    usage: Usage,
    served: Served,
    failure: Option<String>,
    inclusive: Inclusive,
}

impl Said {
    fn hear(&mut self, noted: &mut Noted) {
        self.text.push_str(noted.spoken().unwrap_or_default());
        self.seen += u64::from(noted.noted_seen());
        for (meter, count) in noted.noted_usage().into_iter().flat_map(Usage::iter) {
            self.usage.set(meter, count);
        }
        if let Some(served) = noted.noted_served() {
            self.served.update(served);
        }
        if let Some(failure) = Facts::failure(noted) {
            self.failure
                .get_or_insert(format!("{:?} {:?}", failure.kind, failure.code));
        }
        noted.clear();
    }
}

fn decode<'a>(mut decoder: Box<dyn Reports>, pieces: impl IntoIterator<Item = &'a [u8]>) -> Said {
    let mut said = Said::default();
    let mut noted = Noted::new();
    for piece in pieces {
        decoder.received(Frame::Body(piece), &mut noted);
        said.hear(&mut noted);
    }
    decoder.ended(&mut noted);
    said.hear(&mut noted);
    said.inclusive = decoder.inclusive().clone();
    said
}

/// One message of an AWS event stream, with zero for its checksums.
fn aws(event: &str, payload: &str) -> Vec<u8> {
    let mut headers = vec![11];
    headers.extend_from_slice(b":event-type");
    headers.push(7);
    headers.extend_from_slice(&(event.len() as u16).to_be_bytes());
    headers.extend_from_slice(event.as_bytes());
    let total = 16 + headers.len() + payload.len();
    let mut message = (total as u32).to_be_bytes().to_vec();
    message.extend_from_slice(&(headers.len() as u32).to_be_bytes());
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(&headers);
    message.extend_from_slice(payload.as_bytes());
    message.extend_from_slice(&[0; 4]);
    message
}

/// Provider, endpoint, body, and the input and output that it reports.
type Sample = (&'static str, &'static str, Vec<u8>, [Option<u64>; 2]);

/// One short exchange of each wire.
fn samples() -> Vec<Sample> {
    let mut converse = aws(
        "contentBlockDelta",
        r#"{"contentBlockIndex":0,"delta":{"text":"Hi é"}}"#,
    );
    converse.extend(aws(
        "metadata",
        r#"{"usage":{"inputTokens":3,"outputTokens":2,"totalTokens":5}}"#,
    ));
    vec![
        (
            "openai",
            "openai.chat.completions",
            "\u{feff}: comment\r\n\r\ndata: {\"id\":\"c-1\",\"model\":\"gpt-x\",\"service_tier\":\"flex\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}],\"usage\":null}\r\n\r\ndata: {\"id\":\"c-1\",\"model\":\"gpt-x\",\"choices\":[{\"delta\":{\"content\":\"Hé \\ud83d\\ude00 \\\"usage\\\":{\"}}],\"usage\":null}\r\n\r\ndata: {\"id\":\"c-1\",\"model\":\"gpt-x\",\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"error\\\":1}\"}}]}}]}\r\n\r\ndata: {\"id\":\"c-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":18,\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":4}}}\r\n\r\ndata: [DONE]\r\n\r\n".into(),
            [Some(18), Some(5)],
        ),
        (
            "openrouter",
            "openrouter.chat.completions",
            "data: {\"id\":\"g\",\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"id\":\"g\",\"model\":\"m\",\"error\":{\"code\":502,\"message\":\"upstream\"},\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\ndata: {\"id\":\"g\",\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":10,\"completion_tokens_details\":{\"reasoning_tokens\":11}}}\n\n".into(),
            [Some(7), Some(10)],
        ),
        (
            "openai",
            "openai.responses",
            "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"gpt-x\",\"usage\":null}}\n\nevent: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\nevent: response.incomplete\ndata: {\"type\":\"response.incomplete\",\"response\":{\"id\":\"r\",\"model\":\"gpt-x\",\"output\":[],\"usage\":{\"input_tokens\":8,\"output_tokens\":3}}}\n\n".into(),
            [Some(8), Some(3)],
        ),
        (
            "anthropic",
            "anthropic.messages",
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"claude-x\",\"usage\":{\"input_tokens\":5,\"cache_read_input_tokens\":2,\"output_tokens\":1}}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":4}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n".into(),
            [Some(7), Some(4)],
        ),
        (
            "google",
            "google.stream_generate_content",
            "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"H\"}]}}],\"usageMetadata\":{\"promptTokenCount\":9},\"modelVersion\":\"gemini-x\"}\r\n,\r\n{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"i]}\"}]}}],\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":2,\"thoughtsTokenCount\":1}}]".into(),
            [Some(9), Some(3)],
        ),
        ("aws-bedrock", "aws-bedrock.converse_stream", converse, [Some(3), Some(2)]),
        (
            "cohere",
            "cohere.v1.chat",
            "{\"event_type\":\"text-generation\",\"text\":\"Hi\"}\n{\"event_type\":\"stream-end\",\"response\":{\"meta\":{\"tokens\":{\"input_tokens\":6,\"output_tokens\":2},\"billed_units\":{\"input_tokens\":1,\"output_tokens\":2}}}}\n".into(),
            [Some(6), Some(2)],
        ),
        (
            "ollama",
            "ollama.api.chat",
            "{\"model\":\"m\",\"message\":{\"content\":\"Hi\"},\"done\":false}\n{\"model\":\"m\",\"message\":{\"content\":\"\"},\"done\":true,\"prompt_eval_count\":4,\"eval_count\":2}\n".into(),
            [Some(4), Some(2)],
        ),
        (
            "newcomer",
            "newcomer.generate",
            "\n\n {\n \"model\": \"m\",\n \"choices\": [{\"message\": {\"content\": \"Hi\"}}],\n \"usage\": {\"prompt_tokens\": 1, \"completion_tokens\": 2}\n}\n".into(),
            [Some(1), Some(2)],
        ),
    ]
}

fn decoder(provider: &str, endpoint: &str) -> Box<dyn Reports> {
    family(provider, endpoint).unwrap_or_else(|| by_shape(provider))
}

#[test]
fn a_cut_anywhere_changes_nothing() {
    for (provider, endpoint, body, [input, output]) in samples() {
        let whole = decode(decoder(provider, endpoint), [body.as_slice()]);
        assert_eq!(whole.inclusive.input_tokens, input, "{endpoint}");
        assert_eq!(whole.inclusive.output_tokens, output, "{endpoint}");
        assert!(
            whole.text.contains('H') || whole.text.contains('a'),
            "{endpoint}"
        );

        for cut in 0..=body.len() {
            let (head, tail) = body.split_at(cut);
            let cut_in_two = decode(decoder(provider, endpoint), [head, tail]);
            assert_eq!(cut_in_two, whole, "{endpoint} cut at {cut}");
        }
        let bytes = decode(decoder(provider, endpoint), body.chunks(1));
        assert_eq!(bytes, whole, "{endpoint} byte by byte");
    }
}

#[test]
fn recorded_bodies_may_be_cut_anywhere() {
    const FILE: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/provider-responses-dev.jsonl"
    );
    let Ok(text) = std::fs::read_to_string(FILE) else {
        println!("skipped: no recorded responses at {FILE}");
        return;
    };
    for line in text.lines() {
        let record: campanile_protocols::recorded::Record = serde_json::from_str(line).unwrap();
        if record.transport == "ws" || record.body_encoding == "base64" {
            continue;
        }
        let decoder = || decoder(&record.provider, &record.endpoint);
        let body = record.body.as_bytes();
        let whole = decode(decoder(), [body]);
        let smallest = if body.len() < 20_000 { 1 } else { 61 };
        for piece in [smallest, 977] {
            let pieces = decode(decoder(), body.chunks(piece));
            assert_eq!(pieces, whole, "{} by {piece} bytes", record.endpoint);
        }
    }
}

#[test]
fn without_text_the_counts_are_the_same() {
    let samples = samples();
    let body = |endpoint: &str| {
        &samples
            .iter()
            .find(|sample| sample.1 == endpoint)
            .unwrap()
            .2
    };
    fn both<R: Read + 'static>() -> [Box<dyn Reports>; 2] {
        let keeping = Decoder::<R>::new();
        [
            Box::new(keeping),
            Box::new(Decoder::<R>::new().keep_text(false)),
        ]
    }
    let pairs = [
        (
            both::<openai::chat::Chat>(),
            body("openai.chat.completions"),
        ),
        (
            both::<openai::responses::Responses>(),
            body("openai.responses"),
        ),
        (both::<anthropic::Messages>(), body("anthropic.messages")),
        (
            both::<gemini::Gemini>(),
            body("google.stream_generate_content"),
        ),
    ];

    for ([keeping, leaving], body) in pairs {
        let kept = decode(keeping, [body.as_slice()]);
        let left = decode(leaving, [body.as_slice()]);
        assert!(!kept.text.is_empty());
        assert_eq!(
            left,
            Said {
                text: String::new(),
                ..kept
            }
        );
    }
}

#[test]
fn absurd_numbers_and_depths_are_survived() {
    let bomb = "[".repeat(100_000);
    let usages = [
        r#"{"prompt_tokens":-5,"completion_tokens":1e400}"#.to_owned(),
        r#"{"prompt_tokens":18446744073709551615,"completion_tokens":99999999999999999999}"#.to_owned(),
        r#"{"prompt_tokens":"many","completion_tokens":[1]}"#.to_owned(),
        r#"{"prompt_tokens":5,"prompt_tokens":7,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":900,"audio_tokens":900}}"#.to_owned(),
        format!(r#"{{"x":{bomb}}}"#),
        bomb.clone(),
        "null".to_owned(),
        "[]".to_owned(),
    ];
    for usage in usages {
        let body = format!(r#"{{"model":"m","choices":[],"usage":{usage}}}"#);
        for (provider, endpoint, ..) in samples() {
            decode(decoder(provider, endpoint), [body.as_bytes()]);
        }
        let said = decode(
            decoder("openai", "openai.chat.completions"),
            [body.as_bytes()],
        );
        assert_eq!(said.inclusive.model.as_deref(), Some("m"), "{usage}");
        // A count that no bill can hold is no count.
        assert_ne!(said.usage.at_least(Meter::InputTokens), u64::MAX, "{usage}");
    }
}

#[test]
fn an_envelope_in_an_envelope_is_not_followed() {
    let keys = [
        "data",
        "result",
        "interaction",
        "response",
        "delta",
        "message",
        "usage",
        "error",
        "event",
        "metadata",
        "choices",
        "content",
        "detail",
        "x_groq",
    ];
    // Deep enough to overflow the stack of a reader that calls itself.
    const DEPTH: usize = 4_000;
    for key in keys {
        let bomb = format!(
            "{}1{}",
            format!("{{\"{key}\":").repeat(DEPTH),
            "}".repeat(DEPTH)
        );
        for (provider, endpoint) in ENDPOINTS {
            decode(decoder(provider, endpoint), [bomb.as_bytes()]);
        }
        // Once a stream has begun, chunks are read in another way.
        let mut chat = openai::chat::Decoder::new();
        let chunk = "{\"model\":\"m\",\"choices\":[{\"delta\":{}}]}";
        let mut noted = Noted::new();
        campanile_core::Decode::received(&mut chat, Frame::Text(chunk), &mut noted);
        campanile_core::Decode::received(&mut chat, Frame::Text(&bomb), &mut noted);
    }
}

#[test]
fn the_last_of_repeated_keys_counts() {
    let body = br#"{"usage":{"prompt_tokens":1},"model":"a","usage":{"prompt_tokens":5,"prompt_tokens":7}}"#;

    let said = decode(
        decoder("openai", "openai.chat.completions"),
        [body.as_slice()],
    );

    assert_eq!(said.inclusive.input_tokens, Some(7));
}

#[test]
fn an_endless_stream_is_read_in_constant_memory() {
    let mut decoder = openai::chat::Decoder::new();
    let mut noted = Noted::new();
    let noise = vec![b'x'; 1 << 16];
    campanile_core::Decode::received(&mut decoder, Frame::Body(b"data: {\""), &mut noted);
    for _ in 0..256 {
        campanile_core::Decode::received(&mut decoder, Frame::Body(&noise), &mut noted);
    }
    let rest = b"\"}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\n\n";
    campanile_core::Decode::received(&mut decoder, Frame::Body(rest), &mut noted);

    assert_eq!(decoder.left_out(), 1);
    assert_eq!(decoder.inclusive().input_tokens, Some(3));
}

/// Every endpoint whose reader is another one.
const ENDPOINTS: [(&str, &str); 22] = [
    ("openai", "chat.completions"),
    ("openai", "responses"),
    ("openai", "realtime"),
    ("openai", "audio.transcriptions"),
    ("openai", "images.generations"),
    ("anthropic", "messages"),
    ("anthropic", "messages.count_tokens"),
    ("google", "generate_content"),
    ("google", "live"),
    ("google", "interactions"),
    ("aws-bedrock", "converse"),
    ("cohere", "v2.chat"),
    ("ollama", "api.chat"),
    ("ibm-watsonx", "generation.text"),
    ("deepgram", "listen.ws"),
    ("deepgram", "listen.v2.ws"),
    ("deepgram", "listen"),
    ("deepgram", "speak"),
    ("deepgram", "agent.ws"),
    ("cartesia", "tts.websocket"),
    ("assemblyai", "transcript"),
    ("newcomer", "anything"),
];

/// Feeds the same bytes to every reader: as a body in pieces, as a text frame, as a binary frame, both ways.
fn try_all(bytes: &[u8], piece: usize) {
    let text = String::from_utf8_lossy(bytes);
    for (provider, endpoint) in ENDPOINTS {
        let mut noted = Noted::new();
        let mut body = decoder(provider, endpoint);
        for piece in bytes.chunks(piece) {
            body.received(Frame::Body(piece), &mut noted);
        }
        body.ended(&mut noted);
        let mut socket = decoder(provider, endpoint);
        socket.sent(Frame::Text(&text), &mut noted);
        socket.sent(Frame::Binary(bytes), &mut noted);
        socket.received(Frame::Text(&text), &mut noted);
        socket.received(Frame::Binary(bytes), &mut noted);
        socket.ended(&mut noted);
    }
    let _ = RequestFacts::read(bytes);
    let _ = RequestFacts::responses(bytes);
    let _ = RequestFacts::anthropic(bytes);
    let _ = RequestFacts::gemini(bytes);
    let _ = openai::audio::RequestFacts::read(bytes);
    let _ = campanile_protocols::cartesia::tts::RequestFacts::read(bytes);
    let _ = campanile_protocols::cartesia::tts::context_id(&text);
    let _ = campanile_protocols::deepgram::live::Listen::from_query(&text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn noise_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..512), piece in 1_usize..64) {
        try_all(&bytes, piece);
    }

    #[test]
    fn damaged_messages_are_survived(
        sample in 0_usize..9,
        damages in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 1..8),
        end in any::<prop::sample::Index>(),
        piece in 1_usize..256,
    ) {
        let mut body = samples().swap_remove(sample).2;
        for (at, byte, kind) in damages {
            let at = at.index(body.len());
            match kind {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => { body.remove(at); }
            }
        }
        body.truncate(end.index(body.len()) + 1);
        try_all(&body, piece);
    }

    #[test]
    fn damage_and_cuts_together_change_nothing(
        sample in 0_usize..9,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cuts in proptest::collection::vec(1_usize..200, 1..12),
    ) {
        let (provider, endpoint, mut body, _) = samples().swap_remove(sample);
        let at = at.index(body.len());
        body[at] = byte;
        let whole = decode(decoder(provider, endpoint), [body.as_slice()]);
        let mut pieces = Vec::new();
        let mut rest = body.as_slice();
        for cut in cuts {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            pieces.push(head);
            rest = tail;
        }
        pieces.push(rest);
        prop_assert_eq!(decode(decoder(provider, endpoint), pieces), whole);
    }
}
