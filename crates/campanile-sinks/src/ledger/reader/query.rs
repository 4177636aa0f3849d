//! Which calls a question is about.

use crate::ledger::store::Dictionary;
use campanile_core::Timestamp;
use rusqlite::Connection;
use serde::Serialize;

/// What rows of a report are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Dimension {
    /// Who bills.
    Provider,
    /// The model of the attempt.
    Model,
    /// The stage of the call.
    Stage,
    /// The session of the call; empty: unattributed.
    Session,
    /// The UTC day in which the call was opened: `2026-11-24`.
    Day,
    /// The UTC hour in which the call was opened: `2026-11-24T02`.
    Hour,
    /// How the call ended; `open` where it has not.
    Outcome,
}

/// Which calls a question is about.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
#[must_use]
pub struct Query {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    pub(super) by: Vec<Dimension>,
    session: Option<String>,
    pub(super) stage: Option<String>,
}

impl Query {
    /// Calls that were opened at this moment or later (default: all).
    pub fn since(mut self, since: Timestamp) -> Self {
        self.since = Some(since);
        self
    }

    /// Calls that were opened before this moment (default: all).
    pub fn until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }

    /// One row for each of these (default: the total only).
    pub fn by(mut self, by: impl Into<Vec<Dimension>>) -> Self {
        self.by = by.into();
        self
    }

    /// Calls of this session (default: all).
    pub fn session(mut self, session: impl Into<String>) -> Self {
        self.session = Some(session.into());
        self
    }

    /// Calls of this stage (default: all).
    pub fn stage(mut self, stage: impl Into<String>) -> Self {
        self.stage = Some(stage.into());
        self
    }

    pub(super) fn is_in(&self, at: i64) -> bool {
        self.since.is_none_or(|since| at >= since.micros())
            && self.until.is_none_or(|until| at < until.micros())
    }
}

/// The filters of a query as numbers. `None`: nothing can match.
pub(super) struct Filter<'a> {
    query: &'a Query,
    pub(super) session: Option<i64>,
    stage: Option<i64>,
}

impl<'a> Filter<'a> {
    pub(super) fn of(
        conn: &Connection,
        query: &'a Query,
        names: &Dictionary,
    ) -> rusqlite::Result<Option<Self>> {
        let stage = query
            .stage
            .as_deref()
            .map(|stage| names.0.iter().find(|(_, text)| ***text == *stage));
        let session = match &query.session {
            None => None,
            Some(session) => {
                let id = "SELECT id FROM session WHERE name = ?1";
                Some(
                    conn.prepare(id)?
                        .query_map([session], |row| row.get(0))?
                        .next()
                        .transpose()?,
                )
            }
        };
        Ok(match (session, stage) {
            (Some(None), _) | (_, Some(None)) => None,
            (session, stage) => Some(Self {
                query,
                session: session.flatten(),
                stage: stage.flatten().map(|(id, _)| *id),
            }),
        })
    }

    pub(super) fn takes(&self, at: i64, stage: i64, session: Option<i64>) -> bool {
        self.query.is_in(at)
            && self.stage.is_none_or(|wanted| wanted == stage)
            && (self.session.is_none() || self.session == session)
    }
}
