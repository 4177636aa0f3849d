//! Commands that read the ledger.

use crate::support::{Home, campanile, small};
use campanile_cli::Terminal;
use campanile_core::Event;
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("what is printed is JSON")
}

#[test]
fn a_report_shows_sums_ranges_and_what_was_wasted() {
    let home = Home::with_small_ledger();
    insta::assert_snapshot!(home.run(&["report"]).good());
}

#[test]
fn a_model_that_only_refused_is_no_line_for_people() {
    let home = Home::new();
    let mut events = small();
    for event in &mut events {
        if let Event::Call(call) = event
            && let [_, answered] = call.attempts.as_mut_slice()
        {
            answered.model = Some("gpt-4o-mini-2024-07-18".into());
        }
    }
    home.record(&events);

    let out = home.run(&["report"]).good();
    assert!(out.contains("gpt-4o-mini-2024-07-18"), "{out}");
    assert!(!out.contains("gpt-4o-mini "), "{out}");
    let report = json(&home.run(&["report", "--format", "json"]).good());
    let rows = report["rows"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["model"] == "gpt-4o-mini"));
}

#[test]
fn each_kind_of_waste_is_told_on_a_page_and_to_programs() {
    let home = Home::with_small_ledger();

    let page = home.run(&["report", "--format", "html"]).good();
    assert!(
        page.contains("interrupted $0.0020–0.0106, failed unknown"),
        "{page}"
    );
    let report = json(&home.run(&["report", "--format", "json"]).good());
    let kinds = &report["total"]["wasted_by"];
    assert_eq!(kinds["interrupted"]["at_most"], "0.0106");
    assert_eq!(kinds["failed"]["at_most"], Value::Null);
}

#[test]
fn a_report_takes_two_dimensions_and_a_time() {
    let home = Home::with_small_ledger();
    let words = [
        "report",
        "--by",
        "stage,outcome",
        "--since",
        "2h",
        "--until",
        "2026-11-24T01:50:45Z",
    ];
    insta::assert_snapshot!(home.run(&words).good());
}

