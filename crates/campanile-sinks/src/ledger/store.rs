//! Transactions: what was handed over becomes rows, once.

use super::{
    Appended,
    buffer::{Batch, Fold, Kind},
    codec::Unpack,
    numbers::Numbers,
    row::{
        Bounds, CallRow, FailureTexts, GetWords, Inline, PartRow, PutWords, SessionEdge, TurnRow,
    },
    schema::{Seal, Val, day_of},
};
use campanile_core::{Money, Outcome};
use rusqlite::{CachedStatement, Connection, OptionalExtension, ffi};
use std::collections::{BTreeMap, HashMap};

/// Words are few and sessions come and go: a cache past this size starts again.
const CACHED_WORDS: usize = 32 * 1024;

/// How many calls one statement inserts, if so many wait: SQLite finds their place in the tree once, not for each.
const TOGETHER: [usize; 2] = [32, 8];

/// Columns of a call and of a part.
const CALL_COLUMNS: usize = 11;
const PART_COLUMNS: usize = 14;

/// A row that cannot be read: bytes of the buffer that make no sense are a bug, and stop nothing.
const UNREADABLE: &str = "an entry of the buffer cannot be read";

/// An open ledger, as its writer sees it.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) conn: Connection,
    run: i64,
    names: Numbers,
    sessions: Numbers,
    seen_at: i64,
}

/// What a transaction changes in the sums of a day.
#[derive(Debug, Default)]
struct DayChange {
    calls: i64,
    parts: i64,
    at_least: i128,
    more: i128,
    unbounded: i64,
}

impl DayChange {
    /// Counts a part that was not there.
    fn part(&mut self, cost: Option<Bounds>) {
        self.parts += 1;
        self.cost(as_kept(cost), 1);
    }

    fn cost(&mut self, cost: Option<Bounds>, sign: i64) {
        let Some(cost) = cost else { return };
        self.at_least += i128::from(sign) * cost.at_least.grains();
        match cost.more() {
            Some(more) => self.more += i128::from(sign) * more.grains(),
            None => self.unbounded += sign,
        }
    }
}

impl Store {
    pub(super) fn new(conn: Connection, run: i64) -> Self {
        Self {
            conn,
            run,
            names: Numbers::default(),
            sessions: Numbers::default(),
            seen_at: 0,
        }
    }

    /// Writes a batch in one transaction. After an error nothing of it is there; the same batch can be written
    /// again, by another store too.
    pub(super) fn write(&mut self, batch: &Batch, now: i64) -> rusqlite::Result<Vec<Appended>> {
        let written = self.transact(batch, now);
        if written.is_err() {
            // Numbers that were given in a transaction that is gone.
            self.names.clear();
            self.sessions.clear();
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
        let mut tx = Tx::begin(&self.conn, self.run, &mut self.names, &mut self.sessions)?;
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
                let created = tx.entry(kind, payload)?;
                if kind.is_acknowledged() {
                    appended.push(if created {
                        Appended::Created
                    } else {
                        Appended::Exists
                    });
                }
            }
        }
        tx.calls(&mut calls)?;
        for fold in &batch.folds {
            tx.fold(fold)?;
        }
        tx.end()?;
        // Good enough for when a run was last alive, without a page of its own in each transaction.
        if now.saturating_sub(self.seen_at) > 1_000_000 {
            self.conn
                .prepare_cached("UPDATE run SET seen_at = ?2 WHERE id = ?1")?
                .execute((self.run, now))?;
            self.seen_at = now;
        }
        self.conn.execute_batch("COMMIT")?;
        Ok(appended)
    }
}

/// Numbers of words, made where there are none.
struct Names<'a> {
    cache: &'a mut Numbers,
    conn: &'a Connection,
    seal: Seal,
}

