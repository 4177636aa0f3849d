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

use super::{
    Durability, LedgerCall, LedgerError, patiently,
    reader::{by_id, folds},
    schema,
    store::{Dictionary, fold_key},
};
use rusqlite::{Connection, OptionalExtension};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// One thing that a remote sink is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Delivery {
    /// Grows from one to the next. Of two with one id, the one with the higher number is right.
    pub seq: u64,
    /// The id that it is counted under, once.
    pub id: String,
    /// What `campanile ledger dump` says of it.
    pub event: serde_json::Value,
}

/// Somewhere else that is told what was counted.
pub trait Remote: Send {
    /// Takes deliveries, in order, and says how many of the first ones it has accepted for good. It may block; a panic is
    /// caught. What it has not accepted comes again.
    ///
    /// # Errors
    ///
    /// Why it has accepted none, in a line.
    fn deliver(&mut self, deliveries: &[Delivery]) -> Result<usize, String>;
}

impl<F: FnMut(&[Delivery]) -> Result<usize, String> + Send> Remote for F {
    fn deliver(&mut self, deliveries: &[Delivery]) -> Result<usize, String> {
        self(deliveries)
    }
}

/// How far a remote sink is behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lag {
    /// Deliveries that wait.
    pub waiting: u64,
    /// Deliveries that were accepted since the start.
    pub delivered: u64,
    /// Tries that failed since the start.
    pub errors: u64,
    /// Why the last try failed; `None` where it did not.
    pub trouble: Option<String>,
}

/// How a courier works.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct CourierOptions {
    batch: usize,
    look: Duration,
    backoff: (Duration, Duration),
}

impl Default for CourierOptions {
    fn default() -> Self {
        Self {
            batch: 500,
            look: Duration::from_secs(1),
            backoff: (Duration::from_millis(100), Duration::from_secs(30)),
        }
    }
}

impl CourierOptions {
    /// Sets how many deliveries a remote is handed at most at once (default: 500).
    pub fn batch(mut self, deliveries: usize) -> Self {
        self.batch = deliveries.max(1);
        self
    }

    /// Sets how often to look for something new (default: 1 s).
    pub fn look(mut self, every: Duration) -> Self {
        self.look = every;
        self
    }

    /// Sets how long to wait after a failure, at first and at most; it doubles in between (default: 100 ms, 30 s).
    pub fn backoff(mut self, first: Duration, most: Duration) -> Self {
        self.backoff = (first, most);
        self
    }
}

#[derive(Debug, Default)]
struct State {
    lag: Lag,
    stop: bool,
    gone: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits; `true`: it is to stop.
    fn rest(&self, within: Duration) -> bool {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), within, |state| !state.stop);
        waited.unwrap_or_else(PoisonError::into_inner).0.stop
    }
}

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
        let round = Round {
            conn: Some(open(&path, name)?),
            path,
            name: name.to_owned(),
            remote: Box::new(remote),
            options,
            names: Dictionary::default(),
        };
        let shared = Arc::new(Shared::default());
        let thread = std::thread::Builder::new().name(format!("campanile-{name}"));
        let worker = Arc::clone(&shared);
        let path = round.path.clone();
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
        let sql = |error| LedgerError::sql(path, error);
        let conn = schema::open(path, Durability::Durable)?;
        conn.execute("DELETE FROM cursor WHERE sink = ?1", [name])
            .and_then(|_| tidy(&conn))
            .map_err(sql)
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
    }
}

/// Opens the ledger, and begins the cursor where there is none.
fn open(path: &Path, name: &str) -> Result<Connection, LedgerError> {
    let conn = patiently(|| schema::open(path, Durability::Fast))?;
    let begin = "INSERT INTO cursor VALUES(?1, max(
                   (SELECT coalesce(max(seq), 0) FROM outbox), (SELECT coalesce(max(seq), 0) FROM cursor)))
                 ON CONFLICT DO NOTHING";
    conn.execute(begin, [name])
        .map_err(|error| LedgerError::sql(path, error))?;
    Ok(conn)
}

/// Deletes what every remote sink has.
fn tidy(conn: &Connection) -> rusqlite::Result<()> {
    let done = "DELETE FROM outbox WHERE seq < (SELECT coalesce(min(seq), 9223372036854775807) FROM cursor)";
    conn.execute(done, []).map(drop)
}

