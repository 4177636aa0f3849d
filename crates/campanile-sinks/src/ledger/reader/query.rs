//! Which calls a question is about.

use crate::ledger::{
    place::Place,
    row::outcome_of,
    schema::day_of,
    span::{HOUR_US, hour_of},
    store::Dictionary,
};
use campanile_core::{Outcome, Timestamp};
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use std::collections::HashMap;

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
    /// The value of the label that [`Query::label`] names; empty where the call has none.
    Label,
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
    stage: Option<String>,
    provider: Option<String>,
    model: Option<String>,
    outcome: Option<Outcome>,
    label: Option<String>,
    labelled: Option<(String, String)>,
    /// What began before is in archives, whatever is left of it here.
    floor: Option<Timestamp>,
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

    /// Attempts that this provider bills, and calls whose last attempt it does (default: all).
    pub fn provider(mut self, provider: impl Into<String>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// Attempts of this model, and calls whose last attempt it served (default: all).
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Calls that ended in this way (default: all).
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// Names the label of [`Dimension::Label`].
    pub fn label(mut self, name: impl Into<String>) -> Self {
        self.label = Some(name.into());
        self
    }

    /// Calls whose label `name` has this value (default: all).
    pub fn labelled(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labelled = Some((name.into(), value.into()));
        self
    }

    /// The same question to a ledger whose calls before `floor` are in archives.
    pub(super) fn above(&self, floor: i64) -> Self {
        let floor = (floor > i64::MIN).then_some(Timestamp(floor));
        Self {
            floor,
            ..self.clone()
        }
    }

    /// The same question about the time from `first` to before `end`.
    pub(super) fn within(&self, first: i64, end: i64) -> Self {
        let mut query = self.clone();
        query.since = Some(Timestamp(query.first().max(first)));
        query.until = Some(query.until.unwrap_or(Timestamp(end)).min(Timestamp(end)));
        query
    }

    /// The first moment that is asked for.
    fn first(&self) -> i64 {
        let first = self.since.max(self.floor);
        first.map_or(i64::MIN, Timestamp::micros)
    }

    /// Its first moment, and the first one behind it, where there is one.
    pub(super) fn range(&self) -> (Option<i64>, Option<i64>) {
        (
            self.since.map(Timestamp::micros),
            self.until.map(Timestamp::micros),
        )
    }

    pub(super) fn session_name(&self) -> Option<&str> {
        self.session.as_deref()
    }

    pub(super) fn is_in(&self, at: i64) -> bool {
        at >= self.first() && self.until.is_none_or(|until| at < until.micros())
    }

    /// Whether nothing between these moments is asked for.
    pub(super) fn is_outside(&self, first: i64, last: i64) -> bool {
        last < self.first() || self.until.is_some_and(|until| first >= until.micros())
    }

    /// Whether everything from `first` to before `end` is asked for.
    pub(super) fn has_all(&self, first: i64, end: i64) -> bool {
        first >= self.first() && self.until.is_none_or(|until| end <= until.micros())
    }

    /// The first and the last hour that may hold what is asked for.
    pub(super) fn hours(&self) -> (i64, i64) {
        let hour = |at: Timestamp| hour_of(at.micros());
        (
            self.since.max(self.floor).map_or(i64::MIN, hour),
            self.until.map_or(i64::MAX, hour),
        )
    }

    /// Whether sums of hours can answer it: they know no sessions.
    pub(super) fn is_summed(&self) -> bool {
        self.session.is_none() && !self.by.contains(&Dimension::Session)
    }

    /// Whether it asks for what only calls have.
    pub(super) fn is_about_calls(&self) -> bool {
        let words = [&self.stage, &self.provider, &self.model];
        words.iter().any(|word| word.is_some()) || self.outcome.is_some() || self.labelled.is_some()
    }

    /// Whether the answer depends on labels.
    pub(super) fn needs_labels(&self) -> bool {
        self.labelled.is_some() || self.by.contains(&Dimension::Label)
    }
}

/// A query in the numbers of one file.
pub(super) struct Filter<'a> {
    pub(super) query: &'a Query,
    pub(super) session: Option<i64>,
    stage: Option<i64>,
    provider: Option<i64>,
    model: Option<i64>,
    labelled: Option<(i64, &'a str)>,
    /// The name of the label that rows are made of; one that nothing has where the file does not know it.
    label: i64,
}

