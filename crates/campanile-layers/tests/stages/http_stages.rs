//! HTTP: routes and clients as they are, refused requests, bodies to their last frame.

use crate::support::*;
use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use campanile_core::{
    Count, Decode, Evidence, Facts, FailureKind, Frame, Intake, Meter, Noted, Outcome, Tally,
};
use campanile_layers::{
    CallLayer, DrainLayer, ErrorLayer, Plain, RedactLayer, TimingLayer, UsageLayer, classify,
    client,
};
use futures_util::stream;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, SizeHint};
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::collections::VecDeque;
use std::future::ready;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_http::trace::TraceLayer;

fn routes() -> Router {
    Router::new().route("/", get(async || "hello")).route(
        "/busy",
        get(async || {
            let headers = [("retry-after", "7"), ("x-request-id", "req_1")];
            (StatusCode::TOO_MANY_REQUESTS, headers, "slow down")
        }),
    )
}

/// The address of a server of those routes, for as long as the runtime lives.
async fn served() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "ends with the runtime of the test"
    )]
    tokio::spawn(async { axum::serve(listener, routes()).await });
    format!("http://{address}")
}

async fn read<B: Body<Error: std::fmt::Debug>>(response: Response<B>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

/// One completed call without attempts that failed, then one that was refused.
fn answered_and_refused(intake: &Intake) {
    let (closed, late) = closed_and_late(intake);
    assert_eq!((closed.len(), late), (2, 0));
    closed[0].draft(|draft| {
        assert_eq!(draft.outcome, Some(Outcome::Completed));
        assert!(draft.attempts[0].items >= Some(1));
    });
    closed[1].draft(|draft| {
        assert_eq!(draft.outcome, Some(Outcome::Failed));
        let attempt = &draft.attempts[0];
        assert_eq!(attempt.served.request_id.as_deref(), Some("req_1"));
        for failure in [&draft.failure, &attempt.failure] {
            let failure = failure.as_ref().unwrap();
            assert_eq!(failure.kind, FailureKind::RateLimit);
            assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
        }
    });
}

#[tokio::test]
async fn an_axum_route_is_a_stage_with_a_trace_layer_between() {
    let intake = intake();
    let stage = ServiceBuilder::new()
        .layer(CallLayer::http("web", &intake))
        .layer(ErrorLayer::new(classify::error))
        .layer(TraceLayer::new_for_http())
        .layer(UsageLayer::new())
        .layer(RedactLayer::new())
        .layer(TimingLayer::new())
        .layer(client::http())
        .service(routes());

    for (path, text) in [("/", "hello"), ("/busy", "slow down")] {
        let request = Request::get(path).body(Empty::<Bytes>::new()).unwrap();
        let response = stage.clone().oneshot(request).await.unwrap();
        assert_eq!(read(response).await, text);
    }

    answered_and_refused(&intake);
}

#[tokio::test]
async fn a_stage_is_an_axum_route() {
    let intake = intake();
    let stage = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(Plain::new))
        .layer(CallLayer::http("web", &intake))
        .layer(UsageLayer::new())
        .layer(TimingLayer::new())
        .layer(client::decoding(|_: &Request<_>| Counting::default()))
        .service(routes());
    let app = Router::new().fallback_service(stage);

    let request = Request::get("/").body(axum::body::Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(read(response).await, "hello");

    let record = only(&intake);
    assert_eq!(used(&record).at_least(Meter::OutputTokens), 5);
}

#[tokio::test]
async fn a_hyper_client_is_a_stage() {
    let (intake, url) = (intake(), served().await);
    let stage = ServiceBuilder::new()
        .layer(CallLayer::http("llm", &intake))
        .layer(ErrorLayer::new(classify::error))
        .layer(TraceLayer::new_for_http())
        .layer(UsageLayer::new())
        .layer(TimingLayer::new())
        .layer(client::http())
        .service(Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>());

    for (path, text) in [("/", "hello"), ("/busy", "slow down")] {
        let request = Request::get(format!("{url}{path}"));
        let request = request.body(Empty::new()).unwrap();
        let response = stage.clone().oneshot(request).await.unwrap();
        assert_eq!(read(response).await, text);
    }

    answered_and_refused(&intake);
}

#[tokio::test]
async fn a_reqwest_client_is_a_stage() {
    let (intake, url) = (intake(), served().await);
    let stage = ServiceBuilder::new()
        .layer(CallLayer::new("llm", &intake))
        .layer(ErrorLayer::new(classify::error::<reqwest::Error>))
        .layer(UsageLayer::new())
        .layer(TimingLayer::new())
        .layer(client::response())
        .map_request(move |path: &'static str| {
            let url = format!("{url}{path}").parse().expect("a URL");
            reqwest::Request::new(reqwest::Method::GET, url)
        })
        .map_response(Response::<reqwest::Body>::from)
        .service(reqwest::Client::new());

    for (path, text) in [("/", "hello"), ("/busy", "slow down")] {
        let response = stage.clone().oneshot(path).await.unwrap();
        assert_eq!(read(response).await, text);
    }

    answered_and_refused(&intake);
}

