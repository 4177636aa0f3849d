//! Rules: what is told beside amounts. Latency, failures, silence, calls that nobody meters, sockets that nobody speaks into.

use super::budget::{Due, decimal, shaped};
use super::scope::Scope;
use super::window::short;
use campanile_core::{AlertEvent, AlertKind, Name, Timestamp};

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(crate) name: Name,
    /// Which calls it is about.
    pub(crate) scope: Scope,
    pub(crate) condition: Condition,
    /// Over how long, and how long it keeps quiet after it was told, in microseconds.
    pub(crate) window: i64,
    /// How many calls make a judgement.
    pub(crate) at_least: u64,
}

/// What must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// The wait for the first piece above so many microseconds, for one call in twenty.
    FirstItemP95(u64),
    /// The time of a call above so many microseconds, for one in twenty.
    ElapsedP95(u64),
    /// The wait of users above so many microseconds, for one turn in twenty.
    UserToBotP95(u64),
    /// So many thousandths of calls fail.
    ErrorRate(u64),
    /// No call for so many microseconds.
    NoCalls(i64),
    /// Calls of a stage go through, and none says what it has used.
    NoUsage,
    /// Something was used that has no price.
    Unpriced,
    /// A connection is open, and nobody has spoken for so many microseconds.
    Idle(u64),
}

impl Condition {
    fn kind(self) -> AlertKind {
        match self {
            Condition::FirstItemP95(_) => AlertKind::FirstItemP95,
            Condition::ElapsedP95(_) => AlertKind::ElapsedP95,
            Condition::UserToBotP95(_) => AlertKind::UserToBotP95,
            Condition::ErrorRate(_) => AlertKind::ErrorRate,
            Condition::NoCalls(_) => AlertKind::NoCalls,
            Condition::NoUsage => AlertKind::NoUsage,
            Condition::Unpriced => AlertKind::Unpriced,
            Condition::Idle(_) => AlertKind::Idle,
        }
    }

    /// Whether it is judged by what the calls of a window are like.
    pub(super) fn counts_calls(self) -> bool {
        !matches!(
            self,
            Condition::UserToBotP95(_) | Condition::NoCalls(_) | Condition::Idle(_)
        )
    }

    fn bound(self) -> String {
        match self {
            Condition::FirstItemP95(us)
            | Condition::ElapsedP95(us)
            | Condition::UserToBotP95(us) => millis(us),
            Condition::ErrorRate(share) => decimal(share),
            Condition::NoCalls(us) => short(us / 1_000_000),
            Condition::Idle(us) => short((us / 1_000_000) as i64),
            Condition::NoUsage => "usage".to_owned(),
            Condition::Unpriced => "price".to_owned(),
        }
    }
}

/// `1520ms`.
pub(super) fn millis(us: u64) -> String {
    format!("{}ms", us / 1_000)
}

/// What a rule has found: whose, and what was measured.
pub(super) type Found = (Option<String>, String);

impl Rule {
    /// Its name: `rule:slow-llm`.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn due(&self, (subject, measured): Found, now: Timestamp) -> Due {
        let name = |text: &str| Name::outside(text).unwrap_or_default();
        let window = short(self.window / 1_000_000);
        let bound = self.condition.bound();
        let mut alert = AlertEvent::new(
            now,
            self.condition.kind(),
            self.name.clone(),
            name(&bound),
            name(&window),
        );
        alert.subject = subject.as_deref().map(shaped);
        alert.measured = Some(name(&measured));
        let of = alert
            .subject
            .as_ref()
            .map_or(String::new(), |subject| format!(":{subject}"));
        alert.id = name(&format!("{}{of}:{bound}:{window}", self.name));
        Due {
            alert,
            quiet_since: Some(Timestamp(now.0.saturating_sub(self.window))),
        }
    }

    /// How far back it looks.
    pub(super) fn reach(&self) -> i64 {
        match self.condition {
            Condition::NoCalls(us) => us,
            _ => self.window,
        }
    }
}
