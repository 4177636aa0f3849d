//! Days of a busy voice bot, made of numbers: sessions with turns, barge-ins, retries, failures, slow hours.
//!
//! The same numbers make the same days. The bench of reports makes a million calls of them.

use campanile_core::{
    Attempt, CallEvent, Content, Cost, Event, Evidence, FailureKind, FailureReport, Ids, Meter,
    Money, Name, Outcome, Owner, Reason, Redacted, Redactions, Segment, SessionEvent, SessionId,
    SessionTotals, Span, Timestamp, Timing, TurnEvent, Usage,
};

pub(crate) const DAY_US: i64 = 86_400_000_000;
const TURNS: u64 = 8;
/// Calls of one session: three a turn.
pub(crate) const CALLS: u64 = 3 * TURNS;

/// Numbers that look like dice, and are the same each time.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn of(n: u64) -> Self {
        Self(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    /// Below `most`.
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most.max(1)
    }

    /// A time in milliseconds with a long tail.
    fn ms(&mut self, usual: u64) -> u64 {
        let spread = self.below(usual) + self.below(usual);
        let tail = if self.below(40) == 0 {
            usual * (2 + self.below(4))
        } else {
            0
        };
        usual / 2 + spread / 2 + tail
    }
}

fn name(text: &str) -> Name {
    Name::outside(text).unwrap_or_default()
}

fn usd(grains: u64) -> Money {
    Money::from_grains(i128::from(grains) * 1_000_000_000)
}

fn told(text: &str) -> Redacted {
    let same = |text: &str, masked: &mut String| {
        masked.push_str(text);
        Redactions::default()
    };
    Redacted::new(
        &Content::new(text.to_owned()),
        &same,
        &mut Redactions::default(),
    )
}

fn failure(dice: &mut Dice) -> FailureReport {
    let kinds = [
        (
            FailureKind::RateLimit,
            "5f0c1a77be20d914",
            Some("429"),
            "rate limit reached for requests",
            true,
        ),
        (
            FailureKind::Timeout,
            "a1b20033c4d5e6f7",
            None,
            "no answer within 10 s",
            true,
        ),
        (
            FailureKind::Connectivity,
            "0d9e8c7b6a594837",
            None,
            "reading the answer: connection reset by peer",
            true,
        ),
        (
            FailureKind::InvalidRequest,
            "77aa11bb22cc33dd",
            Some("400"),
            "this model's maximum context length is exceeded",
            false,
        ),
    ];
    let place = [0, 0, 0, 1, 1, 2, 3][dice.below(7) as usize];
    let (kind, fingerprint, code, text, retryable) = kinds[place];
    let mut report = FailureReport::new(kind, name(fingerprint));
    report.code = code.map(name);
    report.retryable = retryable;
    report.chain = vec![told(text), told("the attempt was given up")];
    report
}

struct Served {
    stage: &'static str,
    provider: &'static str,
    model: &'static str,
    usage: Usage,
    grains: u64,
    first_ms: u64,
    whole_ms: u64,
}

fn served(stage: u64, dice: &mut Dice, slow: u64) -> Served {
    match stage {
        0 => {
            let heard = 1_500 + dice.below(5_000);
            Served {
                stage: "stt",
                provider: "deepgram",
                model: "nova-3",
                usage: Usage::new().with(Meter::AudioUs, heard * 1_000, Evidence::Measured),
                grains: heard * 460_000,
                first_ms: dice.ms(120),
                whole_ms: heard,
            }
        }
        1 => {
            let (provider, model) = match dice.below(10) {
                0 => ("anthropic", "claude-haiku-4-5"),
                1 | 2 => ("openai", "gpt-4.1-mini"),
                _ => ("openai", "gpt-4o-mini"),
            };
            let (input, output) = (300 + dice.below(1_200), 10 + dice.below(90));
            Served {
                stage: "llm",
                provider,
                model,
                usage: Usage::new()
                    .with(Meter::InputTokens, input, Evidence::Reported)
                    .with(Meter::CachedInputTokens, input / 2, Evidence::Reported)
                    .with(Meter::OutputTokens, output, Evidence::Reported),
                grains: input * 620_000 + output * 2_160_000,
                first_ms: dice.ms(280 + slow),
                whole_ms: 600 + dice.ms(700),
            }
        }
        _ => {
            let characters = 30 + dice.below(180);
            Served {
                stage: "tts",
                provider: "cartesia",
                model: "sonic-2",
                usage: Usage::new().with(Meter::Characters, characters, Evidence::Measured),
                grains: characters * 108_000_000 / 10,
                first_ms: dice.ms(90),
                whole_ms: 900 + dice.ms(1_600),
            }
        }
    }
}

