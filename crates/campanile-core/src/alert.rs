//! A budget or a rule fires.

use crate::{Cost, LocalTime, Money, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A budget or a rule fires.
///
/// Its [`Display`](fmt::Display) is the line that people read: on the console, in a chat, in a mail of cron.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct AlertEvent {
    /// The same for the same rule, window and threshold: an alert is raised once. Who is told twice knows it by this.
    pub id: Name,
    /// When.
    pub at: Timestamp,
    /// What was passed.
    pub kind: AlertKind,
    /// The budget or rule: `budget:openai:month`.
    pub rule: Name,
    /// Whose, where each session, tenant, model has a limit of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Name>,
    /// The bound that was passed: a share of the limit (`0.8`), or a number with its unit (`1200ms`).
    pub threshold: Name,
    /// What was measured instead, with its unit; absent where it is an amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<Name>,
    /// The window in which it counts: `2026-11`.
    pub window: Name,
    /// The amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Cost>,
    /// The budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Money>,
    /// When the limit is reached if things go on as they do; absent where it is not before the window ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exhausted_at: Option<LocalTime>,
    /// When the next window begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<LocalTime>,
}

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlertKind {
    /// A share of a budget is spent: the upper bound of the amount has passed it.
    Budget,
    /// The amount has no upper bound, so that nobody can say whether the budget holds.
    Unbounded,
    /// The wait for the first piece of an answer is too long, for one call in twenty.
    FirstItemP95,
    /// Calls take too long, one in twenty.
    ElapsedP95,
    /// Users wait too long for the bot, one turn in twenty.
    UserToBotP95,
    /// Too many calls fail.
    ErrorRate,
    /// Nobody calls.
    NoCalls,
    /// Calls go through, and none says what it has used.
    NoUsage,
    /// Something was used that has no price.
    Unpriced,
    /// A connection is open, is billed, and nobody speaks.
    Idle,
}

impl AlertKind {
    /// The name in JSON and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            AlertKind::Budget => "budget",
            AlertKind::Unbounded => "unbounded",
            AlertKind::FirstItemP95 => "first_item_p95",
            AlertKind::ElapsedP95 => "elapsed_p95",
            AlertKind::UserToBotP95 => "user_to_bot_p95",
            AlertKind::ErrorRate => "error_rate",
            AlertKind::NoCalls => "no_calls",
            AlertKind::NoUsage => "no_usage",
            AlertKind::Unpriced => "unpriced",
            AlertKind::Idle => "idle",
        }
    }
}

impl AlertEvent {
    /// An alert of which only its place is known. The id is made of rule, window and threshold; who knows a finer one
    /// replaces it.
    #[must_use]
    pub fn new(at: Timestamp, kind: AlertKind, rule: Name, threshold: Name, window: Name) -> Self {
        let id = Name::outside(&format!("{rule}:{window}:{threshold}")).unwrap_or_default();
        Self {
            id,
            at,
            kind,
            rule,
            subject: None,
            threshold,
            measured: None,
            window,
            amount: None,
            limit: None,
            exhausted_at: None,
            resets_at: None,
        }
    }

    /// A budget of which a share is spent.
    #[must_use]
    pub fn budget(
        at: Timestamp,
        rule: Name,
        threshold: Name,
        window: Name,
        amount: Cost,
        limit: Money,
    ) -> Self {
        Self {
            amount: Some(amount),
            limit: Some(limit),
            ..Self::new(at, AlertKind::Budget, rule, threshold, window)
        }
    }

    /// What was spent of what: `$41.20 of $50.00`, `$38.00–41.20 of $50.00`, `at least $38.00 of $50.00`.
    fn spent(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(amount) = &self.amount else {
            return Ok(());
        };
        match amount.at_most {
            None => write!(f, " at least {}", dollars(amount.at_least))?,
            Some(most) if amount.is_exact() => write!(f, " {}", dollars(most))?,
            Some(most) => {
                let most = dollars(most);
                write!(f, " {}–{}", dollars(amount.at_least), &most[1..])?;
            }
        }
        match self.limit {
            Some(limit) => write!(f, " of {}", dollars(limit)),
            None => Ok(()),
        }
    }
}

/// Cents, or as many places as a small limit needs.
fn dollars(amount: Money) -> String {
    let cents = amount.to_usd(2);
    let small = amount.grains() != 0 && amount.grains().abs() < Money::GRAINS_PER_USD / 10;
    match small {
        true => format!("${amount}"),
        false => format!("${cents}"),
    }
}

