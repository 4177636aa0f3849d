//! A report for programs.

use super::Found;
use crate::commands::{budget, by::By, sums::Sums};
use campanile_core::{SCHEMA_VERSION, Timestamp};
use campanile_sinks::ledger::ReportRow;
use serde::Serialize;
use std::collections::BTreeMap;

/// The whole report.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    v: u32,
    by: Vec<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    rows: Vec<Row<'a>>,
    total: Sums<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    budgets: Vec<budget::Row<'a>>,
    /// Finds that were masked, by type. Absent: there are too many calls to count by the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    masked: Option<&'a BTreeMap<String, u64>>,
}

#[derive(Serialize)]
struct Row<'a> {
    /// `null`: nobody said.
    #[serde(flatten)]
    keys: BTreeMap<String, Option<&'a str>>,
    #[serde(flatten)]
    sums: Sums<'a>,
}

impl<'a> Document<'a> {
    pub(super) fn of(found: &'a Found, by: &[By]) -> Self {
        let by: Vec<String> = by.iter().map(|by| by.name().into_owned()).collect();
        Self {
            v: SCHEMA_VERSION,
            since: found.asked.since,
            until: found.asked.until,
            rows: found.rows.iter().map(|row| Row::of(row, &by)).collect(),
            total: Sums::of(&found.total),
            budgets: found.budgets.iter().map(budget::Row::of).collect(),
            by,
            masked: found.masked.as_ref().map(|masked| &masked.0),
        }
    }
}

impl<'a> Row<'a> {
    fn of(row: &'a ReportRow, by: &[String]) -> Self {
        let known = row
            .keys
            .iter()
            .map(|key| Some(key.as_str()).filter(|key| !key.is_empty()));
        Self {
            keys: by.iter().cloned().zip(known).collect(),
            sums: Sums::of(row),
        }
    }
}
