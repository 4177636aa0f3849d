//! Where campanile's events go: ledger, jsonl, console, metrics, memory.

mod console;
mod filter;
mod jsonl;
mod lane;
pub mod ledger;
mod memory;
mod metrics;
mod notices;
mod prometheus;
mod start_error;

pub use console::{Color, Console, ConsoleSink};
pub use filter::{AtLeast, OnlyMoney, SinkExt};
pub use jsonl::{Jsonl, JsonlSink};
pub use lane::{LossReason, Stats, Watch};
pub use memory::{Events, MemorySink, memory};
pub use metrics::{MetricsSink, metric_names};
pub use notices::Notices;
pub use prometheus::{Endpoint, MetricsEndpoint, PrometheusRecorder};
pub use start_error::StartError;
