//! The book: rows by name, and the way from a name and terms to a row.

use crate::{
    amount::{Chosen, Quote, Why, billed_channels},
    calendar,
    compile::{self, Credit},
    error::BookError,
    rate::Ratio,
    row::Row,
    text::BookText,
};
use campanile_core::{Billed, Cost, Mode, Name, Price, Reason, Terms, Timestamp};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, OnceLock},
};

/// The files of the standard book, one a vendor.
const STANDARD: &[(&str, &str)] = &include!("standard.in");

/// Prices, and which of them holds for whom, when, and under which terms.
///
/// A book is a value: clone it freely (a pointer), swap it for another, stamp events with its
/// [`version`](Book::version).
///
/// ```
/// use campanile_core::{Billed, Evidence, Meter, Mode, Price, Terms, Timestamp, Usage};
/// use campanile_pricing::Book;
///
/// let book = Book::standard();
/// let usage = Usage::new().with(Meter::ServerAudioUs, 60_000_000, Evidence::Reported);
/// let mut terms = Terms::default();
/// terms.mode = Some(Mode::Streaming);
///
/// let at = Timestamp(1_795_000_000_000_000);
/// let cost = book.price(&Billed::new("deepgram", "nova-3", &usage, &terms, at));
/// assert_eq!(cost.at_least.to_string(), "0.0048");
/// assert!(cost.is_exact());
/// ```
#[derive(Clone)]
pub struct Book(Arc<Pages>);

struct Pages {
    version: Name,
    texts: Vec<(bool, BookText)>,
    rows: Vec<Row>,
    vendors: Vec<Vendor>,
    by_name: HashMap<Box<str>, u32>,
}

/// Who bills, and the rows by model.
#[derive(Default)]
struct Vendor {
    plan: Option<Box<str>>,
    prefixes: Vec<String>,
    models: HashMap<Box<str>, Family>,
    patterns: Vec<(Pattern, Family)>,
    credits: Vec<Credit>,
}

/// The rows of one model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Family {
    pub(crate) rows: Vec<u32>,
    has_mode: bool,
    plans: Vec<Box<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    starts: Box<str>,
    then: Then,
}

/// What may follow the beginning of a name; never nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Any,
    Date,
    Voice,
}

impl Then {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "any" => Some(Then::Any),
            "date" => Some(Then::Date),
            "voice" => Some(Then::Voice),
            _ => None,
        }
    }

    fn fits(self, rest: &str) -> bool {
        match self {
            Then::Any => !rest.is_empty(),
            Then::Date => calendar::without_date(&format!("x-{rest}")) == Some("x"),
            // `thalia-en`, `celeste-es`, `agathe-fr`: a name and a language.
            Then::Voice => rest.split_once('-').is_some_and(|(name, language)| {
                let letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase());
                !name.is_empty() && letters(name) && language.len() == 2 && letters(language)
            }),
        }
    }
}

/// How a model's name led to its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// The book has this name.
    Exact,
    /// The book has it without the vendor in front.
    Prefix,
    /// The book has it without the date at the end.
    Date,
    /// A pattern of the book fits it.
    Pattern,
}

impl Book {
    /// The book that comes with this version of the crate. Read once; a clone is a pointer.
    ///
    /// # Panics
    ///
    /// Never in a build whose tests pass: a test reads the same text.
    #[must_use]
    pub fn standard() -> Self {
        static BOOK: OnceLock<Book> = OnceLock::new();
        BOOK.get_or_init(|| {
            let mut texts = Vec::with_capacity(STANDARD.len());
            for (_, text) in STANDARD {
                texts.push((false, toml::from_str(text).expect("a test reads each file")));
            }
            Self::build(texts).expect("a test builds the same book")
        })
        .clone()
    }

