//! The price book from outside: the traps that others fell into, terms and bounds, properties, the standard rows.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests may panic, and say what they skipped"
)]

mod common;
mod costs;
mod properties;
mod standard;
mod terms;
mod traps;
