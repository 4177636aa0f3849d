//! Which calls a question is about: arguments that several commands take.

use crate::{fault::Fault, moment::Moment};
use campanile_core::{Outcome, Timestamp};
use campanile_sinks::ledger::Query;
use std::num::NonZero;

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Which {
    /// Only calls that were opened at this moment or later: RFC 3339, "2026-11-24 01:50" (UTC), 90s, 30m, 2h, 7d, 4w ago, or `ever`.
    #[arg(long, visible_alias = "from", value_parser = Moment::parse, value_name = "MOMENT")]
    pub(crate) since: Option<Moment>,
    /// Only calls that were opened before this moment.
    #[arg(long, value_parser = Moment::parse, value_name = "MOMENT")]
    pub(crate) until: Option<Moment>,
    /// Only calls of this stage.
    #[arg(long)]
    pub(crate) stage: Option<String>,
    /// Only calls of this session.
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Only what this provider bills.
    #[arg(long)]
    provider: Option<String>,
    /// Only what this model served.
    #[arg(long)]
    model: Option<String>,
    /// Only calls that ended so: completed, failed, cancelled, panicked, crashed.
    #[arg(long, value_parser = outcome)]
    outcome: Option<Outcome>,
    /// Only calls with this label.
    #[arg(long, value_parser = label, value_name = "NAME=VALUE")]
    label: Option<(String, String)>,
}

/// A query, and the time that it is about.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) query: Query,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

fn outcome(name: &str) -> Result<Outcome, String> {
    let known = Outcome::ALL
        .into_iter()
        .find(|outcome| outcome.name() == name);
    known
        .ok_or_else(|| "an outcome is completed, failed, cancelled, panicked or crashed".to_owned())
}

fn label(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "a label is NAME=VALUE, such as tenant=acme".to_owned())
}

impl Which {
    /// What is asked for, counted from `now`; `usual` is since when, unless the arguments say.
    pub(crate) fn asked(&self, usual: Option<Timestamp>, now: Timestamp) -> Result<Asked, Fault> {
        let (since, until) = ends(self.since, self.until, now)?;
        let since = match self.since {
            Some(_) => since,
            None => usual,
        };
        Ok(self.between(since, until))
    }

    /// The same conditions at another time.
    pub(crate) fn between(&self, since: Option<Timestamp>, until: Option<Timestamp>) -> Asked {
        let mut query = Query::default();
        if let Some(since) = since {
            query = query.since(since);
        }
        if let Some(until) = until {
            query = query.until(until);
        }
        if let Some(stage) = &self.stage {
            query = query.stage(stage);
        }
        if let Some(session) = &self.session {
            query = query.session(session);
        }
        if let Some(provider) = &self.provider {
            query = query.provider(provider);
        }
        if let Some(model) = &self.model {
            query = query.model(model);
        }
        if let Some(outcome) = self.outcome {
            query = query.outcome(outcome);
        }
        if let Some((name, value)) = &self.label {
            query = query.labelled(name, value);
        }
        Asked {
            query,
            since,
            until,
        }
    }
}

/// Both ends of the time that is asked for, counted from `now`.
pub(crate) fn ends(
    since: Option<Moment>,
    until: Option<Moment>,
    now: Timestamp,
) -> Result<(Option<Timestamp>, Option<Timestamp>), Fault> {
    let resolve = |moment: Option<Moment>| match moment {
        None | Some(Moment::Ever) => None,
        Some(moment) => Some(moment.resolve(now)),
    };
    let (since, until) = (resolve(since), resolve(until));
    match (since, until) {
        (Some(since), Some(until)) if since >= until => Err(Fault::Usage(format!(
            "--since ({since}) is not before --until ({until})"
        ))),
        ends => Ok(ends),
    }
}

/// How many rows are listed at most.
pub(super) fn limit(text: &str) -> Result<NonZero<usize>, String> {
    text.parse()
        .map_err(|_| "a limit is a number from 1".to_owned())
}
