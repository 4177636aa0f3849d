//! Threads that scan pieces, each piece by one of them at a time, and a board where they leave what they found.
//!
//! A thread takes the piece that is waited for, or else the first in time whose lines are not too many already: so
//! memory has a bound, and the reader never waits for a piece that nobody works on.

use crate::{
    filter::Filter,
    plan::{Piece, Trouble},
    scan::{Batch, Counts, Desk, Scan},
    source::More,
};
use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// Bytes of lines that wait to be read: of all pieces, and of one.
const WAITING: usize = 16 << 20;
const WAITING_OF_ONE: usize = 1 << 20;

/// One piece on the board.
#[derive(Debug, Default)]
struct Slot {
    /// It is there while nobody works on it.
    scan: Option<Scan>,
    begun: bool,
    done: bool,
    batches: VecDeque<Batch>,
    waiting: usize,
}

#[derive(Debug)]
struct State {
    slots: Vec<Slot>,
    /// The first that is not done.
    front: usize,
    waiting: usize,
    wanted: Option<usize>,
    stopped: bool,
    counts: Counts,
    troubles: Vec<Trouble>,
}

/// Where threads find work, and leave lines.
#[derive(Debug)]
pub(crate) struct Board<'a> {
    pieces: &'a [Piece],
    filter: &'a Filter,
    only_count: bool,
    state: Mutex<State>,
    work: Condvar,
    found: Condvar,
}

impl<'a> Board<'a> {
    pub(crate) fn new(pieces: &'a [Piece], filter: &'a Filter, only_count: bool) -> Self {
        Self {
            pieces,
            filter,
            only_count,
            state: Mutex::new(State {
                slots: pieces.iter().map(|_| Slot::default()).collect(),
                front: 0,
                waiting: 0,
                wanted: None,
                stopped: false,
                counts: Counts::default(),
                troubles: Vec::new(),
            }),
            work: Condvar::new(),
            found: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each thread does, until there is nothing left.
    pub(crate) fn work(&self) {
        let desk = Desk::new();
        let Ok(mut desk) = desk else {
            // Without memory for a decoder there is nothing to be done.
            return self.stop();
        };
        while let Some((n, scan)) = self.take() {
            let mut batch = Batch::default();
            let scanned = match scan {
                Some(scan) => Ok(scan),
                None => Scan::new(&self.pieces[n], self.only_count),
            };
            let (scan, trouble) = match scanned {
                Ok(mut scan) => match scan.step(self.filter, &mut desk, &mut batch) {
                    (More::Yes, trouble) => (Some(scan), trouble),
                    (More::No, trouble) => (None, trouble),
                },
                Err(error) => (None, Some(error)),
            };
            let trouble = trouble.map(|error| Trouble {
                path: self.pieces[n].file.path.clone(),
                error,
            });
            self.put(n, scan, batch, trouble);
        }
    }

    /// The next piece to be worked on; waits while there is none.
    fn take(&self) -> Option<(usize, Option<Scan>)> {
        let mut state = self.state();
        loop {
            if state.stopped || state.front == state.slots.len() {
                return None;
            }
            if let Some(n) = state.next() {
                let slot = &mut state.slots[n];
                slot.begun = true;
                return Some((n, slot.scan.take()));
            }
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn put(&self, n: usize, scan: Option<Scan>, batch: Batch, trouble: Option<Trouble>) {
        let mut state = self.state();
        state.counts.add(batch.counts);
        state.troubles.extend(trouble);
        let bytes = batch.bytes.len();
        state.waiting += bytes;
        let slot = &mut state.slots[n];
        slot.waiting += bytes;
        slot.done = scan.is_none();
        slot.scan = scan;
        if !batch.lines.is_empty() {
            slot.batches.push_back(batch);
        }
        while state.slots.get(state.front).is_some_and(|slot| slot.done) {
            state.front += 1;
        }
        drop(state);
        self.found.notify_all();
        self.work.notify_all();
    }

    /// The next lines of a piece; waits for them. `None` at its end.
    pub(crate) fn lines(&self, n: usize) -> Option<Batch> {
        let mut state = self.state();
        loop {
            let slot = &mut state.slots[n];
            if let Some(batch) = slot.batches.pop_front() {
                slot.waiting -= batch.bytes.len();
                state.waiting -= batch.bytes.len();
                drop(state);
                self.work.notify_all();
                return Some(batch);
            }
            if slot.done || state.stopped {
                return None;
            }
            state.wanted = Some(n);
            self.work.notify_all();
            state = self
                .found
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.wanted = None;
        }
    }

    /// Waits until every piece is done.
    pub(crate) fn wait(&self) {
        let mut state = self.state();
        while state.front < state.slots.len() && !state.stopped {
            state = self
                .found
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nobody wants any more.
    pub(crate) fn stop(&self) {
        self.state().stopped = true;
        self.found.notify_all();
        self.work.notify_all();
    }

    /// What it came to.
    pub(crate) fn into_counts(self) -> (Counts, Vec<Trouble>) {
        let state = self
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        (state.counts, state.troubles)
    }
}

impl State {
    fn next(&self) -> Option<usize> {
        let idle = |n: &usize| {
            let slot = &self.slots[*n];
            !slot.done && (slot.scan.is_some() || !slot.begun)
        };
        let wanted = self.wanted.filter(idle);
        let has_room = |n: &usize| self.slots[*n].waiting < WAITING_OF_ONE;
        wanted.or_else(|| match self.waiting < WAITING {
            true => (self.front..self.slots.len()).find(|n| idle(n) && has_room(n)),
            false => None,
        })
    }
}
