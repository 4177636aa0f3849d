//! `campanile cost`: usage in, money out.

use crate::{
    Io,
    fault::Fault,
    lines::{Bad, Blank, each_line},
    moment::{self, Moment},
    money::{Amount, Range},
    nan::without_nan,
    settings::Settings,
    text,
};
use campanile_core::{
    Billed, Count, Evidence, Line, Meter, Mode, Name, Price, Reason, Terms, Timestamp, Usage,
};
use campanile_pricing::{Book, Inclusive, audio_us};
use campanile_protocols::Decimal;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, value::RawValue};
use std::collections::BTreeMap;
use std::fmt;

const EXAMPLES: &str = r#"A line of the input:
  {"id": "c1", "provider": "openai", "model": "gpt-4o-mini",
   "at": "2026-11-15T12:00:00Z", "usage": {"input_tokens": 20000,
   "cache_read_tokens": 16384, "output_tokens": 321}}

In `usage`:
  input_tokens, output_tokens    the whole prompt, the whole answer
  cache_read_tokens, cache_write_tokens, input_audio_tokens, reasoning_tokens, ...
                                 parts of them
  audio_seconds, characters, web_searches, ...
                                 other meters
  mode, service_tier, region, plan, voice, channels, addons
                                 terms of the price

Examples:
  campanile cost < usages.jsonl
  campanile usage < r.jsonl | campanile cost --provider openai --at now
  campanile cost < usages.jsonl | grep '"exact":false'"#;

/// Prices usages, one JSON object a line. An amount is exact, or a range that says why; an unknown price is never zero.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Cost {
    /// Who bills, for lines without a `provider`.
    #[arg(long)]
    provider: Option<String>,
    /// The moment of billing, for lines without an `at`.
    #[arg(long, value_parser = Moment::parse, value_name = "MOMENT")]
    at: Option<Moment>,
}

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(default)]
    id: Value,
    provider: Option<String>,
    model: Option<String>,
    #[serde(borrow)]
    usage: Pairs<'a>,
    at: Option<String>,
}

#[derive(Serialize)]
struct Told<'a> {
    id: &'a Value,
    #[serde(flatten)]
    amount: Amount,
    book: &'a str,
    lines: &'a [Line],
    why: &'a [Reason],
}

impl Cost {
    pub(crate) fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        let (book, now) = (settings.book()?, io.now);
        each_line(io, Blank::Skip, |line, out| {
            let told = self.price(&book, line, now)?;
            Ok(writeln!(out, "{told}")?)
        })
    }
}

impl Cost {
    /// One line of the output for one of the input.
    fn price(&self, book: &Book, line: &[u8], now: Timestamp) -> Result<String, Bad> {
        let mended = without_nan(line);
        let asked: Asked<'_> = serde_json::from_slice(&mended)?;
        let at = match (&asked.at, self.at) {
            (Some(at), _) => billed_at(at)?,
            (None, Some(at)) => at.resolve(now),
            (None, None) => {
                return Err(Bad::line("missing field `at`; --at says it for all lines"));
            }
        };
        let provider = asked.provider.as_ref().or(self.provider.as_ref());
        let provider = provider.ok_or_else(|| {
            Bad::line("missing field `provider`; --provider says it for all lines")
        })?;
        let given = Given::read(&asked.usage)?;
        let model = asked.model.as_ref().or(given.model.as_ref());
        let model = model.ok_or_else(|| Bad::line("missing field `model`"))?;
        let cost = given.price(book, provider, model, at);
        Ok(text::json(&Told {
            id: &asked.id,
            amount: Range::of(&cost).into(),
            book: &cost.book,
            lines: &cost.lines,
            why: &cost.why,
        }))
    }
}

/// The keys and values of an object, each as often as it is there.
pub(super) struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keep;
        impl<'de> Visitor<'de> for Keep {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(Keep).map(Self)
    }
}

/// A moment as records hold it.
pub(super) fn billed_at(text: &str) -> Result<Timestamp, Bad> {
    moment::rfc_3339(text)
        .ok_or_else(|| Bad::line("`at` is no RFC 3339 moment, such as \"2026-11-15T12:00:00Z\""))
}

