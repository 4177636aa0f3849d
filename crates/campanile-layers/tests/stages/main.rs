//! What the layers promise, on stages that do as they are told.

mod outcomes;
mod panics;
mod support;
