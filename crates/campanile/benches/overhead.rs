//! What watching costs, in one run: instructions of the calling thread, CPU of all threads.
//!
//! ```text
//! cargo xtask bench overhead
//! ```
//!
//! The program starts itself: under `valgrind --tool=callgrind` with n and 2n calls, so that start-up cancels out, and
//! without it to read the CPU time of the whole process. Beside the full stack stand the bare service and tower-http's `TraceLayer`
//! writing JSON through tracing-appender.

#![allow(missing_docs, reason = "a program")]
#![allow(clippy::print_stdout, reason = "a program")]
#![allow(clippy::unwrap_used, reason = "a program that may fail")]

use bytes::Bytes;
use campanile::{
    CallLayer, ErrorLayer, Facts, Meter, Monitor, RedactLayer, Served, Sink, Tally, TimingLayer,
    Unary, UsageLayer, classify, client,
};
use futures_util::{FutureExt as _, future, stream};
use http_body_util::{Empty, StreamBody};
use std::convert::Infallible;
use std::process::Command;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tower::{Layer as _, Service, ServiceBuilder};

const ITEMS: usize = 50;

#[derive(Clone)]
struct Ask;

impl Facts for Ask {
    fn served(&self, served: &mut Served) {
        served.requested = Some("gpt-4o-mini".into());
    }
}

struct Delta {
    text: &'static str,
    tokens: Option<(u64, u64)>,
}

impl Facts for Delta {
    fn usage(&self, tally: &Tally) {
        if let Some((input, output)) = self.tokens {
            tally.total(Meter::InputTokens, input);
            tally.total(Meter::OutputTokens, output);
        }
    }
    fn spoken(&self) -> Option<&str> {
        Some(self.text)
    }
}

fn deltas() -> impl futures_util::Stream<Item = Result<Delta, Infallible>> {
    stream::iter((1..=ITEMS).map(|n| {
        Ok(Delta {
            text: "word ",
            tokens: (n == ITEMS).then_some((118, ITEMS as u64)),
        })
    }))
}

async fn answer(_: Ask) -> Result<Delta, Infallible> {
    Ok(Delta {
        text: "a whole answer",
        tokens: Some((118, 15)),
    })
}

/// A pause after so many calls, as `PAUSE=calls:microseconds` says: a pipeline's load comes in bursts, and the threads behind it keep up.
/// (Under valgrind one thread runs at a time, so that it must be longer.)
struct Pace {
    calls: usize,
    pause: Duration,
}

impl Pace {
    fn read() -> Self {
        let text = std::env::var("PAUSE").unwrap_or_default();
        let (calls, micros) = text.split_once(':').unwrap_or(("0", "0"));
        Self {
            calls: calls.parse().unwrap(),
            pause: Duration::from_micros(micros.parse().unwrap()),
        }
    }

    fn keep(&self, call: usize) {
        if self.calls > 0 && call.is_multiple_of(self.calls) {
            std::thread::sleep(self.pause);
        }
    }
}

/// Makes `calls` unary calls.
fn unary<S>(mut service: S, calls: usize)
where
    S: Service<Ask>,
{
    let pace = Pace::read();
    for n in 0..calls {
        pace.keep(n);
        measured_unary(&mut service);
    }
}

/// One call. Its name is what callgrind looks for.
#[inline(never)]
fn measured_unary<S: Service<Ask>>(service: &mut S) {
    let reply = service.call(Ask).now_or_never().expect("ready at once");
    std::hint::black_box(reply.ok());
}

/// Makes `calls` calls and reads each reply to its end.
fn streamed<S, R, E>(mut service: S, calls: usize)
where
    S: Service<Ask, Response = R, Error = E>,
    R: futures_util::Stream,
    E: std::fmt::Debug,
{
    let pace = Pace::read();
    for n in 0..calls {
        pace.keep(n);
        measured_stream(&mut service);
    }
}

