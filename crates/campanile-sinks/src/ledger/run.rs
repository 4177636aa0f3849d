//! Runs: each process holds a lock on a file of its own, so that others know whether it is alive.

use super::{LedgerError, LedgerErrorKind, LedgerOptions, growth, store};
use campanile_core::{Clock, Ids};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use rustix::fs::{FlockOperation, Timespec, Timestamps, flock, futimens};
use std::{
    fs::{File, OpenOptions},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// How often a process that has something to write shows that it lives; one that has not does it less often.
const BEAT_US: i64 = 1_000_000;

/// The run of this process: alive as long as this is held.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: i64,
    /// The file of the ledger, by device and number.
    pub(super) file: Option<(u64, u64)>,
    key: String,
    lock: PathBuf,
    held: File,
    beat_at: i64,
}

/// Device and number of a file; `None` where there is none.
pub(super) fn file_of(path: &Path) -> Option<(u64, u64)> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.dev(), meta.ino()))
}

impl Run {
    /// Begins a run. Its lock is held before anybody can read of it.
    pub(super) fn begin(
        conn: &Connection,
        path: &Path,
        clock: &Clock,
    ) -> Result<Self, LedgerError> {
        let now = clock.now();
        let key = Ids::random().next(now).to_string();
        let lock = lock_path(path, &key);
        let io = |error: std::io::Error| LedgerError::io(LedgerErrorKind::ReadOnly, &lock, error);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&lock)
            .map_err(io)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| io(error.into()))?;
        let insert =
            "INSERT INTO run(key, pid, started_at, seen_at) VALUES(?1, ?2, ?3, ?3) RETURNING id";
        let id = conn
            .query_row(insert, (&key, std::process::id(), now.micros()), |row| {
                row.get(0)
            })
            .map_err(|error| {
                let _ = std::fs::remove_file(&lock);
                LedgerError::sql(path, error)
            })?;
        let mut run = Self {
            id,
            file: file_of(path),
            key,
            lock,
            held: file,
            beat_at: i64::MIN,
        };
        run.beat(now.micros());
        Ok(run)
    }

    /// Whether it is time to show that this process lives.
    pub(super) fn is_due(&self, now: i64) -> bool {
        now.abs_diff(self.beat_at) >= BEAT_US.unsigned_abs()
    }

    /// Shows that this process lives, by the time of its file: also where the ledger cannot be written.
    pub(super) fn beat(&mut self, now: i64) {
        if !self.is_due(now) {
            return;
        }
        self.beat_at = now;
        let time = Timespec {
            tv_sec: now.div_euclid(1_000_000),
            tv_nsec: now.rem_euclid(1_000_000) * 1_000,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        // A disk that refuses this is told of by what else it refuses.
        let _ = futimens(&self.held, &times);
    }

    /// Goes on in what is now at the path of its ledger: as itself where that knows it, else as a new run.
    pub(super) fn move_to(
        &mut self,
        conn: &Connection,
        path: &Path,
        clock: &Clock,
    ) -> Result<(), LedgerError> {
        let known = conn
            .query_row("SELECT id FROM run WHERE key = ?1", [&self.key], |row| {
                row.get(0)
            })
            .optional()
            .map_err(|error| LedgerError::sql(path, error))?;
        if known == Some(self.id) && self.lock.exists() {
            let io = |error| LedgerError::io(LedgerErrorKind::ReadOnly, path, error);
            let file = OpenOptions::new()
                .write(true)
                .open(&self.lock)
                .map_err(io)?;
            flock(&file, FlockOperation::NonBlockingLockExclusive)
                .map_err(|error| io(error.into()))?;
            (self.held, self.file) = (file, file_of(path));
            return Ok(());
        }
        *self = Self::begin(conn, path, clock)?;
        Ok(())
    }

    /// Ends it in order: nothing of it is open.
    pub(super) fn end(&self, conn: &Connection, now: i64) {
        let ended = conn.execute(
            "UPDATE run SET ended_at = ?2, crashed = 0 WHERE id = ?1",
            (self.id, now),
        );
        let open = "SELECT EXISTS(SELECT 1 FROM open WHERE run = ?1)
                    OR EXISTS(SELECT 1 FROM session WHERE run = ?1 AND ended_at IS NULL AND started_at IS NOT NULL)";
        let left: rusqlite::Result<bool> = conn.query_row(open, [self.id], |row| row.get(0));
        match (ended, left) {
            (Ok(_), Ok(false)) => {
                let _ = std::fs::remove_file(&self.lock);
            }
            // What is open is closed by whoever opens the ledger next.
            _ => {
                let _ = conn.execute("UPDATE run SET ended_at = NULL WHERE id = ?1", [self.id]);
            }
        }
    }
}

/// When the process of a run file has shown last that it lives.
fn beat_of(file: &File) -> i64 {
    let beat = |meta: std::fs::Metadata| {
        let micros = meta.mtime().checked_mul(1_000_000)?;
        micros.checked_add(meta.mtime_nsec() / 1_000)
    };
    file.metadata().ok().and_then(beat).unwrap_or(i64::MIN)
}

fn lock_path(path: &Path, key: &str) -> PathBuf {
    path.with_file_name(format!("run-{key}.lock"))
}

/// Closes what dead runs have left open: runs whose lock nobody holds.
pub(super) fn close_dead(
    conn: &mut Connection,
    options: &LedgerOptions,
    clock: &Clock,
    own: i64,
) -> Result<(), LedgerError> {
    let path = options.path.as_path();
    let sql = |error| LedgerError::sql(path, error);
    let open: Vec<(i64, String, i64)> = conn
        .prepare("SELECT id, key, seen_at FROM run WHERE ended_at IS NULL AND id <> ?1")
        .and_then(|mut statement| {
            statement
                .query_map([own], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect()
        })
        .map_err(sql)?;
    for (run, key, seen_at) in open {
        let lock = lock_path(path, &key);
        // Held while its run is closed: two that open at once don't close it twice.
        let file = OpenOptions::new().write(true).open(&lock);
        if let Ok(file) = &file
            && flock(file, FlockOperation::NonBlockingLockExclusive).is_err()
        {
            continue;
        }
        let tx = conn
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sql)?;
        let now = clock.now().micros();
        let seen_at = seen_at.max(file.map_or(i64::MIN, |file| beat_of(&file)));
        let end = store::End {
            seen_at,
            over_at: growth::over_by(seen_at, now),
            now,
            prices: options.prices.as_deref(),
        };
        store::close_run(&tx, run, &end).map_err(sql)?;
        tx.commit().map_err(sql)?;
        let _ = std::fs::remove_file(&lock);
    }
    Ok(())
}

/// Whether a process that writes this ledger lives.
pub(super) fn any_alive(conn: &Connection, path: &Path) -> rusqlite::Result<bool> {
    let keys: Vec<String> = conn
        .prepare("SELECT key FROM run WHERE ended_at IS NULL")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let held = |key: &String| {
        let file = File::open(lock_path(path, key));
        file.is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared).is_err())
    };
    Ok(keys.iter().any(held))
}
