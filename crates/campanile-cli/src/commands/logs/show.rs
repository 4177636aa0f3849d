//! A line as it is printed.

use super::{Format, pretty};
use crate::{io::Terminal, table::Tone, text};
use campanile_core::{SCHEMA_VERSION, Timestamp};
use campanile_search::{Line, Role, level_of};
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::io::{self, Write};
use std::path::PathBuf;

/// A person sees no more of a line that is no event of ours.
const LONGEST: usize = 4_096;

/// Where a line was found.
#[derive(Clone, Debug)]
pub(super) struct Where {
    at: Option<Timestamp>,
    file: PathBuf,
    is_match: bool,
    joined: bool,
}

impl Where {
    pub(super) fn of(line: &Line<'_>) -> Self {
        Self {
            at: line.at,
            file: line.file.to_owned(),
            is_match: line.role == Role::Match,
            joined: line.joined,
        }
    }
}

/// Prints lines, and counts those that are no events of ours.
pub(in crate::commands) struct Shown {
    format: Format,
    /// Groups of lines are told apart.
    groups: bool,
    terminal: Terminal,
    begun: bool,
    pub(super) foreign: u64,
}

/// What stands in a file and is no event.
#[derive(Serialize)]
struct Foreign<'a> {
    v: u32,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<Timestamp>,
    file: Cow<'a, str>,
    text: Cow<'a, str>,
}

impl Shown {
    /// Groups of lines in columns.
    pub(in crate::commands) fn columns(terminal: Terminal) -> Self {
        Self::new(Format::Pretty, true, terminal)
    }

    pub(super) fn new(format: Format, groups: bool, terminal: Terminal) -> Self {
        Self {
            format,
            groups,
            terminal,
            begun: false,
            foreign: 0,
        }
    }

    pub(in crate::commands) fn line(
        &mut self,
        line: &Line<'_>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        // The path is wanted for lines of others only.
        let place = Where {
            at: line.at,
            file: PathBuf::new(),
            is_match: line.role == Role::Match,
            joined: line.joined,
        };
        self.show(line.bytes, &place, &line.file.to_string_lossy(), out)
    }

    pub(super) fn bytes(
        &mut self,
        bytes: &[u8],
        line: &Where,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.show(bytes, line, &line.file.to_string_lossy(), out)
    }

    fn show(
        &mut self,
        bytes: &[u8],
        line: &Where,
        file: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if std::mem::replace(&mut self.begun, true)
            && self.groups
            && !line.joined
            && self.format != Format::Json
        {
            writeln!(out, "{}", Tone::Dim.paint("--", self.terminal.colours))?;
        }
        match self.format {
            Format::Raw => self.raw(bytes, out),
            Format::Json => self.json(bytes, line, file, out),
            Format::Pretty => self.pretty(bytes, line, out),
        }
    }

    /// Not even parsed: what is foreign is told by who found it.
    fn raw(&mut self, bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
        if self.terminal.out {
            return writeln!(out, "{}", text::clean(&readable(bytes)));
        }
        out.write_all(bytes)?;
        out.write_all(b"\n")
    }

    fn json(
        &mut self,
        bytes: &[u8],
        line: &Where,
        file: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if let Some(event) = event(bytes) {
            return writeln!(out, "{}", text::json(&event));
        }
        self.foreign += u64::from(line.is_match);
        let foreign = Foreign {
            v: SCHEMA_VERSION,
            event: "foreign",
            ts: line.at,
            file: Cow::Borrowed(file),
            text: String::from_utf8_lossy(bytes),
        };
        writeln!(out, "{}", text::json(&foreign))
    }

    fn pretty(&mut self, bytes: &[u8], line: &Where, out: &mut dyn Write) -> io::Result<()> {
        let colours = self.terminal.colours && line.is_match;
        let event = match event(bytes) {
            Some(_) => serde_json::from_slice(bytes).ok(),
            None => None,
        };
        let shown = match event {
            Some(event) => pretty::line(&event, level_of(bytes), line.at, colours),
            None => {
                self.foreign += u64::from(line.is_match);
                foreign(bytes)
            }
        };
        match line.is_match {
            true => writeln!(out, "{shown}"),
            false => writeln!(out, "{}", Tone::Dim.paint(&shown, self.terminal.colours)),
        }
    }
}

/// The line as JSON, if it is an event: a whole object with a kind.
fn event(bytes: &[u8]) -> Option<&RawValue> {
    let event: &RawValue = serde_json::from_slice(bytes).ok()?;
    let is_ours = event.get().starts_with("{\"v\":");
    is_ours.then_some(event)
}

/// The begin of a line of others, harmless.
fn foreign(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(LONGEST)];
    let mut text = text::clean(&readable(shown)).into_owned();
    if shown.len() < bytes.len() {
        let rest = crate::table::grouped((bytes.len() - shown.len()) as u64);
        text.push_str(&format!("… and {rest} bytes more"));
    }
    text
}

/// What is not UTF-8 stands there as `\xff`.
fn readable(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    Cow::Owned(text)
}
