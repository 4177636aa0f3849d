//! `campanile prices`: what the book says, why, and whether it can be right.

use crate::{
    Io,
    fault::Fault,
    moment::{self, Moment},
    settings::Settings,
    table::{Cell, Format, Table, Tone, csv_line},
    text,
};
use campanile_core::{Mode, Name, Reason, Terms};
use campanile_pricing::{Book, Row};
use serde::Serialize;
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  campanile prices list deepgram
  campanile prices list openai mini --format csv
  campanile prices explain deepgram nova-3 --mode streaming --plan growth
  campanile prices explain openai gpt-4o --at 2025-06-01
  campanile prices check";

/// Lists, explains and checks the prices that hold here: the standard book, and the file of the configuration over it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Prices {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Every row of the book.
    List(List),
    /// Which row prices a model, where it comes from, and what it beat.
    Explain(Explain),
    /// What is suspicious about the book; exit 1 where a price is likely wrong.
    Check,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only rows of this vendor.
    vendor: Option<String>,
    /// Only rows with this in a model's name.
    model: Option<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, clap::Args)]
struct Explain {
    /// Who bills.
    provider: String,
    /// The model, as a reply names it.
    model: String,
    /// The moment of billing. Default: now.
    #[arg(long, value_parser = Moment::parse, value_name = "MOMENT")]
    at: Option<Moment>,
    /// How speech was handed over.
    #[arg(long, value_parser = ["streaming", "prerecorded"])]
    mode: Option<String>,
    /// The service tier that was served.
    #[arg(long, value_parser = name)]
    tier: Option<Name>,
    /// Where data stays.
    #[arg(long, value_parser = name)]
    region: Option<Name>,
    /// The plan or commitment.
    #[arg(long, value_parser = name)]
    plan: Option<Name>,
    /// The class of the voice.
    #[arg(long, value_parser = name)]
    voice: Option<Name>,
}

fn name(text: &str) -> Result<Name, String> {
    Name::outside(text).ok_or_else(|| "a name has letters, digits and . _ : - / @ + #".to_owned())
}

impl Prices {
    pub(crate) fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        let book = settings.book()?;
        match self.what {
            What::List(list) => list.run(&book, io),
            What::Explain(explain) => explain.run(&book, io),
            What::Check => check(&book, io),
        }
    }
}

/// A row as programs see it.
#[derive(Serialize)]
struct Priced<'a> {
    entry: &'a str,
    vendor: &'a str,
    models: &'a [String],
    mode: Option<Mode>,
    tier: Option<&'a str>,
    plan: Option<&'a str>,
    region: Option<&'a str>,
    from: Option<String>,
    to: Option<String>,
    rates: Vec<Rate<'a>>,
    retired: bool,
    source: Source<'a>,
}

#[derive(Serialize)]
struct Rate<'a> {
    meter: &'a str,
    usd: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    above_tokens: Option<u64>,
}

#[derive(Serialize)]
struct Source<'a> {
    page: &'a str,
    checked: String,
    kind: &'a str,
}

fn priced(row: &Row) -> Priced<'_> {
    let source = row.source();
    let rates = row.rates();
    Priced {
        entry: row.entry(),
        vendor: row.vendor(),
        models: row.models(),
        mode: row.mode(),
        tier: row.tier(),
        plan: row.plan(),
        region: row.region(),
        from: row.from().map(|at| at.to_string()),
        to: row.to().map(|at| at.to_string()),
        rates: rates
            .map(|(above_tokens, meter, usd)| Rate {
                meter,
                usd,
                above_tokens,
            })
            .collect(),
        retired: row.is_retired(),
        source: Source {
            page: &source.page,
            checked: day(source.checked),
            kind: source.kind.name(),
        },
    }
}

fn day(at: campanile_core::Timestamp) -> String {
    moment::short(at)[..10].to_owned()
}

/// The conditions of a row in a few words.
fn terms_of(row: &Priced<'_>) -> String {
    let mode = row.mode.map(|mode| match mode {
        Mode::Streaming => "streaming",
        _ => "prerecorded",
    });
    let words: Vec<&str> = [mode, row.tier, row.plan, row.region]
        .into_iter()
        .flatten()
        .collect();
    words.join(" ")
}

/// All rates of a row; for people, extras with a price of their own are only counted.
fn rates_of(row: &Priced<'_>, extras: bool) -> String {
    let is_extra = |rate: &&Rate<'_>| rate.meter.starts_with('+');
    let rate = |rate: &Rate<'_>| match rate.above_tokens {
        None => format!("{} {}", rate.meter, rate.usd),
        Some(above) => format!("{} {} over {above}", rate.meter, rate.usd),
    };
    let rates = row.rates.iter().filter(|rate| extras || !is_extra(rate));
    let mut rates: Vec<String> = rates.map(rate).collect();
    match row.rates.iter().filter(is_extra).count() {
        left_out if left_out > 0 && !extras => rates.push(format!("+{left_out} extras")),
        _ => {}
    }
    match rates.is_empty() {
        true => "none is published".to_owned(),
        false => rates.join("; "),
    }
}

