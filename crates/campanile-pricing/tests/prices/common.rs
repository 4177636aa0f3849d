//! What the tests of this crate share.

use campanile_core::{Billed, Cost, Evidence, Meter, Mode, Money, Price, Terms, Timestamp, Usage};
use campanile_pricing::Book;

/// 2026-11-15T12:00:00Z
pub(crate) const AT: Timestamp = Timestamp(1_794_744_000_000_000);
/// One day.
pub(crate) const DAY: i64 = 86_400_000_000;

pub(crate) fn usage(counts: &[(Meter, u64)]) -> Usage {
    let counts = counts.iter();
    counts.fold(Usage::new(), |usage, (meter, count)| {
        usage.with(*meter, *count, Evidence::Reported)
    })
}

pub(crate) fn streaming() -> Terms {
    let mut terms = Terms::default();
    terms.mode = Some(Mode::Streaming);
    terms
}

/// Served under this tier.
pub(crate) fn tier(name: &'static str) -> Terms {
    let mut terms = Terms::default();
    terms.tier = Some(name.into());
    terms.tier_served = true;
    terms
}

pub(crate) fn price_at(
    book: &Book,
    id: &str,
    counts: &[(Meter, u64)],
    terms: &Terms,
    at: Timestamp,
) -> Cost {
    let (provider, model) = id.split_once(' ').unwrap();
    book.price(&Billed::new(provider, model, &usage(counts), terms, at))
}

/// The cost at the standard book.
pub(crate) fn price(id: &str, counts: &[(Meter, u64)], terms: &Terms) -> Cost {
    price_at(&Book::standard(), id, counts, terms, AT)
}

/// The cost at the standard book, which must be exact.
pub(crate) fn exact(id: &str, counts: &[(Meter, u64)], terms: &Terms) -> String {
    let cost = price(id, counts, terms);
    assert!(cost.is_exact(), "{id}: {cost:?}");
    cost.at_least.to_string()
}

pub(crate) fn usd(text: &str) -> Money {
    Money::from_usd(text).unwrap()
}

/// A book of rows of vendor `v`, each written without its source.
pub(crate) fn book(rows: &[&str]) -> Book {
    try_book(rows).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn try_book(rows: &[&str]) -> Result<Book, campanile_pricing::BookError> {
    Book::parse(&text(rows))
}

pub(crate) fn text(rows: &[&str]) -> String {
    let source =
        "source = { page = \"a test\", checked = 2026-11-15, says = \"so\", kind = \"listed\" }";
    let row = |row: &&str| format!("[[price]]\nvendor = \"v\"\n{row}\n{source}\n");
    rows.iter().map(row).collect()
}
