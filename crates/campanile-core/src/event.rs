//! The sealed records of what happened. Nothing in them can hold free text but [`Redacted`].

use crate::{
    AlertEvent, CallId, Cost, FailureKind, Measure, Name, Redacted, Redactions, SessionId, Span,
    Terms, Timestamp, Usage, Waste, Wasted,
};
use serde::Serialize;

/// The version of the JSON form, on every line as `v`. It grows when a reader must change.
pub const SCHEMA_VERSION: u32 = 1;

/// The sealed record of one thing that happened.
///
/// In JSON the kind stands under `event`; names carry their unit (`elapsed_us`), amounts are decimal strings.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A call is over.
    Call(Box<CallEvent>),
    /// Usage of a call that is still open, or that came after its end.
    Usage(Box<UsageEvent>),
    /// A turn is over.
    Turn(Box<TurnEvent>),
    /// A session has begun or is over.
    Session(Box<SessionEvent>),
    /// A budget or a rule fires.
    Alert(Box<AlertEvent>),
    /// A `tracing` event of the program.
    Log(Box<LogEvent>),
    /// What the last turns or minutes were like.
    Summary(Box<SummaryEvent>),
    /// Records that did not get where they should.
    Loss(LossEvent),
}

impl Event {
    /// How much it matters.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Event::Call(call) => call.level(),
            Event::Usage(_) => Level::Trace,
            Event::Turn(_) | Event::Session(_) | Event::Summary(_) => Level::Info,
            Event::Alert(_) | Event::Loss(_) => Level::Warn,
            Event::Log(log) => log.level,
        }
    }

    /// Whether it carries amounts or closes what carries them: the money lane takes these and never sheds them.
    #[must_use]
    pub fn is_money(&self) -> bool {
        matches!(
            self,
            Event::Call(_) | Event::Usage(_) | Event::Turn(_) | Event::Session(_) | Event::Alert(_)
        )
    }
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Single items and audio frames.
    Trace,
    /// Calls, and where their time went.
    Debug,
    /// Sessions, turns, summaries.
    #[default]
    Info,
    /// What recovered: retries, rate limits, losses, alerts.
    Warn,
    /// What did not.
    Error,
}

impl Level {
    /// The name as it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }
}

/// How a call or an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The reply came to its end.
    Completed,
    /// An error reached the caller, or an answer that was one.
    Failed,
    /// The caller gave up: a barge-in, a hang-up, a drop.
    Cancelled,
    /// The stage panicked.
    Panicked,
    /// The process died.
    Crashed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 5] = [
        Outcome::Completed,
        Outcome::Failed,
        Outcome::Cancelled,
        Outcome::Panicked,
        Outcome::Crashed,
    ];

    /// The name in JSON and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Completed => "completed",
            Outcome::Failed => "failed",
            Outcome::Cancelled => "cancelled",
            Outcome::Panicked => "panicked",
            Outcome::Crashed => "crashed",
        }
    }
}

/// A call is over. A section is absent where its layer was not on the stack.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CallEvent {
    /// The id of the call.
    pub id: CallId,
    /// The session it belonged to; absent when nobody said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The number of the turn in its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    /// The stage that was called.
    pub stage: Name,
    /// When it was opened.
    pub started_at: Timestamp,
    /// How it ended, as its caller saw it.
    pub outcome: Outcome,
    /// Why, in a word: what an interruption or the end of a session said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Name>,
    /// Where its time went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// The tries at the provider, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// What all attempts used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What all attempts cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Why it failed, as its caller saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureReport>,
    /// How much was said in the reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spoken: Option<Measure>,
    /// What was masked in the texts of this event.
    #[serde(skip_serializing_if = "Redactions::is_empty")]
    pub redactions: Redactions,
    /// Labels that the stage was given.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_map")]
    pub labels: Vec<(&'static str, Name)>,
    /// How many observers broke while they watched this call.
    #[serde(skip_serializing_if = "is_zero")]
    pub observer_failed: u32,
    /// What was said, redacted. Only [`WithContent`] writes it.
    #[serde(skip)]
    pub excerpt: Option<Redacted>,
}

