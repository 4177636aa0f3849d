//! Distributions by group, and by stretches of time.

use crate::{commands::by::By, fault::Fault};
use campanile_core::{Meter, Timestamp, Usage};
use campanile_sinks::ledger::{Dimension, Query, Reader, Sketch, TurnLatency};
use std::collections::BTreeMap;

const HOUR_US: i64 = 3_600_000_000;
/// Longer ranges are looked at by day.
const BY_HOUR: i64 = 4 * 24;

/// What is measured of a call, in the order in which it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Queue,
    FirstItem,
    Whole,
}

impl What {
    pub(crate) const ALL: [What; 3] = [What::Queue, What::FirstItem, What::Whole];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            What::Queue => "queue wait",
            What::FirstItem => "time to first item",
            What::Whole => "whole call",
        }
    }

    pub(crate) const fn key(self) -> &'static str {
        match self {
            What::Queue => "queued",
            What::FirstItem => "first_item",
            What::Whole => "elapsed",
        }
    }
}

/// Times of the calls of one group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    pub(crate) calls: u64,
    pub(crate) queued: Sketch,
    pub(crate) first_item: Sketch,
    pub(crate) elapsed: Sketch,
}

impl Times {
    pub(crate) fn of(&self, what: What) -> &Sketch {
        match what {
            What::Queue => &self.queued,
            What::FirstItem => &self.first_item,
            What::Whole => &self.elapsed,
        }
    }

    fn absorb(&mut self, calls: u64, sketches: [&Sketch; 3]) {
        self.calls += calls;
        self.queued.absorb(sketches[0]);
        self.first_item.absorb(sketches[1]);
        self.elapsed.absorb(sketches[2]);
    }
}

/// One group, whole and by stretches of time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    pub(crate) all: Times,
    /// By the begin of the stretch.
    pub(crate) stretches: BTreeMap<i64, Times>,
}

/// Everything that was measured in a range of time.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Timestamp,
    pub(crate) groups: BTreeMap<Vec<String>, Group>,
    pub(crate) turns: TurnLatency,
    pub(crate) turn_hours: Vec<(i64, TurnLatency)>,
    pub(crate) calls: u64,
    pub(crate) usage: Usage,
    pub(crate) damaged: u64,
}

/// Measures what `query` asks for, by groups.
pub(crate) fn measure(
    reader: &Reader,
    query: &Query,
    by: &[By],
    since: Option<Timestamp>,
    until: Timestamp,
) -> Result<Measured, Fault> {
    let hours = since.map_or(i64::MAX, |since| (until.0 - since.0) / HOUR_US);
    let period = if hours <= BY_HOUR { By::Hour } else { By::Day };
    let mut columns = by.to_vec();
    let own = by.iter().position(By::is_time);
    if own.is_none() {
        columns.push(period);
    }
    let wanted = crate::commands::by::rows_by(query.clone(), &columns, columns.len())?;
    let latency = reader.latency(&wanted).map_err(Fault::usage)?;
    let mut groups: BTreeMap<Vec<String>, Group> = BTreeMap::new();
    for row in latency.rows {
        let mut keys = row.keys;
        let stretch = match own {
            Some(_) => None,
            None => keys.pop(),
        };
        let group = groups.entry(keys).or_default();
        let sketches = [&row.queued, &row.first_item, &row.elapsed];
        group.all.absorb(row.calls, sketches);
        if let Some(begin) = stretch.as_deref().and_then(begin_of) {
            group
                .stretches
                .entry(begin)
                .or_default()
                .absorb(row.calls, sketches);
        }
    }
    // What passed in that time, for the rates.
    let total = reader
        .report(&query.clone().by(Vec::<Dimension>::new()))
        .map_err(Fault::usage)?;
    Ok(Measured {
        since: since.or_else(|| latency.turn_hours.first().map(|(at, _)| Timestamp(*at))),
        until,
        groups,
        turns: latency.turns,
        turn_hours: latency.turn_hours,
        calls: total.total.calls,
        usage: total.total.usage,
        damaged: latency.damaged,
    })
}

/// When a stretch begins: `2026-11-24` or `2026-11-24T02`.
fn begin_of(stretch: &str) -> Option<i64> {
    let rest = match stretch.len() {
        10 => "T00:00:00Z",
        _ => ":00:00Z",
    };
    Timestamp::read(format!("{stretch}{rest}").as_bytes()).map(|at| at.0)
}

