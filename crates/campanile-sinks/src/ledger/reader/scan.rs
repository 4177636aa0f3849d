//! Walking over all calls with their parts.

use crate::ledger::{
    row::{Bounds, INEXACT, UNPRICED, is_wasted, outcome_of, part_outcome},
    store::amount,
    sum::Portion,
};
use campanile_core::Outcome;
use rusqlite::{Connection, Row};
use std::{collections::BTreeMap, ops::ControlFlow};

/// The columns of a call.
#[derive(Debug, Default)]
pub(crate) struct RawCall {
    pub(super) id: [u8; 16],
    pub(super) at: i64,
    pub(super) stage: i64,
    pub(super) session: Option<i64>,
    pub(super) turn: Option<u32>,
    pub(super) outcome: Option<Outcome>,
    pub(super) outside: Option<String>,
    pub(super) body: Vec<u8>,
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
pub(crate) struct RawPart {
    call: [u8; 16],
    pub(super) n: u32,
    pub(super) provider: Option<i64>,
    pub(super) model: Option<i64>,
    pub(super) flags: u8,
    pub(super) cost: Option<Bounds>,
    pub(super) has_usage: bool,
    pub(super) usage: Vec<u8>,
    pub(super) body: Vec<u8>,
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

    pub(super) fn portion(&self, call: Option<Outcome>) -> Portion<'_> {
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
pub(super) fn scan(
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
