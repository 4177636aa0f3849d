//! One row of the book: under which conditions it holds, what it bills, where it comes from.

use crate::rate::Ratio;
use campanile_core::{Meter, Mode, Name, Timestamp};

/// How a price is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The vendor's price list says it (or a data set that copies it).
    Listed,
    /// Worked out from another price; its amounts are a range.
    Derived,
    /// Guessed, by the vendor or by somebody else; its amounts are a range.
    Estimated,
    /// Seen on a bill.
    Observed,
    /// Agreed on; every row of an override is.
    Negotiated,
}

impl Kind {
    /// The word in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Listed => "listed",
            Kind::Derived => "derived",
            Kind::Estimated => "estimated",
            Kind::Observed => "observed",
            Kind::Negotiated => "negotiated",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [
            Kind::Listed,
            Kind::Derived,
            Kind::Estimated,
            Kind::Observed,
            Kind::Negotiated,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }
}

/// Where a price comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The page or data set.
    pub page: String,
    /// When it was read.
    pub checked: Timestamp,
    /// What it says.
    pub says: String,
    /// How sure that is.
    pub kind: Kind,
    /// What other sources say, and why they lost.
    pub over: Option<String>,
}

/// Which count of the audio is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpeechClock {
    /// What was sent.
    Audio,
    /// What the provider says it processed.
    Server,
    /// How long the connection was open.
    Socket,
    /// The longest of them.
    Max,
}

/// How channels count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channels {
    Each,
    Once,
    Unstated,
}

/// Half-open part of the UTC day, in minutes; may run over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hours {
    pub(crate) from: u16,
    pub(crate) to: u16,
}

impl Hours {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        let minute = |text: &str| {
            let (hour, minute) = text.split_once(':')?;
            let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
            (hour < 24 && minute < 60).then_some(hour * 60 + minute)
        };
        let hours = Self {
            from: minute(from)?,
            to: minute(to)?,
        };
        (hours.from != hours.to).then_some(hours)
    }

    pub(crate) fn hold(self, minute: u16) -> bool {
        if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }

    pub(crate) fn meet(self, other: Self) -> bool {
        self.hold(other.from) || other.hold(self.from)
    }
}

/// How audio is rounded up, in microseconds; zero: not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rounding {
    pub(crate) least: u64,
    pub(crate) step: u64,
}

/// The most tokens of one prompt and of one answer that a model takes; zero: nobody says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) prompt: u64,
    pub(crate) answer: u64,
}

impl Limit {
    /// No count of this meter is more, where that is known.
    pub(crate) fn of(self, meter: Meter) -> Option<u64> {
        let most = match meter {
            Meter::InputTokens
            | Meter::CachedInputTokens
            | Meter::CacheWriteTokens
            | Meter::LongCacheWriteTokens
            | Meter::AudioInputTokens
            | Meter::CachedAudioTokens
            | Meter::ImageInputTokens
            | Meter::CachedImageTokens => self.prompt,
            Meter::OutputTokens
            | Meter::ReasoningTokens
            | Meter::AudioOutputTokens
            | Meter::ImageOutputTokens => self.answer,
            _ => 0,
        };
        (most > 0).then_some(most)
    }
}

/// The conditions of a row; `None` holds for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct When {
    pub(crate) mode: Option<Mode>,
    pub(crate) tier: Option<Box<str>>,
    pub(crate) plan: Option<Box<str>>,
    pub(crate) region: Option<Box<str>>,
    pub(crate) hours: Option<Hours>,
}

fn apart<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
    matches!((a, b), (Some(a), Some(b)) if a != b)
}

fn holds<T: PartialEq>(part: &Option<T>, whole: &Option<T>) -> bool {
    part.is_none() || part == whole
}

impl When {
    /// A bit for each condition that there is: mode, tier, plan, region, hours.
    pub(crate) fn asks(&self) -> u8 {
        u8::from(self.mode.is_some())
            | u8::from(self.tier.is_some()) << 1
            | u8::from(self.plan.is_some()) << 2
            | u8::from(self.region.is_some()) << 3
            | u8::from(self.hours.is_some()) << 4
    }

