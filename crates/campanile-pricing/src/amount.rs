//! Usage times rates: exact integers, bounds, and why they are bounds. Nothing here allocates but
//! [`Quote::lines`].

use crate::{
    rate::{CLOCKS, Ratio},
    row::{Channels, Rounding, Row, Sheet, SpeechClock, bit},
};
use campanile_core::{Count, Evidence, Line, Meter, Money, Name, Reason, Usage};

/// The reasons of an amount, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Why {
    bounded: u32,
    unpriced: u32,
    flags: u16,
}

/// Reasons that name no meter.
const FLAGS: [Reason; 9] = [
    Reason::UnknownModel,
    Reason::KnownButUnpriced,
    Reason::UnknownUsage,
    Reason::AssumedAlias,
    Reason::AssumedTerms,
    Reason::UnsureRate,
    Reason::AmbiguousPrice,
    Reason::Contradiction,
    Reason::Overflow,
];

impl Why {
    pub(crate) fn add(&mut self, reason: Reason) {
        match reason {
            Reason::Bounded(meter) => self.bounded |= bit(meter),
            Reason::UnpricedMeter(meter) => self.unpriced |= bit(meter),
            other => {
                if let Some(at) = FLAGS.iter().position(|flag| *flag == other) {
                    self.flags |= 1 << at;
                }
            }
        }
    }

    pub(crate) fn merge(&mut self, other: Why) {
        self.bounded |= other.bounded;
        self.unpriced |= other.unpriced;
        self.flags |= other.flags;
    }

    fn is_empty(self) -> bool {
        self == Self::default()
    }

    pub(crate) fn reasons(self) -> impl Iterator<Item = Reason> {
        let meters = |bits: u32| {
            Meter::ALL
                .into_iter()
                .filter(move |meter| bits & bit(*meter) != 0)
        };
        let flags = (0..FLAGS.len()).filter(move |at| self.flags & (1 << at) != 0);
        flags
            .map(|at| FLAGS[at])
            .chain(meters(self.unpriced).map(Reason::UnpricedMeter))
            .chain(meters(self.bounded).map(Reason::Bounded))
    }
}

/// What usage costs, without detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// It costs no less than this.
    pub at_least: Money,
    /// It costs no more than this; `None` when nobody can say.
    pub at_most: Option<Money>,
    pub(crate) why: Why,
}

impl Amount {
    /// Why the amount is a range, or rests on an assumption.
    #[must_use]
    pub fn why(&self) -> Vec<Reason> {
        if self.why.is_empty() {
            return Vec::new();
        }
        self.why.reasons().collect()
    }

    /// Whether both bounds are equal.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.at_most == Some(self.at_least)
    }

    fn or(self, other: Amount) -> Amount {
        let mut why = self.why;
        why.merge(other.why);
        Amount {
            at_least: self.at_least.min(other.at_least),
            at_most: self.at_most.zip(other.at_most).map(|(a, b)| a.max(b)),
            why,
        }
    }
}

/// A row that may apply, and what the terms make of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen<'b> {
    pub(crate) row: &'b Row,
    /// The least and the greatest factor that may apply.
    pub(crate) factors: (Ratio, Ratio),
    /// The least and the greatest number of channels that may be billed.
    pub(crate) channels: (u32, u32),
    /// A bit for each add-on of the row that was used.
    pub(crate) addons: u32,
    /// It may cost less than the row says, down to nothing.
    pub(crate) no_floor: bool,
    /// It may cost more than the row says.
    pub(crate) no_ceiling: bool,
}

/// A resolved price: the row (or rows, where the terms leave that open) that will price usage.
///
/// Keep it as long as model, terms and prices stay the same: [`amount`](Quote::amount) is then all that is left
/// to do, and allocates nothing.
#[derive(Clone, Debug)]
pub struct Quote<'b> {
    pub(crate) first: Chosen<'b>,
    pub(crate) others: Vec<Chosen<'b>>,
    pub(crate) why: Why,
}

