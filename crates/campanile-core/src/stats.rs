//! What became of the events that a sink was given.

use std::fmt;

/// Why an event did not get where it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LossReason {
    /// The buffer had no room for its priority.
    Full,
    /// The buffer had no room because writing fails, or writing failed until the end.
    IoError,
    /// The writer panicked with it in its hands.
    Panicked,
    /// It came after the end, or nobody waited long enough for it.
    Closed,
    /// It is longer than a line may be.
    TooLarge,
    /// It could not be put into text.
    Encoding,
    /// It is older than what is archived: nobody can say whether it was counted.
    TooOld,
}

impl LossReason {
    /// Every reason.
    pub const ALL: [LossReason; 7] = [
        LossReason::Full,
        LossReason::IoError,
        LossReason::Panicked,
        LossReason::Closed,
        LossReason::TooLarge,
        LossReason::Encoding,
        LossReason::TooOld,
    ];

    /// The name in JSON and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            LossReason::Full => "full",
            LossReason::IoError => "io_error",
            LossReason::Panicked => "panicked",
            LossReason::Closed => "closed",
            LossReason::TooLarge => "too_large",
            LossReason::Encoding => "encoding",
            LossReason::TooOld => "too_old",
        }
    }
}

/// What became of the events of one sink, at one moment: `opened = written + lost + pending`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Which sink.
    pub sink: &'static str,
    /// Events that the sink was given and wanted.
    pub opened: u64,
    /// Events that are where they should be.
    pub written: u64,
    /// Events in the buffer or in the writer's hands.
    pub pending: u64,
    /// Events that are lost, by reason; reasons that never happened are left out.
    pub lost: Vec<(LossReason, u64)>,
    /// Bytes in the buffer and in the writer's hands.
    pub queued_bytes: u64,
    /// Whether the last try to write failed.
    pub degraded: bool,
    /// How often a try failed.
    pub errors: u64,
}

impl Stats {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(sink: &'static str) -> Self {
        Self {
            sink,
            ..Self::default()
        }
    }

    /// Events lost for any reason.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.iter().map(|(_, lost)| lost).sum()
    }

    /// Events lost for one reason.
    #[must_use]
    pub fn lost_to(&self, reason: LossReason) -> u64 {
        let found = self.lost.iter().find(|(known, _)| *known == reason);
        found.map_or(0, |(_, lost)| *lost)
    }

    /// Whether every event is where it should be.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.pending == 0 && self.lost.is_empty()
    }
}

/// `jsonl: 90 of 120 events written, 20 lost (full 19, closed 1), 10 pending`.
impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sink, opened, written) = (self.sink, self.opened, self.written);
        write!(f, "{sink}: {written} of {opened} events written")?;
        if !self.lost.is_empty() {
            write!(f, ", {} lost (", self.lost())?;
            for (n, (reason, lost)) in self.lost.iter().enumerate() {
                let comma = if n == 0 { "" } else { ", " };
                write!(f, "{comma}{} {lost}", reason.name())?;
            }
            f.write_str(")")?;
        }
        match self.pending {
            0 => Ok(()),
            pending => write!(f, ", {pending} pending"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_what_is_missing_and_why() {
        let mut stats = Stats::new("jsonl");
        (stats.opened, stats.written) = (120, 120);
        assert!(stats.is_complete());
        assert_eq!(stats.to_string(), "jsonl: 120 of 120 events written");

        stats.lost = vec![(LossReason::Full, 19), (LossReason::Closed, 1)];
        (stats.written, stats.pending) = (90, 10);

        assert!(!stats.is_complete());
        assert_eq!(
            stats.to_string(),
            "jsonl: 90 of 120 events written, 20 lost (full 19, closed 1), 10 pending"
        );
    }
}
