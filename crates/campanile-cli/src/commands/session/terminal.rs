//! A session in a terminal.

use super::phases::{self, Phase};
use crate::{
    Io,
    commands::{sessions::length_us, sums},
    fault::Fault,
    moment,
    money::Range,
    table::{Cell, Table, Tone},
    text,
};
use campanile_core::{Outcome, Timestamp};
use campanile_sinks::ledger::{
    AttemptRow, LedgerCall, LedgerFailure, LedgerTurn, SessionDetail, SessionRow,
};
use std::io::Write;

/// The session, for people.
pub(super) struct Page<'a, 'io> {
    pub(super) io: &'a mut Io<'io>,
    pub(super) session: &'a SessionDetail,
}

impl Page<'_, '_> {
    pub(super) fn print(mut self) -> Result<(), Fault> {
        let session = self.session;
        self.head(&session.session)?;
        if !session.call_list.is_empty() {
            let legend = Tone::Dim.paint(phases::LEGEND, self.io.terminal.colours);
            writeln!(self.io.out, "{legend}")?;
        }
        for turn in &session.turn_list {
            self.turn(turn)?;
        }
        let known = |call: &&LedgerCall| {
            session
                .turn_list
                .iter()
                .any(|turn| Some(turn.turn) == call.turn)
        };
        let outside: Vec<_> = session
            .call_list
            .iter()
            .filter(|call| !known(call))
            .collect();
        if !outside.is_empty() {
            self.line("")?;
            self.title("calls of no turn that is over")?;
            let from = outside
                .iter()
                .map(|call| call.started_at)
                .min()
                .unwrap_or_default();
            self.calls(&outside, from, None)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<(), Fault> {
        Ok(writeln!(self.io.out, "{}", text::clean(line).trim_end())?)
    }

    fn title(&mut self, line: &str) -> Result<(), Fault> {
        let line = Tone::Bold.paint(&text::clean(line), self.io.terminal.colours);
        Ok(writeln!(self.io.out, "{line}")?)
    }

    fn head(&mut self, row: &SessionRow) -> Result<(), Fault> {
        self.title(&format!("session {}", row.session))?;
        let began = row.started_at.map(moment::short).unwrap_or_default();
        let length = match length_us(row) {
            Some(us) => format!("{} long", moment::minutes(us)),
            None => "end unknown".to_owned(),
        };
        let reason = row
            .reason
            .as_deref()
            .map(|reason| format!(", ended: {reason}"));
        self.line(&format!(
            "{began} UTC, {length}{}",
            reason.unwrap_or_default()
        ))?;
        let sum = &row.sum;
        let parts = [
            (row.turns, "turns"),
            (row.interrupted, "interrupted"),
            (sum.calls, "calls"),
            (sum.failed, "failed"),
            (sum.crashed, "crashed"),
            (sum.open, "open"),
        ];
        let counts = parts
            .iter()
            .filter(|(count, name)| *count > 0 || *name == "turns" || *name == "calls");
        let counts: Vec<String> = counts
            .map(|(count, name)| match count {
                1 => format!("1 {}", name.trim_end_matches('s')),
                _ => format!("{count} {name}"),
            })
            .collect();
        let cost = Range::of(&sum.cost).shown();
        self.line(&format!(
            "{}; cost {cost}{}",
            counts.join(", "),
            wasted(&sum.wasted)
        ))
    }

    fn turn(&mut self, turn: &LedgerTurn) -> Result<(), Fault> {
        self.line("")?;
        let cut = turn
            .interrupted
            .as_deref()
            .map(|by| format!(" ✂ interrupted: {by}"));
        self.title(&format!("turn {}{}", turn.turn, cut.unwrap_or_default()))?;
        let latency = match turn.user_to_bot_us {
            Some(us) => format!("user to bot {}", moment::span(us)),
            None => "user to bot not seen".to_owned(),
        };
        let (length, cost) = (moment::span(turn.elapsed_us), Range::of(&turn.cost).shown());
        self.line(&format!(
            "{latency}, {length} long; cost {cost}{}",
            wasted(&turn.wasted)
        ))?;
        self.waterfall(turn)?;
        let calls = self.session.call_list.iter();
        let calls: Vec<_> = calls.filter(|call| call.turn == Some(turn.turn)).collect();
        self.calls(&calls, turn.started_at, Some(turn.elapsed_us))
    }

    fn waterfall(&mut self, turn: &LedgerTurn) -> Result<(), Fault> {
        if turn.segments.is_empty() {
            return Ok(());
        }
        let whole = turn
            .segments
            .iter()
            .fold(0_u64, |sum, part| sum.saturating_add(part.span_us));
        let mut table = Table::new(&["", "waited for", "owner", ">time", "waterfall"]);
        let mut from = 0_u64;
        for part in &turn.segments {
            table.row(vec![
                "  ".into(),
                Cell::new(part.name.as_str()),
                Cell::new(part.owner).tone(Tone::Dim),
                Cell::new(moment::span(part.span_us)),
                Cell::new(phases::bar(&[Phase::stretch(from, part.span_us)], whole)),
            ]);
            from = from.saturating_add(part.span_us);
        }
        Ok(table.draw(&mut self.io.out, self.io.terminal.colours)?)
    }

    /// Calls, with a bar where the whole they belong to is known.
    fn calls(
        &mut self,
        calls: &[&LedgerCall],
        from: Timestamp,
        whole: Option<u64>,
    ) -> Result<(), Fault> {
        let heads = [
            "",
            "call",
            "outcome",
            "model",
            ">waited",
            ">first",
            ">time",
            "when",
            ">tokens in",
            ">cached",
            ">tokens out",
            ">audio",
            ">speech",
            ">characters",
            ">cost",
            "failure",
        ];
        let mut table = Table::new(&heads);
        for call in calls {
            table.row(call_cells(call, from, whole));
            if call.attempts.len() > 1 {
                for attempt in &call.attempts {
                    table.row(attempt_cells(attempt));
                }
            }
        }
        if !calls.is_empty() {
            table.draw(&mut self.io.out, self.io.terminal.colours)?;
        }
        Ok(())
    }
}

fn wasted(cost: &campanile_core::Cost) -> String {
    let wasted = Range::of(cost);
    match wasted.is_nothing() {
        true => String::new(),
        false => format!(", wasted {}", wasted.shown()),
    }
}

fn call_cells(call: &LedgerCall, from: Timestamp, whole: Option<u64>) -> Vec<Cell> {
    let timing = call.timing;
    let span = |span: Option<campanile_core::Span>| span.map(|span| moment::span(span.us()));
    let elapsed = timing.map(|timing| timing.elapsed.us());
    let offset = u64::try_from(call.started_at.0.saturating_sub(from.0)).unwrap_or(0);
    let when = whole.map(|whole| phases::bar(&phases::of(call, offset), whole));
    let outcome = match (call.outcome, &call.reason) {
        (None, _) => "open".to_owned(),
        (Some(outcome), None) => outcome.name().to_owned(),
        (Some(outcome), Some(reason)) => format!("{}: {reason}", outcome.name()),
    };
    let mut cells = vec![
        "  ".into(),
        Cell::new(call.stage.as_str()),
        Cell::new(outcome).tone(tone(call.outcome)),
        Cell::new(call.attempts.last().map(model).unwrap_or_default()),
        Cell::new(span(timing.and_then(|timing| timing.queued)).unwrap_or_default()),
        Cell::new(span(timing.and_then(|timing| timing.first_item)).unwrap_or_default()),
        Cell::new(elapsed.map(moment::span).unwrap_or_default()),
        Cell::new(when.unwrap_or_default()),
    ];
    cells.extend(sums::used(&call.usage).map(Cell::new));
    cells.push(Cell::new(Range::of(&call.cost).shown()));
    cells.push(failure(call.failure.as_ref()));
    cells
}

fn attempt_cells(attempt: &AttemptRow) -> Vec<Cell> {
    let timing = attempt.timing;
    let span = |span: Option<campanile_core::Span>| span.map(|span| moment::span(span.us()));
    let outcome = attempt.outcome.map_or("unknown", Outcome::name);
    let mut cells = vec![
        "  ".into(),
        Cell::new(format!("└ attempt {}", attempt.n)).tone(Tone::Dim),
        Cell::new(outcome).tone(tone(attempt.outcome)),
        Cell::new(model(attempt)),
        Cell::new(span(timing.and_then(|timing| timing.queued)).unwrap_or_default()),
        Cell::new(span(timing.and_then(|timing| timing.first_item)).unwrap_or_default()),
        Cell::new(span(timing.map(|timing| timing.elapsed)).unwrap_or_default()),
        Cell::default(),
    ];
    cells.extend(sums::used(&attempt.usage.unwrap_or_default()).map(Cell::new));
    let cost = attempt.cost.as_ref().map(|cost| Range::of(cost).shown());
    cells.push(Cell::new(cost.unwrap_or_default()));
    cells.push(failure(attempt.failure.as_ref()));
    cells
}

pub(super) fn model(attempt: &AttemptRow) -> String {
    let words = [attempt.provider.as_deref(), attempt.model.as_deref()];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn failure(failure: Option<&LedgerFailure>) -> Cell {
    let Some(failure) = failure else {
        return Cell::default();
    };
    let code = failure.code.as_deref().map(|code| format!(" {code}"));
    Cell::new(format!("{}{}", failure.kind, code.unwrap_or_default())).tone(Tone::Bad)
}

fn tone(outcome: Option<Outcome>) -> Tone {
    match outcome {
        Some(Outcome::Completed) => Tone::Good,
        Some(Outcome::Failed | Outcome::Panicked | Outcome::Crashed) => Tone::Bad,
        _ => Tone::Plain,
    }
}
