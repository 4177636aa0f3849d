//! Rules over a ledger.

use crate::support::{NOW, SOON, call, folder, ledger};
use campanile::alerts::Watch;
use campanile::config::Config;
use campanile::sinks::ledger::Ledger;
use campanile::{
    Attempt, CallEvent, Cost, Event, Evidence, Meter, Outcome, Reason, SessionId, Sink, Span,
    Timestamp, Timing, TurnEvent, Usage,
};
use std::path::Path;

fn watch(path: &Path, rules: &str) -> Watch {
    let config = Config::parse(rules, "campanile.toml".as_ref()).unwrap();
    Watch::new(path, Vec::new()).rules(config.rules().unwrap())
}

fn ago(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 - seconds * 1_000_000)
}

/// Calls of the last minutes, each changed as it likes by its number.
fn calls(ledger: &Ledger, count: u64, change: impl Fn(u64, &mut CallEvent)) {
    for n in 0..count {
        let mut event = call(ago(200 - n as i64), 1);
        change(n, &mut event);
        ledger.record(&Event::Call(Box::new(event)));
    }
    assert!(ledger.flush(SOON));
}

fn timed(first_item_ms: u64) -> Option<Timing> {
    let mut timing = Timing::default();
    timing.first_item = Some(Span(first_item_ms * 1_000_000));
    timing.elapsed = Span(first_item_ms * 2_000_000);
    Some(timing)
}

/// What is told, as people read it.
fn told(watch: &mut Watch, now: Timestamp) -> Vec<String> {
    let alerts = watch.look(now).unwrap();
    alerts.iter().map(ToString::to_string).collect()
}

#[test]
fn one_slow_call_in_twenty_is_told_and_two_in_a_hundred_are_not() {
    let (_dir, path) = folder();
    let rules =
        "[[rule]]\nstage = \"llm\"\np95_first_item = \"1.2s\"\n[[rule]]\np95_elapsed = \"4s\"";
    let ledger = ledger(&path);
    calls(&ledger, 98, |_, call| call.timing = timed(300));
    calls(&ledger, 2, |_, call| call.timing = timed(1_520));
    assert!(told(&mut watch(&path, rules), NOW).is_empty());

    calls(&ledger, 4, |_, call| call.timing = timed(1_520));
    assert_eq!(
        told(&mut watch(&path, rules), NOW),
        ["rule:p95_first_item:llm: p95 of the first piece 1520ms, above 1200ms, in 5m"]
    );
}

#[test]
fn failures_are_told_once_in_a_window_by_all_together() {
    let (_dir, path) = folder();
    let rules = "[[rule]]\nname = \"llm\"\nstage = \"llm\"\nerror_rate = 0.1\nat_least = 10";
    let ledger = ledger(&path);
    let fail = |n: u64, call: &mut CallEvent| {
        call.outcome = if n < 1 {
            Outcome::Failed
        } else {
            Outcome::Completed
        };
    };
    calls(&ledger, 9, fail);
    let (mut first, mut second) = (watch(&path, rules), watch(&path, rules));
    assert!(told(&mut first, NOW).is_empty(), "nine calls judge nothing");

    calls(&ledger, 1, fail);
    let later = Timestamp(NOW.0 + 30_000_000);
    assert_eq!(
        told(&mut first, later),
        ["rule:llm: 20 % of calls failed, above 10 %, in 5m"]
    );
    assert!(told(&mut second, later).is_empty());
    assert!(told(&mut first, Timestamp(later.0 + 60_000_000)).is_empty());
}

#[test]
fn the_last_look_judges_what_has_happened_since_rules_were_judged() {
    let (_dir, path) = folder();
    let ledger = ledger(&path);
    let mut watch = watch(&path, "[[rule]]\nunpriced = true");
    let soon = Timestamp(NOW.0 + 1_000_000);
    assert!(told(&mut watch, NOW).is_empty());
    calls(&ledger, 1, |_, call| {
        call.attempts[0].cost = Some(Cost::unknown(Reason::UnknownModel));
    });
    assert!(
        told(&mut watch, soon).is_empty(),
        "it was judged a second ago"
    );

    watch.at_last();

    assert_eq!(told(&mut watch, soon).len(), 1);
}

#[test]
fn silence_is_told_by_who_has_listened_for_long_enough() {
    let (_dir, path) = folder();
    let rules = "[[rule]]\nno_calls_for = \"10m\"";
    let mut watch = watch(&path, rules);
    calls(&ledger(&path), 1, |_, _| {});
    let at = |minutes: i64| Timestamp(NOW.0 + minutes * 60_000_000);

    // The call was three minutes ago.
    assert!(told(&mut watch, at(0)).is_empty());
    assert!(
        told(&mut watch, at(9)).is_empty(),
        "it has listened for nine minutes"
    );
    assert_eq!(
        told(&mut watch, at(10)),
        ["rule:no_calls: no calls for 10m"]
    );
}

#[test]
fn traffic_without_usage_names_the_stage() {
    let (_dir, path) = folder();
    let rules = "[[rule]]\nno_usage = true\nat_least = 5";
    let ledger = ledger(&path);
    calls(&ledger, 5, |n, call| {
        call.stage = if n % 2 == 0 { "stt" } else { "llm" }.into();
        call.attempts[0].cost = None;
    });
    assert!(told(&mut watch(&path, rules), NOW).is_empty());
    calls(&ledger, 5, |_, call| {
        call.stage = "stt".into();
        call.attempts.clear();
    });
    calls(&ledger, 9, |n, call| {
        let usage = Usage::new().with(Meter::OutputTokens, 1, Evidence::Reported);
        call.attempts[0].usage = (n == 0).then_some(usage);
    });

    assert_eq!(
        told(&mut watch(&path, rules), NOW),
        ["rule:no_usage (stt): 8 calls in 5m, and none says what it has used"]
    );
}

