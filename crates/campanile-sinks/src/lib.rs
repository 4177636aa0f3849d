//! Where campanile's events go: ledger, jsonl, console, metrics, memory.
//!
//! | sink | is for | when its reader is slow, full, stuck or gone |
//! |---|---|---|
//! | [`Jsonl`] | files that a program or a person searches later | keeps 16 MiB, then drops by priority |
//! | [`Console`] | a person who watches | keeps 1 MiB, then drops by priority |
//! | [`Apart`] | any sink of the program's own; a monitor brings it by itself | keeps 16 MiB of events, then drops by priority |
//! | [`MetricsSink`] | dashboards; with [`PrometheusRecorder`] and its [`Endpoint`], or with the program's own recorder | nothing waits: numbers are added up |
//! | [`memory()`] | tests | keeps everything |
//!
//! All but the last two write from a thread of their own; what they drop is counted by reason ([`Stats`]), to the unit,
//! and told by a line in the stream itself. They are the signal lane: lossy under pressure, so that nothing in a
//! pipeline ever waits for them. [`SinkExt`] hands a sink a part of the events only.
//!
//! ```
//! use campanile_core::{Level, Sink};
//! use campanile_sinks::{Console, Jsonl, SinkExt};
//!
//! # let folder = tempfile::tempdir()?;
//! # let logs = folder.path().join("logs");
//! let sink = Jsonl::new(logs).open()?.and(Console::stderr().open()?.at_least(Level::Info));
//! # let _ = sink;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It does not redact, price or sample: what arrives here is sealed. It knows no provider.

mod apart;
mod console;
mod filter;
mod jsonl;
mod lane;
#[cfg(test)]
mod lane_tests;
pub mod ledger;
mod memory;
mod metrics;
mod notices;
mod prometheus;
mod start_error;
mod sync;

pub use apart::{Apart, ApartSink};
pub use campanile_core::{LossReason, Stats};
pub use console::{Color, Console, ConsoleSink};
pub use filter::{Only, SinkExt};
pub use jsonl::{ForgottenLines, Jsonl, JsonlSink, Kept, forget_lines};
pub use lane::Watch;
pub use memory::{Events, MemorySink, memory};
pub use metrics::{MetricsSink, metric_names};
pub use notices::Notices;
pub use prometheus::{Endpoint, MetricsEndpoint, PrometheusRecorder};
pub use start_error::StartError;
