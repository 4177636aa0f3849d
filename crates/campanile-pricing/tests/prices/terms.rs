//! Terms, bounds, credits, overrides and errors.

use crate::common::*;
use campanile_core::{
    Billed, Count, Evidence, Meter, Mode, Money, Price, Reason, Terms, Timestamp, Usage,
};
use campanile_pricing::{Book, Kind, Lost};

const MINUTE: u64 = 60_000_000;
const AUDIO: [(Meter, u64); 1] = [(Meter::AudioUs, MINUTE)];

fn with(write: impl FnOnce(&mut Terms)) -> Terms {
    let mut terms = Terms::default();
    write(&mut terms);
    terms
}

#[test]
fn an_ordinary_turn_of_a_voice_bot_is_exact() {
    let stt = [
        (Meter::AudioUs, 4_100_000),
        (Meter::ServerAudioUs, 4_080_000),
        (Meter::SocketUs, 9_000_000),
        (Meter::Requests, 1),
    ];
    let llm = [
        (Meter::InputTokens, 1_180),
        (Meter::CachedInputTokens, 1_024),
        (Meter::OutputTokens, 48),
        (Meter::Requests, 1),
    ];
    let tts = [
        (Meter::Characters, 212),
        (Meter::SpeechUs, 12_700_000),
        (Meter::SocketUs, 14_000_000),
        (Meter::Requests, 1),
    ];

    for (id, counts, terms, amount) in [
        ("deepgram nova-3", &stt[..], streaming(), "0.0003264"),
        (
            "openai gpt-4o-mini",
            &llm[..],
            Terms::default(),
            "0.0002826",
        ),
        ("cartesia sonic-3", &tts[..], Terms::default(), "0.0106"),
    ] {
        let cost = price(id, counts, &terms);
        assert_eq!(
            (cost.at_least.to_string().as_str(), cost.at_most),
            (amount, Some(cost.at_least)),
            "{id}"
        );
        assert_eq!(cost.why, [], "{id}");
        let lines = cost
            .lines
            .iter()
            .try_fold(Money::ZERO, |sum, line| sum.checked_add(line.amount));
        assert_eq!(lines, Some(cost.at_least), "{id}");
        assert_eq!(cost.book, *Book::standard().version());
    }
}

#[test]
fn a_line_says_what_was_billed_by_which_row() {
    let two = with(|terms| {
        terms.mode = Some(Mode::Streaming);
        terms.channels = Some(2);
        terms.addons = vec!["diarize".into(), "smart_format".into()];
    });

    let cost = price("deepgram nova-3", &AUDIO, &two);

    let lines: Vec<_> = cost
        .lines
        .iter()
        .map(|line| (line.entry.as_str(), line.counted, line.billed, line.amount))
        .collect();
    assert_eq!(
        lines,
        [
            (
                "deepgram/nova-3+streaming",
                MINUTE,
                2 * MINUTE,
                usd("0.0096")
            ),
            (
                "deepgram/nova-3+streaming#diarize",
                MINUTE,
                2 * MINUTE,
                usd("0.004")
            ),
        ]
    );
    assert_eq!(
        (cost.at_least, cost.at_most),
        (usd("0.0136"), Some(usd("0.0136")))
    );
}

#[test]
fn an_extra_that_the_row_does_not_know_has_no_upper_bound() {
    let terms = with(|terms| {
        terms.mode = Some(Mode::Streaming);
        terms.addons = vec!["translate".into()];
    });

    let cost = price("deepgram nova-3", &AUDIO, &terms);

    assert_eq!((cost.at_least, cost.at_most), (usd("0.0048"), None));
    assert_eq!(cost.why, [Reason::AssumedTerms]);
}