#[test]
fn a_report_for_programs_has_exact_amounts() {
    let home = Home::with_small_ledger();
    let report = json(
        &home
            .run(&["report", "--by", "provider", "--format", "json"])
            .good(),
    );

    let rows = report["rows"].as_array().unwrap();
    let deepgram = rows
        .iter()
        .find(|row| row["provider"] == "deepgram")
        .unwrap();
    assert_eq!(deepgram["cost"]["usd"], "0.00664");
    assert_eq!(
        deepgram["cost"]["grains"]["at_least"],
        "23904000000000000000"
    );
    assert_eq!(deepgram["usage"]["audio_us"], 83_000_000);
    let newcomer = rows
        .iter()
        .find(|row| row["provider"] == "newcomer")
        .unwrap();
    assert_eq!(
        (&newcomer["cost"]["usd"], &newcomer["cost"]["at_most"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (&report["v"], &report["total"]["calls"]),
        (&Value::from(1), &Value::from(4))
    );
}

#[test]
fn a_report_counts_what_was_masked_by_type() {
    let home = Home::new();
    let mut events = small();
    for event in &mut events {
        if let Event::Call(call) = event {
            call.redactions.add("CARD", 2);
            call.redactions.add("EMAIL", u32::from(call.turn.is_none()));
        }
    }
    home.record(&events);

    let report = |arguments: &[&str]| home.run(&[&["report"], arguments].concat()).good();
    assert!(report(&[]).ends_with("\n\nmasked: CARD 8, EMAIL 1\n"));
    assert!(report(&["--stage", "llm"]).ends_with("\nmasked: CARD 4, EMAIL 1\n"));
    assert!(report(&["--stage", "stt"]).ends_with("\nmasked: CARD 2\n"));
    let document = json(&report(&["--format", "json"]));
    assert_eq!(
        document["masked"],
        serde_json::json!({"CARD": 8, "EMAIL": 1})
    );

    let nothing = Home::with_small_ledger();
    let told = |arguments: &[&str]| nothing.run(arguments).good();
    assert!(!told(&["report"]).contains("masked"));
    assert!(told(&["report", "--masked"]).ends_with("\nmasked: nothing\n"));
}

#[test]
fn a_report_for_spreadsheets_has_both_bounds() {
    let home = Home::with_small_ledger();
    insta::assert_snapshot!(
        home.run(&["report", "--by", "provider", "--format", "csv"])
            .good()
    );
}

#[test]
fn a_report_of_nothing_says_so() {
    let home = Home::with_small_ledger();
    let done = home.run(&["report", "--since", "now"]);
    assert_eq!(
        done.good(),
        "2026-11-24 02:50:29 to now, UTC\nno calls here\n"
    );
}

#[test]
fn sessions_are_listed() {
    let home = Home::with_small_ledger();
    insta::assert_snapshot!(home.run(&["sessions"]).good());
}

#[test]
fn a_session_is_a_waterfall() {
    let home = Home::with_small_ledger();
    insta::assert_snapshot!(home.run(&["session", "call-7"]).good());
}

#[test]
fn a_session_for_programs_holds_turns_and_calls() {
    let home = Home::with_small_ledger();
    let session = json(&home.run(&["session", "call-7", "--format", "json"]).good());

    assert_eq!(session["turn_list"][1]["interrupted"], "barge_in");
    assert_eq!(session["call_list"].as_array().unwrap().len(), 3);
    assert_eq!(
        session["call_list"][1]["attempts"][0]["failure"]["code"],
        "429"
    );
}

#[test]
fn an_unknown_session_is_told() {
    let done = Home::with_small_ledger().run(&["session", "call-8"]);
    assert_eq!(done.code, 1);
    assert_eq!(
        done.err,
        "campanile: no session `call-8` in LEDGER; `campanile sessions` lists them\n"
    );
}

#[test]
fn a_dump_has_an_id_and_a_quantity_for_each_call() {
    let home = Home::with_small_ledger();
    let dump = home.run(&["ledger", "dump"]).good();

    let quantities: Vec<u64> = dump
        .lines()
        .map(|line| json(line)["qty"].as_u64().unwrap())
        .collect();
    assert_eq!(quantities.len(), 4);
    assert_eq!(
        quantities.iter().sum::<u64>(),
        83_000_000 + 1_204 + 1_024 + 85 + 212 + 10
    );
    assert!(
        dump.lines()
            .all(|line| json(line)["id"].as_str().is_some_and(|id| id.len() == 36))
    );
}

#[test]
fn verify_finds_what_was_changed() {
    let home = Home::with_small_ledger();
    assert_eq!(
        home.run(&["ledger", "verify"]).good(),
        "LEDGER: intact (4 calls, 5 attempts)\n"
    );

    let mut bytes = std::fs::read(home.ledger()).unwrap();
    let place = bytes
        .windows(8)
        .position(|word| word == b"barge_in")
        .unwrap();
    bytes[place] ^= 0x20;
    std::fs::write(home.ledger(), bytes).unwrap();

    let done = home.run(&["ledger", "verify"]);
    assert_eq!(done.code, 1);
    assert!(done.out.contains("checksum"), "{}", done.out);
    assert!(done.err.starts_with("campanile: LEDGER: "), "{}", done.err);
}

#[test]
fn stats_are_counts() {
    let home = Home::with_small_ledger();
    let stats = json(&home.run(&["ledger", "stats", "--format", "json"]).good());
    assert_eq!(
        (&stats["calls"], &stats["parts"]),
        (&Value::from(4), &Value::from(5))
    );
    assert!(home.run(&["ledger", "stats"]).good().contains("attempts"));
}

#[test]
fn a_missing_ledger_is_one_line_and_exit_2() {
    for words in [
        &["report"][..],
        &["sessions"],
        &["session", "x"],
        &["ledger", "dump"],
        &["ledger", "verify"],
    ] {
        let done = Home::new().run(words);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{words:?}");
        assert_eq!(done.err.lines().count(), 1, "{}", done.err);
        assert!(
            done.err
                .starts_with("campanile: LEDGER: there is no ledger"),
            "{}",
            done.err
        );
    }
}

#[test]
fn a_file_that_is_no_ledger_is_told() {
    let home = Home::new();
    std::fs::write(
        home.ledger(),
        "these are not the rows that you are looking for",
    )
    .unwrap();
    let done = home.run(&["report"]);
    assert_eq!(done.code, 2);
    assert!(done.err.contains("this file is no ledger"), "{}", done.err);
}

#[test]
fn wrong_arguments_are_told() {
    for words in [
        &["report", "--by", "colour"][..],
        &["report", "--since", "yesterday"],
        &["report", "--by", "day,day"],
        &["report", "--by", "day,hour,stage"],
        &["report", "--since", "2026-12-01", "--until", "2026-11-01"],
        &["reprot"],
        &[
            "--config",
            "/nowhere/campanile.toml",
            "doctor",
            "--format",
            "xml",
        ],
    ] {
        let done = campanile(words, "");
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{words:?}");
        assert!(!done.err.is_empty());
    }
}

#[test]
fn what_is_recorded_is_acknowledged_once_it_can_be_read() {
    let home = Home::new();
    let events = r#"{"id":"e1","provider":"openai","model":"gpt-4o-mini","at":"2026-11-15T12:00:00Z","stage":"llm","session":"s1","turn":1,"usage":{"input_tokens":100,"output_tokens":7}}
{"id":"e2","usage":{"audio_seconds":"1.5"}}
{"id":"bad id","usage":{}}
{"id":"e3"}
{"id":"e1","provider":"openai","model":"gpt-4o-mini","usage":{"input_tokens":100,"output_tokens":7}}
"#;
    let done = home.run_with(&["record"], events, Terminal::default());

    assert_eq!(
        (done.code, done.out.as_str()),
        (1, "ack e1 107\nack e2 1500000\nack e1 107\n")
    );
    assert_eq!(
        done.err,
        "line 3: `id` has 1 to 256 bytes without blanks and control characters\nline 4: missing field `usage`\n"
    );
    let dump = home.run(&["ledger", "dump"]).good();
    let mut rows: Vec<(String, u64)> = dump
        .lines()
        .map(json)
        .map(|row| {
            (
                row["id"].as_str().unwrap().to_owned(),
                row["qty"].as_u64().unwrap(),
            )
        })
        .collect();
    rows.sort();
    assert_eq!(rows, [("e1".to_owned(), 107), ("e2".to_owned(), 1_500_000)]);
    let report = json(
        &home
            .run(&["report", "--by", "session", "--format", "json"])
            .good(),
    );
    assert_eq!(report["total"]["cost"]["at_least"], "0.0000192");
    assert_eq!(report["total"]["cost"]["at_most"], Value::Null);
}

#[test]
fn what_is_kept_of_a_session_is_forgotten_and_amounts_stay() {
    let home = Home::with_small_ledger();
    let logs = home.dir().join("logs");
    std::fs::create_dir(&logs).unwrap();
    let file = logs.join("campanile-2026-11-24T015029Z-1-0.jsonl");
    let other = "{\"v\":1,\"event\":\"session\",\"session\":\"call-8\"}\n";
    let mine = other.replace("call-8", "call-7");
    std::fs::write(&file, format!("{mine}{other}{mine}")).unwrap();
    let report = || home.run(&["report"]).good();
    let before = report();
    let forget = ["forget", "call-7", "--logs", logs.to_str().unwrap()];

    let told = home.run(&forget).good();

    assert_eq!(
        told,
        "forgot call-7: lines of logs: 2 (files: 1), texts of failures in LEDGER: 1; amounts stay\n"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), other.trim());
    assert_eq!(report(), before);
    assert!(home.run(&forget).good().contains("logs: 0 (files: 0)"));
    let bad = home.run(&["forget", "+1 202 555 0143"]);
    assert_eq!(
        bad.code, 2,
        "{}",
        "a telephone number with its plus is no id"
    );
}

#[test]
fn an_export_has_a_line_for_each_attempt_and_no_formula() {
    let home = Home::with_small_ledger();
    let line =
        r#"{"id":"=1+1","provider":"openai","model":"gpt-4o-mini","usage":{"input_tokens":1000}}"#;
    home.run_with(&["record"], line, Terminal::default()).good();

    let csv = home.run(&["ledger", "export", "--format", "csv"]).good();
    let jsonl = home.run(&["ledger", "export", "--format", "jsonl"]).good();

    assert_eq!(jsonl, home.run(&["ledger", "dump"]).good());
    let attempts = jsonl
        .lines()
        .map(|line| json(line)["attempts"].as_array().unwrap().len().max(1));
    assert_eq!(csv.lines().count(), 1 + attempts.sum::<usize>());
    let heads: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let cells: Vec<&str> = csv
        .lines()
        .find(|line| line.contains("1+1"))
        .unwrap()
        .split(',')
        .collect();
    let cell = |name: &str| cells[heads.iter().position(|head| *head == name).unwrap()];
    assert_eq!(cell("id"), "\"'=1+1\"");
    assert_eq!(
        (cell("attempt"), cell("provider"), cell("input_tokens")),
        ("1", "openai", "1000")
    );
    assert_eq!(
        (cell("cost_usd_at_least"), cell("cost_usd_at_most")),
        ("0.00015", "0.00015")
    );
}

#[test]
fn archived_months_are_reported_and_what_is_older_is_refused() {
    let home = Home::new();
    let line = |id: &str, at: &str| {
        format!(r#"{{"id":"{id}","at":"{at}","stage":"llm","usage":{{"input_tokens":5}}}}"#)
    };
    let events = [
        line("a", "2026-01-05T10:00:00Z"),
        line("b", "2026-02-05T10:30:00Z"),
    ];
    home.run_with(&["record"], events.join("\n"), Terminal::default())
        .good();
    let before = home.run(&["ledger", "dump"]).good();

    let archived = home.run(&["ledger", "archive"]).good();
    let again = home.run_with(
        &["record"],
        line("c", "2026-01-09T00:00:00Z"),
        Terminal::default(),
    );

    assert!(
        archived.contains("2026-01: 1 calls") && archived.contains("2026-02: 1 calls"),
        "{archived}"
    );
    assert_eq!(home.run(&["ledger", "dump"]).good(), before);
    assert!(home.run(&["ledger", "verify"]).good().contains("intact"));
    let report = home.run(&[
        "report",
        "--since",
        "2026-01-01",
        "--by",
        "stage",
        "--format",
        "json",
    ]);
    assert_eq!(json(&report.good())["total"]["calls"], 2);
    assert_eq!(again.code, 1);
    assert!(
        again.err.contains("c: older than what is archived"),
        "{}",
        again.err
    );
    assert!(!again.out.contains("ack"), "{}", again.out);
    assert_eq!(
        home.run(&["ledger", "archive"]).good(),
        "no month is old enough\n"
    );
}
