//! Pricing allocates nothing: it runs for each call, and for each step of one that is long.

use allocation_counter::measure;
use campanile_core::{Evidence, Meter, Mode, Terms, Timestamp, Usage};
use campanile_pricing::Book;
use std::hint::black_box;

const AT: Timestamp = Timestamp(1_794_744_000_000_000);

#[test]
fn an_amount_allocates_nothing() {
    let book = Book::standard();
    let text = Usage::new()
        .with(Meter::InputTokens, 1_500, Evidence::Reported)
        .with(Meter::CachedInputTokens, 16_384, Evidence::Reported)
        .with(Meter::OutputTokens, 212, Evidence::Reported);
    let speech = Usage::new()
        .with(Meter::ServerAudioUs, 125_350_000, Evidence::Reported)
        .with(Meter::AudioUs, 120_600_000, Evidence::Measured);
    let mut live = Terms::default();
    live.mode = Some(Mode::Streaming);
    live.channels = Some(2);

    for (provider, model, terms, usage) in [
        ("openai", "gpt-4o-mini", &Terms::default(), &text),
        ("openai", "gpt-6.1-sol", &Terms::default(), &text),
        ("anthropic", "claude-sonnet-4-5", &Terms::default(), &text),
        ("deepgram", "nova-3", &live, &speech),
    ] {
        let price = || {
            let quote = book.resolve(provider, model, terms, AT);
            black_box(quote.map(|quote| quote.amount(usage)).is_ok())
        };
        // The first look-up of a vendor reads its rows.
        assert!(price(), "{model}");

        let found = measure(|| _ = price());

        assert_eq!(found.count_total, 0, "{provider} {model}: {found:?}");
    }
}

#[test]
fn a_text_is_an_allocation_that_is_seen() {
    let found = measure(|| drop(black_box(String::from("text"))));

    assert_eq!(found.count_total, 1);
}