impl Measured {
    /// What passed, each by its name.
    pub(crate) fn amounts(&self) -> [(&'static str, &'static str, u64); 6] {
        let sum = |meters: &[Meter]| {
            let counts = meters.iter().map(|meter| self.usage.at_least(*meter));
            counts.fold(0, u64::saturating_add)
        };
        let input = [
            Meter::InputTokens,
            Meter::CachedInputTokens,
            Meter::CacheWriteTokens,
            Meter::LongCacheWriteTokens,
            Meter::AudioInputTokens,
            Meter::CachedAudioTokens,
        ];
        let output = [
            Meter::OutputTokens,
            Meter::ReasoningTokens,
            Meter::AudioOutputTokens,
        ];
        [
            ("calls", "calls", self.calls),
            ("turns", "turns", self.turns.turns),
            ("input_tokens", "tokens in", sum(&input)),
            ("output_tokens", "tokens out", sum(&output)),
            (
                "audio_seconds",
                "s of audio",
                sum(&[Meter::AudioUs]) / 1_000_000,
            ),
            (
                "speech_seconds",
                "s of speech",
                sum(&[Meter::SpeechUs]) / 1_000_000,
            ),
        ]
    }

    /// The length of the time that was looked at.
    pub(crate) fn span_us(&self) -> Option<u64> {
        let since = self.since?;
        u64::try_from(self.until.0.checked_sub(since.0)?)
            .ok()
            .filter(|us| *us > 0)
    }

    /// The median of turns in `count` equal stretches.
    pub(crate) fn turn_trend(&self, count: usize) -> Vec<Option<u64>> {
        let hours = self
            .turn_hours
            .iter()
            .map(|(at, turns)| (*at, &turns.user_to_bot));
        self.trend(hours, count)
    }

    /// The median of `what` in `count` equal stretches.
    pub(crate) fn call_trend(&self, group: &Group, what: What, count: usize) -> Vec<Option<u64>> {
        let stretches = group
            .stretches
            .iter()
            .map(|(at, times)| (*at, times.of(what)));
        self.trend(stretches, count)
    }

    fn trend<'a>(
        &self,
        parts: impl Iterator<Item = (i64, &'a Sketch)>,
        count: usize,
    ) -> Vec<Option<u64>> {
        let (Some(since), Some(span)) = (self.since, self.span_us()) else {
            return Vec::new();
        };
        let mut sums = vec![Sketch::default(); count];
        for (at, sketch) in parts {
            let offset = u128::try_from(at.saturating_sub(since.0)).unwrap_or(0);
            let place = usize::try_from(offset * count as u128 / u128::from(span)).unwrap_or(0);
            sums[place.min(count - 1)].absorb(sketch);
        }
        sums.iter().map(|sketch| sketch.quantile(500)).collect()
    }
}

/// So many in a time, in the unit in which it is a number to remember: `12.3/s`, `4.5/min`, `7/h`.
pub(crate) fn rate(count: u64, span_us: u64) -> String {
    let per =
        |unit_us: u64| u128::from(count) * u128::from(unit_us) * 1_000 / u128::from(span_us.max(1));
    let (unit, milli) = [("s", 1_000_000), ("min", 60_000_000), ("h", 3_600_000_000)]
        .into_iter()
        .map(|(unit, us)| (unit, per(us)))
        .find(|(unit, milli)| *milli >= 100 || *unit == "h")
        .unwrap_or(("h", 0));
    let text = match milli {
        100_000.. => crate::table::grouped(u64::try_from(milli / 1_000).unwrap_or(u64::MAX)),
        10_000.. => format!("{}.{}", milli / 1_000, milli % 1_000 / 100),
        _ => format!("{}.{:02}", milli / 1_000, milli % 1_000 / 10),
    };
    format!("{text}/{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_the_unit_that_fits() {
        let hour = 3_600_000_000;
        assert_eq!(rate(44_280, hour), "12.3/s");
        assert_eq!(rate(3_600_000, hour), "1,000/s");
        assert_eq!(rate(270, hour), "4.50/min");
        assert_eq!(rate(1, 10 * hour), "0.10/h");
        assert_eq!(rate(0, hour), "0.00/h");
    }

    #[test]
    fn a_stretch_begins_where_its_name_says() {
        assert_eq!(begin_of("1970-01-02"), Some(24 * HOUR_US));
        assert_eq!(begin_of("1970-01-01T01"), Some(HOUR_US));
        assert_eq!(begin_of(""), None);
    }
}
