//! `campanile report`: what was used and what it cost.

mod document;
mod masked;
mod page;

use super::{
    budget,
    by::{By, key_cell, rows_by},
    sums,
    which::{Asked, Which},
};
use crate::{
    Io,
    fault::Fault,
    moment::{self, Moment},
    settings::Settings,
    table::{Cell, Table, Tone, csv_line},
    text,
};
use campanile::alerts::Standing;
use campanile_core::Timestamp;
use campanile_sinks::ledger::ReportRow;
use document::Document;
use masked::Masked;
use page::Page;
use std::io::Write;
use std::time::Duration;

const EXAMPLES: &str = "\
A call counts in the row of its last attempt, amounts in the row of the attempt that they are of. \
`wasted` is the part of the cost that nobody heard, and the columns after it say why: `interrupted` (replies that were cut), \
`unplayed` (speech that was made and not played), `retries`, `speculation` (guesses that were wrong), `keep-alive` (silence that was sent), `failed cost`. \
A cost that is not exact is a range ($0.0002–0.0009), or has no upper bound (≥ $0.0002); \
`unpriced` counts attempts without a full price, `known as` is the weakest evidence: reported, measured, estimated, unknown. \
Without --since it is the month so far (UTC), with the budgets beside it.

Examples:
  campanile report
  campanile report --since 7d --by day
  campanile report --by stage,outcome --since 2026-11-01 --until 2026-12-01
  campanile report --by label:tenant --provider openai
  campanile report --by session --format csv > sessions.csv
  campanile report --format json | jq -r .total.cost.at_least
  campanile report --format html > report.html   one file: spend, budgets, latency, errors, waste
  campanile report --since 1h --watch";

/// What was used and what it cost.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Report {
    /// What rows are made of: one or two of provider, model, stage, session, day, hour, outcome, label:NAME, separated by a comma.
    #[arg(long, value_parser = By::parse, value_delimiter = ',', default_values = ["provider", "model"])]
    by: Vec<By>,
    #[command(flatten)]
    which: Which,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Prints it again and again, every 2 s or so often as is said, until it is stopped.
    #[arg(long, value_name = "EVERY", value_parser = every, num_args = 0..=1, require_equals = true, default_missing_value = "2s")]
    watch: Option<Duration>,
    /// Counts what was masked, by type, however many calls there are: that reads each of them. Up to 50,000 are read anyway. A table or JSON.
    #[arg(long)]
    masked: bool,
}

/// Which form a report has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Aligned columns, for people.
    #[default]
    Table,
    /// JSON, for programs.
    Json,
    /// Comma-separated, for spreadsheets.
    Csv,
    /// One page with plots, to send around.
    Html,
}

fn every(text: &str) -> Result<Duration, String> {
    let micros = match Moment::parse(text) {
        Ok(Moment::Ago(micros)) => u64::try_from(micros).unwrap_or(0),
        _ => 0,
    };
    match micros {
        0 => Err("a time between two looks is 2s, 1m, ...".to_owned()),
        micros => Ok(Duration::from_micros(micros)),
    }
}

/// What was found.
struct Found {
    asked: Asked,
    rows: Vec<ReportRow>,
    total: ReportRow,
    budgets: Vec<Standing>,
    masked: Option<Masked>,
}

