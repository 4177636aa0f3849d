//! Sums that stand for calls which did not fit into memory.

use super::report::ReportRow;
use crate::ledger::{
    place::Place,
    row::{Labels, outcome_of},
    schema::Seal,
    store::Dictionary,
    sum::Sum,
};
use campanile_core::Timestamp;
use rusqlite::Connection;

/// A sum that stands for calls that did not fit into memory.
pub(crate) struct FoldRow {
    pub(crate) id: String,
    pub(super) place: Place<'static>,
    pub(super) sum: Sum,
}

impl FoldRow {
    pub(crate) fn to_json(&self, names: &Dictionary) -> serde_json::Value {
        let name = |id: Option<i64>| id.and_then(|id| names.get(id));
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
                    map.insert(key.into(), text.into());
                }
            }
            if let Some(outcome) = self.place.outcome {
                map.insert("outcome".into(), outcome.name().into());
            }
        }
        json
    }
}

const FOLD: &str = "SELECT run, seq, at, stage, provider, model, outcome, body, crc FROM fold";

/// Folds that are as they were written.
pub(crate) fn folds(conn: &Connection) -> rusqlite::Result<Vec<FoldRow>> {
    read(conn, &format!("{FOLD} ORDER BY run, seq"), [])
}

/// One of them, by its run and its number there.
pub(crate) fn fold(conn: &Connection, run: i64, seq: i64) -> rusqlite::Result<Option<FoldRow>> {
    let found = read(
        conn,
        &format!("{FOLD} WHERE run = ?1 AND seq = ?2"),
        [run, seq],
    )?;
    Ok(found.into_iter().next())
}

fn read(
    conn: &Connection,
    sql: &str,
    which: impl rusqlite::Params,
) -> rusqlite::Result<Vec<FoldRow>> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(which)?;
    let mut seal = Seal::default();
    let mut folds = Vec::new();
    while let Some(row) = rows.next()? {
        if !seal.holds(row, 8)? {
            continue;
        }
        let (run, seq): (i64, i64) = (row.get(0)?, row.get(1)?);
        let place = Place {
            at: row.get(2)?,
            stage: row.get(3)?,
            session: None,
            provider: row.get(4)?,
            model: row.get(5)?,
            outcome: outcome_of(row.get(6)?),
            labels: Labels::default(),
        };
        folds.push(FoldRow {
            id: format!("fold-{run}-{seq}"),
            place,
            sum: Sum::unpack(row.get_ref(7)?.as_blob()?).unwrap_or_default(),
        });
    }
    Ok(folds)
}
