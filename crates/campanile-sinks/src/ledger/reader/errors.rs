//! Failed calls by fingerprint.

use super::query::{Filter, Query};
use crate::ledger::{row::FailureRow, store::Dictionary};
use campanile_core::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use std::collections::HashMap;

/// Calls that failed in the same way.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct FailureGroup {
    /// The same for the same trouble.
    pub fingerprint: String,
    /// The kind.
    pub kind: &'static str,
    /// The provider's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Calls.
    pub count: u64,
    /// When the first of them was opened.
    pub first_at: Timestamp,
    /// When the last of them was opened.
    pub last_at: Timestamp,
    /// Their stages.
    pub stages: Vec<String>,
    /// The redacted texts of the error and its sources.
    pub chain: Vec<String>,
    /// The redacted backtrace of the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backtrace: Option<String>,
}

impl FailureGroup {
    /// Adds those of another file.
    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.first_at = self.first_at.min(other.first_at);
        self.last_at = self.last_at.max(other.last_at);
        for stage in other.stages {
            if !self.stages.contains(&stage) {
                self.stages.push(stage);
            }
        }
    }

    /// Reads what stands once for all that failed so.
    pub(super) fn read_texts(
        &mut self,
        conn: &Connection,
        names: &Dictionary,
    ) -> rusqlite::Result<()> {
        type Texts = (u8, Option<i64>, String, Option<String>);
        let sql = "SELECT kind, code, chain, backtrace FROM failure WHERE id = ?1";
        let texts: Option<Texts> = conn
            .prepare_cached(sql)?
            .query_row([names.id(&self.fingerprint)], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        let Some((kind, code, chain, backtrace)) = texts else {
            return Ok(());
        };
        let row = FailureRow {
            kind,
            ..FailureRow::default()
        };
        self.kind = row.kind_name();
        self.code = code.and_then(|id| names.get(id)).map(str::to_owned);
        self.chain = serde_json::from_str(&chain).unwrap_or_default();
        self.backtrace = backtrace;
        Ok(())
    }
}

/// What failed, in no order, without texts.
pub(super) fn failure_groups(
    conn: &Connection,
    query: &Query,
) -> rusqlite::Result<Vec<FailureGroup>> {
    let names = Dictionary::names(conn)?;
    let word = |id| names.get(id).map(str::to_owned);
    let Some(filter) = Filter::of(conn, query, &names)? else {
        return Ok(Vec::new());
    };
    let mut groups: HashMap<i64, (u64, i64, i64, Vec<i64>)> = HashMap::new();
    let mut statement =
        conn.prepare("SELECT failure, at, stage, session FROM call WHERE failure IS NOT NULL")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, at, stage): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if filter.takes_call(at, stage, row.get(3)?) {
            let (count, first, last, stages) = groups.entry(id).or_insert((0, at, at, Vec::new()));
            (*count, *first, *last) = (*count + 1, at.min(*first), at.max(*last));
            if !stages.contains(&stage) {
                stages.push(stage);
            }
        }
    }
    let groups = groups.into_iter();
    let groups = groups.map(|(id, (count, first, last, stages))| {
        let stages = stages.into_iter().filter_map(word);
        FailureGroup {
            fingerprint: word(id).unwrap_or_default(),
            kind: FailureRow::default().kind_name(),
            code: None,
            count,
            first_at: Timestamp(first),
            last_at: Timestamp(last),
            stages: stages.collect(),
            chain: Vec::new(),
            backtrace: None,
        }
    });
    Ok(groups.collect())
}
