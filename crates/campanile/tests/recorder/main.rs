//! What comes out of a monitor for what goes in.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod clocks;
mod hostile;
mod logs;
mod monitor;
mod support;
mod waste;
