//! From totals that hold one another to disjoint meters.

use campanile_core::{Count, Evidence, Meter, Reason, Usage};

/// Counts as most vendors report them: `input_tokens` is the whole prompt, `output_tokens` the whole answer,
/// and the others say what part of them was cached, sound, or thought. `None`: not reported.
///
/// ```
/// use campanile_core::{Evidence, Meter};
/// use campanile_pricing::Inclusive;
///
/// let mut counts = Inclusive::default();
/// counts.input_tokens = Some(20_000);
/// counts.cache_read_tokens = Some(16_384);
/// let (usage, doubt) = counts.to_usage(Evidence::Reported);
///
/// assert_eq!(usage.at_least(Meter::InputTokens), 3_616);
/// assert_eq!(usage.at_least(Meter::CachedInputTokens), 16_384);
/// assert_eq!(doubt, None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inclusive {
    /// The whole prompt: text, sound, images, cached and cache-written.
    pub input_tokens: Option<u64>,
    /// The whole answer: text, sound, images, thoughts.
    pub output_tokens: Option<u64>,
    /// The part of the prompt that was read from a cache, of whatever kind.
    pub cache_read_tokens: Option<u64>,
    /// The part of the prompt that was written to a cache for a short life.
    pub cache_write_tokens: Option<u64>,
    /// The part of the prompt that was written to a cache for an hour or longer.
    pub long_cache_write_tokens: Option<u64>,
    /// The part of the prompt that was sound, cached or not.
    pub input_audio_tokens: Option<u64>,
    /// The part of the prompt that was images, cached or not.
    pub input_image_tokens: Option<u64>,
    /// The part of the cached tokens that was sound.
    pub cache_read_audio_tokens: Option<u64>,
    /// The part of the cached tokens that was images.
    pub cache_read_image_tokens: Option<u64>,
    /// The part of the answer that was thoughts.
    pub reasoning_tokens: Option<u64>,
    /// The part of the answer that was sound.
    pub output_audio_tokens: Option<u64>,
    /// The part of the answer that was images.
    pub output_image_tokens: Option<u64>,
}

impl Inclusive {
    /// The counts by meter.
    ///
    /// Where the parts are larger than their whole, each meter gets a range and the second value is
    /// [`Reason::Contradiction`]: add it to the cost. Where sound was sent and the cached part is not split by
    /// kind, both splits are in the range. Sums stay within `u64`; nothing here panics or wraps.
    #[must_use]
    pub fn to_usage(&self, evidence: Evidence) -> (Usage, Option<Reason>) {
        let mut usage = Usage::new();
        let prompt = self.prompt(&mut usage, evidence);
        let answer = self.answer(&mut usage, evidence);
        let doubt = (prompt.is_none() || answer.is_none()).then_some(Reason::Contradiction);
        (usage, doubt)
    }

    /// `None` where the counts contradict one another.
    fn prompt(&self, usage: &mut Usage, evidence: Evidence) -> Option<()> {
        let parts = [
            (Meter::CacheWriteTokens, self.cache_write_tokens),
            (Meter::LongCacheWriteTokens, self.long_cache_write_tokens),
            (Meter::AudioInputTokens, self.input_audio_tokens),
            (Meter::ImageInputTokens, self.input_image_tokens),
            (Meter::CachedInputTokens, self.cache_read_tokens),
            (Meter::CachedAudioTokens, self.cache_read_audio_tokens),
            (Meter::CachedImageTokens, self.cache_read_image_tokens),
        ];
        if self.input_tokens.is_none() && parts.iter().all(|(_, part)| part.is_none()) {
            return Some(());
        }
        let split = self.input_tokens.and_then(|whole| self.split_prompt(whole));
        let Some(split) = split else {
            contradiction(usage, Meter::InputTokens, self.input_tokens, &parts);
            return None;
        };
        usage.set(Meter::InputTokens, ranged(split.text, evidence));
        let stated = |known: bool, count: (u64, u64)| known || count.1 > 0;
        let cached = self.cache_read_tokens.is_some();
        let audio = self.input_audio_tokens.is_some();
        let image = self.input_image_tokens.is_some();
        let exact = |part: Option<u64>| (part.unwrap_or(0), part.unwrap_or(0));
        for (meter, known, count) in [
            (Meter::CachedInputTokens, cached, split.cached_text),
            (
                Meter::CacheWriteTokens,
                self.cache_write_tokens.is_some(),
                exact(self.cache_write_tokens),
            ),
            (
                Meter::LongCacheWriteTokens,
                self.long_cache_write_tokens.is_some(),
                exact(self.long_cache_write_tokens),
            ),
            (Meter::AudioInputTokens, audio, split.audio),
            (
                Meter::CachedAudioTokens,
                self.cache_read_audio_tokens.is_some(),
                split.cached_audio,
            ),
            (Meter::ImageInputTokens, image, split.image),
            (
                Meter::CachedImageTokens,
                self.cache_read_image_tokens.is_some(),
                split.cached_image,
            ),
        ] {
            if stated(known, count) {
                usage.set(meter, ranged(count, evidence));
            }
        }
        Some(())
    }

