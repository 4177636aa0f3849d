//! Budgets: tells when what a provider bills passes a share of its limit.
//!
//! What is compared is the upper bound of the cost (where there is none, the lower one: it is a floor, and the
//! event says that the amount is open). Windows are days or months in UTC, by the time at which a call was opened.

use campanile_core::{AlertEvent, Attempt, CallEvent, Cost, Money, Name, Timestamp};

/// One limit, and what counts against it.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    provider: Name,
    limit: Money,
    daily: bool,
    /// Shares of the limit in thousandths, ascending.
    shares: Vec<u64>,
    window: Name,
    spent: Cost,
    /// How many of the shares have been told in this window.
    told: usize,
}

impl Budget {
    /// A budget for one provider. Shares are thousandths of the limit.
    pub(crate) fn new(provider: Name, limit: Money, daily: bool, mut shares: Vec<u64>) -> Self {
        shares.sort_unstable();
        shares.dedup();
        Self {
            provider,
            limit,
            daily,
            shares,
            window: Name::default(),
            spent: Cost::nothing(),
            told: 0,
        }
    }

    /// Whose bills count.
    pub(crate) fn provider(&self) -> &Name {
        &self.provider
    }

    /// When the window of `now` began.
    pub(crate) fn window_start(&self, now: Timestamp) -> Timestamp {
        let (_, _, day, micros) = now.civil();
        let days = if self.daily { 0 } else { i64::from(day) - 1 };
        Timestamp(now.micros() - micros - days * 86_400_000_000)
    }

    /// Takes over what was spent in the window of `now` before this process began. Shares that it has passed were
    /// told then.
    pub(crate) fn resume(&mut self, now: Timestamp, spent: &Cost) {
        self.roll(now);
        self.spent = spent.clone();
        self.told = self.passed();
    }

    /// Counts one attempt of a call; the alerts that it causes.
    fn count(&mut self, at: Timestamp, now: Timestamp, attempt: &Attempt) -> Vec<AlertEvent> {
        let Some(cost) = attempt
            .cost
            .as_ref()
            .filter(|_| attempt.provider.as_ref() == Some(&self.provider))
        else {
            return Vec::new();
        };
        self.roll(at);
        self.spent.absorb(cost);
        let passed = self.passed();
        let alerts = (self.told..passed).map(|share| self.alert(now, self.shares[share]));
        let alerts = alerts.collect();
        self.told = self.told.max(passed);
        alerts
    }

    fn alert(&self, now: Timestamp, share: u64) -> AlertEvent {
        let period = if self.daily { "day" } else { "month" };
        let rule = Name::outside(&format!("budget:{}:{period}", self.provider)).unwrap_or_default();
        let percent = Name::outside(&decimal(share)).unwrap_or_default();
        let mut spent = self.spent.clone();
        spent.lines = Vec::new();
        AlertEvent::budget(now, rule, percent, self.window.clone(), spent, self.limit)
    }

    /// How many shares the amount has reached.
    fn passed(&self) -> usize {
        let spent = self.spent.at_most.unwrap_or(self.spent.at_least);
        let reached = |share: &&u64| {
            let part = self.limit.checked_mul(**share);
            part.is_some_and(|part| spent.grains() >= part.grains() / 1_000)
        };
        self.shares.iter().take_while(reached).count()
    }

    /// Begins anew where the window has changed. A call of an earlier window counts in this one: better told twice than never.
    fn roll(&mut self, now: Timestamp) {
        let (year, month, day, _) = now.civil();
        let window = match self.daily {
            true => format!("{year:04}-{month:02}-{day:02}"),
            false => format!("{year:04}-{month:02}"),
        };
        if *window > *self.window {
            self.window = Name::outside(&window).unwrap_or_default();
            self.spent = Cost::nothing();
            self.told = 0;
        }
    }
}

/// Thousandths as a decimal number.
fn decimal(thousandths: u64) -> String {
    let text = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Counts a call against all budgets; the alerts that it causes.
pub(crate) fn count(budgets: &mut [Budget], now: Timestamp, call: &CallEvent) -> Vec<AlertEvent> {
    let pairs = budgets.iter_mut().flat_map(|budget| {
        let alerts = call
            .attempts
            .iter()
            .flat_map(|attempt| budget.count(call.started_at, now, attempt));
        alerts.collect::<Vec<_>>()
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-24T01:50:29Z.
    const NOVEMBER: Timestamp = Timestamp(1_795_485_029_000_000);
    const DECEMBER: Timestamp = Timestamp(1_795_485_029_000_000 + 10 * 86_400_000_000);

    fn usd(text: &str) -> Money {
        Money::from_usd(text).unwrap()
    }

    fn openai(cost: Cost) -> Attempt {
        let mut attempt = Attempt::new(1);
        attempt.provider = Some("openai".into());
        attempt.cost = Some(cost);
        attempt
    }

    fn budget() -> Budget {
        Budget::new("openai".into(), usd("50"), false, vec![1_000, 500, 800])
    }

    fn told(alerts: &[AlertEvent]) -> Vec<&str> {
        alerts
            .iter()
            .map(|alert| alert.threshold.as_str())
            .collect()
    }

    #[test]
    fn each_share_is_told_once_a_window() {
        let mut budget = budget();
        let spend = |budget: &mut Budget, at, dollars| {
            budget.count(at, at, &openai(Cost::exact(usd(dollars))))
        };

        assert_eq!(
            told(&spend(&mut budget, NOVEMBER, "24.999999")),
            [] as [&str; 0]
        );
        assert_eq!(told(&spend(&mut budget, NOVEMBER, "0.000001")), ["0.5"]);
        assert_eq!(told(&spend(&mut budget, NOVEMBER, "30")), ["0.8", "1"]);
        assert_eq!(told(&spend(&mut budget, NOVEMBER, "30")), [] as [&str; 0]);
        let alerts = spend(&mut budget, DECEMBER, "26");
        assert_eq!(
            (told(&alerts), alerts[0].window.as_str()),
            (vec!["0.5"], "2026-12")
        );
        assert_eq!(alerts[0].id, "budget:openai:month:2026-12:0.5");
    }

    #[test]
    fn a_restart_does_not_tell_again() {
        let mut budget = budget();
        budget.resume(NOVEMBER, &Cost::exact(usd("41")));

        assert_eq!(
            told(&budget.count(NOVEMBER, NOVEMBER, &openai(Cost::exact(usd("10"))))),
            ["1"]
        );
        assert_eq!(
            budget.window_start(NOVEMBER).to_string(),
            "2026-11-01T00:00:00.000000Z"
        );
    }

    #[test]
    fn the_upper_bound_counts_and_others_do_not() {
        let mut budget = budget();
        let mut range = Cost::exact(usd("1"));
        range.at_most = Some(usd("26"));
        assert_eq!(
            told(&budget.count(NOVEMBER, NOVEMBER, &openai(range))),
            ["0.5"]
        );

        let mut other = openai(Cost::exact(usd("1000")));
        other.provider = Some("deepgram".into());
        assert!(budget.count(NOVEMBER, NOVEMBER, &other).is_empty());
    }
}
