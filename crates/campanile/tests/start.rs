//! From a file to a ledger.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use campanile::config::Config;
use campanile::sinks::ledger::{Dimension, Query, Reader};
use campanile::{CallLayer, Facts, Meter, Monitor, Tally, Unary, UsageLayer, client};
use std::convert::Infallible;
use std::path::Path;
use tower::{ServiceBuilder, ServiceExt as _};
use tracing_subscriber::layer::SubscriberExt as _;

struct Speak(u64);

impl Facts for Speak {
    fn usage(&self, tally: &Tally) {
        tally.add(Meter::Characters, self.0);
    }
}

/// Says `characters` through Cartesia, at 50 dollars a million.
async fn speak(monitor: &Monitor, characters: u64) {
    let stage = ServiceBuilder::new()
        .layer(CallLayer::new("tts", monitor))
        .layer(UsageLayer::new().provider("cartesia").model("sonic-3"))
        .layer(client::unary())
        .service_fn(async |_: Speak| Ok::<_, Infallible>(()));
    let Ok(Unary(())) = stage.oneshot(Speak(characters)).await;
}

fn config(folder: &Path) -> Config {
    let text = format!(
        "[env.test]\nsinks = [\"ledger\", \"jsonl\", \"prometheus\"]\n\
         [sink.ledger]\npath = {:?}\n[sink.jsonl]\ndir = {:?}\n[sink.prometheus]\nlisten = \"127.0.0.1:0\"\n\
         [[budget]]\nprovider = \"cartesia\"\nusd = \"20\"\nwarn_at = [0.5, 1.0]\n",
        folder.join("ledger/test.db"),
        folder.join("logs")
    );
    Config::parse(&text, Path::new("campanile.toml")).unwrap()
}

/// The lines of one kind in all log files.
fn lines(folder: &Path, event: &str) -> Vec<serde_json::Value> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder.join("logs")).unwrap().flatten() {
        if file
            .path()
            .extension()
            .is_some_and(|ending| ending == "jsonl")
        {
            let text = std::fs::read_to_string(file.path()).unwrap();
            found.extend(
                text.lines()
                    .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()),
            );
        }
    }
    found.retain(|line| line["event"] == event);
    found
}

#[tokio::test]
async fn what_a_file_describes_is_written_and_summed() {
    let folder = tempfile::tempdir().unwrap();
    let monitor = Monitor::from_config(&config(folder.path()), "test").unwrap();
    let metrics = monitor.metrics_recorder().unwrap();

    monitor.session().end("over");
    speak(&monitor, 1_000).await;
    assert!(monitor.close().await);

    let mut lanes = monitor.lanes().into_iter();
    let (_, jsonl) = lanes.find(|(name, _)| *name == "jsonl").unwrap();
    assert_eq!((jsonl.opened, jsonl.written), (2, 2));
    let text = metrics.render();
    for line in [
        "campanile_sink_events_total{sink=\"jsonl\"} 2",
        "campanile_sink_written_total{sink=\"jsonl\"} 2",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }

    let reader = Reader::open(folder.path().join("ledger/test.db")).unwrap();
    let report = reader
        .report(&Query::default().by([Dimension::Provider]))
        .unwrap();
    assert_eq!(report.total.cost.at_least.to_string(), "0.05");
    assert!(report.total.cost.is_exact());
    assert!(
        lines(folder.path(), "call").is_empty(),
        "calls are detail, and the level is info"
    );
}

#[tokio::test]
async fn a_budget_is_told_once_also_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for characters in [150_000, 60_000, 210_000] {
        // 7.50, 10.50, 21 dollars.
        let monitor = Monitor::from_config(&config(folder.path()), "test").unwrap();
        speak(&monitor, characters).await;
        assert!(monitor.close().await);
    }

    // Closed log files may be compressed by now; the ledger has the alerts, too.
    let reader = Reader::open(folder.path().join("ledger/test.db")).unwrap();
    let told = reader.alerts().unwrap();
    let told: Vec<_> = told
        .iter()
        .map(|alert| alert["threshold"].as_str().unwrap())
        .collect();
    assert_eq!(told, ["0.5", "1"]);
}

#[test]
fn a_rule_that_a_program_has_made_wrong_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[env.test]\nsinks = []\n[[rule]]\nunpriced = true\n";
    let mut config = Config::parse(text, folder.path()).unwrap();
    config.rule[0].no_usage = true;

    let error = Monitor::from_config(&config, "test").unwrap_err();

    let told = "campanile: rule `no_usage+unpriced`: it has one condition of";
    assert!(error.to_string().starts_with(told), "{error}");
}

#[test]
fn what_cannot_be_had_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("logs"), "a file").unwrap();

    let error = Monitor::from_config(&config(folder.path()), "test")
        .unwrap_err()
        .to_string();

    assert!(
        error.contains("logs") && error.lines().count() == 1,
        "{error}"
    );
    assert_eq!(
        format!(
            "{:?}",
            Monitor::from_config(&config(folder.path()), "tset").unwrap_err()
        )
        .lines()
        .count(),
        1
    );
}

/// The message of a log line that goes through one sink.
async fn message(tight: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("logs");
    let text = format!(
        "[env.test]\nsinks = [\"jsonl\"]\n[log]\ntargets = [\"bot\"]\n\
         [redact.modes]\nemail = \"mask\"\ncard = \"partial\"\n[sink.jsonl]\ndir = {dir:?}\n{tight}"
    );
    let config = Config::parse(&text, Path::new("campanile.toml")).unwrap();
    let monitor = Monitor::from_config(&config, "test").unwrap();
    let subscriber = tracing_subscriber::registry().with(monitor.tracing_layer());
    let card = ["4111", "1111", "1111", "1111"].join(" ");
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(target: "bot", "card {card}, mail jo@example.com");
    });
    assert!(monitor.close().await);
    let lines = lines(folder.path(), "log");
    lines[0]["message"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_sink_may_be_told_less_than_the_file_allows_and_never_more() {
    assert_eq!(message("").await, "card **** 1111, mail ***");
    let modes = "[sink.jsonl.modes]\nemail = \"tag\"\ncard = \"tag\"\n";
    assert_eq!(message(modes).await, "card [CARD], mail ***");
    let size = message("logs = \"measure\"\n").await;
    assert_eq!(size, "[24 characters, 5 words]");
    assert_eq!(message("logs = \"drop\"\n").await, "");
}
