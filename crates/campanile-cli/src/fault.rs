//! Why a command ends early, and with which exit code.

use crate::{Io, text};
use std::fmt::Display;
use std::io::ErrorKind;

/// Why a command did not do what it should.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Arguments, configuration or a file that cannot be used: what, where, what to do. Exit code 2.
    Usage(String),
    /// A check that failed. Exit code 1.
    Failed(String),
    /// Everything was said already.
    Told(u8),
    /// A stream broke.
    Stream(std::io::Error),
}

impl Fault {
    pub(crate) fn usage(what: impl Display) -> Self {
        Self::Usage(what.to_string())
    }

    /// Nothing, or that so many rows of the ledger were damaged and left out of what was printed.
    pub(crate) fn damaged(rows: u64) -> Result<(), Self> {
        match rows {
            0 => Ok(()),
            n => Err(Self::Failed(format!(
                "{n} damaged rows of the ledger were left out; `campanile ledger verify` names them"
            ))),
        }
    }

    /// One line on stderr, and the exit code.
    pub(crate) fn tell(self, io: &mut Io<'_>) -> u8 {
        match self {
            Fault::Usage(what) => {
                complain(io, &what);
                2
            }
            Fault::Failed(what) => {
                complain(io, &what);
                1
            }
            Fault::Told(code) => code,
            // `campanile report | head` has what it wanted.
            Fault::Stream(error) if error.kind() == ErrorKind::BrokenPipe => 0,
            Fault::Stream(error) => {
                complain(io, &format!("cannot read or write a stream: {error}"));
                1
            }
        }
    }
}

/// One line for a person; where even that fails, there is nobody to tell.
pub(crate) fn complain(io: &mut Io<'_>, what: &str) {
    let _ = writeln!(io.err, "campanile: {}", text::clean(what));
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Fault::Stream(error)
    }
}
