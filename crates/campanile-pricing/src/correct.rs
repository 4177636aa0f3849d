//! A row at another price: what a bill says that the list does not.

use crate::row::{Channels, Kind, Row, Sheet, SpeechClock};
use campanile_core::{Mode, Money, Timestamp};
use std::fmt::Write as _;

/// Parts of a factor: it is a whole number of these.
const BILLIONTHS: i128 = 1_000_000_000;
/// Places of a corrected rate behind the point: as many as any unit takes.
const PLACES: u32 = 12;

impl Row {
    /// This row with all its rates and extras multiplied by `paid / listed`, from `since` on, as the text of an override file;
    /// `says` is where the factor comes from. `None` where the factor is not positive, or the row has no price or holds for
    /// some hours of a day only.
    #[must_use]
    pub fn corrected(
        &self,
        models: &[&str],
        paid: Money,
        listed: Money,
        since: Timestamp,
        says: &str,
    ) -> Option<String> {
        let factor = factor(paid, listed)?;
        if self.is_unpriced() || self.when.hours.is_some() {
            return None;
        }
        let (year, month, day, _) = since.civil();
        let date = format!("{year:04}-{month:02}-{day:02}");
        let mut text = String::from("[[price]]\n");
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "{name} = {value}");
        };
        line("vendor", quoted(&self.vendor));
        line("model", listed_names(models));
        if let Some(when) = self.conditions() {
            line("when", when);
        }
        line("from", format!("{date}T00:00:00Z"));
        let (_, above) = self.sheets.split_first()?;
        line("rates", self.scaled(None, factor)?);
        if !above.is_empty() {
            line("above", self.above(above, factor)?);
        }
        self.shape(&mut line, factor)?;
        let (name, says) = (Kind::Observed.name(), quoted(says));
        line(
            "source",
            format!(
                "{{ page = \"reconcile\", checked = {date}, says = {says}, kind = {} }}",
                quoted(name)
            ),
        );
        Some(text)
    }

    /// What bills beside the rates, and how.
    fn shape(&self, line: &mut impl FnMut(&str, String), factor: i128) -> Option<()> {
        let clock = match self.clock {
            SpeechClock::Audio => None,
            SpeechClock::Server => Some("server"),
            SpeechClock::Socket => Some("socket"),
            SpeechClock::Max => Some("max"),
        };
        let channels = match self.channels {
            Channels::Each => Some("each"),
            Channels::Once => Some("once"),
            Channels::Unstated => None,
        };
        for (name, word) in [("clock", clock), ("channels", channels)] {
            if let Some(word) = word {
                line(name, quoted(word));
            }
        }
        for (name, us) in [("least", self.rounding.least), ("step", self.rounding.step)] {
            if us > 1 {
                line(name, quoted(&format!("{}ms", us / 1_000)));
            }
        }
        let factors = [
            ("voices", &self.voices),
            ("regions", &self.regions),
            ("tiers", &self.tiers),
        ];
        for (name, factors) in factors
            .into_iter()
            .filter(|(_, factors)| !factors.is_empty())
        {
            let pairs = factors.iter().map(|(name, ratio)| {
                format!("{} = \"{}/{}\"", quoted(name), ratio.over, ratio.under)
            });
            line(name, table(pairs));
        }
        if !self.addons.is_empty() {
            line("addons", self.extras(factor)?);
        }
        if self.usual {
            line("usual", "true".to_owned());
        }
        Some(())
    }

    fn conditions(&self) -> Option<String> {
        let mode = self.when.mode.map(|mode| match mode {
            Mode::Streaming => "streaming",
            _ => "prerecorded",
        });
        let texts = [
            ("mode", mode),
            ("tier", self.when.tier.as_deref()),
            // A row in credits holds for every plan that sells them.
            (
                "plan",
                self.when.plan.as_deref().filter(|_| !self.in_credits()),
            ),
            ("region", self.when.region.as_deref()),
        ];
        let pairs: Vec<_> = texts
            .into_iter()
            .filter_map(|(name, text)| Some(format!("{name} = {}", quoted(text?))))
            .collect();
        (!pairs.is_empty()).then(|| table(pairs.into_iter()))
    }

    fn in_credits(&self) -> bool {
        let in_credits = |(_, _, rate): &(Option<u64>, String, String)| rate.contains("credit");
        self.published.iter().any(in_credits)
    }

    /// Published rates of one size of prompt, multiplied; extras stand among them with a `+`.
    fn scaled(&self, over: Option<u64>, factor: i128) -> Option<String> {
        let of_size = self.published.iter().filter(|(size, _, _)| *size == over);
        let rates = of_size.filter(|(_, meter, _)| !meter.starts_with('+'));
        pairs(
            rates.map(|(_, meter, rate)| (meter.as_str(), rate.as_str())),
            factor,
        )
    }

    fn extras(&self, factor: i128) -> Option<String> {
        let extra = |(_, name, rate): &'_ (Option<u64>, String, String)| {
            Some((name.strip_prefix('+')?.to_owned(), rate.clone()))
        };
        let extras: Vec<_> = self.published.iter().filter_map(extra).collect();
        let extras = extras
            .iter()
            .map(|(name, rate)| (name.as_str(), rate.as_str()));
        pairs(extras, factor)
    }

    fn above(&self, sheets: &[Sheet], factor: i128) -> Option<String> {
        let sheet = |sheet: &Sheet| {
            let rates = self.scaled(Some(sheet.over), factor)?;
            Some(format!(
                "{{ input = {}, edge = \"exclusive\", rates = {rates} }}",
                sheet.over
            ))
        };
        let sheets = sheets.iter().map(sheet).collect::<Option<Vec<_>>>()?;
        Some(format!("[{}]", sheets.join(", ")))
    }
}