impl List {
    fn run(&self, book: &Book, io: &mut Io<'_>) -> Result<(), Fault> {
        if let Some(vendor) = &self.vendor
            && !book.vendors().any(|known| known == vendor)
        {
            let known: Vec<_> = book.vendors().collect();
            let known = known.join(", ");
            return Err(Fault::Usage(format!(
                "no vendor `{vendor}` in the book; there are: {known}"
            )));
        }
        let named = |row: &&Row| match &self.model {
            Some(part) => row
                .models()
                .iter()
                .any(|model| model.contains(part.as_str())),
            None => true,
        };
        let rows = book
            .rows()
            .filter(|row| {
                self.vendor
                    .as_deref()
                    .is_none_or(|vendor| row.vendor() == vendor)
            })
            .filter(named)
            .map(priced);
        let out = &mut io.out;
        match self.format {
            Format::Json => {
                for row in rows {
                    writeln!(out, "{}", text::json(&row))?;
                }
            }
            Format::Csv => {
                csv_line(
                    out,
                    [
                        "vendor", "models", "terms", "rates", "from", "to", "kind", "checked",
                        "page",
                    ],
                )?;
                for row in rows {
                    let (models, terms, rates) =
                        (row.models.join(" "), terms_of(&row), rates_of(&row, true));
                    let (from, to) = (
                        row.from.as_deref().unwrap_or(""),
                        row.to.as_deref().unwrap_or(""),
                    );
                    let source = &row.source;
                    csv_line(
                        out,
                        [
                            row.vendor,
                            &models,
                            &terms,
                            &rates,
                            from,
                            to,
                            source.kind,
                            &source.checked,
                            source.page,
                        ],
                    )?;
                }
            }
            Format::Table => {
                let mut table = Table::new(&["vendor", "models", "terms", "rates", "checked"]);
                for row in rows {
                    let models = match row.models {
                        [first, rest @ ..] if !rest.is_empty() => {
                            format!("{first} +{}", rest.len())
                        }
                        models => models.join(" "),
                    };
                    let checked = Cell::new(row.source.checked.as_str()).tone(Tone::Dim);
                    table.row(vec![
                        row.vendor.into(),
                        models.into(),
                        terms_of(&row).into(),
                        rates_of(&row, false).into(),
                        checked,
                    ]);
                }
                table.draw(out, io.terminal.colours)?;
            }
        }
        Ok(())
    }
}

impl Explain {
    fn run(&self, book: &Book, io: &mut Io<'_>) -> Result<(), Fault> {
        let mut terms = Terms::default();
        terms.mode = match self.mode.as_deref() {
            Some("streaming") => Some(Mode::Streaming),
            Some(_) => Some(Mode::Prerecorded),
            None => None,
        };
        terms.tier_served = self.tier.is_some();
        (terms.tier, terms.region) = (self.tier.clone(), self.region.clone());
        (terms.plan, terms.voice) = (self.plan.clone(), self.voice.clone());
        let at = self.at.map_or(io.now, |at| at.resolve(io.now));
        let explained = book.explain(&self.provider, &self.model, &terms, at);
        let explained = explained.map_err(|reason| self.unknown(book, reason))?;
        write!(io.out, "{}", text::clean_lines(&explained.to_string()))?;
        writeln!(io.out, "  book    {}", book.version())?;
        Ok(())
    }

    fn unknown(&self, book: &Book, reason: Reason) -> Fault {
        let (provider, model) = (&self.provider, &self.model);
        let hint = match book.rows().any(|row| row.vendor() == provider) {
            true => format!("`campanile prices list {provider}` lists its models"),
            false => "`campanile prices list` lists vendors and models".to_owned(),
        };
        let what = match reason {
            Reason::UnknownModel => "is not in the book",
            _ => "has no price in the book",
        };
        Fault::Failed(format!(
            "{provider} {model} {what}; {hint}, a file named by `prices.file` adds others"
        ))
    }
}

fn check(book: &Book, io: &mut Io<'_>) -> Result<(), Fault> {
    let problems = book.check(io.now);
    for problem in &problems {
        writeln!(io.out, "{}", text::clean(&problem.to_string()))?;
    }
    let errors = problems.iter().filter(|problem| problem.is_error).count();
    let rows = book.rows().count();
    let (version, warnings) = (book.version(), problems.len() - errors);
    writeln!(
        io.out,
        "{rows} rows of book {version}: {errors} errors, {warnings} warnings"
    )?;
    match errors {
        0 => Ok(()),
        _ => Err(Fault::Told(1)),
    }
}
