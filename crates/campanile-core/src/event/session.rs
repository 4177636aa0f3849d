//! Records of sessions and their turns.

use crate::{Cost, Name, SessionId, Span, Timestamp, Wasted};
use serde::Serialize;

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
