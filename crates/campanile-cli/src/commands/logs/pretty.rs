//! An event in columns, as the console writes it, read back from its JSON.

use crate::{
    commands::sums,
    moment,
    money::Range,
    table::{Tone, grouped},
    text,
};
use campanile_core::{Count, Evidence, Level, Meter, Money, Timestamp, Usage};
use serde_json::Value;

/// One line of columns.
struct Columns {
    colours: bool,
    text: String,
}

impl Columns {
    /// A text, cleaned and filled up to `width`, and a space.
    fn put(&mut self, tone: Tone, width: usize, what: &str) {
        let clean = text::clean(what);
        let fill = width.saturating_sub(clean.chars().count()) + 1;
        self.text.push_str(&tone.paint(&clean, self.colours));
        self.text.extend(std::iter::repeat_n(' ', fill));
    }

    fn right(&mut self, width: usize, what: &str) {
        let fill = width.saturating_sub(what.chars().count());
        self.text.extend(std::iter::repeat_n(' ', fill));
        self.put(Tone::Plain, 0, what);
    }
}

/// The line of an event, without its end.
pub(super) fn line(
    event: &Value,
    level: Option<Level>,
    at: Option<Timestamp>,
    colours: bool,
) -> String {
    let mut columns = Columns {
        colours,
        text: String::with_capacity(160),
    };
    columns.put(Tone::Dim, 23, &at.map(clock).unwrap_or_default());
    let tone = match level {
        Some(Level::Error) => Tone::Bad,
        Some(Level::Warn) => Tone::Warn,
        Some(Level::Info) => Tone::Good,
        _ => Tone::Dim,
    };
    columns.put(tone, 5, level.map_or("", Level::name));
    place(event, &mut columns);
    match word(event, "event").unwrap_or_default() {
        "call" => call(event, &mut columns),
        "usage" => usage_so_far(event, &mut columns),
        "turn" => turn(event, &mut columns),
        "session" => session(event, &mut columns),
        "log" => log(event, &mut columns),
        "loss" => loss(event, &mut columns),
        kind => others(event, kind, &mut columns),
    }
    let mut text = columns.text;
    text.truncate(text.trim_end().len());
    text
}

/// `2026-11-24 01:50:29.123`
fn clock(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..23).unwrap_or(&text).replacen('T', " ", 1)
}

fn word<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get(key)?.as_str()
}

fn number(object: &Value, key: &str) -> u64 {
    object.get(key).and_then(Value::as_u64).unwrap_or(0)
}

fn span(object: &Value, key: &str) -> String {
    let us = object.get(key).and_then(Value::as_u64);
    us.map_or_else(|| "-".to_owned(), moment::span)
}

/// The end of the session's id, as its begin is the same for hours, and the turn.
fn place(event: &Value, columns: &mut Columns) {
    let id = word(event, "session").unwrap_or("-");
    let short = match id.len() {
        36 => id.get(28..).unwrap_or(id),
        _ => id,
    };
    let turn = event.get("turn").and_then(Value::as_u64);
    let place = turn.map_or_else(|| short.to_owned(), |turn| format!("{short}#{turn}"));
    columns.put(Tone::Dim, 12, &place);
}

