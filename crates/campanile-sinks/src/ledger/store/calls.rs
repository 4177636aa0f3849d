//! Rows of calls.

use super::{
    insert::put,
    tx::{TOGETHER, Tx},
};
use crate::ledger::{
    buffer::Kind,
    codec::Unpack,
    row::{CallRow, PartRow},
    schema::{Val, day_of},
};
use campanile_core::Outcome;
use rusqlite::OptionalExtension;

/// Columns of a call and of a part.
pub(super) const CALL_COLUMNS: usize = 11;

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

impl Tx<'_> {
    /// Writes calls that came without an id from outside, as many at once as there are.
    pub(super) fn calls(&mut self, calls: &mut Vec<&[u8]>) -> rusqlite::Result<()> {
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
            let Some(count) = from.uint().filter(|_| !self.is_archived(row.at)) else {
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
        let mut had_parts = Vec::new();
        for (id, at) in &rows {
            self.touch(id, *at);
            self.days.entry(day_of(*at)).or_default().calls += 1;
            if self.any_open && self.close(id)? {
                had_parts.push(*id);
            }
        }
        for parts in parts.chunks(TOGETHER[size]) {
            self.parts(size, parts)?;
        }
        for id in &had_parts {
            self.recount(id)?;
        }
        Ok(true)
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

    /// Takes a call out of those that have parts and are not over. `false`: it was none of them.
    fn close(&mut self, id: &[u8; 16]) -> rusqlite::Result<bool> {
        let gone = self
            .conn
            .prepare_cached("DELETE FROM open WHERE call = ?1")?
            .execute([&id[..]])?;
        Ok(gone > 0)
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

    pub(super) fn call(&mut self, row: &CallRow<'_>) -> rusqlite::Result<bool> {
        let id = row.id.0.to_be_bytes();
        self.bind_call(None, row)?;
        let mut created = self.call_rows.one.run()?;
        let mut replaced = false;
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
                replaced = true;
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
        if created {
            self.touch(&id, row.at);
            self.was_open = replaced || (self.any_open && self.close(&id)?);
        }
        Ok(created)
    }

    /// Notes that a call has parts and is not over. `true`: it is over.
    pub(super) fn open(&mut self, row: &CallRow<'_>) -> rusqlite::Result<bool> {
        let id = row.id.0.to_be_bytes();
        let over = self
            .conn
            .prepare_cached("SELECT 1 FROM call WHERE id = ?1")?
            .exists([&id[..]])?;
        if over {
            return Ok(true);
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
        self.touch(&id, row.at);
        self.any_open = true;
        Ok(false)
    }
}
