//! Exact amounts.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;

/// An amount of US dollars in *grains*: 1 USD = 3.6 × 10²¹ grains.
///
/// A grain is what one pico-dollar an hour costs for one microsecond. Every rate that providers publish, per
/// token, character, second, minute or hour, is a whole number of grains, so that sums are exact in any order.
/// There is room for ± 4.7 × 10¹⁶ USD; arithmetic is checked and never wraps or saturates.
///
/// ```
/// use campanile_core::Money;
///
/// let minute = Money::from_usd("0.0048").unwrap();
/// assert_eq!(minute.checked_mul(3).unwrap().to_string(), "0.0144");
/// assert_eq!(Money::GRAINS_PER_USD % 3_600_000_000, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i128);

/// The number of grains in a pico-dollar.
const GRAINS_PER_PICO: i128 = 3_600_000_000;
/// Places after the point in the decimal form.
const PLACES: u32 = 18;

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// How many grains one US dollar has.
    pub const GRAINS_PER_USD: i128 = GRAINS_PER_PICO * 1_000_000_000_000;

    /// An amount from its grains.
    #[must_use]
    pub const fn from_grains(grains: i128) -> Self {
        Self(grains)
    }

    /// The amount in grains.
    #[must_use]
    pub const fn grains(self) -> i128 {
        self.0
    }

    /// Reads a decimal number of dollars ("0.0048", "-3", "5.00"). `None` for anything else, for what does
    /// not fit, and for what is not a whole number of grains (more than 21 places, mostly).
    #[must_use]
    pub fn from_usd(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let pointless = digits.contains('.') && fraction.is_empty();
        if whole.is_empty() || pointless || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let mut grains = whole
            .parse::<i128>()
            .ok()?
            .checked_mul(Self::GRAINS_PER_USD)?;
        let mut unit = Self::GRAINS_PER_USD;
        for digit in fraction.trim_end_matches('0').bytes() {
            if unit % 10 != 0 {
                return None;
            }
            unit /= 10;
            grains = grains.checked_add(unit.checked_mul(i128::from(digit - b'0'))?)?;
        }
        Some(Self(if negative { -grains } else { grains }))
    }

    /// The sum, or `None` where it does not fit.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(grains) => Some(Self(grains)),
            None => None,
        }
    }

    /// The difference, or `None` where it does not fit.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(grains) => Some(Self(grains)),
            None => None,
        }
    }

    /// The amount `count` times, or `None` where it does not fit.
    #[must_use]
    pub fn checked_mul(self, count: u64) -> Option<Self> {
        self.0.checked_mul(i128::from(count)).map(Self)
    }

    /// Two integers that a database can sum exactly: whole pico-dollars, and the grains left over
    /// (`0 <= rest < 3.6e9`). `None` where the first does not fit an `i64` (over nine million dollars).
    #[must_use]
    pub fn to_pico(self) -> Option<(i64, i64)> {
        let pico = i64::try_from(self.0.div_euclid(GRAINS_PER_PICO)).ok()?;
        Some((pico, self.0.rem_euclid(GRAINS_PER_PICO) as i64))
    }

    /// Puts the sums of [`to_pico`](Self::to_pico)'s parts together again.
    #[must_use]
    pub fn from_pico(pico: i128, rest: i128) -> Option<Self> {
        pico.checked_mul(GRAINS_PER_PICO)?
            .checked_add(rest)
            .map(Self)
    }

    /// Decimal dollars with at most `places` (≤ 18) digits after the point, rounded half to even.
    #[must_use]
    pub fn to_usd(self, places: u32) -> String {
        let scale = 10_u128.pow(places.min(PLACES));
        let per_unit = (Self::GRAINS_PER_USD as u128) / scale;
        let grains = self.0.unsigned_abs();
        let (mut units, left) = (grains / per_unit, grains % per_unit);
        let twice = left * 2;
        if twice > per_unit || (twice == per_unit && units % 2 == 1) {
            units += 1;
        }
        let sign = if self.0 < 0 && units > 0 { "-" } else { "" };
        let width = places.min(PLACES) as usize;
        if width == 0 {
            return format!("{sign}{units}");
        }
        format!("{sign}{}.{:0width$}", units / scale, units % scale)
    }
}

/// The longest decimal form: a sign, 17 digits, a point, 18 digits.
const LONGEST: usize = 48;

