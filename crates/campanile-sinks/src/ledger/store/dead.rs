//! Closing what dead processes have left open.

use super::{touched::Hours, tx::Tx};
use crate::ledger::{
    numbers::Numbers,
    row::{CallDetail, Inline, SessionEdge},
    schema::{Val, day_of},
};
use campanile_core::Outcome;
use rusqlite::Connection;

/// Closes what runs left behind whose process is dead.
pub(crate) fn close_run(
    conn: &Connection,
    run: i64,
    seen_at: i64,
    now: i64,
) -> rusqlite::Result<()> {
    let (mut names, mut sessions) = (Numbers::default(), Numbers::default());
    let mut hours = Hours::new();
    let mut tx = Tx::begin(conn, run, &mut names, &mut sessions, &mut hours)?;
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
    let Ok(()) = CallDetail::default().pack(&mut body, &mut Inline);
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
            if let Ok(id) = id.as_slice().try_into() {
                tx.touch(id, *at);
                tx.recount(id)?;
            }
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
