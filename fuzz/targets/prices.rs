#![no_main]
//! A file of prices: it is refused with a line, or it is a book.

use campanile_core::{Billed, Evidence, Meter, Price, Terms, Timestamp, Usage};
use campanile_pricing::Book;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(book) = Book::parse(text) else {
        return;
    };
    let _ = book.with_override(text);
    let usage = Usage::new()
        .with(Meter::InputTokens, u64::MAX, Evidence::Reported)
        .with(Meter::AudioUs, 1, Evidence::Reported);
    let (terms, at) = (Terms::default(), Timestamp(1_795_000_000_000_000));
    for row in book.rows() {
        for model in row.models() {
            let cost = book.price(&Billed::new(row.vendor(), model, &usage, &terms, at));
            assert!(cost.at_most.is_none_or(|most| cost.at_least <= most));
        }
        let _ = row.to_string();
    }
    let _ = book.check(at);
});
