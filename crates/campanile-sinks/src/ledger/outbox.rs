//! The outbox: remote sinks are told what is in the ledger, in the order of the commits, until they have it.
//!
//! ```text
//!  writer ── one transaction: rows, and their ids ──▶ outbox ──▶ courier (own thread) ──▶ Remote::deliver
//!                                                       ▲             │ accepted
//!                                                     cursor ◀────────┘
//! ```
//!
//! A cursor stands in the ledger: who is killed goes on where the sink was. What was accepted and not noted is told
//! again, under the same id: a remote keeps of each id the delivery with the highest number. A call that changes after
//! its end (late usage) is told again, too.

mod round;

pub use round::{CourierOptions, Delivery, Lag, Remote};

use super::{
    Durability, LedgerCall, LedgerError, patiently,
    reader::{by_id, fold},
    schema,
    store::{Dictionary, fold_of},
};
use round::{Read, Round, Shared, Source, State};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Duration,
};

/// Brings what is in a ledger to one remote sink, on a thread of its own: a remote that is slow, stuck or panics disturbs
/// neither the ledger nor another courier.
///
/// Dropping it ends it after the delivery that is under way; the cursor stays, and the next courier of this name goes on.
#[derive(Debug)]
pub struct Courier {
    shared: Arc<Shared>,
}

impl Courier {
    /// Starts to bring what is recorded from now on, or since the first courier of this `name`, to `remote`.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be written.
    pub fn start(
        path: impl AsRef<Path>,
        name: &str,
        remote: impl Remote + 'static,
        options: CourierOptions,
    ) -> Result<Self, LedgerError> {
        let path = path.as_ref().to_owned();
        super::make_folder(&path)?;
        let queue = Queue {
            conn: Some(open(&path, name)?),
            path: path.clone(),
            name: name.to_owned(),
            names: Dictionary::default(),
        };
        let round = Round {
            source: queue,
            remote: Box::new(remote),
            options,
        };
        let shared = Arc::new(Shared::default());
        let thread = std::thread::Builder::new().name(format!("campanile-{name}"));
        let worker = Arc::clone(&shared);
        thread
            .spawn(move || round.work(&worker))
            .map_err(|error| LedgerError::io(super::LedgerErrorKind::Io, &path, error))?;
        Ok(Self { shared })
    }

    /// How far the remote is behind, as of the last look.
    #[must_use]
    pub fn lag(&self) -> Lag {
        self.shared.lock().lag.clone()
    }

    /// Ends it. `false`: the remote still had a delivery in its hands when `within` was over.
    #[must_use]
    pub fn close(self, within: Duration) -> bool {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
        let ended = |state: &mut State| !state.gone;
        let waited = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), within, ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.gone
    }

    /// Takes the cursor of a remote sink away: nothing is kept for it any more.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be written.
    pub fn forget(path: impl AsRef<Path>, name: &str) -> Result<(), LedgerError> {
        let path = path.as_ref();
        let mut conn = schema::open(path, Durability::Durable)?;
        forget(&mut conn, name).map_err(|error| LedgerError::sql(path, error))
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
    }
}

/// The highest number that the outbox has ever had.
///
/// Each by itself, so that the index answers: the outbox is long where a remote was away.
const LAST: &str = "(SELECT max(seq) FROM (SELECT max(seq) AS seq FROM outbox
    UNION ALL SELECT max(seq) FROM cursor UNION ALL SELECT max(seq) FROM told))";

/// Opens the ledger, and begins the cursor where there is none.
fn open(path: &Path, name: &str) -> Result<Connection, LedgerError> {
    let conn = patiently(|| schema::open(path, Durability::Fast))?;
    let begin = format!("INSERT INTO cursor VALUES(?1, {LAST}) ON CONFLICT DO NOTHING");
    conn.execute(&begin, [name])
        .map_err(|error| LedgerError::sql(path, error))?;
    Ok(conn)
}

