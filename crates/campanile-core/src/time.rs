//! Moments and spans, and the one [`Clock`] that reads them.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, sync::Arc, time::Duration};

/// A moment of the monotonic clock: nanoseconds since an origin that only its own clock knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

impl Tick {
    /// The time from `earlier` to this; zero where it is not earlier. In nanoseconds inside.
    #[must_use]
    pub const fn since(self, earlier: Tick) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

/// A length of time in whole nanoseconds; in JSON, whole microseconds (rounded down).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl Span {
    /// In microseconds, rounded down.
    #[must_use]
    pub const fn us(self) -> u64 {
        self.0 / 1_000
    }

    /// As the standard type.
    #[must_use]
    pub const fn to_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl std::ops::Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.us())
    }
}

/// A moment of wall time: microseconds since 1970-01-01T00:00:00Z. For display, files and bills; never subtracted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// A UTC day, in microseconds.
    pub const DAY_US: i64 = 86_400_000_000;

    /// The system's time.
    #[must_use]
    pub fn now() -> Self {
        match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => Self(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
            Err(before) => Self(-i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX)),
        }
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// This moment moved on by `span`.
    #[must_use]
    pub const fn after(self, span: Span) -> Self {
        Self(self.0.saturating_add_unsigned(span.us()))
    }

    /// Year, month, day, and microseconds of the day, in UTC.
    #[must_use]
    pub const fn civil(self) -> (i64, u8, u8, i64) {
        // Howard Hinnant's `civil_from_days`, with eras of 400 years that begin in March.
        let days = self.0.div_euclid(Self::DAY_US) + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = (of_year - (153 * month + 2) / 5 + 1) as u8;
        let month = if month < 10 { month + 3 } else { month - 9 } as u8;
        let year = year + era * 400 + if month <= 2 { 1 } else { 0 };
        (year, month, day, self.0.rem_euclid(Self::DAY_US))
    }
}

impl Timestamp {
    /// The first moment of a day in UTC; `None` where the calendar has no such day, or no moment is so far away.
    #[must_use]
    pub fn of_date(year: i64, month: u8, day: u8) -> Option<Self> {
        // About as many years as microseconds can say; none of the sums below is too large for those.
        let near = (-300_000..300_000).contains(&year);
        let days = near.then(|| days(year, month.into(), day.into()))??;
        days.checked_mul(Self::DAY_US).map(Self)
    }

    /// Reads a moment of RFC 3339, with its offset: what [`Display`](fmt::Display) writes, and what others do. Digits behind the
    /// microsecond are left out, a leap second is the second after it.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let (civil, rest) = text.split_at_checked(19)?;
        let shaped = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
        let shaped = shaped.iter().all(|&(at, mark)| civil[at] == mark);
        if !shaped || !matches!(civil[10], b'T' | b't' | b' ') {
            return None;
        }
        let part = |at: usize, places: usize| digits(&civil[at..at + places]);
        let (year, month, day) = (part(0, 4)?, part(5, 2)?, part(8, 2)?);
        let (hour, minute, second) = (part(11, 2)?, part(14, 2)?, part(17, 2)?);
        let seconds = days(year, month, day)? * 86_400 + hour * 3_600 + minute * 60 + second;
        let (micros, zone) = fraction(rest)?;
        let known = hour < 24 && minute < 60 && second <= 60;
        known.then_some(Self((seconds - offset(zone)?) * 1_000_000 + micros))
    }

    /// Writes the 27 bytes of the years 0 to 9999 into `room`; `None` for other years.
    fn rfc3339(self, room: &mut [u8; 27]) -> Option<&str> {
        let (year, month, day, micros) = self.civil();
        let seconds = micros / 1_000_000;
        let year = u64::try_from(year).ok().filter(|year| *year < 10_000)?;
        room.copy_from_slice(b"0000-00-00T00:00:00.000000Z");
        let mut put = |at: usize, places: usize, mut number: u64| {
            for byte in room[at..at + places].iter_mut().rev() {
                *byte = b'0' + (number % 10) as u8;
                number /= 10;
            }
        };
        put(0, 4, year);
        put(5, 2, month.into());
        put(8, 2, day.into());
        put(11, 2, (seconds / 3_600) as u64);
        put(14, 2, (seconds / 60 % 60) as u64);
        put(17, 2, (seconds % 60) as u64);
        put(20, 6, (micros % 1_000_000) as u64);
        std::str::from_utf8(room).ok()
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + i64::from(byte - b'0'))
    })
}