#[test]
fn credits_cost_what_the_plan_says() {
    let plan = |plan: &'static str| with(|terms| terms.plan = Some(plan.into()));
    let speak = [(Meter::Characters, 1_000_000)];

    assert_eq!(exact("cartesia sonic-3", &speak, &Terms::default()), "50");
    assert_eq!(exact("cartesia sonic-3", &speak, &plan("Pro")), "50");
    assert_eq!(exact("cartesia sonic-3", &speak, &plan("startup")), "39.2");
    assert_eq!(exact("cartesia sonic-3", &speak, &plan("scale")), "37.375");
    let unknown = price("cartesia sonic-3", &speak, &plan("enterprise"));
    assert_eq!(
        (unknown.at_least, unknown.at_most),
        (usd("37.375"), Some(usd("50")))
    );
    assert_eq!(unknown.why, [Reason::AssumedTerms]);
}

#[test]
fn a_voice_class_multiplies_and_an_unknown_one_may() {
    let voice = |voice: &'static str| with(|terms| terms.voice = Some(voice.into()));
    let speak = [(Meter::Characters, 1_000)];

    assert_eq!(
        exact("cartesia sonic-2", &speak, &voice("pro_clone")),
        "0.075"
    );
    assert_eq!(exact("cartesia sonic-2", &speak, &voice("default")), "0.05");
    let unknown = price("cartesia sonic-2", &speak, &voice("celebrity"));
    assert_eq!(
        (unknown.at_least, unknown.at_most),
        (usd("0.05"), Some(usd("0.075")))
    );
}

#[test]
fn a_region_multiplies_tokens_and_not_fees() {
    let eu = with(|terms| terms.region = Some("eu".into()));
    let counts = [(Meter::InputTokens, 1_000_000), (Meter::WebSearches, 100)];

    assert_eq!(
        exact("openai gpt-5.4-mini", &counts, &Terms::default()),
        "1.75"
    );
    assert_eq!(exact("openai gpt-5.4-mini", &counts, &eu), "1.825");
}

#[test]
fn a_region_may_have_a_row_of_its_own() {
    let eu = with(|terms| terms.region = Some("eu".into()));
    let counts = [(Meter::InputTokens, 1_000_000)];

    assert_eq!(exact("azure gpt-4o", &counts, &Terms::default()), "2.5");
    assert_eq!(exact("azure gpt-4o", &counts, &eu), "2.75");
    assert_eq!(exact("azure eu/gpt-4o", &counts, &eu), "2.75");
}

#[test]
fn a_tier_without_a_price_is_a_range() {
    let counts = [(Meter::Characters, 1_000_000)];

    let batch = price("openai tts-1", &counts, &tier("batch"));
    assert_eq!(
        (batch.at_least, batch.at_most),
        (Money::ZERO, Some(usd("15")))
    );
    let fast = price("openai tts-1", &counts, &tier("priority"));
    assert_eq!((fast.at_least, fast.at_most), (usd("15"), None));
    assert_eq!(exact("openai tts-1", &counts, &tier("on-demand")), "15");
    let input = [(Meter::InputTokens, 1_000_000)];
    assert_eq!(exact("openai gpt-4o", &input, &tier("priority")), "4.25");
    assert_eq!(exact("openai gpt-4o", &input, &tier("Fast")), "4.25");
    assert_eq!(
        exact("groq openai/gpt-oss-20b", &input, &tier("batch")),
        "0.0375"
    );
    assert_eq!(
        exact(
            "anthropic claude-opus-5",
            &[(Meter::InputTokens, 1_000_000)],
            &tier("fast")
        ),
        "10"
    );
    assert_eq!(
        exact(
            "google gemini-2.5-pro",
            &[(Meter::InputTokens, 1_000)],
            &tier("ON_DEMAND_PRIORITY")
        ),
        "0.00225"
    );
}

#[test]
fn the_hour_of_the_utc_day_is_a_condition() {
    let book = Book::standard();
    let at = |hour: i64| {
        let at = Timestamp(AT.0 - 12 * DAY / 24 + hour * DAY / 24);
        price_at(
            &book,
            "deepseek deepseek-flash",
            &[(Meter::InputTokens, 1_000_000)],
            &Terms::default(),
            at,
        )
    };

    for (hour, amount) in [
        (0, "0.15"),
        (1, "0.3"),
        (3, "0.3"),
        (4, "0.15"),
        (6, "0.3"),
        (10, "0.15"),
    ] {
        assert_eq!(at(hour).at_least.to_string(), amount, "{hour}:00");
    }
}

