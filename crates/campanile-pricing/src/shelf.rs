//! The rows of one vendor, and the way from a model's name and terms to one of them.

use crate::{
    amount::Quote,
    calendar,
    compile::{self, Credit},
    error::BookError,
    names::Names,
    row::Row,
    terms::{chosen, fits, said, same, single},
    text::{BookText, CreditText, LimitText, PriceText, VendorText},
};
use campanile_core::{Mode, Reason, Terms, Timestamp};
use std::{cmp::Reverse, collections::HashSet};

/// What one file says about one vendor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chapter {
    /// Whether its rows are negotiated, and win.
    pub(crate) overrides: bool,
    pub(crate) vendors: Vec<VendorText>,
    pub(crate) credits: Vec<(usize, CreditText)>,
    pub(crate) prices: Vec<(usize, PriceText)>,
    pub(crate) limits: Vec<(usize, LimitText)>,
}

impl Chapter {
    /// The chapter of a file that is about one vendor.
    pub(crate) fn of(text: BookText) -> Self {
        Self {
            overrides: false,
            vendors: text.vendor,
            credits: text.credit.into_iter().enumerate().collect(),
            prices: text.price.into_iter().enumerate().collect(),
            limits: text.limit.into_iter().enumerate().collect(),
        }
    }
}

impl Chapter {
    pub(crate) fn is_empty(&self) -> bool {
        self.vendors.is_empty()
            && self.credits.is_empty()
            && self.prices.is_empty()
            && self.limits.is_empty()
    }
}

/// The rows of one vendor, by model.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) rows: Vec<Row>,
    pub(crate) plan: Option<Box<str>>,
    pub(crate) included: Vec<String>,
    prefixes: Vec<String>,
    models: Names<Family>,
    patterns: Vec<(Pattern, Family)>,
    credits: Vec<Credit>,
}

/// The rows of one model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Family {
    /// In the order of the file.
    pub(crate) rows: Vec<u32>,
    /// The same, the most specific first.
    slots: Vec<Slot>,
    has_mode: bool,
    plans: Vec<Box<str>>,
}

/// What rules most rows out, beside one another in memory: a row itself is large.
#[derive(Clone, Copy, Debug)]
struct Slot {
    from: Timestamp,
    to: Timestamp,
    row: u32,
    /// The conditions that it has, as bits of [`When::asks`](crate::row::When::asks).
    asks: u8,
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

impl Shelf {
    /// Reads chapters; of two, the later wins where it overrides.
    pub(crate) fn build<'a>(
        chapters: impl Iterator<Item = &'a Chapter> + Clone,
    ) -> Result<Self, BookError> {
        let mut shelf = Self::default();
        for chapter in chapters.clone() {
            for vendor in &chapter.vendors {
                shelf.plan = vendor.plan.as_deref().map(Box::from).or(shelf.plan.take());
                shelf.included.extend(vendor.included.iter().cloned());
                shelf.prefixes.extend(vendor.prefixes.iter().cloned());
            }
            for (n, credit) in &chapter.credits {
                shelf.credits.push(compile::credit(n + 1, credit)?);
            }
        }
        for chapter in chapters.clone() {
            for (n, price) in &chapter.prices {
                let rows = compile::rows(n + 1, price, &shelf.credits, chapter.overrides)?;
                let pattern = pattern(n + 1, price)?;
                for row in rows {
                    shelf.take(row, pattern.as_ref());
                }
            }
        }
        for (n, limit) in chapters.flat_map(|chapter| &chapter.limits) {
            compile::limit(n + 1, limit, &mut shelf.rows)?;
        }
        shelf.finish()?;
        Ok(shelf)
    }

    fn take(&mut self, row: Row, pattern: Option<&Pattern>) {
        let at = self.rows.len() as u32;
        let exact = row.models.len() - usize::from(pattern.is_some());
        for model in &row.models[..exact] {
            self.models
                .entry(model.as_str().into())
                .or_default()
                .take(at, &row);
        }
        if let Some(pattern) = pattern {
            match self.patterns.iter_mut().find(|(known, _)| known == pattern) {
                Some((_, family)) => family.take(at, &row),
                None => {
                    let mut family = Family::default();
                    family.take(at, &row);
                    self.patterns.push((pattern.clone(), family));
                }
            }
        }
        self.rows.push(row);
    }

    /// Refuses rows that could both price the same usage, and names that stand for two rows.
    fn finish(&mut self) -> Result<(), BookError> {
        self.patterns
            .sort_by_key(|(pattern, _)| Reverse(pattern.starts.len()));
        let patterns = self.patterns.iter_mut().map(|(_, family)| family);
        for family in self.models.values_mut().chain(patterns) {
            family.refuse_ties(&self.rows)?;
            family.sort(&self.rows);
        }
        let mut entries = HashSet::with_capacity(self.rows.len());
        match self
            .rows
            .iter()
            .find(|row| !entries.insert(row.entry.as_str()))
        {
            None => Ok(()),
            Some(row) => {
                let says = "names two rows: let the second begin with another model";
                Err(BookError::new(row.entry.as_str(), "model", says))
            }
        }
    }

