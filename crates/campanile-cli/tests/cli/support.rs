//! A small ledger, and a way to run commands on it.

use campanile_cli::{Io, Terminal, run};
use campanile_core::{
    Attempt, CallEvent, Clock, Cost, Event, Evidence, FailureKind, FailureReport, Ids, Meter,
    Money, Name, Outcome, Owner, Reason, Segment, SessionEvent, SessionId, SessionTotals, Sink,
    Span, Timestamp, Timing, TurnEvent, Usage,
};
use campanile_sinks::ledger::{Ledger, LedgerOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// 2026-11-24T01:50:29Z
pub(crate) const START: Timestamp = Timestamp(1_795_485_029_000_000);

pub(crate) struct Done {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    /// What a command printed that had nothing to complain of.
    pub(crate) fn good(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""));
        self.out
    }
}

pub(crate) fn campanile(arguments: &[&str], input: impl AsRef<[u8]>) -> Done {
    on_terminal(arguments, input, Terminal::default())
}

pub(crate) fn on_terminal(arguments: &[&str], input: impl AsRef<[u8]>, terminal: Terminal) -> Done {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let words = std::iter::once("campanile").chain(arguments.iter().copied());
    let mut io = Io::new(input.as_ref(), &mut out, &mut err, terminal)
        .at(Timestamp(START.0 + 3_600_000_000));
    let code = run(words, &mut io);
    drop(io);
    let text = |bytes| String::from_utf8(bytes).expect("what is printed is UTF-8");
    Done {
        code,
        out: text(out),
        err: text(err),
    }
}

/// A folder with a ledger in it.
pub(crate) struct Home {
    dir: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// With the events of [`small`].
    pub(crate) fn with_small_ledger() -> Self {
        let home = Self::new();
        home.record(&small());
        home
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.dir().join("campanile.db")
    }

    /// Writes the configuration that commands on this ledger read.
    pub(crate) fn configure(&self, text: &str) {
        std::fs::write(self.dir().join("campanile.toml"), text).unwrap();
    }

    pub(crate) fn record(&self, events: &[Event]) {
        let options = LedgerOptions::new(self.ledger());
        let ledger = Ledger::open(options, Clock::system()).unwrap();
        events.iter().for_each(|event| ledger.record(event));
        assert!(ledger.close(Duration::from_secs(30)));
    }

    /// Runs a command on the ledger; its path stands in the output as `LEDGER`, the folder's as `DIR`.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        self.run_with(arguments, "", Terminal::default())
    }

    pub(crate) fn run_with(
        &self,
        arguments: &[&str],
        input: impl AsRef<[u8]>,
        terminal: Terminal,
    ) -> Done {
        let ledger = self.ledger().display().to_string();
        let config = self.dir().join("campanile.toml");
        let mut words = vec!["--ledger", &ledger];
        let config_path = config.display().to_string();
        if config.exists() {
            words.extend(["--config", &config_path]);
        }
        words.extend(arguments);
        let mut done = on_terminal(&words, input, terminal);
        for text in [&mut done.out, &mut done.err] {
            *text = text
                .replace(&ledger, "LEDGER")
                .replace(&self.dir().display().to_string(), "DIR");
        }
        done
    }
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp(START.0 + ms * 1_000)
}

fn ms(ms: u64) -> Span {
    Span(ms * 1_000_000)
}

fn usd(text: &str) -> Money {
    Money::from_usd(text).unwrap()
}

fn between(least: &str, most: Option<&str>, why: Reason) -> Cost {
    let mut cost = Cost::exact(usd(least));
    cost.at_most = most.map(usd);
    cost.because(why);
    cost
}

pub(crate) fn attempt(
    n: u32,
    provider: &'static str,
    model: &'static str,
    usage: Usage,
    cost: Cost,
) -> Attempt {
    let mut attempt = Attempt::new(n);
    attempt.provider = Some(Name::from_static(provider));
    attempt.model = Some(Name::from_static(model));
    attempt.usage = Some(usage);
    attempt.cost = Some(cost);
    attempt.outcome = Some(Outcome::Completed);
    attempt
}

fn timing(queued: u64, first: Option<u64>, elapsed: u64) -> Timing {
    let mut timing = Timing::default();
    timing.queued = Some(ms(queued));
    timing.first_item = first.map(ms);
    timing.elapsed = ms(elapsed);
    timing
}

fn tokens(input: u64, cached: u64, output: u64) -> Usage {
    Usage::new()
        .with(Meter::InputTokens, input, Evidence::Reported)
        .with(Meter::CachedInputTokens, cached, Evidence::Reported)
        .with(Meter::OutputTokens, output, Evidence::Reported)
}

