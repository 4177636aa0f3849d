//! Where budgets stand, and whether they hold.

use crate::support::{Done, Home};
use campanile_cli::Terminal;
use serde_json::Value;

const BUDGETS: &str = r#"
[[budget]]
provider = "openai"
usd = "50"

[[budget]]
provider = "deepgram"
usd = "0.01"
window = "24h"

[[budget]]
name = "tenants"
per = "session"
usd = "2"
window = "month"
billing_day = 15
timezone = "Europe/Berlin"

[[budget]]
provider = "cartesia"
usd = "20"
"#;

/// A ledger with a busy November in it.
fn busy() -> Home {
    let home = Home::new();
    home.configure(BUDGETS);
    let mut events = String::new();
    for day in 1..=23 {
        // 1.8 dollars a day.
        events.push_str(&format!(
            r#"{{"id":"o{day}","provider":"openai","model":"gpt-4o-mini","at":"2026-11-{day:02}T09:30:00Z","usage":{{"output_tokens":3000000}}}}"#
        ));
        events.push('\n');
    }
    events.push_str(
        r#"{"id":"d","provider":"deepgram","model":"nova-3","at":"2026-11-23T12:00:00Z","session":"call-7","usage":{"audio_seconds":"120"}}
{"id":"x","provider":"newcomer","model":"x-1","at":"2026-11-23T12:00:00Z","session":"call-8","usage":{"input_tokens":10}}
"#,
    );
    let done = home.run_with(&["record"], events, Terminal::default());
    assert_eq!(done.code, 0, "{}", done.err);
    home
}

fn at(home: &Home, words: &[&str]) -> Done {
    home.run(&[words, &["--at", "2026-11-24T01:50:29Z"]].concat())
}

#[test]
fn budgets_are_listed_with_what_is_spent_and_until_when_they_last() {
    insta::assert_snapshot!(at(&busy(), &["budget"]).good());
}

#[test]
fn budgets_are_listed_for_programs() {
    let home = busy();
    let json: Value =
        serde_json::from_str(&at(&home, &["budget", "--format", "json"]).good()).unwrap();
    let openai = &json["budgets"][0];
    assert_eq!(openai["spent"]["usd"], "41.4");
    assert_eq!(openai["share"], "0.828");
    assert_eq!(openai["until"], "2026-12-01T00:00:00Z");
    insta::assert_snapshot!(at(&home, &["budget", "--format", "csv"]).good());
}

#[test]
fn a_check_fails_where_a_limit_is_reached_or_nobody_knows() {
    let home = busy();
    let done = at(&home, &["budget", "check", "--share", "0.8"]);
    assert_eq!((done.code, done.err.as_str()), (1, ""));
    insta::assert_snapshot!(done.out);

    home.configure("[[budget]]\nprovider = \"openai\"\nusd = \"50\"");
    assert_eq!(at(&home, &["budget", "check"]).good(), "");
    assert_eq!(
        at(&home, &["budget", "check", "--share", "0.829"]).good(),
        ""
    );
    assert_eq!(at(&home, &["budget", "check", "--share", "0.828"]).code, 1);
}

#[test]
fn recording_raises_what_is_passed_now_and_raises_it_once() {
    let home = Home::new();
    home.configure(
        "[[budget]]\nprovider = \"openai\"\nusd = \"1\"\nwindow = \"24h\"\nwarn_at = [0.5, 1.0]",
    );
    let event = |id| {
        format!(
            r#"{{"id":"{id}","provider":"openai","model":"gpt-4o-mini","usage":{{"output_tokens":1000000}}}}"#
        )
    };
    let record = |id| home.run_with(&["record"], event(id), Terminal::default());

    let first = record("a");
    assert_eq!((first.code, first.out.as_str()), (0, "ack a 1000000\n"));
    assert!(
        first.err.contains("$0.60 of $1.00") && first.err.contains("50 % passed"),
        "{}",
        first.err
    );
    assert_eq!(record("a").err, "");
    assert!(record("b").err.contains("100 % passed"));
}

#[test]
fn recording_follows_the_rules_too() {
    let home = Home::new();
    home.configure("[[rule]]\nunpriced = true");
    let event = r#"{"provider":"newcomer","model":"x-1","usage":{"input_tokens":10}}"#;

    let done = home.run_with(&["record"], event, Terminal::default());

    assert_eq!(
        done.err,
        "campanile: rule:unpriced (newcomer/x-1): no price for x-1: its cost has no upper bound\n"
    );
}

#[test]
fn without_a_budget_or_a_ledger_nothing_is_called_good() {
    let home = Home::new();
    home.configure("");
    let done = home.run(&["budget", "check"]);
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    assert!(done.err.contains("there is no budget"), "{}", done.err);

    home.configure(BUDGETS);
    let done = home.run(&["budget", "check"]);
    assert_eq!((done.code, done.err.lines().count()), (2, 1));
    assert!(done.err.contains("there is no ledger"), "{}", done.err);
}

#[test]
fn what_is_wrong_with_a_budget_is_told_in_one_line() {
    let home = Home::new();
    for (budget, told) in [
        ("usd = \"fifty\"", "`usd` is a decimal number in quotes"),
        (
            "usd = \"50\"\nwindow = \"fortnight\"",
            "`window` cannot be `fortnight`",
        ),
        (
            "usd = \"50\"\ntimezone = \"Berlin\"",
            "`timezone` cannot be `Berlin`",
        ),
        (
            "usd = \"50\"\nbilling_day = 32",
            "`billing_day` is a day from 1 to 31",
        ),
        (
            "usd = \"50\"\nwindow = \"day\"\nbilling_day = 3",
            "goes with `window = \"month\"`",
        ),
        (
            "usd = \"50\"\nwarn_at = [0.12345]",
            "at most three decimals",
        ),
        ("usd = \"50\"\nwarn_at = [nan]", "`warn_at` holds shares"),
        ("usd = \"50\"\nname = \"a b\"", "give it a short `name`"),
        (
            "usd = \"50\"\nwarnat = [1]",
            "did you mean `budget.warn_at`",
        ),
        (
            "usd = \"50\"\n[[budget]]\nusd = \"60\"",
            "two budgets are called `budget:all:month`",
        ),
    ] {
        home.configure(&format!("[[budget]]\n{budget}"));
        let done = home.run(&["budget"]);
        assert_eq!(
            (done.code, done.err.lines().count()),
            (2, 1),
            "{}",
            done.err
        );
        assert!(
            done.err.contains(told)
                || told.contains("did you mean") && done.err.contains("warn_at"),
            "{}",
            done.err
        );
    }
}
