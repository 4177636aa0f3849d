//! Budgets: where they stand, and what is to be told of it.
//!
//! What is compared is the upper bound of what was spent. What has no upper bound counts with its lower one, and is told as such,
//! once a window: nobody can say then whether the budget holds.

use super::scope::{Per, Scope};
use super::spent::{Account, Spent, Sums};
use super::window::{Stretch, Window};
use campanile_core::{AlertEvent, AlertKind, Cost, LocalTime, Money, Name, Timestamp};
use serde::Serialize;

/// How long after its end a window is still looked at: for spends that nobody saw before a process died.
const GRACE_US: i64 = Timestamp::DAY_US;
/// The rate of spending is that of the last quarter of a window, but of an hour at least.
const RATE_OF: i64 = 4;
const RATE_LEAST_US: i64 = 3_600_000_000;
/// Before this long, nobody knows a rate.
const RATE_AFTER_US: i64 = 300_000_000;
/// The longest subject that stands in an id as it is.
const SUBJECT_BYTES: usize = 36;

/// One limit, and what counts against it.
#[derive(Clone, Debug)]
pub struct Budget {
    pub(crate) name: Name,
    pub(crate) scope: Scope,
    pub(crate) limit: Money,
    pub(crate) window: Window,
    /// Shares of the limit in thousandths, ascending.
    pub(crate) shares: Vec<u64>,
}

/// Where a budget stands in one window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Standing {
    /// The name of the budget.
    pub budget: Name,
    /// Whose, where each session, model, tenant has a limit of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The window: `2026-11`.
    pub window: Name,
    /// Whether it ends at every moment: then nothing resets it.
    pub rolling: bool,
    /// When it began.
    pub since: LocalTime,
    /// When the next one begins; of a rolling window, when all of what was spent will have left it.
    pub until: LocalTime,
    /// What was spent.
    pub spent: Cost,
    /// What counts of it: the upper bound, of what has none the lower one.
    pub counts: Money,
    /// The limit.
    pub limit: Money,
    /// When the limit is reached if things go on as they do; absent where it is reached, or will not be in this window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exhausted_at: Option<LocalTime>,
    /// The shares of the limit that were reached, in thousandths.
    #[serde(skip)]
    pub(crate) reached: Vec<u64>,
}

impl Standing {
    /// What counts of the limit, in thousandths, rounded down.
    #[must_use]
    pub fn thousandths(&self) -> u64 {
        let (counts, limit) = (self.counts.grains(), self.limit.grains());
        let share = match counts.checked_mul(1_000) {
            Some(counts) => counts / limit.max(1),
            None => counts / (limit / 1_000).max(1),
        };
        u64::try_from(share).unwrap_or(0)
    }

    /// Whether what counts has reached that many thousandths of the limit.
    #[must_use]
    pub fn reaches(&self, thousandths: u64) -> bool {
        let bound = self.limit.checked_mul(thousandths);
        bound.is_some_and(|bound| self.counts.grains() >= bound.grains() / 1_000)
    }
}

/// An alert that is to be raised.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) alert: AlertEvent,
    /// After this moment the same alert would be a second one; absent where its id tells the window.
    pub(crate) quiet_since: Option<Timestamp>,
}

impl Budget {
    /// Its name: `budget:openai:month`.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Whether each provider or model has a limit of its own.
    pub(crate) fn is_per_model(&self) -> bool {
        matches!(self.scope.per, Some(Per::Provider | Per::Model))
    }

    /// What it asks to be counted.
    pub(crate) fn account(&self) -> Account {
        Account {
            scope: self.scope.clone(),
            step: self.window.step(),
        }
    }

    /// From when on it must know what was spent.
    pub(crate) fn looks_back_to(&self, now: Timestamp) -> Timestamp {
        let stretch = self.window.at(now);
        let before = self.window.before(&stretch);
        before.map_or(stretch.since, |before| before.since)
    }

    /// Where it stands: in this window, and for a day in the one before. Each subject that has spent anything has its own.
    pub(crate) fn standings<'s, I>(&self, all: I, account: usize, now: Timestamp) -> Vec<Standing>
    where
        I: Iterator<Item = &'s Sums> + Clone,
    {
        let stretch = self.window.at(now);
        let before = self.window.before(&stretch).filter(|before| {
            let length = before.until.0.saturating_sub(before.since.0);
            now.0.saturating_sub(before.until.0) < length.min(GRACE_US)
        });
        let mut standings = Vec::new();
        for stretch in before.iter().chain([&stretch]) {
            let current = stretch.until > now;
            let mut spent = Sums::within(all.clone(), account, &(stretch.since..stretch.until));
            if self.scope.per.is_none() && current {
                spent.entry("").or_default();
            }
            for (subject, spent) in spent {
                let mut standing = self.standing(stretch, subject, spent);
                if current {
                    let rate = || self.rate(all.clone(), account, subject, stretch, now);
                    standing.exhausted_at =
                        exhausted(&standing, now, rate).map(|at| self.window.local(at));
                }
                standings.push(standing);
            }
        }
        standings
    }