pub(crate) fn call(
    stage: &'static str,
    turn: Option<(&str, u32)>,
    started_at: Timestamp,
    outcome: Outcome,
    attempts: Vec<Attempt>,
) -> CallEvent {
    let ids = Ids::seeded(stage.len() as u64);
    let mut call = CallEvent::new(
        ids.next(started_at),
        Name::from_static(stage),
        started_at,
        outcome,
    );
    call.session = turn.map(|(session, _)| SessionId::new(session).unwrap());
    call.turn = turn.map(|(_, turn)| turn);
    call.attempts = attempts;
    call
}

/// One session of two turns, the second of them cut, and a call of no session: a completed and a failed attempt, an
/// exact cost, a range, and one without upper bound.
pub(crate) fn small() -> Vec<Event> {
    let session = SessionId::new("call-7").unwrap();
    let mut events = vec![Event::Session(Box::new(SessionEvent::start(
        session.clone(),
        START,
    )))];
    let mut keep = |call: CallEvent| events.push(Event::Call(Box::new(call)));

    let heard = Usage::new().with(Meter::AudioUs, 83_000_000, Evidence::Measured);
    let mut stt = call(
        "stt",
        Some(("call-7", 1)),
        at(0),
        Outcome::Completed,
        vec![attempt(
            1,
            "deepgram",
            "nova-3",
            heard,
            Cost::exact(usd("0.00664")),
        )],
    );
    stt.timing = Some(timing(0, Some(120), 2_000));
    keep(stt);

    let mut refused = attempt(
        1,
        "openai",
        "gpt-4o-mini",
        Usage::new(),
        Cost::exact(Money::ZERO),
    );
    refused.outcome = Some(Outcome::Failed);
    let mut why = FailureReport::new(
        FailureKind::RateLimit,
        Name::from_static("00c0ffee00c0ffee"),
    );
    why.code = Some(Name::from_static("429"));
    refused.failure = Some(why);
    let answered = attempt(
        2,
        "openai",
        "gpt-4o-mini",
        tokens(1_204, 1_024, 85),
        Cost::exact(usd("0.0003084")),
    );
    let mut llm = call(
        "llm",
        Some(("call-7", 1)),
        at(2_000),
        Outcome::Completed,
        vec![refused, answered],
    );
    llm.timing = Some(timing(40, Some(310), 900));
    keep(llm);

    let spoken = Usage::new().with(Meter::Characters, 212, Evidence::Measured);
    let mut tts = call(
        "tts",
        Some(("call-7", 2)),
        at(9_000),
        Outcome::Cancelled,
        vec![attempt(
            1,
            "cartesia",
            "sonic-3",
            spoken,
            between("0.002", Some("0.0106"), Reason::Bounded(Meter::Characters)),
        )],
    );
    tts.reason = Some(Name::from_static("barge_in"));
    tts.timing = Some(timing(5, Some(90), 1_100));
    keep(tts);

    let mut failed = attempt(
        1,
        "newcomer",
        "mystery-1",
        tokens(10, 0, 0),
        between("0", None, Reason::UnknownModel),
    );
    failed.outcome = Some(Outcome::Failed);
    let mut lost = call("llm", None, at(20_000), Outcome::Failed, vec![failed]);
    lost.failure = Some(FailureReport::new(
        FailureKind::Timeout,
        Name::from_static("0123456789abcdef"),
    ));
    keep(lost);

    events.extend(turns(&session).map(|turn| Event::Turn(Box::new(turn))));
    let end = Name::from_static("hang_up");
    let end = SessionEvent::end(session, START, at(42_000), end, SessionTotals::default());
    events.push(Event::Session(Box::new(end)));
    events
}

fn turns(session: &SessionId) -> [TurnEvent; 2] {
    let mut first = TurnEvent::new(session.clone(), 1, START);
    first.elapsed = ms(4_000);
    first.user_to_bot = Some(ms(1_250));
    first.segments = vec![
        Segment::new("end_of_speech", Owner::Provider, ms(300)),
        Segment::new("queue", Owner::Queue, ms(40)),
        Segment::new("first_token", Owner::Provider, ms(660)),
        Segment::new("first_audio", Owner::Playback, ms(250)),
    ];
    first.calls = 2;
    first.cost = Cost::exact(usd("0.0069484"));
    let mut second = TurnEvent::new(session.clone(), 2, at(8_000));
    second.elapsed = ms(2_200);
    second.interrupted = Some(Name::from_static("barge_in"));
    second.calls = 1;
    second.cost = between("0.002", Some("0.0106"), Reason::Bounded(Meter::Characters));
    second.wasted = second.cost.clone();
    [first, second]
}
