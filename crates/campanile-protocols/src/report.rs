//! What a provider has reported: in its own inclusive totals ([`Inclusive`]), and split into disjoint meters.

use crate::decimal::Decimal;
use campanile_core::{Count, Evidence, Meter, Noted};
use serde::Serialize;

/// Inclusive totals, as the OpenTelemetry GenAI conventions count: cached tokens are part of the input,
/// reasoning is part of the output. `None` where the provider said nothing; zero where it said zero.
///
/// These are for comparing with what providers show. Prices need the disjoint [`Meter`]s.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Inclusive {
    /// The model, as the response names it.
    pub model: Option<String>,
    /// All tokens of the prompt.
    pub input_tokens: Option<u64>,
    /// Those that were read from a cache.
    pub cached_input_tokens: Option<u64>,
    /// Those that were written to one.
    pub cache_write_tokens: Option<u64>,
    /// All tokens of the answer.
    pub output_tokens: Option<u64>,
    /// Those spent on thinking; a few servers report more of them than output.
    pub reasoning_tokens: Option<u64>,
    /// Tokens of the prompt that stood for audio.
    pub audio_input_tokens: Option<u64>,
    /// Tokens of the answer that stood for audio.
    pub audio_output_tokens: Option<u64>,
    /// Seconds of audio that were heard, or made.
    pub audio_seconds: Option<Decimal>,
    /// Characters that were billed.
    pub characters: Option<u64>,
}

/// What the seconds of a report measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Audio that the provider says it has processed.
    #[default]
    Heard,
    /// Speech that was made.
    Spoken,
    /// Time for which the session was open, as the provider bills it.
    Open,
    /// Nothing that a meter counts for this wire (the wire is counted instead).
    Aside,
}

/// A usage object of any provider: the inclusive totals, and what else a price needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Report {
    pub(crate) totals: Inclusive,
    /// Part of `cache_write_tokens`: for an hour or longer.
    pub(crate) long_write: Option<u64>,
    /// Part of both `audio_input_tokens` and `cached_input_tokens`.
    pub(crate) cached_audio: Option<u64>,
    /// Parts of the input and of the output.
    pub(crate) image_in: Option<u64>,
    pub(crate) image_out: Option<u64>,
    /// Part of both `image_in` and `cached_input_tokens`.
    pub(crate) cached_image: Option<u64>,
    pub(crate) web_searches: Option<u64>,
    pub(crate) file_searches: Option<u64>,
    /// The provider's own units, in thousandths.
    pub(crate) milli_units: Option<u64>,
    pub(crate) clock: Clock,
}

/// Adds where at least one side is known.
fn sum(known: &mut Option<u64>, more: Option<u64>) {
    if let Some(more) = more {
        *known = Some(known.unwrap_or(0).saturating_add(more));
    }
}

impl Report {
    /// Replaces the counts and keeps the model.
    pub(crate) fn replace(&mut self, mut newer: Report) {
        newer.totals.model = newer.totals.model.take().or(self.totals.model.take());
        *self = newer;
    }

    /// Adds the counts of another turn.
    pub(crate) fn add(&mut self, turn: &Report) {
        let (totals, more) = (&mut self.totals, &turn.totals);
        sum(&mut totals.input_tokens, more.input_tokens);
        sum(&mut totals.cached_input_tokens, more.cached_input_tokens);
        sum(&mut totals.cache_write_tokens, more.cache_write_tokens);
        sum(&mut totals.output_tokens, more.output_tokens);
        sum(&mut totals.reasoning_tokens, more.reasoning_tokens);
        sum(&mut totals.audio_input_tokens, more.audio_input_tokens);
        sum(&mut totals.audio_output_tokens, more.audio_output_tokens);
        sum(&mut totals.characters, more.characters);
        if let Some(more) = more.audio_seconds {
            totals.audio_seconds = Some(totals.audio_seconds.unwrap_or_default().plus(more));
        }
        sum(&mut self.long_write, turn.long_write);
        sum(&mut self.cached_audio, turn.cached_audio);
        sum(&mut self.image_in, turn.image_in);
        sum(&mut self.image_out, turn.image_out);
        sum(&mut self.cached_image, turn.cached_image);
        sum(&mut self.web_searches, turn.web_searches);
        sum(&mut self.file_searches, turn.file_searches);
        sum(&mut self.milli_units, turn.milli_units);
        self.clock = turn.clock;
    }

