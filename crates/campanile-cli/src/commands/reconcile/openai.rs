//! OpenAI: `/v1/organization/costs` and `/v1/organization/usage/*`, pages of buckets.

use super::theirs::{Item, at, count, list, money};
use campanile_core::{Meter, Name};
use serde_json::Value;

pub(super) fn read(reply: &Value) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    for bucket in list(reply, "data")? {
        let (since, until) = (at(&bucket["start_time"])?, at(&bucket["end_time"])?);
        // Older replies say `result`.
        let results =
            list(bucket, "results").or_else(|error| list(bucket, "result").map_err(|_| error))?;
        for result in results {
            items.push(item(Item::new(since, until), result)?);
        }
    }
    Ok(items)
}

fn item(mut item: Item, result: &Value) -> Result<Item, String> {
    let text = |name: &str| result[name].as_str().filter(|text| !text.is_empty());
    item.requests = count(&result["num_model_requests"])?;
    item.model = text("model").map(str::to_owned);
    let batch = result["batch"].as_bool() == Some(true);
    item.tier = match batch {
        true => Some(Name::from_static("batch")),
        false => text("service_tier").and_then(Name::outside),
    };
    match text("object").unwrap_or_default() {
        "organization.costs.result" => {
            let currency = result["amount"]["currency"].as_str().unwrap_or("usd");
            if !currency.eq_ignore_ascii_case("usd") {
                return Err(format!(
                    "amounts are in `{currency}`; only dollars can be compared"
                ));
            }
            item.usd = Some(money(&result["amount"]["value"])?);
            item.model = text("line_item").map(model_of);
        }
        "organization.usage.completions.result" => tokens(&mut item, result)?,
        "organization.usage.embeddings.result" | "organization.usage.moderations.result" => {
            item.count(Meter::InputTokens, count(&result["input_tokens"])?);
        }
        "organization.usage.audio_speeches.result" => {
            item.count(Meter::Characters, count(&result["characters"])?);
        }
        "organization.usage.audio_transcriptions.result" => item.sound(&result["seconds"], 1)?,
        "" => return Err("a result has no `object`".to_owned()),
        // Images, storage, sessions of tools: nothing that a stage counts.
        _ => {}
    }
    Ok(item)
}

/// Theirs hold one another: cached tokens are input tokens, and so is sound.
fn tokens(item: &mut Item, result: &Value) -> Result<(), String> {
    let number = |name: &str| count(&result[name]);
    let (input, cached) = (number("input_tokens")?, number("input_cached_tokens")?);
    let (heard, spoken) = (
        number("input_audio_tokens")?,
        number("output_audio_tokens")?,
    );
    item.count(
        Meter::InputTokens,
        input.saturating_sub(cached).saturating_sub(heard),
    );
    item.count(Meter::CachedInputTokens, cached);
    item.count(Meter::AudioInputTokens, heard);
    item.count(
        Meter::OutputTokens,
        number("output_tokens")?.saturating_sub(spoken),
    );
    item.count(Meter::AudioOutputTokens, spoken);
    Ok(())
}

/// `gpt-4o-mini-2024-07-18, input` is of `gpt-4o-mini-2024-07-18`.
fn model_of(line_item: &str) -> String {
    let model = line_item.split(", ").next().unwrap_or(line_item);
    model.trim().to_lowercase().replace(' ', "-")
}
