//! `campanile errors show FINGERPRINT`: one group, and what happened around its last call.

use super::{Case, Group, Row, TREND, groups};
use crate::{
    Io,
    commands::{logs::Shown, which::Which},
    fault::Fault,
    moment,
    settings::Settings,
    spark::spark,
    table::{Cell, Form, Table, Tone, counted},
    text,
};
use campanile_core::{SCHEMA_VERSION, Timestamp};
use campanile_search::{Query, search};
use serde_json::json;
use std::io::Write;
use std::ops::ControlFlow;

const EXAMPLES: &str = "\
Examples:
  campanile errors show 5f0c1a77be20d914
  campanile errors show 5f0c --since 24h           the begin of a fingerprint is enough
  campanile errors show 5f0c --format json | jq -r .backtrace";

/// Log lines before and after the last call.
const AROUND: usize = 4;
/// They stand within so much time of it.
const NEAR_US: i64 = 3_600_000_000;

/// One group of failed calls.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Show {
    /// Its fingerprint, or enough of its begin.
    fingerprint: String,
    #[command(flatten)]
    which: Which,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

impl Show {
    pub(super) fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        let asked = self.which.asked(None, io.now)?;
        let reader = settings.reader()?;
        let (groups, damaged) = groups(&reader, &asked)?;
        let group = self.chosen(groups)?;
        let (since, until) = (
            asked.since.unwrap_or(group.first_at),
            asked.until.unwrap_or(io.now),
        );
        match self.format {
            Form::Table => Page { group: &group, io }.print(settings, since, until)?,
            Form::Json => {
                let mut document = json!(Row::of(&group, since, until));
                if let Some(fields) = document.as_object_mut() {
                    fields.insert("v".to_owned(), SCHEMA_VERSION.into());
                    fields.insert("backtrace".to_owned(), json!(group.backtrace));
                    let cases: Vec<_> = group.cases.iter().rev().map(case_json).collect();
                    fields.insert("last_calls".to_owned(), json!(cases));
                }
                writeln!(io.out, "{}", text::json_document(&document))?;
            }
        }
        Fault::damaged(damaged)
    }

    fn chosen(&self, groups: Vec<Group>) -> Result<Group, Fault> {
        let begin = self.fingerprint.as_str();
        let mut found: Vec<Group> = groups
            .into_iter()
            .filter(|group| group.fingerprint.starts_with(begin))
            .collect();
        let exact = found.iter().position(|group| group.fingerprint == begin);
        match (found.len(), exact) {
            (_, Some(at)) => Ok(found.swap_remove(at)),
            (1, None) => Ok(found.swap_remove(0)),
            (0, None) => Err(Fault::Failed(format!(
                "nothing failed with a fingerprint `{begin}`; `campanile errors` lists them"
            ))),
            (many, None) => Err(Fault::Usage(format!(
                "{many} fingerprints begin with `{begin}`; give more of it"
            ))),
        }
    }
}

fn case_json(case: &Case) -> serde_json::Value {
    json!({
        "call": case.call,
        "at": case.at,
        "stage": case.stage,
        "session": case.session,
        "turn": case.turn,
        "served": case.served,
        "request_ids": case.requests,
        "dead_air_us": case.dead_us,
    })
}

/// The group, for people.
struct Page<'a, 'io> {
    group: &'a Group,
    io: &'a mut Io<'io>,
}

impl Page<'_, '_> {
    fn print(
        mut self,
        settings: &Settings,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<(), Fault> {
        let group = self.group;
        self.title(&format!("{} {}", group.fingerprint, group.what()))?;
        self.line(&format!(
            "{} in {}, {} of dead air; worth another try: {}",
            counted(group.count, "call"),
            counted(group.sessions.len() as u64, "session"),
            moment::span(group.dead_us),
            group.recoverable()
        ))?;
        self.line(&format!(
            "{} to {} UTC, first of all {}  {}",
            moment::short(group.first_at),
            moment::short(group.last_at),
            moment::short(group.first_ever),
            spark(&group.trend(since, until, TREND))
        ))?;
        self.texts()?;
        self.cases()?;
        self.around(settings)
    }

    fn line(&mut self, line: &str) -> Result<(), Fault> {
        Ok(writeln!(self.io.out, "{}", text::clean(line).trim_end())?)
    }

    fn title(&mut self, line: &str) -> Result<(), Fault> {
        let line = Tone::Bold.paint(&text::clean(line), self.io.terminal.colours);
        Ok(writeln!(self.io.out, "{line}")?)
    }

    /// The chain, from what the caller saw to what it came from, and where.
    fn texts(&mut self) -> Result<(), Fault> {
        let group = self.group;
        if !group.chain.is_empty() {
            self.line("")?;
        }
        for (depth, cause) in group.chain.iter().enumerate() {
            let arrow = if depth == 0 { "" } else { "└ " };
            self.line(&format!("{}{arrow}{cause}", "  ".repeat(depth)))?;
        }
        if let Some(backtrace) = &group.backtrace {
            self.line("")?;
            let text = text::clean_lines(backtrace);
            writeln!(
                self.io.out,
                "{}",
                Tone::Dim.paint(text.trim_end(), self.io.terminal.colours)
            )?;
        }
        Ok(())
    }

    fn cases(&mut self) -> Result<(), Fault> {
        self.line("")?;
        let heads = [
            "last calls (UTC)",
            "stage",
            "served by",
            "session",
            ">turn",
            ">dead air",
            "provider's request",
            "call",
        ];
        let mut table = Table::new(&heads);
        for case in self.group.cases.iter().rev() {
            let turn = case.turn.map_or(String::new(), |turn| turn.to_string());
            let dead = match case.dead_us {
                0 => String::new(),
                us => moment::span(us),
            };
            table.row(vec![
                Cell::new(moment::short(case.at)),
                Cell::new(case.stage.as_str()),
                Cell::new(case.served.as_str()),
                Cell::new(case.session.as_deref().unwrap_or_default()),
                Cell::new(turn),
                Cell::new(dead),
                Cell::new(case.requests.join(" ")),
                Cell::new(case.call.as_str()),
            ]);
        }
        Ok(table.draw(&mut self.io.out, self.io.terminal.colours)?)
    }

    /// What was logged around the last call, where there are logs.
    fn around(&mut self, settings: &Settings) -> Result<(), Fault> {
        let Some(last) = self.group.cases.back() else {
            return Ok(());
        };
        let near = |us: i64| Timestamp(last.at.0.saturating_add(us));
        let query = Query::default()
            .call(&last.call)
            .since(near(-NEAR_US))
            .until(near(NEAR_US))
            .context(AROUND);
        let mut lines = Vec::new();
        let mut shown = Shown::columns(self.io.terminal);
        let found = search(&[settings.logs()?], &query, |line| {
            match shown.line(line, &mut lines) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        match found {
            Ok(_) if !lines.is_empty() => {
                self.line("")?;
                self.title("log lines around the last one")?;
                Ok(self.io.out.write_all(&lines)?)
            }
            // Another machine may have them, or retention has taken them.
            _ => {
                self.line("")?;
                self.line("no log line of the last call is here")
            }
        }
    }
}
