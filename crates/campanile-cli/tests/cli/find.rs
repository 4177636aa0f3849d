//! `errors`, `latency`, `session` and `report` on two days of a busy bot.

use crate::busy;
use crate::support::{Done, Home, START};
use campanile_core::{Clock, Event, Sink, Tick, TimeSource, Timestamp};
use campanile_sinks::{Jsonl, Notices};
use serde_json::Value;
use std::sync::OnceLock;
use std::time::Duration;

/// When the commands run: an hour after the start of the small ledger.
const NOW: Timestamp = Timestamp(START.0 + 3_600_000_000);
const SESSIONS: u64 = 60;

struct Still;

impl TimeSource for Still {
    fn tick(&self) -> Tick {
        Tick(1)
    }

    fn now(&self) -> Timestamp {
        NOW
    }
}

/// A ledger, log files and budgets, made once.
pub(crate) fn busy_home() -> &'static Home {
    static HOME: OnceLock<Home> = OnceLock::new();
    HOME.get_or_init(|| {
        let home = Home::new();
        let events: Vec<Event> = (0..SESSIONS)
            .flat_map(|n| busy::session(n, SESSIONS, 2, NOW))
            .collect();
        home.record(&events);
        let logs = home.dir().join("logs");
        let sink = Jsonl::new(&logs)
            .clock(Clock::new(Still))
            .notices(Notices::silent())
            .open()
            .unwrap();
        events.iter().for_each(|event| sink.record(event));
        assert!(sink.close(Duration::from_secs(30)));
        let config = format!(
            "[sink.jsonl]\ndir = \"{}\"\n[[budget]]\nprovider = \"openai\"\nusd = \"0.1\"\n[[budget]]\nprovider = \"cartesia\"\nusd = \"0.15\"\n",
            logs.display()
        );
        home.configure(&config);
        home
    })
}

fn run(words: &[&str]) -> Done {
    busy_home().run(words)
}

fn good(words: &[&str]) -> String {
    run(words).good()
}

fn json(words: &[&str]) -> Value {
    serde_json::from_str(&good(words)).expect("what is printed is JSON")
}

#[test]
fn errors_are_groups_with_trend_reach_and_dead_air() {
    insta::assert_snapshot!(good(&["errors"]));
}

#[test]
fn one_error_has_its_texts_its_last_calls_and_the_lines_around() {
    insta::assert_snapshot!(good(&["errors", "show", "5f0c"]));
}

