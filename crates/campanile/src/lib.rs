//! Monitoring for real-time AI pipelines as tower layers.
mod budgets;
pub mod clock;
pub mod config;
mod fingerprint;
mod levels;
mod logs;
mod monitor;
mod panics;
mod presets;
mod recorder;
mod seal;
mod summary;

pub use campanile_core::*;
pub use campanile_layers::*;
pub use fingerprint::fingerprint;
pub use levels::Levels;
pub use logs::{LogLayer, LogPolicy};
pub use monitor::{Builder, Monitor};
pub use panics::install_panic_hook;
pub use presets::openai;
pub use {
    campanile_pricing as pricing, campanile_protocols as protocols, campanile_redact as redaction,
    campanile_sinks as sinks,
};
