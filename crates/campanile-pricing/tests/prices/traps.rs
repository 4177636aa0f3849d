//! Traps into which published price books have fallen; one test each.

use crate::common::*;
use campanile_core::{Billed, Evidence, Meter, Money, Price, Reason, Terms, Timestamp, Usage};
use campanile_pricing::Book;

const MINUTE: u64 = 60_000_000;
const TOKENS: [(Meter, u64); 2] = [(Meter::InputTokens, 1_000), (Meter::OutputTokens, 100)];

#[test]
fn one_name_with_two_prices_is_a_range_until_the_mode_is_said() {
    let cost = price(
        "deepgram nova-3",
        &[(Meter::ServerAudioUs, MINUTE)],
        &Terms::default(),
    );

    assert_eq!(
        (cost.at_least, cost.at_most),
        (usd("0.0043"), Some(usd("0.0048")))
    );
    assert_eq!(cost.why, [Reason::AmbiguousPrice]);
    assert_eq!(
        exact(
            "deepgram nova-3",
            &[(Meter::ServerAudioUs, MINUTE)],
            &streaming()
        ),
        "0.0048"
    );
}

#[test]
fn the_price_after_a_promotion_is_not_the_price_of_today() {
    let book = Book::standard();
    let quote = book
        .resolve("deepgram", "nova-3", &streaming(), AT)
        .unwrap();

    assert_eq!(
        quote.row().regular().collect::<Vec<_>>(),
        [("audio", "0.0077/minute")]
    );
    assert_eq!(
        exact("deepgram nova-3", &[(Meter::AudioUs, MINUTE)], &streaming()),
        "0.0048"
    );
}

#[test]
fn a_name_that_begins_like_another_is_another() {
    let usual = Terms::default();
    assert_eq!(exact("openai gpt-5", &TOKENS, &usual), "0.00225");
    assert_eq!(exact("openai gpt-5.6-sol", &TOKENS, &usual), "0.006");
    assert_eq!(
        exact(
            "openai gpt-realtime-translate",
            &[(Meter::AudioUs, MINUTE)],
            &usual
        ),
        "0.034"
    );
    assert_eq!(
        exact("cartesia ink-2", &[(Meter::AudioUs, MINUTE)], &streaming()),
        "0.009"
    );
    assert_eq!(
        exact(
            "cartesia ink-whisper",
            &[(Meter::AudioUs, MINUTE)],
            &streaming()
        ),
        "0.003"
    );
    assert_eq!(
        exact(
            "deepgram nova-3-medical",
            &[(Meter::AudioUs, MINUTE)],
            &streaming()
        ),
        "0.0077"
    );
    for unknown in [
        "openai gpt-5.6-moon",
        "openai gpt-4o-minimal",
        "deepgram nova-3-legal",
        "deepgram aura-2-",
        "groq gpt-4o",
    ] {
        let cost = price(unknown, &TOKENS, &usual);
        assert_eq!(
            (cost.at_most, cost.why.as_slice()),
            (None, &[Reason::UnknownModel][..]),
            "{unknown}"
        );
    }
}

#[test]
fn a_new_snapshot_has_the_price_of_its_model_and_says_that_it_is_assumed() {
    let cost = price("openai gpt-4o-mini-2031-02-28", &TOKENS, &Terms::default());

    assert_eq!(cost.why, [Reason::AssumedAlias]);
    assert_eq!(
        cost.at_least.to_string(),
        exact("openai gpt-4o-mini", &TOKENS, &Terms::default())
    );
    let no_day = price("openai gpt-4o-mini-2031-02-30", &TOKENS, &Terms::default());
    assert_eq!(no_day.why, [Reason::UnknownModel]);
}

