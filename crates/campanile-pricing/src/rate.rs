//! Numbers as vendors write them: `2.50/M`, `0.0048/minute`, `3 credits/second`, `3/2`, `10s`.

use campanile_core::{Meter, Money};

/// The meters that stand for one thing, the audio handed over: a row bills one of them.
pub(crate) const CLOCKS: [Meter; 3] = [Meter::AudioUs, Meter::SocketUs, Meter::ServerAudioUs];

/// What the counts of a meter are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Tokens,
    Characters,
    Micros,
    Uses,
    MilliUnits,
}

pub(crate) fn class(meter: Meter) -> Class {
    match meter {
        Meter::Characters => Class::Characters,
        Meter::AudioUs | Meter::SocketUs | Meter::ServerAudioUs | Meter::SpeechUs => Class::Micros,
        Meter::Requests | Meter::Messages | Meter::WebSearches | Meter::FileSearches => Class::Uses,
        Meter::MilliUnits => Class::MilliUnits,
        _ => Class::Tokens,
    }
}

/// How many counts of the meter the unit holds, or the units that it can have.
fn unit(class: Class, name: &str) -> Result<i128, &'static str> {
    match (class, name) {
        (Class::Tokens, "token") | (Class::Characters, "character") | (Class::Uses, "each") => {
            Ok(1)
        }
        (Class::Tokens | Class::Characters | Class::Uses, "k") => Ok(1_000),
        (Class::Tokens | Class::Characters, "M") => Ok(1_000_000),
        (Class::Micros, "second") => Ok(1_000_000),
        (Class::Micros, "ksecond") => Ok(1_000_000_000),
        (Class::Micros, "minute") => Ok(60_000_000),
        (Class::Micros, "hour") => Ok(3_600_000_000),
        (Class::MilliUnits, "unit") => Ok(1_000),
        (Class::Tokens, _) => Err("/M, /k or /token"),
        (Class::Characters, _) => Err("/M, /k or /character"),
        (Class::Micros, _) => Err("/second, /minute or /hour"),
        (Class::Uses, _) => Err("/each or /k"),
        (Class::MilliUnits, _) => Err("/unit"),
    }
}

/// A decimal number, exact: `digits` / 10^`places`. No sign, no exponent.
fn decimal(text: &str) -> Option<(i128, i128)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let fraction = fraction.trim_end_matches('0');
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let shaped = !whole.is_empty() && digits(whole) && digits(fraction) && !text.ends_with('.');
    if !shaped || whole.len() > 12 || fraction.len() > 21 {
        return None;
    }
    let scale = 10_i128.pow(fraction.len() as u32);
    let fraction = if fraction.is_empty() {
        0
    } else {
        fraction.parse().ok()?
    };
    Some((whole.parse::<i128>().ok()? * scale + fraction, scale))
}

/// Whether the rate is in the vendor's credits, which a plan gives a price.
pub(crate) fn in_credits(text: &str) -> bool {
    text.contains(" credit")
}

/// The price of one count of `meter`, in grains. `credit`: what one credit costs.
pub(crate) fn rate(text: &str, meter: Meter, credit: Option<Money>) -> Result<i128, String> {
    let (number, unit_name) = text
        .rsplit_once('/')
        .ok_or_else(|| format!("`{text}` has no unit: write {}", units(meter)))?;
    let (number, price) = match number.split_once(' ') {
        Some((number, "credit" | "credits")) => {
            let price = credit.ok_or("no [[credit]] says what this vendor's credits cost")?;
            (number, price.grains())
        }
        Some(_) => return Err(format!("`{text}` is neither dollars nor credits")),
        None => (number, Money::GRAINS_PER_USD),
    };
    let (digits, scale) = decimal(number)
        .ok_or_else(|| format!("`{number}` is no decimal number without sign and exponent"))?;
    let parts = unit(class(meter), unit_name)
        .map_err(|units| format!("`/{unit_name}` is no unit of {meter}: write {units}"))?;
    let grains = digits
        .checked_mul(price)
        .ok_or_else(|| format!("`{text}` is too large or has too many places"))?;
    // `scale` is at most 10^21 and `parts` 3.6 × 10^9: their product fits.
    let parts = parts * scale;
    if grains % parts != 0 {
        return Err(format!(
            "`{text}` is not a whole number of grains: write the vendor's own unit"
        ));
    }
    Ok(grains / parts)
}