/// What stands under `usage`.
#[derive(Default)]
pub(super) struct Given {
    counts: Inclusive,
    others: Usage,
    /// Meters whose numbers are none of a count: negative, endless, two at once. They were used all the same.
    absurd: Vec<Meter>,
    /// As `campanile usage` prints it.
    model: Option<String>,
    pub(super) terms: Terms,
}

impl Given {
    /// The counts by meter, and what is wrong with them.
    pub(super) fn usage(&self) -> (Usage, Option<Reason>) {
        let (mut usage, doubt) = self.counts.to_usage(Evidence::Reported);
        usage.absorb(&self.others);
        for meter in &self.absurd {
            self.unknown(&mut usage, *meter);
        }
        (
            usage,
            doubt.or((!self.absurd.is_empty()).then_some(Reason::Contradiction)),
        )
    }

    /// A part of a whole is between none and all of it, and so is the rest; anything else is open.
    fn unknown(&self, usage: &mut Usage, meter: Meter) {
        let (whole, total) = match meter.name() {
            _ if is_no_token(meter) => return usage.set(meter, open()),
            name if name.contains("output") || name.contains("reasoning") => {
                (Meter::OutputTokens, self.counts.output_tokens)
            }
            _ => (Meter::InputTokens, self.counts.input_tokens),
        };
        let at_most = total.filter(|_| whole != meter);
        let range = Count {
            at_least: 0,
            at_most,
            evidence: Evidence::Estimated,
        };
        usage.set(whole, range);
        usage.set(meter, range);
    }

    pub(super) fn price(
        &self,
        book: &Book,
        provider: &str,
        model: &str,
        at: Timestamp,
    ) -> campanile_core::Cost {
        let (usage, doubt) = self.usage();
        let mut cost = book.price(&Billed::new(provider, model, &usage, &self.terms, at));
        if let Some(doubt) = doubt {
            cost.because(doubt);
        }
        cost
    }

    /// A key that is not known is an error: what is left out would be billed all the same.
    ///
    /// A number that is no count is none: what was used is not lost for it, but unknown.
    pub(super) fn read(given: &Pairs<'_>) -> Result<Self, Bad> {
        let mut read = Self::default();
        let mut seen = BTreeMap::new();
        for (key, value) in given.0.iter().filter(|(_, value)| value.get() != "null") {
            let value = value.get();
            let again = seen.insert(key, value).is_some_and(|other| other != value);
            let absurd = again || is_absurd(key, value);
            match read.meter(key).filter(|_| absurd) {
                Some(meter) => read.absurd.push(meter),
                None => read
                    .take(key, value)
                    .map_err(|why| Bad::Line(format!("usage.{key}: {why}")))?,
            }
        }
        Ok(read)
    }

    /// The meter that a key counts.
    fn meter(&mut self, key: &str) -> Option<Meter> {
        let name = match key {
            "audio_seconds" => return Some(Meter::AudioUs),
            "cache_read_tokens" => "cached_input_tokens",
            "cache_read_audio_tokens" => "cached_audio_tokens",
            "cache_read_image_tokens" => "cached_image_tokens",
            "input_audio_tokens" => "audio_input_tokens",
            "input_image_tokens" => "image_input_tokens",
            "output_audio_tokens" => "audio_output_tokens",
            "output_image_tokens" => "image_output_tokens",
            other => other,
        };
        Meter::from_name(name).filter(|meter| is_no_token(*meter) || self.total(key).is_some())
    }

    fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        if let Some(place) = self.total(key) {
            *place = Some(count(value)?);
            return Ok(());
        }
        if self.term(key, value)? {
            return Ok(());
        }
        let (meter, count) = match key {
            "model" => {
                self.model = serde_json::from_str(value).map_err(|_| "is no text")?;
                return Ok(());
            }
            "audio_seconds" => (Meter::AudioUs, seconds(value)?),
            _ => {
                let meter = Meter::from_name(key).filter(|meter| is_no_token(*meter));
                let meter = meter.ok_or(
                    "is no count and no term that is known; `campanile cost --help` lists them",
                )?;
                (meter, Count::exact(count(value)?, Evidence::Reported))
            }
        };
        self.others.set(meter, count);
        Ok(())
    }

    /// Counts that are wholes or parts of wholes, by both names that people give them.
    fn total(&mut self, key: &str) -> Option<&mut Option<u64>> {
        let counts = &mut self.counts;
        Some(match key {
            "input_tokens" => &mut counts.input_tokens,
            "output_tokens" => &mut counts.output_tokens,
            "cache_read_tokens" | "cached_input_tokens" => &mut counts.cache_read_tokens,
            "cache_write_tokens" => &mut counts.cache_write_tokens,
            "long_cache_write_tokens" => &mut counts.long_cache_write_tokens,
            "input_audio_tokens" | "audio_input_tokens" => &mut counts.input_audio_tokens,
            "input_image_tokens" | "image_input_tokens" => &mut counts.input_image_tokens,
            "cache_read_audio_tokens" | "cached_audio_tokens" => {
                &mut counts.cache_read_audio_tokens
            }
            "cache_read_image_tokens" | "cached_image_tokens" => {
                &mut counts.cache_read_image_tokens
            }
            "reasoning_tokens" => &mut counts.reasoning_tokens,
            "output_audio_tokens" | "audio_output_tokens" => &mut counts.output_audio_tokens,
            "output_image_tokens" | "image_output_tokens" => &mut counts.output_image_tokens,
            _ => return None,
        })
    }

    /// Whether the key is a term of the price; takes it.
    fn term(&mut self, key: &str, value: &str) -> Result<bool, String> {
        let name = || -> Result<Option<Name>, String> {
            let text: String = serde_json::from_str(value).map_err(|_| "is no text")?;
            Name::outside(&text)
                .map(Some)
                .ok_or_else(|| "is no name".to_owned())
        };
        match key {
            "mode" => {
                self.terms.mode = Some(match name()?.as_deref() {
                    Some("streaming") => Mode::Streaming,
                    Some("prerecorded") => Mode::Prerecorded,
                    _ => return Err("is `streaming` or `prerecorded`".to_owned()),
                });
            }
            "service_tier" | "tier" => {
                self.terms.tier = name()?;
                self.terms.tier_served = true;
            }
            "region" => self.terms.region = name()?,
            "voice" => self.terms.voice = name()?,
            "plan" => self.terms.plan = name()?,
            "channels" => {
                let channels = u32::try_from(count(value)?);
                self.terms.channels = Some(channels.map_err(|_| "is no number of channels")?);
            }
            "addons" => {
                let names: Vec<String> =
                    serde_json::from_str(value).map_err(|_| "is no list of names")?;
                let names = names.iter().map(|name| Name::outside(name));
                self.terms.addons = names.collect::<Option<_>>().ok_or("is no list of names")?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Meters that are part of no whole.
fn is_no_token(meter: Meter) -> bool {
    !meter.name().ends_with("_tokens")
}

/// A count of which nothing is known.
fn open() -> Count {
    Count {
        at_least: 0,
        at_most: None,
        evidence: Evidence::Unknown,
    }
}

/// A JSON number that nothing can be counted with.
fn is_absurd(key: &str, value: &str) -> bool {
    let number = value.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    number
        && match key {
            "audio_seconds" => seconds(value).is_err(),
            _ => count(value).is_err(),
        }
}

/// A whole number, not negative.
fn count(value: &str) -> Result<u64, String> {
    let whole = || {
        let value = Decimal::parse(value)?;
        value
            .rounded()
            .filter(|count| Decimal::new(*count, 0) == value)
    };
    value
        .parse()
        .ok()
        .or_else(whole)
        .ok_or_else(|| format!("is no whole number from 0 to {}", u64::MAX))
}

/// Seconds as a decimal string or a JSON number, without a float.
fn seconds(value: &str) -> Result<Count, String> {
    let text = value.trim_matches('"');
    let exact = || Decimal::parse(text)?.micros();
    audio_us(text, Evidence::Reported)
        .or_else(|| exact().map(|micros| Count::exact(micros, Evidence::Reported)))
        .ok_or_else(|| "is no decimal number of seconds".to_owned())
}
