//! The price book of campanile: which price, which quantity, and how sure.
//!
//! ```text
//!  provider, model, terms, moment ──▶ Book::resolve ──▶ Quote ──▶ amount(&usage) ──▶ at_least ..= at_most, why
//!                                     which row holds            exact integers      equal bounds: exact
//! ```
//!
//! | step | what happens |
//! |---|---|
//! | name | vendor (by any of its names) → exact model → without the vendor in front → without a real date at the end (`AssumedAlias`) → pattern |
//! | row | rows that hold at the moment and under the terms (mode, tier, plan, region, hour); the most conditions win; overrides win before |
//! | sheet | the size of the whole prompt puts it on one of the row's context tiers |
//! | quantity | one clock of speech; up to the increment, up to the minimum, times channels |
//! | amount | rate × quantity in whole grains, extras, then factors (region, tier, voice) |
//!
//! What is not known is a range with a reason, never a guess and never zero: a mode that nobody stated gives both
//! prices, a meter without a price takes the upper bound away, an unknown model has none.
//!
//! ```
//! use campanile_core::{Billed, Evidence, Meter, Price, Reason, Terms, Timestamp, Usage};
//! use campanile_pricing::Book;
//!
//! let book = Book::standard();
//! let at = Timestamp(1_795_000_000_000_000);
//! let usage = Usage::new()
//!     .with(Meter::InputTokens, 1_180, Evidence::Reported)
//!     .with(Meter::CachedInputTokens, 1_024, Evidence::Reported)
//!     .with(Meter::OutputTokens, 48, Evidence::Reported);
//!
//! let cost = book.price(&Billed::new("openai", "gpt-4o-mini", &usage, &Terms::default(), at));
//! assert_eq!(cost.at_least.to_string(), "0.0002826");
//! assert!(cost.is_exact());
//!
//! let cost = book.price(&Billed::new("openai", "gpt-0", &usage, &Terms::default(), at));
//! assert_eq!((cost.at_most, cost.why), (None, vec![Reason::UnknownModel]));
//! ```
//!
//! The rows stand in `prices/`, a file a vendor, each with its source; `prices/README.md` says how to write one.
//! [`Book::with_override`] adds negotiated ones, [`Book::explain`] says why a price is what it is,
//! [`Book::check`] what is suspicious. [`Inclusive`] takes totals apart that hold one another.
//!
//! It reads no file, no clock and no network, converts no currency, and knows no bill: its prices are lists'.

mod amount;
mod book;
mod calendar;
mod check;
mod compile;
mod correct;
mod error;
mod explain;
mod inclusive;
mod names;
mod rate;
mod row;
mod shelf;
mod terms;
mod text;

pub use amount::{Amount, Quote};
pub use book::Book;
pub use check::Problem;
pub use error::BookError;
pub use explain::{Explained, Lost};
pub use inclusive::{Inclusive, audio_us};
pub use row::{Kind, Row, Source};
pub use shelf::Found;