    /// Reads a book.
    ///
    /// # Errors
    ///
    /// Where the text is not TOML of the right shape, where a row is wrong (the error names row and field), or
    /// where two rows could price the same usage and neither is more specific.
    pub fn parse(text: &str) -> Result<Self, BookError> {
        Self::build(vec![(false, toml::from_str(text)?)])
    }

    /// This book with more rows, which win wherever they apply: negotiated prices, models it does not know.
    ///
    /// A row of the override stands alone: meters that it leaves out are unpriced. One without conditions holds
    /// for every tier, mode and plan.
    ///
    /// # Errors
    ///
    /// Like [`parse`](Self::parse).
    pub fn with_override(&self, text: &str) -> Result<Self, BookError> {
        let mut texts = self.0.texts.clone();
        let mut read: BookText = toml::from_str(text)?;
        // Two overrides without a version of their own must not look alike.
        read.version
            .get_or_insert_with(|| format!("override-{:08x}", fingerprint(text)));
        texts.push((true, read));
        Self::build(texts)
    }

    fn build(texts: Vec<(bool, BookText)>) -> Result<Self, BookError> {
        let mut pages = Pages {
            version: version(&texts)?,
            texts: Vec::new(),
            rows: Vec::new(),
            vendors: Vec::new(),
            by_name: HashMap::new(),
        };
        for (_, text) in &texts {
            pages.take_vendors(text)?;
        }
        for (overrides, text) in &texts {
            for (n, price) in text.price.iter().enumerate() {
                let vendor = pages.vendor(&price.vendor);
                let rows = compile::rows(n + 1, price, &pages.vendors[vendor].credits, *overrides)?;
                let pattern = pattern(n + 1, price)?;
                for row in rows {
                    pages.take_row(vendor, row, pattern.as_ref());
                }
            }
        }
        pages.finish()?;
        pages.texts = texts;
        Ok(Self(Arc::new(pages)))
    }

    /// Which book this is; every cost carries it.
    #[must_use]
    pub fn version(&self) -> &Name {
        &self.0.version
    }