    /// Whether any count is known.
    pub(crate) fn says_something(&self) -> bool {
        let model = self.totals.model.clone();
        *self
            != Report {
                totals: Inclusive {
                    model,
                    ..Inclusive::default()
                },
                clock: self.clock,
                ..Report::default()
            }
    }

    /// Writes the disjoint meters.
    pub(crate) fn note(&self, noted: &mut Noted) {
        self.note_input(noted);
        self.note_output(noted);
        let seconds = self.totals.audio_seconds.and_then(Decimal::micros);
        match self.clock {
            Clock::Heard => exact(noted, Meter::ServerAudioUs, seconds),
            Clock::Spoken => exact(noted, Meter::SpeechUs, seconds),
            Clock::Open => exact(noted, Meter::SocketUs, seconds),
            Clock::Aside => {}
        }
        exact(noted, Meter::Characters, self.totals.characters);
        exact(noted, Meter::WebSearches, self.web_searches);
        exact(noted, Meter::FileSearches, self.file_searches);
        exact(noted, Meter::MilliUnits, self.milli_units);
    }

    fn note_input(&self, noted: &mut Noted) {
        let totals = &self.totals;
        let [cached, written, audio, image] = self.input_parts();
        let long = self.long_write.unwrap_or(0).min(written);
        let overlap = self.overlap();
        let both = overlap.both(cached);
        if let Some(all) = totals.input_tokens {
            let parts = add(&[cached, written, audio, image]);
            if parts.saturating_sub(both.1) > all {
                return self.note_contradiction(noted, all);
            }
            let fresh = |both: u64| all.saturating_add(both).saturating_sub(parts).min(all);
            bounds(noted, Meter::InputTokens, (fresh(both.0), fresh(both.1)));
        }
        if totals.cached_input_tokens.is_some() {
            let text = without(cached, both);
            bounds(noted, Meter::CachedInputTokens, text);
        }
        if totals.cache_write_tokens.is_some() {
            exact(noted, Meter::CacheWriteTokens, Some(written - long));
        }
        exact(
            noted,
            Meter::LongCacheWriteTokens,
            self.long_write.map(|_| long),
        );
        if totals.audio_input_tokens.is_some() {
            let fresh = without(audio, overlap.audio);
            bounds(noted, Meter::AudioInputTokens, fresh);
        }
        if self.image_in.is_some() {
            let fresh = without(image, overlap.image);
            bounds(noted, Meter::ImageInputTokens, fresh);
        }
        if self.cached_audio.is_some() || overlap.audio.1 > 0 {
            bounds(noted, Meter::CachedAudioTokens, overlap.audio);
        }
        if self.cached_image.is_some() || overlap.image.1 > 0 {
            bounds(noted, Meter::CachedImageTokens, overlap.image);
        }
    }

    /// Cached, written, audio, image: zero where nobody said.
    fn input_parts(&self) -> [u64; 4] {
        [
            self.totals.cached_input_tokens,
            self.totals.cache_write_tokens,
            self.totals.audio_input_tokens,
            self.image_in,
        ]
        .map(Option::unwrap_or_default)
    }

    /// How much of the cache is audio and image: a range, where nobody says.
    fn overlap(&self) -> Overlap {
        let parts = self.input_parts();
        let [cached, _, audio, image] = parts;
        let told = self.cached_audio.is_some() || self.cached_image.is_some();
        // What does not fit beside one another must be the same tokens.
        let spare = self
            .totals
            .input_tokens
            .map_or(0, |all| add(&parts).saturating_sub(all));
        let range = |said: Option<u64>, part: u64, other: u64| {
            let most = part.min(cached);
            match said {
                Some(said) => (said.min(most), said.min(most)),
                None if told => (0, 0),
                None => (spare.saturating_sub(other.min(cached)).min(most), most),
            }
        };
        Overlap {
            audio: range(self.cached_audio, audio, image),
            image: range(self.cached_image, image, audio),
        }
    }

    /// The parts exceed the whole: what is fresh lies anywhere in it, and a part may be less than it says.
    fn note_contradiction(&self, noted: &mut Noted, all: u64) {
        unsure(noted, Meter::InputTokens, 0, all);
        let mut part = |meter, count: Option<u64>| {
            if let Some(count) = count {
                unsure(noted, meter, 0, count);
            }
        };
        part(Meter::CachedInputTokens, self.totals.cached_input_tokens);
        part(Meter::CacheWriteTokens, self.totals.cache_write_tokens);
        part(Meter::LongCacheWriteTokens, self.long_write);
        part(Meter::AudioInputTokens, self.totals.audio_input_tokens);
        part(Meter::CachedAudioTokens, self.cached_audio);
        part(Meter::ImageInputTokens, self.image_in);
        part(Meter::CachedImageTokens, self.cached_image);
    }

