//! Windows: the stretches of time in which a budget counts.

use campanile_core::{LocalTime, Name, Timestamp};
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// What is spent is summed in stretches of this length: every time zone is a whole number of them away from UTC.
pub(crate) const STEP_US: i64 = 900_000_000;
/// How many stretches a rolling window is made of, at least.
const STEPS: i64 = 1_440;
const SECOND_US: i64 = 1_000_000;

/// The stretches of time in which a budget counts, one after the other, as the clocks of one place show them.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    kind: Kind,
    zone: TimeZone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Day,
    /// From Monday on.
    Week,
    /// From this day of the month on, or from its last one where it is shorter.
    Month(i8),
    /// The last so many microseconds, at any moment.
    Rolling(i64),
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
    /// `2026-11-24`, `2026-W48`, `2026-11`, `2026-11-15` (a month from the 15th on), `24h`.
    pub(crate) name: Name,
}

impl Window {
    /// Reads `day`, `week`, `month`, or a time such as `24h`; `day` of the month, where it is a month.
    pub(crate) fn parse(text: &str, day: i8, zone: TimeZone) -> Option<Self> {
        let kind = match text {
            "day" => Kind::Day,
            "week" => Kind::Week,
            "month" => Kind::Month(day),
            _ => Kind::Rolling(rolling(text)?),
        };
        Some(Self { kind, zone })
    }

    /// The word for it: `month`, `24h`.
    pub(crate) fn period(&self) -> String {
        match self.kind {
            Kind::Day => "day".to_owned(),
            Kind::Week => "week".to_owned(),
            Kind::Month(_) => "month".to_owned(),
            Kind::Rolling(us) => short(us / SECOND_US),
        }
    }

    /// Whether it ends at every moment.
    pub(crate) fn is_rolling(&self) -> bool {
        matches!(self.kind, Kind::Rolling(_))
    }

    /// When the rolling window that ends at a moment began; absent where it is none.
    pub(crate) fn rolls_since(&self, now: Timestamp) -> Option<Timestamp> {
        match self.kind {
            // A whole step more: what is in doubt counts.
            Kind::Rolling(us) => Some(floor(now.0.saturating_sub(us), self.step())),
            _ => None,
        }
    }

    /// The stretch that holds a moment; of a rolling window, the one that ends there.
    pub(crate) fn at(&self, now: Timestamp) -> Stretch {
        if let (Kind::Rolling(us), Some(since)) = (self.kind, self.rolls_since(now)) {
            return Stretch {
                since,
                until: Timestamp(now.0.saturating_add(us)),
                name: Name::outside(&self.period()).unwrap_or_default(),
            };
        }
        let today = self.zone.to_datetime(instant(now)).date();
        let (since, until) = self.dates(today);
        Stretch {
            since: self.begin_of(since),
            until: self.begin_of(until),
            name: Name::outside(&self.name(since)).unwrap_or_default(),
        }
    }

    /// The stretch before this one; a rolling window has none.
    pub(crate) fn before(&self, stretch: &Stretch) -> Option<Stretch> {
        let earlier = Timestamp(stretch.since.0.saturating_sub(1));
        (!self.is_rolling()).then(|| self.at(earlier))
    }

    /// A moment as the clocks of its place show it.
    pub(crate) fn local(&self, at: Timestamp) -> LocalTime {
        LocalTime {
            at,
            offset_s: self.zone.to_offset(instant(at)).seconds(),
        }
    }

    /// The length of the stretches in which its sums are kept.
    pub(crate) fn step(&self) -> i64 {
        match self.kind {
            Kind::Rolling(us) => (us / STEPS / SECOND_US).clamp(1, STEP_US / SECOND_US) * SECOND_US,
            _ => STEP_US,
        }
    }

