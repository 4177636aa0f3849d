//! `campanile budget`: where budgets stand, and whether they hold.

use crate::{
    Io,
    fault::Fault,
    moment::Moment,
    money::{self, Amount, Range},
    settings::Settings,
    table::{Cell, Format, Table, Tone, csv_line},
    text,
};
use campanile::alerts::{Standing, Watch};
use campanile_core::{LocalTime, Money, SCHEMA_VERSION, Timestamp};
use serde::Serialize;
use std::io::Write;

const EXAMPLES: &str = "\
Budgets stand in the configuration, what was spent in the ledger: of all processes that write it. \
The upper bound of a cost counts; what has none counts with its lower one, and never holds for certain.

Examples:
  campanile budget                            what is spent of each, and until when it lasts
  campanile budget --at 2026-10-31            as it stood then
  campanile budget check || send-a-mail       for cron: 1 when a limit is reached, or nobody knows
  campanile budget check --share 0.8          1 when 80 % of a limit are reached";

/// Lists budgets: what is spent, and when the limit is reached at this rate.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Budget {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Exit 1 when a budget is used up, or what was spent has no upper bound; names it on stdout.
    Check {
        /// The share of the limit that must not be reached.
        #[arg(long, default_value = "1", value_parser = share)]
        share: u64,
        /// The moment whose windows are asked for. Default: now.
        #[arg(long, value_parser = Moment::parse, value_name = "MOMENT")]
        at: Option<Moment>,
    },
}

#[derive(Debug, clap::Args)]
struct List {
    /// The moment whose windows are asked for. Default: now.
    #[arg(long, value_parser = Moment::parse, value_name = "MOMENT")]
    at: Option<Moment>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A share of a limit, in thousandths.
fn share(text: &str) -> Result<u64, String> {
    let share = money::share(text).filter(|share| *share > 0);
    share.ok_or_else(|| {
        "a share is a number above 0 with at most three decimals, such as 0.8".to_owned()
    })
}

/// A standing, for programs.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    budget: &'a str,
    /// `null`: all together.
    subject: Option<&'a str>,
    window: &'a str,
    rolling: bool,
    since: LocalTime,
    until: LocalTime,
    spent: Amount,
    limit_usd: Money,
    /// Decimal, rounded down to thousandths.
    share: String,
    /// `null`: reached already, or not in this window.
    exhausted_at: Option<LocalTime>,
}

impl<'a> Row<'a> {
    pub(super) fn of(standing: &'a Standing) -> Self {
        Self {
            budget: &standing.budget,
            subject: standing.subject.as_deref(),
            window: &standing.window,
            rolling: standing.rolling,
            since: standing.since,
            until: standing.until,
            spent: Range::of(&standing.spent).into(),
            limit_usd: standing.limit,
            share: decimal(standing.thousandths()),
            exhausted_at: standing.exhausted_at,
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    v: u32,
    at: Timestamp,
    budgets: Vec<Row<'a>>,
}

impl Budget {
    pub(crate) fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        match self.what {
            Some(What::Check { share, at }) => check(settings, share, at, io),
            None => self.list.run(settings, io),
        }
    }
}

/// Where the budgets stand in the windows of a moment.
fn standings(settings: &Settings, now: Timestamp) -> Result<Vec<Standing>, Fault> {
    let config = settings.config()?;
    if config.budget.is_empty() {
        let file = config
            .file
            .as_deref()
            .map(|file| file.display().to_string());
        return Err(Fault::Usage(format!(
            "{}: there is no budget; add a `[[budget]]`",
            file.as_deref().unwrap_or("campanile.toml")
        )));
    }
    standings_of(settings, now)
}

/// The same; none where there is no budget.
pub(super) fn standings_of(settings: &Settings, now: Timestamp) -> Result<Vec<Standing>, Fault> {
    let budgets = settings.config()?.budgets().map_err(Fault::usage)?;
    if budgets.is_empty() {
        return Ok(Vec::new());
    }
    let mut watch = Watch::new(settings.ledger_path()?, budgets);
    let mut standings = watch.standings(now).map_err(Fault::usage)?;
    standings.retain(|standing| standing.until.at > now);
    Ok(standings)
}

fn check(
    settings: &Settings,
    share: u64,
    at: Option<Moment>,
    io: &mut Io<'_>,
) -> Result<(), Fault> {
    let now = at.map_or(io.now, |at| at.resolve(io.now));
    let standings = standings(settings, now)?;
    let open = |standing: &Standing| standing.spent.at_most.is_none();
    let (bad, good): (Vec<_>, Vec<_>) = standings
        .iter()
        .partition(|standing| standing.reaches(share) || open(standing));
    for standing in &bad {
        let why = match standing.reaches(share) {
            true => format!("{} reached", percent(share)),
            false => "what was spent has no upper bound".to_owned(),
        };
        let resets = resets(standing).map_or(String::new(), |at| format!("; resets {at}"));
        let line = format!(
            "{}: {} of {} in {}, {why}{resets}",
            whose(standing),
            Range::of(&standing.spent).shown(),
            dollars(standing.limit),
            standing.window,
        );
        writeln!(io.out, "{}", text::clean(&line))?;
    }
    match bad.is_empty() {
        false => Err(Fault::Told(1)),
        true if io.terminal.out => Ok(writeln!(io.out, "all {} hold", good.len())?),
        // Cron mails what is printed.
        true => Ok(()),
    }
}

impl List {
    fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        let now = self.at.map_or(io.now, |at| at.resolve(io.now));
        let standings = standings(settings, now)?;
        match self.format {
            Format::Table => table(&standings, io),
            Format::Csv => csv(&standings, io),
            Format::Json => {
                let document = Document {
                    v: SCHEMA_VERSION,
                    at: now,
                    budgets: standings.iter().map(Row::of).collect(),
                };
                Ok(writeln!(io.out, "{}", text::json_document(&document))?)
            }
        }
    }
}

