//! A list of published prices, one opinion a line: `provider,model,dimension,unit,usd_per_unit,effective_from,…`.

use campanile_core::{Billed, Evidence, Meter, Mode, Money, Name, Price, Terms, Timestamp, Usage};
use campanile_pricing::Book;
use std::collections::BTreeMap;

/// What sources say of one dimension of one model.
pub(crate) struct Opinion {
    pub(crate) vendor: String,
    pub(crate) model: String,
    pub(crate) dimension: String,
    pub(crate) rates: Vec<Money>,
    meter: Meter,
    count: u64,
    units: Share,
    terms: Terms,
}

/// What the book makes of a published price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Exactly what all sources say, but for what they have rounded.
    Agreed,
    /// What one of the sources says; the others differ.
    Chosen,
    /// A range that holds what one of the sources says.
    Range,
    /// Another price than any source's; the row says what others say, and why.
    Explained,
    /// Another price than any source's, without a word.
    Unexplained,
    /// No price.
    Silent,
}

impl Verdict {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Verdict::Agreed => "agreed",
            Verdict::Chosen => "chosen among several",
            Verdict::Range => "a range that holds it",
            Verdict::Explained => "other than published, explained",
            Verdict::Unexplained => "other than published, unexplained",
            Verdict::Silent => "silent",
        }
    }

    pub(crate) fn is_worth_a_look(self) -> bool {
        matches!(
            self,
            Verdict::Explained | Verdict::Unexplained | Verdict::Silent
        )
    }
}

/// The opinions of a file.
pub(crate) struct Published {
    opinions: BTreeMap<[String; 3], Opinion>,
    left_out: usize,
}

impl Published {
    pub(crate) fn read(csv: &str) -> Result<Self, String> {
        let mut lines = csv.lines();
        let head = lines.next().unwrap_or_default();
        if !head.starts_with("provider,model,dimension,unit,usd_per_unit,effective_from") {
            return Err("the file's first line is not provider,model,dimension,unit,usd_per_unit,effective_from".to_owned());
        }
        let mut published = Self {
            opinions: BTreeMap::new(),
            left_out: 0,
        };
        for line in lines {
            published.take(line);
        }
        Ok(published)
    }

    fn take(&mut self, line: &str) {
        let fields: Vec<&str> = line.split(',').collect();
        let [vendor, model, dimension, unit, usd, from, ..] = fields.as_slice() else {
            return;
        };
        // Of dated prices, the list does not say which of them holds when.
        let opinion = Opinion::new(vendor, model, dimension, unit).filter(|_| from.is_empty());
        let Some((opinion, rate)) = opinion.zip(Money::from_usd(usd)) else {
            self.left_out += 1;
            return;
        };
        let key = [*vendor, *model, *dimension].map(str::to_owned);
        let known = self.opinions.entry(key).or_insert(opinion);
        if !known.rates.contains(&rate) {
            known.rates.push(rate);
        }
    }

    pub(crate) fn prices(&self) -> impl Iterator<Item = &Opinion> {
        self.opinions.values()
    }

    pub(crate) fn left_out(&self) -> usize {
        self.left_out
    }
}

/// Meter, the count that is asked for, and how many units that is. Few tokens, below every context tier; much audio,
/// above every minimum.
fn quantity(dimension: &str, unit: &str) -> Option<(Meter, u64, Share)> {
    const HOUR_US: u64 = 3_600_000_000;
    let meter = match dimension {
        "input" => Meter::InputTokens,
        "output" => Meter::OutputTokens,
        "cache_read" => Meter::CachedInputTokens,
        "cache_write" | "cache_write_5m" => Meter::CacheWriteTokens,
        "cache_write_1h" => Meter::LongCacheWriteTokens,
        "input_audio" => Meter::AudioInputTokens,
        "output_audio" => Meter::AudioOutputTokens,
        "cache_read_audio" => Meter::CachedAudioTokens,
        "audio_in" => Meter::AudioUs,
        "characters_in" => Meter::Characters,
        "web_search" => Meter::WebSearches,
        "file_search" => Meter::FileSearches,
        _ => return None,
    };
    let (count, units) = match unit {
        "mtok" | "mchar" => (1_000, Share(1, 1_000)),
        "kchar" | "kcount" => (1_000, Share(1, 1)),
        "second" => (HOUR_US, Share(3_600, 1)),
        "ksecond" => (HOUR_US, Share(18, 5)),
        "minute" => (HOUR_US, Share(60, 1)),
        "kminute" => (HOUR_US, Share(3, 50)),
        "hour" => (HOUR_US, Share(1, 1)),
        _ => return None,
    };
    Some((meter, count, units))
}

/// So many units, over so many.
#[derive(Clone, Copy)]
struct Share(i128, i128);

impl Share {
    fn of(self, rate: Money) -> Money {
        Money::from_grains(rate.grains() * self.0 / self.1)
    }

