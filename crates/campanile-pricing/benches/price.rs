//! How long it takes to price usage: `cargo bench -p campanile-pricing`. Each figure is the best of several runs.
#![expect(clippy::print_stdout, reason = "the result of a bench is its output")]
#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot find its models must stop"
)]

use campanile_core::{Billed, Evidence, Meter, Mode, Price, Terms, Timestamp, Usage};
use campanile_pricing::Book;
use std::{hint::black_box, time::Duration};

const AT: Timestamp = Timestamp(1_794_744_000_000_000);
/// Many short runs: the best of them was not interrupted, however busy the machine.
const RUNS: usize = 300;

fn best(name: &str, times: u32, mut work: impl FnMut()) {
    #[expect(clippy::disallowed_methods, reason = "a bench measures the real clock")]
    let mut run = || {
        let start = std::time::Instant::now();
        for _ in 0..times {
            work();
        }
        start.elapsed()
    };
    run();
    let fastest: Duration = (0..RUNS).map(|_| run()).min().unwrap();
    println!(
        "{name:<44} {:>10.1} ns",
        fastest.as_nanos() as f64 / f64::from(times)
    );
}

/// What happens once in a process.
fn first(name: &str, work: impl FnOnce()) {
    #[expect(clippy::disallowed_methods, reason = "a bench measures the real clock")]
    let start = std::time::Instant::now();
    work();
    println!(
        "{:<44} {:>10.1} us",
        format!("first time: {name}"),
        start.elapsed().as_nanos() as f64 / 1e3
    );
}

fn main() {
    first("the standard book", || {
        black_box(Book::standard());
    });
    for provider in ["deepgram", "openai", "cartesia"] {
        first(&format!("a look-up of {provider}"), || {
            black_box(
                Book::standard()
                    .resolve(provider, "", &Terms::default(), AT)
                    .is_ok(),
            );
        });
    }
    let book = Book::standard();
    let text = Usage::new()
        .with(Meter::InputTokens, 1_500, Evidence::Reported)
        .with(Meter::CachedInputTokens, 16_384, Evidence::Reported)
        .with(Meter::OutputTokens, 212, Evidence::Reported)
        .with(Meter::ReasoningTokens, 64, Evidence::Reported);
    let speech = Usage::new().with(Meter::ServerAudioUs, 125_350_000, Evidence::Reported);
    let usual = Terms::default();
    let mut live = Terms::default();
    live.mode = Some(Mode::Streaming);
    live.channels = Some(2);
    live.addons.push("redact".into());

    for (name, provider, model, terms, usage) in [
        ("gpt-4o-mini", "openai", "gpt-4o-mini", &usual, &text),
        (
            "gpt-6.1-sol (context tier)",
            "openai",
            "gpt-6.1-sol",
            &usual,
            &text,
        ),
        (
            "gpt-4o-mini, by date",
            "openai",
            "gpt-4o-mini-2026-01-02",
            &usual,
            &text,
        ),
        (
            "nova-3, 2 channels, redact",
            "deepgram",
            "nova-3",
            &live,
            &speech,
        ),
    ] {
        let quote = book.resolve(provider, model, terms, AT).unwrap();
        best(&format!("{name}: resolved, amount"), 2_000, || {
            black_box(quote.amount(black_box(usage)));
        });
        best(&format!("{name}: by name, amount"), 2_000, || {
            let quote = book
                .resolve(black_box(provider), black_box(model), terms, AT)
                .unwrap();
            black_box(quote.amount(black_box(usage)));
        });
        best(&format!("{name}: by name, cost with lines"), 2_000, || {
            black_box(book.price(&Billed::new(provider, model, black_box(usage), terms, AT)));
        });
    }
    first("every other vendor", || {
        black_box(Book::standard().rows().count());
    });
}