/// One call of a turn. `cut`: it was interrupted.
fn call(
    at: Timestamp,
    place: (&SessionId, u32),
    stage: u64,
    dice: &mut Dice,
    ids: &Ids,
    (cut, slow): (bool, u64),
) -> CallEvent {
    let served = served(stage, dice, slow);
    let failed = stage == 1 && dice.below(if slow > 0 { 25 } else { 120 }) == 0;
    let outcome = match (failed, cut) {
        (true, _) => Outcome::Failed,
        (_, true) => Outcome::Cancelled,
        _ => Outcome::Completed,
    };
    let mut timing = Timing::default();
    timing.queued = Some(Span(dice.below(12) * 1_000_000));
    timing.first_item = (!failed).then_some(Span(served.first_ms * 1_000_000));
    timing.elapsed = Span((served.first_ms + served.whole_ms) * 1_000_000);
    timing.items = Some(20 + dice.below(40));
    timing.longest_gap = Some(Span((20 + dice.below(80)) * 1_000_000));
    let mut cost = Cost::exact(usd(served.grains));
    if cut {
        cost.at_most = Some(usd(served.grains * 3));
        cost.because(Reason::Bounded(Meter::OutputTokens));
    }
    let mut attempt = Attempt::new(1);
    attempt.provider = Some(name(served.provider));
    attempt.model = Some(name(served.model));
    attempt.request_id = Some(name(&format!("req_{:016x}", dice.below(u64::MAX))));
    attempt.timing = Some(timing);
    attempt.outcome = Some(outcome);
    attempt.failure = failed.then(|| failure(dice));
    attempt.usage = Some(served.usage);
    attempt.cost = Some(if failed {
        Cost::exact(Money::ZERO)
    } else {
        cost
    });
    let mut call = CallEvent::new(ids.next(at), Name::from_static(served.stage), at, outcome);
    call.session = Some(place.0.clone());
    call.turn = Some(place.1);
    call.reason = cut.then(|| Name::from_static("barge_in"));
    call.timing = Some(timing);
    call.failure = attempt.failure.clone();
    call.labels = vec![(
        "tenant",
        name(["acme", "globex", "initech"][dice.below(3) as usize]),
    )];
    call.usage = attempt.usage;
    call.cost = attempt.cost.clone();
    call.attempts = vec![attempt];
    call
}

fn turn(
    session: &SessionId,
    number: u32,
    at: Timestamp,
    cut: bool,
    calls: &[CallEvent],
) -> TurnEvent {
    let mut turn = TurnEvent::new(session.clone(), number, at);
    let first = |n: usize| {
        calls[n]
            .timing
            .and_then(|timing| timing.first_item)
            .unwrap_or_default()
    };
    turn.segments = vec![
        Segment::new("transcription", Owner::Provider, Span(first(0).0 * 3 / 2)),
        Segment::new("to_llm", Owner::Program, Span(1_200_000)),
        Segment::new("llm_first_item", Owner::Provider, first(1)),
        Segment::new("to_tts", Owner::Program, Span(2_400_000)),
        Segment::new("tts_first_item", Owner::Provider, first(2)),
        Segment::new("playback", Owner::Playback, Span(40_000_000)),
    ];
    let heard = calls[1].failure.is_none();
    turn.user_to_bot = heard.then(|| {
        turn.segments
            .iter()
            .fold(Span(0), |sum, part| sum + part.span)
    });
    turn.elapsed = Span(6_500_000_000);
    turn.interrupted = cut.then(|| Name::from_static("barge_in"));
    turn.calls = calls.len() as u32;
    for cost in calls.iter().filter_map(|call| call.cost.as_ref()) {
        turn.cost.absorb(cost);
        if cut {
            turn.wasted.absorb(cost);
        }
    }
    turn
}

/// The session of this number, of `all` that are spread over `days` that end at `end`.
pub(crate) fn session(n: u64, all: u64, days: i64, end: Timestamp) -> Vec<Event> {
    let mut dice = Dice::of(n);
    let offset = i128::from(n) * i128::from(days * DAY_US) / i128::from(all);
    let begun = Timestamp(end.0 - days * DAY_US + offset as i64);
    let ids = Ids::seeded(n + 1);
    let session = SessionId::from_call(ids.next(begun));
    // Each day has an hour that is slow.
    let hour = begun.0.rem_euclid(DAY_US) / 3_600_000_000;
    let slow = if hour == 14 { 500 } else { 0 };
    let mut events = vec![Event::Session(Box::new(SessionEvent::start(
        session.clone(),
        begun,
    )))];
    let mut totals = SessionTotals::default();
    for number in 0..TURNS {
        let at = |ms: u64| Timestamp(begun.0 + (number as i64 * 7_000 + ms as i64) * 1_000);
        let (place, cut) = ((&session, number as u32 + 1), dice.below(9) == 0);
        let calls: Vec<CallEvent> = (0..3)
            .map(|stage| {
                call(
                    at(stage * 900),
                    place,
                    stage,
                    &mut dice,
                    &ids,
                    (cut && stage > 0, slow),
                )
            })
            .collect();
        totals.calls += 3;
        totals.turns += 1;
        let turn = turn(&session, place.1, at(0), cut, &calls);
        events.extend(calls.into_iter().map(|call| Event::Call(Box::new(call))));
        events.push(Event::Turn(Box::new(turn)));
    }
    let over = Timestamp(begun.0 + TURNS as i64 * 7_000_000);
    let why = Name::from_static("hang_up");
    events.push(Event::Session(Box::new(SessionEvent::end(
        session, begun, over, why, totals,
    ))));
    events
}