fn pairs<'a>(rates: impl Iterator<Item = (&'a str, &'a str)>, factor: i128) -> Option<String> {
    let pair = |(name, rate)| {
        Some(format!(
            "{} = {}",
            quoted(name),
            quoted(&scale(rate, factor)?)
        ))
    };
    let pairs = rates.map(pair).collect::<Option<Vec<_>>>()?;
    Some(table(pairs.into_iter()))
}

fn factor(paid: Money, listed: Money) -> Option<i128> {
    let (paid, listed) = (paid.grains(), listed.grains());
    // Amounts of a fleet leave no room for nine more places: those that are cut off are not worth a cent.
    let small = listed / BILLIONTHS;
    let factor = match paid.checked_mul(BILLIONTHS) {
        Some(paid) => paid.checked_div(listed)?,
        None => paid.checked_div(small)?,
    };
    (paid > 0 && listed > 0 && factor > 0).then_some(factor)
}

/// `0.0048/minute`, `1 credit/character`, times a factor; `30%` of the others stays.
fn scale(rate: &str, factor: i128) -> Option<String> {
    if rate.ends_with('%') {
        return Some(rate.to_owned());
    }
    let end = rate.find(|char: char| !char.is_ascii_digit() && char != '.')?;
    let (number, unit) = rate.split_at(end);
    let number = Money::from_usd(number)?.grains().checked_mul(factor)? / BILLIONTHS;
    let text = Money::from_grains(number).to_usd(PLACES);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    Some(format!(
        "{text}{}",
        unit.replacen(" credit/", " credits/", 1)
    ))
}

fn quoted(text: &str) -> String {
    let plain: String = text
        .chars()
        .filter(|char| !char.is_control())
        .flat_map(|char| match char {
            '"' | '\\' => vec!['\\', char],
            char => vec![char],
        })
        .collect();
    format!("\"{plain}\"")
}

fn listed_names(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| quoted(name)).collect();
    format!("[{}]", names.join(", "))
}

fn table(pairs: impl Iterator<Item = String>) -> String {
    let pairs: Vec<_> = pairs.collect();
    format!("{{ {} }}", pairs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Book;
    use campanile_core::{Billed, Evidence, Meter, Price as _, Terms, Usage};

    /// 2026-11-24T01:50:29Z.
    const AT: Timestamp = Timestamp(1_795_485_029_000_000);

    /// Prices before and after a correction by five fourths.
    fn both(provider: &str, model: &str, terms: &Terms, usage: &Usage) -> (Money, Money) {
        let book = Book::standard();
        let quote = book.explain(provider, model, terms, AT).unwrap();
        let text = quote.rows[0]
            .corrected(
                &[model],
                Money::from_grains(5),
                Money::from_grains(4),
                AT,
                "a \"bill\"",
            )
            .unwrap();
        let corrected = book
            .with_override(&text)
            .unwrap_or_else(|error| panic!("{error}\n{text}"));
        let price = |book: &Book| {
            let cost = book.price(&Billed::new(provider, model, usage, terms, AT));
            assert!(cost.is_exact(), "{:?}\n{text}", cost.why);
            cost.at_least
        };
        (price(&book), price(&corrected))
    }

    #[test]
    fn a_corrected_row_is_the_same_at_another_price() {
        let count = |usage: Usage, meter, count| usage.with(meter, count, Evidence::Reported);
        let mut streaming = Terms::default();
        streaming.mode = Some(Mode::Streaming);
        streaming.addons = vec!["redact".into()];
        let mut sound = Usage::new();
        for clock in [Meter::AudioUs, Meter::ServerAudioUs, Meter::SocketUs] {
            sound = count(sound, clock, 3_600_000_000);
        }
        let tokens = count(
            count(Usage::new(), Meter::InputTokens, 1_000_000),
            Meter::OutputTokens,
            70_000,
        );
        let many = count(Usage::new(), Meter::InputTokens, 300_000);
        let spoken = count(Usage::new(), Meter::Characters, 1_000);
        let cases = [
            ("deepgram", "nova-3", &streaming, sound),
            ("openai", "gpt-4o-mini", &Terms::default(), tokens),
            ("openai", "gpt-5.4", &Terms::default(), many),
            ("cartesia", "sonic-3", &Terms::default(), spoken),
        ];
        for (provider, model, terms, usage) in cases {
            let (before, after) = both(provider, model, terms, &usage);
            assert_eq!(
                before.grains() * 5,
                after.grains() * 4,
                "{provider} {model}"
            );
        }
    }

    #[test]
    fn nothing_is_corrected_by_nothing() {
        let book = Book::standard();
        let rows = book
            .explain("openai", "gpt-4o-mini", &Terms::default(), AT)
            .unwrap();
        for (paid, listed) in [(0, 4), (4, 0), (-1, 4)] {
            let (paid, listed) = (Money::from_grains(paid), Money::from_grains(listed));
            assert_eq!(rows.rows[0].corrected(&["x"], paid, listed, AT, ""), None);
        }
    }
}
