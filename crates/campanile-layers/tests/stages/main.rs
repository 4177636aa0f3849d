//! What the layers promise, on stages that do as they are told.

mod auto_traits;
mod drains;
mod http_stages;
mod middleware;
mod outcomes;
mod panics;
mod sessions;
mod support;