#[test]
fn a_model_is_found_by_the_names_that_callers_give_it() {
    for (written, known) in [
        ("openai GPT-4o", "openai gpt-4o"),
        ("OPENAI openai/gpt-4o", "openai gpt-4o"),
        ("anthropic Claude-Haiku-4-5", "anthropic claude-haiku-4-5"),
        ("google-gla models/gemini-2.5-pro", "google gemini-2.5-pro"),
        (
            "google-vertex projects/p/locations/l/publishers/google/models/gemini-2.5-pro",
            "google gemini-2.5-pro",
        ),
        (
            "aws-bedrock us.amazon.nova-micro-v1:0",
            "aws amazon.nova-micro-v1:0",
        ),
    ] {
        assert_eq!(
            exact(written, &TOKENS, &Terms::default()),
            exact(known, &TOKENS, &Terms::default()),
            "{written}"
        );
    }
}

#[test]
fn a_snapshot_with_its_own_price_keeps_it() {
    assert_eq!(
        exact("openai gpt-4o-2024-05-13", &TOKENS, &Terms::default()),
        "0.0065"
    );
    assert_eq!(
        exact("openai gpt-4o-2024-08-06", &TOKENS, &Terms::default()),
        "0.0035"
    );
}

#[test]
fn the_edge_of_a_context_tier_is_data() {
    let tiered = |edge: &str| {
        let row = r#"model = ["m"]
            rates = { input_tokens = "1.25/M", output_tokens = "10/M" }
            above = [{ input = 200000, edge = "EDGE", rates = { input_tokens = "2.5/M", output_tokens = "15/M" } }]"#;
        book(&[&row.replace("EDGE", edge)])
    };
    let at = |edge: &str, tokens: u64| {
        let counts = [(Meter::InputTokens, tokens), (Meter::OutputTokens, 1_000)];
        price_at(&tiered(edge), "v m", &counts, &Terms::default(), AT)
            .at_least
            .to_string()
    };

    assert_eq!(at("exclusive", 200_000), "0.26");
    assert_eq!(at("inclusive", 200_000), "0.515");
    assert_eq!(at("inclusive", 199_999), "0.25999875");
    assert_eq!(at("exclusive", 200_001), "0.5150025");
}

#[test]
fn a_context_tier_is_a_cliff_and_counts_the_cached_tokens() {
    let whole = [(Meter::InputTokens, 250_000), (Meter::OutputTokens, 1_000)];
    assert_eq!(
        exact("google gemini-2.5-pro", &whole, &Terms::default()),
        "0.64"
    );

    let cached = [
        (Meter::InputTokens, 1),
        (Meter::CachedInputTokens, 272_000),
        (Meter::OutputTokens, 1_000),
    ];
    assert_eq!(
        exact("openai gpt-6.1-sol", &cached, &Terms::default()),
        "0.069404"
    );
}

#[test]
fn a_price_by_the_minute_is_whole_by_the_minute() {
    let second = exact(
        "openai gpt-realtime-whisper",
        &[(Meter::AudioUs, 1_000_000)],
        &Terms::default(),
    );
    assert_eq!(second, "0.000283333333333333");
    let hour = exact(
        "openai gpt-realtime-whisper",
        &[(Meter::AudioUs, 60 * MINUTE)],
        &Terms::default(),
    );
    assert_eq!(hour, "1.02");
}

#[test]
fn half_prices_are_stored_as_published() {
    let cached = [(Meter::CachedInputTokens, 1_000_000)];
    assert_eq!(exact("openai o4-mini", &cached, &tier("flex")), "0.138");
    assert_eq!(exact("openai o4-mini", &cached, &Terms::default()), "0.275");
    assert_eq!(
        exact(
            "openai gpt-5-nano",
            &[(Meter::CachedInputTokens, 1)],
            &tier("flex")
        ),
        "0.0000000025"
    );
}

#[test]
fn a_date_in_local_time_is_refused() {
    let row = "model = [\"m\"]\nfrom = 2026-05-05T00:00:00\nrates = { requests = \"1/each\" }";

    let error = try_book(&[row]).unwrap_err();

    assert_eq!(
        (error.row(), error.field()),
        (Some("price 1 (v m)"), "from")
    );
    assert!(error.to_string().contains("add a Z"), "{error}");
}