impl CallEvent {
    /// An event with nothing but what every call has.
    #[must_use]
    pub fn new(id: CallId, stage: Name, started_at: Timestamp, outcome: Outcome) -> Self {
        Self {
            id,
            session: None,
            turn: None,
            stage,
            started_at,
            outcome,
            reason: None,
            timing: None,
            attempts: Vec::new(),
            usage: None,
            cost: None,
            failure: None,
            spoken: None,
            redactions: Redactions::default(),
            labels: Vec::new(),
            observer_failed: 0,
            excerpt: None,
        }
    }

    /// What did not work is an error, what needed another try a warning, the rest detail.
    fn level(&self) -> Level {
        match self.outcome {
            Outcome::Failed | Outcome::Panicked | Outcome::Crashed => Level::Error,
            _ if self
                .attempts
                .iter()
                .any(|attempt| attempt.failure.is_some()) =>
            {
                Level::Warn
            }
            _ => Level::Debug,
        }
    }
}

/// Where the time of a call or an attempt went, on the monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Timing {
    /// From the opening of the call (its `poll_ready` wait included) to the start of the client. Of an attempt:
    /// to the start of this attempt. Absent where no client was started, or none was timed.
    #[serde(rename = "queued_us", skip_serializing_if = "Option::is_none")]
    pub queued: Option<Span>,
    /// From the start of the client to the first piece of the answer.
    #[serde(rename = "first_item_us", skip_serializing_if = "Option::is_none")]
    pub first_item: Option<Span>,
    /// From the start of the client to the end. Of a call: from its opening, without the `poll_ready` wait.
    #[serde(rename = "elapsed_us")]
    pub elapsed: Span,
    /// Pieces of the answer; absent where nothing counted them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
    /// The longest wait between two pieces.
    #[serde(rename = "longest_gap_us", skip_serializing_if = "Option::is_none")]
    pub longest_gap: Option<Span>,
    /// Pieces of a streamed request that were handed to the socket.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub sent: u64,
}

/// One try at the provider.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Attempt {
    /// Its number in the call, from 1.
    pub n: u32,
    /// Who bills.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<Name>,
    /// The model that served, or else the one that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Name>,
    /// The model that was asked for, where another one served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_model: Option<Name>,
    /// The provider's id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Name>,
    /// The language of what was heard or said, where the provider says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Name>,
    /// The conditions of the price.
    #[serde(skip_serializing_if = "is_default_terms")]
    pub terms: Terms,
    /// Where its time went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// How it ended; absent where nothing saw the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureReport>,
    /// What it used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What it cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Why all of it was for nothing, where its end does not tell: see [`Wasted::of`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wasted: Option<Waste>,
}

impl Attempt {
    /// An attempt of which nothing is known.
    #[must_use]
    pub fn new(n: u32) -> Self {
        Self {
            n,
            provider: None,
            model: None,
            requested_model: None,
            request_id: None,
            language: None,
            terms: Terms::default(),
            timing: None,
            outcome: None,
            failure: None,
            usage: None,
            cost: None,
            wasted: None,
        }
    }
}

/// Why something failed, as it may be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FailureReport {
    /// The kind.
    pub kind: FailureKind,
    /// The provider's own code or the HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Name>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// How long the provider asked to wait.
    #[serde(rename = "retry_after_us", skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Span>,
    /// Sixteen hex digits that stay the same for the same trouble: of stage, kind, code and the texts without their numbers and ids.
    pub fingerprint: Name,
    /// The texts of the error and its sources, redacted, outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Redacted>,
    /// Where it was caught, if backtraces were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backtrace: Option<Redacted>,
}

impl FailureReport {
    /// A report without texts.
    #[must_use]
    pub fn new(kind: FailureKind, fingerprint: Name) -> Self {
        Self {
            kind,
            code: None,
            retryable: kind.is_transient(),
            retry_after: None,
            fingerprint,
            chain: Vec::new(),
            backtrace: None,
        }
    }
}

