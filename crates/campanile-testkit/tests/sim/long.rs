//! What a long run wants of a provider: faults that the client brings along, a bill that is taken bit by bit.

use campanile_testkit::sim::{FAULTS, KEY, OpenAi, Pace, Server, Why};
use serde_json::json;
use std::time::Duration;

use super::http::Client;

async fn ask(server: &Server, headers: &[(&'static str, &str)]) -> u16 {
    let body = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello!"}]});
    let mut all = vec![("authorization", "Bearer key")];
    all.extend(headers);
    let mut client = Client::tcp(server).await;
    let answer = client
        .post("/v1/chat/completions", &all, body.to_string())
        .await;
    answer.map_or(0, |answer| answer.status)
}

#[tokio::test]
async fn a_client_brings_a_fault_for_each_of_its_tries() {
    let server = OpenAi::new(1).start().await.unwrap();
    let faults = [
        (KEY, "call-7"),
        (FAULTS, "server_error,too_many_requests=10,,refuse"),
    ];

    let mut met = Vec::new();
    for _ in 0..5 {
        met.push(ask(&server, &faults).await);
    }

    assert_eq!(met, [500, 429, 200, 0, 200]);
    // Somebody else begins at the beginning of the list.
    assert_eq!(ask(&server, &[(KEY, "call-8"), faults[1]]).await, 500);
}

#[tokio::test]
async fn lines_are_taken_once_and_what_is_open_is_told() {
    let slow = Pace::steady(Duration::ZERO, Duration::from_secs(60));
    let server = OpenAi::new(1)
        .reply("One, two, three.")
        .pace(slow)
        .start()
        .await
        .unwrap();
    assert_eq!(ask(&server, &[(FAULTS, "server_error")]).await, 500);

    let lines = server.tab().take();
    assert_eq!((lines.len(), lines[0].why), (1, Why::Failed));
    assert!(server.tab().take().is_empty());

    let open = async {
        loop {
            let lines = server.tab().open_lines();
            if lines
                .first()
                .is_some_and(|line| line.meters.completion_tokens > 0)
            {
                return lines;
            }
            tokio::task::yield_now().await;
        }
    };
    let open = tokio::select! {
        _ = ask(&server, &[]) => panic!("a minute is between two tokens"),
        open = open => open,
    };

    // The first token is made at once, and the client has gone before the second.
    assert_eq!((open.len(), open[0].meters.completion_tokens), (1, 1));
    assert!(open[0].meters.prompt_tokens > 0);
}
