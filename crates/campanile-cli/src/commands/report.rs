//! `campanile report`: what was used and what it cost.

use super::sums::{self, Sums};
use crate::{
    Io,
    fault::Fault,
    moment::Moment,
    settings::Settings,
    table::{Cell, Format, Table, Tone, csv_line},
    text,
};
use campanile_core::{SCHEMA_VERSION, Timestamp};
use campanile_sinks::ledger::{Dimension, Query, ReportRow};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;

const EXAMPLES: &str = "\
A call counts in the row of its last attempt, amounts in the row of the attempt that they are of. \
`wasted` is the part of the cost that nobody heard: attempts that failed, and calls that were cut. \
A cost that is not exact is a range ($0.0002–0.0009), or has no upper bound (≥ $0.0002); \
`unpriced` counts attempts without a full price.

Examples:
  campanile report
  campanile report --since 7d --by day
  campanile report --by stage,outcome --since 2026-11-01 --until 2026-12-01
  campanile report --by session --format csv > sessions.csv
  campanile report --format json | jq -r .total.cost.at_least";

/// What was used and what it cost.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Report {
    /// What rows are made of: one or two, separated by a comma.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["provider", "model"])]
    by: Vec<By>,
    /// Only calls that were opened at this moment or later: RFC 3339, a date (UTC), or 90s, 30m, 2h, 7d, 4w ago.
    #[arg(long, value_parser = Moment::parse, value_name = "MOMENT")]
    since: Option<Moment>,
    /// Only calls that were opened before this moment.
    #[arg(long, value_parser = Moment::parse, value_name = "MOMENT")]
    until: Option<Moment>,
    /// Only calls of this stage.
    #[arg(long)]
    stage: Option<String>,
    /// Only calls of this session.
    #[arg(long)]
    session: Option<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum By {
    Provider,
    Model,
    Stage,
    Session,
    Day,
    Hour,
    Outcome,
}

impl By {
    fn dimension(self) -> Dimension {
        match self {
            By::Provider => Dimension::Provider,
            By::Model => Dimension::Model,
            By::Stage => Dimension::Stage,
            By::Session => Dimension::Session,
            By::Day => Dimension::Day,
            By::Hour => Dimension::Hour,
            By::Outcome => Dimension::Outcome,
        }
    }

    fn name(self) -> &'static str {
        match self {
            By::Provider => "provider",
            By::Model => "model",
            By::Stage => "stage",
            By::Session => "session",
            By::Day => "day",
            By::Hour => "hour",
            By::Outcome => "outcome",
        }
    }
}

/// The whole report, for programs.
#[derive(Serialize)]
struct Document<'a> {
    v: u32,
    by: Vec<&'a str>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    rows: Vec<Row<'a>>,
    total: Sums<'a>,
}

#[derive(Serialize)]
struct Row<'a> {
    /// `null`: nobody said.
    #[serde(flatten)]
    keys: BTreeMap<&'a str, Option<&'a str>>,
    #[serde(flatten)]
    sums: Sums<'a>,
}

impl<'a> Row<'a> {
    fn of(row: &'a ReportRow, by: &[&'a str]) -> Self {
        let known = row
            .keys
            .iter()
            .map(|key| Some(key.as_str()).filter(|key| !key.is_empty()));
        Self {
            keys: by.iter().copied().zip(known).collect(),
            sums: Sums::of(row),
        }
    }
}

