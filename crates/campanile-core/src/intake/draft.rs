//! What layers write while a call is open.

use crate::{Content, Failure, Hold, Measure, Name, Outcome, Served, Span, Tally, Tick};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The open record of one call: each layer fills its own part. It cannot be written anywhere: a recorder seals
/// it into an event first.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Draft {
    /// How the call ended, as its caller saw it.
    pub outcome: Option<Outcome>,
    /// Why, in a word.
    pub reason: Option<Name>,
    /// When it ended.
    pub ended: Option<Tick>,
    /// Why it failed, as its caller saw it.
    pub failure: Option<Failure>,
    /// The tries at the provider.
    pub attempts: Vec<AttemptDraft>,
    /// How much was said.
    pub spoken: Option<Measure>,
    /// What was said, where a sink wants it.
    pub text: Option<Content>,
    /// Labels of the stage.
    pub labels: Vec<(&'static str, Name)>,
    /// Observers that broke.
    pub observer_failed: u32,
    /// What is held back for the call, until it is counted.
    pub(crate) holds: Vec<Hold>,
    /// Room of attempts that are over, for those that come.
    spare: Vec<Arc<Live>>,
}

impl Draft {
    /// Begins the next attempt, and says its number.
    pub(crate) fn begin_attempt(&mut self) -> (u32, Arc<Live>) {
        let n = u32::try_from(self.attempts.len())
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        let live = self.spare.pop().unwrap_or_default();
        self.attempts.push(AttemptDraft::new(n, Arc::clone(&live)));
        (n, live)
    }

    /// Forgets the call, but not the room it took.
    pub(crate) fn clear(&mut self) {
        for attempt in self.attempts.drain(..) {
            let mut live = attempt.live;
            // Where a late writer still holds it, its room is not ours.
            if self.spare.is_empty() && Arc::get_mut(&mut live).is_some() {
                live.clear();
                self.spare.push(live);
            }
        }
        let (attempts, mut labels) = (
            std::mem::take(&mut self.attempts),
            std::mem::take(&mut self.labels),
        );
        labels.clear();
        let spare = std::mem::take(&mut self.spare);
        *self = Self {
            attempts,
            labels,
            spare,
            ..Self::default()
        };
    }
}

/// One try at the provider, while its call is open.
#[derive(Debug)]
#[non_exhaustive]
pub struct AttemptDraft {
    /// Its number in the call, from 1.
    pub n: u32,
    /// Who serves it, and how.
    pub served: Served,
    /// What is counted while it runs.
    pub live: Arc<Live>,
    /// When its client was started.
    pub started: Option<Tick>,
    /// From the start of the client to the first piece of the answer.
    pub first_item: Option<Span>,
    /// From the start of the client to the end.
    pub elapsed: Option<Span>,
    /// Pieces of the answer.
    pub items: Option<u64>,
    /// The longest wait between two pieces.
    pub longest_gap: Option<Span>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Its caller has gone and its reply is still being read: what was counted of the answer is not all of it.
    pub reads_on: bool,
    /// Why it failed.
    pub failure: Option<Failure>,
}

impl AttemptDraft {
    fn new(n: u32, live: Arc<Live>) -> Self {
        Self {
            n,
            served: Served::default(),
            live,
            started: None,
            first_item: None,
            elapsed: None,
            items: None,
            longest_gap: None,
            outcome: None,
            reads_on: false,
            failure: None,
        }
    }

    /// Writes down where the time of this attempt went until `now`, from what was counted. Only the first time
    /// counts; nothing is written where no client was started.
    pub fn stop(&mut self, now: Tick) {
        let Some(started) = self.started.filter(|_| self.elapsed.is_none()) else {
            return;
        };
        let asked = self.live.sent_between().map(|(first, _)| first);
        self.first_item = self.live.first_item().map(|first| {
            // Of a streamed request, from its first piece.
            let from = asked.filter(|asked| *asked <= first).unwrap_or(started);
            first.since(from.max(started))
        });
        self.items = Some(self.live.items());
        self.longest_gap = self.live.longest_gap();
        self.elapsed = Some(now.since(started));
    }
}

/// What is counted while an attempt runs, without a lock.
#[derive(Debug, Default)]
pub struct Live {
    /// What will be billed.
    pub tally: Tally,
    sent: AtomicU64,
    first_sent: AtomicU64,
    last_sent: AtomicU64,
    items: AtomicU64,
    first_item: AtomicU64,
    last_item: AtomicU64,
    longest_gap: AtomicU64,
}

impl Live {
    /// Counts a piece of a streamed request that was handed to the socket.
    pub fn sent(&self, at: Tick) {
        if self.sent.fetch_add(1, Relaxed) == 0 {
            self.first_sent.store(at.0, Relaxed);
        }
        self.last_sent.store(at.0, Relaxed);
    }

    /// How many pieces were sent.
    #[must_use]
    pub fn sent_items(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// When the first and the last piece was sent.
    #[must_use]
    pub fn sent_between(&self) -> Option<(Tick, Tick)> {
        (self.sent_items() > 0).then(|| {
            (
                Tick(self.first_sent.load(Relaxed)),
                Tick(self.last_sent.load(Relaxed)),
            )
        })
    }

    /// Counts a piece of the answer, and says whether it was the first. One thread at a time may do so.
    #[inline]
    pub fn item(&self, at: Tick) -> bool {
        // Loads and stores: there is one writer, and readers may see a moment in between.
        let before = self.items.load(Relaxed);
        if before == 0 {
            self.first_item.store(at.0, Relaxed);
        } else {
            let gap = at.since(Tick(self.last_item.load(Relaxed))).0;
            if gap > self.longest_gap.load(Relaxed) {
                self.longest_gap.store(gap, Relaxed);
            }
        }
        self.last_item.store(at.0, Relaxed);
        self.items.store(before + 1, Relaxed);
        before == 0
    }

    /// Pieces of the answer.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.items.load(Relaxed)
    }

    /// When the first piece of the answer came.
    #[must_use]
    pub fn first_item(&self) -> Option<Tick> {
        (self.items() > 0).then(|| Tick(self.first_item.load(Relaxed)))
    }

    /// When the last piece of the answer came.
    #[must_use]
    pub fn last_item(&self) -> Option<Tick> {
        (self.items() > 0).then(|| Tick(self.last_item.load(Relaxed)))
    }

    /// The longest wait between two pieces of the answer.
    #[must_use]
    pub fn longest_gap(&self) -> Option<Span> {
        (self.items() > 1).then(|| Span(self.longest_gap.load(Relaxed)))
    }

    fn clear(&self) {
        self.tally.clear();
        self.sent.store(0, Relaxed);
        self.items.store(0, Relaxed);
        self.longest_gap.store(0, Relaxed);
    }
}
