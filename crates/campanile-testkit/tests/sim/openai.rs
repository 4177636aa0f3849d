//! The wire and the bill of the language model.

use std::time::Duration;

use campanile_testkit::sim::{Bill, Fault, HOLD_AFTER, KEY, Line, OpenAi, Pace, Server, Tab, Why};
use serde_json::{Value, json};

use super::http::{Answer, Client, read};

const PATH: &str = "/v1/chat/completions";
const BEARER: (&str, &str) = ("authorization", "Bearer sk-test");
const TEXT: &str = "The capital of the UK is London.";

fn ask() -> Value {
    json!({
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": "You are brief."},
            {"role": "user", "content": "What is the capital of the UK?"},
        ],
    })
}

fn streamed() -> Value {
    let mut ask = ask();
    ask["stream"] = json!(true);
    ask["stream_options"] = json!({"include_usage": true});
    ask
}

async fn post(server: &Server, body: &Value) -> Result<Answer, hyper::Error> {
    let mut client = Client::tcp(server).await;
    client.post(PATH, &[BEARER], body.to_string()).await
}

fn only(bill: &Bill) -> &Line {
    assert_eq!((bill.lines.len(), bill.open), (1, 0));
    &bill.lines[0]
}

#[tokio::test]
async fn a_json_reply_tells_its_bill() {
    let server = OpenAi::new(1).reply(TEXT).start().await.unwrap();

    let answer = post(&server, &ask()).await.unwrap();

    let body = answer.json();
    let bill = server.stop().await;
    let line = only(&bill);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("x-request-id"), line.request_id);
    assert!(answer.header("openai-processing-ms").parse::<u64>().is_ok());
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["model"], "gpt-4o-mini-2024-07-18");
    assert_eq!(body["service_tier"], "default");
    assert_eq!(body["choices"][0]["message"]["content"], TEXT);
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!(body["usage"]["prompt_tokens"], line.meters.prompt_tokens);
    assert_eq!(
        body["usage"]["completion_tokens"],
        line.meters.completion_tokens
    );
    assert_eq!(line.model, "gpt-4o-mini");
    assert_eq!(line.served_model, "gpt-4o-mini-2024-07-18");
    assert_eq!(line.why, Why::Completed);
}

