//! A proxy that measures passes everything on unchanged.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod support;

use bytes::Bytes;
use campanile::{Event, FailureKind, Meter, Monitor, Outcome};
use campanile_examples::proxy::router;
use campanile_testkit::sim::{Fault, KEY, OpenAi, Provider, Server, Why};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;
use support::{Kept, monitor};
use tokio::net::TcpListener;

/// What every request asks for.
const ASK: &str = r#"{"model":"gpt-4o-mini","max_completion_tokens":64,"messages":[{"role":"user","content":"Hello there, who is this?"}]STREAM}"#;

fn ask(stream: bool) -> String {
    let more = r#","stream":true,"stream_options":{"include_usage":true}"#;
    ASK.replace("STREAM", if stream { more } else { "" })
}

/// A provider, and a proxy before it.
struct Rig {
    upstream: Server,
    proxy: String,
    monitor: Monitor,
    events: Kept,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl Rig {
    async fn new(upstream: OpenAi) -> Self {
        let upstream = upstream.start().await.unwrap();
        let (monitor, events) = monitor();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        let router = router(&monitor, &upstream.base_url());
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            upstream,
            proxy,
            monitor,
            events,
            http: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    async fn send(&self, base: &str, key: &str, stream: bool) -> Answer {
        let response = self.http.request(request(base, key, stream)).await.unwrap();
        let (head, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        let mut broke = false;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend(frame.into_data().unwrap_or_default()),
                Err(_) => broke = true,
            }
        }
        Answer {
            status: head.status,
            headers: head.headers,
            bytes,
            broke,
        }
    }

    async fn closed(&self) -> &Kept {
        assert!(self.monitor.close().await);
        &self.events
    }
}

/// The same request to a provider, and through a proxy to another one of the same seed.
async fn twice(upstream: impl Fn() -> OpenAi, stream: bool) -> (Rig, [Answer; 2]) {
    let (alone, rig) = (Rig::new(upstream()).await, Rig::new(upstream()).await);
    let straight = alone
        .send(&alone.upstream.base_url(), "caller", stream)
        .await;
    let through = rig
        .send(&format!("{}/v1", rig.proxy), "caller", stream)
        .await;
    (rig, [straight, through])
}

fn request(base: &str, key: &str, stream: bool) -> Request<Full<Bytes>> {
    Request::post(format!("{base}/chat/completions"))
        .header(header::AUTHORIZATION, "Bearer key")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT_ENCODING, "gzip, deflate")
        .header(KEY, key)
        .body(Full::from(ask(stream)))
        .unwrap()
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Vec<u8>,
    broke: bool,
}

#[tokio::test]
async fn an_answer_is_that_of_upstream_byte_for_byte() {
    for stream in [false, true] {
        let upstream = || OpenAi::new(7).reply("Naïve café 😀, yes.");

        let (rig, [straight, through]) = twice(upstream, stream).await;

        assert_eq!(through.bytes, straight.bytes);
        assert_eq!((through.status, through.broke), (straight.status, false));
        for name in [
            "content-type",
            "x-request-id",
            "openai-version",
            "cache-control",
        ] {
            assert_eq!(
                through.headers.get(name),
                straight.headers.get(name),
                "{name}"
            );
        }
        let bill = rig.upstream.settled().await.of(Provider::OpenAi);
        let attempts = rig.closed().await.attempts("openai");
        let [attempt] = &attempts[..] else {
            panic!("one attempt: {attempts:?}");
        };
        let usage = attempt.usage.unwrap();
        assert_eq!(usage.at_least(Meter::InputTokens), bill.prompt_tokens);
        assert_eq!(usage.at_least(Meter::OutputTokens), bill.completion_tokens);
        assert!(usage.is_exact());
    }
}

