//! Cohere: chat, embeddings, rerank, in both versions of its API.
//!
//! `tokens` is what was read and made, `billed_units` what is billed: the totals show the first, the meters the second.

use crate::failure;
use crate::json::{self, count, decimal, pick};
use crate::report::Report;
use crate::wire::{Out, Read};

/// Decodes one reply.
pub type Decoder = crate::Decoder<Cohere>;

/// Reads replies; see [`Decoder`].
#[derive(Debug, Default)]
pub struct Cohere(());

impl Read for Cohere {
    const PROVIDER: &'static str = "cohere";

    fn message(&mut self, event: &str, message: &str, out: &mut Out<'_>) {
        let [
            kind,
            event_type,
            delta,
            response,
            meta,
            reported,
            text,
            inner,
        ] = pick(
            message,
            [
                "type",
                "event_type",
                "delta",
                "response",
                "meta",
                "usage",
                "text",
                "message",
            ],
        );
        let [id, id_old, model] = pick(message, ["id", "response_id", "model"]);
        out.request_id(id.or(id_old));
        out.model(model);
        let kind = kind.or(event_type).and_then(json::text);
        match kind.as_deref().unwrap_or(event) {
            "content-delta" => {
                let text = delta.and_then(|raw| json::at(raw, &["message", "content", "text"]));
                if let Some(text) = text.and_then(json::filled) {
                    out.delta(&text);
                } else {
                    out.unspoken(delta.unwrap_or(""));
                }
            }
            "tool-call-delta" | "tool-plan-delta" | "tool-calls-chunk" => out.unspoken(message),
            "text-generation" => {
                if let Some(text) = text.and_then(json::filled) {
                    out.delta(&text);
                }
            }
            "stream-end" => report(response.and_then(|raw| pick(raw, ["meta"])[0]), out),
            "message-end" => report(delta.and_then(|raw| pick(raw, ["usage"])[0]), out),
            // A message in words, alone, is an error.
            _ if inner.is_some_and(|raw| raw.starts_with('"')) && meta.is_none() => {
                out.failure(failure::read(message));
            }
            _ => {
                whole(text, inner, out);
                report(reported.or(meta), out);
            }
        }
    }
}

fn whole(text: Option<&str>, message: Option<&str>, out: &mut Out<'_>) {
    if let Some(text) = text.and_then(json::filled) {
        out.delta(&text);
    }
    if let Some(content) = message.and_then(|raw| pick(raw, ["content"])[0]) {
        json::items(content, |part| {
            if let Some(text) = pick(part, ["text"])[0].and_then(json::filled) {
                out.delta(&text);
            }
        });
    }
}

fn report(raw: Option<&str>, out: &mut Out<'_>) {
    let Some(raw) = raw else { return };
    let [tokens, billed, cached, reasoning] = pick(
        raw,
        [
            "tokens",
            "billed_units",
            "cached_tokens",
            "reasoning_tokens",
        ],
    );
    let [input, output, images, searches] = pick(
        billed.unwrap_or(""),
        ["input_tokens", "output_tokens", "images", "search_units"],
    );
    let mut bill = Report::default();
    bill.totals.input_tokens = input.and_then(count);
    bill.totals.output_tokens = output.and_then(count);
    let units = searches.and_then(decimal).and_then(crate::Decimal::micros);
    bill.milli_units = units.map(|millionths| millionths / 1000);
    let image_tokens = pick(billed.unwrap_or(""), ["image_tokens"])[0].or(images);
    if bill.totals.input_tokens.is_none() && bill.milli_units.is_none() {
        // An image is one unit of its own price.
        bill.milli_units = image_tokens
            .and_then(count)
            .map(|images| images.saturating_mul(1000));
    }

    let mut shown = Report::default();
    let [real_input, real_output] = pick(tokens.unwrap_or(""), ["input_tokens", "output_tokens"]);
    shown.totals.input_tokens = real_input.or(input).and_then(count);
    shown.totals.output_tokens = real_output.or(output).and_then(count);
    shown.totals.cached_input_tokens = cached.and_then(count);
    shown.totals.reasoning_tokens = reasoning.and_then(count);
    shown.milli_units = bill.milli_units;
    if shown.says_something() {
        out.report().replace(shown);
        if bill.says_something() {
            out.bill(bill);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::{Decode, Facts, Frame, Meter, Noted};

    fn read(body: &str) -> (Decoder, Noted) {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        decoder.received(Frame::Body(body.as_bytes()), &mut noted);
        decoder.ended(&mut noted);
        (decoder, noted)
    }

    #[test]
    fn what_was_made_is_shown_and_what_is_billed_is_counted() {
        for body in [
            "event: content-delta\ndata: {\"type\":\"content-delta\",\"delta\":{\"message\":{\"content\":{\"text\":\"Hi\"}}}}\n\nevent: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"usage\":{\"billed_units\":{\"input_tokens\":7,\"output_tokens\":100},\"tokens\":{\"input_tokens\":69,\"output_tokens\":101}}}}\n\n",
            "{\"event_type\":\"text-generation\",\"text\":\"Hi\"}\n{\"event_type\":\"stream-end\",\"response\":{\"text\":\"Hi\",\"meta\":{\"billed_units\":{\"input_tokens\":7,\"output_tokens\":100},\"tokens\":{\"input_tokens\":69,\"output_tokens\":101}}}}\n",
            r#"{"text":"Hi","meta":{"billed_units":{"input_tokens":7,"output_tokens":100},"tokens":{"input_tokens":69,"output_tokens":101}}}"#,
        ] {
            let (decoder, noted) = read(body);

            assert_eq!(noted.spoken(), Some("Hi"), "{body}");
            assert_eq!(decoder.inclusive().input_tokens, Some(69), "{body}");
            let usage = noted.noted_usage().unwrap();
            assert_eq!(usage.at_least(Meter::InputTokens), 7, "{body}");
        }
    }

    #[test]
    fn searches_are_units() {
        let (decoder, noted) = read(r#"{"results":[],"meta":{"billed_units":{"search_units":1}}}"#);

        assert_eq!(decoder.inclusive().input_tokens, None);
        assert_eq!(
            noted.noted_usage().unwrap().at_least(Meter::MilliUnits),
            1000
        );
    }

    #[test]
    fn a_message_alone_is_an_error() {
        let (_, noted) = read(r#"{"id":"x","message":"model not found"}"#);

        assert!(Facts::failure(&noted).is_some());
    }
}
