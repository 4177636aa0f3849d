//! Failed calls, put together by what went wrong.

use campanile_core::Timestamp;
use campanile_sinks::ledger::{FailureGroup, LedgerCall};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Of each group so many ids are shown.
pub(super) const SHOWN: usize = 5;
const HOUR_US: i64 = 3_600_000_000;

/// One call that failed, as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) call: String,
    pub(crate) at: Timestamp,
    pub(crate) stage: String,
    pub(crate) session: Option<String>,
    pub(crate) turn: Option<u32>,
    /// The provider and the model of the last attempt.
    pub(crate) served: String,
    /// The provider's ids of its attempts.
    pub(crate) requests: Vec<String>,
    pub(crate) dead_us: u64,
}

/// Calls that failed in the same way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    pub(crate) fingerprint: String,
    pub(crate) kind: String,
    pub(crate) code: Option<String>,
    pub(crate) count: u64,
    /// Of these, calls that another try may have helped.
    pub(crate) recoverable: u64,
    pub(crate) sessions: BTreeSet<String>,
    pub(crate) stages: BTreeSet<String>,
    pub(crate) served: BTreeSet<String>,
    /// Time for which callers waited for nothing.
    pub(crate) dead_us: u64,
    pub(crate) hours: BTreeMap<i64, u64>,
    /// The last ones, the newest last.
    pub(crate) cases: VecDeque<Case>,
    pub(crate) first_at: Timestamp,
    pub(crate) last_at: Timestamp,
    /// The first of all, whatever time is asked for.
    pub(crate) first_ever: Timestamp,
    pub(crate) chain: Vec<String>,
    pub(crate) backtrace: Option<String>,
}

impl Group {
    fn add(&mut self, call: &LedgerCall) {
        if self.count == 0 {
            self.first_at = call.started_at;
        }
        self.count += 1;
        self.last_at = call.started_at;
        let failure = call.failure.as_ref();
        self.recoverable += u64::from(failure.is_some_and(|failure| failure.retryable));
        self.sessions.extend(call.session.clone());
        self.stages.insert(call.stage.clone());
        let case = Case::of(call);
        self.served.insert(case.served.clone());
        self.dead_us = self.dead_us.saturating_add(case.dead_us);
        *self
            .hours
            .entry(call.started_at.0.div_euclid(HOUR_US))
            .or_default() += 1;
        if self.cases.len() == SHOWN {
            self.cases.pop_front();
        }
        self.cases.push_back(case);
    }

    /// What is known of it at any time.
    fn know(&mut self, known: FailureGroup) {
        self.fingerprint = known.fingerprint;
        self.kind = known.kind.to_owned();
        self.code = known.code;
        self.first_ever = known.first_at;
        self.chain = known.chain;
        self.backtrace = known.backtrace;
    }

    /// The calls in `count` equal stretches of time.
    pub(crate) fn trend(
        &self,
        since: Timestamp,
        until: Timestamp,
        count: usize,
    ) -> Vec<Option<u64>> {
        let mut trend = vec![0_u64; count];
        let (first, last) = (
            since.0.div_euclid(HOUR_US),
            until.0.div_euclid(HOUR_US).max(since.0.div_euclid(HOUR_US)),
        );
        let hours = u128::try_from(last - first + 1).unwrap_or(1);
        for (hour, calls) in self.hours.range(first..=last) {
            let offset = u128::try_from(hour - first).unwrap_or(0);
            let place = usize::try_from(offset * count as u128 / hours).unwrap_or(0);
            trend[place.min(count - 1)] += calls;
        }
        trend.into_iter().map(Some).collect()
    }

    /// `rate_limit 429`
    pub(crate) fn what(&self) -> String {
        match &self.code {
            Some(code) => format!("{} {code}", self.kind),
            None => self.kind.clone(),
        }
    }

    /// `yes`, `no`, or of how many.
    pub(crate) fn recoverable(&self) -> String {
        match self.recoverable {
            0 => "no".to_owned(),
            all if all == self.count => "yes".to_owned(),
            some => format!("{some} of {}", self.count),
        }
    }
}

impl Case {
    fn of(call: &LedgerCall) -> Self {
        let last = call.attempts.last();
        let served = last.map(|last| [last.provider.as_deref(), last.model.as_deref()]);
        let served: Vec<&str> = served.iter().flatten().flatten().copied().collect();
        let requests = call.attempts.iter();
        Self {
            call: call.id.clone(),
            at: call.started_at,
            stage: call.stage.clone(),
            session: call.session.clone(),
            turn: call.turn,
            served: served.join(" "),
            requests: requests
                .filter_map(|attempt| attempt.request_id.clone())
                .collect(),
            dead_us: dead_us(call),
        }
    }
}

/// How long nothing was heard because of it: of a call that had given nothing, all its time; of one that broke off, its
/// longest gap.
fn dead_us(call: &LedgerCall) -> u64 {
    let Some(timing) = call.timing else { return 0 };
    match timing.first_item {
        None => timing.elapsed.us(),
        Some(_) => timing.longest_gap.map_or(0, |gap| gap.us()),
    }
}

/// Groups of failed calls, while they come in.
#[derive(Debug, Default)]
pub(super) struct Groups(BTreeMap<String, Group>);

impl Groups {
    pub(crate) fn add(&mut self, call: &LedgerCall) {
        if let Some(failure) = &call.failure {
            self.0
                .entry(failure.fingerprint.clone())
                .or_default()
                .add(call);
        }
    }

    /// With the texts of each, the most frequent first.
    pub(crate) fn with(mut self, known: Vec<FailureGroup>) -> Vec<Group> {
        for known in known {
            if let Some(group) = self.0.get_mut(&known.fingerprint) {
                group.know(known);
            }
        }
        let mut groups: Vec<Group> = self.0.into_values().collect();
        groups.sort_by(|one, other| {
            (other.count, other.last_at, &one.fingerprint).cmp(&(
                one.count,
                one.last_at,
                &other.fingerprint,
            ))
        });
        groups
    }
}
