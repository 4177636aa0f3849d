//! Finds lines in campanile's log files, plain and compressed, of many processes, in one pass and in little memory.
//!
//! ```text
//!  files ─▶ plan ───────▶ pieces ─▶ scan, on each core ──────────▶ merge ─▶ lines, the newest last
//!           skips files,            one thing is looked for in      by time, lines of a
//!           seeks in them           all bytes, the rest is checked  file in their order
//! ```
//!
//! - A range of time passes over whole files and seeks inside of the others, also in compressed ones that say where their
//!   lines are.
//! - Text is looked for in blocks, before a line is found and anything is parsed.
//! - A line that is torn or of others is a line like any other: it is found by its text, and by the moment of the line
//!   before it.
//!
//! ```
//! use campanile_search::{Query, search};
//! use std::ops::ControlFlow;
//!
//! # let folder = tempfile::tempdir()?;
//! # let logs = folder.path().to_owned();
//! let mut found = Vec::new();
//! let tally = search(&[logs], &Query::default().session("call-7").text("rate_limit"), |line| {
//!     found.push(line.bytes.to_vec());
//!     ControlFlow::Continue(())
//! }).map_err(|trouble| trouble.error)?;
//! assert_eq!(tally.matched, 0);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! It does not know what a line means: it hands bytes over, which may hold anything. It changes no file.

mod block;
mod crew;
mod file;
mod filter;
mod folder;
mod follow;
mod line;
mod merge;
mod packed;
mod pattern;
mod plan;
mod query;
mod read_at;
mod scan;
mod search;
mod source;
mod want;

pub use follow::Follow;
pub use line::level as level_of;
pub use merge::Line;
pub use pattern::BadPattern;
pub use plan::Trouble;
pub use query::Query;
pub use scan::Role;
pub use search::{Tally, count, search};

#[cfg(test)]
mod tests;
