//! Reading a ledger, while others write it or when nobody does.

use super::{
    LedgerError, LedgerErrorKind,
    codec::{self, Unpack},
    row::{
        Bounds, CallDetail, FailureRow, INEXACT, PartDetail, TOTALS, Totals, TurnDetail, UNPRICED,
        is_wasted, outcome_of, owner_name, part_outcome, unpack_reasons,
    },
    schema,
    store::{Dictionary, amount},
    sum::{Portion, Sum},
    verify::{self, Problem},
};
use campanile_core::{CallId, Cost, Measure, Meter, Outcome, Terms, Timestamp, Timing, Usage};
use rusqlite::{Connection, OpenFlags, Row};
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

/// Reads a ledger; never changes or makes one.
#[derive(Debug)]
pub struct Reader {
    conn: Connection,
    path: PathBuf,
}

/// What rows of a report are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Dimension {
    /// Who bills.
    Provider,
    /// The model of the attempt.
    Model,
    /// The stage of the call.
    Stage,
    /// The session of the call; empty: unattributed.
    Session,
    /// The UTC day in which the call was opened: `2026-11-24`.
    Day,
    /// The UTC hour in which the call was opened: `2026-11-24T02`.
    Hour,
    /// How the call ended; `open` where it has not.
    Outcome,
}

/// Which calls a question is about.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
#[must_use]
pub struct Query {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    by: Vec<Dimension>,
    session: Option<String>,
    stage: Option<String>,
}

impl Query {
    /// Calls that were opened at this moment or later (default: all).
    pub fn since(mut self, since: Timestamp) -> Self {
        self.since = Some(since);
        self
    }

    /// Calls that were opened before this moment (default: all).
    pub fn until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }

    /// One row for each of these (default: the total only).
    pub fn by(mut self, by: impl Into<Vec<Dimension>>) -> Self {
        self.by = by.into();
        self
    }

    /// Calls of this session (default: all).
    pub fn session(mut self, session: impl Into<String>) -> Self {
        self.session = Some(session.into());
        self
    }

    /// Calls of this stage (default: all).
    pub fn stage(mut self, stage: impl Into<String>) -> Self {
        self.stage = Some(stage.into());
        self
    }

    fn is_in(&self, at: i64) -> bool {
        self.since.is_none_or(|since| at >= since.micros())
            && self.until.is_none_or(|until| at < until.micros())
    }
}

/// Sums by the dimensions of a query.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// What the keys of the rows are.
    pub by: Vec<Dimension>,
    /// In the order of their keys.
    pub rows: Vec<ReportRow>,
    /// Each call and each part once.
    pub total: ReportRow,
}

/// One sum. A call counts in the row of its last attempt, amounts in the row of the attempt that they are of.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ReportRow {
    /// One for each dimension; empty where nobody said.
    pub keys: Vec<String>,
    /// Calls that are over.
    pub calls: u64,
    /// Of these, calls that failed or panicked.
    pub failed: u64,
    /// Of these, calls that were cancelled.
    pub cancelled: u64,
    /// Of these, calls whose process died.
    pub crashed: u64,
    /// Calls that are not over, and are not among `calls`.
    pub open: u64,
    /// Attempts.
    pub parts: u64,
    /// What was used.
    pub usage: Usage,
    /// What it cost.
    pub cost: Cost,
    /// Attempts that have no price, or not for everything.
    pub unpriced: u64,
    /// Attempts whose usage or cost is known within bounds only.
    pub inexact: u64,
    /// The part of `cost` that nobody heard: attempts that failed, and calls that were cut.
    pub wasted: Cost,
}

impl ReportRow {
    fn of(keys: Vec<String>, sum: &Sum) -> Self {
        Self {
            keys,
            calls: sum.calls,
            failed: sum.failed,
            cancelled: sum.cancelled,
            crashed: sum.crashed,
            open: sum.open,
            parts: sum.parts,
            usage: sum.usage,
            cost: sum.cost.to_cost(),
            unpriced: sum.unpriced,
            inexact: sum.inexact,
            wasted: sum.wasted.to_cost(),
        }
    }
}

/// One session, with the sums of its calls.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SessionRow {
    /// Its id.
    pub session: String,
    /// When it began, or its first call.
    pub started_at: Option<Timestamp>,
    /// When it ended; absent while it runs, and where nobody said.
    pub ended_at: Option<Timestamp>,
    /// Why it ended.
    pub reason: Option<String>,
    /// Turns that were over.
    pub turns: u64,
    /// Turns that were interrupted.
    pub interrupted: u64,
    /// The sums of its calls.
    #[serde(flatten)]
    pub sum: ReportRow,
    /// What it said of itself at its end (`elapsed_us`, `turns`, ...); empty where it did not.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub totals: BTreeMap<&'static str, u64>,
}