    fn split_prompt(&self, whole: u64) -> Option<Split> {
        let audio = self.input_audio_tokens.unwrap_or(0);
        let image = self.input_image_tokens.unwrap_or(0);
        let cached = self.cache_read_tokens;
        let kinds = self
            .cache_read_audio_tokens
            .unwrap_or(0)
            .checked_add(self.cache_read_image_tokens.unwrap_or(0))?;
        let cached = cached.unwrap_or(kinds);
        let text = whole
            .checked_sub(audio)?
            .checked_sub(image)?
            .checked_sub(self.cache_write_tokens.unwrap_or(0))?
            .checked_sub(self.long_cache_write_tokens.unwrap_or(0))?;
        // Each kind's cached part lies between what the other kinds cannot hold and what it can hold itself.
        let range = |stated: Option<u64>, own: u64, others: u64| match stated {
            Some(stated) => (stated <= own).then_some((stated, stated)),
            None => Some((cached.saturating_sub(others), cached.min(own))),
        };
        let total = text.checked_add(audio)?.checked_add(image)?;
        if cached > total || kinds > cached {
            return None;
        }
        let most = |stated: Option<u64>, own: u64| stated.unwrap_or(own);
        let (most_audio, most_image) = (
            most(self.cache_read_audio_tokens, audio),
            most(self.cache_read_image_tokens, image),
        );
        let cached_audio = range(
            self.cache_read_audio_tokens,
            audio,
            text.checked_add(most_image)?,
        )?;
        let cached_image = range(
            self.cache_read_image_tokens,
            image,
            text.checked_add(most_audio)?,
        )?;
        let others = |audio: u64, image: u64| audio.checked_add(image);
        let cached_text = (
            cached.saturating_sub(others(cached_audio.1, cached_image.1)?),
            cached
                .checked_sub(others(cached_audio.0, cached_image.0)?)?
                .min(text),
        );
        if cached_text.0 > text {
            return None;
        }
        let rest =
            |own: u64, part: (u64, u64)| Some((own.checked_sub(part.1)?, own.checked_sub(part.0)?));
        Some(Split {
            text: rest(text, cached_text)?,
            cached_text,
            audio: rest(audio, cached_audio)?,
            cached_audio,
            image: rest(image, cached_image)?,
            cached_image,
        })
    }

    fn answer(&self, usage: &mut Usage, evidence: Evidence) -> Option<()> {
        let parts = [
            (Meter::ReasoningTokens, self.reasoning_tokens),
            (Meter::AudioOutputTokens, self.output_audio_tokens),
            (Meter::ImageOutputTokens, self.output_image_tokens),
        ];
        if self.output_tokens.is_none() && parts.iter().all(|(_, part)| part.is_none()) {
            return Some(());
        }
        let text = self.output_tokens.and_then(|whole| {
            let mut parts = parts.iter();
            parts.try_fold(whole, |left, (_, part)| left.checked_sub(part.unwrap_or(0)))
        });
        let Some(text) = text else {
            contradiction(usage, Meter::OutputTokens, self.output_tokens, &parts);
            return None;
        };
        usage.set(Meter::OutputTokens, Count::exact(text, evidence));
        for (meter, part) in parts {
            if let Some(part) = part {
                usage.set(meter, Count::exact(part, evidence));
            }
        }
        Some(())
    }
}

/// Each kind of the prompt, as ranges.
struct Split {
    text: (u64, u64),
    cached_text: (u64, u64),
    audio: (u64, u64),
    cached_audio: (u64, u64),
    image: (u64, u64),
    cached_image: (u64, u64),
}

fn ranged((at_least, at_most): (u64, u64), evidence: Evidence) -> Count {
    let exact = at_least == at_most;
    Count {
        at_least,
        at_most: Some(at_most),
        evidence: if exact {
            evidence
        } else {
            evidence.min(Evidence::Estimated)
        },
    }
}

/// Parts that do not fit their whole: each lies between nothing and the larger of both.
fn contradiction(
    usage: &mut Usage,
    whole: Meter,
    total: Option<u64>,
    parts: &[(Meter, Option<u64>)],
) {
    let range = |at_most: Option<u64>| Count {
        at_least: 0,
        at_most,
        evidence: Evidence::Estimated,
    };
    usage.set(whole, range(total));
    for (meter, part) in parts {
        if let Some(part) = part {
            usage.set(
                *meter,
                range(Some(total.map_or(*part, |total| total.max(*part)))),
            );
        }
    }
}