    /// Its first day, and that of the next one.
    fn dates(&self, today: Date) -> (Date, Date) {
        match self.kind {
            Kind::Day | Kind::Rolling(_) => (today, today.saturating_add(1.day())),
            Kind::Week => {
                let since_monday = i64::from(today.weekday().to_monday_zero_offset());
                let monday = today.saturating_sub(since_monday.days());
                (monday, monday.saturating_add(7.days()))
            }
            Kind::Month(day) => {
                let this = billing_day(today, day);
                let first = today.first_of_month();
                match today < this {
                    true => (billing_day(first.saturating_sub(1.day()), day), this),
                    false => (this, billing_day(first.saturating_add(1.month()), day)),
                }
            }
        }
    }

    fn name(&self, since: Date) -> String {
        match self.kind {
            Kind::Week => {
                let week = since.iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Kind::Month(1) => format!("{:04}-{:02}", since.year(), since.month()),
            _ => since.to_string(),
        }
    }

    /// The first moment of a day: where the clocks skip midnight, the one that comes after the gap.
    fn begin_of(&self, date: Date) -> Timestamp {
        let midnight = date.to_zoned_datetime(self.zone.clone());
        midnight.map_or(Timestamp(i64::MAX), |midnight| {
            Timestamp(midnight.timestamp().as_microsecond())
        })
    }
}

/// That day in the month of `date`, or the last one.
fn billing_day(date: Date, day: i8) -> Date {
    let last = date.last_of_month();
    let day = day.min(last.day());
    Date::new(date.year(), date.month(), day).unwrap_or(last)
}

/// The begin of the step of that length that holds a moment.
pub(crate) fn floor(micros: i64, step: i64) -> Timestamp {
    Timestamp(micros.div_euclid(step).saturating_mul(step))
}

/// A moment as the calendar takes it: outside of the years 1900 to 9000, the nearest one inside.
fn instant(at: Timestamp) -> jiff::Timestamp {
    const YEARS: std::ops::RangeInclusive<i64> = -2_208_988_800_000_000..=221_845_392_000_000_000;
    let micros = at.0.clamp(*YEARS.start(), *YEARS.end());
    jiff::Timestamp::from_microsecond(micros).unwrap_or_default()
}

/// A whole number and a unit, at least a minute, at most a year.
fn rolling(text: &str) -> Option<i64> {
    let units = [("m", 60), ("h", 3_600), ("d", 86_400), ("w", 7 * 86_400)];
    let (unit, scale) = units.into_iter().find(|(unit, _)| text.ends_with(unit))?;
    let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
    let us = number.checked_mul(scale)?.checked_mul(SECOND_US)?;
    (60 * SECOND_US..=366 * Timestamp::DAY_US)
        .contains(&us)
        .then_some(us)
}

/// `24h`, `7d`, `90m`: with the largest unit that fits whole, but hours up to two days.
pub(crate) fn short(seconds: i64) -> String {
    match seconds {
        _ if seconds % 86_400 == 0 && seconds > 172_800 => format!("{}d", seconds / 86_400),
        _ if seconds % 3_600 == 0 && seconds > 0 => format!("{}h", seconds / 3_600),
        _ if seconds % 60 == 0 && seconds > 0 => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    }

    fn window(text: &str, day: i8, zone: &str) -> Window {
        Window::parse(text, day, TimeZone::get(zone).unwrap()).unwrap()
    }

    /// Name and both ends.
    fn told(window: &Window, now: &str) -> String {
        let stretch = window.at(at(now));
        let end = |at: Timestamp| at.to_string().replace(":00.000000Z", "");
        format!(
            "{} {} {}",
            stretch.name,
            end(stretch.since),
            end(stretch.until)
        )
    }

    #[test]
    fn a_window_begins_where_the_clocks_of_its_place_say() {
        let now = "2026-11-30T23:30:00Z";
        assert_eq!(
            told(&window("day", 1, "UTC"), now),
            "2026-11-30 2026-11-30T00:00 2026-12-01T00:00"
        );
        assert_eq!(
            told(&window("month", 1, "Europe/Berlin"), now),
            "2026-12 2026-11-30T23:00 2026-12-31T23:00"
        );
        assert_eq!(
            told(&window("week", 1, "Asia/Kathmandu"), now),
            "2026-W49 2026-11-29T18:15 2026-12-06T18:15"
        );
    }

    #[test]
    fn a_day_has_23_or_25_hours_when_the_clocks_change() {
        let day = window("day", 1, "America/New_York");
        assert_eq!(
            told(&day, "2026-11-01T12:00:00Z"),
            "2026-11-01 2026-11-01T04:00 2026-11-02T05:00"
        );
        assert_eq!(
            told(&day, "2026-03-08T12:00:00Z"),
            "2026-03-08 2026-03-08T05:00 2026-03-09T04:00"
        );
        // Midnight itself is skipped.
        let beirut = window("day", 1, "Asia/Beirut");
        assert_eq!(
            told(&beirut, "2026-03-29T12:00:00Z"),
            "2026-03-29 2026-03-28T22:00 2026-03-29T21:00"
        );
    }

    #[test]
    fn a_month_of_billing_begins_on_its_day_or_on_the_last_one() {
        let month = window("month", 31, "UTC");
        let of = |now| told(&month, now).split(' ').next().unwrap().to_owned();
        assert_eq!(of("2026-02-27T00:00:00Z"), "2026-01-31");
        assert_eq!(of("2026-02-28T00:00:00Z"), "2026-02-28");
        assert_eq!(of("2026-03-30T00:00:00Z"), "2026-02-28");
        assert_eq!(of("2028-02-29T00:00:00Z"), "2028-02-29");
        assert_eq!(of("2026-01-01T00:00:00Z"), "2025-12-31");
        assert_eq!(
            told(&window("month", 15, "UTC"), "2026-12-20T00:00:00Z"),
            "2026-12-15 2026-12-15T00:00 2027-01-15T00:00"
        );
    }

    #[test]
    fn windows_follow_one_another_without_a_gap() {
        let zones = [
            "UTC",
            "Europe/Berlin",
            "America/St_Johns",
            "Australia/Lord_Howe",
        ];
        for (period, day) in [
            ("day", 1),
            ("week", 1),
            ("month", 1),
            ("month", 29),
            ("month", 31),
        ] {
            for zone in zones {
                let window = window(period, day, zone);
                let mut stretch = window.at(at("2026-01-01T12:00:00Z"));
                for _ in 0..60 {
                    let next = window.at(stretch.until);
                    assert_eq!(
                        next.since, stretch.until,
                        "{period} {zone} {}",
                        stretch.name
                    );
                    assert_eq!(window.before(&next), Some(stretch.clone()));
                    assert_eq!(next.since.0 % STEP_US, 0, "{zone} {}", next.name);
                    assert_eq!(window.at(Timestamp(next.until.0 - 1)), next);
                    stretch = next;
                }
            }
        }
    }

    #[test]
    fn a_rolling_window_ends_now() {
        let day = window("24h", 1, "UTC");
        assert_eq!(
            told(&day, "2026-11-24T01:50:29Z"),
            "24h 2026-11-23T01:50 2026-11-25T01:50:29.000000Z"
        );
        assert_eq!(
            (day.step(), window("90d", 1, "UTC").step()),
            (60_000_000, STEP_US)
        );
        for bad in [
            "",
            "24",
            "h",
            "1s",
            "0h",
            "367d",
            "-1h",
            "1.5h",
            "fortnight",
            "é",
        ] {
            assert!(Window::parse(bad, 1, TimeZone::UTC).is_none(), "{bad}");
        }
        // Nothing panics at the ends of time.
        for micros in [i64::MIN, i64::MAX] {
            for period in ["day", "week", "month", "24h"] {
                let window = window(period, 31, "Europe/Berlin");
                let _ = (
                    window.at(Timestamp(micros)),
                    window.local(Timestamp(micros)),
                );
            }
        }
    }
}