/// One session with all that happened in it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SessionDetail {
    /// The session.
    #[serde(flatten)]
    pub session: SessionRow,
    /// Its turns, in order.
    pub turn_list: Vec<LedgerTurn>,
    /// Its calls, in the order in which they were opened.
    pub call_list: Vec<LedgerCall>,
}

/// One turn.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LedgerTurn {
    /// Its number.
    pub turn: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// From its beginning to its end.
    pub elapsed_us: u64,
    /// From the end of the user's speech to the first audio of the bot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_to_bot_us: Option<u64>,
    /// The waterfall.
    pub segments: Vec<TurnSegment>,
    /// What interrupted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<String>,
    /// Calls that belonged to it.
    pub calls: u32,
    /// What they cost.
    pub cost: Cost,
    /// What of that nobody heard.
    pub wasted: Cost,
}

/// One stretch of a turn's waterfall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TurnSegment {
    /// What was waited for.
    pub name: String,
    /// Who could make it shorter.
    pub owner: &'static str,
    /// How long it was.
    pub span_us: u64,
}

/// One call with its attempts.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LedgerCall {
    /// The id that it was appended under, or else its own.
    pub id: String,
    /// Its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Its turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    /// Its stage.
    pub stage: String,
    /// When it was opened.
    pub started_at: Timestamp,
    /// How it ended; absent while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why, in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where its time went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<LedgerFailure>,
    /// How much was said in the reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spoken: Option<Measure>,
    /// What was masked in its texts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub redactions: BTreeMap<String, u32>,
    /// Labels that its stage was given.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its attempts.
    pub attempts: Vec<AttemptRow>,
    /// What all attempts used.
    pub usage: Usage,
    /// What all attempts cost.
    pub cost: Cost,
    /// What of that nobody heard.
    pub wasted: Cost,
    /// The sum of all counts, of meters that this version does not know too.
    pub qty: u64,
}

/// One attempt of a call.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct AttemptRow {
    /// Its number.
    pub n: u32,
    /// Who bills.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model that was asked for, where another one served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_model: Option<String>,
    /// The provider's id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The conditions of the price.
    pub terms: Terms,
    /// Where its time went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<LedgerFailure>,
    /// What it used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Counts of meters that a newer version has written, by number.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unnamed: BTreeMap<u64, u64>,
    /// What it cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// Why a call or an attempt failed. Its texts are in [`Reader::errors`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LedgerFailure {
    /// The kind.
    pub kind: &'static str,
    /// The provider's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Whether another try may help.
    pub retryable: bool,
    /// How long the provider asked to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_us: Option<u64>,
    /// The same for the same trouble.
    pub fingerprint: String,
}

/// Calls that failed in the same way.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct FailureGroup {
    /// The same for the same trouble.
    pub fingerprint: String,
    /// The kind.
    pub kind: &'static str,
    /// The provider's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Calls.
    pub count: u64,
    /// When the first of them was opened.
    pub first_at: Timestamp,
    /// When the last of them was opened.
    pub last_at: Timestamp,
    /// Their stages.
    pub stages: Vec<String>,
    /// The redacted texts of the error and its sources.
    pub chain: Vec<String>,
    /// The redacted backtrace of the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backtrace: Option<String>,
}

/// How large a ledger is.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LedgerStats {
    /// The version of its tables.
    pub version: i64,
    /// Calls that are over.
    pub calls: u64,
    /// Attempts.
    pub parts: u64,
    /// Calls that are not over.
    pub open: u64,
    /// Sums that stand for calls that did not fit into memory.
    pub folds: u64,
    /// Sessions.
    pub sessions: u64,
    /// Turns.
    pub turns: u64,
    /// Alerts.
    pub alerts: u64,
    /// Processes that wrote it.
    pub runs: u64,
    /// Of these, processes that died.
    pub crashed_runs: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of its log, which are not in the file yet.
    pub wal_bytes: u64,
}

/// The columns of a call.
#[derive(Debug, Default)]
pub(super) struct RawCall {
    id: [u8; 16],
    at: i64,
    stage: i64,
    session: Option<i64>,
    turn: Option<u32>,
    outcome: Option<Outcome>,
    outside: Option<String>,
    body: Vec<u8>,
}

impl RawCall {
    /// A call that is over, or with `open` one that is not.
    fn read(row: &Row<'_>, open: bool) -> rusqlite::Result<Self> {
        let mut call = Self {
            at: row.get(1)?,
            stage: row.get(2)?,
            session: row.get(3)?,
            turn: row.get(4)?,
            ..Self::default()
        };
        copy_id(&mut call.id, row.get_ref(0)?.as_blob()?);
        if !open {
            call.outcome = outcome_of(row.get(5)?);
            call.outside = row.get(6)?;
            call.body
                .extend_from_slice(row.get_ref(7)?.as_blob_or_null()?.unwrap_or_default());
        }
        Ok(call)
    }
}