#[test]
fn the_tier_that_was_served_is_billed_and_a_requested_one_is_an_assumption() {
    let mut requested = tier("priority");
    requested.tier_served = false;

    assert_eq!(exact("openai gpt-4o", &TOKENS, &tier("default")), "0.0035");
    assert_eq!(
        exact("openai gpt-4o", &TOKENS, &tier("priority")),
        "0.00595"
    );
    assert_eq!(price("openai gpt-4o", &TOKENS, &tier("priority")).why, []);
    let assumed = price("openai gpt-4o", &TOKENS, &requested);
    assert_eq!(
        (assumed.at_least, assumed.why.as_slice()),
        (usd("0.00595"), &[Reason::AssumedTerms][..])
    );
}

#[test]
fn minutes_are_no_bill_for_a_model_that_bills_tokens() {
    let cost = price(
        "openai gpt-4o-transcribe",
        &[(Meter::AudioUs, MINUTE)],
        &Terms::default(),
    );

    assert_eq!(
        (cost.at_most, cost.why.as_slice()),
        (None, &[Reason::UnknownUsage][..])
    );
    let tokens = [
        (Meter::AudioInputTokens, 1_000),
        (Meter::OutputTokens, 100),
        (Meter::AudioUs, MINUTE),
    ];
    assert_eq!(
        exact("openai gpt-4o-transcribe", &tokens, &Terms::default()),
        "0.007"
    );
}

#[test]
fn waiting_is_not_audio_unless_the_row_says_so() {
    let counts = [
        (Meter::AudioUs, 2 * MINUTE),
        (Meter::ServerAudioUs, MINUTE),
        (Meter::SocketUs, 60 * MINUTE),
    ];
    assert_eq!(exact("deepgram nova-3", &counts, &streaming()), "0.0048");
    assert_eq!(exact("cartesia ink-2", &counts, &streaming()), "0.018");
    assert_eq!(
        exact("assemblyai universal-streaming", &counts, &Terms::default()),
        "0.15"
    );
}

/// Sessions that a provider has billed, and what was pushed into them: the difference is the silence that nobody sent.
#[test]
fn the_clock_of_the_provider_bills_and_not_what_was_pushed() {
    for (billed_us, pushed_us, open_us, by_server, by_socket) in [
        (125_350_000, 120_600_000, 126_000_000, "0.010028", "0.00525"),
        (155_000_000, 150_700_000, 156_000_000, "0.0124", "0.0065"),
        (24_250_000, 20_150_000, 24_720_000, "0.00194", "0.00103"),
    ] {
        let counts = [
            (Meter::AudioUs, pushed_us),
            (Meter::ServerAudioUs, billed_us),
            (Meter::SocketUs, open_us),
        ];
        let deepgram = exact("deepgram nova-3", &counts, &streaming());
        assert_eq!(deepgram, by_server);
        let open = "assemblyai universal-streaming";
        assert_eq!(exact(open, &counts, &Terms::default()), by_socket);
    }
}

#[test]
fn our_own_time_of_an_open_connection_is_no_audio() {
    let open = |provider, model, evidence| {
        let usage = Usage::new().with(Meter::SocketUs, 60 * MINUTE, evidence);
        let terms = Terms::default();
        Book::standard().price(&Billed::new(provider, model, &usage, &terms, AT))
    };

    let ours = open("deepgram", "nova-3", Evidence::Measured);
    assert_eq!((ours.at_least, ours.at_most), (Money::ZERO, None));
    let theirs = open("deepgram", "nova-3", Evidence::Reported);
    assert!(theirs.at_most.is_some());
    let tokens = open("openai", "gpt-4o-mini", Evidence::Measured);
    assert_eq!(tokens.why, [Reason::UnknownUsage]);
    let itself = open("assemblyai", "universal-streaming", Evidence::Measured);
    assert!(itself.is_exact());
}

