//! Input line by line: a bad line is told, the rest goes on.

use crate::{Io, fault::Fault, text};
use std::io::{BufRead, Read, Write};

/// Longer lines are refused, and never held in memory.
const MAX_LINE_BYTES: usize = 64 << 20;

/// What is done with each line.
pub(crate) trait Work {
    /// One line, without its end.
    fn line(&mut self, line: &[u8], io: &mut Output<'_>) -> Result<(), Bad>;

    /// The next line may take a while, or there is none: finishes what was put off.
    fn idle(&mut self, io: &mut Output<'_>) -> Result<(), Fault> {
        let _ = io;
        Ok(())
    }
}

/// Where results and troubles go, while the input is being read.
pub(crate) struct Output<'a> {
    pub(crate) out: &'a mut dyn Write,
    pub(crate) err: &'a mut dyn Write,
}

/// Work that puts nothing off.
struct AtOnce<F>(F);

impl<F: FnMut(&[u8], &mut dyn Write) -> Result<(), Bad>> Work for AtOnce<F> {
    fn line(&mut self, line: &[u8], io: &mut Output<'_>) -> Result<(), Bad> {
        self.0(line, io.out)
    }
}

/// Calls `work` with each line; see [`work_on`].
pub(crate) fn each_line(
    io: &mut Io<'_>,
    blank: Blank,
    work: impl FnMut(&[u8], &mut dyn Write) -> Result<(), Bad>,
) -> Result<(), Fault> {
    work_on(io, blank, &mut AtOnce(work))
}

/// Works on each line. What is returned as an error is told on stderr with the number of the line; at the end, one such
/// error makes the command fail.
pub(crate) fn work_on(io: &mut Io<'_>, blank: Blank, work: &mut impl Work) -> Result<(), Fault> {
    let (input, mut io) = (
        &mut io.input,
        Output {
            out: &mut io.out,
            err: &mut io.err,
        },
    );
    let mut line = Vec::new();
    let mut bad = 0_u64;
    for number in 1_u64.. {
        if input.buffer().is_empty() {
            // The next read may wait: what is done is shown first.
            work.idle(&mut io)?;
            io.out.flush()?;
        }
        let done = match next_line(input, &mut line)? {
            Next::End => break,
            Next::Line if line.trim_ascii().is_empty() && blank == Blank::Skip => continue,
            Next::Line => work.line(&line, &mut io),
            Next::TooLong => Err(Bad::Line(format!(
                "longer than {} MiB",
                MAX_LINE_BYTES >> 20
            ))),
        };
        match done {
            Ok(()) => {}
            Err(Bad::Stream(error)) => return Err(error.into()),
            Err(Bad::Line(why)) => {
                bad += 1;
                let _ = writeln!(io.err, "line {number}: {}", text::clean(&why));
            }
        }
    }
    work.idle(&mut io)?;
    match bad {
        0 => Ok(()),
        _ => Err(Fault::Told(1)),
    }
}

/// What becomes of lines that hold nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blank {
    /// They are part of a text.
    Keep,
    /// They stand between records.
    Skip,
}

/// Why a line was not done.
#[derive(Debug)]
pub(crate) enum Bad {
    /// It is not what it should be.
    Line(String),
    /// The output broke.
    Stream(std::io::Error),
}

impl Bad {
    pub(crate) fn line(why: impl std::fmt::Display) -> Self {
        Self::Line(why.to_string())
    }
}

impl From<std::io::Error> for Bad {
    fn from(error: std::io::Error) -> Self {
        Self::Stream(error)
    }
}

/// What serde says, without its position: the number of the line is enough, and the column is rarely of help.
impl From<serde_json::Error> for Bad {
    fn from(error: serde_json::Error) -> Self {
        use serde_json::error::Category;
        let text = error.to_string();
        let what = text
            .rfind(" at line ")
            .map_or(text.as_str(), |at| &text[..at]);
        Self::Line(match error.classify() {
            Category::Data => what.to_owned(),
            _ => format!("not JSON: {what} (column {})", error.column()),
        })
    }
}

enum Next {
    Line,
    TooLong,
    End,
}

/// Reads up to and including the next line feed; a line that is too long is skipped over.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<Next> {
    line.clear();
    let limit = MAX_LINE_BYTES as u64 + 1;
    if input.by_ref().take(limit).read_until(b'\n', line)? == 0 {
        return Ok(Next::End);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        return Ok(Next::Line);
    }
    if line.len() <= MAX_LINE_BYTES {
        return Ok(Next::Line);
    }
    *line = Vec::new();
    input.skip_until(b'\n')?;
    Ok(Next::TooLong)
}