/// What one part (attempt) of a call has used: so far, while the call is open; in the end, when it came late.
///
/// Amounts of a part replace what was known of it before: a ledger keeps, for each `(call, part)`, the highest `rev`.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct UsageEvent {
    /// The call.
    pub call: CallId,
    /// The number of the attempt, from 1.
    pub part: u32,
    /// Grows with each event of this part. The attempt inside a [`CallEvent`] has `rev` 0 where none came
    /// before; see [`CALL_REV`].
    pub rev: u32,
    /// Whether the call is still open (a checkpoint), or was closed before (late usage).
    pub open: bool,
    /// The moment of this count.
    pub at: Timestamp,
    /// The session of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The turn of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    /// The stage of the call.
    pub stage: Name,
    /// When the call was opened.
    pub started_at: Timestamp,
    /// The attempt as it is known now.
    pub attempt: Attempt,
}

/// Revisions below this are checkpoints of an open call; attempts inside a [`CallEvent`] have exactly this
/// revision; late usage has a higher one. So the three can come in any order and each part still counts once.
pub const CALL_REV: u32 = 1 << 30;

impl UsageEvent {
    /// An event for one part of a call.
    #[must_use]
    pub fn new(
        call: CallId,
        rev: u32,
        stage: Name,
        started_at: Timestamp,
        at: Timestamp,
        attempt: Attempt,
    ) -> Self {
        Self {
            call,
            part: attempt.n,
            rev,
            open: rev < CALL_REV,
            at,
            session: None,
            turn: None,
            stage,
            started_at,
            attempt,
        }
    }
}

/// A turn is over.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct TurnEvent {
    /// Its session.
    pub session: SessionId,
    /// Its number in the session, from 1.
    pub turn: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// From its beginning to its end.
    #[serde(rename = "elapsed_us")]
    pub elapsed: Span,
    /// From the end of the user's speech to the first audio of the bot; absent where one of them was not seen.
    #[serde(rename = "user_to_bot_us", skip_serializing_if = "Option::is_none")]
    pub user_to_bot: Option<Span>,
    /// The waterfall: its spans sum to `user_to_bot`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<Segment>,
    /// What interrupted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<Name>,
    /// Calls that belonged to it.
    pub calls: u32,
    /// What they cost.
    pub cost: Cost,
    /// The part of `cost` that nobody heard: attempts that failed, and calls that an interruption cut.
    pub wasted: Cost,
    /// The same, by kind.
    #[serde(skip_serializing_if = "Wasted::is_empty")]
    pub wasted_by: Wasted,
}

impl TurnEvent {
    /// A turn without calls.
    #[must_use]
    pub fn new(session: SessionId, turn: u32, started_at: Timestamp) -> Self {
        Self {
            session,
            turn,
            started_at,
            elapsed: Span::default(),
            user_to_bot: None,
            segments: Vec::new(),
            interrupted: None,
            calls: 0,
            cost: Cost::nothing(),
            wasted: Cost::nothing(),
            wasted_by: Wasted::default(),
        }
    }
}

/// One stretch of a turn's waterfall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Segment {
    /// What was waited for.
    pub name: &'static str,
    /// Who could make it shorter.
    pub owner: Owner,
    /// How long it was.
    #[serde(rename = "span_us")]
    pub span: Span,
}

impl Segment {
    /// A stretch.
    #[must_use]
    pub const fn new(name: &'static str, owner: Owner, span: Span) -> Self {
        Self { name, owner, span }
    }
}

/// Who could make a stretch of waiting shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Owner {
    /// A provider (and the network to it).
    Provider,
    /// The program between two stages.
    Program,
    /// Limits, buffers and retries of the stack.
    Queue,
    /// The way to the user's ear.
    Playback,
}

impl Owner {
    /// The name in JSON and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Owner::Provider => "provider",
            Owner::Program => "program",
            Owner::Queue => "queue",
            Owner::Playback => "playback",
        }
    }
}