#[test]
fn units_of_another_kind_are_refused() {
    for (rates, says) in [
        ("characters = \"0.05/second\"", "is no unit of characters"),
        ("audio = \"15/M\"", "is no unit of audio_us"),
        (
            "input_tokens = \"2.5/minute\"",
            "is no unit of input_tokens",
        ),
        ("audio_us = \"1/minute\"", "is no meter"),
    ] {
        let error = try_book(&[&format!("model = [\"m\"]\nrates = {{ {rates} }}")]).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn an_event_has_the_price_of_its_moment() {
    let book = Book::standard();
    // 2026-08-21T00:00:00Z and 2027-01-01T00:00:00Z
    let (cut, rise) = (
        Timestamp(1_787_270_400_000_000),
        Timestamp(1_798_761_600_000_000),
    );
    let input = [(Meter::InputTokens, 1_000_000)];
    let at = |id: &str, at: i64| {
        price_at(&book, id, &input, &Terms::default(), Timestamp(at))
            .at_least
            .to_string()
    };

    assert_eq!(cut.to_string(), "2026-08-21T00:00:00.000000Z");
    assert_eq!(rise.to_string(), "2027-01-01T00:00:00.000000Z");
    assert_eq!(at("openai gpt-5.6-sol", cut.0 - 1), "10"); // over 272k: twice
    assert_eq!(at("openai gpt-5.6-sol", cut.0), "8");
    assert_eq!(at("google gemini-3.8-flash", rise.0 - 1), "0.75");
    assert_eq!(at("google gemini-3.8-flash", rise.0), "1.5");
}

#[test]
fn a_minimum_is_data_and_nothing_stays_nothing() {
    let groq = |us: u64| {
        exact(
            "groq whisper-large-v3-turbo",
            &[(Meter::AudioUs, us)],
            &Terms::default(),
        )
    };

    assert_eq!(groq(100_000), "0.000111111111111111");
    assert_eq!(groq(10_000_000), "0.000111111111111111");
    assert_eq!(groq(10_000_001), "0.000111111122222222");
    assert_eq!(groq(0), "0");
}

#[test]
fn unknown_is_never_zero() {
    let book = Book::standard();
    for (provider, model) in [
        ("", "gpt-4o"),
        ("openai", ""),
        ("nobody", "gpt-4o"),
        ("openai", "gpt-\u{e9}-2024-01-01"),
    ] {
        let cost = price_at(
            &book,
            &format!("{provider} {model}"),
            &TOKENS,
            &Terms::default(),
            AT,
        );
        assert_eq!(
            (cost.at_most, cost.why.as_slice()),
            (None, &[Reason::UnknownModel][..])
        );
    }
    let retired = price("deepgram nova-1", &[(Meter::AudioUs, MINUTE)], &streaming());
    assert_eq!(
        (retired.at_most, retired.why.as_slice()),
        (None, &[Reason::KnownButUnpriced][..])
    );
    let nothing = price("openai gpt-4o", &[], &Terms::default());
    assert_eq!(
        (nothing.at_most, nothing.why.as_slice()),
        (None, &[Reason::UnknownUsage][..])
    );
    assert_eq!(
        exact(
            "openai gpt-4o",
            &[(Meter::InputTokens, 0)],
            &Terms::default()
        ),
        "0"
    );
}

#[test]
fn a_published_zero_is_a_price_and_ends_at_its_instant() {
    // 2026-09-01T07:00:00Z and 2026-10-01T07:00:00Z
    let (from, to) = (1_788_246_000_000_000, 1_790_838_000_000_000);
    let book = Book::standard();
    let at = |at: i64| {
        price_at(
            &book,
            "livekit rime/coda",
            &[(Meter::Characters, 1_000)],
            &Terms::default(),
            Timestamp(at),
        )
    };

    assert_eq!(Timestamp(from).to_string(), "2026-09-01T07:00:00.000000Z");
    assert_eq!(
        (
            at(from - 1).at_least,
            at(from).at_least,
            at(to - 1).at_least,
            at(to).at_least
        ),
        (usd("0.05"), usd("0"), usd("0"), usd("0.05"))
    );
    assert!(at(from).is_exact() && at(from).why.is_empty());
}
