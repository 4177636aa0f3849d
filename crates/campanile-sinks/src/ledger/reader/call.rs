//! Calls with all that is known of them.

use super::{
    archives::Each,
    query::{Filter, Query},
    report::wasted_by,
    scan::{Damage, RawCall, RawPart, look_up},
    walk::walk,
};
use crate::ledger::{
    codec::{self, Unpack},
    row::{CallDetail, FailureRow, PartDetail, part_outcome, unpack_reasons},
    store::Dictionary,
    sum::Sum,
};
use campanile_core::{
    CallId, Cost, Measure, Meter, Outcome, Terms, Timestamp, Timing, Usage, Wasted,
};
use rusqlite::Connection;
use serde::Serialize;
use std::{collections::BTreeMap, ops::ControlFlow};

/// One call with its attempts.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LedgerCall {
    /// The id that it was appended under, or else its own.
    pub id: String,
    /// Its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Its turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    /// Its stage.
    pub stage: String,
    /// When it was opened.
    pub started_at: Timestamp,
    /// How it ended; absent while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why, in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where its time went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<LedgerFailure>,
    /// How much was said in the reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spoken: Option<Measure>,
    /// What was masked in its texts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub redactions: BTreeMap<String, u32>,
    /// Labels that its stage was given.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its attempts.
    pub attempts: Vec<AttemptRow>,
    /// What all attempts used.
    pub usage: Usage,
    /// What all attempts cost.
    pub cost: Cost,
    /// What of that nobody heard.
    pub wasted: Cost,
    /// The same, by kind.
    #[serde(skip_serializing_if = "Wasted::is_empty")]
    pub wasted_by: Wasted,
    /// The sum of all counts, of meters that this version does not know too.
    pub qty: u64,
}

/// One attempt of a call.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct AttemptRow {
    /// Its number.
    pub n: u32,
    /// Who bills.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model that was asked for, where another one served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_model: Option<String>,
    /// The provider's id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The conditions of the price.
    pub terms: Terms,
    /// Where its time went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<LedgerFailure>,
    /// What it used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Counts of meters that a newer version has written, by number.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unnamed: BTreeMap<u64, u64>,
    /// What it cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// Why a call or an attempt failed. Its texts are in [`Reader::errors`](crate::ledger::Reader::errors).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LedgerFailure {
    /// The kind.
    pub kind: &'static str,
    /// The provider's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Whether another try may help.
    pub retryable: bool,
    /// How long the provider asked to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_us: Option<u64>,
    /// The same for the same trouble.
    pub fingerprint: String,
}

/// Hands out calls with all that is known of them; returns how many rows were damaged. A call that is not as it was
/// written is not handed out.
pub(super) fn each_call(
    conn: &Connection,
    version: i64,
    query: &Query,
    each: &mut Each<'_, LedgerCall>,
) -> rusqlite::Result<u64> {
    let names = Dictionary::names(conn)?;
    let Some(filter) = Filter::of(conn, query, &names)? else {
        return Ok(0);
    };
    let sessions = filter.sessions(conn)?;
    let mut torn = 0;
    let damage = walk(conn, version, &filter, |call, parts| {
        let call = call
            .whole
            .then(|| detail(call, parts, &names, &sessions))
            .flatten();
        match call {
            Some(call) => each(call),
            None => {
                torn += 1;
                ControlFlow::Continue(())
            }
        }
    })?;
    Ok(damage.calls + damage.parts.max(torn))
}

/// One call that is over, by its id; `None` where it is open, or not as it was written.
pub(crate) fn by_id(
    conn: &Connection,
    id: &[u8; 16],
    names: &Dictionary,
) -> rusqlite::Result<Option<LedgerCall>> {
    let mut found = Ok(None);
    let flow = look_up(conn, id, &mut Damage::default(), &mut |call, parts| {
        if call.whole && call.outcome.is_some() {
            let session = Dictionary::session(conn, call.session);
            found = session.map(|session| detail(call, parts, names, &session));
        }
        ControlFlow::Continue(())
    })?;
    debug_assert!(flow.is_continue());
    found
}

/// All that is known of a call; `None` where a word or the body of it was damaged.
pub(super) fn detail(
    call: &RawCall,
    parts: &[RawPart],
    names: &Dictionary,
    sessions: &Dictionary,
) -> Option<LedgerCall> {
    let text = |text: &str| text.to_owned();
    let more = match call.outcome {
        Some(_) => CallDetail::unpack(&mut Unpack(&call.body), &names)?,
        None => CallDetail::default(),
    };
    let mut sum = Sum::default();
    for part in parts {
        sum.part(part.portion(call.outcome));
    }
    let words = |words: &[(&str, &str)]| words.iter().map(|(a, b)| (text(a), text(b))).collect();
    Some(LedgerCall {
        id: call
            .outside
            .clone()
            .unwrap_or_else(|| CallId(u128::from_be_bytes(call.id)).to_string()),
        session: known(sessions, call.session)?,
        turn: call.turn,
        stage: text(names.get(call.stage)?),
        started_at: Timestamp(call.at),
        outcome: call.outcome,
        reason: more.reason.map(text),
        timing: more.timing.and_then(|timing| timing.get()),
        failure: more.failure.as_ref().map(failure),
        spoken: more.spoken,
        redactions: more
            .redactions
            .iter()
            .map(|&(kind, count)| (text(kind), count))
            .collect(),
        labels: words(&more.labels),
        attempts: parts
            .iter()
            .map(|part| attempt(part, names))
            .collect::<Option<_>>()?,
        usage: sum.usage,
        cost: sum.cost.to_cost(),
        wasted: sum.wasted().to_cost(),
        wasted_by: wasted_by(&sum),
        qty: parts.iter().fold(0, |qty, part| {
            qty.saturating_add(codec::quantity(&part.usage))
        }),
    })
}

/// A word that may be missing. `None`: it is there and was damaged.
fn known(words: &Dictionary, id: Option<i64>) -> Option<Option<String>> {
    match id {
        None => Some(None),
        Some(id) => words.get(id).map(|word| Some(word.to_owned())),
    }
}

fn failure(row: &FailureRow<'_>) -> LedgerFailure {
    LedgerFailure {
        kind: row.kind_name(),
        code: row.code.map(str::to_owned),
        retryable: row.retryable,
        retry_after_us: row.retry_after_us,
        fingerprint: row.fingerprint.to_owned(),
    }
}

fn attempt(part: &RawPart, names: &Dictionary) -> Option<AttemptRow> {
    let text = |text: &str| text.to_owned();
    let more = PartDetail::unpack(&mut Unpack(&part.body), &names)?;
    let unnamed = codec::meters(&part.usage).filter(|metered| metered.meter >= Meter::COUNT as u64);
    Some(AttemptRow {
        n: part.n,
        provider: known(names, part.provider)?,
        model: known(names, part.model)?,
        requested_model: more.requested_model.map(text),
        request_id: more.request_id.map(text),
        terms: more.terms.to_terms(),
        timing: more.timing.and_then(|timing| timing.get()),
        outcome: part_outcome(part.flags),
        failure: more.failure.as_ref().map(failure),
        usage: part.has_usage.then(|| codec::unpack_usage(&part.usage)),
        unnamed: unnamed
            .map(|metered| (metered.meter, metered.count.at_least))
            .collect(),
        cost: part.cost.map(|bounds| Cost {
            book: campanile_core::Name::outside(more.book).unwrap_or_default(),
            why: unpack_reasons(more.why),
            ..bounds.to_cost()
        }),
    })
}