    /// Every row, in the order of the files.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.0.rows
    }

    /// The row (or rows) that prices usage of a model, for use with many counts.
    ///
    /// # Errors
    ///
    /// [`Reason::UnknownModel`], or [`Reason::KnownButUnpriced`] where the book knows the model and no price of
    /// it for this moment or these terms.
    pub fn resolve(
        &self,
        provider: &str,
        model: &str,
        terms: &Terms,
        at: Timestamp,
    ) -> Result<Quote<'_>, Reason> {
        let (vendor, family, found) = self.find(provider, model).ok_or(Reason::UnknownModel)?;
        let mut quote = self
            .quote(vendor, family, terms, at)
            .ok_or(Reason::KnownButUnpriced)?;
        if found == Found::Date {
            quote.why.add(Reason::AssumedAlias);
        }
        Ok(quote)
    }

    /// Vendor → exact name → name without the vendor → name without its date → pattern.
    fn find(&self, provider: &str, model: &str) -> Option<(&Vendor, &Family, Found)> {
        let pages = &*self.0;
        let at = pages.by_name.get(provider).copied().or_else(|| {
            let lower = provider.to_ascii_lowercase();
            pages.by_name.get(lower.as_str()).copied()
        })?;
        let vendor = &pages.vendors[at as usize];
        if let Some(family) = vendor.models.get(model) {
            return Some((vendor, family, Found::Exact));
        }
        let (family, found) = vendor.beside_exact(model)?;
        Some((vendor, family, found))
    }

    pub(crate) fn family(&self, provider: &str, model: &str) -> Option<(&Family, Found)> {
        self.find(provider, model)
            .map(|(_, family, found)| (family, found))
    }

    /// The rows that could hold, for every answer to what the terms leave open.
    fn quote<'b>(
        &'b self,
        vendor: &Vendor,
        family: &Family,
        terms: &Terms,
        at: Timestamp,
    ) -> Option<Quote<'b>> {
        let pick = |mode, plan: Option<&str>| self.pick(vendor, family, terms, at, mode, plan);
        let plan = terms.plan.as_deref();
        if let Some(plan) = plan.filter(|plan| !vendor.knows_plan(family, plan)) {
            return self.over_plans(family, terms, plan, &pick);
        }
        let streaming = pick(terms.mode.or(Some(Mode::Streaming)), plan);
        if terms.mode.is_some() || !family.has_mode {
            return streaming.map(|row| single(row, terms));
        }
        let prerecorded = pick(Some(Mode::Prerecorded), plan);
        match (streaming, prerecorded) {
            (Some(a), Some(b)) if std::ptr::eq(a, b) => Some(single(a, terms)),
            (Some(row), None) | (None, Some(row)) => Some(single(row, terms)),
            (None, None) => None,
            (Some(usual), Some(other)) | (Some(other), Some(usual))
                if usual.usual && !other.usual =>
            {
                let mut quote = single(usual, terms);
                quote.why.add(Reason::AssumedTerms);
                Some(quote)
            }
            (Some(a), Some(b)) => {
                let mut quote = single(a, terms);
                quote.others.push(chosen(b, terms, &mut quote.why));
                quote.why.add(Reason::AmbiguousPrice);
                Some(quote)
            }
        }
    }

    /// A plan that the book does not know: the range of those it does.
    fn over_plans<'b>(
        &'b self,
        family: &Family,
        terms: &Terms,
        plan: &str,
        pick: &dyn Fn(Option<Mode>, Option<&str>) -> Option<&'b Row>,
    ) -> Option<Quote<'b>> {
        let modes: &[Option<Mode>] = match terms.mode {
            Some(Mode::Streaming) => &[Some(Mode::Streaming)],
            Some(_) => &[Some(Mode::Prerecorded)],
            None => &[Some(Mode::Streaming), Some(Mode::Prerecorded)],
        };
        let plans = family
            .plans
            .iter()
            .map(|plan| Some(&**plan))
            .chain([None, Some(plan)]);
        let mut quote: Option<Quote<'b>> = None;
        for row in plans.flat_map(|plan| modes.iter().filter_map(move |mode| pick(*mode, plan))) {
            match &mut quote {
                None => quote = Some(single(row, terms)),
                Some(quote) if std::ptr::eq(quote.first.row, row) => {}
                Some(quote) => quote.others.push(chosen(row, terms, &mut quote.why)),
            }
        }
        let mut quote = quote?;
        quote.why.add(Reason::AssumedTerms);
        Some(quote)
    }

    /// The most specific row that holds.
    fn pick(
        &self,
        vendor: &Vendor,
        family: &Family,
        terms: &Terms,
        at: Timestamp,
        mode: Option<Mode>,
        plan: Option<&str>,
    ) -> Option<&Row> {
        let rows = family.rows.iter().map(|at| &self.0.rows[*at as usize]);
        let plan = plan.or(vendor.plan.as_deref());
        rows.filter(|row| row.holds_at(at) && fits(row, terms, at, mode, plan))
            .max_by_key(|row| (row.overrides, row.when.weight()))
    }
}

fn version(texts: &[(bool, BookText)]) -> Result<Name, BookError> {
    let versions = texts.iter().filter_map(|(_, text)| text.version.as_deref());
    let version = versions.fold(String::new(), |mut all, version| {
        if !all.is_empty() {
            all.push('+');
        }
        all.push_str(version);
        all
    });
    if version.is_empty() {
        return Ok(Name::from_static("unversioned"));
    }
    Name::outside(&version).ok_or_else(|| {
        BookError::new(
            "the book",
            "version",
            "is no name: letters, digits and . _ : - / @ + # only",
        )
    })
}

/// FNV-1a, folded: to tell texts apart, nothing more.
fn fingerprint(text: &str) -> u32 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)) as u32
}

