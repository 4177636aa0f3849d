//! What became of the items of one lane.

use crate::sync::{
    Arc,
    atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use campanile_core::{LossReason, Stats};

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

#[derive(Debug)]
pub(crate) struct Counters {
    sink: &'static str,
    opened: AtomicU64,
    written: AtomicU64,
    lost: [AtomicU64; LossReason::ALL.len()],
    queued_bytes: AtomicU64,
    degraded: AtomicBool,
    errors: AtomicU64,
}

impl Counters {
    pub(crate) fn new(sink: &'static str) -> Self {
        Self {
            sink,
            opened: AtomicU64::new(0),
            written: AtomicU64::new(0),
            lost: LossReason::ALL.map(|_| AtomicU64::new(0)),
            queued_bytes: AtomicU64::new(0),
            degraded: AtomicBool::new(false),
            errors: AtomicU64::new(0),
        }
    }

    pub(crate) fn opened(&self, items: u64) {
        self.opened.fetch_add(items, Relaxed);
    }

    pub(crate) fn write(&self, items: u64) {
        self.written.fetch_add(items, Release);
    }

    pub(crate) fn lose(&self, reason: LossReason, items: u64) {
        self.lost[reason as usize].fetch_add(items, Release);
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
        let mut stats = Stats::new(self.sink);
        (stats.opened, stats.written) = (opened, written);
        stats.pending = opened.saturating_sub(ended);
        stats.lost = lost;
        stats.queued_bytes = self.queued_bytes.load(Relaxed);
        stats.degraded = self.degraded.load(Relaxed);
        stats.errors = self.errors.load(Relaxed);
        stats
    }
}