/// A decimal number of seconds (`"59.999"`), in microseconds and without a float. What is finer than a
/// microsecond becomes a range of one; `None` for anything else than a number.
///
/// ```
/// use campanile_core::{Count, Evidence};
/// use campanile_pricing::audio_us;
///
/// assert_eq!(audio_us("59.999", Evidence::Reported), Some(Count::exact(59_999_000, Evidence::Reported)));
/// assert_eq!(audio_us("1e3", Evidence::Reported), None);
/// ```
#[must_use]
pub fn audio_us(seconds: &str, evidence: Evidence) -> Option<Count> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let micros = fraction.bytes().chain(std::iter::repeat(b'0')).take(6);
    let micros = micros.fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    let at_least = whole
        .parse::<u64>()
        .ok()?
        .checked_mul(1_000_000)?
        .checked_add(micros)?;
    let finer = fraction.bytes().skip(6).any(|digit| digit != b'0');
    if !finer {
        return Some(Count::exact(at_least, evidence));
    }
    Some(ranged((at_least, at_least.checked_add(1)?), evidence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(input: u64, cached: Option<u64>, audio: Option<u64>) -> Inclusive {
        Inclusive {
            input_tokens: Some(input),
            cache_read_tokens: cached,
            input_audio_tokens: audio,
            ..Inclusive::default()
        }
    }

    #[test]
    fn cached_sound_is_inside_both_sound_and_cached() {
        let mut given = counts(20_000, Some(9_000), Some(12_000));
        given.cache_read_audio_tokens = Some(6_000);

        let (usage, doubt) = given.to_usage(Evidence::Reported);

        assert_eq!(doubt, None);
        let count = |meter| usage.get(meter).unwrap();
        assert_eq!(
            count(Meter::InputTokens),
            Count::exact(5_000, Evidence::Reported)
        );
        assert_eq!(count(Meter::CachedInputTokens).at_least, 3_000);
        assert_eq!(count(Meter::AudioInputTokens).at_least, 6_000);
        assert_eq!(count(Meter::CachedAudioTokens).at_least, 6_000);
    }

    #[test]
    fn an_unknown_split_holds_both_splits() {
        let (usage, doubt) = counts(1_000, Some(300), Some(800)).to_usage(Evidence::Reported);

        assert_eq!(doubt, None);
        let range = |meter| {
            usage
                .get(meter)
                .map(|count| (count.at_least, count.at_most))
        };
        assert_eq!(range(Meter::CachedInputTokens), Some((0, Some(200))));
        assert_eq!(range(Meter::CachedAudioTokens), Some((100, Some(300))));
        assert_eq!(range(Meter::InputTokens), Some((0, Some(200))));
        assert_eq!(range(Meter::AudioInputTokens), Some((500, Some(700))));
    }

    #[test]
    fn more_cached_than_sent_is_a_contradiction_and_a_range() {
        let (usage, doubt) = counts(10, Some(16), None).to_usage(Evidence::Reported);

        assert_eq!(doubt, Some(Reason::Contradiction));
        assert_eq!(usage.get(Meter::InputTokens).unwrap().at_most, Some(10));
        assert_eq!(
            usage.get(Meter::CachedInputTokens).unwrap().at_most,
            Some(16)
        );
        assert!(!usage.is_exact());
    }

    #[test]
    fn parts_without_their_whole_are_not_a_bill() {
        let given = Inclusive {
            reasoning_tokens: Some(5),
            ..Inclusive::default()
        };

        let (usage, doubt) = given.to_usage(Evidence::Reported);

        assert_eq!(doubt, Some(Reason::Contradiction));
        assert_eq!(
            usage.get(Meter::OutputTokens).map(|count| count.at_most),
            Some(None)
        );
    }

    #[test]
    fn seconds_are_read_exactly() {
        let micros =
            |text| audio_us(text, Evidence::Reported).map(|count| (count.at_least, count.at_most));
        assert_eq!(micros("0"), Some((0, Some(0))));
        assert_eq!(micros("125.35"), Some((125_350_000, Some(125_350_000))));
        assert_eq!(micros("0.0000011"), Some((1, Some(2))));
        for bad in ["", ".5", "5.", "-1", "1e3", " 1", "99999999999999999999"] {
            assert_eq!(micros(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_token_is_lost_or_made_up(
            input in 0_u64..5_000, cached in 0_u64..5_000, audio in 0_u64..5_000,
            split in proptest::option::of(0_u64..5_000), write in 0_u64..5_000,
        ) {
            let mut given = counts(input, Some(cached), Some(audio));
            given.cache_read_audio_tokens = split;
            given.cache_write_tokens = Some(write);

            let (usage, doubt) = given.to_usage(Evidence::Reported);

            let least: u64 = usage.quantity();
            let most: u64 = usage.iter().map(|(_, count)| count.at_most.unwrap()).sum();
            prop_assert!(least <= input && input <= most);
            if doubt.is_none() && split.is_some() {
                prop_assert_eq!(least, input);
                prop_assert_eq!(most, input);
            }
        }
    }
}
