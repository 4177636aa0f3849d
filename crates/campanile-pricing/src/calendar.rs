//! Dates of the book: always UTC, never local.

use campanile_core::Timestamp;
use toml::value::{Datetime, Offset};

/// The moment of a TOML date or date-time. A date is its midnight in UTC; a time without an offset would be
/// local, and is refused.
pub(crate) fn moment(text: &Datetime) -> Result<Timestamp, &'static str> {
    let date = text.date.ok_or("is no date: write 2026-05-05T00:00:00Z")?;
    let midnight = Timestamp::of_date(date.year.into(), date.month, date.day);
    let midnight = midnight.ok_or("is not a day of the calendar")?;
    let Some(time) = text.time else {
        return Ok(midnight);
    };
    let offset = match text.offset {
        Some(Offset::Z) => 0,
        Some(Offset::Custom { minutes }) => i64::from(minutes),
        None => return Err("has no offset: add a Z, prices change at an instant"),
    };
    let minutes = i64::from(time.hour) * 60 + i64::from(time.minute) - offset;
    let seconds = minutes * 60 + i64::from(time.second.unwrap_or(0));
    let micros = i64::from(time.nanosecond.unwrap_or(0) / 1_000);
    Ok(Timestamp(midnight.micros() + seconds * 1_000_000 + micros))
}

/// The name without its date (`-2024-07-18`, `-20250929`, `@20250929`), where that day exists.
pub(crate) fn without_date(name: &str) -> Option<&str> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let real = |y: &str, m: &str, d: &str| {
        let day = || Timestamp::of_date(y.parse().ok()?, m.parse().ok()?, d.parse().ok()?);
        digits(y) && digits(m) && digits(d) && (y.starts_with("20")) && day().is_some()
    };
    let at = |from_end: usize| name.split_at_checked(name.len().checked_sub(from_end)?);
    if let Some((base, date)) = at(11)
        && let [b'-', _, _, _, _, b'-', _, _, b'-', _, _] = date.as_bytes()
        && date.is_ascii()
        && real(&date[1..5], &date[6..8], &date[9..11])
    {
        return (!base.is_empty()).then_some(base);
    }
    let (base, date) = at(9)?;
    let marked = date.is_ascii() && (date.starts_with('-') || date.starts_with('@'));
    (marked && !base.is_empty() && real(&date[1..5], &date[5..7], &date[7..9])).then_some(base)
}

/// Minutes of the UTC day.
pub(crate) fn minute_of_day(at: Timestamp) -> u16 {
    (at.micros().rem_euclid(Timestamp::DAY_US) / 60_000_000) as u16
}

/// Whole days from `earlier` to `later`.
pub(crate) fn days_between(earlier: Timestamp, later: Timestamp) -> i64 {
    later.micros().saturating_sub(earlier.micros()) / Timestamp::DAY_US
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_dates_are_taken_off_a_name() {
        for (name, base) in [
            ("gpt-4o-2024-08-06", Some("gpt-4o")),
            ("claude-sonnet-4-5-20250929", Some("claude-sonnet-4-5")),
            ("claude-opus-4-6@20260205", Some("claude-opus-4-6")),
            ("gpt-4o-2023-02-29", None),
            ("gpt-4o-20241301", None),
            ("whisper-12345678", None),
            ("-2024-08-06", None),
            ("native-audio-preview-09-2025", None),
            ("größe-20é40806", None),
            ("", None),
        ] {
            assert_eq!(without_date(name), base, "{name}");
        }
    }

    #[test]
    fn moments_are_utc() {
        let at = |text: &str| moment(&text.parse().unwrap()).map(|at| at.to_string());
        assert_eq!(at("2026-05-05").unwrap(), "2026-05-05T00:00:00.000000Z");
        assert_eq!(
            at("2026-10-01T07:00:00+02:00").unwrap(),
            "2026-10-01T05:00:00.000000Z"
        );
        assert_eq!(
            at("2000-02-29T23:59:59.5Z").unwrap(),
            "2000-02-29T23:59:59.500000Z"
        );
        assert!(at("2026-05-05T00:00:00").is_err());
        assert!(at("07:00:00").is_err());
    }
}
