//! Walking over calls with their parts.

use crate::ledger::{
    row::{Bounds, Glance, INEXACT, UNPRICED, outcome_of, part_outcome, part_waste},
    schema::Seal,
    span::{Span, first_id},
    store::amount,
    sum::Portion,
    sum::whole_waste,
};
use campanile_core::Outcome;
use rusqlite::{Connection, OptionalExtension, Row, Rows, types::ValueRef};
use std::{collections::BTreeMap, ops::ControlFlow};

/// The columns of a call.
#[derive(Debug, Default)]
pub(crate) struct RawCall {
    pub(crate) id: [u8; 16],
    pub(crate) at: i64,
    pub(crate) stage: i64,
    pub(crate) session: Option<i64>,
    pub(crate) turn: Option<u32>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) outside: Option<String>,
    pub(crate) body: Vec<u8>,
    /// Whether all its attempts are there, as they were written.
    pub(crate) whole: bool,
}

const CALL: &str =
    "SELECT id, at, stage, session, turn, outcome, run, failure, outside, body, crc FROM call";
const OPEN: &str = "SELECT call, at, stage, session, turn, crc, run FROM open";
const PART: &str = "SELECT * FROM part";

/// The columns of a row, each asked for once: that is what a scan costs.
pub(crate) fn columns<'r, const N: usize>(row: &'r Row<'_>) -> rusqlite::Result<[ValueRef<'r>; N]> {
    let mut values = [ValueRef::Null; N];
    for (column, value) in values.iter_mut().enumerate() {
        *value = row.get_ref(column)?;
    }
    Ok(values)
}

fn int(value: ValueRef<'_>) -> Option<i64> {
    value.as_i64().ok()
}

fn blob(value: ValueRef<'_>) -> &[u8] {
    value.as_blob().unwrap_or_default()
}

fn id(value: ValueRef<'_>) -> Option<[u8; 16]> {
    blob(value).try_into().ok()
}

impl RawCall {
    /// Takes a call that is over, as it was written, into room that was used before. `false`: it makes no sense.
    fn take(&mut self, columns: &[ValueRef<'_>; 11]) -> bool {
        let [_, at, stage, session, turn, outcome, _, _, outside, body, _] = *columns;
        let known = int(outcome).and_then(|outcome| outcome_of(u8::try_from(outcome).ok()?));
        let (Some(at), Some(stage), Some(outcome)) = (int(at), int(stage), known) else {
            return false;
        };
        (self.at, self.stage, self.session) = (at, stage, int(session));
        self.turn = int(turn).and_then(|turn| u32::try_from(turn).ok());
        self.outcome = Some(outcome);
        self.outside = outside.as_str().ok().map(str::to_owned);
        self.body.clear();
        self.body.extend_from_slice(blob(body));
        self.whole = true;
        true
    }

    pub(crate) fn glance(&self) -> Glance<'_> {
        Glance::of(&self.body).unwrap_or_default()
    }
}

/// The columns of a part.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawPart {
    call: [u8; 16],
    pub(crate) n: u32,
    pub(crate) provider: Option<i64>,
    pub(crate) model: Option<i64>,
    pub(crate) flags: u8,
    pub(crate) cost: Option<Bounds>,
    pub(crate) has_usage: bool,
    pub(crate) usage: Vec<u8>,
    pub(crate) body: Vec<u8>,
    /// Whether it is as it was written.
    sound: bool,
}

impl RawPart {
    /// Takes a part, as it was written, into room that was used before. `false`: it makes no sense.
    fn take(&mut self, columns: &[ValueRef<'_>; 14]) -> bool {
        let [
            _,
            n,
            _,
            _,
            provider,
            model,
            flags,
            pico,
            rest,
            more,
            more_rest,
            usage,
            body,
            _,
        ] = *columns;
        let small = int(n).and_then(|n| u32::try_from(n).ok());
        let flags = int(flags).and_then(|flags| u8::try_from(flags).ok());
        let (Some(n), Some(flags)) = (small, flags) else {
            return false;
        };
        (self.n, self.flags) = (n, flags);
        (self.provider, self.model) = (int(provider), int(model));
        self.cost = amount(int(pico), int(rest), int(more).zip(int(more_rest)));
        self.has_usage = usage != ValueRef::Null;
        self.usage.clear();
        self.usage.extend_from_slice(blob(usage));
        self.body.clear();
        self.body.extend_from_slice(blob(body));
        true
    }

    pub(crate) fn portion(&self, call: Option<Outcome>) -> Portion<'_> {
        Portion {
            usage: self.has_usage.then_some(self.usage.as_slice()),
            cost: self.cost,
            inexact: self.flags & INEXACT != 0,
            unpriced: self.flags & UNPRICED != 0,
            wasted: whole_waste(part_waste(self.flags), part_outcome(self.flags), call),
        }
    }
}

