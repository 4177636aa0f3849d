//! Anthropic Messages, wherever they are served.
//!
//! The stream's head says what the prompt was, its delta what everything was in the end: the last value that is not
//! null wins, field by field. The counts are disjoint already: input leaves the cache out.

use crate::failure;
use crate::json::{self, count, pick};
use crate::report::Report;
use crate::wire::{Out, Read};
use campanile_core::Name;

/// Decodes one message, whole or streamed.
///
/// ```
/// use campanile_core::{Decode, Frame, Meter, Noted};
///
/// let mut decoder = campanile_protocols::anthropic::Decoder::new();
/// let mut noted = Noted::new();
/// let body = br#"{"type":"message","model":"claude-x","content":[{"type":"text","text":"Hi"}],
///     "usage":{"input_tokens":9,"cache_read_input_tokens":2,"output_tokens":21}}"#;
/// decoder.received(Frame::Body(body), &mut noted);
/// assert_eq!(noted.noted_usage().unwrap().at_least(Meter::InputTokens), 9);
/// assert_eq!(decoder.inclusive().input_tokens, Some(11));
/// ```
pub type Decoder = crate::Decoder<Messages>;

/// Reads messages; see [`Decoder`].
#[derive(Debug, Default)]
pub struct Messages {
    usage: Usage,
    /// The rounds of the same model, where they are listed: compaction is billed, and in no total.
    rounds: Option<Usage>,
    /// Who answers: the model that was asked for, or the one that took over from it.
    model: Option<Name>,
    /// The final count of the output has come.
    settled: bool,
}