    /// How many conditions there are: the most specific row wins.
    pub(crate) fn weight(&self) -> u32 {
        self.asks().count_ones()
    }

    /// Whether both can hold at once.
    pub(crate) fn meets(&self, other: &When) -> bool {
        let hours = match (self.hours, other.hours) {
            (Some(a), Some(b)) => a.meet(b),
            _ => true,
        };
        hours
            && !apart(&self.mode, &other.mode)
            && !apart(&self.tier, &other.tier)
            && !apart(&self.plan, &other.plan)
            && !apart(&self.region, &other.region)
    }

    /// Whether this has each condition of `part`.
    pub(crate) fn includes(&self, part: &When) -> bool {
        holds(&part.mode, &self.mode)
            && holds(&part.tier, &self.tier)
            && holds(&part.plan, &self.plan)
            && holds(&part.region, &self.region)
            && holds(&part.hours, &self.hours)
    }
}

/// The rates that hold from one size of the prompt on.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    /// Holds for prompts of more tokens than this; the first sheet holds for all others.
    pub(crate) over: u64,
    /// A bit for each meter that has a rate. The clocks share [`Meter::AudioUs`].
    pub(crate) priced: u32,
    /// Those that the file states; the others follow from them.
    pub(crate) stated: u32,
    /// Grains for one count.
    pub(crate) rates: [i128; Meter::COUNT],
}

impl Sheet {
    pub(crate) const fn new() -> Self {
        Self {
            over: 0,
            priced: 0,
            stated: 0,
            rates: [0; Meter::COUNT],
        }
    }

    pub(crate) fn state(&mut self, meter: Meter, rate: i128) {
        self.rates[meter.index()] = rate;
        self.priced |= bit(meter);
        self.stated |= bit(meter);
    }

    pub(crate) fn rate(&self, meter: Meter) -> Option<i128> {
        (self.priced & bit(meter) != 0).then(|| self.rates[meter.index()])
    }

    /// Gives the meters without a rate of their own the one they bill at.
    pub(crate) fn complete(&mut self) {
        let follows = [
            (Meter::CachedInputTokens, Meter::InputTokens),
            (Meter::ReasoningTokens, Meter::OutputTokens),
            (Meter::CachedAudioTokens, Meter::AudioInputTokens),
            // A picture bills as text where a row does not say otherwise; a sound never does.
            (Meter::ImageInputTokens, Meter::InputTokens),
        ];
        let own_image = self.rate(Meter::ImageInputTokens).is_some();
        let own_write = self.rate(Meter::CacheWriteTokens).is_some();
        for (meter, like) in follows {
            self.follow(meter, like);
        }
        let cached_image = if own_image {
            Meter::ImageInputTokens
        } else {
            Meter::CachedInputTokens
        };
        self.follow(Meter::CachedImageTokens, cached_image);
        if !own_write {
            // Writing to a cache costs nothing extra where it has no price. Where only the short one has,
            // the long one stays unpriced: it is dearer.
            self.follow(Meter::CacheWriteTokens, Meter::InputTokens);
            self.follow(Meter::LongCacheWriteTokens, Meter::InputTokens);
        }
    }

    fn follow(&mut self, meter: Meter, like: Meter) {
        if self.priced & bit(meter) == 0
            && let Some(rate) = self.rate(like)
        {
            self.rates[meter.index()] = rate;
            self.priced |= bit(meter);
        }
    }
}

pub(crate) const fn bit(meter: Meter) -> u32 {
    1 << meter.index()
}

/// What names of terms multiply a price by.
pub(crate) type Factors = Box<[(Box<str>, Ratio)]>;

/// Something extra with a price of its own.
#[derive(Clone, Debug)]
pub(crate) struct Addon {
    pub(crate) name: Box<str>,
    /// Grains for one count of `meter`.
    pub(crate) rate: i128,
    pub(crate) meter: Meter,
    pub(crate) entry: Name,
}