fn call(event: &Value, columns: &mut Columns) {
    columns.put(Tone::Bold, 8, word(event, "stage").unwrap_or("?"));
    let outcome = word(event, "outcome").unwrap_or("?");
    let tone = match outcome {
        "completed" => Tone::Plain,
        "cancelled" => Tone::Warn,
        _ => Tone::Bad,
    };
    columns.put(tone, 9, outcome);
    let timing = event.get("timing").unwrap_or(&Value::Null);
    columns.right(7, &span(timing, "first_item_us"));
    columns.right(7, &span(timing, "elapsed_us"));
    columns.put(
        Tone::Plain,
        20,
        &event.get("usage").map(used).unwrap_or_default(),
    );
    columns.put(
        Tone::Plain,
        9,
        &event.get("cost").map(cost).unwrap_or_default(),
    );
    let attempts = event.get("attempts").and_then(Value::as_array);
    let attempts = attempts.map(Vec::as_slice).unwrap_or_default();
    if let Some(last) = attempts.last() {
        let names = [word(last, "provider"), word(last, "model")];
        let names: Vec<&str> = names.into_iter().flatten().collect();
        columns.put(Tone::Dim, 0, &names.join("/"));
    }
    if let Some(reason) = word(event, "reason") {
        columns.put(Tone::Warn, 0, &format!("({reason})"));
    }
    if attempts.len() > 1 {
        let failures = attempts.iter().filter_map(|attempt| attempt.get("failure"));
        let failures: Vec<String> = failures.map(failure).collect();
        let tries = format!("{} attempts: {}", attempts.len(), failures.join(", "));
        columns.put(Tone::Warn, 0, &tries);
    }
    if let Some(why) = event.get("failure") {
        columns.put(Tone::Bad, 0, &failure(why));
        let first = why.get("chain").and_then(|chain| chain.get(0));
        columns.put(
            Tone::Plain,
            0,
            first.and_then(Value::as_str).unwrap_or_default(),
        );
    }
}

/// `rate_limit 429, retry after 2.00 s`
fn failure(failure: &Value) -> String {
    let mut text = word(failure, "kind").unwrap_or("?").to_owned();
    if let Some(code) = word(failure, "code") {
        text.push(' ');
        text.push_str(code);
    }
    if failure.get("retry_after_us").is_some() {
        text.push_str(&format!(
            ", retry after {}",
            span(failure, "retry_after_us")
        ));
    }
    text
}

fn usage_so_far(event: &Value, columns: &mut Columns) {
    columns.put(Tone::Bold, 8, word(event, "stage").unwrap_or("?"));
    let open = event.get("open").and_then(Value::as_bool) == Some(true);
    columns.put(Tone::Dim, 25, if open { "so far" } else { "late" });
    let attempt = event.get("attempt").unwrap_or(&Value::Null);
    columns.put(
        Tone::Dim,
        20,
        &attempt.get("usage").map(used).unwrap_or_default(),
    );
    columns.put(
        Tone::Dim,
        9,
        &attempt.get("cost").map(cost).unwrap_or_default(),
    );
}

fn turn(event: &Value, columns: &mut Columns) {
    columns.put(Tone::Bold, 8, "turn");
    match event.get("user_to_bot_us") {
        Some(_) => {
            columns.put(
                Tone::Plain,
                0,
                &format!("user→bot {}", span(event, "user_to_bot_us")),
            );
            let parts = event.get("segments").and_then(Value::as_array);
            let part = |part: &Value| {
                format!(
                    "{} {}",
                    word(part, "name").unwrap_or("?"),
                    span(part, "span_us")
                )
            };
            let parts: Vec<String> = parts.into_iter().flatten().map(part).collect();
            if !parts.is_empty() {
                columns.put(Tone::Dim, 0, &format!("= {}", parts.join(" + ")));
            }
        }
        None => columns.put(
            Tone::Plain,
            0,
            &format!("took {}", span(event, "elapsed_us")),
        ),
    }
    let calls = match number(event, "calls") {
        1 => " 1 call ".to_owned(),
        n => format!(" {n} calls "),
    };
    columns.put(Tone::Plain, 0, &calls);
    spent(event, columns);
    if let Some(reason) = word(event, "interrupted") {
        columns.put(Tone::Warn, 0, &format!("interrupted ({reason})"));
    }
}

fn spent(object: &Value, columns: &mut Columns) {
    columns.put(
        Tone::Bold,
        0,
        &object.get("cost").map(cost).unwrap_or_default(),
    );
    let wasted = object.get("wasted").and_then(range);
    if let Some(wasted) = wasted.filter(|wasted| !wasted.is_nothing()) {
        columns.put(Tone::Warn, 0, &format!("({} wasted)", wasted.shown()));
    }
}