/// Writes the decimal form into `room`, without a detour over the heap: every event has a few.
fn decimal(money: Money, room: &mut [u8; LONGEST]) -> &str {
    /// 18 places: a unit is exactly 3,600 grains.
    const PER_UNIT: u64 = 3_600;
    const SCALE: u64 = 1_000_000_000_000_000_000;
    let grains = money.0.unsigned_abs();
    // Almost every amount fits 64 bits, where a division costs a tenth.
    let (mut units, left) = match u64::try_from(grains) {
        Ok(grains) => (u128::from(grains / PER_UNIT), grains % PER_UNIT),
        Err(_) => (
            grains / u128::from(PER_UNIT),
            (grains % u128::from(PER_UNIT)) as u64,
        ),
    };
    if left * 2 > PER_UNIT || (left * 2 == PER_UNIT && units % 2 == 1) {
        units += 1;
    }
    let (mut whole, mut fraction) = match u64::try_from(units) {
        Ok(units) => (u128::from(units / SCALE), units % SCALE),
        Err(_) => (
            units / u128::from(SCALE),
            (units % u128::from(SCALE)) as u64,
        ),
    };
    let mut at = LONGEST;
    let mut put = |byte| {
        at -= 1;
        room[at] = byte;
    };
    if fraction > 0 {
        let mut places = PLACES;
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            places -= 1;
        }
        for _ in 0..places {
            put(b'0' + (fraction % 10) as u8);
            fraction /= 10;
        }
        put(b'.');
    }
    loop {
        put(b'0' + (whole % 10) as u8);
        whole /= 10;
        if whole == 0 {
            break;
        }
    }
    if money.0 < 0 && units > 0 {
        put(b'-');
    }
    std::str::from_utf8(&room[at..]).unwrap_or_default()
}

/// Decimal dollars, half to even at 18 places, without zeros at the end.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(decimal(*self, &mut [0; LONGEST]))
    }
}

/// The decimal string of [`Display`](fmt::Display): a JSON number would be read as a float.
impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(decimal(*self, &mut [0; LONGEST]))
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_usd(&text).ok_or_else(|| D::Error::custom("this is no decimal amount"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn published_rates_are_whole() {
        for (usd, parts) in [
            ("0.0048", 60_000_000_i128),
            ("0.35", 3_600_000_000),
            ("0.0000025", 1),
            ("0.15", 1_000_000),
        ] {
            assert_eq!(Money::from_usd(usd).unwrap().grains() % parts, 0, "{usd}");
        }
    }

    #[test]
    fn only_numbers_are_read() {
        for bad in [
            "",
            ".5",
            "5.",
            "1e3",
            "+1",
            "0x1",
            "1,5",
            "-",
            "--1",
            "1.2.3",
            "0.0000000000000000000000001",
        ] {
            assert_eq!(Money::from_usd(bad), None, "{bad}");
        }
        assert_eq!(Money::from_usd("99999999999999999999999999"), None);
    }

    #[test]
    fn display_is_half_to_even_without_noise() {
        assert_eq!(Money::from_usd("5.00").unwrap().to_string(), "5");
        assert_eq!(Money::from_usd("-0.10").unwrap().to_string(), "-0.1");
        assert_eq!(Money::ZERO.to_string(), "0");
        assert_eq!(Money::from_usd("0.125").unwrap().to_usd(2), "0.12");
        assert_eq!(Money::from_usd("0.375").unwrap().to_usd(2), "0.38");
        assert_eq!(Money::from_usd("-0.001").unwrap().to_usd(2), "0.00");
    }

    proptest! {
        #[test]
        fn parts_give_the_whole(grains in -(1_i128 << 90)..(1_i128 << 90)) {
            let money = Money::from_grains(grains);
            if let Some((pico, rest)) = money.to_pico() {
                prop_assert!((0..3_600_000_000).contains(&rest));
                prop_assert_eq!(Money::from_pico(pico.into(), rest.into()), Some(money));
            }
        }

        #[test]
        fn both_ways_to_print_agree(grains in any::<i128>(), shift in 0_u32..120) {
            let money = Money::from_grains(grains >> shift);
            let long = money.to_usd(18);
            let trimmed = long.trim_end_matches('0').trim_end_matches('.');
            prop_assert_eq!(money.to_string(), trimmed);
        }

        #[test]
        fn what_is_printed_is_read_again(micros in -1_000_000_000_000_i128..1_000_000_000_000) {
            let money = Money::from_grains(micros * (Money::GRAINS_PER_USD / 1_000_000));
            prop_assert_eq!(Money::from_usd(&money.to_string()), Some(money));
        }
    }
}