/// Rows that are not as they were written: they are not shown, and not summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) calls: u64,
    pub(crate) parts: u64,
}

impl std::ops::AddAssign for Damage {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.parts += other.parts;
    }
}

/// Walks over all calls whose ids are in `span`, in the order of these: two scans side by side, no lookups.
pub(crate) fn scan(
    conn: &Connection,
    span: Span,
    mut each: impl FnMut(&RawCall, &[RawPart]) -> ControlFlow<()>,
) -> rusqlite::Result<Damage> {
    let (first, end) = (first_id(span.low), first_id(span.high));
    let bounds = [&first[..16], &end[..]];
    let mut open = open_calls(conn, span)?;
    let mut calls =
        conn.prepare_cached(&format!("{CALL} WHERE id >= ?1 AND id < ?2 ORDER BY id"))?;
    let mut parts = conn.prepare_cached(&format!(
        "{PART} WHERE call >= ?1 AND call < ?2 ORDER BY call, part"
    ))?;
    let mut calls = Calls::new(calls.query(bounds)?);
    let mut parts = Parts::new(parts.query(bounds)?)?;
    let mut damage = Damage::default();
    loop {
        let more = calls.next(&mut damage)?;
        // Parts before this call belong to calls that are not over, or to a call that was damaged.
        while let Some(id) = parts.next_call().filter(|id| !more || *id < calls.call.id) {
            let here = parts.gather(id, &mut damage)?;
            let Some(mut call) = open.remove(&id) else {
                damage.parts += here as u64;
                continue;
            };
            call.whole = parts.whole;
            if each(&call, &parts.room[..here]).is_break() {
                return Ok(damage);
            }
        }
        if !more {
            break;
        }
        let here = parts.gather(calls.call.id, &mut damage)?;
        parts.promise(&mut calls.call, here, &mut damage);
        if each(&calls.call, &parts.room[..here]).is_break() {
            return Ok(damage);
        }
    }
    for call in open.values() {
        if each(call, &[]).is_break() {
            break;
        }
    }
    Ok(damage)
}

/// One call with its parts, by its id.
pub(crate) fn look_up(
    conn: &Connection,
    id: &[u8; 16],
    damage: &mut Damage,
    each: &mut impl FnMut(&RawCall, &[RawPart]) -> ControlFlow<()>,
) -> rusqlite::Result<ControlFlow<()>> {
    let mut calls = conn.prepare_cached(&format!("{CALL} WHERE id = ?1"))?;
    let mut parts = conn.prepare_cached(&format!("{PART} WHERE call = ?1 ORDER BY part"))?;
    let mut calls = Calls::new(calls.query([&id[..]])?);
    let mut parts = Parts::new(parts.query([&id[..]])?)?;
    let before = damage.calls;
    if !calls.next(damage)? {
        if damage.calls > before {
            return Ok(ControlFlow::Continue(()));
        }
        let mut open = conn.prepare_cached(&format!("{OPEN} WHERE call = ?1"))?;
        let Some(call) = open.query_row([&id[..]], open_call).optional()?.flatten() else {
            return Ok(ControlFlow::Continue(()));
        };
        calls.call = call;
    }
    let here = parts.gather(*id, damage)?;
    parts.promise(&mut calls.call, here, damage);
    Ok(each(&calls.call, &parts.room[..here]))
}

fn open_calls(conn: &Connection, span: Span) -> rusqlite::Result<BTreeMap<[u8; 16], RawCall>> {
    let (first, end) = (first_id(span.low), first_id(span.high));
    conn.prepare_cached(&format!("{OPEN} WHERE call >= ?1 AND call < ?2"))?
        .query_map([&first[..16], &end[..]], open_call)?
        .filter_map(|call| Some(call.transpose()?.map(|call| (call.id, call))))
        .collect()
}

