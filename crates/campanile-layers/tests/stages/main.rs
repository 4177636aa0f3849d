//! What the layers promise, on stages that do as they are told.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod auto_traits;
mod drains;
mod http_stages;
mod middleware;
mod outcomes;
mod panics;
mod sessions;
mod support;
