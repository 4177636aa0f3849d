//! Reading a ledger, while others write it or when nobody does.

mod archives;
mod call;
mod census;
mod dump;
mod errors;
mod failed;
mod fold;
mod grouped;
mod latency;
mod plan;
mod query;
mod report;
mod scan;
mod session;
mod stats;
mod walk;

pub use call::{AttemptRow, LedgerCall, LedgerFailure};
pub use errors::FailureGroup;
pub use latency::{Latency, LatencyRow, TurnLatency};
pub use query::{Dimension, Query};
pub use report::{Report, ReportRow};
pub use session::{LedgerTurn, SessionDetail, SessionRow, TurnSegment};
pub use stats::LedgerStats;

pub(super) use archives::{Archive, archives, horizon};
pub(super) use call::by_id;
pub(super) use fold::fold;
pub(super) use scan::{Damage, RawCall, RawPart, columns, look_up, scan};

use archives::Each;
use call::each_call;
use dump::dump;
use errors::failure_groups;
use failed::{each_failed, newest, sessions_ending};
use session::{SessionRows, session_rows, turns};

use super::{
    LedgerError, LedgerErrorKind, log, run, schema,
    store::Dictionary,
    verify::{self, Problem},
};
use campanile_core::Timestamp;
use rusqlite::{Connection, OpenFlags};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

/// Reads a ledger; never changes or makes one.
#[derive(Debug)]
pub struct Reader {
    pub(super) conn: Connection,
    pub(super) path: PathBuf,
    /// Archives that were unpacked, by month.
    opened: RefCell<BTreeMap<String, Connection>>,
}