/// `0.8` as `80 %`; anything else as it is.
fn percent(share: &str) -> String {
    let thousandths = Money::from_usd(share).and_then(|share| share.checked_mul(100));
    match thousandths {
        Some(percent) => format!("{percent} %"),
        None => share.to_owned(),
    }
}

impl fmt::Display for AlertEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.rule)?;
        if let Some(subject) = &self.subject {
            write!(f, " ({subject})")?;
        }
        f.write_str(":")?;
        let (bound, window) = (&self.threshold, &self.window);
        let measured = self.measured.as_deref().unwrap_or("?");
        match self.kind {
            AlertKind::Budget => {
                self.spent(f)?;
                write!(f, " in {window}, {} passed", percent(bound))?;
            }
            AlertKind::Unbounded => {
                self.spent(f)?;
                write!(
                    f,
                    " in {window}, and no upper bound: something has no price"
                )?;
            }
            AlertKind::FirstItemP95 => {
                write!(
                    f,
                    " p95 of the first piece {measured}, above {bound}, in {window}"
                )?;
            }
            AlertKind::ElapsedP95 => {
                write!(f, " p95 of calls {measured}, above {bound}, in {window}")?;
            }
            AlertKind::UserToBotP95 => {
                write!(
                    f,
                    " p95 from user to bot {measured}, above {bound}, in {window}"
                )?;
            }
            AlertKind::ErrorRate => {
                let (measured, bound) = (percent(measured), percent(bound));
                write!(f, " {measured} of calls failed, above {bound}, in {window}")?;
            }
            AlertKind::NoCalls => write!(f, " no calls for {measured}")?,
            AlertKind::NoUsage => {
                write!(
                    f,
                    " {measured} calls in {window}, and none says what it has used"
                )?;
            }
            AlertKind::Unpriced => {
                write!(f, " no price for {measured}: its cost has no upper bound")?;
            }
            AlertKind::Idle => {
                write!(
                    f,
                    " a connection is open, and nobody has spoken for {measured}"
                )?;
            }
        }
        if let (Some(at), Some(limit)) = (self.exhausted_at, self.limit) {
            write!(f, "; at this rate {} on {}", dollars(limit), at.told())?;
        }
        match self.resets_at {
            Some(at) => write!(f, "; resets {at}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> Money {
        Money::from_usd(text).unwrap()
    }

    fn budget(amount: Cost) -> AlertEvent {
        let (rule, share, window) = ("budget:openai:month", "0.8", "2026-11");
        let (rule, share, window) = (rule.into(), share.into(), window.into());
        AlertEvent::budget(Timestamp(0), rule, share, window, amount, usd("50"))
    }

    #[test]
    fn an_alert_is_one_line_that_says_all() {
        let mut alert = budget(Cost::exact(usd("41.2")));
        let at = |micros| LocalTime::utc(Timestamp(micros));
        alert.exhausted_at = Some(at(1_795_530_029_000_000));
        alert.resets_at = Some(at(1_796_083_200_000_000));

        assert_eq!(
            alert.to_string(),
            "budget:openai:month: $41.20 of $50.00 in 2026-11, 80 % passed; \
             at this rate $50.00 on Tuesday 2026-11-24 14:20; resets 2026-12-01T00:00:00Z"
        );
        assert_eq!(alert.id, "budget:openai:month:2026-11:0.8");
    }

    #[test]
    fn a_range_and_an_open_end_are_told_as_such() {
        let mut range = Cost::exact(usd("38"));
        range.at_most = Some(usd("41.2"));
        assert_eq!(
            budget(range).to_string(),
            "budget:openai:month: $38.00–41.20 of $50.00 in 2026-11, 80 % passed"
        );

        let mut open = budget(Cost {
            at_most: None,
            ..Cost::exact(usd("0.04"))
        });
        open.kind = AlertKind::Unbounded;
        open.subject = Some("call-7".into());
        assert_eq!(
            open.to_string(),
            "budget:openai:month (call-7): at least $0.04 of $50.00 in 2026-11, and no upper bound: something has no price"
        );
    }

    #[test]
    fn a_rule_says_what_was_measured() {
        let (rule, bound, window) = ("rule:llm".into(), "0.05".into(), "5m".into());
        let mut alert = AlertEvent::new(Timestamp(0), AlertKind::ErrorRate, rule, bound, window);
        alert.measured = Some("0.125".into());

        assert_eq!(
            alert.to_string(),
            "rule:llm: 12.5 % of calls failed, above 5 %, in 5m"
        );
    }
}