/// What stands behind `"delta":` in an event as Anthropic itself writes nearly all of them; `None` where it must be read
/// key by key.
fn delta(message: &str) -> Option<&str> {
    let index = message.strip_prefix(r#"{"type":"content_block_delta","index":"#)?;
    let digits = index.bytes().take_while(u8::is_ascii_digit).count();
    index.get(digits..)?.strip_prefix(r#","delta":"#)
}

/// Anthropic's fields, each the last one that was not null.
#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    input: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    hour_write: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
    web_searches: Option<u64>,
}

impl Usage {
    fn update(&mut self, raw: &str) {
        let [input, read, write, ages, output, details, tools] = pick(
            raw,
            [
                "input_tokens",
                "cache_read_input_tokens",
                "cache_creation_input_tokens",
                "cache_creation",
                "output_tokens",
                "output_tokens_details",
                "server_tool_use",
            ],
        );
        let set = |known: &mut Option<u64>, raw: Option<&str>| {
            *known = raw.and_then(count).or(*known);
        };
        set(&mut self.input, input);
        set(&mut self.cache_read, read);
        set(&mut self.cache_write, write);
        set(&mut self.output, output);
        let [hour] = pick(ages.unwrap_or(""), ["ephemeral_1h_input_tokens"]);
        set(&mut self.hour_write, hour);
        let [thinking] = pick(details.unwrap_or(""), ["thinking_tokens"]);
        set(&mut self.thinking, thinking);
        let [searches] = pick(tools.unwrap_or(""), ["web_search_requests"]);
        set(&mut self.web_searches, searches);
    }

    fn add(&mut self, more: &Usage) {
        let add = |known: &mut Option<u64>, more: Option<u64>| {
            if let Some(more) = more {
                *known = Some(known.unwrap_or(0).saturating_add(more));
            }
        };
        add(&mut self.input, more.input);
        add(&mut self.cache_read, more.cache_read);
        add(&mut self.cache_write, more.cache_write);
        add(&mut self.hour_write, more.hour_write);
        add(&mut self.output, more.output);
        add(&mut self.thinking, more.thinking);
        add(&mut self.web_searches, more.web_searches);
    }

    fn report(&self) -> Report {
        let mut report = Report::default();
        let parts = [self.cache_read, self.cache_write].into_iter().flatten();
        let totals = &mut report.totals;
        totals.input_tokens = self
            .input
            .map(|fresh| parts.fold(fresh, u64::saturating_add));
        totals.cached_input_tokens = self.cache_read;
        totals.cache_write_tokens = self.cache_write;
        totals.output_tokens = self.output;
        totals.reasoning_tokens = self.thinking;
        report.long_write = self.hour_write;
        report.web_searches = self.web_searches.filter(|searches| *searches > 0);
        report
    }
}

impl Read for Messages {
    const PROVIDER: &'static str = "anthropic";

    fn message(&mut self, event: &str, message: &str, out: &mut Out<'_>) {
        // Nearly every event is a delta, and written in one way.
        if let Some(delta) = delta(message) {
            return piece(delta, out);
        }
        let [kind, inner, reported, error] = pick(message, ["type", "message", "usage", "error"]);
        let kind = kind.and_then(json::text);
        match kind.as_deref().unwrap_or(event) {
            "message_start" => self.start(inner.unwrap_or(""), out),
            "message_delta" => {
                self.settled = true;
                self.report(reported, out);
            }
            "message_stop" => {
                self.settled = true;
                self.write(out);
            }
            "content_block_delta" => piece(pick(message, ["delta"])[0].unwrap_or(""), out),
            "content_block_start" => {
                self.block(pick(message, ["content_block"])[0].unwrap_or(""), out);
            }
            "ping" | "content_block_stop" => {}
            "error" => out.failure(failure::read(message)),
            _ if error.is_some() => out.failure(failure::read(message)),
            _ => self.whole(message, out),
        }
    }
}

fn said(text: &str, out: &mut Out<'_>) {
    if text != "\"\"" {
        out.delta_raw(text);
    }
}

fn piece(delta: &str, out: &mut Out<'_>) {
    let text = delta.strip_prefix(r#"{"type":"text_delta","text":"#);
    if let Some(text) = text.and_then(json::leading) {
        return said(text, out);
    }
    let [text, arguments, thinking] = pick(delta, ["text", "partial_json", "thinking"]);
    if let Some(text) = text {
        said(text, out);
    } else if let Some(arguments) = arguments.filter(|raw| *raw != "\"\"") {
        out.unspoken(arguments);
    } else if thinking.is_some() {
        // What is shown is a summary, or nothing.
        out.hidden();
    }
}

impl Messages {
    fn start(&mut self, message: &str, out: &mut Out<'_>) {
        let [id, model, reported] = pick(message, ["id", "model", "usage"]);
        out.request_id(id);
        out.model(model);
        self.model = crate::wire::name(model).or(self.model.take());
        self.report(reported, out);
    }

    /// A block of the answer; one of them says that another model takes over, whose prices hold from there.
    fn block(&mut self, block: &str, out: &mut Out<'_>) {
        let [kind, to] = pick(block, ["type", "to"]);
        let to = to.filter(|_| kind == Some("\"fallback\""));
        if let Some(model) = to.and_then(|raw| crate::wire::name(pick(raw, ["model"])[0])) {
            out.noted().served().model = Some(model.clone());
            self.model = Some(model);
        }
    }

    fn whole(&mut self, message: &str, out: &mut Out<'_>) {
        let [kind, content, completion] = pick(message, ["type", "content", "completion"]);
        if let Some(content) = content {
            json::items(content, |block| {
                out.piece();
                self.block(block, out);
                if let Some(text) = pick(block, ["text"])[0].and_then(json::filled) {
                    out.delta(&text);
                }
            });
        }
        if let Some(text) = completion.and_then(json::filled) {
            out.delta(&text);
        }
        self.settled |= kind.is_some() || content.is_some();
        self.start(message, out);
    }

    fn report(&mut self, reported: Option<&str>, out: &mut Out<'_>) {
        let Some(raw) = reported.filter(|raw| raw.starts_with('{')) else {
            return;
        };
        self.usage.update(raw);
        let [tier, region, rounds, speed] = pick(
            raw,
            ["service_tier", "inference_geo", "iterations", "speed"],
        );
        out.tier(tier);
        if speed == Some("\"fast\"") {
            out.noted().served().terms.addons = vec![Name::from_static("fast")];
        }
        let region = crate::wire::name(region).filter(|region| *region != "not_available");
        if region.is_some() {
            out.noted().served().terms.region = region;
        }
        if let Some(rounds) = rounds.filter(|rounds| rounds.starts_with('[')) {
            let mut sum = Usage::default();
            let mut any = false;
            json::items(rounds, |round| {
                // Tokens of another model (an advisor, or who was asked first) have another price, and do not
                // belong here.
                let [model, kind] = pick(round, ["model", "type"]);
                let own = model.is_none() || crate::wire::name(model) == self.model;
                if own && kind != Some("\"advisor_message\"") {
                    any = true;
                    let mut one = Usage::default();
                    one.update(round);
                    sum.add(&one);
                }
            });
            sum.web_searches = self.usage.web_searches;
            self.rounds = any.then_some(sum).or(self.rounds);
        }
        self.write(out);
    }

    /// Writes down what is known. The output in a stream's head is a placeholder: it is no count.
    fn write(&mut self, out: &mut Out<'_>) {
        let report = self.usage.report();
        if !report.says_something() {
            return;
        }
        let mut billed = match &self.rounds {
            Some(rounds) => rounds.report(),
            None => report.clone(),
        };
        if !self.settled {
            billed.totals.output_tokens = None;
            billed.totals.reasoning_tokens = None;
        }
        out.report().replace(report);
        out.bill(billed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::{Decode, Facts, FailureKind, Frame, Meter, Noted};

    const HEAD: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x-2\",\"content\":[],\"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":5,\"cache_read_input_tokens\":3,\"cache_creation\":{\"ephemeral_5m_input_tokens\":1,\"ephemeral_1h_input_tokens\":4},\"output_tokens\":1,\"service_tier\":\"standard\"}}}\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n";

    fn read(body: &str) -> (Decoder, Noted) {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        decoder.received(Frame::Body(body.as_bytes()), &mut noted);
        (decoder, noted)
    }

    #[test]
    fn a_cut_stream_has_its_input_and_no_output() {
        let (_, noted) = read(HEAD);

        let usage = noted.noted_usage().unwrap();
        assert_eq!(usage.at_least(Meter::InputTokens), 10);
        assert_eq!(usage.at_least(Meter::CacheWriteTokens), 1);
        assert_eq!(usage.at_least(Meter::LongCacheWriteTokens), 4);
        assert_eq!(usage.get(Meter::OutputTokens), None);
        assert_eq!((noted.spoken(), noted.noted_seen()), (Some("Hello"), 1));
    }

    #[test]
    fn the_delta_replaces_what_it_says_and_nothing_else() {
        let (decoder, noted) = read(&format!(
            "{HEAD}event: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":{{}},\"usage\":{{\"input_tokens\":20,\"cache_read_input_tokens\":null,\"output_tokens\":7}}}}\n\n"
        ));

        assert_eq!(decoder.inclusive().input_tokens, Some(28));
        assert_eq!(decoder.inclusive().cached_input_tokens, Some(3));
        let usage = noted.noted_usage().unwrap();
        assert_eq!(usage.at_least(Meter::OutputTokens), 7);
    }

    #[test]
    fn compaction_is_billed_though_no_total_says_so() {
        let (decoder, noted) = read(
            r#"{"type":"message","model":"claude-x","content":[],"usage":{"speed":"fast","inference_geo":"us","input_tokens":12,"output_tokens":4,"iterations":[{"type":"compaction","input_tokens":60,"output_tokens":9},{"type":"message","input_tokens":12,"output_tokens":4},{"type":"advisor_message","model":"claude-y","input_tokens":99,"output_tokens":99}]}}"#,
        );

        assert_eq!(decoder.inclusive().input_tokens, Some(12));
        let usage = noted.noted_usage().unwrap();
        assert_eq!(usage.at_least(Meter::InputTokens), 72);
        assert_eq!(usage.at_least(Meter::OutputTokens), 13);
        let terms = &noted.noted_served().unwrap().terms;
        assert_eq!(terms.addons, [Name::from_static("fast")]);
        assert_eq!(terms.region.as_deref(), Some("us"));
    }

    #[test]
    fn who_took_over_is_who_is_billed() {
        let (decoder, noted) = read(&format!(
            "{HEAD}data: {{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{{\"type\":\"fallback\",\"from\":{{\"model\":\"claude-x-2\"}},\"to\":{{\"model\":\"claude-y\"}}}}}}\n\ndata: {{\"type\":\"message_delta\",\"usage\":{{\"input_tokens\":12,\"output_tokens\":7,\"iterations\":[{{\"type\":\"message\",\"model\":\"claude-x-2\",\"input_tokens\":10,\"output_tokens\":0}},{{\"type\":\"compaction\",\"model\":\"claude-y\",\"input_tokens\":30,\"output_tokens\":2}},{{\"type\":\"fallback_message\",\"model\":\"claude-y\",\"input_tokens\":12,\"output_tokens\":7}}]}}}}\n\n"
        ));

        let served = noted.noted_served().unwrap();
        assert_eq!(served.model.as_deref(), Some("claude-y"));
        let usage = noted.noted_usage().unwrap();
        assert_eq!(usage.at_least(Meter::InputTokens), 42);
        assert_eq!(usage.at_least(Meter::OutputTokens), 9);
        let totals = decoder.inclusive();
        assert_eq!(totals.model.as_deref(), Some("claude-x-2"));
        assert_eq!(totals.output_tokens, Some(7));
    }

    #[test]
    fn an_error_in_a_stream_is_a_failure() {
        let (_, noted) = read(&format!(
            "{HEAD}event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"overloaded_error\",\"message\":\"m\"}}}}\n\n"
        ));

        let failure = Facts::failure(&noted).unwrap();
        assert_eq!(
            (failure.kind, failure.retryable),
            (FailureKind::Overloaded, true)
        );
    }
}
