//! What the provider bills, beside what the ledger says.

use crate::support::{Done, Home};
use campanile_cli::Terminal;
use serde_json::{Value, json};

/// Midnight of 2026-11-21, in seconds.
const DAY: i64 = 1_795_219_200;

fn home(events: &[Value]) -> Home {
    let home = Home::new();
    home.configure("");
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    let done = home.run_with(&["record"], lines.join("\n"), Terminal::default());
    assert_eq!(done.code, 0, "{}", done.err);
    home
}

fn event(id: &str, provider: &str, model: &str, at: &str, usage: Value) -> Value {
    json!({"id": id, "provider": provider, "model": model, "at": at, "usage": usage, "request_id": id})
}

/// Runs with replies saved to files.
fn reconcile(home: &Home, provider: &str, replies: &[Value], more: &[&str]) -> Done {
    let mut words = vec![
        "reconcile".to_owned(),
        "--provider".to_owned(),
        provider.to_owned(),
    ];
    for (n, reply) in replies.iter().enumerate() {
        let file = home.dir().join(format!("reply-{n}.json"));
        std::fs::write(&file, reply.to_string()).unwrap();
        words.push(file.display().to_string());
    }
    words.extend(more.iter().map(|word| (*word).to_owned()));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    home.run(&words)
}

fn page(results: &[(i64, Vec<Value>)]) -> Value {
    let buckets: Vec<_> = results
        .iter()
        .map(|(day, results)| {
            let (since, until) = (DAY + day * 86_400, DAY + (day + 1) * 86_400);
            json!({"object": "bucket", "start_time": since, "end_time": until, "results": results})
        })
        .collect();
    json!({"object": "page", "data": buckets, "has_more": false, "next_page": null})
}

fn cost(line_item: &str, usd: Value) -> Value {
    json!({"object": "organization.costs.result", "amount": {"value": usd, "currency": "usd"}, "line_item": line_item, "project_id": null})
}

fn tokens(model: &str, input: u64, cached: u64, output: u64, requests: u64) -> Value {
    json!({"object": "organization.usage.completions.result", "input_tokens": input, "output_tokens": output,
        "input_cached_tokens": cached, "input_audio_tokens": 0, "output_audio_tokens": 0,
        "num_model_requests": requests, "model": model, "batch": false})
}

const MINI: &str = "gpt-4o-mini-2024-07-18";

/// Two days of OpenAI: one exact, one with a price of one's own, a model that nobody has seen, one that is not billed.
fn openai() -> (Home, Vec<Value>) {
    let used = json!({"input_tokens": 2_000_000, "output_tokens": 1_000_000});
    let home = home(&[
        event("a", "openai", MINI, "2026-11-21T10:00:00Z", used.clone()),
        event("b", "openai", MINI, "2026-11-22T10:00:00Z", used.clone()),
        event(
            "c",
            "openai",
            "gpt-4o",
            "2026-11-21T10:00:00Z",
            json!({"output_tokens": 100_000}),
        ),
        event(
            "d",
            "openai",
            "gpt-4.1",
            "2026-11-22T10:00:00Z",
            json!({"output_tokens": 100_000}),
        ),
        event("e", "openai", MINI, "2026-11-23T00:30:00Z", used),
    ]);
    // 0.90 a day by the list.
    let costs = page(&[
        (
            0,
            vec![
                cost(&format!("{MINI}, input"), json!(0.3)),
                cost(&format!("{MINI}, output"), json!("0.60")),
                cost("gpt-4o-2024-08-06, output", json!(2)),
                cost("gpt-9, output", json!(5e-2)),
            ],
        ),
        (1, vec![cost(&format!("{MINI}, output"), json!(0.72))]),
        (2, vec![cost(&format!("{MINI}, output"), json!(0.1))]),
    ]);
    let usage = page(&[
        (
            0,
            vec![
                tokens(MINI, 2_000_000, 0, 1_000_000, 1),
                tokens("gpt-4o-2024-08-06", 0, 0, 200_000, 2),
            ],
        ),
        (1, vec![tokens(MINI, 2_000_000, 0, 1_000_000, 1)]),
    ]);
    (home, vec![costs, usage])
}

