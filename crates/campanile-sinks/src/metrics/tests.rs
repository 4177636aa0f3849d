use super::*;
use crate::PrometheusRecorder;
use campanile_core::{
    CallId, Cost, Evidence, FailureKind, FailureReport, LogEvent, LossEvent, LossReason, Meter,
    Owner, Reason, Segment, SessionEvent, SessionId, Timestamp, Timing, Usage, UsageEvent,
};

const NOW: Timestamp = Timestamp(1_795_485_029_123_000);

fn attempt(model: &str, cost: Cost) -> Attempt {
    let mut attempt = Attempt::new(1);
    attempt.provider = Some("openai".into());
    attempt.model = Name::outside(model);
    attempt.outcome = Some(Outcome::Completed);
    attempt.usage = Some(
        Usage::new()
            .with(Meter::InputTokens, 100, Evidence::Reported)
            .with(Meter::CachedInputTokens, 18, Evidence::Reported)
            .with(Meter::OutputTokens, 15, Evidence::Reported),
    );
    attempt.cost = Some(cost);
    attempt
}

fn call(attempts: Vec<Attempt>) -> CallEvent {
    let mut call = CallEvent::new(CallId(7), "llm".into(), NOW, Outcome::Completed);
    call.session = SessionId::new("secret-session").ok();
    let mut timing = Timing::default();
    timing.first_item = Some(Span(412_000_000));
    timing.elapsed = Span(1_310_000_000);
    call.timing = Some(timing);
    call.attempts = attempts;
    call
}

fn usd(text: &str) -> Cost {
    Cost::exact(Money::from_usd(text).unwrap())
}

fn counted(sink: impl FnOnce(PrometheusRecorder) -> MetricsSink, events: &[Event]) -> String {
    let prometheus = PrometheusRecorder::new();
    let sink = sink(prometheus.clone());
    for event in events {
        sink.record(event);
    }
    prometheus.render()
}

#[track_caller]
fn assert_has(text: &str, line: &str) {
    assert!(
        text.lines().any(|found| found == line),
        "no {line:?} in\n{text}"
    );
}

#[test]
fn a_call_is_counted_with_its_time_usage_and_cost() {
    let event = Event::Call(Box::new(call(vec![attempt("gpt-4o-mini", usd("0.0003"))])));

    let text = counted(MetricsSink::new, &[event]);

    let who = r#"stage="llm",provider="openai",model="gpt-4o-mini",outcome="completed""#;
    for (name, value) in [
        ("campanile_calls_total", "1"),
        ("campanile_usage_input_tokens_total", "100"),
        ("campanile_usage_cached_input_tokens_total", "18"),
        ("campanile_cost_at_least_micro_usd_total", "300"),
        ("campanile_cost_at_most_micro_usd_total", "300"),
        ("campanile_cost_unbounded_attempts_total", "0"),
        ("gen_ai_client_operation_duration_seconds_sum", "1.31"),
    ] {
        assert_has(&text, &format!("{name}{{{who}}} {value}"));
    }
    let bucket = "gen_ai_client_operation_time_to_first_chunk_seconds_bucket";
    assert_has(&text, &format!("{bucket}{{{who},le=\"0.4\"}} 0"));
    assert_has(&text, &format!("{bucket}{{{who},le=\"0.5\"}} 1"));
    let tokens = format!("gen_ai_client_token_usage_sum{{{who},gen_ai_token_type=\"input\"}} 118");
    assert_has(&text, &tokens);
    let help = "# HELP gen_ai_client_operation_duration_seconds From the opening of the call";
    assert!(text.contains(help), "{text}");
    assert!(!text.contains("secret-session"));
}

#[test]
fn amounts_below_a_micro_dollar_add_up() {
    let third = || attempt("gpt-4o-mini", usd("0.0000004"));
    let event = Event::Call(Box::new(call(vec![third()])));

    let text = counted(MetricsSink::new, &vec![event; 10]);

    assert!(text.contains("campanile_cost_at_least_micro_usd_total{stage=\"llm\",provider=\"openai\",model=\"gpt-4o-mini\",outcome=\"completed\"} 4\n"), "{text}");
}

#[test]
fn an_unknown_price_is_counted_as_unknown() {
    let unknown = attempt("mystery", Cost::unknown(Reason::UnknownModel));
    let event = Event::Call(Box::new(call(vec![unknown])));

    let text = counted(MetricsSink::new, &[event]);

    let who = r#"{stage="llm",provider="openai",model="mystery",outcome="completed"}"#;
    assert_has(
        &text,
        &format!("campanile_cost_unbounded_attempts_total{who} 1"),
    );
}

