//! One transaction under way.

use super::{
    calls::CALL_COLUMNS,
    days::DayChange,
    insert::{Inserts, put},
    names::Names,
    outgoing::Outgoing,
    parts::{PART_COLUMNS, Written},
    touched::{Hours, Touched},
};
use crate::ledger::{
    buffer::{Fold, Kind},
    codec::Unpack,
    numbers::Numbers,
    row::{CallRow, FailureTexts, PartRow, SessionEdge, TurnRow},
    schema::{Seal, Val},
    turns::TurnSum,
};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// How many calls one statement inserts, if so many wait: SQLite finds their place in the tree once, not for each.
pub(super) const TOGETHER: [usize; 2] = [32, 8];

/// A row that cannot be read: bytes of the buffer that make no sense are a bug, and stop nothing.
const UNREADABLE: &str = "an entry of the buffer cannot be read";

/// One transaction under way.
pub(super) struct Tx<'a> {
    pub(super) conn: &'a Connection,
    pub(super) run: i64,
    pub(super) names: Names<'a>,
    pub(super) sessions: &'a mut Numbers,
    pub(super) days: BTreeMap<i64, DayChange>,
    pub(super) seal: Seal,
    pub(super) body: Vec<u8>,
    pub(super) call_rows: Inserts<'a>,
    pub(super) part_rows: Inserts<'a>,
    /// Whether any call may be in `open`.
    pub(super) any_open: bool,
    /// What began before this is archived.
    horizon: i64,
    /// Events that came too late for that.
    pub(super) refused: u64,
    /// The call that was written last was in `open`.
    pub(super) was_open: bool,
    pub(super) hours: &'a mut Hours,
    pub(super) touched: Touched,
    /// What remote sinks are to be told; `None`: there is none.
    pub(super) outbox: Option<Outgoing>,
    pub(super) turn_hours: BTreeMap<i64, TurnSum>,
    /// The number of the next session, once one was asked for: nobody else writes meanwhile.
    pub(super) next_session: Option<i64>,
}

impl<'a> Tx<'a> {
    pub(super) fn begin(
        conn: &'a Connection,
        run: i64,
        names: &'a mut Numbers,
        sessions: &'a mut Numbers,
        hours: &'a mut Hours,
    ) -> rusqlite::Result<Self> {
        let look = "SELECT EXISTS(SELECT 1 FROM open), (SELECT min(seq) FROM cursor),
                    (SELECT max(seq) FROM outbox), (SELECT max(until) FROM archive)";
        type Look = (bool, Option<i64>, Option<i64>, Option<i64>);
        let (any_open, cursor, last, horizon): Look =
            conn.prepare_cached(look)?.query_row([], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?;
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
            horizon: horizon.unwrap_or(i64::MIN),
            refused: 0,
            was_open: false,
            hours,
            touched: Touched::default(),
            outbox: cursor.map(|cursor| Outgoing::after(last.unwrap_or(cursor))),
            turn_hours: BTreeMap::new(),
            next_session: None,
        })
    }

    /// Whether what began then is archived, where nothing can be added.
    pub(super) fn is_archived(&self, at: i64) -> bool {
        at < self.horizon
    }

    /// The same, and counts the events that are refused for it.
    fn refuses(&mut self, at: i64, events: u64) -> bool {
        let refused = self.is_archived(at);
        self.refused += if refused { events } else { 0 };
        refused
    }

    /// Writes one entry; says whether it was new.
    pub(super) fn entry(&mut self, kind: Kind, payload: &[u8]) -> rusqlite::Result<bool> {
        let mut from = Unpack(payload);
        let written = match kind {
            Kind::Call | Kind::Append => self.call_entry(&mut from, kind == Kind::Append),
            Kind::Usage => self.usage_entry(&mut from),
            Kind::Turn => TurnRow::unpack(&mut from).map(|row| match self.refuses(row.at, 1) {
                true => Ok(false),
                false => self.turn(&row),
            }),
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
        if self.refuses(row.at, 1) {
            return Some(Ok(false));
        }
        let created = match self.call(&row) {
            Ok(created) => created,
            Err(error) => return Some(Err(error)),
        };
        // Behind an id from outside stands one event: what comes again under it changes nothing.
        let parts = if once && !created { 0 } else { from.uint()? };
        let id = row.id.0.to_be_bytes();
        // It may have parts that its end does not tell of, or another call with its id has ended before.
        let mut recount = !created || std::mem::take(&mut self.was_open);
        let mut grown = false;
        for _ in 0..parts {
            let part = PartRow::unpack(from)?;
            match self.part(&id, row.at, &part) {
                Ok(written) => grown |= written == Written::New,
                Err(error) => return Some(Err(error)),
            }
        }
        recount &= created || grown;
        match recount.then(|| self.recount(&id)) {
            Some(Err(error)) => Some(Err(error)),
            _ => Some(Ok(created)),
        }
    }

    fn usage_entry(&mut self, from: &mut Unpack<'_>) -> Option<rusqlite::Result<bool>> {
        let row = CallRow::unpack(from)?;
        let part = PartRow::unpack(from)?;
        Some(self.usage(&row, &part))
    }

    /// Writes usage of a call that is open, or that has ended before.
    fn usage(&mut self, row: &CallRow<'_>, part: &PartRow<'_>) -> rusqlite::Result<bool> {
        if self.refuses(row.at, 1) {
            return Ok(false);
        }
        let id = row.id.0.to_be_bytes();
        let over = self.open(row)?;
        let written = self.part(&id, row.at, part)?;
        if over && written == Written::New {
            self.recount(&id)?;
        }
        Ok(written != Written::Not)
    }

    fn alert_entry(&mut self, from: &mut Unpack<'_>) -> Option<rusqlite::Result<bool>> {
        let (id, at, json) = (from.text()?, from.int()?, from.text()?);
        let row = [Val::Text(id), Val::Int(at), Val::Text(json)];
        let statement = self
            .conn
            .prepare_cached("INSERT INTO alert VALUES(?1,?2,?3,?4) ON CONFLICT DO NOTHING");
        Some(statement.and_then(|mut statement| put(&mut statement, &mut self.seal, &row)))
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

    pub(super) fn fold(&mut self, fold: &Fold) -> rusqlite::Result<()> {
        let key = &fold.key;
        if self.refuses(key.hour, fold.sum.calls) {
            return Ok(());
        }
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
        if let Some(outbox) = &mut self.outbox {
            outbox.fold(self.run, fold.seq);
        }
        let statement =
            "INSERT INTO fold VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9) ON CONFLICT DO NOTHING";
        put(
            &mut self.conn.prepare_cached(statement)?,
            &mut self.seal,
            &values,
        )?;
        Ok(())
    }
}
