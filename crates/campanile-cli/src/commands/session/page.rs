//! A session as a page to send around.

use super::{
    phases::{self, Kind, Phase},
    terminal::model,
};
use crate::{
    commands::{sessions::length_us, sums},
    moment,
    money::Range,
    page::{self, Html, waterfall},
    table::grouped,
};
use campanile_core::{Outcome, Timestamp};
use campanile_sinks::ledger::{LedgerCall, LedgerTurn, SessionDetail};

/// The width of a mark, in hundredths.
const MARK: f64 = 0.8;

pub(super) fn html(session: &SessionDetail, now: Timestamp) -> String {
    let mut body = Html::default();
    head(session, &mut body);
    overview(session, &mut body);
    for turn in &session.turn_list {
        turn_card(session, turn, &mut body);
    }
    let known = |call: &&LedgerCall| {
        session
            .turn_list
            .iter()
            .any(|turn| Some(turn.turn) == call.turn)
    };
    let outside: Vec<&LedgerCall> = session
        .call_list
        .iter()
        .filter(|call| !known(call))
        .collect();
    if !outside.is_empty() {
        let from = outside
            .iter()
            .map(|call| call.started_at)
            .min()
            .unwrap_or_default();
        let mut inside = Html::default();
        calls(&outside, from, &mut inside);
        body.card("Calls of no turn that is over", "", inside);
    }
    page::document(&format!("session {}", session.session.session), body, now)
}

fn head(session: &SessionDetail, body: &mut Html) {
    let row = &session.session;
    body.raw("<header>");
    body.element("<h1>", &format!("Session {}", row.session), "</h1>");
    let began = row.started_at.map(moment::short).unwrap_or_default();
    let reason = row
        .reason
        .as_deref()
        .map_or(String::new(), |reason| format!(", ended: {reason}"));
    body.element(
        "<p class=\"range\">",
        &format!("{began} UTC{reason}"),
        "</p></header>\n",
    );
    body.raw("<div class=\"tiles\">\n");
    let mut tile = |name: &str, value: &str, note: &str| {
        body.element("<div class=\"tile\"><p class=\"name\">", name, "</p>");
        body.element("<p class=\"value\">", value, "</p>");
        body.element("<p class=\"note\">", note, "</p></div>\n");
    };
    let length = length_us(row).map_or_else(|| "unknown".to_owned(), moment::minutes);
    tile("length", &length, &format!("{} turns", grouped(row.turns)));
    let wasted = Range::of(&row.sum.wasted);
    let note = if wasted.is_nothing() {
        "nothing wasted".to_owned()
    } else {
        format!("{} wasted", wasted.shown())
    };
    tile("cost", &Range::of(&row.sum.cost).shown(), &note);
    tile(
        "calls",
        &grouped(row.sum.calls),
        &format!("{} failed", grouped(row.sum.failed + row.sum.crashed)),
    );
    tile("interrupted", &grouped(row.interrupted), "turns");
    let worst = session
        .turn_list
        .iter()
        .filter_map(|turn| turn.user_to_bot_us)
        .max();
    if let Some(worst) = worst {
        tile("slowest answer", &moment::span(worst), "user to bot");
    }
    body.raw("</div>\n");
}

/// The turns of the whole call on one axis.
fn overview(session: &SessionDetail, body: &mut Html) {
    let turns = &session.turn_list;
    let from = turns
        .iter()
        .map(|turn| turn.started_at)
        .min()
        .unwrap_or_default();
    let offset =
        |turn: &LedgerTurn| u64::try_from(turn.started_at.0.saturating_sub(from.0)).unwrap_or(0);
    let end = |turn: &LedgerTurn| offset(turn).saturating_add(turn.elapsed_us);
    let whole = turns.iter().map(end).max().unwrap_or(0);
    if whole == 0 {
        return;
    }
    let mut inside = Html::default();
    legend(
        &[
            ("wait", "until the bot was heard"),
            ("stream", "the rest of the turn"),
            ("cut", "interrupted"),
        ],
        &mut inside,
    );
    inside.raw("<div class=\"rows\">\n");
    for turn in turns {
        let waited = turn.user_to_bot_us.unwrap_or(0).min(turn.elapsed_us);
        let tip = format!("turn {}: {} long", turn.turn, moment::span(turn.elapsed_us));
        let (begin, width) = (
            hundredths(offset(turn), whole),
            hundredths(turn.elapsed_us, whole),
        );
        let mut parts = vec![(begin, width, "stream", tip.clone())];
        if waited > 0 {
            let tip = format!("user to bot {}", moment::span(waited));
            parts.push((begin, hundredths(waited, whole), "wait", tip));
        }
        if let Some(by) = &turn.interrupted {
            let end = (begin + width - MARK).max(0.0);
            parts.push((end, MARK, "cut", format!("interrupted: {by}")));
        }
        let number = turn
            .user_to_bot_us
            .map_or_else(|| "–".to_owned(), moment::span);
        row(
            &format!("turn {}", turn.turn),
            waterfall(&tip, &parts),
            &number,
            &mut inside,
        );
    }
    inside.raw("</div>\n");
    body.card("The call", "Each turn at its place in the call; the number is the time from the user's last word to the bot's first.", inside);
}

