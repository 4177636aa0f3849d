//! The priced usages of `shared/data/costs-dev.jsonl`, on which independent calculators agree: once at each
//! case's own rates, once at those of the standard book.

use campanile_core::{
    Billed, Cost, Count, Evidence, Meter, Mode, Money, Name, Price, Terms, Timestamp, Usage,
};
use campanile_pricing::{Book, Inclusive, audio_us};
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write, path::Path};

/// 2026-11-15T12:00:00Z, the moment of every case.
const AT: (&str, Timestamp) = ("2026-11-15T12:00:00Z", Timestamp(1_794_744_000_000_000));

/// Cases where our book knowingly says something else, and why.
const DISAGREEMENTS: &[(&str, &str)] = &[];

fn cases() -> Option<Vec<Value>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/costs-dev.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is not there", path.display());
        return None;
    };
    Some(
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    )
}

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap_or("")
}

fn usage(case: &Value) -> Usage {
    let given = &case["usage"];
    let count = |key: &str| given[key].as_u64();
    let mut counts = Inclusive::default();
    counts.input_tokens = count("input_tokens");
    counts.output_tokens = count("output_tokens");
    counts.cache_read_tokens = count("cache_read_tokens");
    counts.cache_write_tokens = count("cache_write_tokens");
    counts.input_audio_tokens = count("input_audio_tokens");
    counts.cache_read_audio_tokens = count("cache_read_audio_tokens");
    counts.reasoning_tokens = count("reasoning_tokens");
    counts.output_audio_tokens = count("output_audio_tokens");
    let (mut usage, doubt) = counts.to_usage(Evidence::Reported);
    assert_eq!(doubt, None, "{}", text(case, "id"));
    if let Some(seconds) = given["audio_seconds"].as_str() {
        usage.set(
            Meter::AudioUs,
            audio_us(seconds, Evidence::Reported).unwrap(),
        );
    }
    if let Some(characters) = count("characters") {
        usage.set(
            Meter::Characters,
            Count::exact(characters, Evidence::Reported),
        );
    }
    usage
}

fn terms(case: &Value) -> Terms {
    let mut terms = Terms::default();
    terms.mode = match case["usage"]["mode"].as_str() {
        Some("streaming") => Some(Mode::Streaming),
        Some("prerecorded") => Some(Mode::Prerecorded),
        _ => None,
    };
    terms.tier = case["usage"]["service_tier"]
        .as_str()
        .and_then(Name::outside);
    terms.tier_served = terms.tier.is_some();
    terms
}

fn price(book: &Book, case: &Value) -> Cost {
    assert_eq!(text(case, "at"), AT.0, "{}", text(case, "id"));
    let (usage, terms) = (usage(case), terms(case));
    book.price(&Billed::new(
        text(case, "provider"),
        text(case, "model"),
        &usage,
        &terms,
        AT.1,
    ))
}

/// Whether an amount is the decimal or fraction that a case wants.
fn is(amount: Money, usd: &str, fraction: &str) -> bool {
    let Some((over, under)) = fraction.split_once('/') else {
        return Some(amount) == Money::from_usd(usd);
    };
    let (over, under): (i128, i128) = (over.parse().unwrap(), under.parse().unwrap());
    amount.grains() * under == over * Money::GRAINS_PER_USD
}

