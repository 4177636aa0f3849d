#![no_main]
//! The body of a request.

use campanile_core::{Facts, Tally};
use campanile_protocols::RequestFacts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for read in READERS {
        let tally = Tally::default();
        read(data).usage(&tally);
        for (_, count) in tally.snapshot().iter() {
            assert!(count.at_most.is_none_or(|most| count.at_least <= most));
        }
    }
});

const READERS: [fn(&[u8]) -> RequestFacts; 4] = [
    RequestFacts::read,
    RequestFacts::responses,
    RequestFacts::anthropic,
    RequestFacts::gemini,
];