    fn note_output(&self, noted: &mut Noted) {
        let totals = &self.totals;
        let parts = [
            (Meter::ReasoningTokens, totals.reasoning_tokens),
            (Meter::AudioOutputTokens, totals.audio_output_tokens),
            (Meter::ImageOutputTokens, self.image_out),
        ];
        let said = add(&parts.map(|(_, count)| count.unwrap_or(0)));
        let Some(all) = totals.output_tokens else {
            for (meter, count) in parts {
                exact(noted, meter, count);
            }
            return;
        };
        if said <= all {
            exact(noted, Meter::OutputTokens, Some(all - said));
            for (meter, count) in parts {
                exact(noted, meter, count);
            }
            return;
        }
        // More parts than whole: they are inside it, as far as they fit, or beside it.
        unsure(noted, Meter::OutputTokens, 0, all);
        for (meter, count) in parts {
            if let Some(count) = count {
                let others = said - count;
                unsure(noted, meter, all.saturating_sub(others).min(count), count);
            }
        }
    }
}

/// Tokens that are counted under two names, at least and at most.
#[derive(Clone, Copy, Debug)]
struct Overlap {
    audio: (u64, u64),
    image: (u64, u64),
}

impl Overlap {
    /// Both together, which are no more than the cache.
    fn both(self, cached: u64) -> (u64, u64) {
        let sum = |a: u64, b: u64| a.saturating_add(b).min(cached);
        (
            sum(self.audio.0, self.image.0),
            sum(self.audio.1, self.image.1),
        )
    }
}

/// What is left of a part without those that are counted elsewhere.
fn without(part: u64, elsewhere: (u64, u64)) -> (u64, u64) {
    (
        part.saturating_sub(elsewhere.1),
        part.saturating_sub(elsewhere.0),
    )
}

fn add(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |sum, part| sum.saturating_add(*part))
}

fn exact(noted: &mut Noted, meter: Meter, count: Option<u64>) {
    if let Some(count) = count {
        noted.usage(meter, Count::exact(count, Evidence::Reported));
    }
}

fn bounds(noted: &mut Noted, meter: Meter, (at_least, at_most): (u64, u64)) {
    if at_least == at_most {
        exact(noted, meter, Some(at_least));
    } else {
        unsure(noted, meter, at_least, at_most);
    }
}

