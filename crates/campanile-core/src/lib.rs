//! Words, units and seams of campanile: everything that two of its crates must agree on.
//!
//! | word | type |
//! |---|---|
//! | a billable dimension, a count, counts by meter | [`Meter`], [`Count`], [`Usage`], live: [`Tally`] |
//! | an exact amount, a range of amounts | [`Money`], [`Cost`] |
//! | what people say, what may be written of it | [`Content`], [`Redacted`] |
//! | what pieces of a pipeline say about themselves | [`Facts`] |
//! | the sealed record of what happened, where it goes | [`Event`], [`Sink`] |
//! | the open record of a call, the way to the recorder | [`Record`], [`Draft`], [`Intake`] |
//! | whose call it is | [`Session`], [`Turn`] |
//! | the seams that other crates fill | [`Decode`], [`Price`], [`Redact`], [`TimeSource`] |
//!
//! It does no IO, knows no provider, and depends on serde alone (feature `http` adds [`Facts`] for the types of
//! the `http` and `bytes` crates).

mod alert;
mod content;
mod cost;
mod decode;
mod event;
mod facts;
mod failure;
mod gate;
mod id;
mod intake;
mod meter;
mod money;
mod name;
mod price;
mod sink;
mod stats;
mod time;
mod usage;
mod waste;

pub use alert::{AlertEvent, AlertKind};
pub use content::{Content, Gauge, Measure, Redact, Redacted, Redactions};
pub use cost::{Cost, Line, Reason};
pub use decode::{Decode, Frame, Noted};
pub use event::{
    Attempt, CALL_REV, CallEvent, Event, FailureReport, FieldValue, Level, LogEvent, LossEvent,
    Outcome, Owner, Phase, Quantiles, SCHEMA_VERSION, Segment, SessionEvent, SessionTotals,
    SummaryEvent, Timing, TurnEvent, UsageEvent, WithContent,
};
#[cfg(feature = "http")]
pub use facts::Told;
pub use facts::{Facts, Moment, Served};
pub use failure::{Cause, Failure, FailureKind};
pub use gate::{Gate, Hold, OverBudget};
pub use id::{BadId, CallId, Ids, SessionId};
pub use intake::{
    AttemptDraft, Draft, Drain, Guess, Handed, Intake, Live, Mark, Record, Session, Turn,
    TurnTotals,
};
pub use meter::{Evidence, Meter};
pub use money::Money;
pub use name::{MAX_NAME_BYTES, Name};
pub use price::{Billed, Mode, Price, Terms};
pub use sink::{And, Lane, Sink};
pub use stats::{LossReason, Stats};
pub use time::{Clock, LocalTime, Span, Tick, TimeSource, Timestamp};
pub use usage::{Count, Made, Tally, Usage};
pub use waste::{Share, Waste, Wasted};