#[test]
fn openai_is_compared_by_day_and_model_and_says_what_explains_it() {
    let (home, replies) = openai();
    let done = reconcile(&home, "openai", &replies, &["--tolerance", "1%"]);
    assert_eq!(done.code, 1);
    assert_eq!(
        done.err,
        "campanile: openai bills $3.6700, the ledger says $3.6000: more than 1 % apart\n"
    );
    insta::assert_snapshot!(done.out);
}

#[test]
fn a_tolerance_holds_the_total_or_each_line() {
    let (home, replies) = openai();
    let total = |more: &[&str]| reconcile(&home, "openai", &replies, more).code;
    assert_eq!(total(&["--tolerance", "50%"]), 0);
    assert_eq!(total(&["--tolerance", "0.5", "--each"]), 1);
    let csv = reconcile(
        &home,
        "openai",
        &replies,
        &["--format", "csv", "--tolerance", "50%"],
    )
    .good();
    assert_eq!(csv.lines().count(), 7, "{csv}");
    let json = reconcile(
        &home,
        "openai",
        &replies,
        &["--format", "json", "--tolerance", "50%"],
    )
    .good();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["within"], &json["lines"][0]["why"]),
        (&json!(true), &json!("quantity"))
    );
}

#[test]
fn a_correction_is_a_price_file_that_explains_the_bill() {
    let (home, replies) = openai();
    let file = home.dir().join("corrected.toml").display().to_string();
    let done = reconcile(
        &home,
        "openai",
        &replies,
        &["--correct", &file, "--tolerance", "50%"],
    );
    assert_eq!(done.code, 0, "{}", done.err);

    home.configure(&format!("[prices]\nfile = {file:?}"));
    let event = r#"{"id":1,"provider":"openai","model":"gpt-4o-mini-2024-07-18","at":"2026-11-24T12:00:00Z","usage":{"input_tokens":2000000,"output_tokens":1000000}}"#;
    let priced = home.run_with(&["cost"], event, Terminal::default()).good();
    // 0.72 instead of 0.90 on the day that was cheaper.
    assert!(priced.contains(r#""usd":"0.72""#), "{priced}");
}

fn deepgram() -> Home {
    home(&[
        event(
            "r1",
            "deepgram",
            "nova-3",
            "2026-11-22T10:00:00Z",
            json!({"server_audio_us": 3_600_000_000_u64, "audio_us": 3_600_000_000_u64, "mode": "streaming"}),
        ),
        event(
            "r2",
            "deepgram",
            "nova-3",
            "2026-11-22T11:00:00Z",
            json!({"server_audio_us": 1_800_000_000_u64, "audio_us": 1_800_000_000_u64, "mode": "streaming"}),
        ),
        event(
            "r3",
            "deepgram",
            "aura-2-thalia-en",
            "2026-11-22T11:00:00Z",
            json!({"characters": 10_000}),
        ),
    ])
}

#[test]
fn deepgram_is_compared_by_its_breakdowns() {
    let home = deepgram();
    let group = |more: Value| {
        let mut group = json!({"start": "2026-11-22", "end": "2026-11-22", "accessor": null, "endpoint": "listen"});
        group
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        group
    };
    let usage = json!({"start": "2026-11-22", "end": "2026-11-22", "resolution": {"units": "day", "amount": 1}, "results": [
        {"hours": 1.75, "total_hours": 1.75, "agent_hours": 0, "tokens_in": 0, "tokens_out": 0, "tts_characters": 0, "requests": 3,
         "grouping": group(json!({"models": ["nova-3"], "method": "streaming"}))},
        {"hours": 0, "total_hours": 0, "agent_hours": 0, "tokens_in": 0, "tokens_out": 0, "tts_characters": 10000, "requests": 1,
         "grouping": group(json!({"models": ["aura-2-thalia-en"]}))},
    ]});
    let billing = json!({"start": "2026-11-22", "end": "2026-11-22", "resolution": {"units": "day", "amount": 1}, "results": [
        {"dollars": 0.504, "grouping": group(json!({"line_item": "streaming::nova-3"}))},
        {"dollars": 0.3, "grouping": group(json!({"line_item": "aura-2-thalia-en"}))},
    ]});

    insta::assert_snapshot!(reconcile(&home, "deepgram", &[usage, billing], &[]).good());
}

#[test]
fn deepgram_requests_are_joined_by_their_ids() {
    let home = deepgram();
    let request = |id: &str, usd: f64, seconds: u64| {
        json!({"request_id": id, "created": "2026-11-22T10:00:00.000Z", "path": "/v1/listen",
            "response": {"details": {"usd": usd, "duration": seconds, "models": ["nova-3"], "method": "streaming"}}})
    };
    let reply = json!({"page": 0, "limit": 10, "requests": [request("r1", 0.288, 3_600), request("other", 0.1, 1_250)]});

    // More than 20 % apart.
    assert_eq!(
        reconcile(&home, "deepgram", std::slice::from_ref(&reply), &[]).code,
        1
    );
    let out = reconcile(&home, "deepgram", &[reply], &["--tolerance", "90%"]).good();
    assert!(
        out.contains("1 request is not here ($0.1000), 1 request is not there"),
        "{out}"
    );
}

#[test]
fn cartesia_is_compared_in_credits() {
    let home = home(&[event(
        "t",
        "cartesia",
        "sonic-3",
        "2026-11-22T10:00:00Z",
        json!({"characters": 10_000}),
    )]);
    let reply = json!({"data": [
        {"start_ts": "2026-11-22T00:00:00.000Z", "end_ts": "2026-11-23T00:00:00.000Z", "credits": 10_500},
        {"start_ts": "2026-11-23T00:00:00.000Z", "end_ts": "2026-11-24T00:00:00.000Z", "credits": 0},
    ]});
    insta::assert_snapshot!(reconcile(&home, "cartesia", &[reply], &[]).good());
}

#[test]
fn replies_without_a_settled_line_compare_nothing_and_fail() {
    let home = home(&[]);
    for (provider, reply) in [
        ("openai", page(&[(0, vec![])])),
        ("deepgram", json!({"results": []})),
        ("cartesia", json!({"data": []})),
    ] {
        let done = reconcile(&home, provider, &[reply], &[]);
        assert_eq!(
            (done.code, done.err.lines().count()),
            (1, 1),
            "{}",
            done.err
        );
        assert!(done.err.contains("nothing was compared"), "{}", done.err);
        let file = home.dir().join("reply-0.json").display().to_string();
        let words = [
            "reconcile",
            "--provider",
            provider,
            &file,
            "--format",
            "json",
        ];
        let document: Value = serde_json::from_str(&home.run(&words).out).unwrap();
        assert_eq!(document["within"], false);
    }
}

#[test]
fn what_is_no_reply_is_one_line() {
    let home = home(&[]);
    for (provider, reply, told) in [
        ("openai", "{", "is not JSON"),
        ("openai", "", "holds no reply"),
        (
            "openai",
            r#"{"error": {"message": "no"}}"#,
            "there is no list `data`",
        ),
        (
            "openai",
            r#"{"data": [{"start_time": "soon", "end_time": 1, "results": []}]}"#,
            "is no moment",
        ),
        (
            "openai",
            r#"{"data": [{"start_time": 1, "end_time": 2, "results": [{"object": "organization.costs.result", "amount": {"value": 1, "currency": "eur"}}]}]}"#,
            "amounts are in `eur`",
        ),
        (
            "deepgram",
            r#"{"results": [{"hours": "x", "start": "2026-11-22", "end": "2026-11-22"}]}"#,
            "is no number",
        ),
        (
            "cartesia",
            r#"{"data": [{"start_ts": "2026-11-22T00:00:00Z", "end_ts": "2026-11-23T00:00:00Z", "credits": -1}]}"#,
            "is no count",
        ),
    ] {
        let file = home.dir().join("bad.json");
        std::fs::write(&file, reply).unwrap();
        let done = home.run(&[
            "reconcile",
            "--provider",
            provider,
            &file.display().to_string(),
        ]);
        assert_eq!(
            (done.code, done.out.as_str(), done.err.lines().count()),
            (2, "", 1),
            "{}",
            done.err
        );
        assert!(
            done.err.contains(told) && done.err.contains("bad.json"),
            "{}",
            done.err
        );
    }
}
