//! `[[budget]]`: limits whose passing is told.

use crate::alerts::{self, Per, Scope, Window};
use campanile_core::{Money, Name};
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The longest name of a budget: it is a part of the ids of its alerts.
const NAME_BYTES: usize = 40;

/// A limit whose passing is told. What is not named counts, whoever bills it.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Budget {
    /// Its name. Default: made of what counts, and of the window.
    pub name: Option<String>,
    /// Whose bills count.
    pub provider: Option<String>,
    /// Which model counts, with its dated snapshots; with a `*` at its end, all that begin so.
    pub model: Option<String>,
    /// Which stage counts.
    pub stage: Option<String>,
    /// Which session counts.
    pub session: Option<String>,
    /// Which labels a call must have to count.
    #[serde(default)]
    pub label: BTreeMap<String, String>,
    /// Who has a limit of its own: each `session`, `model`, `provider`, `stage`, or each value of that label.
    pub per: Option<String>,
    /// The limit in dollars, as a decimal string.
    pub usd: String,
    /// The window in which it counts: `day`, `week` (from Monday), `month`, or the last so much time: `24h`, `7d`.
    #[serde(default = "month")]
    pub window: String,
    /// On which day of the month a month begins; its last one, where it is shorter.
    #[serde(default = "first")]
    pub billing_day: i8,
    /// Whose clocks say when a window begins: `Europe/Berlin`.
    #[serde(default = "utc")]
    pub timezone: String,
    /// At which shares of the limit to tell.
    #[serde(default = "shares")]
    pub warn_at: Vec<f64>,
}

fn month() -> String {
    "month".to_owned()
}

fn first() -> i8 {
    1
}

fn utc() -> String {
    "UTC".to_owned()
}

fn shares() -> Vec<f64> {
    vec![0.5, 0.8, 1.0]
}

impl Budget {
    /// The limit.
    #[must_use]
    pub fn limit(&self) -> Option<Money> {
        Money::from_usd(&self.usd).filter(|limit| *limit > Money::ZERO)
    }

    /// What it says, ready to be used; or what is wrong with it, in one line.
    ///
    /// # Errors
    ///
    /// When a value is not what it should be.
    pub fn build(&self) -> Result<alerts::Budget, String> {
        let scope = self.scope();
        let whole = self.name.clone().unwrap_or_else(|| scope.name());
        let fail = |what: String| format!("budget `{whole}`: {what}");
        let Some(limit) = self.limit() else {
            return Err(fail(
                "`usd` is a decimal number in quotes, such as \"50\"".to_owned(),
            ));
        };
        let shares = self.shares().ok_or_else(|| {
            fail("`warn_at` holds shares of the limit with at most three decimals, such as [0.5, 1.0]".to_owned())
        })?;
        let window = self.window().map_err(fail)?;
        let name = match &self.name {
            Some(name) => name.clone(),
            None => format!("{}:{}", scope.name(), window.period()),
        };
        let fits = Name::outside(&name).is_some() && name.len() <= NAME_BYTES;
        let rule = Name::outside(&format!("budget:{name}")).filter(|_| fits);
        Ok(alerts::Budget {
            name: rule.ok_or_else(|| {
                format!("budget `{name}`: give it a short `name`: at most {NAME_BYTES} letters, digits and . _ : - / @ + #")
            })?,
            scope,
            limit,
            window,
            shares,
        })
    }

    fn scope(&self) -> Scope {
        Scope {
            provider: self.provider.clone(),
            model: self.model.clone(),
            stage: self.stage.clone(),
            session: self.session.clone(),
            labels: self.label.clone().into_iter().collect(),
            per: self.per.as_deref().map(Per::parse),
            others: false,
        }
    }

    /// In thousandths, ascending.
    fn shares(&self) -> Option<Vec<u64>> {
        let thousandths = |share: &f64| {
            let scaled = share * 1_000.0;
            let whole = scaled.round();
            let fits = *share > 0.0 && *share <= 100.0 && (scaled - whole).abs() < 1e-6;
            fits.then_some(whole as u64)
        };
        let mut shares = self
            .warn_at
            .iter()
            .map(thousandths)
            .collect::<Option<Vec<_>>>()?;
        shares.sort_unstable();
        shares.dedup();
        Some(shares)
    }

    fn window(&self) -> Result<Window, String> {
        if !(1..=31).contains(&self.billing_day)
            || (self.billing_day != 1 && self.window != "month")
        {
            return Err(
                "`billing_day` is a day from 1 to 31, and goes with `window = \"month\"`"
                    .to_owned(),
            );
        }
        let zone = TimeZone::get(&self.timezone).map_err(|_| {
            format!(
                "`timezone` cannot be `{}`: it is a name such as \"Europe/Berlin\"",
                self.timezone
            )
        })?;
        Window::parse(&self.window, self.billing_day, zone).ok_or_else(|| {
            format!(
                "`window` cannot be `{}`: it is \"day\", \"week\", \"month\", or a time from a minute to a year, such as \"24h\"",
                self.window
            )
        })
    }
}
