//! A monitor that keeps everything, and what tests ask of it.

#![allow(dead_code, reason = "each test uses a part of it")]

use campanile::sinks::ledger::{Ledger, LedgerOptions, Query, Reader, Report};
use campanile::{Attempt, CallEvent, Event, Events, Monitor, Sink as _, TurnEvent, memory};
use campanile::{clock, pricing::Book};
use tempfile::TempDir;

/// What a monitor has recorded: in memory, and in a ledger.
pub(crate) struct Kept {
    events: Events,
    dir: TempDir,
}

/// A monitor, and what it will have recorded.
pub(crate) fn monitor() -> (Monitor, Kept) {
    let (sink, events) = memory();
    let kept = Kept {
        events,
        dir: tempfile::tempdir().unwrap(),
    };
    let ledger = Ledger::open(LedgerOptions::new(kept.path()), clock::counter()).unwrap();
    let monitor = Monitor::builder(sink.and(ledger)).prices(Book::standard());
    (monitor.start(), kept)
}

impl Kept {
    pub(crate) fn all(&self) -> Vec<Event> {
        self.events.all()
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("campanile.db")
    }

    /// What the ledger says.
    pub(crate) fn report(&self, query: &Query) -> Report {
        Reader::open(self.path()).unwrap().report(query).unwrap()
    }

    pub(crate) fn calls(&self) -> Vec<CallEvent> {
        self.events.calls()
    }

    pub(crate) fn turns(&self) -> Vec<TurnEvent> {
        let turn = |event| match event {
            Event::Turn(turn) => Some(*turn),
            _ => None,
        };
        self.all().into_iter().filter_map(turn).collect()
    }

    /// Every try at that provider.
    pub(crate) fn attempts(&self, provider: &str) -> Vec<Attempt> {
        let attempts = self.calls().into_iter().flat_map(|call| call.attempts);
        attempts
            .filter(|attempt| attempt.provider.as_deref() == Some(provider))
            .collect()
    }
}