fn legend(entries: &[(&str, &str)], html: &mut Html) {
    html.raw("<ul class=\"legend\">");
    for (class, name) in entries {
        html.push(format_args!("<li><i class=\"{class}\"></i>{name}</li>"));
    }
    html.raw("</ul>\n");
}

fn turn_card(session: &SessionDetail, turn: &LedgerTurn, body: &mut Html) {
    let cut = turn
        .interrupted
        .as_deref()
        .map_or(String::new(), |by| format!(" ✂ interrupted: {by}"));
    let latency = turn.user_to_bot_us.map_or_else(
        || "user to bot not seen".to_owned(),
        |us| format!("user to bot {}", moment::span(us)),
    );
    let wasted = Range::of(&turn.wasted);
    let wasted = if wasted.is_nothing() {
        String::new()
    } else {
        format!(", {} wasted", wasted.shown())
    };
    let caption = format!(
        "{latency}; {} long; {}{wasted}",
        moment::span(turn.elapsed_us),
        Range::of(&turn.cost).shown()
    );
    let mut inside = Html::default();
    segments(turn, &mut inside);
    let list: Vec<&LedgerCall> = session
        .call_list
        .iter()
        .filter(|call| call.turn == Some(turn.turn))
        .collect();
    calls(&list, turn.started_at, &mut inside);
    body.card(&format!("Turn {}{cut}", turn.turn), &caption, inside);
}

/// What the user waited for.
fn segments(turn: &LedgerTurn, html: &mut Html) {
    let whole = turn
        .segments
        .iter()
        .fold(0_u64, |sum, part| sum.saturating_add(part.span_us));
    if whole == 0 {
        return;
    }
    html.raw("<h3>What the user waited for</h3>\n");
    let owners = [
        ("provider", "provider"),
        ("queue", "queues"),
        ("program", "program"),
        ("playback", "playback"),
    ];
    let is_there =
        |(class, _): &(&str, &str)| turn.segments.iter().any(|part| part.owner == *class);
    let owners: Vec<_> = owners.into_iter().filter(is_there).collect();
    legend(&owners, html);
    html.raw("<div class=\"rows\">\n");
    let mut from = 0_u64;
    for part in &turn.segments {
        let class = match part.owner {
            "provider" => "provider",
            "queue" => "queue",
            "playback" => "playback",
            _ => "program",
        };
        let tip = format!(
            "{} ({}): {}",
            part.name,
            part.owner,
            moment::span(part.span_us)
        );
        let bar = waterfall(
            &tip,
            &[(
                hundredths(from, whole),
                hundredths(part.span_us, whole),
                class,
                tip.clone(),
            )],
        );
        row(&part.name, bar, &moment::span(part.span_us), html);
        from = from.saturating_add(part.span_us);
    }
    html.raw("</div>\n");
}

