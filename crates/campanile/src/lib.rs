//! Monitoring for real-time AI pipelines as tower layers: what did that call cost, where did the time go, why did it fail?
//!
//! A stage of a voice bot (speech-to-text, language model, text-to-speech) is a `tower::Service`. Stack layers on it, hand
//! them a [`Monitor`], and each call leaves one event, recorded exactly once, whatever happens to it. Sinks are swapped by a file
//! (`campanile.toml`), or are values: `jsonl.and(ledger)`, [`memory()`], `()`.
//!
//! ```
//! use campanile::{CallLayer, ErrorLayer, Facts, Meter, Monitor, Tally, TimingLayer, Unary, UsageLayer};
//! use campanile::{classify, client, memory, pricing::Book};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! #[derive(Clone)]
//! struct Speak(&'static str);
//!
//! impl Facts for Speak {
//!     fn usage(&self, tally: &Tally) {
//!         tally.add(Meter::Characters, self.0.chars().count() as u64);
//!     }
//! }
//!
//! struct Audio(Vec<u8>);
//! impl Facts for Audio {}
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), std::io::Error> {
//! let (sink, events) = memory(); // or `let monitor = campanile::init()?;`
//! let monitor = Monitor::builder(sink).prices(Book::standard()).start();
//!
//! let tts = campanile::stage::<Speak, _>(
//!     ServiceBuilder::new()
//!         .layer(CallLayer::new("tts", &monitor))
//!         .layer(ErrorLayer::new(classify::error::<std::io::Error>))
//!         .layer(UsageLayer::new().provider("cartesia").model("sonic-3"))
//!         .layer(TimingLayer::new())
//!         .layer(client::unary())
//!         .service_fn(async |speak: Speak| Ok::<_, std::io::Error>(Audio(speak.0.into()))),
//! );
//!
//! let Unary(Audio(audio)) = tts.oneshot(Speak("hello")).await?;
//! monitor.close().await;
//!
//! assert_eq!(audio.len(), 5);
//! assert_eq!(events.only().cost.unwrap().at_least.to_string(), "0.00025"); // 5 characters at $50 a million
//! # Ok(())
//! # }
//! ```
//!
//! | to | see |
//! |---|---|
//! | start from a file, or from parts | [`init`], [`Monitor`], [`config`] |
//! | stack layers on a stage | [`stage()`], [`CallLayer`] and its neighbours |
//! | say what a request or an item holds | [`Facts`] |
//! | tell whose call it is | [`Session`], [`Turn`], [`CallLayer::scope`] |
//! | write a layer or a sink of one's own | [`Observe`] and [`Probe`], [`Sink`] |
//!
//! It does not retry, limit or route: tower's own middleware does, and fits between the layers.

pub mod alerts;
pub mod clock;
pub mod config;
mod engine;
mod fingerprint;
mod levels;
mod logs;
mod monitor;
mod outlets;
mod panics;
mod phrases;
mod places;
mod presets;
mod recorder;
mod redactor;
mod seal;
mod setup;
mod start;
#[cfg(unix)]
mod stop;
mod summary;
mod texts;
mod waste;

pub use campanile_core::*;
pub use campanile_layers::*;
pub use campanile_sinks::{Events, memory};
pub use fingerprint::fingerprint;
pub use levels::Levels;
pub use logs::{LogLayer, LogPolicy};
pub use monitor::{Builder, Monitor};
pub use panics::install_panic_hook;
pub use presets::openai;
pub use redactor::Masker;
pub use setup::Setup;
pub use start::{StartError, init};
#[cfg(unix)]
pub use stop::{Signal, Stop};
pub use texts::{TextMode, Texts};
pub use {
    campanile_pricing as pricing, campanile_protocols as protocols, campanile_redact as redaction,
    campanile_sinks as sinks,
};

/// The examples of the README run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/ending.md")]
struct Ending;
