//! From the file's text to rows.

use crate::{
    calendar,
    error::BookError,
    rate::{self, CLOCKS, Ratio},
    row::{
        Addon, Channels, Factors, Hours, Kind, Limit, Rounding, Row, Sheet, Source, SpeechClock,
        When, bit,
    },
    text::{CreditText, LimitText, PriceText, WhenText},
};
use campanile_core::{MAX_NAME_BYTES, Meter, Mode, Money, Name, Timestamp};
use std::collections::BTreeMap;
use toml::value::Datetime;

/// What one credit costs under a plan, and when.
pub(crate) struct Credit {
    pub(crate) plan: Box<str>,
    price: Money,
    from: Timestamp,
    to: Timestamp,
}

/// A row that is being read, and where it stands.
struct Reader<'a> {
    text: &'a PriceText,
    place: String,
    credit: Option<&'a Credit>,
}

/// The rows of one `[[price]]`: one, or one for each plan where it is in credits.
pub(crate) fn rows(
    n: usize,
    text: &PriceText,
    credits: &[Credit],
    overrides: bool,
) -> Result<Vec<Row>, BookError> {
    let model = text.model.first().or(text.starts.as_ref());
    let model = model.map_or("without a model", String::as_str);
    let place = format!("price {n} ({} {model})", text.vendor);
    let mut published = text.rates.values().chain(text.addons.values());
    let by_credit = published.any(|rate| rate::in_credits(rate));
    let plans: Vec<Option<&Credit>> = match by_credit {
        true if credits.is_empty() => {
            let says = "is in credits: add a [[credit]] that says what the vendor's plans cost";
            return Err(BookError::new(place, "rates", says));
        }
        true => credits.iter().map(Some).collect(),
        false => vec![None],
    };
    let mut rows = Vec::with_capacity(plans.len());
    for credit in plans {
        let reader = Reader {
            text,
            place: place.clone(),
            credit,
        };
        rows.extend(reader.row(overrides)?);
    }
    Ok(rows)
}

/// The price of one credit.
pub(crate) fn credit(n: usize, text: &CreditText) -> Result<Credit, BookError> {
    let place = format!("credit {n} ({} {})", text.vendor, text.plan);
    let wrong = |field: &str, says: &str| BookError::new(&place, field, says);
    let usd = Money::from_usd(&text.usd)
        .ok_or_else(|| wrong("usd", "is no decimal number of dollars"))?;
    let buys: i128 = text
        .buys
        .parse()
        .ok()
        .filter(|buys| *buys > 0)
        .ok_or_else(|| wrong("buys", "is no whole number of credits"))?;
    if usd.grains() % buys != 0 {
        return Err(wrong("usd", "one credit is not a whole number of grains"));
    }
    Ok(Credit {
        plan: text.plan.as_str().into(),
        price: Money::from_grains(usd.grains() / buys),
        from: from(&text.from).map_err(|says| wrong("from", says))?,
        to: to(&text.to).map_err(|says| wrong("to", says))?,
    })
}

/// Writes what a `[[limit]]` says into the rows of its models.
pub(crate) fn limit(n: usize, text: &LimitText, rows: &mut [Row]) -> Result<(), BookError> {
    let place = format!("limit {n} ({})", text.vendor);
    let answer = text.answer.unwrap_or(text.prompt);
    if text.prompt == 0 || answer == 0 {
        let says = "is zero: a limit is the most tokens of one prompt (`prompt`) and of one answer (`answer`)";
        return Err(BookError::new(place, "prompt", says));
    }
    let limit = Limit {
        prompt: text.prompt,
        answer,
    };
    for model in &text.model {
        let mut known = false;
        for row in rows.iter_mut().filter(|row| row.models.contains(model)) {
            row.limit = limit;
            known = true;
        }
        if !known {
            let says = format!("`{model}` has no price");
            return Err(BookError::new(place, "model", says));
        }
    }
    Ok(())
}

fn from(text: &Option<Datetime>) -> Result<Timestamp, &'static str> {
    text.as_ref()
        .map_or(Ok(Timestamp(i64::MIN)), calendar::moment)
}

