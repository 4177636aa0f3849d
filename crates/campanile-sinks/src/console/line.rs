//! What the line of each kind of event says.

use super::{
    amount,
    paint::{Paint, clean},
};
use campanile_core::{
    AlertEvent, Attempt, CallEvent, Cost, Event, FailureReport, FieldValue, Level, LogEvent,
    LossEvent, Outcome, Phase, SessionEvent, SessionId, Span, SummaryEvent, Timestamp, TurnEvent,
    UsageEvent,
};
use std::fmt::Write;

/// Writes lines, in one buffer that is used again and again.
#[derive(Debug)]
pub(crate) struct Line {
    colors: bool,
    text: String,
}

impl Line {
    pub(crate) fn new(colors: bool) -> Self {
        Self {
            colors,
            text: String::with_capacity(256),
        }
    }

    /// The whole line, with its end.
    pub(crate) fn write(&mut self, event: &Event) -> &str {
        self.text.clear();
        self.text.shrink_to(1 << 16);
        self.clock(crate::jsonl::moment(event));
        self.level(event.level());
        match event {
            Event::Call(call) => self.call(call),
            Event::Usage(usage) => self.usage(usage),
            Event::Turn(turn) => self.turn(turn),
            Event::Session(session) => self.session(session),
            Event::Alert(alert) => self.alert(alert),
            Event::Log(log) => self.log(log),
            Event::Summary(summary) => self.summary(summary),
            Event::Loss(loss) => self.loss(loss),
            _ => self.put(
                Paint::Dim,
                0,
                "an event of a kind that this console does not know",
            ),
        }
        let used = self.text.trim_end().len();
        self.text.truncate(used);
        self.text.push('\n');
        &self.text
    }

    /// Appends a text, cleaned and filled up to `width`, and a space.
    fn put(&mut self, paint: Paint, width: usize, text: &str) {
        let code = if self.colors { paint.code() } else { "" };
        self.text.push_str(code);
        let begin = self.text.len();
        clean(text, &mut self.text);
        let used = self.text[begin..].chars().count();
        if !code.is_empty() {
            self.text.push_str("\x1b[0m");
        }
        let fill = width.saturating_sub(used);
        self.text.extend(std::iter::repeat_n(' ', fill + 1));
    }

    fn right(&mut self, paint: Paint, width: usize, text: &str) {
        let fill = width.saturating_sub(text.chars().count());
        self.text.extend(std::iter::repeat_n(' ', fill));
        self.put(paint, 0, text);
    }

    fn clock(&mut self, at: Timestamp) {
        let (.., micros) = at.civil();
        let millis = micros / 1_000;
        let (seconds, millis) = (millis / 1_000, millis % 1_000);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        let text = format!("{hour:02}:{minute:02}:{second:02}.{millis:03}");
        self.put(Paint::Dim, 12, &text);
    }

    fn level(&mut self, level: Level) {
        let paint = match level {
            Level::Error => Paint::Red,
            Level::Warn => Paint::Yellow,
            Level::Info => Paint::Green,
            _ => Paint::Dim,
        };
        self.put(paint, 5, level.name());
    }

    /// The end of the session's id (its beginning is the same for hours), and the turn.
    fn place(&mut self, session: Option<&SessionId>, turn: Option<u32>) {
        let id = session.map_or("-", SessionId::as_str);
        // Ids are ASCII.
        let short = id.get(id.len().saturating_sub(8)..).unwrap_or(id);
        let text = match turn {
            Some(turn) => format!("{short}#{turn}"),
            None => short.to_owned(),
        };
        self.put(Paint::Dim, 12, &text);
    }

    fn what(&mut self, what: &str) {
        self.put(Paint::Bold, 8, what);
    }

    fn cost(&mut self, cost: &Cost) {
        self.put(Paint::Cyan, 0, &amount::cost(cost));
    }

