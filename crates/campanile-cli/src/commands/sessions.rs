//! `campanile sessions`: the list of them.

use super::{
    sums::{self, Sums},
    which::{Which, limit},
};
use crate::{
    Io,
    fault::Fault,
    moment,
    settings::Settings,
    table::{Cell, Format, Table, csv_line},
    text,
};
use campanile_core::{SCHEMA_VERSION, Timestamp};
use campanile_sinks::ledger::SessionRow;
use serde::Serialize;
use std::io::Write;
use std::num::NonZero;

const EXAMPLES: &str = "\
Examples:
  campanile sessions --since 2h
  campanile sessions --failed --limit 10
  campanile sessions --limit 5 --format json";

/// Lists sessions, the latest first, with the sums of their calls.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Sessions {
    #[command(flatten)]
    which: Which,
    /// Only sessions in which a call failed, or their process died.
    #[arg(long)]
    failed: bool,
    /// No more than so many.
    #[arg(long, value_name = "N", value_parser = limit)]
    limit: Option<NonZero<usize>>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Document<'a> {
    v: u32,
    sessions: Vec<Row<'a>>,
}

/// A session, for programs.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    session: &'a str,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    reason: Option<&'a str>,
    turns: u64,
    interrupted: u64,
    #[serde(flatten)]
    sums: Sums<'a>,
}

impl<'a> Row<'a> {
    pub(super) fn of(row: &'a SessionRow) -> Self {
        Self {
            session: &row.session,
            started_at: row.started_at,
            ended_at: row.ended_at,
            reason: row.reason.as_deref(),
            turns: row.turns,
            interrupted: row.interrupted,
            sums: Sums::of(&row.sum),
        }
    }
}

impl Sessions {
    pub(crate) fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        let asked = self.which.asked(None, io.now)?;
        let mut rows = settings
            .reader()?
            .sessions(&asked.query)
            .map_err(Fault::usage)?;
        if self.failed {
            rows.retain(|row| row.sum.failed + row.sum.crashed > 0);
        }
        rows.truncate(self.limit.map_or(usize::MAX, NonZero::get));
        match self.format {
            Format::Json => {
                let sessions = rows.iter().map(Row::of).collect();
                let document = Document {
                    v: SCHEMA_VERSION,
                    sessions,
                };
                writeln!(io.out, "{}", text::json_document(&document))?;
            }
            Format::Csv => csv(&rows, io)?,
            Format::Table => table(&rows, io)?,
        }
        Ok(())
    }
}

/// How long a session was, where both ends are known.
pub(super) fn length_us(row: &SessionRow) -> Option<u64> {
    let (start, end) = row.started_at.zip(row.ended_at)?;
    u64::try_from(end.0.checked_sub(start.0)?).ok()
}

fn table(rows: &[SessionRow], io: &mut Io<'_>) -> Result<(), Fault> {
    if rows.is_empty() {
        return Ok(writeln!(io.out, "no sessions here")?);
    }
    let heads = [
        "session",
        "started (UTC)",
        ">length",
        "ended",
        ">turns",
        ">interrupted",
    ];
    let heads: Vec<&'static str> = heads.into_iter().chain(sums::HEADS).collect();
    let mut table = Table::new(&heads);
    for row in rows {
        let mut cells = vec![
            Cell::new(row.session.as_str()),
            Cell::new(row.started_at.map(moment::short).unwrap_or_default()),
            Cell::new(length_us(row).map(moment::minutes).unwrap_or_default()),
            Cell::new(row.reason.as_deref().unwrap_or_default()),
            Cell::count(row.turns),
            Cell::count(row.interrupted),
        ];
        cells.extend(sums::cells(&row.sum));
        table.row(cells);
    }
    Ok(table.draw(&mut io.out, io.terminal.colours)?)
}

fn csv(rows: &[SessionRow], io: &mut Io<'_>) -> Result<(), Fault> {
    let heads = [
        "session",
        "started_at",
        "ended_at",
        "reason",
        "turns",
        "interrupted",
    ];
    let heads: Vec<String> = heads
        .map(str::to_owned)
        .into_iter()
        .chain(sums::csv_heads())
        .collect();
    csv_line(&mut io.out, heads.iter().map(String::as_str))?;
    for row in rows {
        let moment = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        let cells = [
            row.session.clone(),
            moment(row.started_at),
            moment(row.ended_at),
            row.reason.clone().unwrap_or_default(),
            row.turns.to_string(),
            row.interrupted.to_string(),
        ];
        let cells: Vec<String> = cells.into_iter().chain(sums::csv(&row.sum)).collect();
        csv_line(&mut io.out, cells.iter().map(String::as_str))?;
    }
    Ok(())
}
