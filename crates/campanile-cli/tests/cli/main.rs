//! The commands, as calls of one function, on a small ledger that is written through the ledger's own door.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests are not functions of tests to the linter"
)]

mod budget;
mod busy;
mod filters;
mod find;
mod hostile;
mod ledger;
mod logs;
mod page;
mod process;
mod reconcile;
mod support;
