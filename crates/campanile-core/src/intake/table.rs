//! Calls that are open, and room of those that are over.

use super::Record;
use super::record::OpenCall;
use crate::Tick;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Threads that open and close at once meet in different shards.
const SHARDS: usize = 16;
/// Room that is kept for calls to come. Beyond it, memory goes back to the allocator.
const POOLED_PER_SHARD: usize = 64;

/// The table of open calls, and the pool from which their room comes.
#[derive(Default)]
pub(crate) struct Table {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    open: Vec<Option<Arc<OpenCall>>>,
    free: Vec<usize>,
    pool: Vec<Arc<OpenCall>>,
}

impl Table {
    fn shard(&self, key: usize) -> MutexGuard<'_, Shard> {
        self.shards[key % SHARDS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a call in the shard of `key`: `fill` writes its identity.
    pub(crate) fn open(&self, key: usize, fill: impl FnOnce(&mut OpenCall)) -> Record {
        let mut shard = self.shard(key);
        let mut open = shard
            .pool
            .pop()
            .unwrap_or_else(|| Arc::new(OpenCall::empty()));
        let place = shard.free.pop().unwrap_or(shard.open.len());
        match Arc::get_mut(&mut open) {
            Some(room) => fill(room),
            None => {
                // A pooled room that somebody still holds would be a bug of `recycle`; new room is always right.
                let mut room = OpenCall::empty();
                fill(&mut room);
                open = Arc::new(room);
            }
        }
        if let Some(room) = Arc::get_mut(&mut open) {
            room.slot = place * SHARDS + key % SHARDS;
        }
        let entry = Some(Arc::clone(&open));
        match shard.open.get_mut(place) {
            Some(free) => *free = entry,
            None => shard.open.push(entry),
        }
        Record::new(open)
    }

    /// Takes a call out that is closed.
    pub(crate) fn remove(&self, record: &Record) {
        let (slot, open) = record.slot();
        let mut shard = self.shard(slot);
        let place = slot / SHARDS;
        let removed = match shard.open.get_mut(place) {
            Some(entry) if entry.as_ref().is_some_and(|held| Arc::ptr_eq(held, open)) => {
                entry.take()
            }
            _ => None,
        };
        if removed.is_some() {
            shard.free.push(place);
        }
    }

    /// The calls that are open now, of those that were opened at such a moment.
    pub(crate) fn opened(&self, wanted: impl Fn(Tick) -> bool) -> Vec<Record> {
        // Callers wait for the same locks: nothing is copied that is not asked for.
        let held = |key| {
            self.shard(key)
                .open
                .iter()
                .flatten()
                .filter(|open| wanted(open.opened))
                .cloned()
                .collect::<Vec<_>>()
        };
        (0..SHARDS).flat_map(held).map(Record::new).collect()
    }

    /// Takes the room of a call back that was sealed. Where somebody still holds a handle, its memory goes
    /// when the last handle does.
    pub(crate) fn recycle(&self, record: Record) {
        let mut open = record.into_open();
        let Some(room) = Arc::get_mut(&mut open) else {
            return;
        };
        let guarded = room.draft.get_mut().unwrap_or_else(PoisonError::into_inner);
        guarded.draft.clear();
        guarded.closed = false;
        room.turn = None;
        room.intake = None;
        *room.draining.get_mut() = 0;
        let mut shard = self.shard(room.slot);
        if shard.pool.len() < POOLED_PER_SHARD {
            shard.pool.push(open);
        }
    }
}