impl<'b> Quote<'b> {
    /// The row that prices it; the first one where several may.
    #[must_use]
    pub fn row(&self) -> &'b Row {
        self.first.row
    }

    /// The rows that may price it as well.
    pub fn others(&self) -> impl Iterator<Item = &'b Row> {
        self.others.iter().map(|chosen| chosen.row)
    }

    /// What `usage` costs.
    #[must_use]
    pub fn amount(&self, usage: &Usage) -> Amount {
        let mut amount = self.first.amount(usage);
        for other in &self.others {
            amount = amount.or(other.amount(usage));
        }
        amount.why.merge(self.why);
        amount
    }

    /// The lines of the lower bound: one a meter and extra that was billed.
    #[must_use]
    pub fn lines(&self, usage: &Usage) -> Vec<Line> {
        let least = |chosen: &Chosen<'_>| chosen.amount(usage).at_least;
        match self.others.iter().min_by_key(|other| least(other)) {
            Some(other) if least(other) < least(&self.first) => other.lines(usage),
            _ => self.first.lines(usage),
        }
    }
}

/// Both bounds while they grow; a bound that is `None` is lost.
#[derive(Clone, Copy)]
struct Sums {
    least: i128,
    most: Option<i128>,
    overflow: bool,
}

impl Sums {
    const ZERO: Self = Self {
        least: 0,
        most: Some(0),
        overflow: false,
    };

    fn add(&mut self, rate: i128, least: u64, most: Option<u64>) {
        let times = |count: u64| rate.checked_mul(count.into());
        match times(least).and_then(|more| self.least.checked_add(more)) {
            Some(sum) => self.least = sum,
            None => self.overflow = true,
        }
        self.most = match (self.most, most) {
            (Some(sum), Some(most)) => {
                let sum = times(most).and_then(|more| sum.checked_add(more));
                self.overflow |= sum.is_none();
                sum
            }
            // Nothing at any quantity is nothing.
            (sum, None) if rate == 0 => sum,
            _ => None,
        };
    }
}

/// The upper bound that a count has of its own.
fn ceiling(count: Count) -> Option<u64> {
    if count.evidence == Evidence::Unknown {
        None
    } else {
        count.at_most
    }
}

/// What the request itself costs where nobody counted requests: an attempt is one.
fn unsaid_request(sheet: &Sheet, usage: &Usage) -> Option<i128> {
    let fee = sheet.rate(Meter::Requests)?;
    (usage.get(Meter::Requests).is_none() && !usage.is_empty()).then_some(fee)
}

/// Fees do not depend on where something was served: regions, tiers and voices do not multiply them.
fn is_fee(meter: Meter) -> bool {
    matches!(
        meter,
        Meter::Requests | Meter::Messages | Meter::WebSearches | Meter::FileSearches
    )
}

fn is_prompt(meter: Meter) -> bool {
    matches!(
        meter,
        Meter::InputTokens
            | Meter::CachedInputTokens
            | Meter::CacheWriteTokens
            | Meter::LongCacheWriteTokens
            | Meter::AudioInputTokens
            | Meter::CachedAudioTokens
            | Meter::ImageInputTokens
            | Meter::CachedImageTokens
    )
}

