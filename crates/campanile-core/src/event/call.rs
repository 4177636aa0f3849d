//! Records of calls: their attempts, times, failures and usage.

use super::{as_map, is_default_terms, is_zero, is_zero_u64};
use crate::{
    CallId, Cost, FailureKind, Level, Measure, Name, Outcome, Redacted, Redactions, SessionId,
    Span, Terms, Timestamp, Usage, Waste,
};
use serde::Serialize;

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
    /// What was said, redacted. Only [`WithContent`](crate::WithContent) writes it.
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
    pub(super) fn level(&self) -> Level {
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
    /// Why all of it was for nothing, where its end does not tell: see [`Wasted::of`](crate::Wasted::of).
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