fn units(meter: Meter) -> &'static str {
    unit(class(meter), "").err().unwrap_or("a unit")
}

/// A factor of a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ratio {
    pub(crate) over: u32,
    pub(crate) under: u32,
}

impl Ratio {
    pub(crate) const ONE: Self = Self { over: 1, under: 1 };

    /// Reads `3/2`, `1.1`, `2`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (over, under) = match text.split_once('/') {
            Some((over, under)) => (decimal(over)?, decimal(under)?),
            None => (decimal(text)?, (1, 1)),
        };
        let over = u32::try_from(over.0.checked_mul(under.1)?)
            .ok()
            .map(|n| (n, over.1))?;
        let under = u32::try_from(under.0.checked_mul(over.1)?).ok()?;
        (under > 0).then_some(Self {
            over: over.0,
            under,
        })
    }

    pub(crate) fn times(self, other: Self) -> Option<Self> {
        Some(Self {
            over: self.over.checked_mul(other.over)?,
            under: self.under.checked_mul(other.under)?,
        })
    }

    /// The product, or `None` where it does not fit. Whole by what the book checks when it is read.
    pub(crate) fn of(self, grains: i128) -> Option<i128> {
        if self == Self::ONE {
            return Some(grains);
        }
        Some(grains.checked_mul(self.over.into())? / i128::from(self.under))
    }

    pub(crate) fn is_whole_of(self, grains: i128) -> bool {
        grains
            .checked_mul(self.over.into())
            .is_some_and(|product| product % i128::from(self.under) == 0)
    }

    /// Whether this is larger than `other`.
    pub(crate) fn exceeds(self, other: Self) -> bool {
        u64::from(self.over) * u64::from(other.under)
            > u64::from(other.over) * u64::from(self.under)
    }
}

/// A length of audio (`10s`, `20ms`, `1m`), in microseconds.
pub(crate) fn length(text: &str) -> Option<u64> {
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(at);
    let unit = match unit {
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_whole_grains_of_the_vendors_unit() {
        let usd = |text: &str| Money::from_usd(text).unwrap().grains();
        assert_eq!(
            rate("2.50/M", Meter::InputTokens, None),
            Ok(usd("0.0000025"))
        );
        assert_eq!(
            rate("0.0048/minute", Meter::AudioUs, None),
            Ok(usd("0.0048") / 60_000_000)
        );
        let credit = Money::from_usd("0.000037375");
        assert_eq!(
            rate("3 credits/second", Meter::AudioUs, credit),
            Ok(usd("0.000112125") / 1_000_000)
        );
        assert_eq!(rate("0/M", Meter::InputTokens, None), Ok(0));
    }

    #[test]
    fn a_wrong_rate_says_what_to_write() {
        for (text, meter, says) in [
            ("2.50", Meter::InputTokens, "has no unit: write /M"),
            (
                "2.50/minute",
                Meter::InputTokens,
                "is no unit of input_tokens",
            ),
            ("-1/M", Meter::InputTokens, "is no decimal number"),
            ("1e-6/M", Meter::InputTokens, "is no decimal number"),
            ("3 credits/second", Meter::AudioUs, "no [[credit]]"),
            (
                "3 euros/second",
                Meter::AudioUs,
                "neither dollars nor credits",
            ),
            (
                "0.0000000000000001/hour",
                Meter::AudioUs,
                "not a whole number of grains",
            ),
        ] {
            let error = rate(text, meter, None).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn factors_are_exact() {
        assert_eq!(
            Ratio::parse("1.1"),
            Some(Ratio {
                over: 11,
                under: 10
            })
        );
        assert_eq!(Ratio::parse("3/2"), Some(Ratio { over: 3, under: 2 }));
        assert_eq!(Ratio::parse("2"), Some(Ratio { over: 2, under: 1 }));
        assert_eq!(Ratio::parse("1/0"), None);
        assert!(Ratio::parse("1.1").unwrap().exceeds(Ratio::ONE));
    }
}
