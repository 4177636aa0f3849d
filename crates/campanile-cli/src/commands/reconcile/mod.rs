//! `campanile reconcile`: what the provider bills, beside what the ledger says.

mod cartesia;
mod deepgram;
mod line;
mod openai;
mod sides;
mod theirs;

use crate::{
    Io,
    fault::Fault,
    money::{self, Amount, Range},
    settings::Settings,
    table::{Cell, Format, Table, Tone, csv_line},
    text,
};
use campanile_core::{Money, Name, SCHEMA_VERSION, Timestamp};
use campanile_pricing::Book;
use line::{Line, Prices, Why, distance};
use serde::Serialize;
use sides::Sides;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use theirs::Provider;

const EXAMPLES: &str = "\
Save the replies of the provider's own endpoints, all pages, one after the other:
  openai    /v1/organization/costs?group_by=line_item&…, /v1/organization/usage/completions?group_by=model&…
  deepgram  /v1/projects/ID/usage/breakdown?grouping=models&…, …/billing/breakdown?grouping=line_item&…, …/requests
  cartesia  /usage/credits?interval=day&…

A line is a UTC day (or a longer bucket of theirs) and a model. `why` says what explains the difference: the price \
(the same was used), the quantity (at the same price), or what is missing on one side. Lines that may not be \
settled yet are marked and do not count.

Examples:
  campanile reconcile --provider openai costs.json completions.json
  campanile reconcile --provider deepgram usage.json billing.json --tolerance 5%
  campanile reconcile --provider openai costs.json usage.json --correct corrected.toml";

/// Compares the ledger with the provider's own usage and bill; exit 1 when they are too far apart.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Reconcile {
    /// Whose replies they are.
    #[arg(long, value_enum)]
    provider: Provider,
    /// Replies of the provider's usage endpoints, as they were saved.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How far apart the totals may be: a share of theirs.
    #[arg(long, default_value = "20%", value_parser = tolerance, value_name = "SHARE")]
    tolerance: u64,
    /// Hold each line to the tolerance, not only the total.
    #[arg(long)]
    each: bool,
    /// What ended less than so many hours ago may not be settled.
    #[arg(long, default_value_t = 6, value_name = "HOURS")]
    settle: u32,
    /// The plan that is paid for, where the price of a credit depends on it.
    #[arg(long, value_parser = plan)]
    plan: Option<Name>,
    /// Writes prices that explain the bill as an override file for `[prices] file`.
    #[arg(long, value_name = "FILE")]
    correct: Option<PathBuf>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

fn tolerance(text: &str) -> Result<u64, String> {
    money::share(text)
        .ok_or_else(|| "a tolerance is a share to the thousandth, such as 20% or 0.2".to_owned())
}

fn plan(text: &str) -> Result<Name, String> {
    Name::outside(text).ok_or_else(|| "a plan is a name, such as `scale`".to_owned())
}

/// Sums of the lines that count.
#[derive(Clone, Copy, Debug)]
struct Total {
    theirs: Money,
    ours: Range,
}

impl Total {
    fn of(lines: &[Line]) -> Self {
        let mut total = Self {
            theirs: Money::ZERO,
            ours: Range {
                at_least: Money::ZERO,
                at_most: Some(Money::ZERO),
            },
        };
        let largest = Money::from_grains(i128::MAX);
        for line in lines.iter().filter(|line| line.settled) {
            let billed = line.theirs.unwrap_or(Money::ZERO);
            total.theirs = total.theirs.checked_add(billed).unwrap_or(largest);
            let least = total.ours.at_least.checked_add(line.ours.at_least);
            total.ours.at_least = least.unwrap_or(largest);
            let most = total.ours.at_most.zip(line.ours.at_most);
            total.ours.at_most = most.and_then(|(sum, most)| sum.checked_add(most));
        }
        total
    }

    fn apart(self) -> Money {
        distance(self.theirs, self.ours)
    }
}