impl Report {
    pub(crate) fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        let Some(every) = self.watch else {
            return self.once(settings, io.now, io);
        };
        let mut now = io.now;
        loop {
            if io.terminal.out {
                // The one escape sequence of ours that is not a colour: an empty page.
                write!(io.out, "\u{1b}[2J\u{1b}[H")?;
            }
            self.once(settings, now, io)?;
            writeln!(io.out)?;
            io.out.flush()?;
            std::thread::sleep(every);
            now = Timestamp::now();
        }
    }

    fn once(&self, settings: &Settings, now: Timestamp, io: &mut Io<'_>) -> Result<(), Fault> {
        if self.masked && matches!(self.format, Format::Csv | Format::Html) {
            return Err(Fault::usage(
                "--masked counts for a table or JSON: leave out --format, or use --format json",
            ));
        }
        let is_usual = self.which.since.is_none() && self.which.until.is_none();
        let asked = self.which.asked(Some(moment::month_of(now)), now)?;
        let query = rows_by(asked.query.clone(), &self.by, 2)?;
        let reader = settings.reader()?;
        let report = reader.report(&query).map_err(Fault::usage)?;
        let budgets = match self.format {
            Format::Csv => Vec::new(),
            Format::Html if self.which.until.is_none() => budget::standings_of(settings, now)?,
            _ if is_usual => budget::standings_of(settings, now)?,
            _ => Vec::new(),
        };
        let masked = match self.format {
            Format::Csv | Format::Html => None,
            _ => Masked::of(&reader, &asked.query, report.total.calls, self.masked)?,
        };
        let mut found = Found {
            asked,
            masked,
            rows: report.rows,
            total: report.total,
            budgets,
        };
        if !self.by.iter().any(By::is_time) {
            // The dearest first; those alike stay in the order of their keys.
            found
                .rows
                .sort_by_key(|row| std::cmp::Reverse(row.cost.at_least));
        }
        match self.format {
            Format::Table => self.table(&found, io)?,
            Format::Csv => self.csv(&found, io)?,
            Format::Json => {
                let document = Document::of(&found, &self.by);
                writeln!(io.out, "{}", text::json_document(&document))?;
            }
            Format::Html => {
                let page = Page::of(&reader, &found, &self.by, now)?;
                write!(io.out, "{}", page.html())?;
            }
        }
        Fault::damaged(report.damaged)
    }

    fn table(&self, found: &Found, io: &mut Io<'_>) -> Result<(), Fault> {
        let head = Tone::Dim.paint(&between(&found.asked), io.terminal.colours);
        writeln!(io.out, "{head}")?;
        if found.rows.is_empty() {
            writeln!(io.out, "no calls here")?;
        } else {
            self.rows(found, io)?;
            let masked = found
                .masked
                .as_ref()
                .filter(|masked| self.masked || !masked.0.is_empty());
            if let Some(masked) = masked {
                writeln!(io.out, "\n{}", masked.line())?;
            }
        }
        if !found.budgets.is_empty() {
            writeln!(io.out)?;
            budget::table(&found.budgets, io)?;
        }
        Ok(())
    }

    fn rows(&self, found: &Found, io: &mut Io<'_>) -> Result<(), Fault> {
        let heads: Vec<String> = self
            .by
            .iter()
            .map(|by| by.name().into_owned())
            .chain(sums::HEADS.map(str::to_owned))
            .collect();
        let mut table = Table::new(&heads);
        // A model that was asked for, and refused, is no line of a bill; programs get it.
        for row in found.rows.iter().filter(|row| !sums::is_nothing(row)) {
            let mut cells: Vec<Cell> = row.keys.iter().map(|key| key_cell(key)).collect();
            cells.extend(sums::cells(row));
            table.row(cells);
        }
        let mut cells = vec![Cell::new("total").tone(Tone::Bold)];
        cells.resize(self.by.len(), Cell::default());
        cells.extend(sums::cells(&found.total));
        table.totals(cells);
        Ok(table.draw(&mut io.out, io.terminal.colours)?)
    }

    fn csv(&self, found: &Found, io: &mut Io<'_>) -> Result<(), Fault> {
        let heads: Vec<String> = self
            .by
            .iter()
            .map(|by| by.name().into_owned())
            .chain(sums::csv_heads())
            .collect();
        csv_line(&mut io.out, heads.iter().map(String::as_str))?;
        for row in &found.rows {
            let cells: Vec<String> = row.keys.iter().cloned().chain(sums::csv(row)).collect();
            csv_line(&mut io.out, cells.iter().map(String::as_str))?;
        }
        Ok(())
    }
}

/// `2026-11-01 00:00 to now, UTC`
pub(super) fn between(asked: &Asked) -> String {
    let minute = |at: Timestamp| {
        let text = moment::short(at);
        text.strip_suffix(":00").map_or(text.clone(), str::to_owned)
    };
    let since = asked.since.map_or_else(|| "ever".to_owned(), minute);
    let until = asked.until.map_or_else(|| "now".to_owned(), minute);
    match asked.since {
        None if asked.until.is_none() => "all time".to_owned(),
        None => format!("up to {until}, UTC"),
        Some(_) => format!("{since} to {until}, UTC"),
    }
}