#[test]
fn a_model_without_a_price_is_named_and_one_whose_price_function_panicked() {
    for why in [Reason::UnknownModel, Reason::PricingFailed] {
        let (_dir, path) = folder();
        calls(&ledger(&path), 3, |_, call| {
            call.attempts[0].model = Some("gpt-0".into());
            call.attempts[0].cost = Some(Cost::unknown(why));
        });
        assert_eq!(
            told(&mut watch(&path, "[[rule]]\nunpriced = true"), NOW),
            ["rule:unpriced (openai/gpt-0): no price for gpt-0: its cost has no upper bound"]
        );
    }
}

/// What is told of calls that were tried at OpenAI, which knows no price, and served by Anthropic.
fn told_of_fallbacks(filter: &str) -> Vec<String> {
    let (_dir, path) = folder();
    calls(&ledger(&path), 1, |_, call| {
        call.attempts[0].model = Some("gpt-0-2026-01-31".into());
        call.attempts[0].cost = Some(Cost::unknown(Reason::UnknownModel));
        let mut second = Attempt::new(2);
        second.provider = Some("anthropic".into());
        second.model = Some("claude-0".into());
        call.attempts.push(second);
    });
    let rule = format!("[[rule]]\nunpriced = true\n{filter}");
    told(&mut watch(&path, &rule), NOW)
}

#[test]
fn a_rule_is_about_attempts_of_which_provider_and_model_both_fit() {
    let about = |filter| told_of_fallbacks(filter).len();
    assert_eq!(about("provider = \"openai\""), 1);
    assert_eq!(about("provider = \"openai\"\nmodel = \"claude-0\""), 0);
    assert_eq!(about("provider = \"anthropic\""), 0, "theirs has a price");
}

#[test]
fn a_rule_names_models_as_a_budget_does() {
    let about = |filter| told_of_fallbacks(filter).len();
    assert_eq!(about("model = \"gpt-0\""), 1);
    assert_eq!(about("model = \"gpt*\""), 1);
    assert_eq!(about("model = \"gpt\""), 0);
}

#[test]
fn users_that_wait_are_told() {
    let (_dir, path) = folder();
    let ledger = ledger(&path);
    let session = SessionId::new("call-7").unwrap();
    for n in 1..=20 {
        let mut turn = TurnEvent::new(session.clone(), n, ago(100));
        turn.user_to_bot = Some(Span(2_000_000_000));
        ledger.record(&Event::Turn(Box::new(turn)));
    }
    assert!(ledger.flush(SOON));

    let told = told(
        &mut watch(&path, "[[rule]]\np95_user_to_bot = \"1500ms\""),
        NOW,
    );
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with("rule:p95_user_to_bot: p95 from user to bot "),
        "{told:?}"
    );
}

#[test]
fn few_turns_judge_where_a_rule_says_so() {
    let (_dir, path) = folder();
    let ledger = ledger(&path);
    let session = SessionId::new("call-7").unwrap();
    for (n, seconds) in [(1, 1), (2, 3), (3, 1)] {
        let mut turn = TurnEvent::new(session.clone(), n, ago(100));
        turn.user_to_bot = Some(Span(seconds * 1_000_000_000));
        ledger.record(&Event::Turn(Box::new(turn)));
    }
    assert!(ledger.flush(SOON));
    let watch = |at_least: u32| {
        let rule = format!("[[rule]]\np95_user_to_bot = \"2s\"\nat_least = {at_least}");
        watch(&path, &rule)
    };

    assert!(told(&mut watch(4), NOW).is_empty());
    assert_eq!(
        told(&mut watch(3), NOW),
        ["rule:p95_user_to_bot: p95 from user to bot 3000ms, above 2000ms, in 5m"]
    );
}

#[test]
fn what_is_wrong_with_a_rule_is_told_in_one_line() {
    for (rule, told) in [
        ("stage = \"llm\"", "it has one condition of"),
        ("no_usage = true\nunpriced = true", "here are 2"),
        ("error_rate = 1.5", "`error_rate` is a share"),
        ("p95_elapsed = \"fast\"", "such as \"800ms\""),
        ("no_calls_for = 10", "such as \"14d\""),
        ("p95_elapsd = \"1s\"", "did you mean `p95_elapsed`?"),
        ("unpriced = true\nname = \"a b\"", "give it a short `name`"),
        (
            "idle_for = \"60s\"\nprovider = \"openai\"",
            "`idle_for` goes with `stage` only",
        ),
        (
            "idle_for = \"60s\"\nmodel = \"nova-3\"",
            "`idle_for` goes with `stage` only",
        ),
        (
            "idle_for = \"60s\"\nlabel = { tenant = \"acme\" }",
            "`idle_for` goes with `stage` only",
        ),
        (
            "p95_user_to_bot = \"1s\"\nstage = \"llm\"",
            "`p95_user_to_bot` is about turns",
        ),
        (
            "p95_user_to_bot = \"1s\"\nlabel = { tenant = \"acme\" }",
            "`p95_user_to_bot` is about turns",
        ),
        (
            "unpriced = true\n[[rule]]\nunpriced = true",
            "two rules are called",
        ),
    ] {
        let text = format!("[[rule]]\n{rule}");
        let error = Config::parse(&text, "campanile.toml".as_ref())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(told) && error.lines().count() == 1,
            "{error}"
        );
    }
}
