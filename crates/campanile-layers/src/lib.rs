//! tower layers that watch a stage of a real-time AI pipeline.
//!
//! ```text
//!  CallLayer ▶ ErrorLayer ▶ (timeout, limit, buffer, retry) ▶ RedactLayer ▶ DrainLayer ▶ UsageLayer ▶ TimingLayer ▶ client::… ▶ client
//!  opens and   what the     any tower middleware               what the      optional     one attempt a pass         unwraps,
//!  closes      caller saw                                      caller heard               below a retry              decodes once
//! ```
//!
//! Each call leaves one record, written exactly once, whatever happens to it: it completes, fails, panics, times out, or
//! is dropped when the caller barges in. The end of a call is the hard part: it lives in [`follow`], and everything else stays
//! simple because of it.
//!
//! | requests | the stack begins with | and ends with |
//! |---|---|---|
//! | any `Req`, whole | [`CallLayer::new`] | [`client::unary()`], [`client::streaming()`], [`client::response()`] |
//! | [`Upload`]: a head and pieces that follow | [`CallLayer::streamed`] | the same, and `.upload()` |
//! | `http::Request` | [`CallLayer::http`] | [`client::http()`], [`client::decoding()`] |
//!
//! A layer of one's own implements [`Observe`] and [`Probe`] and wraps its inner service in [`Follow`].
//!
//! [`BudgetLayer`] stands below [`ErrorLayer`] and refuses calls for which there is no money left.
//!
//! No layer here prices, redacts, formats or writes anything: that is the recorder's work, on its own thread. None takes
//! away `Send`, `Sync`, `Unpin` or `UnwindSafe`, none changes an error; [`BudgetLayer`] boxes it, to return one of its own.

pub mod budget;
pub mod call;
mod carry;
pub mod classify;
pub mod client;
mod contain;
mod decoded;
pub mod drain;
pub mod errors;
pub mod follow;
pub mod redact;
mod reply;
pub mod scope;
pub mod span;
mod stage;
pub mod timing;
pub mod usage;

pub use budget::BudgetLayer;
pub use call::CallLayer;
pub use carry::{Call, Carries, Sending, Sent, SentHook, Upload};
pub use decoded::{Decoded, Piece, Plain};
pub use drain::DrainLayer;
pub use errors::{Classify, ErrorLayer};
pub use follow::{Baton, End, Follow, Observe, Probe};
pub use redact::RedactLayer;
pub use reply::{Reply, Streaming, Unary};
pub use scope::Scope;
pub use span::SpanLayer;
pub use stage::{Stage, stage};
pub use timing::TimingLayer;
pub use usage::UsageLayer;