fn open_call(row: &Row<'_>) -> rusqlite::Result<Option<RawCall>> {
    let Ok(id) = row.get_ref(0)?.as_blob()?.try_into() else {
        return Ok(None);
    };
    Ok(Some(RawCall {
        id,
        at: row.get(1)?,
        stage: row.get(2)?,
        session: row.get(3)?,
        turn: row.get(4)?,
        whole: true,
        ..RawCall::default()
    }))
}

/// Calls that are over, as they were written, in the order of their ids.
struct Calls<'a> {
    rows: Rows<'a>,
    seal: Seal,
    call: RawCall,
    any: bool,
}

impl<'a> Calls<'a> {
    fn new(rows: Rows<'a>) -> Self {
        Self {
            rows,
            seal: Seal::default(),
            call: RawCall::default(),
            any: false,
        }
    }

    /// Reads the next one. `false`: there is none.
    fn next(&mut self, damage: &mut Damage) -> rusqlite::Result<bool> {
        while let Some(row) = self.rows.next()? {
            let columns = columns(row)?;
            // Pages that were damaged may show a row twice.
            let next = id(columns[0]).filter(|id| !self.any || *id > self.call.id);
            match next {
                Some(id) if self.seal.fits(&columns) && self.call.take(&columns) => {
                    (self.call.id, self.any) = (id, true);
                    return Ok(true);
                }
                _ => damage.calls += 1,
            }
        }
        Ok(false)
    }
}

/// Parts in the order of their calls.
struct Parts<'a> {
    rows: Rows<'a>,
    seal: Seal,
    next: RawPart,
    more: bool,
    room: Vec<RawPart>,
    /// Whether all parts of the call that was gathered last are as they were written.
    whole: bool,
    /// The row before the next one was damaged.
    torn: bool,
}

impl<'a> Parts<'a> {
    fn new(rows: Rows<'a>) -> rusqlite::Result<Self> {
        let mut parts = Self {
            rows,
            seal: Seal::default(),
            next: RawPart::default(),
            more: false,
            room: Vec::new(),
            whole: true,
            torn: false,
        };
        parts.advance()?;
        Ok(parts)
    }

    /// The call of the next part.
    fn next_call(&self) -> Option<[u8; 16]> {
        self.more.then_some(self.next.call)
    }

    fn advance(&mut self) -> rusqlite::Result<()> {
        let last = (self.next.call, self.next.n);
        let first = !self.more && self.room.is_empty();
        let Some(row) = self.rows.next()? else {
            self.more = false;
            return Ok(());
        };
        self.more = true;
        let columns = columns(row)?;
        let call = match self.seal.fits(&columns) && self.next.take(&columns) {
            true => id(columns[0]).filter(|call| first || *call >= last.0),
            false => None,
        };
        // What was damaged stands where it is, whatever it says.
        self.next.call = call.unwrap_or(last.0);
        self.next.sound = call.is_some() && (first || (self.next.call, self.next.n) > last);
        Ok(())
    }

    /// Notes whether the parts that were gathered are those that the call had.
    fn promise(&self, call: &mut RawCall, here: usize, damage: &mut Damage) {
        let promised = call.glance().parts.map_or(here, |parts| parts as usize);
        call.whole = self.whole && here == promised;
        if self.whole {
            damage.parts += promised.abs_diff(here) as u64;
        }
    }

    /// Moves the sound parts of one call into `room`, and says how many they are.
    fn gather(&mut self, call: [u8; 16], damage: &mut Damage) -> rusqlite::Result<usize> {
        let mut count = 0;
        // What was damaged right before may have been one of its parts.
        self.whole = !std::mem::take(&mut self.torn);
        // Before it: parts of a call whose own row was damaged.
        while self.more && self.next.call <= call {
            if self.next.sound && self.next.call == call {
                self.torn = false;
                if self.room.len() == count {
                    self.room.push(RawPart::default());
                }
                std::mem::swap(&mut self.room[count], &mut self.next);
                (self.next.call, self.next.n) = (call, self.room[count].n);
                count += 1;
            } else {
                damage.parts += 1;
                if !self.next.sound {
                    (self.whole, self.torn) = (false, true);
                }
            }
            self.advance()?;
        }
        Ok(count)
    }
}
