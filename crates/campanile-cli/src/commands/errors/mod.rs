//! `campanile errors`: what failed, how often, since when, and whom it hit.

mod group;
mod show;

use super::which::{Asked, Which, limit};
use crate::{
    Io,
    fault::Fault,
    moment::{self, Moment},
    settings::Settings,
    spark::spark,
    table::{Cell, Format, Table, Tone, csv_line, grouped},
    text,
};
use campanile_core::{SCHEMA_VERSION, Timestamp};
use campanile_sinks::ledger::{Query, Reader};
pub(super) use group::Group;
use group::{Case, Groups};
use serde::Serialize;
use std::io::Write;
use std::num::NonZero;
use std::ops::ControlFlow;

const EXAMPLES: &str = "\
Calls that failed, by fingerprint: the same for the same trouble, whatever numbers and ids its texts hold. \
`dead air` is how long callers heard nothing because of it: all of a call that had given nothing, the longest gap of one that broke off. \
`again` says whether the same request may succeed later.

Examples:
  campanile errors --since 24h
  campanile errors --stage llm --provider openai
  campanile errors --new-since 7d             what never failed like this before
  campanile errors show 5f0c                  one group: texts, backtrace, the last calls, the log lines around
  campanile errors --format json | jq -r '.groups[].last_request_ids[]'";

/// Stretches of a trend.
const TREND: usize = 16;

/// Groups of failed calls: how often, since when, whom they hit.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Errors {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// One group: its texts, its backtrace, its last calls, and the log lines around the last one.
    Show(show::Show),
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    which: Which,
    /// Only groups of which no call had failed before this moment.
    #[arg(long, value_parser = Moment::parse, value_name = "MOMENT")]
    new_since: Option<Moment>,
    /// No more than so many.
    #[arg(long, value_name = "N", value_parser = limit)]
    limit: Option<NonZero<usize>>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A group, for programs.
#[derive(Serialize)]
struct Row<'a> {
    fingerprint: &'a str,
    kind: &'a str,
    code: Option<&'a str>,
    calls: u64,
    recoverable: u64,
    first_at: Timestamp,
    last_at: Timestamp,
    first_ever_at: Timestamp,
    sessions: usize,
    dead_air_us: u64,
    stages: Vec<&'a str>,
    served: Vec<&'a str>,
    /// Calls in equal stretches of the time that was asked for.
    trend: Vec<u64>,
    last_sessions: Vec<&'a str>,
    last_request_ids: Vec<&'a str>,
    chain: &'a [String],
}

impl<'a> Row<'a> {
    fn of(group: &'a Group, since: Timestamp, until: Timestamp) -> Self {
        let newest = || group.cases.iter().rev();
        Self {
            fingerprint: &group.fingerprint,
            kind: &group.kind,
            code: group.code.as_deref(),
            calls: group.count,
            recoverable: group.recoverable,
            first_at: group.first_at,
            last_at: group.last_at,
            first_ever_at: group.first_ever,
            sessions: group.sessions.len(),
            dead_air_us: group.dead_us,
            stages: group.stages.iter().map(String::as_str).collect(),
            served: group.served.iter().map(String::as_str).collect(),
            trend: group
                .trend(since, until, TREND)
                .into_iter()
                .flatten()
                .collect(),
            last_sessions: newest()
                .filter_map(|case| case.session.as_deref())
                .collect(),
            last_request_ids: newest()
                .flat_map(|case| &case.requests)
                .map(String::as_str)
                .collect(),
            chain: &group.chain,
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    v: u32,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    groups: Vec<Row<'a>>,
}

impl Errors {
    pub(crate) fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        match self.what {
            Some(What::Show(show)) => show.run(settings, io),
            None => self.list.run(settings, io),
        }
    }
}

/// The groups that are asked for, and how many rows were damaged.
pub(super) fn groups(reader: &Reader, asked: &Asked) -> Result<(Vec<Group>, u64), Fault> {
    let mut groups = Groups::default();
    let damaged = reader
        .failed(&asked.query, None, |call| {
            groups.add(&call);
            ControlFlow::Continue(())
        })
        .map_err(Fault::usage)?;
    // Since when at all: whatever time is asked for.
    let known = reader.errors(&Query::default()).map_err(Fault::usage)?;
    Ok((groups.with(known), damaged))
}

impl List {
    fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        let asked = self.which.asked(None, io.now)?;
        let (mut groups, damaged) = groups(&settings.reader()?, &asked)?;
        if let Some(new_since) = self.new_since {
            let new_since = new_since.resolve(io.now);
            groups.retain(|group| group.first_ever >= new_since);
        }
        let first = groups.iter().map(|group| group.first_at).min();
        let (since, until) = (
            asked.since.or(first).unwrap_or(io.now),
            asked.until.unwrap_or(io.now),
        );
        groups.truncate(self.limit.map_or(usize::MAX, NonZero::get));
        match self.format {
            Format::Table => table(&groups, since, until, io)?,
            Format::Csv => csv(&groups, io)?,
            Format::Json => {
                let document = Document {
                    v: SCHEMA_VERSION,
                    since: asked.since,
                    until: asked.until,
                    groups: groups
                        .iter()
                        .map(|group| Row::of(group, since, until))
                        .collect(),
                };
                writeln!(io.out, "{}", text::json_document(&document))?;
            }
        }
        Fault::damaged(damaged)
    }
}