fn pattern(n: usize, price: &crate::text::PriceText) -> Result<Option<Pattern>, BookError> {
    let Some(starts) = &price.starts else {
        return Ok(None);
    };
    let then = price
        .then
        .as_deref()
        .and_then(Then::from_name)
        .ok_or_else(|| {
            let row = format!("price {n} ({} {starts})", price.vendor);
            BookError::new(row, "then", "is any, date or voice")
        })?;
    Ok(Some(Pattern {
        starts: starts.as_str().into(),
        then,
    }))
}

impl Vendor {
    fn beside_exact(&self, model: &str) -> Option<(&Family, Found)> {
        let bare = self
            .prefixes
            .iter()
            .find_map(|prefix| model.strip_prefix(prefix.as_str()));
        if let Some(family) = bare.and_then(|bare| self.models.get(bare)) {
            return Some((family, Found::Prefix));
        }
        let model = bare.unwrap_or(model);
        if let Some(family) = calendar::without_date(model).and_then(|base| self.models.get(base)) {
            return Some((family, Found::Date));
        }
        // The longest beginning first: `nova-3-medical` is never `nova-3-`.
        let fits = |(pattern, _): &&(Pattern, Family)| {
            model
                .strip_prefix(&*pattern.starts)
                .is_some_and(|rest| pattern.then.fits(rest))
        };
        self.patterns
            .iter()
            .find(fits)
            .map(|(_, family)| (family, Found::Pattern))
    }

    fn knows_plan(&self, family: &Family, plan: &str) -> bool {
        family.plans.is_empty()
            || self.plan.as_deref().is_some_and(|own| same(own, plan))
            || family.plans.iter().any(|known| same(known, plan))
    }
}

impl Pages {
    /// The place of the vendor of that name; a new one where it is unknown.
    fn vendor(&mut self, name: &str) -> usize {
        if let Some(at) = self.by_name.get(name) {
            return *at as usize;
        }
        self.vendors.push(Vendor::default());
        let at = self.vendors.len() - 1;
        self.by_name.insert(name.into(), at as u32);
        at
    }

    fn take_vendors(&mut self, text: &BookText) -> Result<(), BookError> {
        for (n, vendor) in text.vendor.iter().enumerate() {
            let at = self.vendor(&vendor.name);
            for alias in &vendor.aliases {
                let known = self.by_name.insert(alias.as_str().into(), at as u32);
                if known.is_some_and(|known| known as usize != at) {
                    let place = format!("vendor {} ({})", n + 1, vendor.name);
                    return Err(BookError::new(
                        place,
                        "aliases",
                        format!("`{alias}` is another vendor's name"),
                    ));
                }
            }
            let own = &mut self.vendors[at];
            own.plan = vendor.plan.as_deref().map(Box::from).or(own.plan.take());
            own.prefixes.extend(vendor.prefixes.iter().cloned());
        }
        for (n, credit) in text.credit.iter().enumerate() {
            let at = self.vendor(&credit.vendor);
            self.vendors[at]
                .credits
                .push(compile::credit(n + 1, credit)?);
        }
        Ok(())
    }

    fn take_row(&mut self, vendor: usize, row: Row, pattern: Option<&Pattern>) {
        let at = self.rows.len() as u32;
        let vendor = &mut self.vendors[vendor];
        let exact = row.models.len() - usize::from(pattern.is_some());
        for model in &row.models[..exact] {
            vendor
                .models
                .entry(model.as_str().into())
                .or_default()
                .take(at, &row);
        }
        if let Some(pattern) = pattern {
            match vendor
                .patterns
                .iter_mut()
                .find(|(known, _)| known == pattern)
            {
                Some((_, family)) => family.take(at, &row),
                None => {
                    let mut family = Family::default();
                    family.take(at, &row);
                    vendor.patterns.push((pattern.clone(), family));
                }
            }
        }
        self.rows.push(row);
    }