#[test]
fn an_attempt_is_one_request_where_requests_cost() {
    let tokens = (Meter::InputTokens, 1_000_000);
    let row = "model = [\"m\"]\nrates = { input_tokens = \"1/M\", requests = \"5/k\" }";
    let book = book(&[row]);
    let at = |counts: &[(Meter, u64)]| price_at(&book, "v m", counts, &Terms::default(), AT);

    assert_eq!(at(&[tokens]).at_least, usd("1.005"));
    assert_eq!(at(&[tokens, (Meter::Requests, 3)]).at_least, usd("1.015"));
    assert_eq!(at(&[tokens]).lines.len(), 2);
}

#[test]
fn bounds_of_a_count_are_bounds_of_the_cost() {
    let book = Book::standard();
    let mut usage = Usage::new().with(Meter::InputTokens, 1_000_000, Evidence::Reported);
    let mut at = |at_most, evidence| {
        let count = Count {
            at_least: 10,
            at_most,
            evidence,
        };
        usage.set(Meter::OutputTokens, count);
        book.price(&Billed::new(
            "openai",
            "gpt-4o-mini",
            &usage,
            &Terms::default(),
            AT,
        ))
    };

    let cut = at(Some(1_000_000), Evidence::Estimated);
    assert_eq!(
        (cut.at_least, cut.at_most),
        (usd("0.150006"), Some(usd("0.75")))
    );
    assert_eq!(cut.why, [Reason::Bounded(Meter::OutputTokens)]);
    // What the model writes at most is the bound of an answer that has none: 16,384 tokens.
    let most = Some(usd("0.1598304"));
    let open = at(None, Evidence::Estimated);
    assert_eq!((open.at_least, open.at_most), (usd("0.150006"), most));
    let unknown = at(Some(10), Evidence::Unknown);
    assert_eq!(
        (unknown.at_most, unknown.why.as_slice()),
        (most, &[Reason::UnknownUsage][..])
    );
}

#[test]
fn a_model_without_a_limit_has_no_upper_bound_and_one_that_was_passed_is_none() {
    let book = Book::parse(
        r#"
        [[price]]
        vendor = "own"
        model = ["small"]
        rates = { input_tokens = "1/M", output_tokens = "2/M" }
        source = { page = "own", checked = 2026-01-01, says = "", kind = "listed" }
        [[price]]
        vendor = "own"
        model = ["open"]
        rates = { input_tokens = "1/M", output_tokens = "2/M" }
        source = { page = "own", checked = 2026-01-01, says = "", kind = "listed" }
        [[limit]]
        vendor = "own"
        model = ["small"]
        prompt = 1000
        "#,
    )
    .unwrap();
    let most = |model: &str, at_least| {
        let mut usage = Usage::new().with(Meter::InputTokens, 10, Evidence::Reported);
        let count = Count {
            at_least,
            at_most: None,
            evidence: Evidence::Estimated,
        };
        usage.set(Meter::OutputTokens, count);
        book.price(&Billed::new("own", model, &usage, &Terms::default(), AT))
            .at_most
    };

    assert_eq!(most("small", 5), Some(usd("0.00201")));
    assert_eq!(most("small", 1_001), None);
    assert_eq!(most("open", 5), None);
    let row = book.rows().next().unwrap();
    assert_eq!(row.limits(), (Some(1_000), Some(1_000)));
}

#[test]
fn a_limit_of_a_model_without_a_price_is_refused() {
    let limit = |model: &str, prompt: u64| {
        let text = format!(
            r#"
            [[price]]
            vendor = "own"
            model = ["small"]
            rates = {{ input_tokens = "1/M" }}
            source = {{ page = "own", checked = 2026-01-01, says = "", kind = "listed" }}
            [[limit]]
            vendor = "own"
            model = ["{model}"]
            prompt = {prompt}
            "#
        );
        Book::parse(&text).unwrap_err().to_string()
    };

    let unknown = limit("smal", 10);
    assert!(unknown.contains("`smal` has no price"), "{unknown}");
    let nothing = limit("small", 0);
    assert!(nothing.contains("limit 1 (own)"), "{nothing}");
}