/// Calls as bars on one axis, and their numbers.
fn calls(calls: &[&LedgerCall], from: Timestamp, html: &mut Html) {
    if calls.is_empty() {
        return;
    }
    let offset =
        |call: &LedgerCall| u64::try_from(call.started_at.0.saturating_sub(from.0)).unwrap_or(0);
    let end = |call: &&LedgerCall| {
        let elapsed = call.timing.map_or(0, |timing| timing.elapsed.us());
        offset(call).saturating_add(elapsed)
    };
    let whole = calls.iter().map(end).max().unwrap_or(0).max(1);
    html.raw("<h3>Calls</h3>\n");
    let kinds = [
        ("queue", "queue"),
        ("wait", "connecting and waiting for the first item"),
        ("stream", "stream"),
        ("cut", "cut or failed"),
    ];
    legend(&kinds, html);
    html.raw("<div class=\"rows\">\n");
    for call in calls {
        let phases = phases::of(call, offset(call));
        let parts: Vec<_> = phases.iter().map(|phase| stretch(phase, whole)).collect();
        let elapsed = call
            .timing
            .map_or_else(String::new, |timing| moment::span(timing.elapsed.us()));
        row(
            &call.stage,
            waterfall(&format!("{} took {elapsed}", call.stage), &parts),
            &elapsed,
            html,
        );
    }
    html.raw("</div>\n");
    let heads = [
        "stage",
        "outcome",
        "served by",
        ">queue",
        ">first item",
        ">whole",
        "used",
        ">cost",
        "failure",
    ];
    html.table(&heads, calls.iter().map(|call| cells(call)).collect(), None);
}

fn stretch(phase: &Phase, whole: u64) -> (f64, f64, &'static str, String) {
    let (class, what) = match phase.kind {
        Kind::Queue => ("queue", "queue"),
        Kind::Wait => ("wait", "waiting for the first item"),
        Kind::Stream => ("stream", "stream"),
        Kind::Cut => ("cut", "cut here"),
        Kind::Failed => ("cut", "failed here"),
    };
    let (from, mut span) = (
        hundredths(phase.from_us, whole),
        hundredths(phase.span_us, whole),
    );
    let tip = match phase.kind {
        Kind::Cut | Kind::Failed => {
            span = MARK;
            what.to_owned()
        }
        _ => format!("{what}: {}", moment::span(phase.span_us)),
    };
    (from.min(100.0 - span.min(MARK)), span, class, tip)
}

fn cells(call: &LedgerCall) -> Vec<Html> {
    let span = |span: Option<campanile_core::Span>| {
        Html::from(span.map_or(String::new(), |span| moment::span(span.us())))
    };
    let timing = call.timing;
    let (class, word) = match call.outcome {
        None => ("soft", "open".to_owned()),
        Some(outcome) => {
            let class = match outcome {
                Outcome::Completed => "good",
                Outcome::Cancelled => "warn",
                _ => "bad",
            };
            let reason = call
                .reason
                .as_deref()
                .map_or(String::new(), |reason| format!(": {reason}"));
            (class, format!("{}{reason}", outcome.name()))
        }
    };
    let mut outcome = Html::default();
    outcome.push(format_args!("<span class=\"{class}\">"));
    outcome.text(&word);
    outcome.raw("</span>");
    let names = [
        " tokens",
        " cached",
        " tokens out",
        " of audio",
        " of speech",
        " characters",
    ];
    let used: Vec<String> = sums::used(&call.usage)
        .into_iter()
        .zip(names)
        .filter(|(count, _)| !count.is_empty())
        .map(|(count, name)| count + name)
        .collect();
    let failure = call.failure.as_ref().map_or(String::new(), |failure| {
        let code = failure
            .code
            .as_deref()
            .map_or(String::new(), |code| format!(" {code}"));
        format!("{}{code}", failure.kind)
    });
    let tries = call.attempts.len();
    let served = call.attempts.last().map(model).unwrap_or_default();
    let served = if tries > 1 {
        format!("{served} ({tries} attempts)")
    } else {
        served
    };
    vec![
        Html::from(call.stage.as_str()),
        outcome,
        Html::from(served),
        span(timing.and_then(|timing| timing.queued)),
        span(timing.and_then(|timing| timing.first_item)),
        span(timing.map(|timing| timing.elapsed)),
        Html::from(used.join(", ")),
        Html::from(Range::of(&call.cost).shown()),
        Html::from(failure),
    ]
}

fn row(name: &str, bar: Html, number: &str, html: &mut Html) {
    html.element("<span class=\"name\">", name, "</span><span class=\"bar\">");
    html.append(bar);
    html.element("</span><span class=\"num\">", number, "</span>\n");
}

/// For places on a page.
fn hundredths(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole as f64
}