    /// Refuses rows that could both price the same usage, and names that stand for two rows.
    fn finish(&mut self) -> Result<(), BookError> {
        for vendor in &mut self.vendors {
            vendor
                .patterns
                .sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.starts.len()));
            let families = vendor
                .models
                .values()
                .chain(vendor.patterns.iter().map(|(_, family)| family));
            for family in families {
                family.refuse_ties(&self.rows)?;
            }
        }
        let mut entries = std::collections::HashSet::with_capacity(self.rows.len());
        for row in &self.rows {
            if !entries.insert(row.entry.as_str()) {
                let says = "names two rows: let the second begin with another model";
                return Err(BookError::new(row.entry.as_str(), "model", says));
            }
        }
        Ok(())
    }
}

impl Family {
    fn take(&mut self, at: u32, row: &Row) {
        self.rows.push(at);
        self.has_mode |= row.when.mode.is_some();
        if let Some(plan) = &row.when.plan
            && !self.plans.contains(plan)
        {
            self.plans.push(plan.clone());
        }
    }

    fn refuse_ties(&self, rows: &[Row]) -> Result<(), BookError> {
        for (n, a) in self.rows.iter().enumerate() {
            for b in &self.rows[n + 1..] {
                let (a, b) = (&rows[*a as usize], &rows[*b as usize]);
                let tie = a.overrides == b.overrides
                    && a.when.weight() == b.when.weight()
                    && a.overlaps(b)
                    && a.when.meets(&b.when);
                let settled = || {
                    a.when != b.when
                        && self.rows.iter().map(|at| &rows[*at as usize]).any(|row| {
                            row.when.weight() > a.when.weight()
                                && row.when.includes(&a.when)
                                && row.when.includes(&b.when)
                        })
                };
                if tie && !settled() {
                    let says = format!(
                        "overlaps {}: both hold at once and neither is more specific",
                        a.entry
                    );
                    return Err(BookError::new(b.entry.as_str(), "when", says));
                }
            }
        }
        Ok(())
    }
}

/// Whether two words are the same but for case, `-` and `_`.
pub(crate) fn same(a: &str, b: &str) -> bool {
    let fold = |byte: u8| {
        if byte == b'-' {
            b'_'
        } else {
            byte.to_ascii_lowercase()
        }
    };
    a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(a, b)| fold(a) == fold(b))
}

/// The tier's name, without what vendors put in front; `None` where it is the usual one.
fn tier_of(terms: &Terms) -> Option<&str> {
    const USUAL: [&str; 8] = [
        "",
        "default",
        "standard",
        "auto",
        "on_demand",
        "standard_only",
        "traffic_type_unspecified",
        "unspecified",
    ];
    const PREFIX: &str = "on_demand_";
    let tier = terms.tier.as_deref()?;
    let tier = match tier.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if same(prefix, PREFIX) => rest,
        _ => tier,
    };
    (!USUAL.iter().any(|usual| same(usual, tier))).then_some(tier)
}

fn fits(row: &Row, terms: &Terms, at: Timestamp, mode: Option<Mode>, plan: Option<&str>) -> bool {
    let when = &row.when;
    let stated = |wanted: &Option<Box<str>>, stated: Option<&str>| match wanted {
        None => true,
        Some(wanted) => stated.is_some_and(|stated| same(wanted, stated)),
    };
    (when.mode.is_none() || when.mode == mode)
        && (when.tier.is_none() || stated(&when.tier, tier_of(terms)))
        && stated(&when.plan, plan)
        && stated(&when.region, terms.region.as_deref())
        && when
            .hours
            .is_none_or(|hours| hours.hold(calendar::minute_of_day(at)))
}

fn single<'b>(row: &'b Row, terms: &Terms) -> Quote<'b> {
    let mut why = Why::default();
    Quote {
        first: chosen(row, terms, &mut why),
        others: Vec::new(),
        why,
    }
}