pub(super) fn table(standings: &[Standing], io: &mut Io<'_>) -> Result<(), Fault> {
    if standings.is_empty() {
        return Ok(writeln!(io.out, "nothing is spent of any budget")?);
    }
    let heads = [
        "budget",
        "whose",
        "window",
        ">spent",
        ">limit",
        ">share",
        "at this rate",
        "resets",
    ];
    let mut table = Table::new(&heads);
    for standing in standings {
        let share = standing.thousandths();
        let tone = match share {
            1_000.. => Tone::Bad,
            800.. => Tone::Bold,
            _ => Tone::Plain,
        };
        let lasts = match standing.exhausted_at {
            Some(at) => Cell::new(format!("until {}", at.told())),
            None if standing.reaches(1_000) => Cell::new("used up").tone(Tone::Bad),
            None if standing.spent.at_most.is_none() => Cell::new("nobody knows"),
            None => Cell::new("lasts").tone(Tone::Dim),
        };
        table.row(vec![
            Cell::new(standing.budget.trim_start_matches("budget:")),
            Cell::new(standing.subject.clone().unwrap_or_default()),
            Cell::new(standing.window.as_str()),
            Cell::new(Range::of(&standing.spent).shown()),
            Cell::new(dollars(standing.limit)),
            Cell::new(percent(share)).tone(tone),
            lasts,
            Cell::new(resets(standing).unwrap_or_default()),
        ]);
    }
    Ok(table.draw(&mut io.out, io.terminal.colours)?)
}

fn csv(standings: &[Standing], io: &mut Io<'_>) -> Result<(), Fault> {
    let heads = [
        "budget",
        "subject",
        "window",
        "since",
        "until",
        "spent_usd_at_least",
        "spent_usd_at_most",
        "limit_usd",
        "share",
        "exhausted_at",
    ];
    csv_line(&mut io.out, heads)?;
    for standing in standings {
        let most = standing.spent.at_most.map(|most| most.to_string());
        let cells = [
            standing.budget.to_string(),
            standing.subject.clone().unwrap_or_default(),
            standing.window.to_string(),
            standing.since.to_string(),
            standing.until.to_string(),
            standing.spent.at_least.to_string(),
            most.unwrap_or_default(),
            standing.limit.to_string(),
            decimal(standing.thousandths()),
            standing
                .exhausted_at
                .map_or(String::new(), |at| at.to_string()),
        ];
        csv_line(&mut io.out, cells.iter().map(String::as_str))?;
    }
    Ok(())
}

fn whose(standing: &Standing) -> String {
    match &standing.subject {
        Some(subject) => format!("{} ({subject})", standing.budget),
        None => standing.budget.to_string(),
    }
}

/// When the window is over, where it has an end.
fn resets(standing: &Standing) -> Option<String> {
    (!standing.rolling).then(|| standing.until.to_string())
}

fn dollars(limit: Money) -> String {
    Range {
        at_least: limit,
        at_most: Some(limit),
    }
    .shown()
}

/// `82 %`, `82.5 %`.
fn percent(thousandths: u64) -> String {
    match thousandths % 10 {
        0 => format!("{} %", thousandths / 10),
        tenth => format!("{}.{tenth} %", thousandths / 10),
    }
}

/// Thousandths as a decimal number.
fn decimal(thousandths: u64) -> String {
    format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
}
