//! The writer: one thread that takes what was handed over and commits it in groups.

use super::{
    Appended, LedgerError, LedgerErrorKind, LedgerOptions, LedgerTrouble, Shared,
    buffer::Batch,
    error::kind_of,
    growth::SILENCE,
    run::{Run, file_of},
    schema,
    store::{Job, Store},
};
use campanile_core::Clock;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Under load, a commit begins no sooner than this after the one before has ended: with the two commits around it,
/// what was handed over is durable within 10 ms.
const WINDOW: Duration = Duration::from_millis(5);
/// How often an idle writer looks: `record` wakes nobody.
const LOOK: Duration = Duration::from_millis(2);
/// After this long without work the writer sleeps, and the next event does wake it.
const IDLE: Duration = Duration::from_millis(200);
/// A writer that sleeps wakes this often, to show that its process lives.
const SIGN: Duration = Duration::from_secs(20);
// Else a process would be taken for dead that lives: what its open calls used after that would be missing.
const _: () = assert!(SIGN.as_micros() * 2 < SILENCE as u128);
/// How long the roller waits for a pause.
const LATE: Duration = Duration::from_millis(100);
/// How often trouble is told.
const TELL: Duration = Duration::from_secs(60);
/// How long to wait after a failure, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// How often `fast` commits reach the disk.
const FAST_SYNC: Duration = Duration::from_millis(900);

#[expect(
    clippy::disallowed_methods,
    reason = "bounds of real waits for a disk, not measurements"
)]
pub(super) fn instant() -> Instant {
    Instant::now()
}

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) options: LedgerOptions,
    pub(super) clock: Clock,
    pub(super) run: Run,
    /// `None` after an error: what a file said before is not trusted again.
    pub(super) store: Option<Store>,
    pub(super) last_commit: Instant,
    pub(super) last_sync: Instant,
    pub(super) unsynced: bool,
    pub(super) told: Option<Instant>,
}

impl Writer {
    pub(super) fn work(mut self) {
        while let Some(batch) = self.next() {
            let written = self.write(batch);
            self.last_commit = instant();
            if !written {
                break;
            }
            self.late_job();
        }
        if let Some(store) = &self.store {
            let _ = store.conn.execute_batch("PRAGMA wal_checkpoint(PASSIVE)");
            self.run.end(&store.conn, self.clock.now().micros());
        }
    }

    /// Waits for work. `None`: there is none, and there will be none.
    fn next(&mut self) -> Option<Batch> {
        let mut idle_since = instant();
        let mut buffer = self.shared.lock();
        loop {
            if !buffer.is_empty() {
                let since = self.last_commit.elapsed();
                if since >= WINDOW || buffer.urgent || buffer.stop || buffer.is_full() {
                    return Some(buffer.take());
                }
                buffer = self.shared.wait(buffer, WINDOW - since);
                continue;
            }
            if let Some((job, _)) = buffer.job.take() {
                drop(buffer);
                self.job(&job);
                buffer = self.shared.lock();
                idle_since = instant();
                continue;
            }
            if buffer.stop {
                let until = buffer.stop_at.filter(|_| buffer.settle && !buffer.rolled);
                let left = until.map(|until| until.saturating_duration_since(instant()));
                // None is left: the end.
                let left = left.filter(|left| !left.is_zero())?;
                buffer.drained = true;
                self.shared.roll.notify_all();
                buffer = self.shared.wait(buffer, left);
                continue;
            }
            if self.unsynced && self.last_sync.elapsed() >= FAST_SYNC {
                drop(buffer);
                self.sync();
                buffer = self.shared.lock();
                idle_since = instant();
                continue;
            }
            let sleeps = idle_since.elapsed() >= IDLE && !self.unsynced;
            if sleeps {
                let now = self.clock.now().micros();
                if self.run.is_due(now) {
                    // Not under the lock: it is IO.
                    drop(buffer);
                    self.run.beat(now);
                    buffer = self.shared.lock();
                    continue;
                }
            }
            buffer.asleep = sleeps;
            buffer = self.shared.wait(buffer, if sleeps { SIGN } else { LOOK });
            buffer.asleep = false;
        }
    }

    /// Does what the roller has waited for too long, because there was always something to write.
    fn late_job(&mut self) {
        let mut buffer = self.shared.lock();
        let late = buffer.job.take_if(|(_, since)| since.elapsed() >= LATE);
        drop(buffer);
        if let Some((job, _)) = late {
            self.job(&job);
        }
    }

    /// Does one step for the roller. Trouble is the next batch's to tell.
    fn job(&mut self, job: &Job) {
        let done = match &mut self.store {
            Some(store) => store.job(job),
            None => Ok(false),
        };
        if let Err(error) = &done
            && kind_of(error) != LedgerErrorKind::Locked
        {
            self.store = None;
        }
        self.shared.lock().answer = Some(done.ok());
        self.shared.roll.notify_all();
    }