    /// The exact names, in order, and their rows.
    pub(crate) fn by_model(&self) -> Vec<(&str, Vec<&Row>)> {
        let mut models: Vec<_> = self
            .models
            .keys()
            .map(|model| (&**model, self.model(model).unwrap_or_default()))
            .collect();
        models.sort_by_key(|(model, _)| *model);
        models
    }

    /// The rows of an exact name.
    pub(crate) fn model(&self, model: &str) -> Option<Vec<&Row>> {
        let rows = self.models.get(model)?.rows.iter();
        Some(rows.map(|at| &self.rows[*at as usize]).collect())
    }

    /// Exact name → name without the vendor → name without its date → pattern; and once more in small letters.
    pub(crate) fn find(&self, model: &str) -> Option<(&Family, Found)> {
        match self.models.get(model) {
            Some(family) => Some((family, Found::Exact)),
            None => self.beside_exact(model),
        }
    }

    fn beside_exact(&self, model: &str) -> Option<(&Family, Found)> {
        self.beside(model).or_else(|| {
            // As people write it: `Claude Haiku 4.5`.
            let lower = model.to_ascii_lowercase().replace(' ', "-");
            match self.models.get(lower.as_str()) {
                _ if lower == model => None,
                Some(family) => Some((family, Found::Exact)),
                None => self.beside(&lower),
            }
        })
    }

    fn beside(&self, model: &str) -> Option<(&Family, Found)> {
        // Where a model stands in a path of its cloud: `projects/p/locations/l/publishers/google/models/m`.
        let (path, model) = match model.rsplit_once("/models/") {
            Some((_, model)) => (true, model),
            None => (false, model),
        };
        if let Some(family) = self.models.get(model).filter(|_| path) {
            return Some((family, Found::Prefix));
        }
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

    /// The rows that could hold, for every answer to what the terms leave open.
    pub(crate) fn quote<'b>(
        &'b self,
        family: &Family,
        terms: &Terms,
        at: Timestamp,
    ) -> Option<Quote<'b>> {
        let pick = |mode, plan: Option<&str>| self.pick(family, terms, at, mode, plan);
        let plan = terms.plan.as_deref();
        if let Some(plan) = plan.filter(|plan| !self.knows_plan(family, plan)) {
            return self.over_plans(family, terms, plan, pick);
        }
        let streaming = pick(terms.mode.or(Some(Mode::Streaming)), plan);
        if terms.mode.is_some() || !family.has_mode {
            return streaming.map(|row| single(row, terms, &self.included));
        }
        let prerecorded = pick(Some(Mode::Prerecorded), plan);
        match (streaming, prerecorded) {
            (Some(a), Some(b)) if std::ptr::eq(a, b) => Some(single(a, terms, &self.included)),
            (Some(row), None) | (None, Some(row)) => Some(single(row, terms, &self.included)),
            (None, None) => None,
            (Some(usual), Some(other)) | (Some(other), Some(usual))
                if usual.usual && !other.usual =>
            {
                let mut quote = single(usual, terms, &self.included);
                quote.why.add(Reason::AssumedTerms);
                Some(quote)
            }
            (Some(a), Some(b)) => {
                let mut quote = single(a, terms, &self.included);
                quote
                    .others
                    .push(chosen(b, terms, &self.included, &mut quote.why));
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
        pick: impl Fn(Option<Mode>, Option<&str>) -> Option<&'b Row>,
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
        let pick = &pick;
        for row in plans.flat_map(|plan| modes.iter().filter_map(move |mode| pick(*mode, plan))) {
            match &mut quote {
                None => quote = Some(single(row, terms, &self.included)),
                Some(quote) if std::ptr::eq(quote.first.row, row) => {}
                Some(quote) => {
                    quote
                        .others
                        .push(chosen(row, terms, &self.included, &mut quote.why))
                }
            }
        }
        let mut quote = quote?;
        quote.why.add(Reason::AssumedTerms);
        Some(quote)
    }

    /// The most specific row that holds.
    fn pick(
        &self,
        family: &Family,
        terms: &Terms,
        at: Timestamp,
        mode: Option<Mode>,
        plan: Option<&str>,
    ) -> Option<&Row> {
        let plan = plan.or(self.plan.as_deref());
        let said = said(terms, mode, plan);
        let slots = family.slots.iter();
        slots
            .filter(|slot| slot.asks & !said == 0 && slot.from <= at && at < slot.to)
            .map(|slot| &self.rows[slot.row as usize])
            .find(|row| fits(row, terms, at, mode, plan))
    }
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

    /// Whether any price of the model depends on the plan.
    pub(crate) fn has_plans(&self) -> bool {
        !self.plans.is_empty()
    }

    fn sort(&mut self, rows: &[Row]) {
        let mut sorted: Vec<_> = self
            .rows
            .iter()
            .map(|at| (*at, &rows[*at as usize]))
            .collect();
        sorted.sort_by_key(|(_, row)| Reverse((row.overrides, row.when.weight())));
        let slot = |(at, row): (u32, &Row)| Slot {
            from: row.from,
            to: row.to,
            row: at,
            asks: row.when.asks(),
        };
        self.slots = sorted.into_iter().map(slot).collect();
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