/// One call, and its reply to the end.
#[inline(never)]
fn measured_stream<S, R, E>(service: &mut S)
where
    S: Service<Ask, Response = R, Error = E>,
    R: futures_util::Stream,
    E: std::fmt::Debug,
{
    let reply = service
        .call(Ask)
        .now_or_never()
        .expect("ready at once")
        .unwrap();
    let mut reply = std::pin::pin!(reply);
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(item)) = reply.as_mut().poll_next(&mut context) {
        std::hint::black_box(item);
    }
}

fn watched_unary(monitor: &Monitor) -> impl Service<Ask, Response = Unary<Delta>> {
    campanile::stage::<Ask, _>(
        ServiceBuilder::new()
            .layer(CallLayer::new("llm", monitor))
            .layer(ErrorLayer::new(classify::error::<Infallible>))
            .layer(UsageLayer::new().provider("openai"))
            .layer(RedactLayer::new())
            .layer(TimingLayer::new())
            .layer(client::unary())
            .service_fn(answer),
    )
}

fn monitor(sink: impl Sink + 'static) -> Monitor {
    Monitor::builder(sink)
        .prices(campanile::pricing::Book::standard())
        .start()
}

/// One kind of work, `calls` times.
fn work(kind: &str, folder: &std::path::Path, calls: usize) {
    let bare_stream = |_: Ask| future::ready(Ok::<_, Infallible>(deltas()));
    match kind {
        "bare-unary" => unary(tower::service_fn(answer), calls),
        "bare-stream" => streamed(tower::service_fn(bare_stream), calls),
        "trace-unary" | "trace-stream" => trace(kind, folder, calls),
        _ => {
            let monitor = monitor(sinks(kind, folder));
            if kind.ends_with("unary") {
                unary(watched_unary(&monitor), calls);
            } else {
                let stage = ServiceBuilder::new()
                    .layer(CallLayer::new("llm", &monitor))
                    .layer(ErrorLayer::new(classify::error::<Infallible>))
                    .layer(UsageLayer::new().provider("openai"))
                    .layer(RedactLayer::new())
                    .layer(TimingLayer::new())
                    .layer(client::streaming())
                    .service_fn(bare_stream);
                streamed(campanile::stage::<Ask, _>(stage), calls);
            }
            // Elsewhere: what is sealed here is not the calling thread's cost.
            let end = std::thread::spawn(move || monitor.close_blocking());
            assert!(end.join().unwrap(), "everything was written");
        }
    }
}

/// Nowhere (`none-…`), JSON lines and metrics (`files-…`), or these and the ledger (`full-…`).
fn sinks(kind: &str, folder: &std::path::Path) -> Box<dyn Sink> {
    if kind.starts_with("none") {
        return Box::new(());
    }
    let jsonl = campanile::sinks::Jsonl::new(folder.join("logs"))
        .compress(false)
        .open()
        .unwrap();
    let metrics = campanile::sinks::MetricsSink::new(campanile::sinks::PrometheusRecorder::new());
    let signal = jsonl.and(metrics);
    if kind.starts_with("files") {
        return Box::new(signal);
    }
    let options = campanile::sinks::ledger::LedgerOptions::new(folder.join("ledger.db"));
    let ledger =
        campanile::sinks::ledger::Ledger::open(options, campanile::clock::counter()).unwrap();
    Box::new(signal.and(ledger))
}

/// The same work behind tower-http's `TraceLayer`, whose JSON goes to a file through tracing-appender.
fn trace(kind: &str, folder: &std::path::Path, calls: usize) {
    use tower_http::trace::{DefaultMakeSpan, DefaultOnRequest, DefaultOnResponse, TraceLayer};
    let file = tracing_appender::rolling::never(folder, "trace.jsonl");
    let (writer, guard) = tracing_appender::non_blocking::NonBlockingBuilder::default()
        .lossy(false)
        .finish(file);
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_writer(writer)
        .finish();
    let items = if kind == "trace-unary" { 1 } else { ITEMS };
    tracing::subscriber::with_default(subscriber, || {
        let level = tracing::Level::INFO;
        let layer = TraceLayer::new_for_http()
            .make_span_with(DefaultMakeSpan::new().level(level))
            .on_request(DefaultOnRequest::new().level(level))
            .on_response(DefaultOnResponse::new().level(level));
        let mut service = layer.layer(tower::service_fn(move |_: http::Request<Empty<Bytes>>| {
            let frames = (0..items)
                .map(|_| Ok::<_, Infallible>(http_body::Frame::data(Bytes::from_static(b"word "))));
            future::ready(Ok::<_, Infallible>(http::Response::new(StreamBody::new(
                stream::iter(frames),
            ))))
        }));
        let pace = Pace::read();
        for n in 0..calls {
            pace.keep(n);
            measured_http(&mut service);
        }
    });
    drop(guard);
}