fn table(
    groups: &[Group],
    since: Timestamp,
    until: Timestamp,
    io: &mut Io<'_>,
) -> Result<(), Fault> {
    if groups.is_empty() {
        return Ok(writeln!(io.out, "nothing failed here")?);
    }
    let heads = [
        "fingerprint",
        "what",
        "stage",
        ">calls",
        "trend",
        "first (UTC)",
        "last (UTC)",
        ">sessions",
        ">dead air",
        "again",
        "last session",
        "text",
    ];
    let mut table = Table::new(&heads);
    for group in groups {
        let stages: Vec<&str> = group.stages.iter().map(String::as_str).collect();
        let session = group
            .cases
            .iter()
            .rev()
            .find_map(|case| case.session.as_deref());
        let dead = match group.dead_us {
            0 => String::new(),
            us => moment::span(us),
        };
        table.row(vec![
            Cell::new(group.fingerprint.as_str()).tone(Tone::Bold),
            Cell::new(group.what()).tone(Tone::Bad),
            Cell::new(stages.join(" ")),
            Cell::new(grouped(group.count)),
            Cell::new(spark(&group.trend(since, until, TREND))),
            Cell::new(moment::short(group.first_at)),
            Cell::new(moment::short(group.last_at)),
            Cell::count(group.sessions.len() as u64),
            Cell::new(dead),
            Cell::new(group.recoverable()),
            Cell::new(session.unwrap_or_default()),
            Cell::new(shortened(group.chain.first().map_or("", String::as_str))),
        ]);
    }
    Ok(table.draw(&mut io.out, io.terminal.colours)?)
}

/// The begin of a text.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn csv(groups: &[Group], io: &mut Io<'_>) -> Result<(), Fault> {
    let heads = [
        "fingerprint",
        "kind",
        "code",
        "calls",
        "recoverable",
        "first_at",
        "last_at",
        "first_ever_at",
        "sessions",
        "dead_air_us",
        "stages",
        "served",
        "text",
    ];
    csv_line(&mut io.out, heads)?;
    for group in groups {
        let words = |words: &std::collections::BTreeSet<String>| {
            words
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let cells = [
            group.fingerprint.clone(),
            group.kind.clone(),
            group.code.clone().unwrap_or_default(),
            group.count.to_string(),
            group.recoverable.to_string(),
            group.first_at.to_string(),
            group.last_at.to_string(),
            group.first_ever.to_string(),
            group.sessions.len().to_string(),
            group.dead_us.to_string(),
            words(&group.stages),
            words(&group.served),
            group.chain.join(": "),
        ];
        csv_line(&mut io.out, cells.iter().map(String::as_str))?;
    }
    Ok(())
}
