//! Alerts: each rings once, and all that must ring do.

use super::evidence::{Evidence, Ledgered};
use super::verdict::Line;
use campanile::sinks::ledger::LedgerCall;
use campanile::{Money, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A budget of the soak's configuration.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    pub(crate) provider: &'static str,
    pub(crate) usd: String,
    pub(crate) daily: bool,
}

/// At which shares of a budget an alert rings, in thousandths.
pub(crate) const SHARES: [(u64, &str); 3] = [(500, "0.5"), (800, "0.8"), (1_000, "1")];

/// Budgets that a run of that many minutes of calls passes, some of them on both of its days.
pub(crate) fn budgets(minutes: f64) -> Vec<Budget> {
    let usd = |a_minute: f64| format!("{:.6}", (a_minute * minutes).max(0.000_01));
    let budget = |provider, a_minute, daily| Budget {
        provider,
        usd: usd(a_minute),
        daily,
    };
    vec![
        budget("cartesia", 0.004, true),
        budget("deepgram", 0.001_5, true),
        budget("openai", 0.000_06, false),
    ]
}

/// Each alert event once.
pub(crate) fn once(evidence: &Evidence) -> Line {
    let name = "each alert rings once";
    let Some(ledger) = &evidence.ledger else {
        return Line::new(name, "", vec!["there is no ledger to read".into()]);
    };
    let minutes = evidence.options.minutes * f64::from(evidence.options.sessions);
    let budgets = budgets(minutes);
    let wanted = due(&budgets, &spent(ledger, |call| vec![call.started_at]));
    // A call that lasts over midnight may be counted on the day on which it ends as well: better told early than late.
    let both = |call: &LedgerCall| vec![call.started_at, ended(call)];
    let possible = due(&budgets, &spent(ledger, both));
    let rung: BTreeSet<String> = ledger
        .alerts
        .iter()
        .filter_map(|alert| alert["id"].as_str().map(str::to_owned))
        .collect();
    let mut broken: Vec<String> = Vec::new();
    broken.extend(
        wanted
            .difference(&rung)
            .map(|id| format!("{id} did not ring")),
    );
    broken.extend(
        rung.difference(&possible)
            .map(|id| format!("{id} rang without a reason")),
    );
    let logs = &evidence.logs.alerts;
    // What a killed process has told and could not note as told, the next one tells again.
    let mut again = 0;
    for (id, lives) in logs {
        let times: u64 = lives.values().sum();
        again += times - 1;
        if lives.values().any(|n| *n > 1) || times - 1 > u64::from(evidence.kills) {
            broken.push(format!("{id} rang {times} times"));
        }
    }
    if evidence.has("jsonl") {
        let silent = rung.iter().filter(|id| !logs.contains_key(*id));
        broken.extend(silent.map(|id| format!("{id} is not in the log files")));
    }
    if wanted.is_empty() && evidence.ended_early {
        return Line::unknown(name, "it was ended before a budget was passed");
    }
    if wanted.is_empty() {
        broken.push("no budget was passed: this proves nothing".into());
    }
    let numbers = format!(
        "{} due, {} rung, {} in the log files, {again} of them told again after a kill",
        wanted.len(),
        rung.len(),
        logs.len()
    );
    Line::new(name, numbers, broken)
}

/// What each provider has billed in each day and month; a call counts in those of its moments.
fn spent(
    ledger: &Ledgered,
    moments: impl Fn(&LedgerCall) -> Vec<Timestamp>,
) -> BTreeMap<(String, String), i128> {
    let mut spent = BTreeMap::new();
    for call in &ledger.calls {
        let windows: BTreeSet<String> = moments(call)
            .into_iter()
            .flat_map(|at| [window(at, 10), window(at, 7)])
            .collect();
        for attempt in &call.attempts {
            let (Some(provider), Some(cost)) = (&attempt.provider, &attempt.cost) else {
                continue;
            };
            let amount = cost.at_most.unwrap_or(cost.at_least).grains();
            for window in &windows {
                *spent.entry((provider.clone(), window.clone())).or_default() += amount;
            }
        }
    }
    spent
}

fn ended(call: &LedgerCall) -> Timestamp {
    call.started_at
        .after(call.timing.map(|timing| timing.elapsed).unwrap_or_default())
}

/// The alerts that these amounts cause.
fn due(budgets: &[Budget], spent: &BTreeMap<(String, String), i128>) -> BTreeSet<String> {
    let mut due = BTreeSet::new();
    for budget in budgets {
        let dollars = Money::from_usd(&budget.usd).unwrap_or(Money::ZERO);
        let limit = dollars.grains();
        let (length, period) = if budget.daily {
            (10, "day")
        } else {
            (7, "month")
        };
        let of_budget = |(provider, window): &(String, String)| {
            provider == budget.provider && window.len() == length
        };
        for ((provider, window), amount) in spent.iter().filter(|(key, _)| of_budget(key)) {
            let passed = SHARES
                .iter()
                .filter(|(share, _)| *amount >= limit * i128::from(*share) / 1_000);
            due.extend(passed.map(|(_, share)| {
                format!("budget:{provider}:{period}:{dollars}:{window}:{share}")
            }));
        }
    }
    due
}

/// The day or the month of a moment: so many characters of its date.
fn window(at: Timestamp, length: usize) -> String {
    at.to_string().chars().take(length).collect()
}
