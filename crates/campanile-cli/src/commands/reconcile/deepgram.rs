//! Deepgram: usage, usage breakdown and billing breakdown of a project, and its list of requests.

use super::theirs::{Item, at, count, day_after, list, money};
use campanile_core::{Meter, Mode, Timestamp};
use serde_json::Value;

pub(super) fn read(reply: &Value) -> Result<Vec<Item>, String> {
    if let Some(requests) = reply["requests"].as_array() {
        return requests.iter().map(request).collect();
    }
    if reply["request_id"].is_string() {
        return request(reply).map(|item| vec![item]);
    }
    let results = list(reply, "results")?;
    results.iter().map(|result| entry(reply, result)).collect()
}

/// An entry of a breakdown (its place is in `grouping`), or of a summary.
fn entry(reply: &Value, result: &Value) -> Result<Item, String> {
    let grouping = &result["grouping"];
    let place = |name: &str| {
        let places = [&grouping[name], &result[name], &reply[name]];
        places
            .into_iter()
            .find(|value| !value.is_null())
            .unwrap_or(&Value::Null)
    };
    let since = at(place("start"))?;
    let mut item = Item::new(since, end(since, at(place("end"))?, &reply["resolution"]));
    item.requests = count(&result["requests"])?;
    if !result["dollars"].is_null() {
        item.usd = Some(money(&result["dollars"])?);
    }
    if !result["hours"].is_null() {
        item.sound(&result["hours"], 3_600)?;
    }
    item.count(Meter::Characters, count(&result["tts_characters"])?);
    item.count(Meter::InputTokens, count(&result["tokens_in"])?);
    item.count(Meter::OutputTokens, count(&result["tokens_out"])?);
    if let Some(line_item) = grouping["line_item"].as_str() {
        name(&mut item, line_item);
    }
    if let [Value::String(model)] = grouping["models"].as_array().map_or(&[][..], Vec::as_slice) {
        name(&mut item, model);
    }
    item.mode = item.mode.or_else(|| mode(grouping["method"].as_str()?));
    Ok(item)
}

/// One request, with its own price.
fn request(request: &Value) -> Result<Item, String> {
    let since = at(&request["created"])?;
    let details = &request["response"]["details"];
    let mut item = Item::new(since, since);
    item.request = request["request_id"].as_str().map(str::to_owned);
    item.requests = 1;
    if !details["usd"].is_null() {
        item.usd = Some(money(&details["usd"])?);
    }
    if !details["duration"].is_null() {
        item.sound(&details["duration"], 1)?;
    }
    item.count(Meter::Characters, count(&details["characters"])?);
    let models = details["models"]
        .as_array()
        .and_then(|models| models.first());
    if let Some(model) = models.or(Some(&details["model"])).and_then(Value::as_str) {
        name(&mut item, model);
    }
    item.mode = item.mode.or_else(|| mode(details["method"].as_str()?));
    Ok(item)
}

/// `streaming::nova-3` says mode and model.
fn name(item: &mut Item, text: &str) {
    let mut parts: Vec<&str> = text.split("::").collect();
    let model = parts.pop().unwrap_or(text);
    item.model = Some(model.trim().to_lowercase().replace(' ', "-"));
    item.mode = parts.into_iter().find_map(mode).or(item.mode);
}

fn mode(word: &str) -> Option<Mode> {
    match word.to_lowercase().as_str() {
        "streaming" | "live" => Some(Mode::Streaming),
        "sync" | "async" | "batch" | "prerecorded" | "pre-recorded" => Some(Mode::Prerecorded),
        _ => None,
    }
}

/// Dates name the last day; where one resolution later is said, that is the end.
fn end(since: Timestamp, end: Timestamp, resolution: &Value) -> Timestamp {
    let one = resolution["units"] == "day" && resolution["amount"] == 1;
    let next = day_after(since);
    match end <= since || (one && end == next) {
        true => next,
        false => day_after(end),
    }
}
