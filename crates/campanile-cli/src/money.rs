//! Amounts for people and for programs.

use campanile_core::{Cost, Money};
use serde::Serialize;

/// An amount, or the range that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) at_least: Money,
    pub(crate) at_most: Option<Money>,
}

impl Range {
    pub(crate) fn of(cost: &Cost) -> Self {
        Self {
            at_least: cost.at_least,
            at_most: cost.at_most,
        }
    }

    pub(crate) fn is_exact(self) -> bool {
        self.at_most == Some(self.at_least)
    }

    pub(crate) fn is_nothing(self) -> bool {
        self.at_most == Some(Money::ZERO)
    }

    /// `$1.2345`, `$0.0002–0.0009`, `≥ $0.0002`, `$?`: four places, or two digits where that would show nothing.
    pub(crate) fn shown(self) -> String {
        match self.at_most {
            Some(most) if most == self.at_least => format!("${}", dollars(most, places(most))),
            Some(most) => {
                let places = places(self.at_least).max(places(most));
                let (least, most) = (dollars(self.at_least, places), dollars(most, places));
                format!("${least}–{most}")
            }
            None if self.at_least == Money::ZERO => "unknown".to_owned(),
            None => format!("≥ ${}", dollars(self.at_least, places(self.at_least))),
        }
    }
}

/// Four, or as many as two digits need.
fn places(money: Money) -> u32 {
    let grains = money.grains().unsigned_abs();
    let mut places = 4;
    let mut unit = Money::GRAINS_PER_USD.unsigned_abs() / 1_000;
    while grains > 0 && grains < unit && places < 18 {
        places += 1;
        unit /= 10;
    }
    places
}

fn dollars(money: Money, places: u32) -> String {
    money.to_usd(places)
}

/// The JSON form: decimal strings (18 places), and grains where exactness is asked.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Amount {
    /// Only where the amount is exact.
    usd: Option<Money>,
    at_least: Money,
    /// `null`: no upper bound.
    at_most: Option<Money>,
    exact: bool,
    grains: Grains,
}

#[derive(Clone, Debug, Serialize)]
struct Grains {
    at_least: String,
    at_most: Option<String>,
}

impl From<Range> for Amount {
    fn from(range: Range) -> Self {
        Self {
            usd: range.at_most.filter(|_| range.is_exact()),
            at_least: range.at_least,
            at_most: range.at_most,
            exact: range.is_exact(),
            grains: Grains {
                at_least: range.at_least.grains().to_string(),
                at_most: range.at_most.map(|most| most.grains().to_string()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(least: &str, most: Option<&str>) -> String {
        let usd = |text| Money::from_usd(text).unwrap();
        Range {
            at_least: usd(least),
            at_most: most.map(usd),
        }
        .shown()
    }

    #[test]
    fn a_range_looks_like_one_and_small_money_is_not_nothing() {
        assert_eq!(shown("12.5", Some("12.5")), "$12.5000");
        assert_eq!(shown("0.0002", Some("0.0009")), "$0.00020–0.00090");
        assert_eq!(shown("0.0000012", Some("0.0000012")), "$0.0000012");
        assert_eq!(shown("0", Some("0")), "$0.0000");
        assert_eq!(shown("3", None), "≥ $3.0000");
        assert_eq!(shown("0", None), "unknown");
    }

    #[test]
    fn programs_get_decimals_and_grains() {
        let exact = Range {
            at_least: Money::from_grains(1),
            at_most: Some(Money::from_grains(1)),
        };
        assert_eq!(
            serde_json::to_string(&Amount::from(exact)).unwrap(),
            r#"{"usd":"0","at_least":"0","at_most":"0","exact":true,"grains":{"at_least":"1","at_most":"1"}}"#
        );
    }
}