impl Names<'_> {
    fn id(&mut self, text: &str) -> rusqlite::Result<i64> {
        if let Some(&id) = self.cache.get(text) {
            return Ok(id);
        }
        let known = self
            .conn
            .prepare_cached("SELECT id FROM name WHERE text = ?1")?;
        let known = { known }.query_row([text], |row| row.get(0)).optional()?;
        let id = match known {
            Some(id) => id,
            None => {
                let next = "SELECT coalesce(max(id), 0) + 1 FROM name";
                let id: i64 = self
                    .conn
                    .prepare_cached(next)?
                    .query_row([], |row| row.get(0))?;
                let row = [Val::Int(id), Val::Text(text)];
                let crc = self.seal.of(&row);
                self.conn
                    .prepare_cached("INSERT INTO name VALUES(?1, ?2, ?3)")?
                    .execute((id, text, crc))?;
                id
            }
        };
        self.cache.insert(text.into(), id);
        Ok(id)
    }

    fn maybe(&mut self, text: Option<&str>) -> rusqlite::Result<Option<i64>> {
        text.map(|text| self.id(text)).transpose()
    }
}

impl PutWords for Names<'_> {
    type Error = rusqlite::Error;
    fn word(&mut self, out: &mut Vec<u8>, text: &str) -> rusqlite::Result<()> {
        let id = self.id(text)?;
        super::codec::Pack::uint(out, id as u64);
        Ok(())
    }
}

/// Words of rows, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Dictionary(pub(super) HashMap<i64, Box<str>>);

impl<'a> GetWords<'a> for &'a Dictionary {
    fn word(&self, from: &mut Unpack<'a>) -> Option<&'a str> {
        let id = i64::try_from(from.uint()?).ok()?;
        self.0.get(&id).map(|text| &**text)
    }
}

/// One transaction under way.
struct Tx<'a> {
    conn: &'a Connection,
    run: i64,
    names: Names<'a>,
    sessions: &'a mut Numbers,
    days: BTreeMap<i64, DayChange>,
    seal: Seal,
    body: Vec<u8>,
    call_rows: Inserts<'a>,
    part_rows: Inserts<'a>,
    /// Whether any call may be in `open`.
    any_open: bool,
    /// The number of the next session, once one was asked for: nobody else writes meanwhile.
    next_session: Option<i64>,
}

/// Runs a prepared insert with a row and its checksum.
fn put(
    statement: &mut CachedStatement<'_>,
    seal: &mut Seal,
    row: &[Val<'_>],
) -> rusqlite::Result<bool> {
    for (i, val) in row.iter().enumerate() {
        statement.raw_bind_parameter(i + 1, val)?;
    }
    statement.raw_bind_parameter(row.len() + 1, seal.of(row))?;
    Ok(statement.raw_execute()? > 0)
}

/// A prepared insert that knows what is bound to it: what did not change since the row before is not bound again.
struct Insert<'a> {
    statement: CachedStatement<'a>,
    bound: Vec<Bound>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    Null,
    Int(i64),
    Bytes,
}

impl<'a> Insert<'a> {
    /// An insert of several rows at once, all of them or none; of one row that is not there yet.
    fn new(
        conn: &'a Connection,
        table: &str,
        columns: usize,
        rows: usize,
    ) -> rusqlite::Result<Self> {
        let row = format!("(?{})", ",?".repeat(columns - 1));
        let more = format!(",{row}").repeat(rows - 1);
        let unless = if rows == 1 {
            " ON CONFLICT DO NOTHING"
        } else {
            ""
        };
        let sql = format!("INSERT INTO {table} VALUES{row}{more}{unless}");
        Ok(Self {
            statement: conn.prepare_cached(&sql)?,
            bound: vec![Bound::Null; columns * rows],
        })
    }