    fn call(&mut self, call: &CallEvent) {
        self.place(call.session.as_ref(), call.turn);
        self.what(&call.stage);
        let paint = match call.outcome {
            Outcome::Completed => Paint::Plain,
            Outcome::Cancelled => Paint::Yellow,
            _ => Paint::Red,
        };
        self.put(paint, 9, call.outcome.name());
        let first = call.timing.and_then(|timing| timing.first_item);
        let elapsed = call.timing.map(|timing| timing.elapsed);
        let text = |span: Option<Span>| span.map_or_else(|| "-".to_owned(), amount::span);
        self.right(Paint::Plain, 7, &text(first));
        self.right(Paint::Plain, 7, &text(elapsed));
        self.text.push(' ');
        let usage = call.usage.as_ref().map(amount::usage).unwrap_or_default();
        self.put(Paint::Plain, 22, &usage);
        let cost = call.cost.as_ref().map(amount::cost).unwrap_or_default();
        self.put(Paint::Cyan, 14, &cost);
        if let Some(attempt) = call.attempts.last() {
            self.served(attempt);
        }
        self.notes(call);
    }

    fn served(&mut self, attempt: &Attempt) {
        let text = match (&attempt.provider, &attempt.model) {
            (Some(provider), Some(model)) => format!("{provider}/{model}"),
            (Some(one), None) | (None, Some(one)) => one.as_str().to_owned(),
            (None, None) => return,
        };
        self.put(Paint::Dim, 0, &text);
    }

    fn notes(&mut self, call: &CallEvent) {
        if let Some(reason) = &call.reason {
            self.put(Paint::Yellow, 0, &format!("({reason})"));
        }
        if call.attempts.len() > 1 {
            let tries = format!("{} attempts:", call.attempts.len());
            self.put(Paint::Yellow, 0, &tries);
            let failures = call
                .attempts
                .iter()
                .filter_map(|attempt| attempt.failure.as_ref());
            let failures: Vec<String> = failures.map(named).collect();
            self.put(Paint::Yellow, 0, &failures.join(", "));
        }
        if let Some(failure) = &call.failure {
            self.put(Paint::Red, 0, &named(failure));
            if let Some(text) = failure.chain.first() {
                self.put(Paint::Plain, 0, text.as_str());
            }
        }
        if call.observer_failed > 0 {
            let text = format!("{} observers failed", call.observer_failed);
            self.put(Paint::Red, 0, &text);
        }
    }

    fn usage(&mut self, event: &UsageEvent) {
        self.place(event.session.as_ref(), event.turn);
        self.what(&event.stage);
        self.put(Paint::Dim, 9, if event.open { "so far" } else { "late" });
        self.text.extend(std::iter::repeat_n(' ', 17));
        let usage = event.attempt.usage.as_ref().map(amount::usage);
        self.put(Paint::Dim, 22, &usage.unwrap_or_default());
        if let Some(cost) = &event.attempt.cost {
            self.put(Paint::Dim, 14, &amount::cost(cost));
        }
    }

    fn turn(&mut self, turn: &TurnEvent) {
        self.place(Some(&turn.session), Some(turn.turn));
        self.what("turn");
        match turn.user_to_bot {
            Some(latency) => {
                let text = format!("user→bot {}", amount::span(latency));
                self.put(Paint::Bold, 0, &text);
                let parts: Vec<String> = turn
                    .segments
                    .iter()
                    .map(|part| format!("{} {}", part.name, amount::span(part.span)))
                    .collect();
                if !parts.is_empty() {
                    self.put(Paint::Plain, 0, &format!("= {}", parts.join(" + ")));
                }
            }
            None => self.put(
                Paint::Plain,
                0,
                &format!("took {}", amount::span(turn.elapsed)),
            ),
        }
        self.put(Paint::Plain, 0, &format!(" {} calls ", turn.calls));
        self.spent(&turn.cost, &turn.wasted);
        if let Some(reason) = &turn.interrupted {
            self.put(Paint::Yellow, 0, &format!("interrupted ({reason})"));
        }
    }

