//! The standard book as a whole.

use crate::common::AT;
use campanile_core::Timestamp;
use campanile_pricing::{Book, Kind};
use std::collections::{BTreeSet, HashSet};

const DAY: i64 = 86_400_000_000;
/// Nine days after the cases were priced: 2026-11-24.
const TODAY: Timestamp = Timestamp(AT.0 + 9 * DAY);

#[test]
fn nothing_in_the_standard_book_is_wrong() {
    let problems = Book::standard().check(TODAY);

    let errors = problems.iter().filter(|problem| problem.is_error);
    assert_eq!(
        errors.map(ToString::to_string).collect::<Vec<_>>(),
        Vec::<String>::new()
    );
}

#[test]
fn old_sources_are_warnings() {
    let in_a_year = Book::standard().check(Timestamp(TODAY.0 + 365 * DAY));

    assert!(in_a_year.len() >= Book::standard().rows().count());
    assert!(in_a_year.iter().all(|problem| !problem.is_error));
    assert!(
        in_a_year[0].to_string().starts_with("warning: "),
        "{}",
        in_a_year[0]
    );
}

#[test]
fn every_file_is_about_the_vendor_that_it_is_named_for() {
    let book = Book::standard();

    let (vendors, rows): (Vec<_>, HashSet<_>) = (
        book.vendors().collect(),
        book.rows().map(|row| row.vendor()).collect(),
    );

    assert_eq!(vendors.iter().copied().collect::<HashSet<_>>(), rows);
    for row in book.rows() {
        assert!(row.entry().starts_with(row.vendor()), "{}", row.entry());
        assert!(
            !row.source().page.is_empty() && !row.source().says.is_empty(),
            "{}",
            row.entry()
        );
        assert_ne!(row.source().kind, Kind::Negotiated);
    }
}

#[test]
fn every_name_in_the_book_is_found_under_it() {
    let book = Book::standard();
    let terms = Default::default();

    for row in book.rows() {
        for model in row.models().iter().filter(|model| !model.ends_with('*')) {
            assert!(
                book.explain(row.vendor(), model, &terms, AT).is_ok(),
                "{model}"
            );
        }
    }
    println!(
        "{} rows of {} vendors",
        book.rows().count(),
        book.vendors().count()
    );
}

#[test]
fn checks_find_what_is_out_of_order() {
    let book = Book::parse(
        r#"
        [[price]]
        vendor = "v"
        model = ["m"]
        rates = { input_tokens = "1/M", cached_input_tokens = "2/M" }
        source = { page = "a", checked = 2026-11-01, says = "b", kind = "listed" }

        [[price]]
        vendor = "v"
        model = ["m-mini"]
        rates = { input_tokens = "3/M" }
        source = { page = "a", checked = 2027-11-01, says = "b", kind = "listed" }

        [[price]]
        vendor = "v"
        model = ["s"]
        when = { mode = "streaming" }
        rates = { audio = "1/minute" }
        source = { page = "a", checked = 2026-11-01, says = "b", kind = "listed" }

        [[price]]
        vendor = "v"
        model = ["s"]
        when = { mode = "prerecorded" }
        rates = { audio = "2/minute" }
        source = { page = "a", checked = 2026-11-01, says = "b", kind = "listed" }
        "#,
    )
    .unwrap();

    let problems: Vec<_> = book.check(TODAY).iter().map(ToString::to_string).collect();

    assert_eq!(
        problems,
        [
            "error: v/m: cached_input_tokens is dearer than input_tokens",
            "error: v/m-mini: was checked in the future",
            "error: v/s+prerecorded: audio_us is dearer prerecorded than streaming (v/s+streaming)",
            "error: v/m-mini: input_tokens is dearer than that of v/m",
        ]
    );
}

/// Names in `prices.csv` that the book does not have, and why.
const LEFT_OUT: &[(&str, &[&str])] = &[
    (
        "a plan: its price is a [[credit]]",
        &[
            "cartesia plan Pro",
            "cartesia plan Scale",
            "cartesia plan Startup",
        ],
    ),
    (
        "another program's own name for a model, which no caller passes",
        &[
            "assemblyai assemblyai-universal-streaming",
            "cartesia cartesia-sonic",
            "deepgram deepgram-nova-3",
            "deepgram deepgram-nova-3-base",
            "deepgram deepgram-nova-3-multilingual",
            "elevenlabs elevenlabs-flash-v2.5",
            "elevenlabs elevenlabs-multilingual-v2",
            "elevenlabs elevenlabs-turbo-v2.5",
            "groq llama-3.1-70b",
            "groq llama-3.1-8b",
        ],
    ),
    ("not of this vendor", &["google chatgpt-4o-latest"]),
    (
        "only Portkey has it, at the price of a snapshot that it may not name",
        &["openai gpt-4o-latest"],
    ),
];

#[test]
fn every_published_model_is_in_the_book_or_left_out_for_a_reason() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/prices.csv"
    );
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: {path} is not there");
        return;
    };
    let (book, terms) = (Book::standard(), Default::default());
    // There are no quotes in the first two columns.
    let keys: BTreeSet<_> = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(','))
        .map(|(vendor, rest)| (vendor, rest.split(',').next().unwrap()))
        .collect();

    let missing = keys
        .iter()
        .filter(|(vendor, model)| book.explain(vendor, model, &terms, AT).is_err());
    let missing: Vec<_> = missing
        .map(|(vendor, model)| format!("{vendor} {model}"))
        .collect();

    let mut left_out: Vec<_> = LEFT_OUT
        .iter()
        .flat_map(|(_, keys)| keys.iter().copied())
        .collect();
    left_out.sort_unstable();
    assert!(keys.len() > 600, "only {} models", keys.len());
    assert_eq!(missing, left_out);
}
