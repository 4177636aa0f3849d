//! What a newer version keeps beside the rows, made of the rows of an older one.

use super::{
    codec::Unpack,
    row::TurnDetail,
    schema::Seal,
    span::{Span, hour_of, millis_of},
    store::{Dictionary, add_turn_hour},
    turns::TurnSum,
};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// Bounds of hours and sums of turns, which version 2 did not keep.
pub(super) fn version_3(conn: &Connection) -> rusqlite::Result<()> {
    let mut hours: BTreeMap<i64, Span> = BTreeMap::new();
    for sql in ["SELECT id, at FROM call", "SELECT call, at FROM open"] {
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let Ok(id) = row.get_ref(0)?.as_blob()?.try_into() else {
                continue;
            };
            let span = Span::around(millis_of(id));
            let known = hours.entry(hour_of(row.get(1)?)).or_insert(span);
            *known = known.hull(span);
        }
    }
    let mut insert = conn.prepare("INSERT INTO hour VALUES(?1, ?2, ?3)")?;
    for (hour, span) in hours {
        insert.execute([hour, span.low, span.high])?;
    }
    turns(conn)
}

fn turns(conn: &Connection) -> rusqlite::Result<()> {
    let names = Dictionary::names(conn)?;
    let mut hours: BTreeMap<i64, TurnSum> = BTreeMap::new();
    let mut statement = conn.prepare("SELECT at, body FROM turn")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(1)?.as_blob()?;
        if let Some(turn) = TurnDetail::unpack(&mut Unpack(body), &&names) {
            hours.entry(hour_of(row.get(0)?)).or_default().turn(&turn);
        }
    }
    let mut seal = Seal::default();
    for (hour, mut sum) in hours {
        add_turn_hour(conn, &mut seal, hour, &mut sum)?;
    }
    Ok(())
}