    fn standing(&self, stretch: &Stretch, subject: &str, spent: Spent) -> Standing {
        let mut standing = Standing {
            budget: self.name.clone(),
            subject: (!subject.is_empty()).then(|| subject.to_owned()),
            window: stretch.name.clone(),
            rolling: self.window.is_rolling(),
            since: self.window.local(stretch.since),
            until: self.window.local(stretch.until),
            spent: spent.cost(),
            counts: spent.known,
            limit: self.limit,
            exhausted_at: None,
            reached: Vec::new(),
        };
        let reached = self.shares.iter().copied();
        standing.reached = reached.filter(|share| standing.reaches(*share)).collect();
        standing
    }

    /// What was spent lately, and in how long.
    fn rate<'s, I>(
        &self,
        all: I,
        account: usize,
        subject: &str,
        stretch: &Stretch,
        now: Timestamp,
    ) -> Option<(Money, i64)>
    where
        I: Iterator<Item = &'s Sums> + Clone,
    {
        let length = match self.window.is_rolling() {
            true => stretch.until.0.saturating_sub(now.0),
            false => stretch.until.0.saturating_sub(stretch.since.0),
        };
        let back = Timestamp(now.0.saturating_sub((length / RATE_OF).max(RATE_LEAST_US)));
        let first = Sums::first(all.clone(), account, subject, back)?;
        let lately = Sums::within(all, account, &(back..Timestamp(now.0.saturating_add(1))));
        let span = now.0.saturating_sub(first.max(back).0);
        let known = lately.get(subject)?.known;
        (span >= RATE_AFTER_US && known > Money::ZERO).then_some((known, span))
    }

    /// What is to be told of a standing.
    pub(crate) fn due(&self, standing: &Standing, now: Timestamp) -> Vec<Due> {
        let shares = standing.reached.iter().map(|share| decimal(*share));
        let shares = shares.map(|share| self.alert(standing, AlertKind::Budget, &share, now));
        let open = standing.spent.at_most.is_none();
        let open = open.then(|| self.alert(standing, AlertKind::Unbounded, "unbounded", now));
        shares.chain(open).collect()
    }

    fn alert(&self, standing: &Standing, kind: AlertKind, threshold: &str, now: Timestamp) -> Due {
        let name = |text: &str| Name::outside(text).unwrap_or_default();
        let subject = standing.subject.as_deref().map(shaped);
        let of = subject
            .as_ref()
            .map_or(String::new(), |subject| format!(":{subject}"));
        let (rule, window, limit) = (&self.name, &standing.window, self.limit);
        let mut alert = AlertEvent::new(now, kind, rule.clone(), name(threshold), window.clone());
        // The limit is part of it: who raises it wants to hear of the new one.
        alert.id = name(&format!("{rule}{of}:{limit}:{window}:{threshold}"));
        alert.subject = subject;
        alert.amount = Some(standing.spent.clone());
        alert.limit = Some(limit);
        alert.exhausted_at = standing.exhausted_at;
        let rolling = standing.rolling;
        alert.resets_at = (!rolling).then_some(standing.until);
        let length = standing.until.at.0.saturating_sub(now.0);
        Due {
            alert,
            quiet_since: rolling.then(|| Timestamp(now.0.saturating_sub(length))),
        }
    }
}

/// When the limit is reached at the rate of the last time.
fn exhausted(
    standing: &Standing,
    now: Timestamp,
    rate: impl FnOnce() -> Option<(Money, i64)>,
) -> Option<Timestamp> {
    /// Nano-dollars, so that their product with microseconds fits.
    const NANO: i128 = Money::GRAINS_PER_USD / 1_000_000_000;
    let left = standing.limit.checked_sub(standing.counts)?.grains() / NANO;
    let (spent, span) = rate().filter(|_| left > 0)?;
    let wait = left.checked_mul(span.into())? / (spent.grains() / NANO).max(1);
    let at = now.0.checked_add(i64::try_from(wait).ok()?)?;
    (at < standing.until.at.0).then_some(Timestamp(at))
}

/// Thousandths as a decimal number.
pub(crate) fn decimal(thousandths: u64) -> String {
    let text = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A subject as it stands in an id: a long one, or one that is no name, by a number made of it.
pub(crate) fn shaped(subject: &str) -> Name {
    let short = Name::outside(subject).filter(|name| name.len() <= SUBJECT_BYTES);
    short.unwrap_or_else(|| {
        // FNV-1a: the same in every process and every version.
        let hash = subject
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        Name::outside(&format!("{hash:016x}")).unwrap_or_default()
    })
}