fn copy_id(id: &mut [u8; 16], blob: &[u8]) {
    // A damaged id is another id: `verify` names its row.
    let len = blob.len().min(16);
    *id = [0; 16];
    id[..len].copy_from_slice(&blob[..len]);
}

/// The columns of a part.
#[derive(Debug, Default)]
pub(super) struct RawPart {
    call: [u8; 16],
    n: u32,
    provider: Option<i64>,
    model: Option<i64>,
    flags: u8,
    cost: Option<Bounds>,
    has_usage: bool,
    usage: Vec<u8>,
    body: Vec<u8>,
}

impl RawPart {
    /// Reads into room that was used before.
    fn read(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        copy_id(&mut self.call, row.get_ref(0)?.as_blob()?);
        self.n = row.get(1)?;
        self.provider = row.get(2)?;
        self.model = row.get(3)?;
        self.flags = row.get(4)?;
        let more: (Option<i64>, Option<i64>) = (row.get(7)?, row.get(8)?);
        self.cost = amount(row.get(5)?, row.get(6)?, more.0.zip(more.1));
        let usage = row.get_ref(9)?.as_blob_or_null()?;
        self.has_usage = usage.is_some();
        self.usage.clear();
        self.usage.extend_from_slice(usage.unwrap_or_default());
        self.body.clear();
        self.body
            .extend_from_slice(row.get_ref(10)?.as_blob_or_null()?.unwrap_or_default());
        Ok(())
    }

    fn portion(&self, call: Option<Outcome>) -> Portion<'_> {
        Portion {
            usage: self.has_usage.then_some(self.usage.as_slice()),
            cost: self.cost,
            inexact: self.flags & INEXACT != 0,
            unpriced: self.flags & UNPRICED != 0,
            wasted: is_wasted(part_outcome(self.flags), call),
        }
    }
}

/// Walks over all calls with their parts, in the order of their ids: two scans side by side, no lookups.
fn scan(
    conn: &Connection,
    bodies: bool,
    mut each: impl FnMut(&RawCall, &[RawPart]) -> ControlFlow<()>,
) -> rusqlite::Result<()> {
    let body = if bodies { "body" } else { "NULL" };
    let mut open: BTreeMap<[u8; 16], RawCall> = conn
        .prepare("SELECT call, at, stage, session, turn FROM open")?
        .query_map([], |row| {
            RawCall::read(row, true).map(|call| (call.id, call))
        })?
        .collect::<Result<_, _>>()?;
    let calls = format!(
        "SELECT id, at, stage, session, turn, outcome, outside, {body} FROM call ORDER BY id"
    );
    let parts = format!(
        "SELECT call, part, provider, model, flags, pico, rest, more_pico, more_rest, usage, {body}
         FROM part ORDER BY call, part"
    );
    let (mut calls, mut parts) = (conn.prepare(&calls)?, conn.prepare(&parts)?);
    let (mut calls, mut parts) = (calls.query([])?, parts.query([])?);
    let mut next = RawPart::default();
    let mut more = read_part(&mut parts, &mut next)?;
    let mut room: Vec<RawPart> = Vec::new();
    loop {
        let call = calls
            .next()?
            .map(|row| RawCall::read(row, false))
            .transpose()?;
        // Parts before this call belong to calls that are not over.
        while more && call.as_ref().is_none_or(|call| next.call < call.id) {
            let id = next.call;
            let here = open.remove(&id).unwrap_or(RawCall {
                id,
                ..RawCall::default()
            });
            let count = gather(&mut parts, &mut next, &mut more, &mut room, id)?;
            if each(&here, &room[..count]).is_break() {
                return Ok(());
            }
        }
        let Some(call) = call else { break };
        let count = gather(&mut parts, &mut next, &mut more, &mut room, call.id)?;
        if each(&call, &room[..count]).is_break() {
            return Ok(());
        }
    }
    for call in open.values() {
        if each(call, &[]).is_break() {
            break;
        }
    }
    Ok(())
}

fn read_part(parts: &mut rusqlite::Rows<'_>, into: &mut RawPart) -> rusqlite::Result<bool> {
    match parts.next()? {
        Some(row) => into.read(row).map(|()| true),
        None => Ok(false),
    }
}