fn session(event: &Value, columns: &mut Columns) {
    columns.put(Tone::Bold, 8, "session");
    if word(event, "phase") == Some("start") {
        return columns.put(Tone::Good, 0, "begins");
    }
    let reason = word(event, "reason").unwrap_or("no reason told");
    columns.put(Tone::Good, 0, &format!("over ({reason})"));
    let Some(totals) = event.get("totals") else {
        return;
    };
    let count = |key| grouped(number(totals, key));
    let text = format!(
        "after {}  {} turns, {} interrupted  {} calls, {} failed ",
        span(totals, "elapsed_us"),
        count("turns"),
        count("interrupted"),
        count("calls"),
        count("failed")
    );
    columns.put(Tone::Plain, 0, &text);
    spent(totals, columns);
}

fn log(event: &Value, columns: &mut Columns) {
    columns.put(Tone::Bold, 8, "log");
    columns.put(
        Tone::Dim,
        0,
        &format!("{}:", word(event, "target").unwrap_or("?")),
    );
    if let Some(message) = word(event, "message") {
        columns.put(Tone::Plain, 0, message);
    } else if let Some([file, line]) = event
        .get("site")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    {
        columns.put(
            Tone::Dim,
            0,
            &format!("at {}:{line}", file.as_str().unwrap_or("?")),
        );
    }
    let fields = event.get("fields").and_then(Value::as_object);
    for (name, value) in fields.into_iter().flatten() {
        columns.put(Tone::Dim, 0, &format!("{name}={value}"));
    }
}

fn loss(event: &Value, columns: &mut Columns) {
    columns.put(Tone::Bold, 8, "loss");
    let (sink, reason) = (word(event, "sink"), word(event, "reason"));
    let text = format!(
        "{} lines lost by {}: {}",
        grouped(number(event, "lost")),
        sink.unwrap_or("?"),
        reason.unwrap_or("?")
    );
    columns.put(Tone::Warn, 0, &text);
}

/// What this version has no columns for: its fields, in order.
fn others(event: &Value, kind: &str, columns: &mut Columns) {
    const SHOWN: [&str; 6] = ["v", "event", "level", "ts", "session", "turn"];
    columns.put(Tone::Bold, 8, kind);
    for (name, value) in event.as_object().into_iter().flatten() {
        if SHOWN.contains(&name.as_str()) || name == "at" {
            continue;
        }
        let shown = match (value.as_str(), range(value)) {
            (Some(text), _) => text.to_owned(),
            (None, Some(range)) => range.shown(),
            (None, None) => value.to_string(),
        };
        columns.put(Tone::Plain, 0, &format!("{name}={shown}"));
    }
}

fn cost(cost: &Value) -> String {
    range(cost).map(Range::shown).unwrap_or_default()
}

/// `{"usd":"0.1"}` or `{"at_least":"0.1","at_most":null}`.
fn range(cost: &Value) -> Option<Range> {
    let money = |key| word(cost, key).and_then(Money::from_usd);
    let exact = money("usd");
    Some(Range {
        at_least: exact.or_else(|| money("at_least"))?,
        at_most: exact.or_else(|| money("at_most")),
    })
}

/// `26→27 tok 1:23 audio`; `≥` where there may be more.
fn used(usage: &Value) -> String {
    let most = usage.get("at_most");
    let mut known = Usage::new();
    for meter in Meter::ALL {
        let Some(at_least) = usage.get(meter.name()).and_then(Value::as_u64) else {
            continue;
        };
        let at_most = match most.and_then(|most| most.get(meter.name())) {
            Some(most) => most.as_u64(),
            None => Some(at_least),
        };
        let evidence = Evidence::Measured;
        let count = Count {
            at_least,
            at_most,
            evidence,
        };
        known.set(meter, count);
    }
    let [fresh, cached, out, audio, speech, characters] = sums::used(&known);
    let mut parts = Vec::new();
    if !fresh.is_empty() || !out.is_empty() {
        let side = |text: &str| {
            if text.is_empty() {
                "0".to_owned()
            } else {
                text.to_owned()
            }
        };
        let cached = if cached.is_empty() {
            cached
        } else {
            format!("+{cached}")
        };
        parts.push(format!("{}{cached}→{} tok", side(&fresh), side(&out)));
    }
    for (text, what) in [(audio, "audio"), (characters, "chars"), (speech, "speech")] {
        if !text.is_empty() {
            parts.push(format!("{text} {what}"));
        }
    }
    parts.join(" ")
}