/// What the courier's thread has.
struct Round {
    conn: Option<Connection>,
    path: PathBuf,
    name: String,
    remote: Box<dyn Remote>,
    options: CourierOptions,
    names: Dictionary,
}

/// What comes after a try.
enum Next {
    /// There may be more.
    More,
    Rest,
    Failed(String),
}

impl Round {
    fn work(mut self, shared: &Shared) {
        let mut wait = self.options.backoff.0;
        loop {
            let next = self.once(shared);
            let mut state = shared.lock();
            let pause = match next {
                Next::More => Duration::ZERO,
                Next::Rest => self.options.look,
                Next::Failed(why) => {
                    state.lag.errors += 1;
                    state.lag.trouble = Some(why);
                    let pause = wait;
                    wait = (wait * 2).min(self.options.backoff.1);
                    drop(state);
                    if shared.rest(pause) {
                        break;
                    }
                    continue;
                }
            };
            state.lag.trouble = None;
            wait = self.options.backoff.0;
            drop(state);
            if shared.rest(pause) {
                break;
            }
        }
        shared.lock().gone = true;
        shared.changed.notify_all();
    }

    /// Delivers one batch.
    fn once(&mut self, shared: &Shared) -> Next {
        let read = match self.read() {
            Ok(read) => read,
            Err(error) => {
                self.conn = None;
                return Next::Failed(format!("the ledger: {error}"));
            }
        };
        shared.lock().lag.waiting = read.waiting;
        let Some(end) = read.end else {
            return Next::Rest;
        };
        // Open calls, and what was damaged: their numbers are passed.
        if read.deliveries.is_empty() {
            return self.note(end).map_or_else(Next::Failed, |()| Next::More);
        }
        let deliver = AssertUnwindSafe(|| self.remote.deliver(&read.deliveries));
        let accepted = match catch_unwind(deliver) {
            Ok(Ok(accepted)) => accepted.min(read.deliveries.len()),
            Ok(Err(why)) => return Next::Failed(why),
            Err(_) => return Next::Failed("the sink panicked".to_owned()),
        };
        let Some(last) = accepted.checked_sub(1) else {
            return Next::Failed("the sink accepted nothing".to_owned());
        };
        let all = accepted == read.deliveries.len();
        let seq = if all {
            end
        } else {
            read.deliveries[last].seq as i64
        };
        if let Err(why) = self.note(seq) {
            return Next::Failed(why);
        }
        shared.lock().lag.delivered += accepted as u64;
        Next::More
    }

    /// Moves the cursor.
    fn note(&mut self, seq: i64) -> Result<(), String> {
        let Some(conn) = &self.conn else {
            return Err("the ledger is not open".to_owned());
        };
        let moved = conn
            .execute(
                "UPDATE cursor SET seq = ?2 WHERE sink = ?1",
                (&self.name, seq),
            )
            .and_then(|_| tidy(conn));
        moved.map_err(|error| {
            self.conn = None;
            format!("the ledger: {error}")
        })
    }

    /// Reads the next batch.
    fn read(&mut self) -> Result<Read, LedgerError> {
        let conn = match &mut self.conn {
            Some(conn) => conn,
            closed => closed.insert(open(&self.path, &self.name)?),
        };
        let path = &self.path;
        let (name, batch) = (&self.name, self.options.batch);
        let view = conn.unchecked_transaction();
        view.and_then(|view| Read::of(&view, name, batch, &mut self.names))
            .map_err(|error| LedgerError::sql(path, error))
    }
}

/// A batch, as it was read.
#[derive(Debug, Default)]
struct Read {
    deliveries: Vec<Delivery>,
    /// The last number that was looked at.
    end: Option<i64>,
    waiting: u64,
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
                Err(_) => fold(conn, &key, names)?,
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
    let session = |id: i64| {
        conn.prepare_cached("SELECT name FROM session WHERE id = ?1")?
            .query_row([id], |row| row.get(0))
            .optional()
    };
    let call: Option<LedgerCall> = by_id(conn, id, names, session)?;
    Ok(call.map(|call| {
        let event = serde_json::to_value(&call).unwrap_or_default();
        (call.id, event)
    }))
}

fn fold(conn: &Connection, key: &[u8], names: &Dictionary) -> rusqlite::Result<Event> {
    let found = folds(conn)?
        .into_iter()
        .find(|fold| fold_key(fold.run, fold.seq) == *key);
    Ok(found.map(|fold| (fold.id.clone(), fold.to_json(names))))
}