#[tokio::test]
async fn a_stream_has_the_recorded_shape() {
    let server = OpenAi::new(1).reply(TEXT).start().await.unwrap();

    let answer = post(&server, &streamed()).await.unwrap();

    let (events, done) = answer.events();
    let bill = server.stop().await;
    let meters = only(&bill).meters;
    assert!(done && answer.whole);
    assert_eq!(
        answer.header("content-type"),
        "text/event-stream; charset=utf-8"
    );
    let role = &events[0];
    assert_eq!(role["object"], "chat.completion.chunk");
    assert_eq!(role["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(role["choices"][0]["delta"]["content"], "");
    assert_eq!(role["usage"], Value::Null);
    assert!(role.as_object().unwrap().contains_key("usage"));
    assert_eq!(answer.deltas().concat(), TEXT);
    assert_eq!(answer.deltas().len() as u64, meters.completion_tokens);
    let finish = &events[events.len() - 2];
    assert_eq!(finish["choices"][0]["delta"], json!({}));
    assert_eq!(finish["choices"][0]["finish_reason"], "stop");
    let usage = &events[events.len() - 1];
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["prompt_tokens"], meters.prompt_tokens);
    assert_eq!(
        usage["usage"]["completion_tokens"],
        meters.completion_tokens
    );
    assert_eq!(usage["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    assert_eq!(
        usage["usage"]["completion_tokens_details"]["reasoning_tokens"],
        0
    );
    let one = |event: &Value| (event["id"].clone(), event["created"].clone());
    assert!(events.iter().all(|event| one(event) == one(role)));
}

#[tokio::test]
async fn a_stream_without_the_option_has_no_usage_and_the_same_bill() {
    let server = OpenAi::new(1).reply(TEXT).start().await.unwrap();
    let mut plain = streamed();
    plain.as_object_mut().unwrap().remove("stream_options");

    let with = post(&server, &streamed()).await.unwrap();
    let without = post(&server, &plain).await.unwrap();

    let (events, done) = without.events();
    let bill = server.stop().await;
    assert!(done);
    assert!(events.iter().all(|event| event.get("usage").is_none()));
    assert_eq!(events.len() + 1, with.events().0.len());
    assert_eq!(bill.lines[0].meters, bill.lines[1].meters);
}

#[tokio::test]
async fn max_tokens_end_a_reply_and_bound_its_bill() {
    let server = OpenAi::new(1)
        .reply(TEXT)
        .reasoning(2)
        .start()
        .await
        .unwrap();
    let mut short = streamed();
    short["max_completion_tokens"] = json!(5);
    let mut all_thought = streamed();
    all_thought["max_tokens"] = json!(1);

    let short = post(&server, &short).await.unwrap();
    let all_thought = post(&server, &all_thought).await.unwrap();

    let bill = server.stop().await;
    assert_eq!(short.deltas().len(), 3);
    assert_eq!(bill.lines[0].meters.completion_tokens, 5);
    assert_eq!(bill.lines[0].meters.reasoning_tokens, 2);
    assert!(String::from_utf8_lossy(&short.body).contains(r#""finish_reason":"length""#));
    assert_eq!(all_thought.deltas().len(), 0);
    assert_eq!(bill.lines[1].meters.reasoning_tokens, 1);
}

#[tokio::test]
async fn a_long_prompt_is_cached_the_second_time() {
    let server = OpenAi::new(1).start().await.unwrap();
    let mut long = ask();
    long["messages"][0]["content"] = json!("word ".repeat(1_200));
    let mut longer = long.clone();
    longer["messages"][1]["content"] = json!("another question");

    let mut medium = ask();
    medium["messages"][0]["content"] = json!("text ".repeat(900));

    for body in [&long, &longer, &medium, &medium] {
        assert_eq!(post(&server, body).await.unwrap().status, 200);
    }

    let bill = server.stop().await;
    let cached: Vec<u64> = bill
        .lines
        .iter()
        .map(|line| line.meters.cached_tokens)
        .collect();
    assert_eq!(cached, [0, 1_152, 0, 0]);
    assert!(bill.lines[1].meters.prompt_tokens > 1_152);
}

#[tokio::test]
async fn a_client_that_hangs_up_pays_for_the_prompt_and_what_was_made() {
    let mut ahead = Vec::new();
    for seed in 0..40 {
        let server = OpenAi::new(seed)
            .reply("ten ".repeat(50))
            .start()
            .await
            .unwrap();
        let mut client = Client::tcp(&server).await;
        let headers = [BEARER, (HOLD_AFTER, "3")];

        let response = client
            .send(PATH, &headers, streamed().to_string())
            .await
            .unwrap();
        drop((response, client));

        let bill = server.settled().await;
        let line = only(&bill);
        assert_eq!(line.why, Why::HungUp);
        assert!(line.meters.prompt_tokens > 0);
        ahead.push(line.meters.completion_tokens - 3);
    }
    ahead.sort_unstable();
    ahead.dedup();
    assert_eq!(ahead, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
}

#[tokio::test]
async fn no_more_is_billed_than_the_whole_reply() {
    for seed in 0..20 {
        let server = OpenAi::new(seed)
            .reply("one two three four")
            .fault(0, Fault::CutAfter { items: 3 })
            .start()
            .await
            .unwrap();

        let answer = post(&server, &streamed()).await.unwrap();

        let line = only(&server.settled().await).clone();
        assert!(!answer.whole);
        assert_eq!(answer.deltas().len(), 3);
        assert!((3..=5).contains(&line.meters.completion_tokens));
        assert!(line.meters.completion_tokens <= 5);
    }
}

#[tokio::test]
async fn refused_requests_say_why_and_cost_nothing() {
    let server = OpenAi::new(1)
        .fault(
            0,
            Fault::TooManyRequests {
                retry_after: Duration::from_millis(1_500),
            },
        )
        .fault(1, Fault::ServerError)
        .start()
        .await
        .unwrap();
    let mut client = Client::tcp(&server).await;
    let good = ask().to_string();

    let busy = client.post(PATH, &[BEARER], good.clone()).await.unwrap();
    let broken = client.post(PATH, &[BEARER], good.clone()).await.unwrap();
    let stranger = client.post(PATH, &[], good.clone()).await.unwrap();
    let empty_key = client
        .post(PATH, &[("authorization", "Bearer ")], good.clone())
        .await
        .unwrap();
    let lost = client
        .post("/v1/completion", &[BEARER], good.clone())
        .await
        .unwrap();
    let fine = client.post(PATH, &[BEARER], good).await.unwrap();

    let bill = server.stop().await;
    assert_eq!(busy.status, 429);
    assert_eq!(busy.header("retry-after"), "2");
    assert_eq!(busy.header("retry-after-ms"), "1500");
    assert_eq!(busy.json()["error"]["code"], "rate_limit_exceeded");
    assert_eq!(broken.status, 500);
    assert_eq!(broken.json()["error"]["type"], "server_error");
    assert_eq!(
        (stranger.status, empty_key.status, lost.status),
        (401, 401, 404)
    );
    assert!(stranger.json()["error"]["message"].is_string());
    assert_eq!(fine.status, 200);
    for line in &bill.lines[..5] {
        assert!(line.meters.is_zero(), "{line:?}");
        assert_eq!(line.why, Why::Failed);
    }
    assert_eq!(bill.lines[0].status, Some(429));
    assert_eq!(bill.lines[0].request_id, busy.header("x-request-id"));
    assert!(!bill.lines[5].meters.is_zero());
}

#[tokio::test]
async fn bad_bodies_get_an_error_and_the_connection_lives() {
    let server = OpenAi::new(1).start().await.unwrap();
    let mut client = Client::tcp(&server).await;
    let bad = [
        "",
        "{",
        "[]",
        "null",
        "\u{0}",
        r#"{"model": 1}"#,
        r#"{"model": "m"}"#,
        r#"{"model": "m", "messages": []}"#,
        r#"{"model": "m", "messages": "hi"}"#,
        r#"{"model": "m", "messages": [1]}"#,
        r#"{"model": "m", "messages": [{"role": "user", "content": 1}]}"#,
        r#"{"model": "m", "messages": [{"role": "user"}], "stream": "yes"}"#,
        r#"{"model": "m", "messages": [{"role": "user"}], "max_tokens": 0}"#,
        r#"{"model": "m", "messages": [{"role": "user"}], "n": 2}"#,
        r#"{"model": "m", "messages": [{"role": "user"}], "stream_options": {}}"#,
    ];

    for body in bad {
        let answer = client.post(PATH, &[BEARER], body).await.unwrap();

        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(
        client.post(PATH, &[BEARER], deep).await.unwrap().status,
        400
    );
    assert_eq!(
        client
            .post(PATH, &[BEARER], ask().to_string())
            .await
            .unwrap()
            .status,
        200
    );

    let bill = server.stop().await;
    assert_eq!(
        bill.lines
            .iter()
            .filter(|line| !line.meters.is_zero())
            .count(),
        1
    );
}

#[tokio::test]
async fn a_cut_is_where_the_script_says() {
    let reply = "one two three four five six seven eight nine ten";
    let server = OpenAi::new(1)
        .reply(reply)
        .fault(0, Fault::CutAfter { items: 0 })
        .fault(1, Fault::CutAfter { items: 4 })
        .fault(2, Fault::CutAfter { items: 1_000 })
        .fault(3, Fault::CutAtByte { bytes: 700 })
        .fault(4, Fault::CutAtByte { bytes: 0 })
        .start()
        .await
        .unwrap();

    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(post(&server, &streamed()).await.unwrap());
    }
    let nothing = post(&server, &streamed()).await;

    let bill = server.settled().await;
    assert!(answers.iter().all(|answer| !answer.whole));
    assert!(nothing.is_err());
    assert_eq!(answers[0].deltas().len(), 0);
    assert_eq!(answers[0].events().0.len(), 1);
    assert_eq!(answers[1].deltas().len(), 4);
    assert_eq!(answers[2].deltas().concat(), reply);
    assert!(!answers[2].events().1);
    assert!(answers[3].body.len() < 700);
    assert_eq!(
        bill.lines[2].meters.completion_tokens,
        answers[2].deltas().len() as u64
    );
    for line in &bill.lines {
        assert_eq!(line.why, Why::HungUp);
        assert!(line.meters.prompt_tokens > 0);
    }
}

#[tokio::test]
async fn each_trouble_in_a_stream_is_billed_for_what_was_made() {
    let server = OpenAi::new(1)
        .reply(TEXT)
        .fault(0, Fault::ErrorInStream { items: 2 })
        .fault(1, Fault::NoUsageChunk)
        .fault(
            2,
            Fault::CloseSocket {
                after_frames: 2,
                code: 1011,
            },
        )
        .start()
        .await
        .unwrap();

    let error = post(&server, &streamed()).await.unwrap();
    let silent = post(&server, &streamed()).await.unwrap();
    let closed = post(&server, &streamed()).await.unwrap();
    let whole = post(&server, &streamed()).await.unwrap();

    let bill = server.settled().await;
    let (events, done) = error.events();
    assert!(error.whole && !done);
    assert_eq!(events.last().unwrap()["error"]["type"], "server_error");
    assert_eq!(error.deltas().len(), 2);
    assert_eq!(bill.lines[0].meters.completion_tokens, 2);
    assert_eq!(bill.lines[0].why, Why::Failed);
    assert!(silent.events().1);
    assert_eq!(silent.events().0.len() + 1, whole.events().0.len());
    assert_eq!(bill.lines[1].meters, bill.lines[3].meters);
    assert!(!closed.whole);
    assert_eq!(closed.deltas().len(), 2);
}

#[tokio::test]
async fn a_json_reply_fails_as_a_stream_does() {
    let server = OpenAi::new(1)
        .reply(TEXT)
        .fault(0, Fault::ErrorInStream { items: 2 })
        .fault(1, Fault::NoUsageChunk)
        .fault(2, Fault::CutAfter { items: 2 })
        .start()
        .await
        .unwrap();

    let error = post(&server, &ask()).await.unwrap();
    let silent = post(&server, &ask()).await.unwrap();
    let cut = post(&server, &ask()).await;

    let bill = server.settled().await;
    assert_eq!(error.status, 500);
    assert!(bill.lines[0].meters.is_zero());
    assert_eq!(bill.lines[0].status, Some(500));
    assert_eq!(silent.json().get("usage"), None);
    assert!(!bill.lines[1].meters.is_zero());
    assert!(cut.is_err());
    assert!(bill.lines[2].meters.completion_tokens >= 2);
}

#[tokio::test]
async fn a_refused_connection_is_reset_and_a_black_hole_says_nothing() {
    let server = OpenAi::new(1)
        .fault(0, Fault::Refuse)
        .fault(1, Fault::BlackHole)
        .start()
        .await
        .unwrap();

    let refused = post(&server, &ask()).await;
    let swallowed = tokio::time::timeout(Duration::from_millis(50), post(&server, &ask())).await;

    let bill = server.settled().await;
    assert!(refused.is_err());
    assert!(swallowed.is_err());
    assert_eq!(bill.lines.len(), 2);
    for line in &bill.lines {
        assert!(line.meters.is_zero());
        assert_eq!((line.why, line.status), (Why::Failed, None));
    }
}

#[tokio::test(start_paused = true)]
async fn paces_are_waited_on_the_paused_clock() {
    let ms = Duration::from_millis;
    let server = OpenAi::new(1)
        .reply("one two three")
        .pace(Pace::steady(ms(300), ms(20)))
        .fault(
            1,
            Fault::Slow {
                first: ms(5_000),
                between: ms(100),
            },
        )
        .in_memory();
    let mut client = Client::over(server.connect()).await;
    let mut took = Vec::new();

    for _ in 0..2 {
        let began = tokio::time::Instant::now();
        let answer = client
            .post(PATH, &[BEARER], streamed().to_string())
            .await
            .unwrap();
        took.push((began.elapsed(), answer.deltas().len() as u32));
    }

    let [(plain, tokens), (slow, _)] = took[..] else {
        panic!("two replies")
    };
    assert_eq!(plain, ms(300) + ms(20) * (tokens - 1));
    assert_eq!(slow, ms(5_000) + ms(100) * (tokens - 1));
    assert_eq!(server.bill().lines[0].open_us, plain.as_micros() as u64);
}

/// Runs the same requests, one after another, and gives the bytes read and the bill without its times.
async fn session(seed: u64) -> (Vec<Vec<u8>>, Bill) {
    let server = OpenAi::new(seed)
        .fault_share(300, Fault::CutAfter { items: 2 })
        .fault_share(200, Fault::ServerError)
        .start()
        .await
        .expect("it works");
    let mut read = Vec::new();
    for _ in 0..30 {
        read.push(
            post(&server, &streamed())
                .await
                .expect("it works")
                .body
                .to_vec(),
        );
    }
    let mut bill = server.stop().await;
    for line in &mut bill.lines {
        line.open_us = 0;
    }
    (read, bill)
}

#[tokio::test]
async fn a_seed_decides_every_byte_and_every_count() {
    let first = session(11).await;

    assert_eq!(first, session(11).await);
    assert_ne!(first.1.total(), session(12).await.1.total());
    let failed = first
        .1
        .lines
        .iter()
        .filter(|line| line.status == Some(500))
        .count();
    let cut = first
        .1
        .lines
        .iter()
        .filter(|line| line.why == Why::HungUp)
        .count();
    assert!(
        (1..15).contains(&failed) && (2..20).contains(&cut),
        "{failed} {cut}"
    );
}

#[tokio::test]
async fn a_named_client_gets_the_same_whoever_came_before() {
    let mut read = Vec::new();
    for strangers in [0, 3] {
        let server = OpenAi::new(5)
            .fault_share(500, Fault::CutAfter { items: 1 })
            .start()
            .await
            .unwrap();
        for _ in 0..strangers {
            post(&server, &streamed()).await.unwrap();
        }
        let mut said = Vec::new();
        for _ in 0..8 {
            let mut client = Client::tcp(&server).await;
            let headers = [BEARER, (KEY, "session 7")];
            said.push(
                client
                    .post(PATH, &headers, streamed().to_string())
                    .await
                    .unwrap()
                    .body,
            );
        }
        read.push(said);
    }

    assert_eq!(read[0], read[1]);
    assert!(
        read[0]
            .windows(2)
            .any(|pair| pair[0].len() != pair[1].len())
    );
}

#[tokio::test]
async fn a_server_that_is_stopped_ends_its_connections() {
    let server = OpenAi::new(1)
        .fault(0, Fault::BlackHole)
        .start()
        .await
        .unwrap();
    let address = server.address().unwrap();
    let mut client = Client::tcp(&server).await;
    let mut waiting = tokio::task::JoinSet::new();
    waiting.spawn(async move {
        client
            .post(PATH, &[BEARER], ask().to_string())
            .await
            .is_err()
    });
    while server.bill().open == 0 {
        tokio::task::yield_now().await;
    }

    let bill = server.stop().await;

    assert_eq!(only(&bill).why, Why::Failed);
    assert!(waiting.join_next().await.unwrap().unwrap());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_server_that_is_dropped_closes_its_port_and_leaves_its_bill() {
    let tab = Tab::new();
    let server = OpenAi::new(1)
        .tab(&tab)
        .fault(0, Fault::HoldAfter { items: 2 })
        .start()
        .await
        .unwrap();
    let address = server.address().unwrap();
    let mut client = Client::tcp(&server).await;
    let response = client
        .send(PATH, &[BEARER], streamed().to_string())
        .await
        .unwrap();

    drop(server);

    let line = only(&tab.settled().await).clone();
    assert!(line.meters.completion_tokens >= 2);
    assert_eq!(line.why, Why::HungUp);
    assert!(!read(response).await.whole);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

/// Twenty named clients at once, six requests each, some of which hang up.
async fn crowd() -> Vec<(String, Why, u64, u64)> {
    let server = OpenAi::new(21)
        .fault_share(200, Fault::CutAfter { items: 3 })
        .fault_share(100, Fault::ServerError)
        .in_memory();
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..20 {
        let mut connections: Vec<_> = (0..6).map(|_| server.connect()).collect();
        clients.spawn(async move {
            let key = format!("client {number}");
            while let Some(io) = connections.pop() {
                let mut client = Client::over(io).await;
                let hold = connections.len().to_string();
                let mut headers = vec![BEARER, (KEY, &key)];
                if number % 4 == 0 {
                    headers.push((HOLD_AFTER, &hold));
                }
                let sent = client.send(PATH, &headers, streamed().to_string()).await;
                if number % 4 != 0 {
                    read(sent.expect("an answer")).await;
                }
            }
        });
    }
    clients.join_all().await;
    let bill = server.settled().await;
    let mut lines: Vec<_> = bill
        .lines
        .into_iter()
        .map(|line| {
            let meters = line.meters;
            let key = line.key.expect("all have names");
            (
                key,
                line.why,
                meters.prompt_tokens,
                meters.completion_tokens,
            )
        })
        .collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn named_clients_get_the_same_bill_in_any_order() {
    let first = crowd().await;

    for _ in 0..4 {
        assert_eq!(crowd().await, first);
    }
    assert_eq!(first.len(), 120);
    let share = |why| first.iter().filter(|line| line.1 == why).count();
    assert!(share(Why::HungUp) > 30 && share(Why::Failed) > 2 && share(Why::Completed) > 30);
}

#[tokio::test(start_paused = true)]
async fn the_real_pace_takes_its_time() {
    let server = OpenAi::new(1).realtime().in_memory();
    let mut client = Client::over(server.connect()).await;
    let began = tokio::time::Instant::now();

    client
        .post(PATH, &[BEARER], streamed().to_string())
        .await
        .unwrap();

    let took = began.elapsed().as_millis();
    assert!((180..20_000).contains(&took), "{took} ms");
}
