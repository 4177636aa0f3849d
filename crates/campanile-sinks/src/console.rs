//! One readable line an event, for people.
//!
//! ```text
//! 01:50:29.123 debug 4f2a91#3     llm      completed    412ms   1.31s  118→15 tok           $0.0003  openai/gpt-4o-mini
//! 01:50:31.004 info  4f2a91#3     turn     user→bot 812ms = stt 210ms + llm 405ms + tts 197ms  3 calls  $0.0012
//! ```
//!
//! Times are UTC; of the two durations of a call the first ends with its first item. `~` marks what was estimated.
//! A cost that is not exact shows its range.
//!
//! The lines are written by a thread of its own, past the lock of `std::io::stdout`: a terminal that nobody reads stops
//! neither the pipeline nor a `println!`. Texts from outside are escaped: no control character, no line break and no
//! change of writing direction gets out.

mod amount;
mod line;
mod paint;

use crate::{
    Notices, StartError, Watch,
    lane::{self, Lines, Load, Priority, Writer},
};
use campanile_core::{Clock, Event, Lane, Level, LossEvent, Sink, Stats};
use line::Line;
pub use paint::Color;
use std::{
    fmt,
    fs::File,
    io::{self, IsTerminal, Write},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Options of a [`ConsoleSink`].
///
/// ```
/// use campanile_core::Level;
/// use campanile_sinks::Console;
///
/// let console = Console::stderr().level(Level::Warn).open()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct Console {
    target: Target,
    level: Level,
    color: Color,
    budget: usize,
    clock: Clock,
}

enum Target {
    Stdout,
    Stderr,
    Other(Box<dyn Write + Send>),
}

impl Console {
    /// Lines on stdout.
    pub fn stdout() -> Self {
        Self::new(Target::Stdout)
    }

    /// Lines on stderr.
    pub fn stderr() -> Self {
        Self::new(Target::Stderr)
    }

    /// Lines somewhere else, without colours unless asked for.
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        Self::new(Target::Other(Box::new(writer)))
    }

    fn new(target: Target) -> Self {
        Self {
            target,
            level: Level::Debug,
            color: Color::Auto,
            budget: 1 << 20,
            clock: Clock::system(),
        }
    }

    /// Events that matter less are left out. Default [`Level::Debug`]: single calls are shown.
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// When colours are used. Default [`Color::Auto`].
    pub fn color(mut self, color: Color) -> Self {
        self.color = color;
        self
    }

    /// Bytes that may wait in memory. Default 1 MiB.
    pub fn budget(mut self, bytes: usize) -> Self {
        self.budget = bytes;
        self
    }

    /// Where the moment of a loss is read. Default the system's clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Starts writing.
    ///
    /// # Errors
    ///
    /// When stdout or stderr was closed before the program began, or no thread can be started.
    pub fn open(self) -> Result<ConsoleSink, StartError> {
        let advice =
            "leave the console out of the sinks, or give the program an open stdout and stderr";
        let fail = |error| StartError::new("write to the", Path::new("console"), error, advice);
        let (writer, terminal): (Box<dyn Write + Send>, bool) = match self.target {
            Target::Stdout => {
                let file = own(io::stdout()).map_err(fail)?;
                (Box::new(file), io::stdout().is_terminal())
            }
            Target::Stderr => {
                let file = own(io::stderr()).map_err(fail)?;
                (Box::new(file), io::stderr().is_terminal())
            }
            Target::Other(writer) => (writer, false),
        };
        let colors = self.color.is_on(terminal);
        let writer = Arc::new(Mutex::new(writer));
        let make = move || Terminal {
            writer: writer.clone(),
            partial: 0,
            colors,
        };
        let lane = lane::Lane::start("console", self.budget, self.clock, Notices::silent(), make)
            .map_err(fail)?;
        Ok(ConsoleSink {
            lane,
            level: self.level,
            line: Mutex::new(Line::new(colors)),
        })
    }
}

/// The same stream without the lock and the buffer of the standard library.
#[cfg(unix)]
fn own(stream: impl std::os::fd::AsFd) -> io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(windows)]
fn own(stream: impl std::os::windows::io::AsHandle) -> io::Result<File> {
    stream.as_handle().try_clone_to_owned().map(File::from)
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("level", &self.level)
            .field("color", &self.color)
            .finish_non_exhaustive()
    }
}

/// Writes one readable line an event; see [`Console`]. Lossy: what finds no room is counted, and told later.
#[derive(Debug)]
pub struct ConsoleSink {
    lane: lane::Lane,
    level: Level,
    line: Mutex<Line>,
}

impl ConsoleSink {
    /// Writes what is left and takes nothing more. `false` when `within` was too short: the rest is counted as `closed`.
    pub fn close(&self, within: Duration) -> bool {
        self.lane.close(within)
    }

    /// The counters now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.lane.watch().stats()
    }

    /// A look at the counters that outlives the sink.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.lane.watch()
    }
}

impl Sink for ConsoleSink {
    fn record(&self, event: &Event) {
        if event.level() < self.level {
            return;
        }
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        self.lane
            .push(Priority::of(event), line.write(event).as_bytes());
    }

    fn flush(&self, within: Duration) -> bool {
        self.lane.flush(within)
    }

    fn name(&self) -> &'static str {
        "console"
    }

    fn lane(&self) -> Option<Lane> {
        Some(Lane::Signal)
    }

    fn account(&self) -> Option<Stats> {
        Some(self.stats())
    }
}

struct Terminal {
    // Shared with the next one, should this one panic.
    writer: Arc<Mutex<Box<dyn Write + Send>>>,
    /// Bytes of the next line that are already out: after an error it goes on there.
    partial: usize,
    colors: bool,
}

impl Writer<Lines> for Terminal {
    fn write(&mut self, lines: &mut Lines) -> io::Result<()> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        while !lines.rest().is_empty() {
            let rest = lines.rest();
            let begun = self.partial.min(rest.len());
            let bytes = match writer.write(&rest[begun..]) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
                other => other,
            }?;
            let out = (begun + bytes).min(rest.len());
            let whole = memchr::memrchr(b'\n', &rest[..out]).map_or(0, |end| end + 1);
            self.partial = out - whole;
            lines.advance(whole);
        }
        Ok(())
    }

    fn tell(&self, loss: &LossEvent, lines: &mut Lines) {
        let text = Event::Loss(*loss);
        lines.push(Line::new(self.colors).write(&text).as_bytes());
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .flush()
    }
}

#[cfg(test)]
mod tests;
