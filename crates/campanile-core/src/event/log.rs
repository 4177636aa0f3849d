//! Records of what the program logs.

use super::as_map;
use crate::{CallId, Level, Redacted, Redactions, SessionId, Timestamp};
use serde::Serialize;

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
