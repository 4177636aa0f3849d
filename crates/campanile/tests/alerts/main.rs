//! Budgets over a ledger: told once, whoever looks and whoever dies.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod bots;
mod delivery;
mod gates;
mod interleavings;
mod kills;
mod pager;
mod rules;
mod support;
mod watching;
