//! Transactions: what was handed over becomes rows, once.

mod amount;
mod calls;
mod days;
mod dead;
mod index;
mod insert;
mod names;
mod outgoing;
mod parts;
mod sessions;
mod touched;
mod tx;

pub(crate) use amount::amount;
pub(crate) use dead::{End, close_run};
pub(crate) use index::{Claim, Job, Visit, archived_until};
pub(crate) use names::Dictionary;
pub(crate) use outgoing::fold_of;
pub(crate) use sessions::add_turn_hour;
pub(crate) use touched::Hours;

use super::{
    Appended, Durability,
    buffer::{Batch, Kind},
    numbers::Numbers,
};
use rusqlite::Connection;
use tx::{TOGETHER, Tx};

/// Words are few and sessions come and go: a cache past this size starts again.
const CACHED_WORDS: usize = 32 * 1024;

/// An open ledger, as its writer sees it.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) conn: Connection,
    run: i64,
    names: Numbers,
    sessions: Numbers,
    hours: Hours,
    /// Hours whose calls the last transaction was about.
    touched: Vec<i64>,
    seen_at: i64,
    durability: Durability,
    /// Events that came too late for what is archived, and were not asked for yet.
    refused: u64,
}

impl Store {
    pub(crate) fn new(conn: Connection, run: i64, durability: Durability) -> Self {
        Self {
            conn,
            run,
            names: Numbers::default(),
            sessions: Numbers::default(),
            hours: Hours::new(),
            touched: Vec::new(),
            seen_at: 0,
            durability,
            refused: 0,
        }
    }

    /// Events that came too late for what is archived, since this was asked last.
    pub(crate) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }

    /// Hours whose calls the last transaction was about.
    pub(crate) fn touched_hours(&self) -> &[i64] {
        &self.touched
    }

    /// Writes a batch in one transaction. After an error nothing of it is there; the same batch can be written
    /// again, by another store too.
    pub(crate) fn write(&mut self, batch: &Batch, now: i64) -> rusqlite::Result<Vec<Appended>> {
        let written = self.transact(batch, now);
        if written.is_err() {
            // Numbers that were given in a transaction that is gone.
            self.names.clear();
            self.sessions.clear();
            self.hours.clear();
            if !self.conn.is_autocommit() {
                let _ = self.conn.execute_batch("ROLLBACK");
            }
        }
        written
    }

    fn transact(&mut self, batch: &Batch, now: i64) -> rusqlite::Result<Vec<Appended>> {
        for cache in [&mut self.names, &mut self.sessions] {
            if cache.len() > CACHED_WORDS {
                cache.clear();
            }
        }
        self.conn.execute_batch("BEGIN IMMEDIATE")?;
        let mut tx = Tx::begin(
            &self.conn,
            self.run,
            &mut self.names,
            &mut self.sessions,
            &mut self.hours,
        )?;
        let mut appended = Vec::new();
        let mut calls = Vec::with_capacity(TOGETHER[0]);
        for chunk in &batch.chunks {
            for (kind, payload) in chunk.entries() {
                if kind == Kind::Call {
                    calls.push(payload);
                    if calls.len() == TOGETHER[0] {
                        tx.calls(&mut calls)?;
                    }
                    continue;
                }
                if kind.is_about_calls() {
                    tx.calls(&mut calls)?;
                }
                let before = tx.refused;
                let created = tx.entry(kind, payload)?;
                if kind.is_acknowledged() {
                    appended.push(match (created, tx.refused > before) {
                        (true, _) => Appended::Created,
                        (false, false) => Appended::Exists,
                        (false, true) => Appended::TooOld,
                    });
                }
            }
        }
        tx.calls(&mut calls)?;
        for fold in &batch.folds {
            tx.fold(fold)?;
        }
        let refused = tx.refused;
        self.touched = tx.end()?;
        // Good enough for when a run was last alive, without a page of its own in each transaction.
        if now.saturating_sub(self.seen_at) > 1_000_000 {
            self.conn
                .prepare_cached("UPDATE run SET seen_at = ?2 WHERE id = ?1")?
                .execute((self.run, now))?;
            self.seen_at = now;
        }
        self.conn.execute_batch("COMMIT")?;
        self.refused += refused;
        Ok(appended)
    }
}
