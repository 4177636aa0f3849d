//! Numbers as they are written: seconds go from text to microseconds without a float between.

use serde::{Serialize, Serializer};
use std::fmt;

/// Digits kept after the point; more are cut off (providers print floats with up to 17 digits).
const MAX_SCALE: u32 = 18;
/// The largest whole part: 10^18. Beyond it, nothing a provider counts.
const MAX_WHOLE_DIGITS: u32 = 18;

/// A number that is not negative, exactly as somebody wrote it: `digits` / 10^`scale`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decimal {
    digits: u128,
    scale: u32,
}

impl Decimal {
    /// `count` / 10^`scale`.
    #[must_use]
    pub fn new(count: u64, scale: u32) -> Self {
        Self {
            digits: count.into(),
            scale: scale.min(MAX_SCALE),
        }
    }

    /// Reads a JSON number; `None` where it is negative, too large, or no number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            None => (text, 0),
            Some(at) => (
                text.get(..at)?,
                text.get(at + 1..)?.parse::<i32>().ok()?.clamp(-400, 400),
            ),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits = 0_u128;
        for byte in whole.bytes().chain(fraction.bytes().take(40)) {
            if !byte.is_ascii_digit() {
                return None;
            }
            // 38 digits fit in 128 bits: what does not is absurd.
            digits = digits.checked_mul(10)?.checked_add((byte - b'0').into())?;
        }
        if whole.is_empty() {
            return None;
        }
        let scale = i32::try_from(fraction.len().min(40)).ok()? - exponent;
        Self { digits, scale: 0 }.scaled(scale)
    }

    /// Divides by 10^`scale`, within the limits of the type.
    fn scaled(self, scale: i32) -> Option<Self> {
        let mut digits = self.digits;
        if digits == 0 {
            return Some(Self::default());
        }
        let mut scale = scale;
        while scale < 0 {
            digits = digits.checked_mul(10)?;
            scale += 1;
        }
        while scale > MAX_SCALE as i32 {
            digits /= 10;
            scale -= 1;
        }
        let scale = scale.unsigned_abs();
        let fits = digits / 10_u128.pow(scale) < 10_u128.pow(MAX_WHOLE_DIGITS);
        fits.then_some(Self { digits, scale })
    }

    /// Multiplied by 10^`places` and rounded half to even: the one place where seconds become microseconds.
    fn shifted(self, places: u32) -> Option<u64> {
        let digits = self.digits.checked_mul(10_u128.pow(places))?;
        let unit = 10_u128.pow(self.scale);
        let (whole, rest) = (digits / unit, digits % unit);
        let up = match (rest * 2).cmp(&unit) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => whole % 2 == 1,
            std::cmp::Ordering::Greater => true,
        };
        u64::try_from(whole + u128::from(up)).ok()
    }

    /// The nearest whole number.
    #[must_use]
    pub fn rounded(self) -> Option<u64> {
        self.shifted(0)
    }

    /// Millionths: seconds in, microseconds out.
    #[must_use]
    pub fn micros(self) -> Option<u64> {
        self.shifted(6)
    }

    /// The sum, exactly.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let scale = self.scale.max(other.scale);
        Self {
            digits: self.at_scale(scale).saturating_add(other.at_scale(scale)),
            scale,
        }
    }

    fn at_scale(self, scale: u32) -> u128 {
        self.digits.saturating_mul(10_u128.pow(scale - self.scale))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let scale = self.scale.max(other.scale);
        self.at_scale(scale).cmp(&other.at_scale(scale))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_u128.pow(self.scale);
        let (whole, rest) = (self.digits / unit, self.digits % unit);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let fraction = format!("{rest:0width$}", width = self.scale as usize);
        write!(f, "{whole}.{}", fraction.trim_end_matches('0'))
    }
}

/// A JSON number: whole ones without a point, others as the float nearest to what was written.
impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.to_string();
        match text.parse::<u64>() {
            Ok(whole) => serializer.serialize_u64(whole),
            Err(_) => serializer.serialize_f64(text.parse().unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_microseconds_exactly() {
        for (text, micros) in [
            ("124.16", Some(124_160_000)),
            ("0.0000005", Some(0)),
            ("0.0000015", Some(2)),
            ("17.566313", Some(17_566_313)),
            ("5.495999813079834", Some(5_496_000)),
            ("1e2", Some(100_000_000)),
            ("1E-3", Some(1_000)),
        ] {
            assert_eq!(
                Decimal::parse(text).and_then(Decimal::micros),
                micros,
                "{text}"
            );
        }
    }

    #[test]
    fn sums_are_exact() {
        let end = Decimal::parse("5.9")
            .unwrap()
            .plus(Decimal::parse("1.73").unwrap());

        assert_eq!(end.to_string(), "7.63");
        assert_eq!(serde_json::to_string(&end).unwrap(), "7.63");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "-1",
            "1e400",
            "nan",
            "1.2.3",
            ".5",
            "1e",
            "99999999999999999999",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        assert_eq!(Decimal::parse("0e999"), Some(Decimal::default()));
    }
}
