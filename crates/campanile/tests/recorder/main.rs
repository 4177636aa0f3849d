//! What comes out of a monitor for what goes in.

mod logs;
mod monitor;
mod support;
