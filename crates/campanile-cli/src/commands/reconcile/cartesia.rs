//! Cartesia: `/usage/credits`, credits in stretches of time.

use super::theirs::{Item, at, list, scaled};
use serde_json::Value;

pub(super) fn read(reply: &Value) -> Result<Vec<Item>, String> {
    let item = |bucket: &Value| {
        let mut item = Item::new(at(&bucket["start_ts"])?, at(&bucket["end_ts"])?);
        item.milli_credits = Some(scaled(&bucket["credits"], 1_000)?);
        Ok(item)
    };
    list(reply, "data")?.iter().map(item).collect()
}