    fn unit(self, cost: Money) -> Money {
        Money::from_grains(cost.grains() * self.1 / self.0)
    }
}

impl Opinion {
    fn new(vendor: &str, model: &str, dimension: &str, unit: &str) -> Option<Self> {
        let (base, conditions) = dimension.split_once('|').unwrap_or((dimension, ""));
        let (meter, count, units) = quantity(base, unit)?;
        let mut terms = Terms::default();
        for condition in conditions
            .split('|')
            .filter(|condition| !condition.is_empty())
        {
            match condition {
                "published" => {}
                "streaming" => terms.mode = Some(Mode::Streaming),
                "prerecorded" => terms.mode = Some(Mode::Prerecorded),
                "batch" | "flex" | "priority" => {
                    terms.tier = Name::outside(condition);
                    terms.tier_served = true;
                }
                _ => terms.plan = Some(Name::outside(condition.strip_prefix("plan=")?)?),
            }
        }
        Some(Self {
            vendor: vendor.to_owned(),
            model: model.to_owned(),
            dimension: format!("{dimension} a {unit}"),
            rates: Vec::new(),
            meter,
            count,
            units,
            terms,
        })
    }

    fn cost(&self, book: &Book, at: Timestamp) -> campanile_core::Cost {
        let usage = Usage::new().with(self.meter, self.count, Evidence::Reported);
        book.price(&Billed::new(
            &self.vendor,
            &self.model,
            &usage,
            &self.terms,
            at,
        ))
    }

    /// What the book says a unit costs, where it is sure.
    pub(crate) fn ours(&self, book: &Book, at: Timestamp) -> Option<Money> {
        let cost = self.cost(book, at);
        cost.is_exact().then(|| self.units.unit(cost.at_least))
    }

    pub(crate) fn judge(&self, book: &Book, at: Timestamp) -> Verdict {
        let cost = self.cost(book, at);
        let Some(at_most) = cost.at_most else {
            return Verdict::Silent;
        };
        if !cost.is_exact() {
            let held = |rate: &Money| (cost.at_least..=at_most).contains(&self.units.of(*rate));
            return match self.rates.iter().any(held) {
                true => Verdict::Range,
                false => Verdict::Explained,
            };
        }
        let same = |rate: &&Money| is_near(self.units.of(**rate), cost.at_least);
        let agreeing = self.rates.iter().filter(same).count();
        if agreeing == self.rates.len() {
            return Verdict::Agreed;
        }
        if agreeing > 0 {
            return Verdict::Chosen;
        }
        let quote = book.resolve(&self.vendor, &self.model, &self.terms, at);
        match quote.is_ok_and(|quote| quote.row().source().over.is_some()) {
            true => Verdict::Explained,
            false => Verdict::Unexplained,
        }
    }
}

/// Within what data sets round: 0.02 %.
fn is_near(a: Money, b: Money) -> bool {
    let (a, b) = (a.grains(), b.grains());
    (a - b).abs() <= a.max(b) / 5_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "provider,model,dimension,unit,usd_per_unit,effective_from,source_dataset,source_date\n";

    fn verdicts(lines: &str) -> Vec<Verdict> {
        let published = Published::read(&format!("{HEAD}{lines}")).unwrap();
        let (book, at) = (Book::standard(), Timestamp(1_794_744_000_000_000));
        let verdicts = published.prices().map(|price| price.judge(&book, at));
        verdicts.collect()
    }

    #[test]
    fn each_opinion_is_weighed() {
        assert_eq!(
            verdicts("openai,gpt-4o,input,mtok,2.5,,a,\nopenai,gpt-4o,input,mtok,2.50,,b,\n"),
            [Verdict::Agreed]
        );
        assert_eq!(
            verdicts("openai,gpt-4o,input,mtok,2.5,,a,\nopenai,gpt-4o,input,mtok,5,,b,\n"),
            [Verdict::Chosen]
        );
        assert_eq!(
            verdicts("openai,gpt-0,input,mtok,2.5,,a,\n"),
            [Verdict::Silent]
        );
        assert_eq!(
            verdicts("deepgram,nova-3,audio_in,minute,0.0048,,a,\n"),
            [Verdict::Range]
        );
    }

    #[test]
    fn the_standard_book_says_why_it_differs() {
        let file = crate::shell::root().join("../shared/data/prices.csv");
        let Ok(csv) = std::fs::read_to_string(&file) else {
            crate::shell::say("skipped: no published prices");
            return;
        };
        let published = Published::read(&csv).unwrap();
        let (book, at) = (Book::standard(), Timestamp(1_794_744_000_000_000));
        let unexplained: Vec<String> = published
            .prices()
            .filter(|price| price.judge(&book, at) == Verdict::Unexplained)
            .map(|price| format!("{} {} {}", price.vendor, price.model, price.dimension))
            .collect();
        assert_eq!(unexplained, Vec::<String>::new());
    }

    #[test]
    fn another_file_is_refused() {
        assert!(Published::read("a,b\n").is_err());
    }
}
