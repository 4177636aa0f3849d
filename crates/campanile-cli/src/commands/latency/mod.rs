//! `campanile latency`: how long things took, and how sure that is.

mod compare;
mod document;
mod histogram;
pub(crate) mod measured;

use super::{
    by::{By, key_cell},
    report::between,
    which::Which,
};
use crate::{
    Io,
    fault::Fault,
    moment::{self, Moment},
    settings::Settings,
    spark::spark,
    table::{Cell, Format, Table, Tone, csv_line, grouped},
    text,
};
use campanile_core::Timestamp;
use campanile_sinks::ledger::Sketch;
use compare::Other;
use measured::{Measured, What, measure, rate};
use std::io::Write;

const EXAMPLES: &str = "\
Percentiles come from sums of distributions and are off by less than 0.8 % of themselves; a percentile that too few calls \
carry (p90 wants 10, p95 20, p99 100) is left out. `n` counts the calls that were timed. Waiting in queues of the program is told \
apart from the provider's time. A call stands in the row of its last attempt. Without --since, the last 24 hours.

Examples:
  campanile latency
  campanile latency --since 2h --stage llm --by model
  campanile latency --since 1d --compare               with the day before
  campanile latency --since 1h --compare '2026-11-23 14:00'
  campanile latency --stage tts --histogram
  campanile latency --format json | jq '.turns.user_to_bot.p95_us'";

/// What is shown of a distribution, in thousandths.
pub(super) const QUANTILES: [(&str, u16); 4] =
    [("p50", 500), ("p90", 900), ("p95", 950), ("p99", 990)];
/// Stretches of a trend.
const TREND: usize = 24;

/// Percentiles of turns and calls: user to bot, queue wait, first item, whole call.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Latency {
    /// What rows are made of: some of stage, provider, model, outcome, session, day, hour, label:NAME, separated by a comma.
    #[arg(long, value_parser = By::parse, value_delimiter = ',', default_values = ["stage", "provider", "model", "outcome"])]
    by: Vec<By>,
    #[command(flatten)]
    which: Which,
    /// Also what changed since another time of the same length: the one that begins then, or the one before. A table or JSON.
    #[arg(long, value_name = "MOMENT", value_parser = Other::parse, num_args = 0..=1, default_missing_value = "before")]
    compare: Option<Other>,
    /// Also how the times are distributed: in a table, of one time.
    #[arg(long)]
    histogram: bool,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Latency {
    pub(crate) fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        self.fits()?;
        let asked = self
            .which
            .asked(Some(Timestamp(io.now.0 - Timestamp::DAY_US)), io.now)?;
        let until = asked.until.unwrap_or(io.now);
        let reader = settings.reader()?;
        let measured = measure(&reader, &asked.query, &self.by, asked.since, until)?;
        let other = match self.compare {
            None => None,
            Some(other) => {
                let (since, end) = other.range(asked.since, until, io.now)?;
                let asked = self.which.between(Some(since), Some(end));
                Some(measure(&reader, &asked.query, &self.by, Some(since), end)?)
            }
        };
        let damaged = measured.damaged + other.as_ref().map_or(0, |other| other.damaged);
        match self.format {
            Format::Table => {
                let head = between(&asked);
                self.table(&head, &measured, other.as_ref(), io)?;
            }
            Format::Json => {
                let document = document::document(&measured, other.as_ref(), &self.by);
                writeln!(io.out, "{}", text::json_document(&document))?;
            }
            Format::Csv => csv(&measured, &self.by, io)?,
        }
        Fault::damaged(damaged)
    }

    /// Nothing that was asked for is left out without a word.
    fn fits(&self) -> Result<(), Fault> {
        let is_table = matches!(self.format, Format::Table);
        if self.histogram && (!is_table || self.compare.is_some()) {
            return Err(Fault::usage(
                "--histogram draws a table of one time: leave out --format and --compare",
            ));
        }
        if self.compare.is_some() && matches!(self.format, Format::Csv) {
            return Err(Fault::usage(
                "--compare has no CSV: use --format json, or none",
            ));
        }
        Ok(())
    }

    fn table(
        &self,
        head: &str,
        measured: &Measured,
        other: Option<&Measured>,
        io: &mut Io<'_>,
    ) -> Result<(), Fault> {
        let dim = |text: &str| Tone::Dim.paint(text, io.terminal.colours);
        let first = dim(&format!("{head}; percentiles within ±0.8 %"));
        writeln!(io.out, "{first}")?;
        if measured.groups.is_empty() && measured.turns.turns == 0 {
            return Ok(writeln!(io.out, "no calls here")?);
        }
        if let Some(other) = other {
            return compare::table(measured, other, &self.by, io);
        }
        self.turns(measured, io)?;
        for what in What::ALL {
            self.calls(measured, what, io)?;
        }
        throughput(measured, io)?;
        if self.histogram {
            histogram::draw(measured, io)?;
        }
        Ok(())
    }

    fn turns(&self, measured: &Measured, io: &mut Io<'_>) -> Result<(), Fault> {
        let turns = &measured.turns;
        if turns.user_to_bot.count() == 0 {
            return Ok(());
        }
        title("user to bot", io)?;
        let mut table = Table::new(&heads(&["turns".to_owned()]));
        let said = match turns.interrupted {
            0 => "all".to_owned(),
            n => format!("{} of {} interrupted", grouped(n), grouped(turns.turns)),
        };
        let trend = spark(&measured.turn_trend(TREND));
        table.row(cells(vec![Cell::new(said)], &turns.user_to_bot, trend));
        Ok(table.draw(&mut io.out, io.terminal.colours)?)
    }

    fn calls(&self, measured: &Measured, what: What, io: &mut Io<'_>) -> Result<(), Fault> {
        let timed = || {
            measured
                .groups
                .iter()
                .filter(|(_, group)| group.all.of(what).count() > 0)
        };
        if timed().next().is_none() {
            return Ok(());
        }
        title(what.title(), io)?;
        let names: Vec<String> = self.by.iter().map(|by| by.name().into_owned()).collect();
        let mut table = Table::new(&heads(&names));
        for (keys, group) in timed() {
            let keys = keys.iter().map(|key| key_cell(key)).collect();
            let trend = spark(&measured.call_trend(group, what, TREND));
            table.row(cells(keys, group.all.of(what), trend));
        }
        Ok(table.draw(&mut io.out, io.terminal.colours)?)
    }
}