#[test]
fn turns_sessions_failures_logs_and_losses_are_counted() {
    let mut failed = call(Vec::new());
    failed.outcome = Outcome::Failed;
    failed.failure = Some(FailureReport::new(FailureKind::RateLimit, "00".into()));
    failed.redactions.add("EMAIL", 2);
    let id = SessionId::new("s").unwrap();
    let mut turn = TurnEvent::new(id.clone(), 1, NOW);
    turn.user_to_bot = Some(Span(812_000_000));
    turn.segments = vec![Segment::new("llm", Owner::Provider, Span(400_000_000))];
    turn.interrupted = Some("barge_in".into());
    turn.wasted = usd("0.00001");
    let mut line = LogEvent::new(NOW, Level::Warn, "bot");
    line.redactions.add("EMAIL", 3);
    let late = UsageEvent::new(CallId(7), u32::MAX, "llm".into(), NOW, NOW, Attempt::new(1));

    let text = counted(
        MetricsSink::new,
        &[
            Event::Call(Box::new(failed)),
            Event::Turn(Box::new(turn)),
            Event::Session(Box::new(SessionEvent::start(id, NOW))),
            Event::Usage(Box::new(late)),
            Event::Log(Box::new(line)),
            Event::Loss(LossEvent::new(NOW, "jsonl", "full", 12)),
        ],
    );

    for line in [
        r#"campanile_failures_total{stage="llm",kind="rate_limit"} 1"#,
        r#"campanile_redactions_total{type="EMAIL"} 5"#,
        r#"campanile_turns_total{interrupted="yes"} 1"#,
        r#"campanile_turn_user_to_bot_seconds_bucket{interrupted="yes",le="0.9"} 1"#,
        r#"campanile_turn_segment_seconds_count{segment="llm",owner="provider"} 1"#,
        "campanile_cost_wasted_micro_usd_total 10",
        r#"campanile_sessions_total{phase="start"} 1"#,
        r#"campanile_usage_late_total{stage="llm"} 1"#,
        r#"campanile_logs_total{level="warn"} 1"#,
        r#"campanile_lost_total{sink="jsonl",reason="full"} 12"#,
    ] {
        assert_has(&text, line);
    }
}

#[test]
fn too_many_models_become_other_and_nothing_is_lost() {
    let events: Vec<Event> = (0..1_000)
        .map(|n| attempt(&format!("model-{n}"), usd("0.001")))
        .map(|attempt| Event::Call(Box::new(call(vec![attempt]))))
        .collect();

    let text = counted(
        |recorder| MetricsSink::new(recorder).max_series(100),
        &events,
    );

    let calls: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("campanile_calls_total"))
        .collect();
    let sum: u64 = calls
        .iter()
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(sum, 1_000);
    assert_eq!(
        calls.len(),
        51,
        "half of the sets are calls, and one more is for the others"
    );
    assert!(text.contains(r#"model="other""#));
}

#[test]
fn every_metric_is_defined_once() {
    let all = metric_names();
    let mut once: Vec<&str> = all.iter().map(|(name, ..)| *name).collect();
    once.sort_unstable();
    once.dedup();

    assert_eq!(once.len(), all.len());
    for meter in Meter::ALL {
        let name = format!("campanile.usage.{}", meter.name());
        assert!(once.contains(&&*name), "{name}");
    }
}

#[test]
fn how_sinks_stand_is_told_to_the_unit() {
    let prometheus = PrometheusRecorder::new();
    let sink = MetricsSink::new(prometheus.clone());
    let mut jsonl = Stats::new("jsonl");
    (jsonl.opened, jsonl.written, jsonl.pending) = (100, 80, 5);
    jsonl.lost = vec![(LossReason::Full, 12), (LossReason::TooLarge, 3)];
    let mut other = Stats::new("jsonl");
    (other.opened, other.degraded) = (1, true);
    other.lost = vec![(LossReason::Full, 1)];

    sink.hear(&[jsonl.clone(), Stats::new("console")]);
    sink.hear(&[jsonl, Stats::new("console"), other]);

    let text = prometheus.render();
    for line in [
        "campanile_sink_events_total{sink=\"jsonl\"} 101",
        "campanile_sink_written_total{sink=\"jsonl\"} 80",
        "campanile_sink_pending{sink=\"jsonl\"} 5",
        "campanile_sink_degraded{sink=\"jsonl\"} 1",
        "campanile_lost_total{sink=\"jsonl\",reason=\"full\"} 13",
        "campanile_lost_total{sink=\"jsonl\",reason=\"too_large\"} 3",
        "campanile_sink_events_total{sink=\"console\"} 0",
    ] {
        assert_has(&text, line);
    }
}

#[test]
fn a_hundred_thousand_sessions_make_no_series() {
    let prometheus = PrometheusRecorder::new();
    let sink = MetricsSink::new(prometheus.clone());
    let mut sizes = Vec::new();

    for n in 0..100_000_u32 {
        let id = SessionId::new(&format!("session-{n}")).unwrap();
        let mut call = call(vec![attempt("gpt-4o-mini", usd("0.0003"))]);
        call.session = Some(id.clone());
        sink.record(&Event::Session(Box::new(SessionEvent::start(id, NOW))));
        sink.record(&Event::Call(Box::new(call)));
        if [0, 99_999].contains(&n) {
            let text = prometheus.render();
            assert!(!text.contains("session-"), "{text}");
            sizes.push((text.lines().count(), text.len()));
        }
    }

    // The same lines; only their numbers have grown.
    assert_eq!(sizes[0].0, sizes[1].0);
    assert!(sizes[1].1 < 2 * sizes[0].1, "{sizes:?}");
}

#[test]
fn models_without_end_keep_a_scrape_small() {
    let prometheus = PrometheusRecorder::new();
    let sink = MetricsSink::new(prometheus.clone());

    for n in 0..20_000_u32 {
        let model = format!("model-{n}");
        let call = call(vec![attempt(&model, usd("0.0003"))]);
        sink.record(&Event::Call(Box::new(call)));
    }

    let text = prometheus.render();
    let series = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
    let (calls, whole) = (series("campanile_calls_total{"), text.len());
    assert!(calls <= 1_001, "{calls} series");
    assert!(whole < 24 << 20, "a scrape of {whole} bytes");
    let sum: u64 = text
        .lines()
        .filter(|line| line.starts_with("campanile_calls_total{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(sum, 20_000, "nothing is lost in `other`");
}