impl<'a> Filter<'a> {
    /// `None`: nothing can match.
    pub(super) fn of(
        conn: &Connection,
        query: &'a Query,
        names: &Dictionary,
    ) -> rusqlite::Result<Option<Self>> {
        let session = match &query.session {
            None => None,
            Some(session) => {
                let id = "SELECT id FROM session WHERE name = ?1";
                let id = conn.prepare(id)?.query_row([session], |row| row.get(0));
                match id.optional()? {
                    None => return Ok(None),
                    id => id,
                }
            }
        };
        let known = |word: &'a Option<String>| match word {
            None => Some(None),
            Some(word) => names.id(word).map(Some),
        };
        let filter = || {
            Some(Self {
                query,
                session,
                stage: known(&query.stage)?,
                provider: known(&query.provider)?,
                model: known(&query.model)?,
                labelled: match &query.labelled {
                    None => None,
                    Some((name, value)) => Some((names.id(name)?, value.as_str())),
                },
                label: query
                    .label
                    .as_deref()
                    .and_then(|name| names.id(name))
                    .unwrap_or(NOBODY),
            })
        };
        Ok(filter())
    }

    /// Names of the sessions that calls of it may have.
    pub(super) fn sessions(&self, conn: &Connection) -> rusqlite::Result<Dictionary> {
        match self.session {
            None => Dictionary::sessions(conn),
            session => Dictionary::session(conn, session),
        }
    }

    pub(super) fn takes(&self, place: &Place<'_>) -> bool {
        let is = |wanted: Option<i64>, is: Option<i64>| wanted.is_none() || wanted == is;
        let query = self.query;
        query.is_in(place.at)
            && is(self.stage, Some(place.stage))
            && is(self.session, place.session)
            && is(self.provider, place.provider)
            && is(self.model, place.model)
            && (query.outcome.is_none() || query.outcome == place.outcome)
            && self
                .labelled
                .is_none_or(|(name, value)| place.labels.get(name) == Some(value))
    }

    /// The same, of a call of which no more is known.
    pub(super) fn takes_call(&self, at: i64, stage: i64, session: Option<i64>) -> bool {
        self.query.is_in(at)
            && self.stage.is_none_or(|wanted| wanted == stage)
            && (self.session.is_none() || self.session == session)
    }

    /// The row that a place belongs to.
    pub(super) fn key(&self, place: &Place<'_>, words: &mut Words) -> Key {
        let mut key = [NOBODY; DIMENSIONS];
        for (slot, dimension) in key.iter_mut().zip(&self.query.by) {
            *slot = match dimension {
                Dimension::Provider => place.provider.unwrap_or(NOBODY),
                Dimension::Model => place.model.unwrap_or(NOBODY),
                Dimension::Stage => place.stage,
                Dimension::Session => place.session.unwrap_or(NOBODY),
                Dimension::Day => day_of(place.at),
                Dimension::Hour => hour_of(place.at),
                Dimension::Outcome => place.outcome.map_or(NOBODY, |outcome| outcome as i64),
                Dimension::Label => place
                    .labels
                    .get(self.label)
                    .map_or(NOBODY, |value| words.id(value)),
            };
        }
        key
    }
}

const DIMENSIONS: usize = 8;
const NOBODY: i64 = i64::MIN;

/// Numbers of a row of a report, one for each dimension; `i64::MIN` where nobody said.
pub(super) type Key = [i64; DIMENSIONS];

/// Values of labels, numbered as they come.
#[derive(Default)]
pub(super) struct Words {
    texts: Vec<Box<str>>,
    ids: HashMap<Box<str>, i64>,
}

impl Words {
    fn id(&mut self, text: &str) -> i64 {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let id = self.texts.len() as i64;
        self.texts.push(text.into());
        self.ids.insert(text.into(), id);
        id
    }
}

/// The texts of a key.
pub(super) fn key_texts(
    key: &Key,
    by: &[Dimension],
    names: &Dictionary,
    sessions: &Dictionary,
    words: &Words,
) -> Vec<String> {
    let word = |dictionary: &Dictionary, id| match id {
        NOBODY => String::new(),
        // A word that was damaged is not nobody's.
        id => dictionary.get(id).unwrap_or("?").to_owned(),
    };
    let moment = |micros: i64, len: usize| Timestamp(micros).to_string()[..len].to_owned();
    let text = |(&id, dimension): (&i64, &Dimension)| match dimension {
        Dimension::Provider | Dimension::Model | Dimension::Stage => word(names, id),
        Dimension::Session => word(sessions, id),
        Dimension::Day => moment(id.saturating_mul(Timestamp::DAY_US), 10),
        Dimension::Hour => moment(id.saturating_mul(HOUR_US), 13),
        Dimension::Outcome => {
            let outcome = u8::try_from(id).ok().and_then(outcome_of);
            outcome.map_or("open", Outcome::name).to_owned()
        }
        Dimension::Label => {
            let text = usize::try_from(id).ok().and_then(|id| words.texts.get(id));
            text.map_or(String::new(), |text| text.to_string())
        }
    };
    key.iter().zip(by).map(text).collect()
}