/// Days from 1970-01-01 to a date: the inverse of [`Timestamp::civil`].
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let of_era = year.rem_euclid(400);
    let of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    (1..=length)
        .contains(&day)
        .then(|| year.div_euclid(400) * 146_097 + of_era - 719_468)
}

/// Microseconds of a fraction of a second, and what stands behind it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', rest)) = text.split_first() else {
        return Some((0, text));
    };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let kept = count.min(6);
    let micros = digits(&rest[..kept])? * 10_i64.pow(6 - kept as u32);
    (count > 0).then_some((micros, &rest[count..]))
}

/// Seconds by which a zone is ahead of UTC: `Z`, `+02:00`.
fn offset(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), hour @ .., b':', _, _] if hour.len() == 2 => {
            let (hours, minutes) = (digits(hour)?, digits(&zone[4..])?);
            let ahead = hours * 3_600 + minutes * 60;
            (hours < 24 && minutes < 60).then_some(if *sign == b'-' { -ahead } else { ahead })
        }
        _ => None,
    }
}

/// RFC 3339 in UTC with microseconds: `2026-11-24T01:50:29.000000Z`. Moments outside the years 0 to 9999, which it does not
/// know, are written as microseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rfc3339(&mut [0; 27]) {
            Some(text) => f.pad(text),
            None => write!(f, "{}us", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.rfc3339(&mut [0; 27]) {
            Some(text) => serializer.serialize_str(text),
            None => serializer.collect_str(self),
        }
    }
}

/// A moment as the clocks of one place show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// The moment.
    pub at: Timestamp,
    /// How far the clocks there are ahead of UTC at this moment, in seconds.
    pub offset_s: i32,
}

impl LocalTime {
    /// The moment in UTC.
    #[must_use]
    pub const fn utc(at: Timestamp) -> Self {
        Self { at, offset_s: 0 }
    }

    /// What the clocks there show, as if it were UTC.
    const fn wall(self) -> Timestamp {
        Timestamp(self.at.0.saturating_add(self.offset_s as i64 * 1_000_000))
    }

    /// `Tuesday 2026-11-24 14:20`, for people.
    #[must_use]
    pub fn told(self) -> String {
        const DAYS: [&str; 7] = [
            "Thursday",
            "Friday",
            "Saturday",
            "Sunday",
            "Monday",
            "Tuesday",
            "Wednesday",
        ];
        let wall = self.wall();
        let (year, month, day, micros) = wall.civil();
        let weekday = DAYS[wall.0.div_euclid(Timestamp::DAY_US).rem_euclid(7) as usize];
        let minutes = micros / 60_000_000;
        let (hour, minute) = (minutes / 60, minutes % 60);
        format!("{weekday} {year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")
    }
}

/// RFC 3339 with the offset, in whole seconds: `2026-11-24T14:20:00+01:00`.
impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day, micros) = self.wall().civil();
        let seconds = micros / 1_000_000;
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        let minutes = self.offset_s / 60;
        match minutes {
            0 => f.write_str("Z"),
            _ => {
                let sign = if minutes < 0 { '-' } else { '+' };
                let minutes = minutes.abs();
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}

impl LocalTime {
    /// Reads a moment of RFC 3339 with its offset, as [`Timestamp::read`] does.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let at = Timestamp::read(text)?;
        let (_, zone) = fraction(text.get(19..)?)?;
        let offset_s = i32::try_from(offset(zone)?).ok()?;
        Some(Self { at, offset_s })
    }
}

impl<'de> Deserialize<'de> for LocalTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(text.as_bytes()).ok_or_else(|| D::Error::custom("this is no moment of RFC 3339"))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        LocalTime::deserialize(deserializer).map(|time| time.at)
    }
}

impl Serialize for LocalTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where time is read: the system's clock, a processor's counter, tokio's (for paused tests), a scaled one (for a soak).
pub trait TimeSource: Send + Sync {
    /// The monotonic moment. Never goes back.
    fn tick(&self) -> Tick;

    /// The wall time. May jump.
    fn now(&self) -> Timestamp;
}