/// Moves the parts of one call into `room`, and reads the one after them.
fn gather(
    parts: &mut rusqlite::Rows<'_>,
    next: &mut RawPart,
    more: &mut bool,
    room: &mut Vec<RawPart>,
    call: [u8; 16],
) -> rusqlite::Result<usize> {
    let mut count = 0;
    while *more && next.call == call {
        if room.len() == count {
            room.push(RawPart::default());
        }
        std::mem::swap(&mut room[count], next);
        count += 1;
        *more = read_part(parts, next)?;
    }
    Ok(count)
}

/// Numbers of a row of a report, one for each dimension; `i64::MIN` where nobody said.
type Key = [i64; 7];

const NOBODY: i64 = i64::MIN;
const HOUR_US: i64 = 3_600_000_000;

/// What the dimensions of a sum are about.
struct Place {
    at: i64,
    stage: i64,
    session: Option<i64>,
    outcome: Option<Outcome>,
    provider: Option<i64>,
    model: Option<i64>,
}

impl Place {
    fn key(&self, by: &[Dimension]) -> Key {
        let mut key = [NOBODY; 7];
        for (slot, dimension) in key.iter_mut().zip(by) {
            *slot = match dimension {
                Dimension::Provider => self.provider.unwrap_or(NOBODY),
                Dimension::Model => self.model.unwrap_or(NOBODY),
                Dimension::Stage => self.stage,
                Dimension::Session => self.session.unwrap_or(NOBODY),
                Dimension::Day => schema::day_of(self.at),
                Dimension::Hour => self.at.div_euclid(HOUR_US),
                Dimension::Outcome => self.outcome.map_or(NOBODY, |outcome| outcome as i64),
            };
        }
        key
    }
}

/// Sums by key; the last one is at hand, since neighbours are alike.
#[derive(Default)]
struct Groups {
    at: HashMap<Key, usize>,
    sums: Vec<Sum>,
    last: Option<(Key, usize)>,
}