fn title(title: &str, io: &mut Io<'_>) -> Result<(), Fault> {
    let title = Tone::Bold.paint(title, io.terminal.colours);
    Ok(writeln!(io.out, "\n{title}")?)
}

fn heads(names: &[String]) -> Vec<String> {
    let columns = [
        ">n",
        ">p50",
        ">p90",
        ">p95",
        ">p99",
        ">longest",
        "median over time",
    ];
    names
        .iter()
        .cloned()
        .chain(columns.map(str::to_owned))
        .collect()
}

fn cells(mut keys: Vec<Cell>, sketch: &Sketch, trend: String) -> Vec<Cell> {
    keys.push(Cell::new(grouped(sketch.count())));
    keys.extend(QUANTILES.map(|(_, per_mille)| quantile_cell(sketch, per_mille)));
    keys.push(Cell::new(
        sketch.most_us().map(moment::span).unwrap_or_default(),
    ));
    keys.push(Cell::new(trend).tone(Tone::Dim));
    keys
}

/// A dash where too few calls carry it.
fn quantile_cell(sketch: &Sketch, per_mille: u16) -> Cell {
    match sketch.quantile(per_mille) {
        Some(us) => Cell::new(moment::span(us)),
        None => Cell::new("–").tone(Tone::Dim),
    }
}

fn throughput(measured: &Measured, io: &mut Io<'_>) -> Result<(), Fault> {
    let Some(span) = measured.span_us() else {
        return Ok(());
    };
    title("throughput", io)?;
    let rates = measured.amounts();
    let rates = rates.iter().filter(|(_, _, count)| *count > 0);
    let rates: Vec<String> = rates
        .map(|(_, what, count)| {
            let rate = rate(*count, span);
            let (number, unit) = rate.split_once('/').unwrap_or((&rate, "s"));
            format!("{number} {what}/{unit}")
        })
        .collect();
    Ok(writeln!(io.out, "{}", rates.join(", "))?)
}

fn csv(measured: &Measured, by: &[By], io: &mut Io<'_>) -> Result<(), Fault> {
    let columns = [
        "what", "n", "p50_us", "p90_us", "p95_us", "p99_us", "mean_us", "least_us", "most_us",
    ];
    let names: Vec<String> = by.iter().map(|by| by.name().into_owned()).collect();
    let heads = names.iter().map(String::as_str).chain(columns);
    csv_line(&mut io.out, heads)?;
    let line = |keys: &[String], what: &str, sketch: &Sketch, out: &mut dyn Write| {
        let number =
            |number: Option<u64>| number.map_or(String::new(), |number| number.to_string());
        let mut cells: Vec<String> = keys.to_vec();
        cells.extend([what.to_owned(), sketch.count().to_string()]);
        cells.extend(QUANTILES.map(|(_, per_mille)| number(sketch.quantile(per_mille))));
        cells.extend([sketch.mean_us(), sketch.least_us(), sketch.most_us()].map(number));
        csv_line(out, cells.iter().map(String::as_str))
    };
    let nobody = vec![String::new(); by.len()];
    line(
        &nobody,
        "user_to_bot",
        &measured.turns.user_to_bot,
        &mut io.out,
    )?;
    for (keys, group) in &measured.groups {
        for what in What::ALL {
            line(keys, what.key(), group.all.of(what), &mut io.out)?;
        }
    }
    Ok(())
}