/// How far apart, in thousandths of theirs; where they bill nothing, all of it.
fn share(apart: Money, theirs: Money) -> i128 {
    match (apart.grains(), theirs.grains()) {
        (0, _) => 0,
        (apart, 0) => apart.signum() * 1_000,
        (apart, theirs) => apart / (theirs.abs() / 1_000).max(1),
    }
}

#[derive(Serialize)]
struct Row<'a> {
    since: Timestamp,
    until: Timestamp,
    /// `null`: all models together.
    model: Option<&'a str>,
    theirs_usd: Option<Money>,
    ours: Amount,
    difference_usd: Money,
    /// Of theirs, as a decimal.
    share: String,
    why: Why,
    note: &'a str,
    settled: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    v: u32,
    provider: &'a str,
    lines: Vec<Row<'a>>,
    theirs_usd: Money,
    ours: Amount,
    difference_usd: Money,
    share: String,
    tolerance: String,
    within: bool,
}

impl Reconcile {
    pub(crate) fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        let mut items = Vec::new();
        for file in &self.files {
            items.extend(theirs::read(self.provider, file)?);
        }
        let mut sides = Sides::of(items);
        let damaged = sides.read(&settings.reader()?, self.provider.name())?;
        let book = settings.book()?;
        let lines = self.lines(&sides, &book, io.now);
        let total = Total::of(&lines);
        let is_settled = lines.iter().any(|line| line.settled);
        let within = is_settled && self.within(&lines, total);
        match self.format {
            Format::Table => table(&lines, total, io)?,
            Format::Csv => csv(&lines, io)?,
            Format::Json => self.json(&lines, total, within, io)?,
        }
        if let Some(file) = &self.correct {
            let text = self.correction(&lines, &book)?;
            std::fs::write(file, text).map_err(|error| {
                Fault::Usage(format!("{}: cannot be written: {error}", file.display()))
            })?;
        }
        if !is_settled {
            return Err(Fault::Failed(
                "nothing was compared: no line of these replies is settled".to_owned(),
            ));
        }
        match within {
            true => Fault::damaged(damaged),
            false => Err(Fault::Failed(format!(
                "{} bills ${}, the ledger says {}: more than {} apart",
                self.provider.name(),
                total.theirs.to_usd(4),
                total.ours.shown(),
                percent(self.tolerance.into()),
            ))),
        }
    }

    fn lines(&self, sides: &Sides, book: &Book, now: Timestamp) -> Vec<Line> {
        let prices = Prices {
            book,
            provider: self.provider.name(),
            plan: self.plan.clone(),
        };
        let settled = now.0.saturating_sub(i64::from(self.settle) * 3_600_000_000);
        let keys: std::collections::BTreeSet<_> =
            sides.theirs.keys().chain(sides.ours.keys()).collect();
        let mut lines: Vec<Line> = Vec::new();
        for (period, model) in keys {
            let key = (*period, model.clone());
            let theirs = sides.theirs.get(&key);
            // An amount for all models stands beside all of ours, unless they name models as well.
            let of_period = || sides.theirs.keys().filter(|(other, _)| other == period);
            let named = of_period().any(|(_, model)| !model.is_empty());
            let all = model.is_empty() && theirs.is_some();
            if !named && !all && of_period().count() > 0 {
                continue;
            }
            let summed = all.then(|| sum(sides, *period));
            let ours = summed.as_ref().or_else(|| sides.ours.get(&key));
            let mut line = Line::of(*period, model, (theirs, ours), &prices);
            line.settled = period.1.0 <= settled;
            // Beside lines of models, it sums them: once is enough.
            if all && named {
                line.settled = false;
                line.note = "sum of the lines of this stretch".to_owned();
            }
            lines.push(line);
        }
        lines
    }

    fn within(&self, lines: &[Line], total: Total) -> bool {
        let fits = |apart: Money, theirs: Money| {
            let grains = |money: Money| money.grains().unsigned_abs();
            grains(apart) / 1_000 <= grains(theirs) / 1_000_000 * u128::from(self.tolerance)
        };
        let each =
            |line: &Line| !line.settled || fits(line.apart(), line.theirs.unwrap_or(Money::ZERO));
        fits(total.apart(), total.theirs) && (!self.each || lines.iter().all(each))
    }

    fn json(
        &self,
        lines: &[Line],
        total: Total,
        within: bool,
        io: &mut Io<'_>,
    ) -> Result<(), Fault> {
        let document = Document {
            v: SCHEMA_VERSION,
            provider: self.provider.name(),
            lines: lines.iter().map(row).collect(),
            theirs_usd: total.theirs,
            ours: total.ours.into(),
            difference_usd: total.apart(),
            share: decimal(share(total.apart(), total.theirs)),
            tolerance: decimal(self.tolerance.into()),
            within,
        };
        Ok(writeln!(io.out, "{}", text::json_document(&document))?)
    }

    /// Prices that explain what they bill for what they count.
    fn correction(&self, lines: &[Line], book: &Book) -> Result<String, Fault> {
        let mut models: BTreeMap<&str, (Money, Money, &Line)> = BTreeMap::new();
        let priced = |line: &&Line| {
            line.settled
                && matches!(line.why, Why::Price | Why::PriceAndQuantity)
                && !line.model.is_empty()
        };
        for line in lines.iter().filter(priced) {
            let (Some(paid), Some(listed)) = (line.theirs, line.at_our_prices) else {
                continue;
            };
            let (sum, at_list, first) =
                models
                    .entry(&line.model)
                    .or_insert((Money::ZERO, Money::ZERO, line));
            *sum = sum.checked_add(paid).unwrap_or(*sum);
            *at_list = at_list.checked_add(listed).unwrap_or(*at_list);
            if line.period.0 < first.period.0 {
                *first = line;
            }
        }
        let mut text = format!(
            "# Prices that explain the bill of {}. Name this file as `file` of `[prices]`.\n",
            self.provider.name()
        );
        let mut written = 0;
        for (model, (paid, listed, line)) in models {
            let says = format!(
                "${} were billed for what costs ${} at list prices",
                paid.to_usd(6),
                listed.to_usd(6)
            );
            let explained = book.explain(self.provider.name(), model, &line.terms, line.period.0);
            for row in explained.iter().flat_map(|explained| &explained.rows) {
                if let Some(row) = row.corrected(&[model], paid, listed, line.period.0, &says) {
                    text.push('\n');
                    text.push_str(&row);
                    written += 1;
                }
            }
        }
        if written == 0 {
            return Err(Fault::Failed(
                "there is no difference of price to correct; nothing was written".to_owned(),
            ));
        }
        // What we write must be what we read.
        book.with_override(&text)
            .map_err(|error| Fault::Failed(format!("the correction is no price file: {error}")))?;
        Ok(text)
    }
}