    fn spent(&mut self, cost: &Cost, wasted: &Cost) {
        self.cost(cost);
        if wasted != &Cost::nothing() && amount::cost(wasted) != "$0" {
            let text = format!("({} wasted)", amount::cost(wasted));
            self.put(Paint::Yellow, 0, &text);
        }
    }

    fn session(&mut self, event: &SessionEvent) {
        self.place(Some(&event.session), None);
        self.what("session");
        if event.phase == Phase::Start {
            return self.put(Paint::Green, 0, "begins");
        }
        let reason = event.reason.as_deref().unwrap_or("no reason told");
        self.put(Paint::Green, 0, &format!("over ({reason})"));
        let Some(totals) = &event.totals else {
            return;
        };
        let text = format!(
            "after {}  {} turns, {} interrupted  {} calls, {} failed",
            amount::span(totals.elapsed),
            totals.turns,
            totals.interrupted,
            totals.calls,
            totals.failed
        );
        self.put(Paint::Plain, 0, &text);
        if totals.open_calls > 0 {
            self.put(
                Paint::Yellow,
                0,
                &format!("{} still open", totals.open_calls),
            );
        }
        self.text.push(' ');
        self.spent(&totals.cost, &totals.wasted);
    }

    fn alert(&mut self, alert: &AlertEvent) {
        self.place(None, None);
        self.what("alert");
        self.put(Paint::Yellow, 0, &alert.to_string());
    }

    fn log(&mut self, log: &LogEvent) {
        self.place(log.session.as_ref(), log.turn);
        self.what("log");
        self.put(Paint::Dim, 0, &format!("{}:", log.target));
        match (&log.message, log.site) {
            (Some(message), _) => self.put(Paint::Plain, 0, message.as_str()),
            (None, Some((file, line))) => self.put(Paint::Dim, 0, &format!("at {file}:{line}")),
            (None, None) => {}
        }
        for (name, value) in &log.fields {
            let mut text = format!("{name}=");
            // Writing to a `String` does not fail.
            let _ = match value {
                FieldValue::Int(value) => write!(text, "{value}"),
                FieldValue::Uint(value) => write!(text, "{value}"),
                FieldValue::Float(value) => write!(text, "{value}"),
                FieldValue::Bool(value) => write!(text, "{value}"),
                FieldValue::Text(value) => write!(text, "{:?}", value.as_str()),
                _ => write!(text, "?"),
            };
            self.put(Paint::Dim, 0, &text);
        }
    }

    fn summary(&mut self, summary: &SummaryEvent) {
        self.place(None, None);
        self.what("summary");
        let text = format!(
            "{}: {} turns, {} calls, {} failed",
            amount::span(summary.span),
            summary.turns,
            summary.calls,
            summary.failed
        );
        self.put(Paint::Plain, 0, &text);
        if let Some(latency) = summary.user_to_bot {
            let mut text = format!(" user→bot p50 {}", amount::span(latency.p50));
            for (name, value) in [("p95", latency.p95), ("p99", latency.p99)] {
                if let Some(value) = value {
                    let _ = write!(text, " {name} {}", amount::span(value));
                }
            }
            let _ = write!(text, " (n={}) ", latency.n);
            self.put(Paint::Plain, 0, &text);
        }
        self.cost(&summary.cost);
        self.put(Paint::Plain, 0, "so far");
    }

    fn loss(&mut self, loss: &LossEvent) {
        self.place(None, None);
        self.what("loss");
        let LossEvent {
            sink, reason, lost, ..
        } = loss;
        self.put(
            Paint::Yellow,
            0,
            &format!("{lost} lines lost by {sink}: {reason}"),
        );
    }
}

/// `rate_limit 429, retry after 2.00s`.
fn named(failure: &FailureReport) -> String {
    // The name that JSON has, without its quotes.
    let kind = serde_json::to_string(&failure.kind).unwrap_or_default();
    let mut text = kind.trim_matches('"').to_owned();
    if let Some(code) = &failure.code {
        let _ = write!(text, " {code}");
    }
    if let Some(wait) = failure.retry_after {
        let _ = write!(text, ", retry after {}", amount::span(wait));
    }
    text
}
