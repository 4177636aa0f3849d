//! What comes of the program's own log lines.

use crate::support::bench;
use campanile::{Levels, LogPolicy, Redactions};
use serde_json::json;
use tracing_subscriber::layer::SubscriberExt as _;

fn policy(targets: &[&str], fields: &[&str]) -> LogPolicy {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    LogPolicy {
        targets: owned(targets),
        fields: owned(fields),
    }
}

fn shout(text: &str, masked: &mut String) -> Redactions {
    masked.push_str(&text.to_uppercase());
    Redactions::default()
}

#[test]
fn texts_and_fields_pass_by_name_only() {
    let bench = bench(|builder| {
        let levels = Levels::parse("debug").unwrap();
        builder
            .redactor(shout)
            .levels(levels)
            .logs(policy(&["my_bot"], &["attempt", "city"]))
    });
    let subscriber = tracing_subscriber::registry().with(bench.monitor.tracing_layer());

    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(target: "my_bot::llm", attempt = 2, city = "rome", secret = "card 4111", "said {}", "hello");
        tracing::debug!(target: "my_bottle", attempt = 3, "said hello");
        tracing::trace!(target: "my_bot", "too fine");
    });

    let logs = bench.of("log");
    assert_eq!(logs.len(), 2);
    assert_eq!(logs[0]["message"], "SAID HELLO");
    assert_eq!(logs[0]["fields"], json!({"attempt": 2, "city": "ROME"}));
    assert_eq!(logs[1]["message"], json!(null));
    assert_eq!(logs[1]["fields"], json!({"attempt": 3}));
    assert!(!format!("{logs:?}").contains("4111"));
}

#[test]
fn a_line_carries_the_ids_of_its_span() {
    let bench = bench(|builder| builder);
    let subscriber = tracing_subscriber::registry().with(bench.monitor.tracing_layer());

    tracing::subscriber::with_default(subscriber, || {
        let session = tracing::info_span!("session", session = "call-7");
        let turn =
            session.in_scope(|| tracing::info_span!("turn", turn = 3_u64, text = "card 4111"));
        turn.in_scope(|| tracing::warn!("slow"));
    });

    let log = bench.only("log");
    assert_eq!(
        (&log["session"], &log["turn"], &log["level"]),
        (&json!("call-7"), &json!(3), &json!("warn"))
    );
}

#[test]
fn levels_may_change_while_the_program_runs() {
    let levels = Levels::parse("warn").unwrap();
    let bench = bench(|builder| builder.levels(levels.clone()));
    let subscriber = tracing_subscriber::registry().with(bench.monitor.tracing_layer());

    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..2 {
            tracing::info!("a line");
            levels.set(&Levels::parse("info").unwrap());
        }
    });

    assert_eq!(bench.of("log").len(), 1);
}
