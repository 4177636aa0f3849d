//! Responses: whole, streamed, over a WebSocket, in the background; and threads' runs before them.
//!
//! `response.usage` is null until the response ends, and is told once more by each poll of the same id. On a
//! WebSocket responses follow one another: they add up, each id once.

use crate::deltas::Deltas;
use crate::failure;
use crate::json::{self, pick};
use crate::openai::usage;
use crate::request::RequestFacts;
use crate::turns::Turns;
use crate::wire::{Out, Read, name};
use campanile_core::Frame;

/// Decodes one response, or one WebSocket of them.
pub type Decoder = crate::Decoder<Responses>;

/// Reads Responses; see [`Decoder`].
#[derive(Debug, Default)]
pub struct Responses {
    turns: Turns,
    deltas: Deltas,
}

/// How the events begin that nearly all are.
const DELTA: &str = r#"{"type":"response.output_text.delta","#;

impl Decoder {
    /// A decoder that knows what was asked for: once the reply has begun, the prompt has been read, and its lower
    /// bound is raised from zero.
    #[must_use]
    pub fn for_request(request: &RequestFacts) -> Self {
        Self::new().asked(request)
    }
}

impl Read for Responses {
    const PROVIDER: &'static str = "openai";

    fn sent(&mut self, frame: Frame<'_>, out: &mut Out<'_>) {
        let Frame::Text(message) = frame else { return };
        let [kind, model, tier] = pick(message, ["type", "model", "service_tier"]);
        if kind == Some("\"response.create\"") {
            let served = out.noted().served();
            served.requested = name(model);
            served.terms.tier = name(tier);
        }
    }

    fn message(&mut self, event: &str, message: &str, out: &mut Out<'_>) {
        // Nearly every event is a delta, and written in one way.
        let delta = self.deltas.find(DELTA, message);
        if let Some(delta) = delta.and_then(json::leading) {
            out.begun();
            return piece("response.output_text.delta", delta, out);
        }
        let [kind, delta, response, error, object] =
            pick(message, ["type", "delta", "response", "error", "object"]);
        let kind = kind.and_then(json::text);
        let kind = kind.as_deref().unwrap_or(event);
        if kind.ends_with(".delta") {
            out.begun();
            if let Some(delta) = delta {
                piece(kind, delta, out);
            }
        } else if let Some(response) = response {
            self.response(response, false, out);
        } else if kind == "error" || (object.is_none() && error.is_some_and(|error| error != "{}"))
        {
            out.failure(failure::read(message));
        } else if object.is_some() || kind.is_empty() {
            self.response(message, true, out);
        }
    }
}

/// Reads a delta of text, arguments, reasoning or audio: only text is spoken.
fn piece(kind: &str, delta: &str, out: &mut Out<'_>) {
    match kind {
        _ if delta == "\"\"" => {}
        "response.output_text.delta" => out.delta_raw(delta),
        // A summary of thoughts is less than was thought.
        kind if kind.contains("summary") => out.hidden(),
        kind if kind.contains("reasoning") => out.thought(delta),
        _ => out.unspoken(delta),
    }
}

impl Responses {
    /// Reads a response object; its text is read only where no deltas brought it.
    fn response(&mut self, response: &str, whole: bool, out: &mut Out<'_>) {
        let [id, model, tier, reported, error, output, object, tools] = pick(
            response,
            [
                "id",
                "model",
                "service_tier",
                "usage",
                "error",
                "output",
                "object",
                "tool_usage",
            ],
        );
        // A step of a run says its own usage, which the run says again; a counting call uses nothing.
        if matches!(
            object,
            Some("\"thread.run.step\"" | "\"response.input_tokens\"" | "\"list\"")
        ) {
            return;
        }
        out.model(model);
        out.request_id(id);
        out.tier(tier.filter(|tier| *tier != "\"auto\""));
        if error.is_some() {
            out.failure(failure::read(response));
        }
        let mut searches = Searches::default();
        if let Some(output) = output {
            json::items(output, |item| searches.item(item, whole, out));
        }
        // A search opens pages, which are items too: where the number of requests is said, it is what is billed.
        let requests = tools.and_then(|raw| json::at(raw, &["web_search", "num_requests"]));
        searches.web = requests.and_then(json::count).unwrap_or(searches.web);
        if object.is_none()
            && output.is_none()
            && let Some(failure) = failure::complaint(response)
        {
            out.failure(failure);
        }
        if let Some(raw) = reported.filter(|raw| raw.starts_with('{')) {
            let mut report = usage(raw, out.provider());
            report.web_searches = (searches.web > 0).then_some(searches.web);
            report.file_searches = (searches.file > 0).then_some(searches.file);
            if report.says_something() {
                let id = id.and_then(json::text);
                // Responses without an id are the same one: no socket leaves it out.
                let sum = self.turns.report(Some(id.as_deref().unwrap_or("")), report);
                out.report().replace(sum);
            }
        }
    }
}