/// All of ours in a stretch, whatever the model.
fn sum(sides: &Sides, period: sides::Period) -> sides::Ours {
    let mut all = sides::Ours::default();
    for (_, ours) in sides.ours.iter().filter(|((other, _), _)| *other == period) {
        all.cost.absorb(&ours.cost);
        all.usage.absorb(&ours.usage);
        all.attempts += ours.attempts;
        all.ids.extend(ours.ids.iter().cloned());
        all.terms = ours.terms.clone();
    }
    all
}

fn row(line: &Line) -> Row<'_> {
    let theirs = line.theirs.unwrap_or(Money::ZERO);
    Row {
        since: line.period.0,
        until: line.period.1,
        model: Some(line.model.as_str()).filter(|model| !model.is_empty()),
        theirs_usd: line.theirs,
        ours: line.ours.into(),
        difference_usd: line.apart(),
        share: decimal(share(line.apart(), theirs)),
        why: line.why,
        note: &line.note,
        settled: line.settled,
    }
}

/// `2026-11-24`, or both ends of a longer stretch.
fn when((since, until): sides::Period) -> String {
    let day = |at: Timestamp| at.to_string().chars().take(10).collect::<String>();
    match until.0.saturating_sub(since.0) <= Timestamp::DAY_US {
        true => day(since),
        false => format!("{}…{}", day(since), day(Timestamp(until.0 - 1))),
    }
}