/// One row of the book.
#[derive(Clone, Debug)]
pub struct Row {
    pub(crate) entry: Name,
    pub(crate) vendor: Box<str>,
    pub(crate) models: Box<[String]>,
    pub(crate) when: When,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    /// Of rising `over`; the first is the base. Empty where the vendor publishes no price.
    pub(crate) sheets: Box<[Sheet]>,
    pub(crate) free: u32,
    pub(crate) clock: SpeechClock,
    pub(crate) channels: Channels,
    pub(crate) rounding: Rounding,
    pub(crate) limit: Limit,
    /// Those that some sources state and others do not.
    pub(crate) disputed: Rounding,
    pub(crate) addons: Box<[Addon]>,
    pub(crate) voices: Factors,
    pub(crate) regions: Factors,
    pub(crate) tiers: Factors,
    pub(crate) usual: bool,
    pub(crate) retired: bool,
    pub(crate) overrides: bool,
    pub(crate) spread: Ratio,
    pub(crate) odd: Option<String>,
    pub(crate) published: Box<[(Option<u64>, String, String)]>,
    pub(crate) regular: Box<[(String, String)]>,
    pub(crate) source: Source,
}

impl Row {
    /// The row's name, as [`Line::entry`](campanile_core::Line) has it.
    #[must_use]
    pub fn entry(&self) -> &Name {
        &self.entry
    }

    /// Who bills.
    #[must_use]
    pub fn vendor(&self) -> &str {
        &self.vendor
    }

    /// The names it prices; a pattern ends in `*`.
    #[must_use]
    pub fn models(&self) -> &[String] {
        &self.models
    }

    /// The moment from which it holds; `None`: ever since.
    #[must_use]
    pub fn from(&self) -> Option<Timestamp> {
        (self.from != Timestamp(i64::MIN)).then_some(self.from)
    }

    /// The moment from which it holds no longer; `None`: until further notice.
    #[must_use]
    pub fn to(&self) -> Option<Timestamp> {
        (self.to != Timestamp(i64::MAX)).then_some(self.to)
    }

    /// The mode it asks for.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        self.when.mode
    }

    /// The service tier it asks for.
    #[must_use]
    pub fn tier(&self) -> Option<&str> {
        self.when.tier.as_deref()
    }

    /// The plan it asks for.
    #[must_use]
    pub fn plan(&self) -> Option<&str> {
        self.when.plan.as_deref()
    }

    /// The region it asks for.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.when.region.as_deref()
    }

    /// The rates as published: for prompts above how many tokens, which meter, how much. Empty where the
    /// vendor publishes no price.
    pub fn rates(&self) -> impl Iterator<Item = (Option<u64>, &str, &str)> {
        self.published
            .iter()
            .map(|(above, meter, rate)| (*above, meter.as_str(), rate.as_str()))
    }

    /// What a promotion returns to: meter and rate.
    pub fn regular(&self) -> impl Iterator<Item = (&str, &str)> {
        self.regular
            .iter()
            .map(|(meter, rate)| (meter.as_str(), rate.as_str()))
    }

    /// The most tokens of one prompt, and of one answer, that its models take: the upper bound of a count that has
    /// none of its own.
    #[must_use]
    pub fn limits(&self) -> (Option<u64>, Option<u64>) {
        let known = |most: u64| (most > 0).then_some(most);
        (known(self.limit.prompt), known(self.limit.answer))
    }

    /// Where the price comes from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Whether the vendor no longer offers it under this name. It still bills.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.retired
    }

    /// Whether the model is known and has no published price.
    #[must_use]
    pub fn is_unpriced(&self) -> bool {
        self.sheets.is_empty()
    }

    pub(crate) fn holds_at(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    pub(crate) fn overlaps(&self, other: &Row) -> bool {
        self.from < other.to && other.from < self.to
    }
}