/// The clock of one monitor, handed in where time is read.
#[derive(Clone)]
pub struct Clock(Arc<dyn TimeSource>);

// It is only ever read: a panic inside a source leaves nothing half done that a caller could meet.
impl std::panic::UnwindSafe for Clock {}
impl std::panic::RefUnwindSafe for Clock {}

impl Clock {
    /// A clock that reads `source`.
    #[must_use]
    pub fn new(source: impl TimeSource + 'static) -> Self {
        Self(Arc::new(source))
    }

    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        Self::new(System {
            origin: std::time::Instant::now(),
        })
    }

    /// The monotonic moment.
    #[must_use]
    pub fn tick(&self) -> Tick {
        self.0.tick()
    }

    /// The wall time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.tick()).finish()
    }
}

struct System {
    origin: std::time::Instant,
}

impl TimeSource for System {
    fn tick(&self) -> Tick {
        // An origin one second back: no tick is zero, which some keep for "never".
        Tick(
            u64::try_from(self.origin.elapsed().as_nanos())
                .unwrap_or(u64::MAX)
                .saturating_add(1_000_000_000),
        )
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_at_the_edges() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (1_835_395_199_999_999, "2028-02-28T23:59:59.999999Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
        ] {
            assert_eq!(Timestamp(micros).to_string(), text);
        }
    }

    #[test]
    fn a_date_is_the_first_moment_of_its_day() {
        for at in (-9_000_000_000_000_000_000_i64..9_000_000_000_000_000_000)
            .step_by(86_399_999_999_999_983)
        {
            let (year, month, day, of_day) = Timestamp(at).civil();
            let date = Timestamp::of_date(year, month, day);
            assert_eq!(date, Some(Timestamp(at - of_day)), "{year}-{month}-{day}");
        }
        let none = [
            (2026, 2, 29),
            (2100, 2, 29),
            (2026, 4, 31),
            (2026, 0, 1),
            (2026, 13, 1),
            (2026, 1, 0),
            (299_999, 1, 1),
            (i64::MIN, 1, 1),
            (i64::MAX, 12, 31),
        ];
        for (year, month, day) in none {
            assert_eq!(
                Timestamp::of_date(year, month, day),
                None,
                "{year}-{month}-{day}"
            );
        }
    }

    #[test]
    fn a_place_has_its_own_clocks() {
        let at = Timestamp(1_795_485_029_000_000);
        let berlin = LocalTime {
            at,
            offset_s: 3_600,
        };
        let st_johns = LocalTime {
            at,
            offset_s: -12_600,
        };

        assert_eq!(berlin.to_string(), "2026-11-24T02:50:29+01:00");
        assert_eq!(berlin.told(), "Tuesday 2026-11-24 02:50");
        assert_eq!(st_johns.to_string(), "2026-11-23T22:20:29-03:30");
        assert_eq!(st_johns.told(), "Monday 2026-11-23 22:20");
        assert_eq!(LocalTime::utc(at).to_string(), "2026-11-24T01:50:29Z");
        assert_eq!(
            LocalTime::utc(Timestamp(0)).told(),
            "Thursday 1970-01-01 00:00"
        );
    }

    #[test]
    fn a_moment_is_read_as_it_was_written() {
        for micros in
            (-62_167_219_200_000_000_i64..253_402_300_800_000_000).step_by(86_399_999_999_983)
        {
            let at = Timestamp(micros);
            assert_eq!(Timestamp::read(at.to_string().as_bytes()), Some(at), "{at}");
        }
        for (text, micros) in [
            ("1970-01-01T02:00:00+02:00", 0),
            ("1969-12-31 18:30:00.5-05:30", 500_000),
            ("1970-01-01t00:00:00.123456789z", 123_456),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
        ] {
            assert_eq!(
                Timestamp::read(text.as_bytes()),
                Some(Timestamp(micros)),
                "{text}"
            );
        }
        for bad in [
            "",
            "2026-11-24",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+2:00",
            "2026-01-01T00:00:00+02:00x",
            "2026-01-0:T00:00:00Z",
        ] {
            assert_eq!(Timestamp::read(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn time_never_runs_backwards() {
        assert_eq!(Tick(5).since(Tick(9)), Span(0));
    }
}