fn to(text: &Option<Datetime>) -> Result<Timestamp, &'static str> {
    text.as_ref()
        .map_or(Ok(Timestamp(i64::MAX)), calendar::moment)
}

impl Reader<'_> {
    fn wrong(&self, field: impl Into<String>, says: impl Into<String>) -> BookError {
        BookError::new(&self.place, field, says)
    }

    fn row(&self, overrides: bool) -> Result<Option<Row>, BookError> {
        let text = self.text;
        let (mut from, mut to) = self.dates()?;
        if let Some(credit) = self.credit {
            (from, to) = (from.max(credit.from), to.min(credit.to));
            if from >= to {
                return Ok(None);
            }
        }
        let when = self.when()?;
        let sheets = self.sheets()?;
        let entry = self.entry(&when, from, overrides)?;
        let row = Row {
            vendor: text.vendor.as_str().into(),
            models: self.models()?,
            from,
            to,
            free: self.free(&sheets)?,
            clock: self.clock()?,
            channels: self.channels()?,
            rounding: self.rounding("", &text.least, &text.step)?,
            limit: Limit::default(),
            disputed: self.rounding("disputed.", &text.disputed.least, &text.disputed.step)?,
            addons: self.addons(&entry, &sheets)?,
            voices: self.factors("voices", &text.voices)?,
            regions: self.factors("regions", &text.regions)?,
            tiers: self.factors("tiers", &text.tiers)?,
            usual: text.usual,
            retired: text.retired,
            overrides,
            odd: text.odd.clone(),
            published: published(text),
            regular: self.regular()?,
            source: self.source(overrides)?,
            spread: self.spread(overrides)?,
            entry,
            when,
            sheets,
        };
        self.check_factors(&row)?;
        Ok(Some(row))
    }

    fn dates(&self) -> Result<(Timestamp, Timestamp), BookError> {
        let from = from(&self.text.from).map_err(|says| self.wrong("from", says))?;
        let to = to(&self.text.to).map_err(|says| self.wrong("to", says))?;
        if from >= to {
            return Err(self.wrong(
                "to",
                "is not after `from`: rows hold from `from` up to, not including, `to`",
            ));
        }
        Ok((from, to))
    }

    fn models(&self) -> Result<Box<[String]>, BookError> {
        let mut models = self.text.model.clone();
        models.extend(self.text.starts.as_ref().map(|starts| format!("{starts}*")));
        if models.is_empty() || models.iter().any(|model| model.is_empty()) {
            return Err(self.wrong(
                "model",
                "is missing: name the model, or say what its name `starts` with",
            ));
        }
        if self.text.starts.is_some() != self.text.then.is_some() {
            return Err(self.wrong(
                "then",
                "goes with `starts`: say what may follow (any, date, voice)",
            ));
        }
        Ok(models.into())
    }

    fn when(&self) -> Result<When, BookError> {
        let WhenText {
            mode,
            tier,
            plan,
            region,
            hours,
        } = &self.text.when;
        let mode = match mode.as_deref() {
            None => None,
            Some("streaming") => Some(Mode::Streaming),
            Some("prerecorded") => Some(Mode::Prerecorded),
            Some(_) => return Err(self.wrong("when.mode", "is streaming or prerecorded")),
        };
        let hours = hours
            .as_ref()
            .map(|hours| {
                Hours::parse(hours)
                    .ok_or_else(|| self.wrong("when.hours", "write UTC hours as 16:30-00:30"))
            })
            .transpose()?;
        let boxed = |text: &Option<String>| text.as_deref().map(Box::from);
        let plan = match (self.credit, plan) {
            (Some(_), Some(_)) => {
                return Err(self.wrong(
                    "when.plan",
                    "a row in credits holds for every plan that sells them",
                ));
            }
            (Some(credit), None) => Some(credit.plan.clone()),
            (None, plan) => boxed(plan),
        };
        Ok(When {
            mode,
            tier: boxed(tier),
            plan,
            region: boxed(region),
            hours,
        })
    }

    /// `openai/gpt-5.6-sol+flex@2026-08-21`
    fn entry(&self, when: &When, from: Timestamp, overrides: bool) -> Result<Name, BookError> {
        let text = self.text;
        let model = text
            .model
            .first()
            .or(text.starts.as_ref())
            .map_or("", String::as_str);
        let mut entry = format!("{}/{model}", text.vendor);
        if text.model.is_empty() {
            entry.push('#');
        }
        let mode = when.mode.map(|mode| match mode {
            Mode::Streaming => "streaming",
            _ => "prerecorded",
        });
        let hours = when
            .hours
            .map(|hours| format!("{}-{}", hours.from, hours.to));
        let conditions = [
            mode,
            // Of names for one tier, the first.
            when.tier.as_deref().and_then(|tier| tier.split('|').next()),
            when.plan.as_deref(),
            when.region.as_deref(),
            hours.as_deref(),
            overrides.then_some("negotiated"),
        ];
        for condition in conditions.into_iter().flatten() {
            entry.push('+');
            entry.push_str(condition);
        }
        if from != Timestamp(i64::MIN) {
            entry.push('@');
            entry.push_str(&from.to_string()[..10]);
        }
        Name::outside(&entry).ok_or_else(|| {
            let says = format!("`{entry}` is no name: letters, digits and . _ : - / @ + # only, {MAX_NAME_BYTES} at most");
            self.wrong("model", says)
        })
    }

    fn meter(&self, field: &str, name: &str) -> Result<Meter, BookError> {
        if name == "audio" {
            return Ok(Meter::AudioUs);
        }
        let meter = Meter::from_name(name).filter(|meter| !CLOCKS.contains(meter));
        meter.ok_or_else(|| {
            let names: Vec<_> = Meter::ALL
                .iter()
                .filter(|meter| !CLOCKS.contains(meter))
                .map(|meter| meter.name())
                .collect();
            self.wrong(
                format!("{field}.{name}"),
                format!("is no meter: write audio, {}", names.join(", ")),
            )
        })
    }

    fn state(
        &self,
        sheet: &mut Sheet,
        field: &str,
        rates: &BTreeMap<String, String>,
    ) -> Result<(), BookError> {
        for (name, text) in rates {
            let meter = self.meter(field, name)?;
            let price = self.credit.map(|credit| credit.price);
            let rate = rate::rate(text, meter, price)
                .map_err(|says| self.wrong(format!("{field}.{name}"), says))?;
            sheet.state(meter, rate);
        }
        Ok(())
    }

    fn sheets(&self) -> Result<Box<[Sheet]>, BookError> {
        let text = self.text;
        if text.unpriced {
            return match text.rates.is_empty() {
                true => Ok(Box::new([])),
                false => Err(self.wrong("rates", "has prices, but the row says `unpriced`")),
            };
        }
        if text.rates.is_empty() {
            return Err(self.wrong("rates", "is empty: write a rate, or `unpriced = true`"));
        }
        let mut base = Sheet::new();
        self.state(&mut base, "rates", &text.rates)?;
        let mut sheets = vec![base.clone()];
        for above in &text.above {
            let mut sheet = base.clone();
            sheet.over = match above.edge.as_str() {
                "exclusive" => above.input,
                "inclusive" => above.input.saturating_sub(1),
                _ => {
                    return Err(self.wrong(
                        "above.edge",
                        "is exclusive (more than) or inclusive (that many or more)",
                    ));
                }
            };
            if sheets.last().is_some_and(|last| last.over >= sheet.over) {
                return Err(self.wrong("above.input", "does not rise from one table to the next"));
            }
            self.state(&mut sheet, "above.rates", &above.rates)?;
            sheets.push(sheet);
        }
        sheets.iter_mut().for_each(Sheet::complete);
        Ok(sheets.into())
    }

    /// What the row never bills: the other views of what it does bill.
    fn free(&self, sheets: &[Sheet]) -> Result<u32, BookError> {
        let priced = sheets.first().map_or(0, |sheet| sheet.priced);
        let tokens = bit(Meter::InputTokens)
            | bit(Meter::OutputTokens)
            | bit(Meter::AudioInputTokens)
            | bit(Meter::AudioOutputTokens);
        let spoken = bit(Meter::Characters) | bit(Meter::SpeechUs);
        let mut free = bit(Meter::Requests) | bit(Meter::Messages) | bit(Meter::SpeechUs);
        // Parts of what is billed, and never billed on their own.
        free |= bit(Meter::UnplayedUs) | bit(Meter::KeepAliveUs);
        if priced & (tokens | spoken) != 0 {
            free |= bit(Meter::AudioUs);
        }
        if priced & tokens != 0 || priced & bit(Meter::SpeechUs) != 0 {
            free |= bit(Meter::Characters);
        }
        for name in &self.text.free {
            if name == "tokens" {
                let meters = Meter::ALL.into_iter();
                free |= meters
                    .filter(|meter| rate::class(*meter) == rate::Class::Tokens)
                    .fold(0, |bits, meter| bits | bit(meter));
            } else {
                free |= bit(self.meter("free", name)?);
            }
        }
        Ok(free & !priced)
    }

    fn clock(&self) -> Result<SpeechClock, BookError> {
        match self.text.clock.as_deref() {
            None | Some("audio") => Ok(SpeechClock::Audio),
            Some("server") => Ok(SpeechClock::Server),
            Some("socket") => Ok(SpeechClock::Socket),
            Some("max") => Ok(SpeechClock::Max),
            Some(_) => Err(self.wrong("clock", "is audio, server, socket or max")),
        }
    }

    fn channels(&self) -> Result<Channels, BookError> {
        match self.text.channels.as_deref() {
            None => Ok(Channels::Unstated),
            Some("each") => Ok(Channels::Each),
            Some("once") => Ok(Channels::Once),
            Some(_) => Err(self.wrong("channels", "is each or once")),
        }
    }

    fn rounding(
        &self,
        of: &str,
        least: &Option<String>,
        step: &Option<String>,
    ) -> Result<Rounding, BookError> {
        let length = |field: &str, text: &Option<String>| {
            let says = "is no length of audio: write 10s, 20ms or 1m";
            text.as_ref().map_or(Ok(0), |text| {
                rate::length(text).ok_or_else(|| self.wrong(format!("{of}{field}"), says))
            })
        };
        Ok(Rounding {
            least: length("least", least)?,
            step: length("step", step)?,
        })
    }

    fn addons(&self, entry: &Name, sheets: &[Sheet]) -> Result<Box<[Addon]>, BookError> {
        let addon = |(name, text): (&String, &String)| {
            let field = format!("addons.{name}");
            let meter = match sheets.first() {
                Some(sheet) if sheet.priced & bit(Meter::AudioUs) != 0 => Meter::AudioUs,
                Some(sheet) if sheet.priced & bit(Meter::Characters) != 0 => Meter::Characters,
                _ => {
                    return Err(self.wrong(
                        field,
                        "has nothing to be added to: the row bills no audio and no characters",
                    ));
                }
            };
            let credit = self.credit.map(|credit| credit.price);
            let base = sheets[0].rates[meter.index()];
            let rate = match text.strip_suffix('%').map(Ratio::parse) {
                None => rate::rate(text, meter, credit).map_err(|says| self.wrong(&field, says))?,
                Some(Some(percent))
                    if percent
                        .times(PERCENT)
                        .is_some_and(|part| part.is_whole_of(base)) =>
                {
                    percent
                        .times(PERCENT)
                        .and_then(|part| part.of(base))
                        .unwrap_or(0)
                }
                Some(_) => {
                    return Err(self.wrong(field, "is no percentage that gives whole grains"));
                }
            };
            let entry = Name::outside(&format!("{entry}#{name}"))
                .ok_or_else(|| self.wrong(field, "is no name for an extra"))?;
            Ok(Addon {
                name: name.as_str().into(),
                rate,
                meter,
                entry,
            })
        };
        if self.text.addons.len() > 32 {
            return Err(self.wrong("addons", "has more than 32 extras"));
        }
        self.text.addons.iter().map(addon).collect()
    }

    fn factors(&self, field: &str, texts: &BTreeMap<String, String>) -> Result<Factors, BookError> {
        let read = |(name, text): (&String, &String)| {
            let says = "is no factor: write 3/2, 1.1 or 2";
            let ratio = Ratio::parse(text).filter(|ratio| ratio.over > 0);
            let ratio = ratio.ok_or_else(|| self.wrong(format!("{field}.{name}"), says))?;
            Ok((name.as_str().into(), ratio))
        };
        texts.iter().map(read).collect()
    }

    /// Every product of factors must leave every rate whole: then no bill rounds.
    fn check_factors(&self, row: &Row) -> Result<(), BookError> {
        let with_one = |factors: &[(Box<str>, Ratio)]| {
            let mut factors: Vec<_> = factors.iter().map(|(_, ratio)| *ratio).collect();
            factors.push(Ratio::ONE);
            factors
        };
        for voice in with_one(&row.voices) {
            for region in with_one(&row.regions) {
                for tier in with_one(&row.tiers) {
                    let product = voice.times(region).and_then(|both| both.times(tier));
                    let rates = || row.sheets.iter().flat_map(|sheet| sheet.rates.iter());
                    let whole = product
                        .is_some_and(|product| rates().all(|rate| product.is_whole_of(*rate)));
                    if !whole {
                        return Err(
                            self.wrong("regions", "a factor makes a rate a fraction of a grain")
                        );
                    }
                }
            }
        }
        Ok(())
    }

    fn regular(&self) -> Result<Box<[(String, String)]>, BookError> {
        let mut sheet = Sheet::new();
        self.state(&mut sheet, "regular", &self.text.regular)?;
        let pairs = self.text.regular.iter();
        Ok(pairs
            .map(|(meter, rate)| (meter.clone(), rate.clone()))
            .collect())
    }

    fn source(&self, overrides: bool) -> Result<Source, BookError> {
        let text = &self.text.source;
        let kind = Kind::from_name(&text.kind).ok_or_else(|| {
            self.wrong(
                "source.kind",
                "is listed, derived, estimated, observed or negotiated",
            )
        })?;
        Ok(Source {
            page: text.page.clone(),
            checked: calendar::moment(&text.checked)
                .map_err(|says| self.wrong("source.checked", says))?,
            says: text.says.clone(),
            kind: if overrides { Kind::Negotiated } else { kind },
            over: text.over.clone(),
        })
    }

    /// How far off the rate may be, either way.
    fn spread(&self, overrides: bool) -> Result<Ratio, BookError> {
        const NONE: Ratio = Ratio { over: 0, under: 1 };
        let unsure =
            matches!(self.text.source.kind.as_str(), "derived" | "estimated") && !overrides;
        let percent = |text: &String| Ratio::parse(text.strip_suffix('%')?)?.times(PERCENT);
        match (&self.text.spread, unsure) {
            (None, false) => Ok(NONE),
            (Some(text), true) => percent(text)
                .filter(|spread| spread.over > 0 && spread.over <= spread.under)
                .ok_or_else(|| self.wrong("spread", "is no percentage up to 100%")),
            (None, true) => Err(self.wrong(
                "spread",
                "is missing: say how far off a derived or estimated rate may be, as 20%",
            )),
            (Some(_), false) => Err(self.wrong("spread", "goes with kind derived or estimated")),
        }
    }
}

const PERCENT: Ratio = Ratio {
    over: 1,
    under: 100,
};

fn published(text: &PriceText) -> Box<[(Option<u64>, String, String)]> {
    let base = text
        .rates
        .iter()
        .map(|(meter, rate)| (None, meter.clone(), rate.clone()));
    let above = text.above.iter().flat_map(|above| {
        let rates = above.rates.iter();
        rates.map(|(meter, rate)| (Some(above.input), meter.clone(), rate.clone()))
    });
    let addons = text.addons.iter();
    let addons = addons.map(|(name, rate)| (None, format!("+{name}"), rate.clone()));
    base.chain(above).chain(addons).collect()
}