/// The case's rates as a book of one row. The oracles' names say meter and unit.
fn own_book(case: &Value) -> Book {
    let (mut base, mut above) = (
        BTreeMap::new(),
        BTreeMap::<u64, BTreeMap<&str, String>>::new(),
    );
    for (key, rate) in case["rates"].as_object().unwrap() {
        let (meter, unit) = match key.as_str() {
            "input_mtok" => ("input_tokens", "M"),
            "output_mtok" => ("output_tokens", "M"),
            "cache_read_mtok" => ("cached_input_tokens", "M"),
            "cache_write_mtok" => ("cache_write_tokens", "M"),
            "cache_write_1h_mtok" => ("long_cache_write_tokens", "M"),
            "input_audio_mtok" => ("audio_input_tokens", "M"),
            "cache_audio_read_mtok" => ("cached_audio_tokens", "M"),
            "output_audio_mtok" => ("audio_output_tokens", "M"),
            "input_image_mtok" => ("image_input_tokens", "M"),
            "cache_image_read_mtok" => ("cached_image_tokens", "M"),
            "input_cost_per_token" => ("input_tokens", "token"),
            "output_cost_per_token" => ("output_tokens", "token"),
            "input_cost_per_audio_token" => ("audio_input_tokens", "token"),
            "output_cost_per_audio_token" => ("audio_output_tokens", "token"),
            "web_searches_kcount" => ("web_searches", "k"),
            "storage_searches_kcount" => ("file_searches", "k"),
            "input_audio_kseconds" => ("audio", "ksecond"),
            "input_cost_per_second" => ("audio", "second"),
            "audio_hours" => ("audio", "hour"),
            "input_kchars" => ("characters", "k"),
            // The same audio under a second name, and what no speech model charges for its text.
            "input_audio_hours" | "output_cost_per_second" => continue,
            other => panic!("unknown rate {other}"),
        };
        let flat = rate.as_str().or_else(|| rate["base"].as_str()).unwrap();
        base.insert(meter, format!("{flat}/{unit}"));
        for (over, rate) in rate["above"].as_object().into_iter().flatten() {
            let sheet = above.entry(over.parse().unwrap()).or_default();
            sheet.insert(meter, format!("{}/{unit}", rate.as_str().unwrap()));
        }
    }
    let mut book = String::from("[[price]]\nvendor = \"v\"\nmodel = [\"m\"]\n");
    writeln!(book, "rates = {base:?}").unwrap();
    for (over, rates) in &above {
        writeln!(
            book,
            "above = [{{ input = {over}, edge = \"exclusive\", rates = {rates:?} }}]"
        )
        .unwrap();
    }
    if text(case, "category") == "minimum" {
        book.push_str("least = \"10s\"\n");
    }
    book.push_str("source = { page = \"the case\", checked = 2026-11-15, says = \"rates\", kind = \"listed\" }\n");
    // `{:?}` of a map is TOML but for the colons.
    Book::parse(&book.replace("\": \"", "\" = \""))
        .unwrap_or_else(|error| panic!("{error}\n{book}"))
}

#[test]
fn at_its_own_rates_every_case_is_exact() {
    let Some(cases) = cases() else { return };
    let mut wrong = Vec::new();

    for case in &cases {
        let (usage, at) = (usage(case), AT.1);
        let cost = own_book(case).price(&Billed::new("v", "m", &usage, &Terms::default(), at));
        let wanted = (text(case, "expected_usd"), text(case, "expected_fraction"));
        if !cost.is_exact() || !is(cost.at_least, wanted.0, wanted.1) {
            wrong.push(format!(
                "{}: {} {:?}, not {}",
                text(case, "id"),
                cost.at_least,
                cost.why,
                wanted.0
            ));
        }
    }

    assert!(cases.len() >= 100, "only {} cases", cases.len());
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn at_the_standard_book_every_case_is_exact() {
    let Some(cases) = cases() else { return };
    let (book, mut wrong) = (Book::standard(), Vec::new());

    for case in &cases {
        let cost = price(&book, case);
        // Where a calculator's own rate is rounded, the vendor's decides.
        let wanted = match text(case, "tolerance_usd") {
            "0" => (text(case, "expected_usd"), text(case, "expected_fraction")),
            _ => (
                text(case, "published_usd"),
                text(case, "published_fraction"),
            ),
        };
        let excused = DISAGREEMENTS.iter().any(|(id, _)| *id == text(case, "id"));
        let right = cost.is_exact() && is(cost.at_least, wanted.0, wanted.1);
        if right == excused {
            let (id, model) = (text(case, "id"), text(case, "model"));
            wrong.push(format!(
                "{id} {model}: {} {:?}, not {}",
                cost.at_least, cost.why, wanted.0
            ));
        }
    }

    println!(
        "{} of {} cases are exact",
        cases.len() - wrong.len() - DISAGREEMENTS.len(),
        cases.len()
    );
    assert_eq!(wrong, Vec::<String>::new());
}