#[tokio::test]
async fn a_refusal_keeps_its_status_and_its_headers() {
    let wait = Duration::from_millis(1_500);
    let faults = [
        Fault::TooManyRequests { retry_after: wait },
        Fault::ServerError,
    ];
    for (fault, kind) in faults
        .into_iter()
        .zip([FailureKind::RateLimit, FailureKind::Server])
    {
        let (rig, [straight, through]) = twice(|| OpenAi::new(7).fault(0, fault), true).await;

        assert_eq!(through.status, straight.status);
        assert_eq!(through.bytes, straight.bytes);
        for name in [
            "retry-after",
            "retry-after-ms",
            "content-type",
            "x-request-id",
        ] {
            assert_eq!(
                through.headers.get(name),
                straight.headers.get(name),
                "{name}"
            );
        }
        let calls = rig.closed().await.calls();
        let failure = calls[0].failure.as_ref().unwrap();
        assert_eq!((calls[0].outcome, failure.kind), (Outcome::Failed, kind));
        assert_eq!(calls[0].usage, None);
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_breaks_off_here_as_well() {
    let cut = Fault::CutAfter { items: 4 };
    let upstream = || {
        OpenAi::new(7)
            .reply("One two three four five six.")
            .fault(0, cut)
    };

    let (rig, [straight, through]) = twice(upstream, true).await;

    assert!(straight.broke && through.broke);
    assert_eq!(through.bytes, straight.bytes);
    let billed = rig.upstream.settled().await.lines[0].meters;
    let calls = rig.closed().await.calls();
    assert_eq!(calls[0].outcome, Outcome::Failed);
    let output = calls[0].usage.unwrap().get(Meter::OutputTokens).unwrap();
    // What was seen, and a little that was made until the cut was noticed; not all that the request allowed.
    let at_most = output.at_most.unwrap();
    assert!(output.at_least == 4 && at_most < 32, "{output:?}");
    assert!((4..=at_most).contains(&billed.completion_tokens));
}

#[tokio::test]
async fn a_client_that_hangs_up_hangs_up_upstream() {
    let hold = Fault::HoldAfter { items: 3 };
    let rig = Rig::new(
        OpenAi::new(7)
            .reply("One two three four five six.")
            .fault(0, hold),
    )
    .await;

    let sent = request(&format!("{}/s/call-1/v1", rig.proxy), "caller", true);
    let response = rig.http.request(sent).await.unwrap();
    let mut body = response.into_body();
    let mut read = String::new();
    while read.matches("data: ").count() < 4 {
        let frame = body.frame().await.unwrap().unwrap();
        read.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    drop(body);

    // The provider waits for ever, unless its own client goes: this ends.
    let bill = tokio::time::timeout(Duration::from_secs(5), rig.upstream.settled()).await;
    assert_eq!(bill.unwrap().lines[0].why, Why::HungUp);
    let calls = rig.closed().await.calls();
    assert_eq!(calls[0].outcome, Outcome::Cancelled);
    assert_eq!(calls[0].session.as_ref().unwrap().to_string(), "call-1");
}

#[tokio::test]
async fn calls_of_one_session_are_told_by_path_or_header() {
    let rig = Rig::new(OpenAi::new(7)).await;

    rig.send(&format!("{}/s/call-1/v1", rig.proxy), "a", true)
        .await;
    let mut by_header = request(&format!("{}/v1", rig.proxy), "b", false);
    by_header
        .headers_mut()
        .insert("x-session-id", "call-1".parse().unwrap());
    let answer = rig.http.request(by_header).await.unwrap();
    answer.into_body().collect().await.unwrap();
    rig.send(&format!("{}/v1", rig.proxy), "c", false).await;

    let events = rig.closed().await;
    let sessions: Vec<_> = events
        .calls()
        .iter()
        .map(|call| call.session.as_ref().map(ToString::to_string))
        .collect();
    let call_1 = Some(String::from("call-1"));
    assert_eq!(sessions, [call_1.clone(), call_1, None]);
    let begun = events
        .all()
        .iter()
        .filter(|event| matches!(event, Event::Session(_)))
        .count();
    assert_eq!(begun, 1);
}