#[test]
fn a_prompt_that_may_be_on_either_side_of_an_edge_has_both_prices() {
    let book = Book::standard();
    let mut usage = Usage::new();
    let count = Count {
        at_least: 200_000,
        at_most: Some(300_000),
        evidence: Evidence::Estimated,
    };
    usage.set(Meter::InputTokens, count);

    let cost = book.price(&Billed::new(
        "google",
        "gemini-2.5-pro",
        &usage,
        &Terms::default(),
        AT,
    ));

    assert_eq!(
        (cost.at_least, cost.at_most),
        (usd("0.25"), Some(usd("0.75")))
    );
    assert_eq!(
        cost.why,
        [Reason::AmbiguousPrice, Reason::Bounded(Meter::InputTokens)]
    );
}

#[test]
fn a_meter_without_a_price_has_no_upper_bound() {
    let cost = price(
        "openai gpt-4o-mini",
        &[(Meter::InputTokens, 10), (Meter::AudioOutputTokens, 5)],
        &Terms::default(),
    );

    assert_eq!((cost.at_least, cost.at_most), (usd("0.0000015"), None));
    assert_eq!(cost.why, [Reason::UnpricedMeter(Meter::AudioOutputTokens)]);
    assert_eq!(
        exact(
            "openai gpt-4o-mini",
            &[(Meter::InputTokens, 10), (Meter::AudioOutputTokens, 0)],
            &Terms::default()
        ),
        "0.0000015"
    );
}

#[test]
fn what_does_not_fit_is_said_and_never_wraps() {
    let dear = book(&[
        "model = [\"m\"]\nrates = { requests = \"100000000000/each\", messages = \"100000000000/each\" }",
    ]);
    let counts = [(Meter::Requests, u64::MAX - 1), (Meter::Messages, 1)];

    let cost = price_at(&dear, "v m", &counts, &Terms::default(), AT);

    assert_eq!(
        (cost.at_most, cost.why.as_slice()),
        (None, &[Reason::Overflow][..])
    );
    assert_eq!(cost.at_least, usd("100000000000"));
    let channels = with(|terms| {
        terms.mode = Some(Mode::Streaming);
        terms.channels = Some(u32::MAX);
    });
    let long = price(
        "deepgram nova-3",
        &[(Meter::AudioUs, u64::MAX - 1)],
        &channels,
    );
    assert_eq!(
        (long.at_most, long.why.as_slice()),
        (None, &[Reason::Overflow][..])
    );
}

#[test]
fn a_derived_rate_is_a_range() {
    let cost = price(
        "azure stt-standard",
        &[(Meter::AudioUs, 60 * MINUTE)],
        &with(|terms| terms.mode = Some(Mode::Prerecorded)),
    );

    assert!(
        cost.at_least <= usd("0.18") && cost.at_most.unwrap() >= usd("0.36"),
        "{cost:?}"
    );
    assert!(cost.why.contains(&Reason::UnsureRate));
}

#[test]
fn a_rounding_on_which_sources_disagree_raises_the_upper_bound_only() {
    let at = |us: u64| price("aws transcribe", &[(Meter::AudioUs, us)], &streaming());

    assert_eq!(
        (at(20_500_000).at_least, at(20_500_000).at_most),
        (usd("0.00341735"), Some(usd("0.0035007")))
    );
    assert_eq!(at(20_500_000).why, [Reason::AmbiguousPrice]);
    assert!(at(21_000_000).is_exact());
}

