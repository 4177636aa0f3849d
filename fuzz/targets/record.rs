#![no_main]
//! A recorded response, as `campanile usage` reads it, and its price.

use campanile_core::{Billed, Price, Timestamp};
use campanile_pricing::Book;
use campanile_protocols::recorded::{Record, decode, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(record) = serde_json::from_slice::<Record>(data) else {
        return;
    };
    let _ = read(&record);
    let reading = decode(&record);
    let model = reading.served.priced_model().map_or("gpt-4o", |name| name);
    let at = Timestamp(1_795_000_000_000_000);
    let billed = Billed::new("openai", model, &reading.usage, &reading.served.terms, at);
    let cost = Book::standard().price(&billed);
    assert!(cost.at_most.is_none_or(|most| cost.at_least <= most));
});
