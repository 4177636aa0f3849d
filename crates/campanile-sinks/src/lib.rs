//! Where campanile's events go: ledger, jsonl, console, metrics, memory.

mod console;
mod filter;
mod jsonl;
mod lane;
pub mod ledger;
mod memory;
mod notices;
mod start_error;

pub use console::{Color, Console, ConsoleSink};
pub use filter::{AtLeast, OnlyMoney, SinkExt};
pub use jsonl::{Jsonl, JsonlSink};
pub use lane::{LossReason, Stats, Watch};
pub use memory::{Events, MemorySink, memory};
pub use notices::Notices;
pub use start_error::StartError;
