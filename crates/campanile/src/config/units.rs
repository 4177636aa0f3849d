//! Sizes and times as people write them.

use serde::{Deserialize, Deserializer, de::Error};
use std::time::Duration;

/// A size: `"64MiB"`, `"2GiB"`, `"500kB"`, or a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

/// A length of time: `"14d"`, `"12h"`, `"30m"`, `"90s"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age(pub Duration);

impl Age {
    pub(super) const fn days(days: u64) -> Self {
        Self(Duration::from_secs(days * 86_400))
    }

    pub(super) const fn minutes(minutes: u64) -> Self {
        Self(Duration::from_secs(minutes * 60))
    }
}

const SIZES: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

const TIMES: [(&str, u64); 5] = [
    ("s", 1),
    ("m", 60),
    ("h", 3_600),
    ("d", 86_400),
    ("w", 604_800),
];

/// A whole number and a unit.
fn measured(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (unit, scale) = units.iter().find(|(unit, _)| text.ends_with(unit))?;
    let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
    number.checked_mul(*scale)
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u64),
            Text(String),
        }
        let size = match Either::deserialize(deserializer) {
            Ok(Either::Number(bytes)) => Some(bytes),
            Ok(Either::Text(text)) => measured(&text, &SIZES),
            Err(_) => None,
        };
        let size = size.filter(|bytes| *bytes > 0);
        size.map(Self)
            .ok_or_else(|| D::Error::custom("a size is a number and a unit, such as \"64MiB\""))
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer).unwrap_or_default();
        let seconds = measured(&text, &TIMES).filter(|seconds| *seconds > 0);
        let age = seconds.map(|seconds| Self(Duration::from_secs(seconds)));
        age.ok_or_else(|| {
            D::Error::custom("a time is a number and a unit, such as \"14d\" or \"30m\"")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_nothing_else() {
        assert_eq!(measured("64MiB", &SIZES), Some(64 << 20));
        assert_eq!(measured("2 GB", &SIZES), Some(2_000_000_000));
        assert_eq!(measured("14d", &TIMES), Some(14 * 86_400));
        for bad in ["", "64", "MiB", "-1MiB", "1.5GiB", "99999999999TiB"] {
            assert_eq!(measured(bad, &SIZES), None, "{bad}");
        }
    }
}