/// Tools that the provider ran, and bills.
#[derive(Debug, Default)]
struct Searches {
    web: u64,
    file: u64,
}

impl Searches {
    fn item(&mut self, item: &str, whole: bool, out: &mut Out<'_>) {
        let [kind, content] = pick(item, ["type", "content"]);
        match kind {
            Some("\"web_search_call\"") => self.web += 1,
            Some("\"file_search_call\"") => self.file += 1,
            _ => {}
        }
        if !whole {
            return;
        }
        match content {
            Some(content) if kind == Some("\"message\"") => json::items(content, |part| {
                if let Some(text) = pick(part, ["text"])[0].and_then(json::filled) {
                    out.delta(&text);
                }
            }),
            _ => out.piece(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::{Decode, Facts, Meter, Noted};

    fn completed(id: &str, input: u64) -> String {
        format!(
            r#"{{"type":"response.completed","response":{{"id":"{id}","object":"response","model":"gpt-x-1","service_tier":"flex","error":null,"output":[{{"type":"web_search_call"}},{{"type":"message","content":[{{"type":"output_text","text":"Hi"}}]}}],"usage":{{"input_tokens":{input},"input_tokens_details":{{"cached_tokens":4}},"output_tokens":6,"output_tokens_details":{{"reasoning_tokens":2}},"total_tokens":0}}}}}}"#
        )
    }

    #[test]
    fn a_stream_says_its_usage_at_its_end() {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        let body = format!(
            "event: response.created\ndata: {{\"type\":\"response.created\",\"response\":{{\"id\":\"r\",\"model\":\"gpt-x-1\",\"usage\":null}}}}\n\nevent: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}}\n\nevent: response.completed\ndata: {}\n\n",
            completed("r", 10)
        );

        decoder.received(Frame::Body(body.as_bytes()), &mut noted);

        assert_eq!(noted.spoken(), Some("Hi"));
        let usage = noted.noted_usage().unwrap();
        assert_eq!(usage.at_least(Meter::InputTokens), 6);
        assert_eq!(usage.at_least(Meter::OutputTokens), 4);
        assert_eq!(usage.at_least(Meter::WebSearches), 1);
        let served = noted.noted_served().unwrap();
        assert_eq!(served.terms.tier.as_deref(), Some("flex"));
        assert!(served.terms.tier_served);
    }

    #[test]
    fn searches_are_counted_by_their_requests_where_they_are_said() {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());

        decoder.received(
            Frame::Body(
                br#"{"id":"r","object":"response","output":[{"type":"web_search_call"},{"type":"web_search_call"}],"tool_usage":{"web_search":{"num_requests":1}},"usage":{"input_tokens":1,"output_tokens":1}}"#,
            ),
            &mut noted,
        );

        assert_eq!(noted.noted_usage().unwrap().at_least(Meter::WebSearches), 1);
    }

    #[test]
    fn responses_on_one_socket_add_up_each_once() {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        for id in ["r1", "r1", "r2"] {
            decoder.received(Frame::Text(&completed(id, 10)), &mut noted);
        }

        assert_eq!(decoder.inclusive().input_tokens, Some(20));
    }

    #[test]
    fn a_response_without_an_id_is_counted_once() {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        for (kind, output) in [("in_progress", 1), ("completed", 6)] {
            let body = format!(
                "data: {{\"type\":\"response.{kind}\",\"response\":{{\"usage\":{{\"input_tokens\":10,\"output_tokens\":{output}}}}}}}\n\n"
            );
            decoder.received(Frame::Body(body.as_bytes()), &mut noted);
        }

        assert_eq!(decoder.inclusive().input_tokens, Some(10));
        assert_eq!(decoder.inclusive().output_tokens, Some(6));
    }

    #[test]
    fn a_run_is_counted_and_its_steps_are_not() {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());
        for (object, id) in [("thread.run.step", "step_1"), ("thread.run", "run_1")] {
            let body = format!(
                "event: {object}.completed\ndata: {{\"id\":\"{id}\",\"object\":\"{object}\",\"usage\":{{\"prompt_tokens\":20,\"completion_tokens\":3}}}}\n\n"
            );
            decoder.received(Frame::Body(body.as_bytes()), &mut noted);
        }

        assert_eq!(decoder.inclusive().input_tokens, Some(20));
    }

    #[test]
    fn a_failed_response_is_a_failure() {
        let (mut decoder, mut noted) = (Decoder::new(), Noted::new());

        let failed = r#"{"type":"response.failed","response":{"id":"r","object":"response","error":{"code":"server_error","message":"m"},"usage":null}}"#;
        decoder.received(Frame::Text(failed), &mut noted);

        let failure = Facts::failure(&noted).unwrap();
        assert_eq!(failure.kind, campanile_core::FailureKind::Server);
        assert_eq!(noted.noted_usage(), None);
    }
}
