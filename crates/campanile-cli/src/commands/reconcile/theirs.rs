//! What a provider says was used and billed, read from replies of its own that were saved.

use super::{cartesia, deepgram, openai};
use crate::{fault::Fault, moment};
use campanile_core::{Evidence, Meter, Mode, Money, Name, Timestamp, Usage};
use serde_json::Value;
use std::path::Path;

/// Whose replies they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Provider {
    /// Organization costs and usage.
    Openai,
    /// Usage, usage breakdown, billing breakdown, requests.
    Deepgram,
    /// Credits.
    Cartesia,
}

impl Provider {
    pub(super) fn name(self) -> &'static str {
        match self {
            Provider::Openai => "openai",
            Provider::Deepgram => "deepgram",
            Provider::Cartesia => "cartesia",
        }
    }
}

/// One entry of a reply.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    pub(super) model: Option<String>,
    pub(super) mode: Option<Mode>,
    pub(super) tier: Option<Name>,
    pub(super) request: Option<String>,
    pub(super) usd: Option<Money>,
    pub(super) usage: Usage,
    /// In thousandths of one.
    pub(super) milli_credits: Option<u64>,
    pub(super) requests: u64,
}

impl Item {
    pub(super) fn new(since: Timestamp, until: Timestamp) -> Self {
        Self {
            since,
            until,
            model: None,
            mode: None,
            tier: None,
            request: None,
            usd: None,
            usage: Usage::new(),
            milli_credits: None,
            requests: 0,
        }
    }

    pub(super) fn count(&mut self, meter: Meter, count: u64) {
        if count > 0 {
            self.usage = self.usage.with(meter, count, Evidence::Reported);
        }
    }

    /// Seconds of sound, by every clock: the book says which one bills.
    pub(super) fn sound(&mut self, seconds: &Value, scale: i128) -> Result<(), String> {
        let us = scaled(seconds, scale * 1_000_000)?;
        for clock in [Meter::AudioUs, Meter::ServerAudioUs, Meter::SocketUs] {
            self.count(clock, us);
        }
        Ok(())
    }
}

/// Reads a file: one reply, several one after the other, or a list of them.
pub(super) fn read(provider: Provider, file: &Path) -> Result<Vec<Item>, Fault> {
    let fail = |what: String| Fault::Usage(format!("{}: {what}", file.display()));
    let text =
        std::fs::read_to_string(file).map_err(|error| fail(format!("cannot be read: {error}")))?;
    let mut items = Vec::new();
    let mut pages = 0_u64;
    for reply in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
        let reply = reply.map_err(|error| fail(format!("is not JSON: {error}")))?;
        let replies = match reply {
            Value::Array(replies) => replies,
            reply => vec![reply],
        };
        for reply in &replies {
            pages += 1;
            let read = match provider {
                Provider::Openai => openai::read(reply),
                Provider::Deepgram => deepgram::read(reply),
                Provider::Cartesia => cartesia::read(reply),
            };
            items.extend(read.map_err(|what| fail(format!("reply {pages}: {what}")))?);
        }
    }
    match pages {
        0 => Err(fail("holds no reply".to_owned())),
        _ => Ok(items),
    }
}

/// A list inside of a reply.
pub(super) fn list<'v>(value: &'v Value, name: &str) -> Result<&'v [Value], String> {
    match &value[name] {
        Value::Array(list) => Ok(list),
        _ => Err(format!(
            "there is no list `{name}`; is it a reply of this provider's usage endpoints?"
        )),
    }
}

/// A number or its text, times `scale`, rounded down to a whole one.
pub(super) fn scaled(value: &Value, scale: i128) -> Result<u64, String> {
    let number = money(value)?.grains();
    let whole = number / Money::GRAINS_PER_USD * scale
        + number % Money::GRAINS_PER_USD * scale / Money::GRAINS_PER_USD;
    u64::try_from(whole).map_err(|_| format!("`{value}` is no count"))
}

/// A whole number; nothing where it is not there.
pub(super) fn count(value: &Value) -> Result<u64, String> {
    match value {
        Value::Null => Ok(0),
        value => scaled(value, 1),
    }
}

/// A decimal number or its text, also with an exponent; what is finer than a grain is rounded.
pub(super) fn money(value: &Value) -> Result<Money, String> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        other => return Err(format!("`{other}` is no number")),
    };
    decimal(&text).ok_or_else(|| format!("`{text}` is no number that an amount can be"))
}

fn decimal(text: &str) -> Option<Money> {
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, digits),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !plain(whole) || !plain(fraction) {
        return None;
    }
    let places = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let digits = format!("{whole}{fraction}");
    let mut grains = 0_i128;
    // Digit by digit: what is behind the last grain is small, what is too large is refused.
    for (n, digit) in (0..).zip(digits.bytes()) {
        let behind = i32::try_from(digits.len()).ok()? - 1 - n - places;
        let unit = match behind {
            0.. => {
                Money::GRAINS_PER_USD.checked_mul(10_i128.checked_pow(behind.unsigned_abs())?)?
            }
            -38..0 => Money::GRAINS_PER_USD / 10_i128.pow(behind.unsigned_abs()),
            _ => 0,
        };
        if digit > b'0' {
            grains = grains.checked_add(unit.checked_mul(i128::from(digit - b'0'))?)?;
        }
    }
    Some(Money::from_grains(sign * grains))
}

/// A moment in seconds, or as RFC 3339, or the begin of a date.
pub(super) fn at(value: &Value) -> Result<Timestamp, String> {
    let known = match value {
        Value::Number(seconds) => seconds
            .as_i64()
            .and_then(|seconds| seconds.checked_mul(1_000_000))
            .map(Timestamp),
        Value::String(text) => {
            moment::rfc_3339(text).or_else(|| moment::rfc_3339(&format!("{text}T00:00:00Z")))
        }
        _ => None,
    };
    known.ok_or_else(|| format!("`{value}` is no moment"))
}

/// The UTC day that holds a stretch; a longer stretch as it is.
pub(super) fn period(item: &Item) -> (Timestamp, Timestamp) {
    let day = item.since.0.div_euclid(Timestamp::DAY_US) * Timestamp::DAY_US;
    match item.until.0 <= day + Timestamp::DAY_US {
        true => (Timestamp(day), Timestamp(day + Timestamp::DAY_US)),
        false => (item.since, item.until),
    }
}

/// The end of the UTC day that begins there.
pub(super) fn day_after(day: Timestamp) -> Timestamp {
    Timestamp(day.0.saturating_add(Timestamp::DAY_US))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_to_the_last_digit() {
        let usd = |text: &str| decimal(text).map(|money| money.to_string());
        assert_eq!(usd("0.06").as_deref(), Some("0.06"));
        assert_eq!(usd("6e-05").as_deref(), Some("0.00006"));
        assert_eq!(usd("1.25E2").as_deref(), Some("125"));
        assert_eq!(usd("-3.5").as_deref(), Some("-3.5"));
        assert_eq!(
            usd("0.123456789012345678").as_deref(),
            Some("0.123456789012345678")
        );
        assert_eq!(usd("1e-400").as_deref(), Some("0"));
        for bad in ["", "-", ".", "1e400", "1,5", "NaN", "1e", "0x1"] {
            assert_eq!(usd(bad), None, "{bad}");
        }
        let hours = serde_json::json!(1.5);
        assert_eq!(scaled(&hours, 3_600_000_000), Ok(5_400_000_000));
        assert!(scaled(&serde_json::json!(-1), 1).is_err());
        assert!(scaled(&serde_json::json!(1e300), 1).is_err());
    }
}