/// What it will use is estimated until an answer comes.
#[derive(Clone)]
struct Prompt;

impl Facts for Prompt {
    fn usage(&self, tally: &Tally) {
        let about = Count {
            at_least: 0,
            at_most: Some(400),
            evidence: Evidence::Estimated,
        };
        tally.set(Meter::OutputTokens, about);
        tally.add(Meter::Requests, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_used_nothing_that_was_only_estimated() {
    for (status, name, wait) in [
        (429, "retry-after-ms", Duration::from_millis(1_500)),
        (503, "retry-after", Duration::from_secs(1_500)),
    ] {
        let intake = intake();
        let stage = ServiceBuilder::new()
            .layer(CallLayer::new("llm", &intake))
            .layer(UsageLayer::new())
            .layer(client::response())
            .service(service_fn(move |_: Prompt| {
                let refused = Response::builder().status(status).header(name, "1500");
                ready(Ok::<_, Trouble>(
                    refused.body(Empty::<Bytes>::new()).unwrap(),
                ))
            }));

        let response = stage.oneshot(Prompt).await.unwrap();

        assert!(response.body().is_end_stream());
        let record = only(&intake);
        let usage = used(&record);
        assert_eq!(usage.get(Meter::OutputTokens), None);
        assert_eq!(usage.at_least(Meter::Requests), 1);
        let failure = record.draft(|draft| draft.failure.clone()).unwrap();
        assert_eq!(failure.retry_after, Some(wait));
        assert_eq!(record.draft(|draft| draft.outcome), Some(Outcome::Failed));
    }
}

/// A body that may not be polled after its last frame.
struct Strict(VecDeque<http_body::Frame<Bytes>>);

impl Strict {
    fn of(chunks: &[&[u8]]) -> Self {
        let data = |chunk: &&[u8]| http_body::Frame::data(Bytes::copy_from_slice(chunk));
        Self(chunks.iter().map(data).collect())
    }

    fn with_trailers(mut self) -> Self {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", "1".parse().unwrap());
        self.0.push_back(http_body::Frame::trailers(trailers));
        self
    }
}

impl Body for Strict {
    type Data = Bytes;
    type Error = Trouble;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Trouble>>> {
        let frame = self.0.pop_front();
        Poll::Ready(Some(Ok(frame.expect("polled after its last frame"))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.0.iter().filter_map(http_body::Frame::data_ref);
        SizeHint::with_exact(left.map(|data| data.len() as u64).sum())
    }
}

/// Counts bytes, and tells when the body is over.
#[derive(Default)]
struct Counting(u64);

impl Decode for Counting {
    fn received(&mut self, frame: Frame<'_>, noted: &mut Noted) {
        let Frame::Body(bytes) = frame else { return };
        self.0 += bytes.len() as u64;
        noted.seen(1);
    }
    fn ended(&mut self, noted: &mut Noted) {
        let count = Count::exact(self.0, Evidence::Reported);
        noted.usage(Meter::OutputTokens, count);
    }
}

/// A stage of all layers around one body, and the call that it leaves.
macro_rules! passed {
    ($intake:expr, $client:expr, $body:expr) => {{
        let mut body = Some($body);
        let stage = ServiceBuilder::new()
            .layer(CallLayer::http("llm", $intake))
            .layer(ErrorLayer::new(classify::error))
            .layer(RedactLayer::new())
            .layer(DrainLayer::new())
            .layer(UsageLayer::new())
            .layer(TimingLayer::new())
            .layer($client)
            .service(service_fn(move |_: Request<()>| {
                let response = Response::new(body.take().expect("one call"));
                ready(Ok::<_, Trouble>(response))
            }));
        stage.oneshot(Request::new(())).await.unwrap().into_body()
    }};
}

#[tokio::test(start_paused = true)]
async fn a_body_ends_with_its_last_frame_and_keeps_its_length_and_trailers() {
    let intake = intake();
    let strict = || Strict::of(&[b"ab", b"c"]);
    let mut body = Box::pin(passed!(&intake, client::http(), strict().with_trailers()));
    let mut seen = Vec::new();
    let mut left = vec![body.size_hint().exact()];
    while !body.is_end_stream() {
        seen.push(body.frame().await.unwrap().unwrap());
        left.push(body.size_hint().exact());
    }

    // It was not polled for a `None`, and is not dropped yet: its end was seen all the same.
    assert_eq!(
        only(&intake).draft(|draft| draft.outcome),
        Some(Outcome::Completed)
    );
    assert_eq!(left, [3, 1, 0, 0].map(Some));
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[2].trailers_ref().unwrap()["x-checksum"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_decoded_body_is_the_same_for_any_cut_and_tells_its_usage_at_the_end() {
    let text: Vec<u8> = (0..=255).cycle().take(600).collect();
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..100 {
        let mut cuts: Vec<usize> = (0..random.usize(0..9))
            .map(|_| random.usize(0..600))
            .collect();
        cuts.extend([0, 600]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();
        let decoding = client::decoding(|_: &Request<()>| Counting::default());
        let (known, unknown) = (intake(), intake());
        let strict = Strict::of(&chunks);
        let strict = if round % 2 == 0 {
            strict.with_trailers()
        } else {
            strict
        };
        let frames: Vec<_> = Strict::of(&chunks)
            .0
            .into_iter()
            .map(Ok::<_, Trouble>)
            .collect();

        let counted = Plain::new(passed!(&known, decoding, strict));
        let chunked = Plain::new(passed!(
            &unknown,
            decoding,
            StreamBody::new(stream::iter(frames))
        ));
        let counted = Box::pin(counted).collect().await.unwrap();
        let trailers = counted.trailers().is_some();
        let chunked = Box::pin(chunked).collect().await.unwrap();

        assert_eq!(
            (trailers, &counted.to_bytes()[..]),
            (round % 2 == 0, &text[..])
        );
        assert_eq!(chunked.to_bytes(), &text[..]);
        for intake in [known, unknown] {
            let record = only(&intake);
            assert_eq!(
                record.draft(|draft| draft.outcome),
                Some(Outcome::Completed)
            );
            let tokens = used(&record).get(Meter::OutputTokens);
            assert_eq!(tokens, Some(Count::exact(600, Evidence::Reported)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_body_keeps_what_was_seen() {
    let intake = intake();
    let frame = |text| http_body::Frame::data(Bytes::from_static(text));
    let frames = [
        Ok(frame(b"ab")),
        Ok(frame(b"c")),
        Err(Trouble),
        Ok(frame(b"never")),
    ];
    let decoding = client::decoding(|_: &Request<()>| Counting::default());
    let body = passed!(&intake, decoding, StreamBody::new(stream::iter(frames)));

    Box::pin(body).collect().await.unwrap_err();

    let record = only(&intake);
    assert_eq!(record.draft(|draft| draft.outcome), Some(Outcome::Failed));
    let seen = used(&record).get(Meter::OutputTokens).unwrap();
    assert_eq!(
        (seen.at_least, seen.at_most, seen.evidence),
        (2, None, Evidence::Estimated)
    );
}

#[tokio::test(start_paused = true)]
async fn a_decoder_that_panics_reads_no_further_and_the_bytes_pass() {
    struct Broken;
    impl Decode for Broken {
        fn received(&mut self, _frame: Frame<'_>, _noted: &mut Noted) {
            panic!("broken");
        }
    }
    let intake = intake();
    let decoding = client::decoding(|_: &Request<()>| Broken);
    let body = passed!(&intake, decoding, Strict::of(&[b"ab", b"c"]));

    let all = Box::pin(Plain::new(body)).collect().await.unwrap();

    assert_eq!(all.to_bytes(), "abc");
    let record = only(&intake);
    let seen = record.draft(|draft| (draft.outcome, draft.observer_failed));
    assert_eq!(seen, (Some(Outcome::Completed), 1));
}