#[test]
fn negotiated_rows_win_where_they_apply() {
    let book = Book::standard()
        .with_override(
            r#"
            [[price]]
            vendor = "deepgram"
            model = ["nova-3"]
            rates = { audio = "0.0040/minute" }
            source = { page = "contract 7", checked = 2026-11-01, says = "0.0040 in any mode", kind = "listed" }

            [[price]]
            vendor = "in-house"
            model = ["parrot"]
            rates = { characters = "1/M" }
            source = { page = "finance", checked = 2026-11-01, says = "1 per 1M", kind = "observed" }
            "#,
        )
        .unwrap();
    let at = |id: &str, counts: &[(Meter, u64)]| price_at(&book, id, counts, &streaming(), AT);

    assert_eq!(at("deepgram nova-3", &AUDIO).at_least, usd("0.004"));
    assert_eq!(
        at("deepgram nova-3-medical", &AUDIO).at_least,
        usd("0.0077")
    );
    assert_eq!(
        at("in-house parrot", &[(Meter::Characters, 1_000_000)]).at_least,
        usd("1")
    );
    let row = book
        .resolve("deepgram", "nova-3", &streaming(), AT)
        .unwrap()
        .row();
    assert_eq!(
        (row.entry().as_str(), row.source().kind),
        ("deepgram/nova-3+negotiated", Kind::Negotiated)
    );
    assert_ne!(book.version(), Book::standard().version());
    assert_eq!(exact("deepgram nova-3", &AUDIO, &streaming()), "0.0048");
}

#[test]
fn an_override_can_be_changed_back() {
    let text = text(&["model = [\"m\"]\nrates = { requests = \"1/each\" }"]);
    let version = |text: &str| {
        Book::standard()
            .with_override(text)
            .unwrap()
            .version()
            .to_string()
    };

    assert_eq!(version(&text), version(&text));
    assert_ne!(version(&text), version(&text.replace("1/each", "2/each")));
    assert_eq!(
        version("version = \"acme-3\""),
        format!("{}+acme-3", Book::standard().version())
    );
}