/// A session has begun or is over.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SessionEvent {
    /// The session.
    pub session: SessionId,
    /// Which of both.
    pub phase: Phase,
    /// When.
    pub at: Timestamp,
    /// When the session began.
    pub started_at: Timestamp,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Name>,
    /// What it came to; absent at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totals: Option<SessionTotals>,
}

impl SessionEvent {
    /// The start of a session.
    #[must_use]
    pub fn start(session: SessionId, at: Timestamp) -> Self {
        Self {
            session,
            phase: Phase::Start,
            at,
            started_at: at,
            reason: None,
            totals: None,
        }
    }

    /// The end of a session.
    #[must_use]
    pub fn end(
        session: SessionId,
        started_at: Timestamp,
        at: Timestamp,
        reason: Name,
        totals: SessionTotals,
    ) -> Self {
        Self {
            session,
            phase: Phase::End,
            at,
            started_at,
            reason: Some(reason),
            totals: Some(totals),
        }
    }
}

/// The start or the end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It begins.
    Start,
    /// It is over.
    End,
}

/// What a session came to, as far as it was known when it ended; reports always sum the calls.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct SessionTotals {
    /// From its start to its end.
    #[serde(rename = "elapsed_us")]
    pub elapsed: Span,
    /// Turns that were over.
    pub turns: u32,
    /// Turns that were interrupted.
    pub interrupted: u32,
    /// Calls that were over.
    pub calls: u32,
    /// Calls that failed or panicked.
    pub failed: u32,
    /// Calls that were still open.
    pub open_calls: u32,
    /// What the calls that were over cost.
    pub cost: Cost,
    /// The part of `cost` that nobody heard.
    pub wasted: Cost,
    /// The same, by kind.
    #[serde(skip_serializing_if = "Wasted::is_empty")]
    pub wasted_by: Wasted,
}

/// A `tracing` event of the program.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LogEvent {
    /// When.
    pub at: Timestamp,
    /// How much it matters.
    pub level: Level,
    /// The module or the target that was named.
    pub target: &'static str,
    /// File and line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<(&'static str, u32)>,
    /// The message, where its target is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Redacted>,
    /// Fields whose names are allowed.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_map")]
    pub fields: Vec<(&'static str, FieldValue)>,
    /// What was masked in its texts.
    #[serde(skip_serializing_if = "Redactions::is_empty")]
    pub redactions: Redactions,
    /// The session of its span.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The turn of its span.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    /// The call of its span.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
}

impl LogEvent {
    /// A line without text.
    #[must_use]
    pub fn new(at: Timestamp, level: Level, target: &'static str) -> Self {
        Self {
            at,
            level,
            target,
            site: None,
            message: None,
            fields: Vec::new(),
            redactions: Redactions::default(),
            session: None,
            turn: None,
            call: None,
        }
    }
}

/// The value of an allowed field.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum FieldValue {
    /// A whole number.
    Int(i64),
    /// A whole number too large for the above.
    Uint(u64),
    /// A number with a fraction.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// Text, redacted.
    Text(Redacted),
}

/// What the last turns or minutes were like.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SummaryEvent {
    /// When.
    pub at: Timestamp,
    /// How long the stretch was.
    #[serde(rename = "span_us")]
    pub span: Span,
    /// Turns that were over in it.
    pub turns: u64,
    /// Calls that were over in it.
    pub calls: u64,
    /// Calls that failed or panicked in it.
    pub failed: u64,
    /// User-to-bot latency of its turns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_to_bot: Option<Quantiles>,
    /// Cost since the start of the program.
    pub cost: Cost,
}

impl SummaryEvent {
    /// An empty stretch.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self {
            at,
            span: Span::default(),
            turns: 0,
            calls: 0,
            failed: 0,
            user_to_bot: None,
            cost: Cost::nothing(),
        }
    }
}

