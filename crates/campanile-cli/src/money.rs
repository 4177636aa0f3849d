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

    /// `$1.2345`, `$1,234.57`, `$0.0002–0.0009`, `≥ $0.0002`, `unknown`: four places, two from a hundred dollars on, and two
    /// digits where that would show nothing. A lower bound is rounded down, an upper one up.
    pub(crate) fn shown(self) -> String {
        match self.at_most {
            Some(most) if most == self.at_least => {
                format!("${}", separated(&most.to_usd(places(most))))
            }
            Some(most) => {
                let places = match places(most) {
                    2 => 2,
                    more => more.max(places(self.at_least)),
                };
                let least = rounded(self.at_least, places, false);
                format!("${least}–{}", rounded(most, places, true))
            }
            None if self.at_least == Money::ZERO => "unknown".to_owned(),
            None => {
                let least = rounded(self.at_least, places(self.at_least), false);
                format!("≥ ${least}")
            }
        }
    }
}

/// Two from a hundred dollars on, else four, or as many as two digits need.
fn places(money: Money) -> u32 {
    let grains = money.grains().unsigned_abs();
    let dollar = Money::GRAINS_PER_USD.unsigned_abs();
    if grains >= dollar * 100 {
        return 2;
    }
    let mut places = 4;
    let mut unit = dollar / 1_000;
    while grains > 0 && grains < unit && places < 18 {
        places += 1;
        unit /= 10;
    }
    places
}

/// The bound of a range, away from what is inside.
fn rounded(money: Money, places: u32, up: bool) -> String {
    let unit = Money::GRAINS_PER_USD / 10_i128.pow(places);
    let down = money.grains().div_euclid(unit) * unit;
    let rest = up && down != money.grains();
    let bound = if rest {
        down.saturating_add(unit)
    } else {
        down
    };
    separated(&Money::from_grains(bound).to_usd(places))
}

/// A decimal number with its thousands apart.
fn separated(number: &str) -> String {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let (sign, digits) = match whole.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", whole),
    };
    let mut text = sign.to_owned();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
    }
    text
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

/// A share, in thousandths: `0.8`, `80%`. `None` where it is none, or finer than that.
pub(crate) fn share(text: &str) -> Option<u64> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(percent) => (percent.trim(), 10),
        None => (text, 1_000),
    };
    let grains = Money::from_usd(number)?.checked_mul(scale)?.grains();
    let is_whole = grains % Money::GRAINS_PER_USD == 0;
    u64::try_from(grains / Money::GRAINS_PER_USD)
        .ok()
        .filter(|_| is_whole)
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
        assert_eq!(shown("1234567.891", Some("1234567.891")), "$1,234,567.89");
        assert_eq!(shown("100", Some("100.001")), "$100.00–100.01");
        assert_eq!(shown("0.00029", Some("0.1")), "$0.00029–0.10000");
        assert_eq!(shown("98.09694", Some("294.291")), "$98.09–294.30");
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

    #[test]
    fn a_share_is_read_to_the_thousandth_or_not_at_all() {
        for (text, expected) in [
            ("0.8", Some(800)),
            ("80%", Some(800)),
            ("0.1 %", Some(1)),
            ("0", Some(0)),
            ("0.05%", None),
            ("0.8001", None),
            ("-1", None),
            ("much", None),
        ] {
            assert_eq!(share(text), expected, "{text}");
        }
    }
}