/// What the provider says, and does not quite say: what it has said before is in doubt, too.
fn unsure(noted: &mut Noted, meter: Meter, at_least: u64, at_most: u64) {
    noted.doubt(
        meter,
        Count {
            at_least,
            at_most: Some(at_most),
            evidence: Evidence::Estimated,
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(report: &Report) -> campanile_core::Usage {
        let mut noted = Noted::new();
        report.note(&mut noted);
        *noted.noted_usage().unwrap()
    }

    #[test]
    fn parts_are_taken_out_of_the_whole() {
        let mut report = Report::default();
        report.totals.input_tokens = Some(118);
        report.totals.cached_input_tokens = Some(64);
        report.totals.output_tokens = Some(15);
        report.totals.reasoning_tokens = Some(5);

        let usage = split(&report);

        assert_eq!(usage.at_least(Meter::InputTokens), 54);
        assert_eq!(usage.at_least(Meter::CachedInputTokens), 64);
        assert_eq!(usage.at_least(Meter::OutputTokens), 10);
        assert_eq!(usage.evidence(), Some(Evidence::Reported));
        assert!(usage.is_exact());
        assert_eq!(usage.get(Meter::AudioInputTokens), None);
    }

    #[test]
    fn a_later_report_that_contradicts_itself_leaves_nothing_exact() {
        let tally = campanile_core::Tally::default();
        let said = |input, cached| {
            let mut report = Report::default();
            report.totals.input_tokens = Some(input);
            report.totals.cached_input_tokens = Some(cached);
            let mut noted = Noted::new();
            report.note(&mut noted);
            campanile_core::Facts::usage(&noted, &tally);
            tally.snapshot()
        };
        assert!(said(10, 4).is_exact());

        let usage = said(10, 30);

        for (meter, most) in [(Meter::InputTokens, 10), (Meter::CachedInputTokens, 30)] {
            let count = usage.get(meter).unwrap();
            assert_eq!((count.at_least, count.at_most), (0, Some(most)));
        }
    }

    #[test]
    fn more_cached_than_input_is_a_range() {
        let mut report = Report::default();
        report.totals.input_tokens = Some(10);
        report.totals.cached_input_tokens = Some(15);

        let fresh = split(&report).get(Meter::InputTokens).unwrap();

        assert_eq!(
            (fresh.at_least, fresh.at_most, fresh.evidence),
            (0, Some(10), Evidence::Estimated)
        );
    }

    #[test]
    fn more_reasoning_than_output_is_at_least_the_output() {
        let mut report = Report::default();
        report.totals.output_tokens = Some(128);
        report.totals.reasoning_tokens = Some(130);

        let usage = split(&report);

        assert_eq!(usage.at_least(Meter::ReasoningTokens), 128);
        assert_eq!(
            usage.get(Meter::ReasoningTokens).unwrap().at_most,
            Some(130)
        );
        assert_eq!(usage.at_least(Meter::OutputTokens), 0);
    }

    #[test]
    fn a_cache_of_audio_nobody_spoke_of_is_a_range() {
        let mut report = Report::default();
        report.totals.input_tokens = Some(100);
        report.totals.cached_input_tokens = Some(40);
        report.totals.audio_input_tokens = Some(30);

        let usage = split(&report);

        let fresh = usage.get(Meter::InputTokens).unwrap();
        assert_eq!((fresh.at_least, fresh.at_most), (30, Some(60)));
        let audio = usage.get(Meter::CachedAudioTokens).unwrap();
        assert_eq!((audio.at_least, audio.at_most), (0, Some(30)));
        let fresh = usage.get(Meter::AudioInputTokens).unwrap();
        assert_eq!((fresh.at_least, fresh.at_most), (0, Some(30)));
        let text = usage.get(Meter::CachedInputTokens).unwrap();
        assert_eq!((text.at_least, text.at_most), (10, Some(40)));
    }

    const INPUT: [Meter; 8] = [
        Meter::InputTokens,
        Meter::CachedInputTokens,
        Meter::CacheWriteTokens,
        Meter::LongCacheWriteTokens,
        Meter::AudioInputTokens,
        Meter::CachedAudioTokens,
        Meter::ImageInputTokens,
        Meter::CachedImageTokens,
    ];
    const OUTPUT: [Meter; 4] = [
        Meter::OutputTokens,
        Meter::ReasoningTokens,
        Meter::AudioOutputTokens,
        Meter::ImageOutputTokens,
    ];

    fn part() -> impl proptest::strategy::Strategy<Value = Option<u64>> {
        proptest::option::of(0_u64..40)
    }

    proptest::proptest! {
        #[test]
        fn the_meters_hold_the_whole_between_them(
            all in 0_u64..100, made in 0_u64..100,
            [cached, written, long, audio, image, reasoning, spoken, drawn] in proptest::array::uniform8(part()),
            [both, both_too] in proptest::array::uniform2(part()),
        ) {
            let mut report = Report {
                long_write: long,
                cached_audio: both,
                cached_image: both_too,
                image_in: image,
                image_out: drawn,
                ..Report::default()
            };
            report.totals.input_tokens = Some(all);
            report.totals.cached_input_tokens = cached;
            report.totals.cache_write_tokens = written;
            report.totals.audio_input_tokens = audio;
            report.totals.output_tokens = Some(made);
            report.totals.reasoning_tokens = reasoning;
            report.totals.audio_output_tokens = spoken;

            let usage = split(&report);

            for (whole, meters) in [(all, &INPUT[..]), (made, &OUTPUT[..])] {
                let counts = || meters.iter().filter_map(|meter| usage.get(*meter));
                let least: u64 = counts().map(|count| count.at_least).sum();
                let most: u64 = counts().filter_map(|count| count.at_most).sum();
                proptest::prop_assert!(least <= whole && whole <= most, "{least} {whole} {most} {usage:?}");
            }
        }
    }

    #[test]
    fn absurd_counts_do_not_wrap() {
        let mut report = Report::default();
        report.totals.input_tokens = Some(1);
        report.totals.cached_input_tokens = Some(u64::MAX);
        report.totals.cache_write_tokens = Some(u64::MAX);
        report.totals.audio_input_tokens = Some(u64::MAX);
        report.totals.output_tokens = Some(0);
        report.totals.reasoning_tokens = Some(u64::MAX);
        report.totals.audio_output_tokens = Some(u64::MAX);

        assert_eq!(split(&report).at_least(Meter::InputTokens), 0);
    }
}
