//! Rows of parts: of each the highest revision.

use super::{
    amount::{amount, columns as amounts},
    insert::put,
    tx::{TOGETHER, Tx},
};
use crate::ledger::{
    reader::columns,
    row::{Bounds, PartRow, with_parts},
    schema::{Val, day_of},
};
use rusqlite::{Connection, OptionalExtension, types::ValueRef};

pub(super) const PART_COLUMNS: usize = 14;

fn part_values<'v>(
    call: &'v [u8; 16],
    at: i64,
    part: &PartRow<'v>,
    [provider, model]: [Option<i64>; 2],
    body: &'v [u8],
) -> [Val<'v>; PART_COLUMNS - 1] {
    let [pico, rest, more_pico, more_rest] = amounts(part.cost);
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

/// What became of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The call has one more.
    New,
    /// It took the place of an older revision.
    Newer,
    /// One as new, or newer, was there.
    Not,
}

impl Tx<'_> {
    /// Writes parts: with one statement where they are as many as it takes and none of them is there.
    pub(super) fn parts(
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

    /// Writes a part, unless one with the same or a higher revision is there.
    pub(super) fn part(
        &mut self,
        call: &[u8; 16],
        at: i64,
        part: &PartRow<'_>,
    ) -> rusqlite::Result<Written> {
        self.bind_part(None, call, at, part)?;
        let new = self.part_rows.one.run()?;
        if !new {
            let Some((day, cost)) = older(self.conn, call, part)? else {
                return Ok(Written::Not);
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
        self.touch(call, at);
        self.days.entry(day_of(at)).or_default().part(part.cost);
        Ok(match new {
            true => Written::New,
            false => Written::Newer,
        })
    }

    /// Has a call that is over say how many parts it has: a reader must notice that one is gone.
    pub(super) fn recount(&mut self, call: &[u8; 16]) -> rusqlite::Result<()> {
        let count: u32 = self
            .conn
            .prepare_cached("SELECT count(*) FROM part WHERE call = ?1")?
            .query_row([&call[..]], |row| row.get(0))?;
        let mut statement = self
            .conn
            .prepare_cached("SELECT * FROM call WHERE id = ?1")?;
        let mut rows = statement.query([&call[..]])?;
        let Some(row) = rows.next()? else {
            return Ok(());
        };
        let Some(body) = with_parts(row.get_ref(9)?.as_blob()?, count) else {
            return Ok(());
        };
        let mut columns = columns::<11>(row)?;
        columns[9] = ValueRef::Blob(&body);
        let crc = self.seal.of_values(&columns[..10]);
        self.conn
            .prepare_cached("UPDATE call SET body = ?2, crc = ?3 WHERE id = ?1")?
            .execute((&call[..], &body, crc))?;
        Ok(())
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