impl Groups {
    fn sum(&mut self, key: Key) -> &mut Sum {
        let i = match self.last {
            Some((last, i)) if last == key => i,
            _ => *self.at.entry(key).or_insert_with(|| {
                self.sums.push(Sum::default());
                self.sums.len() - 1
            }),
        };
        self.last = Some((key, i));
        &mut self.sums[i]
    }
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
        })
    }

    fn sql<T>(&self, read: rusqlite::Result<T>) -> Result<T, LedgerError> {
        read.map_err(|error| LedgerError::sql(&self.path, error))
    }

    /// One view of all tables, whatever is written meanwhile.
    fn view<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        self.sql(
            self.conn
                .unchecked_transaction()
                .and_then(|view| read(&view)),
        )
    }

    /// Sums by the dimensions of `query`.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn report(&self, query: &Query) -> Result<Report, LedgerError> {
        self.view(|conn| {
            let names = names(conn)?;
            let sessions = if query.by.contains(&Dimension::Session) {
                session_names(conn)?
            } else {
                Dictionary::default()
            };
            let (groups, total) = sum(conn, query, &names)?;
            let mut rows: Vec<ReportRow> = groups
                .at
                .iter()
                .map(|(key, &i)| {
                    ReportRow::of(
                        key_texts(key, &query.by, &names, &sessions),
                        &groups.sums[i],
                    )
                })
                .collect();
            rows.sort_unstable_by(|a, b| a.keys.cmp(&b.keys));
            if query.by.is_empty() {
                rows.clear();
            }
            Ok(Report {
                by: query.by.clone(),
                rows,
                total: ReportRow::of(Vec::new(), &total),
            })
        })
    }

    /// Sessions, the latest first. Calls that belong to none are not among them.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn sessions(&self, query: &Query) -> Result<Vec<SessionRow>, LedgerError> {
        self.view(|conn| session_rows(conn, query))
    }

    /// One session with its calls and turns; `None` where there is none of that id.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn session(&self, id: &str) -> Result<Option<SessionDetail>, LedgerError> {
        self.view(|conn| {
            let query = Query::default().session(id);
            let Some(session) = session_rows(conn, &query)?.into_iter().next() else {
                return Ok(None);
            };
            let mut call_list = Vec::new();
            each_call(conn, &query, |call| {
                call_list.push(call);
                ControlFlow::Continue(())
            })?;
            call_list.sort_by_key(|call| call.started_at);
            Ok(Some(SessionDetail {
                session,
                turn_list: turns(conn, id)?,
                call_list,
            }))
        })
    }

    /// Hands every call of `query` to `each`, in the order of their ids, until it breaks.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn calls(
        &self,
        query: &Query,
        each: impl FnMut(LedgerCall) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        self.view(|conn| each_call(conn, query, each))
    }

    /// Hands everything that is counted to `each`, one JSON object an event, with `id` and `qty`. Sums of calls that
    /// did not fit into memory are among them, with `folded` calls.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn dump(
        &self,
        mut each: impl FnMut(&serde_json::Value) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        self.view(|conn| {
            let mut flow = ControlFlow::Continue(());
            each_call(conn, &Query::default(), |call| {
                flow = each(&serde_json::to_value(&call).unwrap_or_default());
                flow
            })?;
            let names = names(conn)?;
            for fold in folds(conn)? {
                if flow.is_break() {
                    break;
                }
                flow = each(&fold.to_json(&names));
            }
            Ok(())
        })
    }

    /// Failed calls by fingerprint, the most frequent first.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn errors(&self, query: &Query) -> Result<Vec<FailureGroup>, LedgerError> {
        self.view(|conn| failure_groups(conn, query))
    }

    /// Looks at every row: checksums, sums of days, the pages of the file. Empty: all is well.
    ///
    /// # Errors
    ///
    /// When not even that can be read.
    pub fn verify(&self) -> Result<Vec<Problem>, LedgerError> {
        self.view(verify::verify)
    }

    /// How large it is.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn stats(&self) -> Result<LedgerStats, LedgerError> {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
        self.view(|conn| {
            let count = |sql: &str| {
                conn.query_row(sql, [], |row| row.get::<_, i64>(0))
                    .map(i64::unsigned_abs)
            };
            Ok(LedgerStats {
                version: conn.query_row("PRAGMA user_version", [], |row| row.get(0))?,
                calls: count("SELECT coalesce(sum(calls), 0) FROM day")?,
                parts: count("SELECT coalesce(sum(parts), 0) FROM day")?,
                open: count("SELECT count(*) FROM open")?,
                folds: count("SELECT count(*) FROM fold")?,
                sessions: count("SELECT count(*) FROM session")?,
                turns: count("SELECT count(*) FROM turn")?,
                alerts: count("SELECT count(*) FROM alert")?,
                runs: count("SELECT count(*) FROM run")?,
                crashed_runs: count("SELECT count(*) FROM run WHERE crashed = 1")?,
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
        self.view(|conn| {
            conn.prepare("SELECT json FROM alert ORDER BY id")?
                .query_map([], |row| row.get::<_, String>(0))?
                .map(|json| json.map(|json| serde_json::from_str(&json).unwrap_or_default()))
                .collect()
        })
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
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

fn dictionary(conn: &Connection, sql: &str) -> rusqlite::Result<Dictionary> {
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        Ok((row.get(0)?, row.get::<_, String>(1)?.into_boxed_str()))
    })?;
    rows.collect::<Result<_, _>>().map(Dictionary)
}

fn names(conn: &Connection) -> rusqlite::Result<Dictionary> {
    dictionary(conn, "SELECT id, text FROM name")
}

fn session_names(conn: &Connection) -> rusqlite::Result<Dictionary> {
    dictionary(conn, "SELECT id, name FROM session")
}

/// The filters of a query as numbers. `None`: nothing can match.
struct Filter<'a> {
    query: &'a Query,
    session: Option<i64>,
    stage: Option<i64>,
}

impl<'a> Filter<'a> {
    fn of(
        conn: &Connection,
        query: &'a Query,
        names: &Dictionary,
    ) -> rusqlite::Result<Option<Self>> {
        let stage = query
            .stage
            .as_deref()
            .map(|stage| names.0.iter().find(|(_, text)| ***text == *stage));
        let session = match &query.session {
            None => None,
            Some(session) => {
                let id = "SELECT id FROM session WHERE name = ?1";
                Some(
                    conn.prepare(id)?
                        .query_map([session], |row| row.get(0))?
                        .next()
                        .transpose()?,
                )
            }
        };
        Ok(match (session, stage) {
            (Some(None), _) | (_, Some(None)) => None,
            (session, stage) => Some(Self {
                query,
                session: session.flatten(),
                stage: stage.flatten().map(|(id, _)| *id),
            }),
        })
    }

    fn takes(&self, at: i64, stage: i64, session: Option<i64>) -> bool {
        self.query.is_in(at)
            && self.stage.is_none_or(|wanted| wanted == stage)
            && (self.session.is_none() || self.session == session)
    }
}

/// Sums calls and folds.
fn sum(conn: &Connection, query: &Query, names: &Dictionary) -> rusqlite::Result<(Groups, Sum)> {
    let mut groups = Groups::default();
    let mut total = Sum::default();
    let Some(filter) = Filter::of(conn, query, names)? else {
        return Ok((groups, total));
    };
    scan(conn, false, |call, parts| {
        if filter.takes(call.at, call.stage, call.session) {
            let mut place = Place {
                at: call.at,
                stage: call.stage,
                session: call.session,
                outcome: call.outcome,
                provider: None,
                model: None,
            };
            for part in parts {
                (place.provider, place.model) = (part.provider, part.model);
                groups
                    .sum(place.key(&query.by))
                    .part(part.portion(call.outcome));
            }
            groups.sum(place.key(&query.by)).call(call.outcome);
        }
        ControlFlow::Continue(())
    })?;
    for fold in folds(conn)? {
        if filter.takes(fold.place.at, fold.place.stage, None) {
            groups.sum(fold.place.key(&query.by)).absorb(&fold.sum);
        }
    }
    for sum in &groups.sums {
        total.absorb(sum);
    }
    Ok((groups, total))
}

fn key_texts(
    key: &Key,
    by: &[Dimension],
    names: &Dictionary,
    sessions: &Dictionary,
) -> Vec<String> {
    let word = |dictionary: &Dictionary, id: i64| {
        dictionary
            .0
            .get(&id)
            .map_or(String::new(), |text| text.to_string())
    };
    let moment = |micros: i64, len: usize| Timestamp(micros).to_string()[..len].to_owned();
    key.iter()
        .zip(by)
        .map(|(&id, dimension)| match dimension {
            Dimension::Provider | Dimension::Model | Dimension::Stage => word(names, id),
            Dimension::Session => word(sessions, id),
            Dimension::Day => moment(id.saturating_mul(24 * HOUR_US), 10),
            Dimension::Hour => moment(id.saturating_mul(HOUR_US), 13),
            Dimension::Outcome => {
                let outcome = u8::try_from(id).ok().and_then(outcome_of);
                outcome.map_or("open", Outcome::name).to_owned()
            }
        })
        .collect()
}

/// A sum that stands for calls that did not fit into memory.
struct FoldRow {
    id: String,
    place: Place,
    sum: Sum,
}

impl FoldRow {
    fn to_json(&self, names: &Dictionary) -> serde_json::Value {
        let name = |id: Option<i64>| id.and_then(|id| names.0.get(&id));
        let mut json =
            serde_json::to_value(ReportRow::of(Vec::new(), &self.sum)).unwrap_or_default();
        if let Some(map) = json.as_object_mut() {
            map.remove("keys");
            map.insert("id".into(), self.id.as_str().into());
            map.insert("folded".into(), self.sum.calls.into());
            map.insert("qty".into(), self.sum.usage.quantity().into());
            map.insert(
                "started_at".into(),
                Timestamp(self.place.at).to_string().into(),
            );
            let place = [
                ("stage", Some(self.place.stage)),
                ("provider", self.place.provider),
                ("model", self.place.model),
            ];
            for (key, id) in place {
                if let Some(text) = name(id) {
                    map.insert(key.into(), (&**text).into());
                }
            }
            if let Some(outcome) = self.place.outcome {
                map.insert("outcome".into(), outcome.name().into());
            }
        }
        json
    }
}

fn folds(conn: &Connection) -> rusqlite::Result<Vec<FoldRow>> {
    conn.prepare(
        "SELECT run, seq, at, stage, provider, model, outcome, body FROM fold ORDER BY run, seq",
    )?
    .query_map([], |row| {
        let (run, seq): (i64, i64) = (row.get(0)?, row.get(1)?);
        let place = Place {
            at: row.get(2)?,
            stage: row.get(3)?,
            session: None,
            provider: row.get(4)?,
            model: row.get(5)?,
            outcome: outcome_of(row.get(6)?),
        };
        let sum = Sum::unpack(row.get_ref(7)?.as_blob()?).unwrap_or_default();
        Ok(FoldRow {
            id: format!("fold-{run}-{seq}"),
            place,
            sum,
        })
    })?
    .collect()
}

/// Hands out calls with all that is known of them.
fn each_call(
    conn: &Connection,
    query: &Query,
    mut each: impl FnMut(LedgerCall) -> ControlFlow<()>,
) -> rusqlite::Result<()> {
    let names = names(conn)?;
    let sessions = session_names(conn)?;
    let Some(filter) = Filter::of(conn, query, &names)? else {
        return Ok(());
    };
    scan(conn, true, |call, parts| {
        match filter.takes(call.at, call.stage, call.session) {
            true => each(detail(call, parts, &names, &sessions)),
            false => ControlFlow::Continue(()),
        }
    })
}

fn detail(
    call: &RawCall,
    parts: &[RawPart],
    names: &Dictionary,
    sessions: &Dictionary,
) -> LedgerCall {
    let text = |text: &str| text.to_owned();
    let more = CallDetail::unpack(&mut Unpack(&call.body), &names).unwrap_or_default();
    let mut sum = Sum::default();
    for part in parts {
        sum.part(part.portion(call.outcome));
    }
    LedgerCall {
        id: call
            .outside
            .clone()
            .unwrap_or_else(|| CallId(u128::from_be_bytes(call.id)).to_string()),
        session: call
            .session
            .and_then(|id| sessions.0.get(&id))
            .map(|name| text(name)),
        turn: call.turn,
        stage: names
            .0
            .get(&call.stage)
            .map_or(String::new(), |name| text(name)),
        started_at: Timestamp(call.at),
        outcome: call.outcome,
        reason: more.reason.map(text),
        timing: more.timing.and_then(|timing| timing.get()),
        failure: more.failure.as_ref().map(failure),
        spoken: more.spoken,
        redactions: more
            .redactions
            .iter()
            .map(|&(kind, count)| (text(kind), count))
            .collect(),
        labels: more
            .labels
            .iter()
            .map(|&(name, value)| (text(name), text(value)))
            .collect(),
        attempts: parts.iter().map(|part| attempt(part, names)).collect(),
        usage: sum.usage,
        cost: sum.cost.to_cost(),
        wasted: sum.wasted.to_cost(),
        qty: parts.iter().fold(0, |qty, part| {
            qty.saturating_add(codec::quantity(&part.usage))
        }),
    }
}

fn failure(row: &FailureRow<'_>) -> LedgerFailure {
    LedgerFailure {
        kind: row.kind_name(),
        code: row.code.map(str::to_owned),
        retryable: row.retryable,
        retry_after_us: row.retry_after_us,
        fingerprint: row.fingerprint.to_owned(),
    }
}

fn attempt(part: &RawPart, names: &Dictionary) -> AttemptRow {
    let text = |text: &str| text.to_owned();
    let name = |id: Option<i64>| id.and_then(|id| names.0.get(&id)).map(|name| text(name));
    let more = PartDetail::unpack(&mut Unpack(&part.body), &names).unwrap_or_default();
    let unnamed = codec::meters(&part.usage).filter(|metered| metered.meter >= Meter::COUNT as u64);
    AttemptRow {
        n: part.n,
        provider: name(part.provider),
        model: name(part.model),
        requested_model: more.requested_model.map(text),
        request_id: more.request_id.map(text),
        terms: more.terms.to_terms(),
        timing: more.timing.and_then(|timing| timing.get()),
        outcome: part_outcome(part.flags),
        failure: more.failure.as_ref().map(failure),
        usage: part.has_usage.then(|| codec::unpack_usage(&part.usage)),
        unnamed: unnamed
            .map(|metered| (metered.meter, metered.count.at_least))
            .collect(),
        cost: part.cost.map(|bounds| Cost {
            book: campanile_core::Name::outside(more.book).unwrap_or_default(),
            why: unpack_reasons(more.why),
            ..bounds.to_cost()
        }),
    }
}

fn turns(conn: &Connection, session: &str) -> rusqlite::Result<Vec<LedgerTurn>> {
    let names = names(conn)?;
    let sql = "SELECT turn, at, body FROM turn WHERE session = (SELECT id FROM session WHERE name = ?1) ORDER BY turn";
    conn.prepare(sql)?
        .query_map([session], |row| {
            let (turn, at, body): (u32, i64, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(TurnDetail::unpack(&mut Unpack(&body), &&names)
                .map(|detail| turn_row(turn, at, &detail)))
        })?
        .filter_map(Result::transpose)
        .collect()
}

fn turn_row(turn: u32, at: i64, detail: &TurnDetail<'_>) -> LedgerTurn {
    let segment = |&(name, owner, span_us): &(&str, u8, u64)| TurnSegment {
        name: name.to_owned(),
        owner: owner_name(owner),
        span_us,
    };
    LedgerTurn {
        turn,
        started_at: Timestamp(at),
        elapsed_us: detail.elapsed_us,
        user_to_bot_us: detail.user_to_bot_us,
        segments: detail.segments.iter().map(segment).collect(),
        interrupted: detail.interrupted.map(str::to_owned),
        calls: detail.calls,
        cost: detail.cost.to_cost(),
        wasted: detail.wasted.to_cost(),
    }
}

fn session_rows(conn: &Connection, query: &Query) -> rusqlite::Result<Vec<SessionRow>> {
    let names = names(conn)?;
    let Some(filter) = Filter::of(conn, query, &names)? else {
        return Ok(Vec::new());
    };
    let mut sums: HashMap<i64, (i64, Sum)> = HashMap::new();
    scan(conn, false, |call, parts| {
        if let Some(session) = call.session
            && filter.takes(call.at, call.stage, call.session)
        {
            let (first, sum) = sums
                .entry(session)
                .or_insert_with(|| (call.at, Sum::default()));
            *first = (*first).min(call.at);
            sum.call(call.outcome);
            for part in parts {
                sum.part(part.portion(call.outcome));
            }
        }
        ControlFlow::Continue(())
    })?;
    let turns = turn_counts(conn, &names)?;
    let mut rows = Vec::new();
    let mut statement =
        conn.prepare("SELECT id, name, started_at, ended_at, reason, totals FROM session")?;
    let mut read = statement.query([])?;
    while let Some(row) = read.next()? {
        let id: i64 = row.get(0)?;
        let sum = sums.get(&id);
        let started: Option<i64> = row
            .get::<_, Option<i64>>(2)?
            .or(sum.map(|(first, _)| *first));
        let wanted = filter.session.is_none_or(|wanted| wanted == id);
        // A session without calls is there by its own start.
        if !wanted
            || (sum.is_none()
                && !(query.stage.is_none() && started.is_some_and(|at| query.is_in(at))))
        {
            continue;
        }
        let reason: Option<i64> = row.get(4)?;
        let totals = row
            .get_ref(5)?
            .as_blob_or_null()?
            .and_then(|bytes| Totals::unpack(&mut Unpack(bytes)));
        let (turns, interrupted) = turns.get(&id).copied().unwrap_or_default();
        rows.push(SessionRow {
            session: row.get(1)?,
            started_at: started.map(Timestamp),
            ended_at: row.get::<_, Option<i64>>(3)?.map(Timestamp),
            reason: reason
                .and_then(|id| names.0.get(&id))
                .map(|text| text.to_string()),
            turns,
            interrupted,
            sum: ReportRow::of(
                Vec::new(),
                &sum.map_or_else(Sum::default, |(_, sum)| sum.clone()),
            ),
            totals: totals
                .iter()
                .flat_map(|totals| TOTALS.into_iter().zip(totals.counts))
                .collect(),
        });
    }
    rows.sort_by(|a, b| (b.started_at, &b.session).cmp(&(a.started_at, &a.session)));
    Ok(rows)
}

/// Turns of each session, and how many of them were interrupted.
fn turn_counts(
    conn: &Connection,
    names: &Dictionary,
) -> rusqlite::Result<HashMap<i64, (u64, u64)>> {
    let mut counts: HashMap<i64, (u64, u64)> = HashMap::new();
    let mut statement = conn.prepare("SELECT session, body FROM turn")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(1)?.as_blob()?;
        let detail = TurnDetail::unpack(&mut Unpack(body), &names);
        let (turns, interrupted) = counts.entry(row.get(0)?).or_default();
        *turns += 1;
        *interrupted += u64::from(detail.is_some_and(|detail| detail.interrupted.is_some()));
    }
    Ok(counts)
}

fn failure_groups(conn: &Connection, query: &Query) -> rusqlite::Result<Vec<FailureGroup>> {
    let names = names(conn)?;
    let word = |id: Option<i64>| {
        id.and_then(|id| names.0.get(&id))
            .map(|text| text.to_string())
    };
    let Some(filter) = Filter::of(conn, query, &names)? else {
        return Ok(Vec::new());
    };
    let mut groups: HashMap<i64, (u64, i64, i64, Vec<i64>)> = HashMap::new();
    let mut statement =
        conn.prepare("SELECT failure, at, stage, session FROM call WHERE failure IS NOT NULL")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, at, stage): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if filter.takes(at, stage, row.get(3)?) {
            let (count, first, last, stages) = groups.entry(id).or_insert((0, at, at, Vec::new()));
            (*count, *first, *last) = (*count + 1, at.min(*first), at.max(*last));
            if !stages.contains(&stage) {
                stages.push(stage);
            }
        }
    }
    let mut texts =
        conn.prepare("SELECT kind, code, chain, backtrace FROM failure WHERE id = ?1")?;
    let mut list = Vec::new();
    for (id, (count, first, last, stages)) in groups {
        type Texts = (u8, Option<i64>, String, Option<String>);
        let texts: Option<Texts> =
            rusqlite::OptionalExtension::optional(texts.query_row([id], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            }))?;
        let (kind, code, chain, backtrace) = texts.unwrap_or_default();
        list.push(FailureGroup {
            fingerprint: word(Some(id)).unwrap_or_default(),
            kind: FailureRow {
                kind,
                ..FailureRow::default()
            }
            .kind_name(),
            code: word(code),
            count,
            first_at: Timestamp(first),
            last_at: Timestamp(last),
            stages: stages
                .into_iter()
                .filter_map(|stage| word(Some(stage)))
                .collect(),
            chain: serde_json::from_str(&chain).unwrap_or_default(),
            backtrace,
        });
    }
    list.sort_by(|a, b| (b.count, &a.fingerprint).cmp(&(a.count, &b.fingerprint)));
    Ok(list)
}
