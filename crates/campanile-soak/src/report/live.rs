//! How it goes, while it goes: one line on a terminal, now and then a line elsewhere.

use crate::journal::Sample;
use crate::judge::evidence::Evidence;
use crate::options::Options;
use std::io::{IsTerminal as _, Write as _};

const BAR: usize = 24;
/// Elsewhere than on a terminal, a line comes after so many percent.
const STEP: u64 = 10;

/// Shows progress on stdout.
#[derive(Debug)]
pub(crate) struct Live {
    length_ms: u64,
    terminal: bool,
    /// Percent at which the next line is due.
    due: u64,
}

impl Live {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            length_ms: options.length_ms(),
            terminal: std::io::stdout().is_terminal(),
            due: 0,
        }
    }

    /// Shows where the soak is.
    pub(crate) fn show(&mut self, sample: &Sample, evidence: &Evidence) {
        let percent = (sample.at_ms * 100 / self.length_ms.max(1)).min(100);
        let queued: u64 = sample.lanes.iter().map(|lane| lane.queued_bytes).sum();
        let lost: u64 = sample.lanes.iter().map(|lane| lane.lost).sum();
        let fault = evidence.marks.last().filter(|mark| mark.on);
        let figures = format!(
            "{:>5.1} min  {} sessions  {} turns  {} calls  heap {} KiB  waiting {} KiB  lost {lost}  {}",
            sample.at_ms as f64 / 60_000.0,
            evidence.sessions.len(),
            evidence.turns,
            evidence.calls.len(),
            sample.heap / 1_024,
            (queued + sample.ledger.waiting_bytes) / 1_024,
            fault.map_or("", |mark| &mark.fault)
        );
        if self.terminal {
            let full = percent as usize * BAR / 100;
            let bar = format!("{}{}", "█".repeat(full), "░".repeat(BAR - full));
            self.print(&format!("\r\x1b[2K{bar} {percent:>3} % {figures}"));
        } else if percent >= self.due {
            self.due = percent - percent % STEP + STEP;
            self.print(&format!("{percent:>3} % {figures}\n"));
        }
    }

    /// A line of its own.
    pub(crate) fn say(&self, line: &str) {
        let begin = if self.terminal { "\r\x1b[2K" } else { "" };
        self.print(&format!("{begin}{line}\n"));
    }

    fn print(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        // Nobody listens any more: the report is what counts.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}