#[test]
fn a_wrong_row_names_itself_the_field_and_the_remedy() {
    for (row, field, says) in [
        (
            "rates = { requests = \"1/each\" }",
            "model",
            "name the model",
        ),
        ("model = [\"m\"]", "rates", "unpriced = true"),
        (
            "model = [\"m\"]\nrates = { tokens = \"1/M\" }",
            "rates.tokens",
            "write audio, input_tokens",
        ),
        (
            "model = [\"m\"]\nrates = { audio = \"1 credit/second\" }",
            "rates",
            "add a [[credit]]",
        ),
        (
            "model = [\"m\"]\nrates = { audio = \"1/minute\" }\nwhen = { mode = \"live\" }",
            "when.mode",
            "streaming or prerecorded",
        ),
        (
            "model = [\"m\"]\nrates = { audio = \"1/minute\" }\nwhen = { hours = \"9-17\" }",
            "when.hours",
            "16:30-00:30",
        ),
        (
            "model = [\"m\"]\nrates = { audio = \"1/minute\" }\nleast = \"ten\"",
            "least",
            "10s",
        ),
        (
            "model = [\"m\"]\nrates = { audio = \"1/minute\" }\nclock = \"wall\"",
            "clock",
            "server",
        ),
        (
            "model = [\"m\"]\nrates = { audio = \"1/minute\" }\nfrom = 2026-02-30",
            "from",
            "calendar",
        ),
        (
            "model = [\"m\"]\nrates = { audio = \"1/minute\" }\nfrom = 2026-02-02\nto = 2026-02-02",
            "to",
            "not after",
        ),
        (
            "starts = \"m-\"\nrates = { audio = \"1/minute\" }",
            "then",
            "what may follow",
        ),
        (
            "model = [\"a b\"]\nrates = { audio = \"1/minute\" }",
            "model",
            "no name",
        ),
    ] {
        let error = match row.contains("2026-02-30") {
            // TOML itself refuses such a day.
            true => continue,
            false => try_book(&[row]).unwrap_err(),
        };
        assert_eq!(error.field(), field, "{error}");
        assert!(error.row().unwrap().starts_with("price 1 (v "), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    let unknown_key = try_book(&["model = [\"m\"]\nrates = {}\nchannel = 2"])
        .unwrap_err()
        .to_string();
    assert!(
        unknown_key.contains("unknown field `channel`"),
        "{unknown_key}"
    );
}

#[test]
fn rows_that_hold_at_once_are_refused() {
    let plain = "model = [\"m\"]\nrates = { audio = \"1/minute\" }";
    let live = "model = [\"m\"]\nrates = { audio = \"2/minute\" }\nwhen = { mode = \"streaming\" }";
    let growth = "model = [\"m\"]\nrates = { audio = \"3/minute\" }\nwhen = { plan = \"growth\" }";
    let both = "model = [\"m\"]\nrates = { audio = \"4/minute\" }\nwhen = { mode = \"streaming\", plan = \"growth\" }";

    assert_eq!(try_book(&[plain, plain]).unwrap_err().field(), "when");
    assert_eq!(try_book(&[live, growth]).unwrap_err().field(), "when");
    let book = book(&[plain, live, growth, both]);
    let terms = with(|terms| {
        terms.mode = Some(Mode::Streaming);
        terms.plan = Some("growth".into());
    });
    assert_eq!(
        price_at(&book, "v m", &AUDIO, &terms, AT).at_least,
        usd("4")
    );
    let before = format!("{plain}\nto = 2026-01-01");
    let after = format!("{plain}\nfrom = 2026-01-01");
    assert!(try_book(&[&before, &after]).is_ok());
}

#[test]
fn a_price_that_has_not_begun_is_not_known_yet() {
    let book = book(&["model = [\"m\"]\nrates = { audio = \"1/minute\" }\nfrom = 2026-11-16"]);

    let cost = price_at(&book, "v m", &AUDIO, &Terms::default(), AT);

    assert_eq!(
        (cost.at_most, cost.why.as_slice()),
        (None, &[Reason::KnownButUnpriced][..])
    );
}

#[test]
fn an_explanation_names_the_row_its_source_and_what_it_beat() {
    let book = Book::standard();

    let explained = book
        .explain("deepgram", "nova-3", &streaming(), AT)
        .unwrap();

    assert_eq!(explained.rows[0].entry(), "deepgram/nova-3+streaming");
    let beat = |entry: &str| {
        explained
            .beat
            .iter()
            .find(|(row, _)| *row.entry() == entry)
            .map(|(_, lost)| *lost)
    };
    assert_eq!(beat("deepgram/nova-3+prerecorded"), Some(Lost::OtherTerms));
    let text = explained.to_string();
    for part in [
        "audio 0.0048/minute",
        "deepgram.com/pricing via hail, 2026-05-05",
        "floe-guard has 0.0077",
        "+growth",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let speech = book
        .explain("cartesia", "sonic-3", &Terms::default(), AT)
        .unwrap();
    assert_eq!(
        (speech.plan, speech.rows.len(), speech.why.len()),
        (Some("pro"), 1, 0)
    );
    let sol = book
        .explain("openai", "gpt-5.6-sol", &Terms::default(), AT)
        .unwrap();
    assert!(sol.beat.iter().any(|(_, lost)| *lost == Lost::NoLonger));
    assert_eq!(
        book.explain("openai", "gpt-0", &Terms::default(), AT)
            .unwrap_err(),
        Reason::UnknownModel
    );
}

#[test]
fn vendors_have_the_names_that_people_use() {
    let input = [(Meter::InputTokens, 1_000_000)];
    for (id, amount) in [
        ("gemini gemini-2.5-flash", "0.3"),
        ("vertex_ai gemini-2.5-flash", "0.3"),
        ("google models/gemini-2.5-flash", "0.3"),
        ("azure-openai gpt-4o", "2.5"),
        ("azure eu/gpt-4o", "2.75"),
        ("bedrock us.anthropic.claude-haiku-4-5-20251001-v1:0", "1.1"),
        (
            "bedrock global.anthropic.claude-haiku-4-5-20251001-v1:0",
            "1",
        ),
        ("aws amazon.nova-lite-v1:0", "0.06"),
        ("OPENAI openai/gpt-4o", "2.5"),
        ("groq openai/gpt-oss-20b", "0.075"),
        ("x-ai grok-4", "3"),
    ] {
        assert_eq!(exact(id, &input, &Terms::default()), amount, "{id}");
    }
}
