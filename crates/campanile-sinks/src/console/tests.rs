use super::*;
use crate::LossReason;
use campanile_core::{
    AlertEvent, Attempt, CallEvent, CallId, Content, Cost, Evidence, FailureKind, FailureReport,
    FieldValue, LogEvent, Meter, Money, Name, Outcome, Owner, Quantiles, Reason, Redacted,
    Redactions, Segment, SessionEvent, SessionId, SessionTotals, Span, SummaryEvent, Timestamp,
    Timing, TurnEvent, Usage, UsageEvent,
};

/// 2026-11-24T01:50:29.123Z.
const NOW: Timestamp = Timestamp(1_795_485_029_123_000);
const SOON: Duration = Duration::from_secs(10);

fn ms(ms: u64) -> Span {
    Span(ms * 1_000_000)
}

fn usd(text: &str) -> Cost {
    Cost::exact(Money::from_usd(text).unwrap())
}

fn range(least: &str, most: Option<&str>) -> Cost {
    let mut cost = Cost::unknown(Reason::UnknownUsage);
    cost.at_least = Money::from_usd(least).unwrap();
    cost.at_most = most.map(|most| Money::from_usd(most).unwrap());
    cost
}

fn redacted(text: &str) -> Redacted {
    let same = |text: &str, masked: &mut String| {
        masked.push_str(text);
        Redactions::default()
    };
    let content = Content::new(text.to_owned());
    Redacted::new(&content, &same, &mut Redactions::default())
}

fn session() -> SessionId {
    SessionId::new("01932f2e-8f4a-7c3e-9d2b-5e1f4a2291c7").unwrap()
}

fn call(stage: &'static str, outcome: Outcome, first: Option<u64>, elapsed: u64) -> CallEvent {
    let mut call = CallEvent::new(CallId(7), Name::from_static(stage), NOW, outcome);
    call.session = Some(session());
    call.turn = Some(3);
    let mut timing = Timing::default();
    timing.first_item = first.map(ms);
    timing.elapsed = ms(elapsed);
    call.timing = Some(timing);
    call
}

fn attempt(provider: &'static str, model: &'static str) -> Attempt {
    let mut attempt = Attempt::new(1);
    attempt.provider = Some(Name::from_static(provider));
    attempt.model = Some(Name::from_static(model));
    attempt
}

fn failure(kind: FailureKind, code: &'static str) -> FailureReport {
    let mut failure = FailureReport::new(kind, Name::from_static("00c0ffee00c0ffee"));
    failure.code = Some(Name::from_static(code));
    failure
}

fn calls() -> Vec<Event> {
    let reported = Evidence::Reported;
    let mut llm = call("llm", Outcome::Completed, Some(412), 1_310);
    llm.usage = Some(Usage::new().with(Meter::InputTokens, 118, reported).with(
        Meter::OutputTokens,
        15,
        reported,
    ));
    llm.cost = Some(usd("0.00031"));
    llm.attempts = vec![attempt("openai", "gpt-4o-mini")];

    let mut stt = call("stt", Outcome::Completed, Some(98), 3_204);
    stt.usage = Some(Usage::new().with(Meter::AudioUs, 3_200_000, Evidence::Measured));
    stt.cost = Some(range("0.00021", Some("0.00082")));
    stt.attempts = vec![attempt("deepgram", "nova-3")];

    let mut tts = call("tts", Outcome::Cancelled, Some(143), 904);
    tts.reason = Some(Name::from_static("barge_in"));
    tts.usage = Some(Usage::new().with(Meter::Characters, 42, Evidence::Measured));
    tts.cost = Some(range("0.0001", None));
    tts.attempts = vec![attempt("cartesia", "sonic-3")];

    let mut retried = call("llm", Outcome::Completed, Some(512), 2_710);
    let mut first = attempt("openai", "gpt-4o-mini");
    let mut busy = failure(FailureKind::RateLimit, "429");
    busy.retry_after = Some(ms(2_000));
    first.failure = Some(busy);
    retried.attempts = vec![first, attempt("openai", "gpt-4o-mini")];
    retried.usage = Some(Usage::new().with(Meter::OutputTokens, 15, Evidence::Estimated));
    retried.cost = Some(Cost::unknown(Reason::UnknownModel));

    let mut failed = call("llm", Outcome::Failed, None, 30);
    let mut report = failure(FailureKind::Server, "500");
    report.chain = vec![redacted("boom \u{1b}[31m\nsecond line")];
    failed.failure = Some(report);
    failed.session = None;
    failed.turn = None;

    let late = UsageEvent::new(CallId(7), 5, "llm".into(), NOW, NOW, {
        let mut attempt = attempt("openai", "gpt-4o-mini");
        attempt.usage = Some(Usage::new().with(Meter::OutputTokens, 9, reported));
        attempt.cost = Some(usd("0.00011"));
        attempt
    });
    let calls = [llm, stt, tts, retried, failed].map(|call| Event::Call(Box::new(call)));
    calls
        .into_iter()
        .chain([Event::Usage(Box::new(late))])
        .collect()
}