impl Chosen<'_> {
    pub(crate) fn amount(&self, usage: &Usage) -> Amount {
        let sheets = &self.row.sheets;
        let (from, to) = match sheets.len() {
            0 => return self.unpriced(),
            1 => (0, 0),
            _ => self.sheets_for(usage),
        };
        let mut amount = self.on_sheet(&sheets[from], usage);
        for sheet in sheets.get(from + 1..=to).unwrap_or_default() {
            amount = amount.or(self.on_sheet(sheet, usage));
            amount.why.add(Reason::AmbiguousPrice);
        }
        self.widened(amount)
    }

    fn unpriced(&self) -> Amount {
        let mut why = Why::default();
        why.add(Reason::KnownButUnpriced);
        Amount {
            at_least: Money::ZERO,
            at_most: None,
            why,
        }
    }

    /// The upper bound of a count: its own, or what the model takes at most. A limit that was passed is none.
    fn most(&self, meter: Meter, count: Count) -> Option<u64> {
        let limit = || self.row.limit.of(meter);
        ceiling(count).or_else(|| limit().filter(|most| *most >= count.at_least))
    }

    /// The first and the last sheet that the size of the prompt may put it on.
    fn sheets_for(&self, usage: &Usage) -> (usize, usize) {
        let (mut least, mut most) = (0_u64, Some(0_u64));
        for (meter, count) in usage.iter().filter(|(meter, _)| is_prompt(*meter)) {
            least = least.saturating_add(count.at_least);
            most = most
                .zip(self.most(meter, count))
                .and_then(|(sum, more)| sum.checked_add(more));
        }
        let sheets = &self.row.sheets;
        let on = |size: u64| {
            sheets
                .iter()
                .rposition(|sheet| sheet.over == 0 || size > sheet.over)
                .unwrap_or(0)
        };
        (on(least), most.map_or(sheets.len() - 1, on))
    }

    fn on_sheet(&self, sheet: &Sheet, usage: &Usage) -> Amount {
        let mut why = Why::default();
        let (mut scaled, mut fees) = (Sums::ZERO, Sums::ZERO);
        if let Some(fee) = unsaid_request(sheet, usage) {
            fees.add(fee, 1, Some(1));
        }
        let (mut saw_priced, mut saw_free) = (false, false);
        for (meter, count) in usage.iter().filter(|(meter, _)| !CLOCKS.contains(meter)) {
            let most = self.most(meter, count);
            if let Some(rate) = sheet.rate(meter) {
                saw_priced = true;
                let sums = if is_fee(meter) {
                    &mut fees
                } else {
                    &mut scaled
                };
                sums.add(rate, count.at_least, most);
                for addon in self.addons_on(meter) {
                    scaled.add(addon, count.at_least, most);
                }
                if most != Some(count.at_least) && rate != 0 {
                    why.add(unsure(meter, count));
                }
            } else if self.row.free & bit(meter) != 0 {
                saw_free |= most != Some(0);
            } else if most != Some(0) {
                saw_priced = true;
                why.add(Reason::UnpricedMeter(meter));
                scaled.most = None;
            }
        }
        if let Some((meter, count)) = audio(self.row.clock, usage) {
            self.add_audio(
                sheet,
                meter,
                count,
                &mut scaled,
                &mut why,
                (&mut saw_priced, &mut saw_free),
            );
        }
        if !saw_priced {
            // Counted in a unit that this model is not billed by, or not counted at all: that is not nothing.
            let only_open = usage.iter().all(|(meter, _)| meter == Meter::SocketUs);
            if saw_free || only_open {
                why.add(Reason::UnknownUsage);
                scaled.most = None;
            }
        }
        self.finish(scaled, fees, why)
    }

    /// The audio's part: one clock, its minimum and increment, channels, extras.
    fn add_audio(
        &self,
        sheet: &Sheet,
        meter: Meter,
        count: Count,
        sums: &mut Sums,
        why: &mut Why,
        (saw_priced, saw_free): (&mut bool, &mut bool),
    ) {
        let most = ceiling(count);
        let Some(rate) = sheet.rate(Meter::AudioUs) else {
            if self.row.free & bit(Meter::AudioUs) != 0 || meter == Meter::SocketUs {
                *saw_free |= most != Some(0);
            } else if most != Some(0) {
                *saw_priced = true;
                why.add(Reason::UnpricedMeter(meter));
                sums.most = None;
            }
            return;
        };
        *saw_priced = true;
        if is_other_kind(self.row.clock, meter) {
            why.add(Reason::AssumedTerms);
        }
        let least = billed_us(self.row, count.at_least, self.channels.0);
        let greatest = most.map(|most| billed_us_at_most(self.row, most, self.channels.1));
        let Some(least) = least.filter(|_| greatest != Some(None)) else {
            sums.overflow = true;
            return;
        };
        sums.add(rate, least, greatest.flatten());
        for addon in self.addons_on(Meter::AudioUs) {
            sums.add(addon, least, greatest.flatten());
        }
        if most != Some(count.at_least) {
            why.add(unsure(meter, count));
        }
        if self.channels.0 != self.channels.1 {
            why.add(Reason::AssumedTerms);
        }
        if rounded(self.row.disputed, count.at_least) != Some(count.at_least) {
            why.add(Reason::AmbiguousPrice);
        }
    }

    fn addons_on(&self, meter: Meter) -> impl Iterator<Item = i128> {
        let used = self.addons;
        let addons = self.row.addons.iter().enumerate();
        addons
            .filter(move |(at, addon)| used & (1 << at) != 0 && addon.meter == meter)
            .map(|(_, addon)| addon.rate)
    }

    fn finish(&self, scaled: Sums, fees: Sums, mut why: Why) -> Amount {
        let least = self
            .factors
            .0
            .of(scaled.least)
            .and_then(|sum| sum.checked_add(fees.least));
        let most = scaled.most.zip(fees.most);
        let most = most.map(|(scaled, fees)| self.factors.1.of(scaled)?.checked_add(fees));
        if scaled.overflow || fees.overflow || least.is_none() || most == Some(None) {
            why.add(Reason::Overflow);
            return Amount {
                at_least: Money::from_grains(least.unwrap_or(scaled.least)),
                at_most: None,
                why,
            };
        }
        Amount {
            at_least: Money::from_grains(least.unwrap_or(0)),
            at_most: most.flatten().map(Money::from_grains),
            why,
        }
    }

    /// What doubts about the row itself make of the amount.
    fn widened(&self, mut amount: Amount) -> Amount {
        let spread = self.row.spread;
        if spread.over > 0 {
            amount.why.add(Reason::UnsureRate);
            // The one division that may not come out even: outwards, so that the range holds the truth.
            let part = |money: Money| Some(spread_of(spread, money.grains())? + 1);
            let least =
                part(amount.at_least).and_then(|part| amount.at_least.grains().checked_sub(part));
            amount.at_least = Money::from_grains(least.unwrap_or(0).max(0));
            amount.at_most = amount
                .at_most
                .and_then(|most| most.grains().checked_add(part(most)?))
                .map(Money::from_grains);
        }
        if self.no_floor {
            amount.at_least = Money::ZERO;
        }
        if self.no_ceiling {
            amount.at_most = None;
        }
        amount
    }

    /// The lines of the lower bound.
    fn lines(&self, usage: &Usage) -> Vec<Line> {
        let mut lines = Vec::new();
        if self.row.is_unpriced() {
            return lines;
        }
        lines.reserve(4);
        let sheet = &self.row.sheets[self.sheets_for(usage).0];
        if let Some(fee) = unsaid_request(sheet, usage) {
            let one = Billing {
                meter: Meter::Requests,
                counted: 1,
                billed: 1,
            };
            lines.extend(one.line(fee, &self.row.entry));
        }
        let others = usage.iter().filter(|(meter, _)| !CLOCKS.contains(meter));
        for (meter, count) in others.chain(audio(self.row.clock, usage)) {
            self.lines_of(sheet, meter, count.at_least, &mut lines);
        }
        lines
    }

    fn lines_of(&self, sheet: &Sheet, meter: Meter, counted: u64, lines: &mut Vec<Line>) {
        let priced_as = if CLOCKS.contains(&meter) {
            Meter::AudioUs
        } else {
            meter
        };
        let Some(rate) = sheet.rate(priced_as) else {
            return;
        };
        let billed = match priced_as {
            Meter::AudioUs => billed_us(self.row, counted, self.channels.0),
            _ => Some(counted),
        };
        // What does not fit is no line; the amount says so.
        let Some(billed) = billed.filter(|billed| *billed > 0) else {
            return;
        };
        let factor = if is_fee(meter) {
            Ratio::ONE
        } else {
            self.factors.0
        };
        let billing = Billing {
            meter,
            counted,
            billed,
        };
        let scaled = |rate| factor.of(rate);
        lines.extend(scaled(rate).and_then(|rate| billing.line(rate, &self.row.entry)));
        for (at, addon) in self.row.addons.iter().enumerate() {
            if self.addons & (1 << at) != 0 && addon.meter == priced_as {
                lines.extend(scaled(addon.rate).and_then(|rate| billing.line(rate, &addon.entry)));
            }
        }
    }
}