    /// Binds a row and its checksum as the row number `row` of the statement.
    fn bind(&mut self, row: usize, values: &[Val<'_>], seal: &mut Seal) -> rusqlite::Result<()> {
        let crc = Val::Int(seal.of(values));
        let first = row * (values.len() + 1);
        for (i, val) in values.iter().chain([&crc]).enumerate() {
            let new = match *val {
                Val::Null => Bound::Null,
                Val::Int(value) => Bound::Int(value),
                Val::Text(_) | Val::Blob(_) => Bound::Bytes,
            };
            let bound = &mut self.bound[first + i];
            if new == Bound::Bytes || *bound != new {
                *bound = new;
                self.statement.raw_bind_parameter(first + i + 1, val)?;
            }
        }
        Ok(())
    }

    /// Inserts what is bound. `false`: a row like one of these is there, and nothing was changed.
    fn run(&mut self) -> rusqlite::Result<bool> {
        match self.statement.raw_execute() {
            Ok(rows) => Ok(rows > 0),
            Err(rusqlite::Error::SqliteFailure(error, _))
                if [
                    ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
                    ffi::SQLITE_CONSTRAINT_UNIQUE,
                ]
                .contains(&error.extended_code) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// The inserts of one table: of single rows, and of several.
struct Inserts<'a> {
    one: Insert<'a>,
    many: [Insert<'a>; TOGETHER.len()],
}

impl<'a> Inserts<'a> {
    fn new(conn: &'a Connection, table: &str, columns: usize) -> rusqlite::Result<Self> {
        let insert = |rows| Insert::new(conn, table, columns, rows);
        Ok(Self {
            one: insert(1)?,
            many: [insert(TOGETHER[0])?, insert(TOGETHER[1])?],
        })
    }

    /// The insert of single rows; or one of several, and which of its rows.
    fn at(&mut self, place: Option<(usize, usize)>) -> (&mut Insert<'a>, usize) {
        match place {
            Some((size, n)) => (&mut self.many[size], n),
            None => (&mut self.one, 0),
        }
    }
}

/// The numbers of what a call names.
#[derive(Clone, Copy)]
struct CallIds {
    stage: i64,
    session: Option<i64>,
    failure: Option<i64>,
}

fn call_values<'v>(
    row: &CallRow<'v>,
    id: &'v [u8; 16],
    run: i64,
    ids: CallIds,
    body: &'v [u8],
) -> [Val<'v>; CALL_COLUMNS - 1] {
    [
        Val::Blob(id),
        Val::Int(row.at),
        Val::Int(ids.stage),
        Val::maybe(ids.session),
        Val::maybe(row.turn.map(i64::from)),
        Val::Int(row.outcome as i64),
        Val::Int(run),
        Val::maybe(ids.failure),
        row.outside.map_or(Val::Null, Val::Text),
        Val::Blob(body),
    ]
}

fn part_values<'v>(
    call: &'v [u8; 16],
    at: i64,
    part: &PartRow<'v>,
    [provider, model]: [Option<i64>; 2],
    body: &'v [u8],
) -> [Val<'v>; PART_COLUMNS - 1] {
    let [pico, rest, more_pico, more_rest] = columns(part.cost);
    [
        Val::Blob(call),
        Val::Int(part.n.into()),
        Val::Int(part.rev),
        Val::Int(day_of(at)),
        Val::maybe(provider),
        Val::maybe(model),
        Val::Int(part.flags().into()),
        pico,
        rest,
        more_pico,
        more_rest,
        part.usage.map_or(Val::Null, Val::Blob),
        Val::Blob(body),
    ]
}

/// The two columns of an amount. One that does not fit (over nine million dollars) is a lower bound.
fn columns(cost: Option<Bounds>) -> [Val<'static>; 4] {
    let Some(cost) = cost else {
        return [Val::Null; 4];
    };
    let (pico, rest, fits) = match cost.at_least.to_pico() {
        Some((pico, rest)) => (pico, rest, true),
        None if cost.at_least < Money::ZERO => (i64::MIN, 0, false),
        None => (i64::MAX, 0, false),
    };
    let more = cost.more().filter(|_| fits).and_then(Money::to_pico);
    let more = more.map_or([Val::Null; 2], |(pico, rest)| {
        [Val::Int(pico), Val::Int(rest)]
    });
    [Val::Int(pico), Val::Int(rest), more[0], more[1]]
}

/// The amount in the four columns of a part.
pub(super) fn amount(
    pico: Option<i64>,
    rest: Option<i64>,
    more: Option<(i64, i64)>,
) -> Option<Bounds> {
    let at_least = Money::from_pico(pico?.into(), rest?.into())?;
    let more = more.and_then(|(pico, rest)| Money::from_pico(pico.into(), rest.into()));
    Some(Bounds {
        at_least,
        at_most: more.and_then(|more| at_least.checked_add(more)),
    })
}

/// Amounts below this, over five million dollars, fit into their columns.
const FITS: i128 = 1 << 94;

/// What `cost` is once it was written and read.
fn as_kept(cost: Option<Bounds>) -> Option<Bounds> {
    let fits = |amount: Money| amount.grains().unsigned_abs() < FITS.unsigned_abs();
    let same = |cost: &Bounds| {
        let more = cost.more();
        fits(cost.at_least) && more.map_or(cost.at_most.is_none(), fits)
    };
    match cost {
        // The usual one, without a division.
        Some(cost) if same(&cost) => Some(cost),
        cost => read_back(cost),
    }
}

fn read_back(cost: Option<Bounds>) -> Option<Bounds> {
    let int = |val| match val {
        Val::Int(value) => Some(value),
        _ => None,
    };
    let [pico, rest, more_pico, more_rest] = columns(cost).map(int);
    amount(pico, rest, more_pico.zip(more_rest))
}

impl<'a> Tx<'a> {
    fn begin(
        conn: &'a Connection,
        run: i64,
        names: &'a mut Numbers,
        sessions: &'a mut Numbers,
    ) -> rusqlite::Result<Self> {
        let any_open = conn
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM open)")?
            .query_row([], |row| row.get(0))?;
        Ok(Self {
            conn,
            run,
            names: Names {
                cache: names,
                conn,
                seal: Seal::default(),
            },
            sessions,
            days: BTreeMap::new(),
            seal: Seal::default(),
            body: Vec::new(),
            call_rows: Inserts::new(conn, "call", CALL_COLUMNS)?,
            part_rows: Inserts::new(conn, "part", PART_COLUMNS)?,
            any_open,
            next_session: None,
        })
    }

    /// Writes one entry; says whether it was new.
    fn entry(&mut self, kind: Kind, payload: &[u8]) -> rusqlite::Result<bool> {
        let mut from = Unpack(payload);
        let written = match kind {
            Kind::Call | Kind::Append => self.call_entry(&mut from, kind == Kind::Append),
            Kind::Usage => self.usage_entry(&mut from),
            Kind::Turn => TurnRow::unpack(&mut from).map(|row| self.turn(&row)),
            Kind::Session => {
                SessionEdge::unpack(&mut from).map(|edge| self.session_edge(&edge).map(|()| true))
            }
            Kind::Alert | Kind::Raise => self.alert_entry(&mut from),
            Kind::Texts => FailureTexts::unpack(&mut from).map(|texts| self.texts(&texts)),
        };
        debug_assert!(written.is_some(), "{UNREADABLE}");
        written.unwrap_or(Ok(false))
    }

    fn call_entry(&mut self, from: &mut Unpack<'_>, once: bool) -> Option<rusqlite::Result<bool>> {
        let row = CallRow::unpack(from)?;
        let created = match self.call(&row) {
            Ok(created) => created,
            Err(error) => return Some(Err(error)),
        };
        // Behind an id from outside stands one event: what comes again under it changes nothing.
        let parts = if once && !created { 0 } else { from.uint()? };
        for _ in 0..parts {
            let part = PartRow::unpack(from)?;
            if let Err(error) = self.part(&row.id.0.to_be_bytes(), row.at, &part) {
                return Some(Err(error));
            }
        }
        Some(Ok(created))
    }

    fn usage_entry(&mut self, from: &mut Unpack<'_>) -> Option<rusqlite::Result<bool>> {
        let row = CallRow::unpack(from)?;
        let part = PartRow::unpack(from)?;
        Some(
            self.open(&row)
                .and_then(|()| self.part(&row.id.0.to_be_bytes(), row.at, &part)),
        )
    }

    fn alert_entry(&mut self, from: &mut Unpack<'_>) -> Option<rusqlite::Result<bool>> {
        let (id, at, json) = (from.text()?, from.int()?, from.text()?);
        let row = [Val::Text(id), Val::Int(at), Val::Text(json)];
        let statement = self
            .conn
            .prepare_cached("INSERT INTO alert VALUES(?1,?2,?3,?4) ON CONFLICT DO NOTHING");
        Some(statement.and_then(|mut statement| put(&mut statement, &mut self.seal, &row)))
    }

    /// Writes calls that came without an id from outside, as many at once as there are.
    fn calls(&mut self, calls: &mut Vec<&[u8]>) -> rusqlite::Result<()> {
        let mut rest = calls.as_slice();
        while !rest.is_empty() {
            let size = TOGETHER.iter().position(|&size| size <= rest.len());
            let (now, later) = rest.split_at(size.map_or(1, |size| TOGETHER[size]));
            let written = match size {
                Some(size) => self.calls_together(size, now)?,
                None => false,
            };
            if !written {
                for payload in now {
                    self.entry(Kind::Call, payload)?;
                }
            }
            rest = later;
        }
        calls.clear();
        Ok(())
    }

    /// Writes calls with one statement, then their parts. `false`: one of the calls was there, or cannot be read,
    /// and nothing is written.
    fn calls_together(&mut self, size: usize, calls: &[&[u8]]) -> rusqlite::Result<bool> {
        let mut rows = Vec::with_capacity(calls.len());
        let mut parts = Vec::with_capacity(calls.len());
        for (n, payload) in calls.iter().enumerate() {
            let mut from = Unpack(payload);
            let Some(row) = CallRow::unpack(&mut from) else {
                return Ok(false);
            };
            let Some(count) = from.uint() else {
                return Ok(false);
            };
            for _ in 0..count {
                let Some(part) = PartRow::unpack(&mut from) else {
                    return Ok(false);
                };
                parts.push((row.id.0.to_be_bytes(), row.at, part));
            }
            self.bind_call(Some((size, n)), &row)?;
            rows.push((row.id.0.to_be_bytes(), row.at));
        }
        if !self.call_rows.many[size].run()? {
            return Ok(false);
        }
        for (id, at) in &rows {
            self.days.entry(day_of(*at)).or_default().calls += 1;
            if self.any_open {
                self.close(id)?;
            }
        }
        for parts in parts.chunks(TOGETHER[size]) {
            self.parts(size, parts)?;
        }
        Ok(true)
    }

    /// Writes parts: with one statement where they are as many as it takes and none of them is there.
    fn parts(
        &mut self,
        size: usize,
        parts: &[([u8; 16], i64, PartRow<'_>)],
    ) -> rusqlite::Result<()> {
        if parts.len() == TOGETHER[size] {
            for (n, (call, at, part)) in parts.iter().enumerate() {
                self.bind_part(Some((size, n)), call, *at, part)?;
            }
            if self.part_rows.many[size].run()? {
                for (_, at, part) in parts {
                    self.days.entry(day_of(*at)).or_default().part(part.cost);
                }
                return Ok(());
            }
        }
        for (call, at, part) in parts {
            self.part(call, *at, part)?;
        }
        Ok(())
    }

    /// The numbers of what a call names; leaves its detail in `body`.
    fn call_ids(&mut self, row: &CallRow<'_>) -> rusqlite::Result<CallIds> {
        let failure = row.detail.failure.as_ref();
        let ids = CallIds {
            stage: self.names.id(row.stage)?,
            session: self.session(row.session)?,
            failure: self
                .names
                .maybe(failure.map(|failure| failure.fingerprint))?,
        };
        self.body.clear();
        row.detail.pack(&mut self.body, &mut self.names)?;
        Ok(ids)
    }

    /// Takes a call out of those that have parts and are not over.
    fn close(&mut self, id: &[u8; 16]) -> rusqlite::Result<()> {
        self.conn
            .prepare_cached("DELETE FROM open WHERE call = ?1")?
            .execute([&id[..]])?;
        Ok(())
    }

    /// Binds a call to the insert of single rows, or to that of several as one of them.
    fn bind_call(
        &mut self,
        place: Option<(usize, usize)>,
        row: &CallRow<'_>,
    ) -> rusqlite::Result<()> {
        let ids = self.call_ids(row)?;
        let id = row.id.0.to_be_bytes();
        let values = call_values(row, &id, self.run, ids, &self.body);
        let (insert, n) = self.call_rows.at(place);
        insert.bind(n, &values, &mut self.seal)
    }

    fn call(&mut self, row: &CallRow<'_>) -> rusqlite::Result<bool> {
        let id = row.id.0.to_be_bytes();
        self.bind_call(None, row)?;
        let mut created = self.call_rows.one.run()?;
        if created {
            self.days.entry(day_of(row.at)).or_default().calls += 1;
        } else if row.outcome != Outcome::Crashed && row.outside.is_none() {
            // Who was taken for dead and was not tells better how its call ended.
            let crashed = self
                .conn
                .prepare_cached("SELECT at FROM call WHERE id = ?1 AND outcome = ?2")?;
            let crashed: Option<i64> = { crashed }
                .query_row((&id[..], Outcome::Crashed as i64), |row| row.get(0))
                .optional()?;
            if let Some(at) = crashed {
                let replace =
                    "INSERT OR REPLACE INTO call VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)";
                let ids = self.call_ids(row)?;
                created = put(
                    &mut self.conn.prepare_cached(replace)?,
                    &mut self.seal,
                    &call_values(row, &id, self.run, ids, &self.body),
                )?;
                self.days.entry(day_of(at)).or_default().calls -= 1;
                self.days.entry(day_of(row.at)).or_default().calls += 1;
            }
        }
        if created && self.any_open {
            self.close(&id)?;
        }
        Ok(created)
    }

    /// Notes that a call has parts and is not over.
    fn open(&mut self, row: &CallRow<'_>) -> rusqlite::Result<()> {
        let id = row.id.0.to_be_bytes();
        let over = self
            .conn
            .prepare_cached("SELECT 1 FROM call WHERE id = ?1")?
            .exists([&id[..]])?;
        if over {
            return Ok(());
        }
        let stage = self.names.id(row.stage)?;
        let session = self.session(row.session)?;
        let values = [
            Val::Blob(&id),
            Val::Int(self.run),
            Val::Int(row.at),
            Val::Int(stage),
            Val::maybe(session),
            Val::maybe(row.turn.map(i64::from)),
        ];
        let statement = "INSERT INTO open VALUES(?1,?2,?3,?4,?5,?6,?7) ON CONFLICT DO NOTHING";
        put(
            &mut self.conn.prepare_cached(statement)?,
            &mut self.seal,
            &values,
        )?;
        self.any_open = true;
        Ok(())
    }

    /// Writes a part, unless one with the same or a higher revision is there.
    fn part(&mut self, call: &[u8; 16], at: i64, part: &PartRow<'_>) -> rusqlite::Result<bool> {
        self.bind_part(None, call, at, part)?;
        if !self.part_rows.one.run()? {
            let Some((day, cost)) = older(self.conn, call, part)? else {
                return Ok(false);
            };
            let replace = "INSERT OR REPLACE INTO part VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)";
            let ids = self.part_ids(part)?;
            put(
                &mut self.conn.prepare_cached(replace)?,
                &mut self.seal,
                &part_values(call, at, part, ids, &self.body),
            )?;
            let before = self.days.entry(day).or_default();
            before.parts -= 1;
            before.cost(cost, -1);
        }
        self.days.entry(day_of(at)).or_default().part(part.cost);
        Ok(true)
    }

    /// Binds a part to the insert of single rows, or to that of several as one of them.
    fn bind_part(
        &mut self,
        place: Option<(usize, usize)>,
        call: &[u8; 16],
        at: i64,
        part: &PartRow<'_>,
    ) -> rusqlite::Result<()> {
        let ids = self.part_ids(part)?;
        let values = part_values(call, at, part, ids, &self.body);
        let (insert, n) = self.part_rows.at(place);
        insert.bind(n, &values, &mut self.seal)
    }

    /// The numbers of provider and model; leaves the detail in `body`.
    fn part_ids(&mut self, part: &PartRow<'_>) -> rusqlite::Result<[Option<i64>; 2]> {
        let ids = [
            self.names.maybe(part.provider)?,
            self.names.maybe(part.model)?,
        ];
        self.body.clear();
        part.detail.pack(&mut self.body, &mut self.names)?;
        Ok(ids)
    }

    fn turn(&mut self, row: &TurnRow<'_>) -> rusqlite::Result<bool> {
        let session = self.session(Some(row.session))?;
        self.body.clear();
        row.detail.pack(&mut self.body, &mut self.names)?;
        let values = [
            Val::maybe(session),
            Val::Int(row.turn.into()),
            Val::Int(row.at),
            Val::Int(self.run),
            Val::Blob(&self.body),
        ];
        let statement = "INSERT INTO turn VALUES(?1,?2,?3,?4,?5,?6) ON CONFLICT DO NOTHING";
        put(
            &mut self.conn.prepare_cached(statement)?,
            &mut self.seal,
            &values,
        )
    }

    /// The number of a session.
    fn session(&mut self, name: Option<&str>) -> rusqlite::Result<Option<i64>> {
        let Some(name) = name else { return Ok(None) };
        if let Some(&id) = self.sessions.get(name) {
            return Ok(Some(id));
        }
        let next = match self.next_session {
            Some(next) => next,
            None => self
                .conn
                .prepare_cached("SELECT coalesce(max(id), 0) + 1 FROM session")?
                .query_row([], |row| row.get(0))?,
        };
        let values = [
            Val::Int(next),
            Val::Text(name),
            Val::Null,
            Val::Null,
            Val::Null,
            Val::Null,
            Val::Null,
        ];
        let statement =
            "INSERT INTO session VALUES(?1,?2,?3,?4,?5,?6,?7,?8) ON CONFLICT(name) DO NOTHING";
        let created = put(
            &mut self.conn.prepare_cached(statement)?,
            &mut self.seal,
            &values,
        )?;
        self.next_session = Some(next + i64::from(created));
        let id = match created {
            true => next,
            false => self
                .conn
                .prepare_cached("SELECT id FROM session WHERE name = ?1")?
                .query_row([name], |row| row.get(0))?,
        };
        self.sessions.insert(name.into(), id);
        Ok(Some(id))
    }

    /// Writes the start or the end of a session, in any order.
    fn session_edge(&mut self, edge: &SessionEdge<'_>) -> rusqlite::Result<()> {
        let id = self.session(Some(edge.session))?;
        let known = self
            .conn
            .prepare_cached("SELECT run, ended_at, reason, totals FROM session WHERE id = ?1")?;
        type Known = (Option<i64>, Option<i64>, Option<i64>, Option<Vec<u8>>);
        let (run, mut ended_at, mut reason, mut totals): Known = { known }
            .query_row([id], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?;
        if let Some((at, why, sums)) = &edge.end {
            ended_at = Some(*at);
            reason = self.names.maybe(*why)?;
            totals = sums.as_ref().map(|sums| {
                let mut bytes = Vec::new();
                sums.pack(&mut bytes);
                bytes
            });
        }
        let values = [
            Val::maybe(id),
            Val::Text(edge.session),
            Val::Int(run.unwrap_or(self.run)),
            Val::Int(edge.started_at),
            Val::maybe(ended_at),
            Val::maybe(reason),
            totals.as_deref().map_or(Val::Null, Val::Blob),
        ];
        let statement = "INSERT OR REPLACE INTO session VALUES(?1,?2,?3,?4,?5,?6,?7,?8)";
        put(
            &mut self.conn.prepare_cached(statement)?,
            &mut self.seal,
            &values,
        )?;
        Ok(())
    }

    fn texts(&mut self, texts: &FailureTexts<'_>) -> rusqlite::Result<bool> {
        let id = self.names.id(texts.fingerprint)?;
        let code = self.names.maybe(texts.code)?;
        let chain = serde_json::to_string(&texts.chain).unwrap_or_default();
        let values = [
            Val::Int(id),
            Val::Int(texts.kind.into()),
            Val::maybe(code),
            Val::Int(texts.at),
            Val::Text(&chain),
            texts.backtrace.map_or(Val::Null, Val::Text),
        ];
        let statement = "INSERT INTO failure VALUES(?1,?2,?3,?4,?5,?6,?7) ON CONFLICT DO NOTHING";
        put(
            &mut self.conn.prepare_cached(statement)?,
            &mut self.seal,
            &values,
        )
    }

    fn fold(&mut self, fold: &Fold) -> rusqlite::Result<()> {
        let key = &fold.key;
        let stage = self.names.id(&key.stage)?;
        let provider = self.names.maybe(key.provider.as_deref())?;
        let model = self.names.maybe(key.model.as_deref())?;
        self.body.clear();
        fold.sum.pack(&mut self.body);
        let values = [
            Val::Int(self.run),
            Val::Int(fold.seq),
            Val::Int(key.hour),
            Val::Int(stage),
            Val::maybe(provider),
            Val::maybe(model),
            Val::Int(key.outcome as i64),
            Val::Blob(&self.body),
        ];
        let statement =
            "INSERT INTO fold VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9) ON CONFLICT DO NOTHING";
        put(
            &mut self.conn.prepare_cached(statement)?,
            &mut self.seal,
            &values,
        )?;
        Ok(())
    }

    /// Writes what has changed in the sums of days.
    fn end(mut self) -> rusqlite::Result<()> {
        for (day, change) in &self.days {
            let known = "SELECT calls, parts, at_least, more, unbounded FROM day WHERE day = ?1";
            type Known = (i64, i64, String, String, i64);
            let known: Option<Known> = self
                .conn
                .prepare_cached(known)?
                .query_row([day], |row| {
                    Ok((
                        row.get(0)?,
                        row.get(1)?,
                        row.get(2)?,
                        row.get(3)?,
                        row.get(4)?,
                    ))
                })
                .optional()?;
            let (calls, parts, at_least, more, unbounded) = known.unwrap_or_default();
            let grains =
                |text: String, change: i128| (text.parse().unwrap_or(0_i128) + change).to_string();
            let (at_least, more) = (grains(at_least, change.at_least), grains(more, change.more));
            let values = [
                Val::Int(*day),
                Val::Int(calls + change.calls),
                Val::Int(parts + change.parts),
                Val::Text(&at_least),
                Val::Text(&more),
                Val::Int(unbounded + change.unbounded),
            ];
            let statement = "INSERT OR REPLACE INTO day VALUES(?1,?2,?3,?4,?5,?6,?7)";
            put(
                &mut self.conn.prepare_cached(statement)?,
                &mut self.seal,
                &values,
            )?;
        }
        Ok(())
    }
}

/// Day and cost of the part that `part` replaces; `None` where what is there is as new, or newer.
fn older(
    conn: &Connection,
    call: &[u8; 16],
    part: &PartRow<'_>,
) -> rusqlite::Result<Option<(i64, Option<Bounds>)>> {
    let known = "SELECT day, pico, rest, more_pico, more_rest FROM part WHERE call = ?1 AND part = ?2 AND rev < ?3";
    conn.prepare_cached(known)?
        .query_row((&call[..], part.n, part.rev), |row| {
            let more: (Option<i64>, Option<i64>) = (row.get(3)?, row.get(4)?);
            Ok((
                row.get(0)?,
                amount(row.get(1)?, row.get(2)?, more.0.zip(more.1)),
            ))
        })
        .optional()
}

/// Closes what runs left behind whose process is dead.
pub(super) fn close_run(
    conn: &Connection,
    run: i64,
    seen_at: i64,
    now: i64,
) -> rusqlite::Result<()> {
    let (mut names, mut sessions) = (Numbers::default(), Numbers::default());
    let mut tx = Tx::begin(conn, run, &mut names, &mut sessions)?;
    type Open = (Vec<u8>, i64, i64, Option<i64>, Option<i64>);
    let open: Vec<Open> = conn
        .prepare("SELECT call, at, stage, session, turn FROM open WHERE run = ?1")?
        .query_map([run], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
            ))
        })?
        .collect::<Result<_, _>>()?;
    let mut body = Vec::new();
    let Ok(()) = super::row::CallDetail::default().pack(&mut body, &mut Inline);
    for (id, at, stage, session, turn) in &open {
        let values = [
            Val::Blob(id),
            Val::Int(*at),
            Val::Int(*stage),
            Val::maybe(*session),
            Val::maybe(*turn),
            Val::Int(Outcome::Crashed as i64),
            Val::Int(run),
            Val::Null,
            Val::Null,
            Val::Blob(&body),
        ];
        tx.call_rows.one.bind(0, &values, &mut tx.seal)?;
        if tx.call_rows.one.run()? {
            tx.days.entry(day_of(*at)).or_default().calls += 1;
        }
    }
    conn.execute("DELETE FROM open WHERE run = ?1", [run])?;
    let crashed: Vec<(String, i64)> = conn
        .prepare("SELECT name, started_at FROM session WHERE run = ?1 AND ended_at IS NULL AND started_at IS NOT NULL")?
        .query_map([run], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (session, started_at) in &crashed {
        let end = Some((seen_at.max(*started_at), Some("crashed"), None));
        tx.session_edge(&SessionEdge {
            session,
            started_at: *started_at,
            end,
        })?;
    }
    tx.end()?;
    conn.execute(
        "UPDATE run SET ended_at = ?2, crashed = 1 WHERE id = ?1",
        (run, now),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_kept_is_what_the_columns_say(
            at_least in any::<i128>(), shift in 0_u32..120, at_most in proptest::option::of(any::<i128>()), near in 0_u32..120,
        ) {
            let at_least = Money::from_grains(at_least >> shift);
            let at_most = at_most.map(|at_most| Money::from_grains(at_most >> near));
            let cost = Some(Bounds { at_least, at_most });

            prop_assert_eq!(as_kept(cost), read_back(cost));
        }
    }
}