fn the_rest() -> Vec<Event> {
    let mut turn = TurnEvent::new(session(), 3, NOW);
    turn.elapsed = ms(4_000);
    turn.user_to_bot = Some(ms(812));
    turn.segments = vec![
        Segment::new("stt", Owner::Provider, ms(210)),
        Segment::new("queue", Owner::Queue, ms(5)),
        Segment::new("llm", Owner::Provider, ms(400)),
        Segment::new("tts", Owner::Provider, ms(197)),
    ];
    turn.calls = 3;
    turn.cost = usd("0.0012");
    turn.wasted = usd("0.0001");
    turn.interrupted = Some(Name::from_static("barge_in"));
    let silent = TurnEvent::new(session(), 4, NOW);

    let mut totals = SessionTotals::default();
    totals.elapsed = ms(125_000);
    totals.turns = 7;
    totals.calls = 21;
    totals.open_calls = 1;
    totals.cost = usd("0.0104");
    totals.wasted = Cost::nothing();
    let start = SessionEvent::start(session(), NOW);
    let end = SessionEvent::end(session(), NOW, NOW, "hang_up".into(), totals);

    let alert = AlertEvent::budget(
        NOW,
        "deepgram".into(),
        "80%".into(),
        "2026-11".into(),
        usd("40.125"),
        Money::from_usd("50").unwrap(),
    );
    let mut log = LogEvent::new(NOW, Level::Warn, "my_bot::audio");
    log.message = Some(redacted("jitter\u{202e} buffer\r\nempty"));
    log.fields = vec![
        ("frames", FieldValue::Int(-3)),
        ("codec", FieldValue::Text(redacted("op\"us"))),
    ];
    let mut bare = LogEvent::new(NOW, Level::Info, "tower");
    bare.site = Some(("src/lib.rs", 41));

    let mut summary = SummaryEvent::new(NOW);
    summary.span = ms(60_000);
    summary.turns = 20;
    summary.calls = 60;
    let mut samples: Vec<Span> = (1..=20).map(|n| ms(n * 100)).collect();
    summary.user_to_bot = Quantiles::of(&mut samples);
    summary.cost = usd("1.5");
    vec![
        Event::Turn(Box::new(turn)),
        Event::Turn(Box::new(silent)),
        Event::Session(Box::new(start)),
        Event::Session(Box::new(end)),
        Event::Alert(Box::new(alert)),
        Event::Log(Box::new(log)),
        Event::Log(Box::new(bare)),
        Event::Summary(Box::new(summary)),
        Event::Loss(LossEvent::new(NOW, "jsonl", "io_error", 12)),
    ]
}

fn loss() -> Event {
    Event::Loss(LossEvent::new(NOW, "jsonl", "io_error", 12))
}

#[test]
fn every_kind_of_event_has_its_line() {
    let mut line = Line::new(false);

    let events = calls().into_iter().chain(the_rest());
    let text: String = events.map(|event| line.write(&event).to_owned()).collect();

    assert_eq!(text, include_str!("golden.txt"), "\n{text}");
}

#[test]
fn colours_do_not_move_columns() {
    let (mut plain, mut colored) = (Line::new(false), Line::new(true));

    for event in calls().into_iter().chain(the_rest()) {
        let colored = colored.write(&event).to_owned();
        let mut bare = colored.replace("\x1b[0m", "");
        for code in ["1", "2", "31", "32", "33", "36"] {
            bare = bare.replace(&format!("\x1b[{code}m"), "");
        }
        assert!(colored.contains("\x1b["));
        assert_eq!(bare, plain.write(&event));
    }
}

#[test]
fn a_pipe_that_nobody_reads_and_then_closes_stops_nothing() {
    let (reader, writer) = io::pipe().unwrap();
    let console = Console::to(writer).budget(256 << 10).open().unwrap();

    // Far more than a pipe and the budget hold.
    for _ in 0..20_000 {
        console.record(&loss());
    }
    assert!(
        !console.flush(Duration::from_millis(50)),
        "the pipe is full"
    );
    let full = console.stats();
    assert!(full.lost_to(LossReason::Full) > 10_000, "{full:?}");
    assert!(full.queued_bytes <= 256 << 10);
    drop(reader);
    console.record(&loss());
    assert!(!console.close(Duration::ZERO) || console.stats().pending == 0);

    let stats = console.stats();
    assert_eq!(stats.opened, 20_001);
    assert_eq!(stats.opened, stats.written + stats.lost() + stats.pending);
}

#[test]
fn a_reader_that_comes_back_is_told_what_it_missed() {
    let (mut reader, writer) = io::pipe().unwrap();
    let console = Console::to(writer).budget(16 << 10).open().unwrap();
    for _ in 0..20_000 {
        console.record(&loss());
    }

    let text = std::thread::spawn(move || {
        let mut text = String::new();
        io::Read::read_to_string(&mut reader, &mut text).unwrap();
        text
    });
    assert!(console.close(SOON));
    let stats = console.stats();
    drop(console);

    let text = text.join().unwrap();
    let told = text
        .lines()
        .filter(|line| line.ends_with(" lines lost by console: full"));
    let counts: Vec<u64> = told
        .map(|line| line.split_whitespace().nth(4).unwrap().parse().unwrap())
        .collect();
    assert_eq!(
        counts.iter().sum::<u64>(),
        stats.lost(),
        "each loss is told once"
    );
    assert_eq!(stats.opened, stats.written + stats.lost());
    assert_eq!(text.lines().count(), stats.written as usize + counts.len());
}

/// Takes a few bytes and then none for a moment, as a terminal that does not block.
struct Trickle(Arc<Mutex<Vec<u8>>>, u32);

impl Write for Trickle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1 += 1;
        if self.1.is_multiple_of(3) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = bytes.len().min(60);
        self.0.lock().unwrap().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_that_was_cut_goes_on_where_it_was_cut() {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let console = Console::to(Trickle(taken.clone(), 0)).open().unwrap();

    console.record(&loss());
    console.record(&loss());
    console.record(&loss());
    while !console.flush(SOON) {}

    let text = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
    assert_eq!(text, Line::new(false).write(&loss()).repeat(3));
}
