//! What the layers promise, on stages that do as they are told.

mod auto_traits;
mod middleware;
mod outcomes;
mod panics;
mod support;
