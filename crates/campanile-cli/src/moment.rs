//! Moments as people write them.

use campanile_core::Timestamp;

/// A moment as it stands in an argument: absolute, or before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    At(Timestamp),
    /// So many microseconds before now.
    Ago(i64),
    /// Before everything.
    Ever,
}

impl Moment {
    /// Reads `2026-11-24T01:50:29Z`, `2026-11-24 01:50:29`, `2026-11-24 01:50` and `2026-11-24` (in UTC), `90s`, `30m`, `2h`, `7d`, `4w` (before now), `now`, `ever`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "now" {
            return Ok(Self::Ago(0));
        }
        if text == "ever" {
            return Ok(Self::Ever);
        }
        if let Some(span) = ago(text) {
            return Ok(Self::Ago(span));
        }
        rfc_3339(text).or_else(|| civil(text)).map(Self::At).ok_or_else(|| {
            "a moment is RFC 3339 (2026-11-24T01:50:29Z), a date with or without a time (2026-11-24 01:50, UTC), or a time before now (90s, 30m, 2h, 7d, 4w)".to_owned()
        })
    }

    pub(crate) fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(span) => Timestamp(now.0.saturating_sub(span)),
            Self::Ever => Timestamp(i64::MIN),
        }
    }
}

/// A moment of RFC 3339, with its offset.
pub(crate) fn rfc_3339(text: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp(at.as_microsecond()))
}

/// A date in UTC, with a time or from its begin.
fn civil(text: &str) -> Option<Timestamp> {
    let rest = match text.len() {
        10 => "T00:00:00Z",
        16 => ":00Z",
        _ => "Z",
    };
    Timestamp::read(format!("{text}{rest}").as_bytes())
}

/// Microseconds.
fn ago(text: &str) -> Option<i64> {
    let seconds = match text.as_bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 3_600,
        b'd' => 86_400,
        b'w' => 604_800,
        _ => return None,
    };
    let number = &text[..text.len() - 1];
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let count: i64 = plain.then(|| number.parse().ok())??;
    count.checked_mul(seconds)?.checked_mul(1_000_000)
}

/// The first moment of the month of this one, in UTC.
pub(crate) fn month_of(at: Timestamp) -> Timestamp {
    let (_, _, day, micros) = at.civil();
    Timestamp(at.0 - micros - (i64::from(day) - 1) * Timestamp::DAY_US)
}

/// `2026-11-24 01:50:29` in UTC, for tables.
pub(crate) fn short(at: Timestamp) -> String {
    let text = at.to_string();
    match text.split_once('.') {
        Some((seconds, _)) => seconds.replacen('T', " ", 1),
        None => text,
    }
}

/// `1.250 s`, `40 ms`, `3:07 min`: a span in microseconds, for tables.
pub(crate) fn span(us: u64) -> String {
    let ms = us.saturating_add(500) / 1_000;
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{:02} s", ms / 1_000, ms % 1_000 / 10),
        _ => minutes(us),
    }
}

/// `3:07` or `1:02:03`, rounded to the nearest second.
pub(crate) fn minutes(us: u64) -> String {
    let seconds = us.saturating_add(500_000) / 1_000_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let now = Timestamp(1_795_485_029_000_000);
        let text = |text| Moment::parse(text).map(|moment| moment.resolve(now).to_string());

        assert_eq!(
            text("2026-11-24T03:50:29+02:00").unwrap(),
            "2026-11-24T01:50:29.000000Z"
        );
        assert_eq!(text("2028-02-29").unwrap(), "2028-02-29T00:00:00.000000Z");
        for same in [
            "2025-10-29 14:30",
            "2025-10-29T14:30",
            "2025-10-29 14:30:00",
        ] {
            assert_eq!(text(same).unwrap(), "2025-10-29T14:30:00.000000Z");
        }
        assert_eq!(text("2h").unwrap(), "2026-11-23T23:50:29.000000Z");
        assert_eq!(text("now").unwrap(), "2026-11-24T01:50:29.000000Z");
        for bad in [
            "",
            "h",
            "-2h",
            "2026-02-30",
            "2026-11-24T25:00:00Z",
            "2026-11-24 1:50",
            "2026-11-24 01:50:",
            "yesterday",
            "99999999999999999999w",
            "2é",
        ] {
            assert!(text(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_month_begins_with_its_first_day() {
        let at = Timestamp(1_795_485_029_000_000);
        assert_eq!(month_of(at).to_string(), "2026-11-01T00:00:00.000000Z");
        assert_eq!(month_of(month_of(at)), month_of(at));
    }

    #[test]
    fn spans_are_short() {
        let all = [499, 40_000, 999_499, 1_250_000, 187_000_000, 3_723_000_000];
        assert_eq!(
            all.map(span),
            ["0 ms", "40 ms", "999 ms", "1.25 s", "3:07", "1:02:03"]
        );
    }
}