/// One call, and its body to the end.
#[inline(never)]
fn measured_http<S, B, E>(service: &mut S)
where
    S: Service<http::Request<Empty<Bytes>>, Response = http::Response<B>, Error = E>,
    B: http_body::Body,
    E: std::fmt::Debug,
{
    let request = http::Request::post("/v1/chat/completions")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let reply = service
        .call(request)
        .now_or_never()
        .expect("ready at once")
        .unwrap();
    let mut body = std::pin::pin!(reply.into_body());
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut context) {
        std::hint::black_box(frame.ok());
    }
}

/// Instructions of the calling thread for one call, warmed up.
fn instructions(kind: &str, folder: &std::path::Path) -> Option<u64> {
    let calls = 2_000;
    let out = folder.join("callgrind.out");
    let status = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "-q",
            "--collect-atstart=no",
            "--toggle-collect=*measured_*",
        ])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().unwrap())
        .args(["work", kind, &calls.to_string()])
        .arg(folder)
        .env("PAUSE", "64:10000")
        .stdout(std::process::Stdio::null())
        .status()
        .ok()?;
    assert!(status.success(), "{kind} under valgrind");
    let text = std::fs::read_to_string(&out).ok()?;
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))?;
    Some(total.trim().parse::<u64>().ok()? / calls)
}

/// CPU seconds of a whole process, all threads, for `calls` calls in bursts of 256.
fn cpu(kind: &str, folder: &std::path::Path, calls: usize) -> f64 {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["work", kind, &calls.to_string()])
        .arg(folder)
        .env("PAUSE", "256:1000")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{kind}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

/// User and system time of this process, from /proc (ticks of 10 ms).
fn own_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks as f64 / 100.0
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, kind, calls, folder, ..] = &arguments[..]
        && word == "work"
    {
        work(kind, folder.as_ref(), calls.parse().unwrap());
        println!("{}", own_cpu());
        return;
    }
    let folder = std::env::temp_dir().join(format!("campanile-overhead-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    report(&folder);
    std::fs::remove_dir_all(&folder).unwrap();
}

fn report(folder: &std::path::Path) {
    for shape in ["unary", "stream"] {
        let [bare, trace, full] =
            ["bare", "trace", "full"].map(|what| instructions(&format!("{what}-{shape}"), folder));
        let (Some(bare), Some(trace), Some(full)) = (bare, trace, full) else {
            println!("valgrind is not there: no instructions counted");
            break;
        };
        let (trace, full) = (trace - bare, full - bare);
        let ratio = trace as f64 / full as f64;
        println!(
            "{shape}: bare {bare}, TraceLayer +{trace}, full stack +{full} instructions: 1/{ratio:.1}"
        );
    }
    let calls = 200_000;
    for shape in ["unary", "stream"] {
        let kinds = ["bare", "trace", "none", "files", "full"];
        let [bare, trace, none, files, full] =
            kinds.map(|what| cpu(&format!("{what}-{shape}"), folder, calls));
        let ratio = (files - bare) / (trace - bare);
        println!(
            "{shape}: CPU of all threads for {calls} calls: bare {bare:.2} s, TraceLayer {trace:.2} s"
        );
        println!(
            "{shape}: without sinks {none:.2} s, jsonl and metrics {files:.2} s ({ratio:.2} of TraceLayer), with the ledger {full:.2} s"
        );
    }
}