/// Takes a cursor away, and what was kept for it alone.
fn forget(conn: &mut Connection, name: &str) -> rusqlite::Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute(&format!("UPDATE told SET seq = {LAST}"), [])?;
    tx.execute("DELETE FROM cursor WHERE sink = ?1", [name])?;
    tidy(&tx)?;
    tx.commit()
}

/// Deletes what every remote sink has.
fn tidy(conn: &Connection) -> rusqlite::Result<()> {
    let done = "DELETE FROM outbox WHERE seq < (SELECT coalesce(min(seq), 9223372036854775807) FROM cursor)";
    conn.execute(done, []).map(drop)
}

/// What waits for one remote sink in a ledger.
struct Queue {
    conn: Option<Connection>,
    path: PathBuf,
    name: String,
    names: Dictionary,
}

impl Source for Queue {
    fn read(&mut self, batch: usize) -> Result<Read, String> {
        self.next(batch).map_err(|error| {
            self.conn = None;
            format!("the ledger: {error}")
        })
    }

    fn note(&mut self, seq: i64) -> Result<(), String> {
        let Some(conn) = &self.conn else {
            return Err("the ledger is not open".to_owned());
        };
        let moved = conn
            .execute(
                // Never back: a courier that was told to end may still have had a delivery in its hands.
                "UPDATE cursor SET seq = max(seq, ?2) WHERE sink = ?1",
                (&self.name, seq),
            )
            .and_then(|_| tidy(conn));
        moved.map_err(|error| {
            self.conn = None;
            format!("the ledger: {error}")
        })
    }
}

impl Queue {
    /// Reads the next batch.
    fn next(&mut self, batch: usize) -> Result<Read, LedgerError> {
        let conn = match &mut self.conn {
            Some(conn) => conn,
            closed => closed.insert(open(&self.path, &self.name)?),
        };
        let path = &self.path;
        let name = &self.name;
        let view = conn.unchecked_transaction();
        view.and_then(|view| Read::of(&view, name, batch, &mut self.names))
            .map_err(|error| LedgerError::sql(path, error))
    }
}

impl Read {
    fn of(
        conn: &Connection,
        name: &str,
        batch: usize,
        names: &mut Dictionary,
    ) -> rusqlite::Result<Self> {
        let cursor: Option<i64> = conn
            .prepare_cached("SELECT seq FROM cursor WHERE sink = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        let cursor = cursor.unwrap_or(i64::MAX);
        let last: Option<i64> = conn
            .prepare_cached("SELECT max(seq) FROM outbox")?
            .query_row([], |row| row.get(0))?;
        let mut read = Self {
            waiting: last.unwrap_or(cursor).saturating_sub(cursor).max(0) as u64,
            ..Self::default()
        };
        let sql = "SELECT seq, call FROM outbox WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        let rows: Vec<(i64, Vec<u8>)> = conn
            .prepare_cached(sql)?
            .query_map((cursor, batch as i64), |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        if rows.is_empty() {
            return Ok(read);
        }
        *names = Dictionary::names(conn)?;
        for (seq, key) in rows {
            read.end = Some(seq);
            let event = match <&[u8; 16]>::try_from(key.as_slice()) {
                Ok(id) => call(conn, id, names)?,
                Err(_) => folded(conn, &key, names)?,
            };
            if let Some((id, event)) = event {
                let seq = seq as u64;
                read.deliveries.push(Delivery { seq, id, event });
            }
        }
        Ok(read)
    }
}

type Event = Option<(String, serde_json::Value)>;

fn call(conn: &Connection, id: &[u8; 16], names: &Dictionary) -> rusqlite::Result<Event> {
    let call: Option<LedgerCall> = by_id(conn, id, names)?;
    Ok(call.map(|call| {
        let event = serde_json::to_value(&call).unwrap_or_default();
        (call.id, event)
    }))
}

fn folded(conn: &Connection, key: &[u8], names: &Dictionary) -> rusqlite::Result<Event> {
    let Some((run, seq)) = fold_of(key) else {
        return Ok(None);
    };
    let found = fold(conn, run, seq)?;
    Ok(found.map(|fold| (fold.id.clone(), fold.to_json(names))))
}