fn table(lines: &[Line], total: Total, io: &mut Io<'_>) -> Result<(), Fault> {
    let heads = [
        "day",
        "model",
        ">theirs",
        ">ours",
        ">difference",
        ">share",
        "why",
        "note",
    ];
    let mut table = Table::new(&heads);
    for line in lines {
        let theirs = line.theirs.unwrap_or(Money::ZERO);
        let note = match line.settled || !line.note.is_empty() {
            true => line.note.clone(),
            false => "not settled, does not count".to_owned(),
        };
        let tone = match line.why {
            _ if !line.settled => Tone::Dim,
            Why::Agrees => Tone::Plain,
            _ => Tone::Bold,
        };
        table.row(vec![
            Cell::new(when(line.period)).tone(tone),
            Cell::new(if line.model.is_empty() {
                "all"
            } else {
                &line.model
            })
            .tone(tone),
            Cell::new(line.theirs.map_or("–".to_owned(), dollars)),
            Cell::new(line.ours.shown()),
            Cell::new(signed(line.apart())),
            Cell::new(percent(share(line.apart(), theirs))),
            Cell::new(line.why.told()).tone(tone),
            Cell::new(note).tone(Tone::Dim),
        ]);
    }
    let apart = total.apart();
    table.totals(vec![
        Cell::new("total").tone(Tone::Bold),
        Cell::default(),
        Cell::new(dollars(total.theirs)),
        Cell::new(total.ours.shown()),
        Cell::new(signed(apart)),
        Cell::new(percent(share(apart, total.theirs))),
        Cell::default(),
        Cell::default(),
    ]);
    Ok(table.draw(&mut io.out, io.terminal.colours)?)
}

fn csv(lines: &[Line], io: &mut Io<'_>) -> Result<(), Fault> {
    let heads = [
        "since",
        "until",
        "model",
        "theirs_usd",
        "ours_usd_at_least",
        "ours_usd_at_most",
        "difference_usd",
        "share",
        "why",
        "note",
        "settled",
    ];
    csv_line(&mut io.out, heads)?;
    for line in lines {
        let row = row(line);
        let cells = [
            row.since.to_string(),
            row.until.to_string(),
            line.model.clone(),
            line.theirs.map_or(String::new(), |usd| usd.to_string()),
            line.ours.at_least.to_string(),
            line.ours
                .at_most
                .map_or(String::new(), |usd| usd.to_string()),
            row.difference_usd.to_string(),
            row.share,
            line.why.told().to_owned(),
            line.note.clone(),
            line.settled.to_string(),
        ];
        csv_line(&mut io.out, cells.iter().map(String::as_str))?;
    }
    Ok(())
}

fn dollars(amount: Money) -> String {
    Range {
        at_least: amount,
        at_most: Some(amount),
    }
    .shown()
}

/// `+$1.2000`, `-$0.3000`; nothing where there is no difference.
fn signed(apart: Money) -> String {
    let size = Money::from_grains(apart.grains().abs());
    match apart.grains().signum() {
        0 => String::new(),
        1 => format!("+{}", dollars(size)),
        _ => format!("-{}", dollars(size)),
    }
}

/// Thousandths as `12.5 %`; nothing where there are none.
fn percent(thousandths: i128) -> String {
    let sign = if thousandths < 0 { "-" } else { "" };
    let size = thousandths.abs();
    match (size, size % 10) {
        (0, _) => String::new(),
        (_, 0) => format!("{sign}{} %", size / 10),
        (_, tenth) => format!("{sign}{}.{tenth} %", size / 10),
    }
}

fn decimal(thousandths: i128) -> String {
    let sign = if thousandths < 0 { "-" } else { "" };
    let size = thousandths.abs();
    format!("{sign}{}.{:03}", size / 1_000, size % 1_000)
}
