//! Rows of sessions and their turns.

use super::{insert::put, tx::Tx};
use crate::ledger::{
    row::{SessionEdge, TurnRow},
    schema::{Seal, Val},
    span::hour_of,
    turns::TurnSum,
};
use rusqlite::{Connection, OptionalExtension};

impl Tx<'_> {
    /// The number of a session.
    pub(super) fn session(&mut self, name: Option<&str>) -> rusqlite::Result<Option<i64>> {
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
    pub(super) fn session_edge(&mut self, edge: &SessionEdge<'_>) -> rusqlite::Result<()> {
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

    pub(super) fn turn(&mut self, row: &TurnRow<'_>) -> rusqlite::Result<bool> {
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
        let created = put(
            &mut self.conn.prepare_cached(statement)?,
            &mut self.seal,
            &values,
        )?;
        if created {
            let sum = self.turn_hours.entry(hour_of(row.at)).or_default();
            sum.turn(&row.detail);
        }
        Ok(created)
    }
}

/// Adds turns to the sums of their hour.
pub(crate) fn add_turn_hour(
    conn: &Connection,
    seal: &mut Seal,
    hour: i64,
    sum: &mut TurnSum,
) -> rusqlite::Result<()> {
    let known = conn
        .prepare_cached("SELECT body FROM turn_hour WHERE hour = ?1")?
        .query_row([hour], |row| {
            Ok(row.get_ref(0)?.as_blob().ok().and_then(TurnSum::unpack))
        })
        .optional()?;
    if let Some(known) = known.flatten() {
        sum.absorb(&known);
    }
    let mut body = Vec::new();
    sum.pack(&mut body);
    let row = [Val::Int(hour), Val::Blob(&body)];
    let statement = "INSERT OR REPLACE INTO turn_hour VALUES(?1, ?2, ?3)";
    put(&mut conn.prepare_cached(statement)?, seal, &row).map(drop)
}
