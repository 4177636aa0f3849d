//! Output a page at a time, for who asks for it.

use crate::{Io, fault::Fault};
use std::io::{BufWriter, Write};
use std::process::{Child, Command, Stdio};

/// Shows escape sequences of ours as colours.
const USUAL: &str = "less -R";

/// A pager that reads what a command prints.
pub(crate) struct Pager(Child);

impl Pager {
    /// Starts PAGER, else less, and sends it what is printed from now on. In a pipe or a file there are no pages.
    pub(crate) fn start(io: &mut Io<'_>) -> Result<Option<Self>, Fault> {
        if !io.terminal.out {
            return Ok(None);
        }
        let asked = std::env::var("PAGER").unwrap_or_default();
        let asked = if asked.trim().is_empty() {
            USUAL
        } else {
            &asked
        };
        let mut words = asked.split_whitespace();
        let program = words.next().unwrap_or("less");
        let mut child = Command::new(program)
            .args(words)
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| {
                Fault::Usage(format!(
                    "the pager `{asked}` cannot be started ({error}); set PAGER"
                ))
            })?;
        if let Some(input) = child.stdin.take() {
            io.out = Box::new(BufWriter::new(input));
        }
        Ok(Some(Self(child)))
    }

    /// Waits until it was left.
    pub(crate) fn wait(mut self, io: &mut Io<'_>) {
        let _ = io.out.flush();
        // Its input ends when nothing holds it any more.
        io.out = Box::new(std::io::sink());
        let _ = self.0.wait();
    }
}