/// The row under these terms: factors, channels, extras, and doubts where it does not know what was stated.
fn chosen<'b>(row: &'b Row, terms: &Terms, why: &mut Why) -> Chosen<'b> {
    let mut chosen = Chosen {
        row,
        factors: (Ratio::ONE, Ratio::ONE),
        channels: billed_channels(row, terms.channels),
        addons: 0,
        no_floor: false,
        no_ceiling: false,
    };
    tier(&mut chosen, terms, why);
    if row.when.region.is_none() {
        factor(
            &mut chosen,
            &row.regions,
            terms.region.as_deref(),
            &["global", "default"],
            why,
        );
    }
    factor(
        &mut chosen,
        &row.voices,
        terms.voice.as_deref(),
        &["default", "standard"],
        why,
    );
    for addon in &terms.addons {
        if let Some(at) = row.addons.iter().position(|known| same(&known.name, addon)) {
            chosen.addons |= 1 << at;
        } else if !row.included.iter().any(|known| same(known, addon)) {
            chosen.no_ceiling = true;
            why.add(Reason::AssumedTerms);
        }
    }
    chosen
}

fn tier(chosen: &mut Chosen<'_>, terms: &Terms, why: &mut Why) {
    let Some(tier) = tier_of(terms) else {
        return;
    };
    if !terms.tier_served {
        why.add(Reason::AssumedTerms);
    }
    if chosen.row.when.tier.is_some() {
        return;
    }
    if let Some((_, ratio)) = chosen.row.tiers.iter().find(|(known, _)| same(known, tier)) {
        multiply(chosen, (*ratio, *ratio));
        return;
    }
    why.add(Reason::AssumedTerms);
    // What batch and flex cost here is unknown, but they are never dearer than the usual tier.
    if same(tier, "batch") || same(tier, "flex") {
        chosen.no_floor = true;
    } else {
        chosen.no_ceiling = true;
    }
}

fn factor(
    chosen: &mut Chosen<'_>,
    known: &[(Box<str>, Ratio)],
    stated: Option<&str>,
    usual: &[&str],
    why: &mut Why,
) {
    let Some(stated) =
        stated.filter(|stated| !known.is_empty() && !usual.iter().any(|usual| same(usual, stated)))
    else {
        return;
    };
    match known.iter().find(|(name, _)| same(name, stated)) {
        Some((_, ratio)) => multiply(chosen, (*ratio, *ratio)),
        None => {
            let all = || known.iter().map(|(_, ratio)| *ratio).chain([Ratio::ONE]);
            let least = all().reduce(|a, b| if a.exceeds(b) { b } else { a });
            let most = all().reduce(|a, b| if b.exceeds(a) { b } else { a });
            multiply(
                chosen,
                (least.unwrap_or(Ratio::ONE), most.unwrap_or(Ratio::ONE)),
            );
            why.add(Reason::AssumedTerms);
        }
    }
}

fn multiply(chosen: &mut Chosen<'_>, (least, most): (Ratio, Ratio)) {
    let (low, high) = chosen.factors;
    match (low.times(least), high.times(most)) {
        (Some(low), Some(high)) => chosen.factors = (low, high),
        _ => (chosen.no_floor, chosen.no_ceiling) = (true, true),
    }
}

impl Price for Book {
    fn price(&self, billed: &Billed<'_>) -> Cost {
        let mut cost = match self.resolve(billed.provider, billed.model, billed.terms, billed.at) {
            Err(reason) => Cost::unknown(reason),
            Ok(quote) => {
                let amount = quote.amount(billed.usage);
                Cost {
                    at_least: amount.at_least,
                    at_most: amount.at_most,
                    lines: quote.lines(billed.usage),
                    book: Name::default(),
                    why: amount.why(),
                }
            }
        };
        cost.book = self.0.version.clone();
        cost
    }
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book")
            .field("version", &self.0.version)
            .field("rows", &self.0.rows.len())
            .finish()
    }
}
