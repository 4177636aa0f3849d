//! What one event costs on the recorder's thread: `cargo bench -p campanile-sinks`.

use campanile_core::{
    Attempt, CallEvent, CallId, Clock, Cost, Event, Evidence, Meter, Money, Outcome, SessionId,
    Sink, Span, Timestamp, Timing, Usage,
};
use campanile_sinks::{Console, Jsonl, MetricsSink, PrometheusRecorder, memory};
use std::{hint::black_box, time::Duration};

const EVENTS: u64 = 20_000;
const ROUNDS: usize = 9;

fn call() -> Event {
    let now = Timestamp(1_795_485_029_123_000);
    let mut call = CallEvent::new(CallId(7 << 64 | 9), "llm".into(), now, Outcome::Completed);
    call.session = SessionId::new("01932f2e-8f4a-7c3e-9d2b-5e1f4a2291c7").ok();
    call.turn = Some(3);
    let mut timing = Timing::default();
    timing.queued = Some(Span(5_000));
    timing.first_item = Some(Span(412_000_000));
    timing.elapsed = Span(1_310_000_000);
    timing.items = Some(50);
    call.timing = Some(timing);
    let usage = Usage::new()
        .with(Meter::InputTokens, 118, Evidence::Reported)
        .with(Meter::OutputTokens, 15, Evidence::Reported);
    let cost = Money::from_usd("0.000027").map(Cost::exact);
    let mut attempt = Attempt::new(1);
    attempt.provider = Some("openai".into());
    attempt.model = Some("gpt-4o-mini".into());
    attempt.timing = Some(timing);
    attempt.outcome = Some(Outcome::Completed);
    attempt.usage = Some(usage);
    attempt.cost = cost.clone();
    call.attempts = vec![attempt];
    call.usage = Some(usage);
    call.cost = cost;
    Event::Call(Box::new(call))
}

#[expect(clippy::print_stdout, reason = "a bench prints")]
fn measure(name: &str, sink: &impl Sink, reset: impl Fn()) {
    let (clock, event) = (Clock::system(), call());
    let mut best = u64::MAX;
    for _ in 0..ROUNDS {
        let begun = clock.tick();
        for _ in 0..EVENTS {
            sink.record(black_box(&event));
        }
        best = best.min(clock.tick().since(begun).0 / EVENTS);
        sink.flush(Duration::from_secs(10));
        reset();
    }
    println!("{name:<10} {best:>6} ns an event");
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let jsonl = Jsonl::new(folder.path()).budget(64 << 20).open()?;
    measure("jsonl", &jsonl, || ());
    let console = Console::to(std::io::sink()).budget(64 << 20).open()?;
    measure("console", &console, || ());
    measure(
        "metrics",
        &MetricsSink::new(PrometheusRecorder::new()),
        || (),
    );
    let (sink, events) = memory();
    measure("memory", &sink, || drop(events.take()));
    Ok(())
}
