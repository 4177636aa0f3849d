//! Dates of the book: always UTC, never local.

use campanile_core::Timestamp;
use toml::value::{Datetime, Offset};

const DAY_US: i64 = 86_400_000_000;

/// Whether this day exists.
fn is_real(year: u16, month: u8, day: u8) -> bool {
    let leap = (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// Days since 1970-01-01 (Howard Hinnant's `days_from_civil`: years begin in March).
fn days(year: u16, month: u8, day: u8) -> i64 {
    let (month, day) = (i64::from(month), i64::from(day));
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The moment of a TOML date or date-time. A date is its midnight in UTC; a time without an offset would be
/// local, and is refused.
pub(crate) fn moment(text: &Datetime) -> Result<Timestamp, &'static str> {
    let date = text.date.ok_or("is no date: write 2026-05-05T00:00:00Z")?;
    if !is_real(date.year, date.month, date.day) {
        return Err("is not a day of the calendar");
    }
    let midnight = days(date.year, date.month, date.day) * DAY_US;
    let Some(time) = text.time else {
        return Ok(Timestamp(midnight));
    };
    let offset = match text.offset {
        Some(Offset::Z) => 0,
        Some(Offset::Custom { minutes }) => i64::from(minutes),
        None => return Err("has no offset: add a Z, prices change at an instant"),
    };
    let minutes = i64::from(time.hour) * 60 + i64::from(time.minute) - offset;
    let seconds = minutes * 60 + i64::from(time.second.unwrap_or(0));
    let micros = i64::from(time.nanosecond.unwrap_or(0) / 1_000);
    Ok(Timestamp(midnight + seconds * 1_000_000 + micros))
}

/// The name without its date (`-2024-07-18`, `-20250929`, `@20250929`), where that day exists.
pub(crate) fn without_date(name: &str) -> Option<&str> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let real = |y: &str, m: &str, d: &str| {
        let day = || Some(is_real(y.parse().ok()?, m.parse().ok()?, d.parse().ok()?));
        digits(y) && digits(m) && digits(d) && (y.starts_with("20")) && day() == Some(true)
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
    (at.micros().rem_euclid(DAY_US) / 60_000_000) as u16
}

/// Whole days from `earlier` to `later`.
pub(crate) fn days_between(earlier: Timestamp, later: Timestamp) -> i64 {
    later.micros().saturating_sub(earlier.micros()) / DAY_US
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