#[test]
fn errors_for_programs_name_sessions_and_requests() {
    let errors = json(&["errors", "--format", "json"]);
    let groups = errors["groups"].as_array().unwrap();
    let first = &groups[0];
    assert_eq!(errors["v"], 1);
    assert_eq!(first["kind"], "rate_limit");
    assert_eq!(first["calls"], first["recoverable"]);
    let calls = first["calls"].as_u64().unwrap();
    let trend: u64 = first["trend"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(trend, calls);
    assert!(first["dead_air_us"].as_u64().unwrap() > 0);
    let session = first["last_sessions"][0].as_str().unwrap();
    let shown = good(&["session", session]);
    assert!(shown.contains("rate_limit 429"), "{shown}");
    let request = first["last_request_ids"][0].as_str().unwrap();
    assert_eq!(good(&["logs", request, "--count"]), "1\n");

    let csv = good(&["errors", "--format", "csv"]);
    assert_eq!(csv.lines().count(), groups.len() + 1);
}

#[test]
fn what_is_new_is_what_never_failed_before() {
    let all = json(&["errors", "--format", "json"]);
    let new = json(&["errors", "--new-since", "20h", "--format", "json"]);

    let since = Timestamp(NOW.0 - 20 * 3_600_000_000).to_string();
    let fingerprints = |groups: &Value, new: bool| {
        let groups = groups["groups"].as_array().unwrap().iter();
        let groups = groups
            .filter(|group| !new || group["first_ever_at"].as_str().unwrap() >= since.as_str());
        groups
            .map(|group| group["fingerprint"].to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(fingerprints(&new, false), fingerprints(&all, true));
    assert!(fingerprints(&new, false).len() < fingerprints(&all, false).len());
}

#[test]
fn a_fingerprint_that_is_none_or_not_enough_is_one_line() {
    let none = run(&["errors", "show", "ffff"]);
    assert_eq!(none.code, 1);
    assert!(none.err.contains("`campanile errors` lists them"));
    let many = run(&["errors", "show", ""]);
    assert_eq!(many.code, 2);
    assert!(many.err.contains("give more of it"), "{}", many.err);
}

#[test]
fn latency_has_percentiles_that_their_number_carries() {
    insta::assert_snapshot!(good(&["latency", "--since", "48h"]));
}

#[test]
fn what_would_be_left_out_is_refused() {
    for words in [
        &["latency", "--histogram", "--format", "json"][..],
        &["latency", "--histogram", "--compare", "2d"],
        &["latency", "--compare", "2d", "--format", "csv"],
        &["report", "--masked", "--format", "csv"],
        &["report", "--masked", "--format", "html"],
        &["errors", "--limit", "0"],
        &["sessions", "--limit", "0"],
    ] {
        let done = run(words);
        assert_eq!(
            (done.code, done.out.as_str()),
            (2, ""),
            "{words:?} {}",
            done.err
        );
        assert!(done.err.contains(words[1]), "{words:?} {}", done.err);
    }
}

#[test]
fn latency_is_compared_and_drawn() {
    insta::assert_snapshot!(good(&["latency", "--by", "stage", "--compare"]));
    insta::assert_snapshot!(good(&[
        "latency",
        "--by",
        "stage",
        "--stage",
        "llm",
        "--histogram"
    ]));
}

#[test]
fn latency_for_programs_says_how_sure_it_is() {
    let latency = json(&[
        "latency",
        "--since",
        "48h",
        "--by",
        "stage",
        "--format",
        "json",
        "--compare",
    ]);

    assert_eq!(latency["relative_error"], "0.0078");
    let llm = latency["rows"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["stage"] == "llm")
        .unwrap();
    assert_eq!(llm["calls"], SESSIONS * 8);
    assert!(llm["first_item"]["p99_us"].as_u64() >= llm["first_item"]["p50_us"].as_u64());
    assert_eq!(latency["turns"]["turns"], SESSIONS * 8);
    assert_eq!(latency["throughput"]["calls"], SESSIONS * busy::CALLS);
    // Before that, there was nothing.
    assert_eq!(
        latency["compared_with"]["turns"]["user_to_bot"]["p50_us"],
        Value::Null
    );
    let few = json(&[
        "latency", "--since", "2h", "--by", "outcome", "--format", "json",
    ]);
    for row in few["rows"].as_array().unwrap() {
        let (n, p99) = (
            row["elapsed"]["n"].as_u64().unwrap(),
            &row["elapsed"]["p99_us"],
        );
        assert_eq!(n >= 100, !p99.is_null(), "{row}");
    }
}

#[test]
fn the_month_so_far_stands_beside_its_budgets() {
    insta::assert_snapshot!(good(&["report"]));
    let report = json(&["report", "--format", "json"]);
    assert_eq!(report["since"], "2026-11-01T00:00:00.000000Z");
    assert_eq!(report["budgets"].as_array().unwrap().len(), 2);
    // Another time has no budgets.
    assert_eq!(
        json(&["report", "--since", "1d", "--format", "json"])["budgets"],
        Value::Null
    );
}

#[test]
fn a_report_is_by_a_label_and_about_some_calls() {
    let all = json(&["report", "--by", "label:tenant", "--format", "json"]);
    let rows = all["rows"].as_array().unwrap();
    let mut tenants: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["label:tenant"].as_str())
        .collect();
    tenants.sort_unstable();
    assert_eq!(tenants, ["acme", "globex", "initech"]);
    let acme = json(&[
        "report",
        "--label",
        "tenant=acme",
        "--provider",
        "openai",
        "--format",
        "json",
    ]);
    let calls = acme["total"]["calls"].as_u64().unwrap();
    assert!(calls > 0 && calls < SESSIONS * 8, "{calls}");
    let done = run(&["report", "--by", "stage,stage"]);
    assert_eq!(done.code, 2);
    assert!(run(&["report", "--by", "color"]).err.contains("label:NAME"));
}

#[test]
fn a_session_is_found_by_the_end_of_its_id() {
    let sessions = json(&["sessions", "--limit", "1", "--format", "json"]);
    let id = sessions["sessions"][0]["session"].as_str().unwrap();

    let whole = good(&["session", id]);

    assert_eq!(good(&["session", &id[28..]]), whole);
    assert_eq!(run(&["session", "00000000"]).code, 1);
}

#[test]
fn sessions_that_failed_are_listed_alone() {
    let count = |words: &[&str]| json(words)["sessions"].as_array().unwrap().len();
    let failed = count(&["sessions", "--failed", "--format", "json"]);
    assert!(failed > 0 && failed < SESSIONS as usize, "{failed}");
    // The failing session in three commands.
    let listed = good(&["errors"]);
    let session = listed
        .lines()
        .nth(1)
        .unwrap()
        .split_whitespace()
        .find(|word| word.len() == 36)
        .unwrap();
    assert!(good(&["session", session]).contains("✖"));
    assert!(good(&["logs", "--session", session, "--level", "error"]).contains("failed"));
}

/// The keys of a document, with what kind of value each has.
fn shape(value: &Value, at: &str, lines: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                shape(value, &format!("{at}.{key}"), lines);
            }
        }
        // All elements together.
        Value::Array(elements) => {
            for element in elements {
                shape(element, &format!("{at}[]"), lines);
            }
        }
        Value::String(_) => lines.push(format!("{at}: text")),
        Value::Number(_) => lines.push(format!("{at}: number")),
        Value::Bool(_) => lines.push(format!("{at}: bool")),
        Value::Null => lines.push(format!("{at}: null")),
    }
}

#[test]
fn documents_for_programs_keep_their_shape() {
    let home = Home::with_small_ledger();
    let commands: [&[&str]; 7] = [
        &["report", "--by", "stage,provider"],
        &["sessions"],
        &["session", "call-7"],
        &["errors"],
        &["errors", "show", "0123"],
        &["latency", "--since", "2h", "--by", "stage", "--compare"],
        &["ledger", "stats"],
    ];
    let mut lines = Vec::new();
    for words in commands {
        let text = home.run(&[words, &["--format", "json"]].concat()).good();
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["v"], 1, "{words:?}");
        let mut keys = Vec::new();
        shape(&document, "", &mut keys);
        keys.sort();
        keys.dedup();
        lines.push(format!("# {}", words.join(" ")));
        lines.extend(keys);
    }
    insta::assert_snapshot!(lines.join("\n"));
}