    /// Writes a batch, however long it takes. `false`: the ledger is closed and the disk still refuses.
    fn write(&mut self, batch: Batch) -> bool {
        let mut wait = BACKOFF.0;
        loop {
            match self.attempt(&batch) {
                Ok(answers) => {
                    self.answer(batch, answers);
                    return true;
                }
                Err(error) => self.tell(&error),
            }
            let buffer = self.shared.lock();
            if buffer.stop && buffer.stop_at.is_none_or(|until| instant() >= until) {
                return false;
            }
            drop(self.shared.pause(buffer, wait));
            wait = (wait * 2).min(BACKOFF.1);
        }
    }

    fn attempt(&mut self, batch: &Batch) -> Result<Vec<Appended>, LedgerError> {
        self.run.beat(self.clock.now().micros());
        // Moved away, or taken for another one: nobody would find there what is written.
        if self.store.is_some() && self.run.file != file_of(&self.options.path) {
            self.store = None;
        }
        if self.store.is_none() {
            self.reopen()?;
        }
        let Some(store) = &mut self.store else {
            return Ok(Vec::new());
        };
        let written = store.write(batch, self.clock.now().micros());
        if let Err(error) = &written
            && kind_of(error) != LedgerErrorKind::Locked
        {
            self.store = None;
        }
        if written.is_ok() && self.options.durability == super::Durability::Fast {
            self.unsynced = true;
            if self.last_sync.elapsed() >= FAST_SYNC {
                self.sync();
            }
        }
        written.map_err(|error| LedgerError::sql(&self.options.path, error))
    }

    /// Opens the ledger again after an error. What an earlier connection wrote and could not sync may still be read
    /// back from memory: it is copied into the main file and synced there before anything is built on it.
    fn reopen(&mut self) -> Result<(), LedgerError> {
        let path = &self.options.path;
        if !path.exists() {
            let reason = "the file is gone";
            return Err(LedgerError::new(LedgerErrorKind::Missing, path, reason));
        }
        let conn = schema::open(path, self.options.durability)?;
        if checkpoint(&conn).map_err(|error| LedgerError::sql(path, error))? {
            let reason = "a reader keeps what was written last from being synced";
            return Err(LedgerError::new(LedgerErrorKind::Locked, path, reason));
        }
        if self.run.file != file_of(path) {
            // Another ledger has taken its place, or the disk was mounted anew.
            self.run.move_to(&conn, path, &self.clock)?;
        }
        self.store = Some(Store::new(conn, self.run.id, self.options.durability));
        Ok(())
    }

    /// Brings `fast` commits to the disk.
    fn sync(&mut self) {
        self.last_sync = instant();
        let done = self.store.as_ref().map(|store| checkpoint(&store.conn));
        self.unsynced = matches!(done, Some(Err(_)));
    }

    fn answer(&mut self, batch: Batch, answers: Vec<Appended>) {
        let mut answers = answers.into_iter();
        let slots: Vec<_> = batch
            .chunks
            .iter()
            .flat_map(|chunk| chunk.slots.iter().cloned())
            .collect();
        let mut buffer = self.shared.lock();
        let refused = self.store.as_mut().map_or(0, Store::take_refused);
        let hours = self.store.as_ref().map_or(&[][..], Store::touched_hours);
        buffer.written(batch, hours);
        buffer.state.degraded = None;
        buffer.state.refused += refused;
        drop(buffer);
        self.shared.done.notify_all();
        for (slot, count) in slots {
            slot.fill(answers.by_ref().take(count));
        }
    }

    /// Tells trouble, at most once a minute.
    fn tell(&mut self, error: &LedgerError) {
        let mut buffer = self.shared.lock();
        buffer.state.degraded = Some(error.kind());
        buffer.state.errors += 1;
        let trouble = LedgerTrouble {
            kind: error.kind(),
            path: self.options.path.clone(),
            message: error.to_string(),
            waiting_events: buffer.state.recorded - buffer.state.written,
            waiting_bytes: buffer.waiting() as u64,
        };
        drop(buffer);
        if self.told.is_none_or(|told| told.elapsed() >= TELL) {
            self.told = Some(instant());
            let tell = &self.options.tell;
            // Somebody else's code: its panic is not the end of the writer.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tell(trouble)));
        }
    }
}

/// However it ends: nobody waits for a writer that is gone.
impl Drop for Writer {
    fn drop(&mut self) {
        // Closed before anybody hears that it is: the file is whole then, without a log beside it.
        self.store = None;
        self.shared.close();
    }
}

/// Syncs the log and copies it into the main file. `true`: a reader kept it from copying everything.
pub(super) fn checkpoint(conn: &rusqlite::Connection) -> rusqlite::Result<bool> {
    conn.query_row("PRAGMA wal_checkpoint(FULL)", [], |row| row.get(0))
}
