//! The streams of a command, handed in.

use campanile_core::Timestamp;
use std::fmt;
use std::io::{BufReader, Read, Write};

/// What is known of the terminal. Default: there is none.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Terminal {
    /// Whether a person reads stdout directly.
    pub out: bool,
    /// Whether colours are welcome there.
    pub colours: bool,
}

/// Where a command reads from and writes to, and its moment.
pub struct Io<'a> {
    pub(crate) input: BufReader<Box<dyn Read + 'a>>,
    pub(crate) out: Box<dyn Write + 'a>,
    pub(crate) err: Box<dyn Write + 'a>,
    pub(crate) terminal: Terminal,
    pub(crate) now: Timestamp,
}

impl<'a> Io<'a> {
    /// Streams, and the present moment. `out` should be buffered; it is flushed where a command waits.
    pub fn new(
        input: impl Read + 'a,
        out: impl Write + 'a,
        err: impl Write + 'a,
        terminal: Terminal,
    ) -> Self {
        Self {
            input: BufReader::with_capacity(1 << 16, Box::new(input)),
            out: Box::new(out),
            err: Box::new(err),
            terminal,
            now: Timestamp::now(),
        }
    }

    /// Another moment, from which `--since 2h` counts. Default: now.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }
}

impl fmt::Debug for Io<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io")
            .field("terminal", &self.terminal)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
