//! What became of the lines of one sink.

use std::sync::{
    Arc,
    atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// Why a line did not get where it should.
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
}

impl LossReason {
    /// Every reason.
    pub const ALL: [LossReason; 6] = [
        LossReason::Full,
        LossReason::IoError,
        LossReason::Panicked,
        LossReason::Closed,
        LossReason::TooLarge,
        LossReason::Encoding,
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
        }
    }
}

/// What became of the lines of one sink, at one moment: `opened = written + lost + pending`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Events that the sink was given and wanted.
    pub opened: u64,
    /// Lines that are where they should be.
    pub written: u64,
    /// Lines in the buffer or in the writer's hands.
    pub pending: u64,
    /// Lines that are lost, by reason; reasons that never happened are left out.
    pub lost: Vec<(LossReason, u64)>,
    /// Bytes in the buffer and in the writer's hands.
    pub queued_bytes: u64,
    /// Whether the last try to write failed.
    pub degraded: bool,
    /// How often a try failed.
    pub errors: u64,
}

impl Stats {
    /// Lines lost for any reason.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.iter().map(|(_, lost)| lost).sum()
    }

    /// Lines lost for one reason.
    #[must_use]
    pub fn lost_to(&self, reason: LossReason) -> u64 {
        let found = self.lost.iter().find(|(known, _)| *known == reason);
        found.map_or(0, |(_, lost)| *lost)
    }
}

/// Looks at the counters of a sink from anywhere, also after the sink is gone.
#[derive(Clone, Debug)]
pub struct Watch(Arc<Counters>);

impl Watch {
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self(counters)
    }

    /// The counters now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.snapshot()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    opened: AtomicU64,
    written: AtomicU64,
    lost: [AtomicU64; LossReason::ALL.len()],
    queued_bytes: AtomicU64,
    degraded: AtomicBool,
    errors: AtomicU64,
}

impl Counters {
    pub(crate) fn opened(&self, lines: u64) {
        self.opened.fetch_add(lines, Relaxed);
    }

    pub(crate) fn write(&self, lines: u64) {
        self.written.fetch_add(lines, Release);
    }

    pub(crate) fn lose(&self, reason: LossReason, lines: u64) {
        self.lost[reason as usize].fetch_add(lines, Release);
    }

    /// No room: the reader of the counters wants to know whether the disk is to blame.
    pub(crate) fn refuse(&self) {
        self.lose(
            if self.degraded.load(Relaxed) {
                LossReason::IoError
            } else {
                LossReason::Full
            },
            1,
        );
    }

    pub(crate) fn lost_to(&self, reason: LossReason) -> u64 {
        self.lost[reason as usize].load(Acquire)
    }

    pub(crate) fn queue(&self, bytes: usize) {
        self.queued_bytes.store(bytes as u64, Relaxed);
    }

    /// Notes a failed try. `true` when the one before had not failed.
    pub(crate) fn fail(&self) -> bool {
        self.errors.fetch_add(1, Relaxed);
        !self.degraded.swap(true, Relaxed)
    }

    /// Notes a try that worked. `true` when the one before had failed.
    pub(crate) fn recover(&self) -> bool {
        self.degraded.swap(false, Relaxed)
    }

    pub(crate) fn snapshot(&self) -> Stats {
        // Ends before beginnings: a line that is counted as written was opened before.
        let written = self.written.load(Acquire);
        let lost: Vec<_> = LossReason::ALL
            .into_iter()
            .map(|reason| (reason, self.lost_to(reason)))
            .filter(|(_, lost)| *lost > 0)
            .collect();
        let opened = self.opened.load(Acquire);
        let ended = written + lost.iter().map(|(_, lost)| lost).sum::<u64>();
        Stats {
            opened,
            written,
            pending: opened.saturating_sub(ended),
            lost,
            queued_bytes: self.queued_bytes.load(Relaxed),
            degraded: self.degraded.load(Relaxed),
            errors: self.errors.load(Relaxed),
        }
    }
}