/// Average and quantiles of `n` samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Quantiles {
    /// How many samples.
    pub n: u64,
    /// Their average.
    #[serde(rename = "avg_us")]
    pub avg: Span,
    /// Half are no longer than this.
    #[serde(rename = "p50_us")]
    pub p50: Span,
    /// 95 of 100 are no longer than this; absent below 20 samples.
    #[serde(rename = "p95_us", skip_serializing_if = "Option::is_none")]
    pub p95: Option<Span>,
    /// 99 of 100 are no longer than this; absent below 100 samples.
    #[serde(rename = "p99_us", skip_serializing_if = "Option::is_none")]
    pub p99: Option<Span>,
}

impl Quantiles {
    /// Of samples in any order, by nearest rank; `None` of none.
    #[must_use]
    pub fn of(samples: &mut [Span]) -> Option<Self> {
        samples.sort_unstable();
        let n = samples.len();
        let rank = |percent: usize| samples[(n * percent).div_ceil(100) - 1];
        let sum: u128 = samples.iter().map(|span| u128::from(span.0)).sum();
        (n > 0).then(|| Self {
            n: n as u64,
            avg: Span(u64::try_from(sum / n as u128).unwrap_or(u64::MAX)),
            p50: rank(50),
            p95: (n >= 20).then(|| rank(95)),
            p99: (n >= 100).then(|| rank(99)),
        })
    }
}

/// Records that did not get where they should: written into the stream that lacks them.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct LossEvent {
    /// When it was told.
    pub at: Timestamp,
    /// Which sink or lane lost them.
    pub sink: &'static str,
    /// Why.
    pub reason: &'static str,
    /// How many.
    pub lost: u64,
}

impl LossEvent {
    /// A loss.
    #[must_use]
    pub const fn new(at: Timestamp, sink: &'static str, reason: &'static str, lost: u64) -> Self {
        Self {
            at,
            sink,
            reason,
            lost,
        }
    }
}

/// An event together with its content, for a sink that a person has allowed to write it.
#[derive(Clone, Copy, Debug)]
pub struct WithContent<'a>(pub &'a Event);

impl Serialize for WithContent<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Call<'a> {
            event: &'static str,
            #[serde(flatten)]
            call: &'a CallEvent,
            excerpt: &'a Redacted,
        }
        match self.0 {
            Event::Call(call) => match &call.excerpt {
                Some(excerpt) => Call {
                    event: "call",
                    call,
                    excerpt,
                }
                .serialize(serializer),
                None => self.0.serialize(serializer),
            },
            other => other.serialize(serializer),
        }
    }
}

fn as_map<S: serde::Serializer, V: Serialize>(
    pairs: &[(&'static str, V)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

fn is_zero_u64(n: &u64) -> bool {
    *n == 0
}

fn is_default_terms(terms: &Terms) -> bool {
    *terms == Terms::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_written_only_on_request() {
        let mut call = CallEvent::new(
            CallId(7),
            Name::from_static("llm"),
            Timestamp(0),
            Outcome::Completed,
        );
        let same = |text: &str, masked: &mut String| {
            masked.push_str(text);
            Redactions::default()
        };
        let said = crate::Content::new("hello".to_owned());
        call.excerpt = Some(Redacted::new(&said, &same, &mut Redactions::default()));
        let event = Event::Call(Box::new(call));

        assert!(!serde_json::to_string(&event).unwrap().contains("hello"));
        assert!(
            serde_json::to_string(&WithContent(&event))
                .unwrap()
                .contains(r#""excerpt":"hello""#)
        );
    }

    #[test]
    fn few_samples_have_no_tail() {
        let mut spans: Vec<Span> = (1..=100).map(Span).collect();

        let all = Quantiles::of(&mut spans).unwrap();
        assert_eq!(
            (all.p50, all.p95, all.p99),
            (Span(50), Some(Span(95)), Some(Span(99)))
        );
        assert_eq!(Quantiles::of(&mut spans[..19]).unwrap().p95, None);
        assert_eq!(Quantiles::of(&mut []), None);
    }
}