impl Reader {
    /// Opens a ledger for reading.
    ///
    /// # Errors
    ///
    /// When there is none, or the file is something else, or newer.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LedgerError> {
        let path = path.as_ref();
        if !path.is_file() {
            return Err(LedgerError::new(
                LedgerErrorKind::Missing,
                path,
                "no such file",
            ));
        }
        let sql = |error| LedgerError::sql(path, error);
        let conn = connect(path).map_err(sql)?;
        conn.busy_timeout(std::time::Duration::from_secs(5))
            .map_err(sql)?;
        if schema::check(&conn, path)? == 0 {
            return Err(LedgerError::new(
                LedgerErrorKind::NotADatabase,
                path,
                "it is empty",
            ));
        }
        conn.execute_batch("PRAGMA cache_size = -16384")
            .map_err(sql)?;
        Ok(Self {
            conn,
            path: path.to_owned(),
            opened: RefCell::default(),
        })
    }

    fn sql<T>(&self, read: rusqlite::Result<T>) -> Result<T, LedgerError> {
        read.map_err(|error| LedgerError::sql(&self.path, error))
    }

    /// One view of all tables, whatever is written meanwhile, and their version.
    fn view<T>(
        &self,
        read: impl FnOnce(&Connection, i64) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        self.sql(self.conn.unchecked_transaction().and_then(|view| {
            let version = view.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            read(&view, version)
        }))
    }

    /// Sums by the dimensions of `query`: from the sums of hours where these are built, from the calls for the rest,
    /// exact in any case.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn report(&self, query: &Query) -> Result<Report, LedgerError> {
        let mut draft = report::Draft::default();
        self.each_file(query, true, report::Draft::read, |more| draft.add(more))?;
        draft.damaged += self.lost_frames();
        Ok(draft.end(query))
    }

    /// How long calls took by the dimensions of `query`, and turns: sketches with a stated error.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn latency(&self, query: &Query) -> Result<Latency, LedgerError> {
        let mut draft = latency::Draft::default();
        self.each_file(query, true, latency::Draft::read, |more| draft.add(more))?;
        draft.damaged += self.lost_frames();
        Ok(draft.end(query))
    }

    /// Sessions, the latest first. Calls that belong to none are not among them.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn sessions(&self, query: &Query) -> Result<Vec<SessionRow>, LedgerError> {
        self.session_rows(query).map(SessionRows::end)
    }

    fn session_rows(&self, query: &Query) -> Result<SessionRows, LedgerError> {
        let mut rows = SessionRows::default();
        self.each_file(query, false, session_rows, |more| rows.add(more))?;
        Ok(rows)
    }

    /// One session with its calls and turns; `None` where there is none of that id.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn session(&self, id: &str) -> Result<Option<SessionDetail>, LedgerError> {
        let query = Query::default().session(id);
        let Some(session) = self.session_rows(&query)?.end().into_iter().next() else {
            return Ok(None);
        };
        let (mut call_list, mut turn_list) = (Vec::new(), Vec::new());
        let read = |conn: &Connection, version: i64, query: &Query| {
            let mut calls = Vec::new();
            each_call(conn, version, query, &mut |call| {
                calls.push(call);
                ControlFlow::Continue(())
            })?;
            Ok((calls, turns(conn, query, id)?))
        };
        self.each_file(&query, false, read, |(calls, turns)| {
            call_list.extend(calls);
            turn_list.extend(turns);
        })?;
        call_list.sort_by_key(|call| call.started_at);
        turn_list.sort_by_key(|turn| turn.turn);
        Ok(Some(SessionDetail {
            session,
            turn_list,
            call_list,
        }))
    }

    /// Hands every call of `query` to `each`, in the order of their ids, until it breaks. Returns how many rows were
    /// damaged: a call that is not as it was written is not handed out, and `verify` names it.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn calls(
        &self,
        query: &Query,
        each: impl FnMut(LedgerCall) -> ControlFlow<()>,
    ) -> Result<u64, LedgerError> {
        self.walk_files(query, each_call, each)
    }

    /// Hands everything that is counted to `each`, one JSON object an event, with `id` and `qty`. Sums of calls that
    /// did not fit into memory are among them, with `folded` calls. Returns how many rows were damaged, and left out.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn dump(
        &self,
        mut each: impl FnMut(&serde_json::Value) -> ControlFlow<()>,
    ) -> Result<u64, LedgerError> {
        let damaged = self.walk_files(&Query::default(), dump, |line| each(&line))?;
        Ok(damaged + self.lost_frames())
    }

    /// How many frames of SQLite's log cannot be read, where nobody writes it: what they held is missing.
    fn lost_frames(&self) -> u64 {
        if run::any_alive(&self.conn, &self.path).unwrap_or(false) {
            return 0;
        }
        match log::check(&wal_path(&self.path)) {
            Ok(Some(torn)) => torn.lost + 1,
            _ => 0,
        }
    }

    /// Failed calls by fingerprint, the most frequent first.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn errors(&self, query: &Query) -> Result<Vec<FailureGroup>, LedgerError> {
        let mut groups: BTreeMap<String, FailureGroup> = BTreeMap::new();
        let read = |conn: &Connection, _: i64, query: &Query| failure_groups(conn, query);
        self.each_file(query, false, read, |list| {
            for group in list {
                match groups.get_mut(&group.fingerprint) {
                    Some(known) => known.add(group),
                    None => drop(groups.insert(group.fingerprint.clone(), group)),
                }
            }
        })?;
        let mut list: Vec<_> = groups.into_values().collect();
        // Archives have no texts.
        self.view(|conn, _| {
            let names = Dictionary::names(conn)?;
            list.iter_mut()
                .try_for_each(|group| group.read_texts(conn, &names))
        })?;
        list.sort_by(|a, b| (b.count, &a.fingerprint).cmp(&(a.count, &b.fingerprint)));
        Ok(list)
    }

    /// Hands each failed call of `query` to `each`, in the order in which they were opened, until it breaks: those with this
    /// fingerprint, or all. Returns how many rows were damaged.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn failed(
        &self,
        query: &Query,
        fingerprint: Option<&str>,
        each: impl FnMut(LedgerCall) -> ControlFlow<()>,
    ) -> Result<u64, LedgerError> {
        let walk = |conn: &Connection, _: i64, query: &Query, each: &mut Each<'_, LedgerCall>| {
            each_failed(conn, query, fingerprint, each)
        };
        self.walk_files(query, walk, each)
    }

    /// When the call with the highest id was opened, of those that are over and not archived: ids begin with the time, so it
    /// is the newest, or nearly. `None` where there is none.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn newest(&self) -> Result<Option<Timestamp>, LedgerError> {
        self.view(|conn, _| newest(conn))
    }

    /// Ids of sessions that end with `end`, in their order: at most ten.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn sessions_ending(&self, end: &str) -> Result<Vec<String>, LedgerError> {
        self.view(|conn, _| sessions_ending(conn, end))
    }

    /// Looks at every row: checksums, sums of days, the pages of the file, and, where no process writes it, SQLite's
    /// log. Empty: all is well.
    ///
    /// # Errors
    ///
    /// When not even that can be read.
    pub fn verify(&self) -> Result<Vec<Problem>, LedgerError> {
        let mut problems = self.view(|conn, version| {
            let mut problems = verify::verify(conn, version)?;
            if !run::any_alive(conn, &self.path).unwrap_or(false) {
                verify::log(&wal_path(&self.path), &mut problems);
            }
            Ok(problems)
        })?;
        // Where the list itself is damaged, that is among the problems already.
        for archive in self.view(archives).unwrap_or_default() {
            let found = self
                .ask(&archive, verify::verify)
                .unwrap_or_else(|error| vec![Problem::of_file(&archive.file, error.to_string())]);
            let found = found.into_iter();
            problems.extend(found.map(|problem| problem.inside(&archive.file)));
        }
        Ok(problems)
    }

    /// How large it is.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn stats(&self) -> Result<LedgerStats, LedgerError> {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
        self.view(|conn, version| {
            let count = |sql: &str| {
                conn.query_row(sql, [], |row| row.get::<_, i64>(0))
                    .map(i64::unsigned_abs)
            };
            let archives = archives(conn, version)?;
            Ok(LedgerStats {
                version,
                calls: count("SELECT coalesce(sum(calls), 0) FROM day")?,
                parts: count("SELECT coalesce(sum(parts), 0) FROM day")?,
                open: count("SELECT count(*) FROM open")?,
                folds: count("SELECT count(*) FROM fold")?,
                sessions: count("SELECT count(*) FROM session")?,
                turns: count("SELECT count(*) FROM turn")?,
                alerts: count("SELECT count(*) FROM alert")?,
                runs: count("SELECT count(*) FROM run")?,
                crashed_runs: count("SELECT count(*) FROM run WHERE crashed = 1")?,
                summed_calls: match version {
                    ..schema::SUMMED => 0,
                    _ => stats::summed_calls(conn)?,
                },
                archives: archives.len() as u64,
                archived_calls: archives.iter().map(|archive| archive.calls).sum(),
                archived_parts: archives.iter().map(|archive| archive.parts).sum(),
                archive_bytes: archives
                    .iter()
                    .map(|archive| size(&self.path.with_file_name(&archive.file)))
                    .sum(),
                file_bytes: size(&self.path),
                wal_bytes: size(&wal_path(&self.path)),
            })
        })
    }

    /// Alerts that were raised, in the order of their ids, as they were sealed.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn alerts(&self) -> Result<Vec<serde_json::Value>, LedgerError> {
        self.view(|conn, _| {
            conn.prepare("SELECT json FROM alert ORDER BY id")?
                .query_map([], |row| row.get::<_, String>(0))?
                .map(|json| json.map(|json| serde_json::from_str(&json).unwrap_or_default()))
                .collect()
        })
    }
}

pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    let read = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
    let closed = !wal_path(path).exists();
    match read {
        // A folder that cannot be written, and nobody writes: there is no log, and none can be made.
        Err(error)
            if closed && error.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen) =>
        {
            let uri = format!("file:{}?immutable=1", escaped(path));
            Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
        }
        _ => Ok(conn),
    }
}

fn wal_path(path: &Path) -> PathBuf {
    let mut wal = path.to_owned().into_os_string();
    wal.push("-wal");
    wal.into()
}

/// A path as a part of a URI.
fn escaped(path: &Path) -> String {
    let mut uri = String::new();
    for &byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => {
                uri.push(byte.into())
            }
            _ => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests;
