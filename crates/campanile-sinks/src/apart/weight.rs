//! What an event takes in memory, nearly.

use campanile_core::{
    Attempt, CallEvent, Cost, Event, FailureReport, FieldValue, Line, LogEvent, Redacted, Segment,
};

/// What the allocator adds to a piece.
const PIECE: usize = 16;

/// The event itself and what hangs on it; names are shared and do not count.
pub(super) fn of(event: &Event) -> usize {
    let inside = match event {
        Event::Call(call) => size_of_val(&**call) + of_call(call),
        Event::Usage(usage) => size_of_val(&**usage) + of_attempt(&usage.attempt),
        Event::Turn(turn) => {
            let segments = turn.segments.len() * size_of::<Segment>();
            size_of_val(&**turn) + segments + of_cost(&turn.cost) + of_cost(&turn.wasted)
        }
        Event::Session(session) => size_of_val(&**session),
        Event::Alert(alert) => size_of_val(&**alert) + alert.amount.as_ref().map_or(0, of_cost),
        Event::Log(log) => size_of_val(&**log) + of_log(log),
        Event::Summary(summary) => size_of_val(&**summary) + of_cost(&summary.cost),
        _ => 0,
    };
    size_of::<(Event, usize)>() + PIECE + inside
}

fn of_call(call: &CallEvent) -> usize {
    let attempts: usize = call.attempts.iter().map(of_attempt).sum();
    call.attempts.len() * size_of::<Attempt>()
        + attempts
        + call.cost.as_ref().map_or(0, of_cost)
        + call.failure.as_ref().map_or(0, of_failure)
        + call.labels.len() * 48
        + call.excerpt.as_ref().map_or(0, of_text)
}

fn of_attempt(attempt: &Attempt) -> usize {
    attempt.cost.as_ref().map_or(0, of_cost) + attempt.failure.as_ref().map_or(0, of_failure)
}

fn of_cost(cost: &Cost) -> usize {
    cost.lines.len() * size_of::<Line>() + cost.why.len() * 8
}

fn of_failure(failure: &FailureReport) -> usize {
    let texts = failure.chain.iter().chain(&failure.backtrace);
    texts
        .map(|text| of_text(text) + size_of::<Redacted>())
        .sum()
}

fn of_log(log: &LogEvent) -> usize {
    let field = |value: &FieldValue| match value {
        FieldValue::Text(text) => of_text(text),
        _ => 0,
    };
    let fields: usize = log.fields.iter().map(|(_, value)| field(value)).sum();
    log.fields.len() * size_of::<(&str, FieldValue)>()
        + fields
        + log.message.as_ref().map_or(0, of_text)
}

fn of_text(text: &Redacted) -> usize {
    text.as_str().len() + PIECE
}
