//! The sealed records of what happened. Nothing in them can hold free text but [`Redacted`].

mod call;
mod log;
mod session;
mod summary;

pub use call::{Attempt, CALL_REV, CallEvent, FailureReport, Timing, UsageEvent};
pub use log::{FieldValue, LogEvent};
pub use session::{Owner, Phase, Segment, SessionEvent, SessionTotals, TurnEvent};
pub use summary::{Quantiles, SummaryEvent};

use crate::{AlertEvent, Redacted, Terms, Timestamp};
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
    use crate::{CallId, Name, Redactions};

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
}
