//! `[[rule]]`: what is told beside budgets.

use super::Age;
use crate::alerts::{self, Condition, Scope};
use campanile_core::Name;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest name of a rule.
const NAME_BYTES: usize = 40;

/// One condition that must not be, and the calls that it is about. What is not named is not asked for.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Rule {
    /// Its name. Default: made of its condition and its stage.
    pub name: Option<String>,
    /// Calls of which this provider served an attempt.
    pub provider: Option<String>,
    /// Calls of which this model served an attempt: by its name, with its dated snapshots; or by a beginning, `gpt-4o*`. Where a provider is named as well, it
    /// is the same attempt.
    pub model: Option<String>,
    /// Calls of this stage.
    pub stage: Option<String>,
    /// Calls with these labels.
    #[serde(default)]
    pub label: BTreeMap<String, String>,
    /// Over how long it looks, and how long it keeps quiet after it was told.
    #[serde(default = "five_minutes")]
    pub window: Age,
    /// How many calls make a judgement.
    #[serde(default = "twenty")]
    pub at_least: u64,
    /// The wait for the first piece of an answer, for one call in twenty.
    pub p95_first_item: Option<Latency>,
    /// The time of a call, for one in twenty.
    pub p95_elapsed: Option<Latency>,
    /// The wait of users for the bot, for one turn in twenty.
    pub p95_user_to_bot: Option<Latency>,
    /// The share of calls that fail.
    pub error_rate: Option<f64>,
    /// How long nobody may call.
    pub no_calls_for: Option<Age>,
    /// `true`: calls of a stage go through, and none says what it has used.
    #[serde(default)]
    pub no_usage: bool,
    /// `true`: something was used that has no price.
    #[serde(default)]
    pub unpriced: bool,
    /// For how long a connection may be open and nobody speak.
    pub idle_for: Option<Age>,
}

/// A short time: `"800ms"`, `"1.5s"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency(pub Duration);

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer).unwrap_or_default();
        let (number, scale) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
            (Some(number), _) => (number, 1.0),
            (None, Some(number)) => (number, 1_000.0),
            (None, None) => ("", 0.0),
        };
        let millis = number
            .trim_end()
            .parse::<f64>()
            .map_or(0.0, |number| number * scale);
        let fits = millis.is_finite() && (1.0..=3_600_000.0).contains(&millis);
        match fits {
            true => Ok(Self(Duration::from_micros(
                (millis * 1_000.0).round() as u64
            ))),
            false => Err(D::Error::custom(
                "a latency is a number and a unit, such as \"800ms\" or \"1.5s\"",
            )),
        }
    }
}

fn five_minutes() -> Age {
    Age::minutes(5)
}

fn twenty() -> u64 {
    20
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

impl Rule {
    /// What it says, ready to be used; or what is wrong with it, in one line.
    ///
    /// # Errors
    ///
    /// When it has no condition or more than one, or a value is not what it should be.
    pub fn build(&self) -> Result<alerts::Rule, String> {
        let stated = self.conditions();
        let names: Vec<&str> = stated.iter().map(|(name, _)| *name).collect();
        let whole = self.name.clone().unwrap_or_else(|| names.join("+"));
        let fail = |what: String| format!("rule `{whole}`: {what}");
        let [(condition_name, condition)] = stated.as_slice() else {
            return Err(fail(format!(
                "it has one condition of p95_first_item, p95_elapsed, p95_user_to_bot, error_rate, no_calls_for, no_usage, unpriced, idle_for; here are {}",
                names.len()
            )));
        };
        if let Some(rate) = self.error_rate
            && !(rate > 0.0 && rate <= 1.0)
        {
            return Err(fail(
                "`error_rate` is a share above 0, such as 0.05".to_owned(),
            ));
        }
        if let Some(why) = self.ignored(*condition) {
            return Err(fail(why.to_owned()));
        }
        let name = self.name.clone().unwrap_or_else(|| match &self.stage {
            Some(stage) => format!("{condition_name}:{stage}"),
            None => (*condition_name).to_owned(),
        });
        let fits = Name::outside(&name).is_some() && name.len() <= NAME_BYTES;
        let rule = Name::outside(&format!("rule:{name}")).filter(|_| fits);
        Ok(alerts::Rule {
            name: rule.ok_or_else(|| {
                format!("rule `{name}`: give it a short `name`: at most {NAME_BYTES} letters, digits and . _ : - / @ + #")
            })?,
            scope: Scope {
                provider: self.provider.clone(),
                model: self.model.clone(),
                stage: self.stage.clone(),
                labels: self.label.clone().into_iter().collect(),
                ..Scope::default()
            },
            condition: *condition,
            window: i64::try_from(micros(self.window.0)).unwrap_or(i64::MAX),
            at_least: self.at_least,
        })
    }

    /// What is wrong with what it says of calls, where its condition does not look at them.
    fn ignored(&self, condition: Condition) -> Option<&'static str> {
        let other = self.provider.is_some() || self.model.is_some() || !self.label.is_empty();
        match condition {
            Condition::Idle(_) if other => {
                Some("`idle_for` goes with `stage` only: what is open is not known by more")
            }
            Condition::UserToBotP95(_) if other || self.stage.is_some() => Some(
                "`p95_user_to_bot` is about turns: it goes without `provider`, `model`, `stage` and `label`",
            ),
            _ => None,
        }
    }

    /// The conditions that it states; there should be one.
    fn conditions(&self) -> Vec<(&'static str, Condition)> {
        let latency = |latency: &Option<Latency>| latency.map(|latency| micros(latency.0));
        let age = |age: &Option<Age>| age.map(|age| micros(age.0));
        let signed = |us: u64| i64::try_from(us).unwrap_or(i64::MAX);
        let thousandths = |rate: f64| (rate.clamp(0.0, 1.0) * 1_000.0).round() as u64;
        let all = [
            (
                "p95_first_item",
                latency(&self.p95_first_item).map(Condition::FirstItemP95),
            ),
            (
                "p95_elapsed",
                latency(&self.p95_elapsed).map(Condition::ElapsedP95),
            ),
            (
                "p95_user_to_bot",
                latency(&self.p95_user_to_bot).map(Condition::UserToBotP95),
            ),
            (
                "error_rate",
                self.error_rate
                    .map(|rate| Condition::ErrorRate(thousandths(rate))),
            ),
            (
                "no_calls",
                age(&self.no_calls_for).map(|us| Condition::NoCalls(signed(us))),
            ),
            ("no_usage", self.no_usage.then_some(Condition::NoUsage)),
            ("unpriced", self.unpriced.then_some(Condition::Unpriced)),
            ("idle", age(&self.idle_for).map(Condition::Idle)),
        ];
        all.into_iter()
            .filter_map(|(name, condition)| Some((name, condition?)))
            .collect()
    }
}