impl Report {
    pub(crate) fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        let (since, until) = span(self.since, self.until, io)?;
        if self.by.len() > 2 || (self.by.len() == 2 && self.by[0] == self.by[1]) {
            return Err(Fault::usage(
                "--by takes one or two different words, such as `--by stage,outcome`",
            ));
        }
        let mut query =
            during(since, until).by(self.by.iter().map(|by| by.dimension()).collect::<Vec<_>>());
        if let Some(stage) = &self.stage {
            query = query.stage(stage);
        }
        if let Some(session) = &self.session {
            query = query.session(session);
        }
        let report = settings.reader()?.report(&query).map_err(Fault::usage)?;
        let mut rows: Vec<&ReportRow> = report.rows.iter().collect();
        if !self.by.iter().any(|by| matches!(by, By::Day | By::Hour)) {
            // The dearest first; those alike stay in the order of their keys.
            rows.sort_by_key(|row| std::cmp::Reverse(row.cost.at_least));
        }
        match self.format {
            Format::Table => self.table(&rows, &report.total, io)?,
            Format::Csv => self.csv(&rows, io)?,
            Format::Json => {
                let by: Vec<_> = self.by.iter().map(|by| by.name()).collect();
                let document = Document {
                    v: SCHEMA_VERSION,
                    since,
                    until,
                    rows: rows.iter().map(|row| Row::of(row, &by)).collect(),
                    total: Sums::of(&report.total),
                    by,
                };
                writeln!(io.out, "{}", text::json_document(&document))?;
            }
        }
        Fault::damaged(report.damaged)
    }

    fn table(&self, rows: &[&ReportRow], total: &ReportRow, io: &mut Io<'_>) -> Result<(), Fault> {
        if rows.is_empty() {
            return Ok(writeln!(io.out, "no calls here")?);
        }
        let heads: Vec<&'static str> = self
            .by
            .iter()
            .map(|by| by.name())
            .chain(sums::HEADS)
            .collect();
        let mut table = Table::new(&heads);
        for row in rows {
            let mut cells: Vec<Cell> = row.keys.iter().map(|key| key_cell(key)).collect();
            cells.extend(sums::cells(row));
            table.row(cells);
        }
        let mut cells = vec![Cell::new("total").tone(Tone::Bold)];
        cells.resize(self.by.len(), Cell::default());
        cells.extend(sums::cells(total));
        table.totals(cells);
        Ok(table.draw(&mut io.out, io.terminal.colours)?)
    }

    fn csv(&self, rows: &[&ReportRow], io: &mut Io<'_>) -> Result<(), Fault> {
        let heads: Vec<String> = self
            .by
            .iter()
            .map(|by| by.name().to_owned())
            .chain(sums::csv_heads())
            .collect();
        csv_line(&mut io.out, heads.iter().map(String::as_str))?;
        for row in rows {
            let cells: Vec<String> = row.keys.iter().cloned().chain(sums::csv(row)).collect();
            csv_line(&mut io.out, cells.iter().map(String::as_str))?;
        }
        Ok(())
    }
}

/// A key; a dash where nobody said.
pub(super) fn key_cell(key: &str) -> Cell {
    match key.is_empty() {
        true => Cell::new("–").tone(Tone::Dim),
        false => Cell::new(key),
    }
}

/// Both ends of the time that is asked for.
pub(super) fn span(
    since: Option<Moment>,
    until: Option<Moment>,
    io: &Io<'_>,
) -> Result<(Option<Timestamp>, Option<Timestamp>), Fault> {
    ends(since, until, io.now)
}

/// The same, counted from `now`.
pub(super) fn ends(
    since: Option<Moment>,
    until: Option<Moment>,
    now: Timestamp,
) -> Result<(Option<Timestamp>, Option<Timestamp>), Fault> {
    let resolve = |moment: Option<Moment>| moment.map(|moment| moment.resolve(now));
    let (since, until) = (resolve(since), resolve(until));
    match (since, until) {
        (Some(since), Some(until)) if since >= until => Err(Fault::Usage(format!(
            "--since ({since}) is not before --until ({until})"
        ))),
        ends => Ok(ends),
    }
}

pub(super) fn during(since: Option<Timestamp>, until: Option<Timestamp>) -> Query {
    let mut query = Query::default();
    if let Some(since) = since {
        query = query.since(since);
    }
    if let Some(until) = until {
        query = query.until(until);
    }
    query
}