/// One quantity on its way to a line.
struct Billing {
    meter: Meter,
    counted: u64,
    billed: u64,
}

impl Billing {
    fn line(&self, rate: i128, entry: &Name) -> Option<Line> {
        let rate = Money::from_grains(rate);
        Some(Line {
            meter: self.meter,
            counted: self.counted,
            billed: self.billed,
            rate,
            amount: rate.checked_mul(self.billed)?,
            entry: entry.clone(),
        })
    }
}

fn spread_of(spread: Ratio, grains: i128) -> Option<i128> {
    Some(grains.checked_mul(spread.over.into())? / i128::from(spread.under))
}

fn unsure(meter: Meter, count: Count) -> Reason {
    if count.evidence == Evidence::Unknown {
        Reason::UnknownUsage
    } else {
        Reason::Bounded(meter)
    }
}

/// The count that the clock bills, or the nearest known one.
///
/// Where its own is unknown: what was sent stands in for what was processed and the other way round, then the
/// time that the connection was open, where the provider says it: ours says nothing of how much audio there was.
fn audio(clock: SpeechClock, usage: &Usage) -> Option<(Meter, Count)> {
    use Meter::{AudioUs, ServerAudioUs, SocketUs};
    let order = match clock {
        SpeechClock::Audio => [AudioUs, ServerAudioUs, SocketUs],
        SpeechClock::Server => [ServerAudioUs, AudioUs, SocketUs],
        SpeechClock::Socket => [SocketUs, ServerAudioUs, AudioUs],
        SpeechClock::Max => return longest(usage),
    };
    let found = order
        .into_iter()
        .find_map(|meter| Some((meter, usage.get(meter)?)));
    found.filter(|(meter, count)| {
        !is_other_kind(clock, *meter) || *meter != SocketUs || count.evidence == Evidence::Reported
    })
}

