//! Reads what campanile wrote, and the pure parts of campanile as filters: the binary `campanile`.
//!
//! ```text
//!  arguments ─▶ commands/*  ──▶ table | JSON | CSV ──▶ stdout        exit 0: done
//!                  │                                                  exit 1: a check failed, a line was bad
//!                  └─ what, where, what to do ──────▶ stderr         exit 2: wrong arguments, configuration, ledger
//! ```
//!
//! Everything that came from outside is escaped before a person sees it: no control character and no bidirectional
//! mark of the data reaches a terminal, no cell of a CSV is read as a formula. [`run`] takes its streams as values, so
//! that a test is a function call.
//!
//! ```
//! use campanile_cli::{Io, Terminal, run};
//!
//! let (mut out, mut err) = (Vec::new(), Vec::new());
//! let line = r#"{"id":1,"provider":"openai","model":"gpt-4o-mini","at":"2026-11-15T12:00:00Z",
//!     "usage":{"input_tokens":1000}}"#.replace('\n', " ");
//! let code = run(["campanile", "cost"], &mut Io::new(line.as_bytes(), &mut out, &mut err, Terminal::default()));
//!
//! assert_eq!(code, 0);
//! assert!(String::from_utf8(out).unwrap().starts_with(r#"{"id":1,"usd":"0.00015","#));
//! ```
//!
//! It does not write: what a pipeline records goes through the library. The one exception is `record`.

mod commands;
mod fault;
mod io;
mod lines;
mod moment;
mod money;
mod nan;
mod page;
mod pager;
mod settings;
mod spark;
mod table;
mod text;

pub use io::{Io, Terminal};

use clap::Parser;
use fault::Fault;
use pager::Pager;
use settings::Settings;
use std::ffi::OsString;

const EXAMPLES: &str = "\
Examples:
  campanile report --since 7d                 the last week, by provider and model
  campanile report --by session --format csv  one line a session
  campanile session call-7                    its turns as waterfalls
  campanile logs --since 2h --level warn      what did not go well
  campanile prices explain deepgram nova-3    which price holds, from where
  campanile doctor                            is everything set up?

Exit codes:
  0  done
  1  a check failed, or a line of the input was bad
  2  wrong arguments, configuration or ledger";

/// What AI pipelines cost, where their time went, what failed.
#[derive(Debug, Parser)]
#[command(name = "campanile", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// Shows what is printed a page at a time, on a terminal: with PAGER, else less.
    #[arg(long, global = true)]
    pager: bool,
    #[command(subcommand)]
    command: commands::Command,
}

impl Arguments {
    fn run(self, io: &mut Io<'_>) -> Result<(), Fault> {
        let pager = match self.pager {
            true => Pager::start(io)?,
            false => None,
        };
        let done = self.command.run(&self.settings, io);
        if let Some(pager) = pager {
            pager.wait(io);
        }
        done
    }
}

/// Runs one command line and returns its exit code.
///
/// A closed pipe behind `io` ends it quietly with 0.
pub fn run(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    io: &mut Io<'_>,
) -> u8 {
    let done = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments.run(io),
        Err(error) => usage(&error, io),
    };
    let done = done.and_then(|()| Ok(io.out.flush()?));
    match done {
        Ok(()) => 0,
        Err(fault) => {
            // What was written so far belongs to the reader; if it cannot be had, there is nobody to tell.
            let _ = io.out.flush();
            fault.tell(io)
        }
    }
}

/// Prints help to stdout, and what is wrong with the arguments to stderr.
fn usage(error: &clap::Error, io: &mut Io<'_>) -> Result<(), Fault> {
    let rendered = error.render();
    if error.use_stderr() {
        // It repeats what was typed, or what a script has pasted.
        let _ = write!(io.err, "{}", text::clean_lines(&rendered.to_string()));
        return Err(Fault::Told(2));
    }
    let text = match io.terminal.colours {
        true => rendered.ansi().to_string(),
        false => rendered.to_string(),
    };
    Ok(write!(io.out, "{text}")?)
}