fn longest(usage: &Usage) -> Option<(Meter, Count)> {
    let known = CLOCKS
        .into_iter()
        .filter_map(|meter| Some((meter, usage.get(meter)?)));
    known.reduce(|(at, a), (other, b)| {
        let count = Count {
            at_least: a.at_least.max(b.at_least),
            at_most: ceiling(a).zip(ceiling(b)).map(|(a, b)| a.max(b)),
            evidence: a.evidence.min(b.evidence),
        };
        (if b.at_least > a.at_least { other } else { at }, count)
    })
}

/// Whether audio stands in for open time, or open time for audio.
fn is_other_kind(clock: SpeechClock, meter: Meter) -> bool {
    match clock {
        SpeechClock::Socket => meter != Meter::SocketUs,
        SpeechClock::Audio | SpeechClock::Server => meter == Meter::SocketUs,
        SpeechClock::Max => false,
    }
}

/// What is billed for audio of one channel, at least; nothing stays nothing.
fn billed_us(row: &Row, counted: u64, channels: u32) -> Option<u64> {
    rounded(row.rounding, counted)?.checked_mul(channels.into())
}

/// What is billed for it at most: with the roundings on which sources disagree.
fn billed_us_at_most(row: &Row, counted: u64, channels: u32) -> Option<u64> {
    let sure = rounded(row.rounding, counted)?;
    rounded(row.disputed, sure)?.checked_mul(channels.into())
}

/// The one place where audio is rounded: up to the increment, then up to the minimum.
fn rounded(rounding: Rounding, counted: u64) -> Option<u64> {
    if counted == 0 {
        return Some(0);
    }
    let stepped = match rounding.step {
        0 => counted,
        step => counted.checked_next_multiple_of(step)?,
    };
    Some(stepped.max(rounding.least))
}

/// How many channels a row bills, at least and at most.
pub(crate) fn billed_channels(row: &Row, stated: Option<u32>) -> (u32, u32) {
    let stated = stated.unwrap_or(1).max(1);
    match row.channels {
        Channels::Each => (stated, stated),
        Channels::Once => (1, 1),
        Channels::Unstated => (1, stated),
    }
}
