//! The book: vendors by name, each with its rows.

use crate::{
    amount::Quote,
    error::BookError,
    names::Names,
    row::Row,
    shelf::{Chapter, Family, Found, Shelf},
    text::BookText,
};
use campanile_core::{Billed, Cost, Line, Name, Price, Reason, Terms, Timestamp};
use std::{
    fmt,
    sync::{Arc, OnceLock},
};

/// The standard book's version: the day on which its rows were last changed, and a number. Events carry it, so that
/// it must change with the rows: a test compares the fingerprint of the files.
const VERSION: &str = "2026-11-28.2";

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

#[derive(Clone)]
struct Pages {
    version: Name,
    vendors: Vec<Arc<Vendor>>,
    by_name: Names<u32>,
}

/// Who bills. The files of the standard book are read when a vendor is asked for the first time: a bot knows three.
struct Vendor {
    name: Box<str>,
    standard: Option<&'static str>,
    chapters: Vec<Chapter>,
    shelf: OnceLock<Shelf>,
}

impl Vendor {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            standard: None,
            chapters: Vec::new(),
            shelf: OnceLock::new(),
        }
    }

    fn shelf(&self) -> &Shelf {
        self.shelf.get_or_init(|| {
            self.build()
                .expect("a test reads each file, and others are read at once")
        })
    }

    fn build(&self) -> Result<Shelf, BookError> {
        let standard = match self.standard {
            Some(text) => Some(Chapter::of(toml::from_str(text)?)),
            None => None,
        };
        Shelf::build(standard.iter().chain(&self.chapters))
    }
}

impl Book {
    /// The book that comes with this version of the crate. A clone is a pointer; a vendor's rows are read when it
    /// is first asked for (a few milliseconds, on the thread that prices).
    ///
    /// # Panics
    ///
    /// Never in a build whose tests pass: a test reads the same texts.
    #[must_use]
    pub fn standard() -> Self {
        static BOOK: OnceLock<Book> = OnceLock::new();
        BOOK.get_or_init(|| Self::shelve(STANDARD).expect("a test reads the same texts"))
            .clone()
    }

    fn shelve(files: &[(&str, &'static str)]) -> Result<Self, BookError> {
        let mut pages = Pages::empty(Name::from_static(VERSION));
        for (name, text) in files {
            // What stands above the first price says how else the vendor is called.
            let head = text.find("\n[[price]]").map_or(*text, |at| &text[..at]);
            let head: BookText = toml::from_str(head)?;
            let at = pages.vendor(name);
            pages.take_aliases(at, &head)?;
            let mut vendor = Vendor::new(name);
            vendor.standard = Some(text);
            pages.vendors[at] = Arc::new(vendor);
        }
        Ok(Self(Arc::new(pages)))
    }

    /// Reads a book.
    ///
    /// # Errors
    ///
    /// Where the text is not TOML of the right shape, where a row is wrong (the error names row and field), or
    /// where two rows could price the same usage and neither is more specific.
    pub fn parse(text: &str) -> Result<Self, BookError> {
        let text: BookText = toml::from_str(text)?;
        let mut pages = Pages::empty(version(
            None,
            text.version.as_deref().unwrap_or("unversioned"),
        )?);
        pages.take(text, false)?;
        Ok(Self(Arc::new(pages)))
    }

    /// This book with more rows, which win wherever they apply: negotiated prices, models it does not know.
    ///
    /// A row of the override stands alone: meters that it leaves out are unpriced. One without conditions holds
    /// for every tier, mode and plan. Where the text has no `version`, its fingerprint marks the new book.
    ///
    /// # Errors
    ///
    /// Like [`parse`](Self::parse).
    pub fn with_override(&self, text: &str) -> Result<Self, BookError> {
        let read: BookText = toml::from_str(text)?;
        let mut pages = (*self.0).clone();
        let own = read
            .version
            .clone()
            .unwrap_or_else(|| format!("override-{:08x}", fingerprint(text)));
        pages.version = version(Some(&pages.version), &own)?;
        pages.take(read, true)?;
        Ok(Self(Arc::new(pages)))
    }

    /// Which book this is; every cost carries it.
    #[must_use]
    pub fn version(&self) -> &Name {
        &self.0.version
    }

    /// Every row, by vendor. Reads what was not read yet.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.0
            .vendors
            .iter()
            .flat_map(|vendor| &vendor.shelf().rows)
    }

    pub(crate) fn shelves(&self) -> impl Iterator<Item = &Shelf> {
        self.0.vendors.iter().map(|vendor| vendor.shelf())
    }

    /// The vendors, by the name that rows have.
    pub fn vendors(&self) -> impl Iterator<Item = &str> {
        self.0.vendors.iter().map(|vendor| &*vendor.name)
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
        let (shelf, family, found) = self.find(provider, model).ok_or(Reason::UnknownModel)?;
        let mut quote = shelf
            .quote(family, terms, at)
            .ok_or(Reason::KnownButUnpriced)?;
        if found == Found::Date {
            quote.why.add(Reason::AssumedAlias);
        }
        Ok(quote)
    }

    pub(crate) fn find(&self, provider: &str, model: &str) -> Option<(&Shelf, &Family, Found)> {
        let pages = &*self.0;
        let at = pages.by_name.get(provider).copied().or_else(|| {
            let lower = provider.to_ascii_lowercase();
            pages.by_name.get(lower.as_str()).copied()
        })?;
        let shelf = pages.vendors[at as usize].shelf();
        let (family, found) = shelf.find(model)?;
        Some((shelf, family, found))
    }
}

impl Pages {
    fn empty(version: Name) -> Self {
        Self {
            version,
            vendors: Vec::new(),
            by_name: Names::default(),
        }
    }

    /// The place of the vendor of that name; a new one where it is unknown.
    fn vendor(&mut self, name: &str) -> usize {
        if let Some(at) = self.by_name.get(name) {
            return *at as usize;
        }
        self.vendors.push(Arc::new(Vendor::new(name)));
        let at = self.vendors.len() - 1;
        self.by_name.insert(name.into(), at as u32);
        at
    }

    fn take_aliases(&mut self, at: usize, text: &BookText) -> Result<(), BookError> {
        let own = &self.vendors[at].name;
        let mine = text.vendor.iter().filter(|vendor| *vendor.name == **own);
        let aliases: Vec<_> = mine
            .flat_map(|vendor| vendor.aliases.iter().cloned())
            .collect();
        for alias in aliases {
            let known = self.by_name.insert(alias.as_str().into(), at as u32);
            if known.is_some_and(|known| known as usize != at) {
                let place = format!("vendor {}", self.vendors[at].name);
                return Err(BookError::new(
                    place,
                    "aliases",
                    format!("`{alias}` is another vendor's name"),
                ));
            }
        }
        Ok(())
    }

    /// Puts a file's rows on the shelves of their vendors, and reads those at once.
    fn take(&mut self, text: BookText, overrides: bool) -> Result<(), BookError> {
        for vendor in &text.vendor {
            let at = self.vendor(&vendor.name);
            self.take_aliases(at, &text)?;
        }
        let mut chapters: Vec<Chapter> = Vec::new();
        let mut chapter = |pages: &mut Self, vendor: &str, write: &mut dyn FnMut(&mut Chapter)| {
            let at = pages.vendor(vendor);
            chapters.resize_with(pages.vendors.len(), Chapter::default);
            write(&mut chapters[at]);
        };
        for vendor in text.vendor {
            chapter(self, &vendor.name, &mut |chapter| {
                chapter.vendors.push(vendor.clone())
            });
        }
        for (n, credit) in text.credit.into_iter().enumerate() {
            chapter(self, &credit.vendor, &mut |chapter| {
                chapter.credits.push((n, credit.clone()))
            });
        }
        for (n, price) in text.price.into_iter().enumerate() {
            chapter(self, &price.vendor, &mut |chapter| {
                chapter.prices.push((n, price.clone()))
            });
        }
        for (n, limit) in text.limit.into_iter().enumerate() {
            chapter(self, &limit.vendor, &mut |chapter| {
                chapter.limits.push((n, limit.clone()))
            });
        }
        for (at, mut chapter) in chapters.into_iter().enumerate() {
            if !chapter.is_empty() {
                chapter.overrides = overrides;
                self.vendors[at] = Arc::new(self.vendors[at].with(chapter)?);
            }
        }
        Ok(())
    }
}

impl Vendor {
    /// This vendor with one more chapter, read at once: what a person wrote is refused when it is loaded.
    fn with(&self, chapter: Chapter) -> Result<Self, BookError> {
        let mut vendor = Vendor {
            name: self.name.clone(),
            standard: self.standard,
            chapters: self.chapters.clone(),
            shelf: OnceLock::new(),
        };
        vendor.chapters.push(chapter);
        vendor.shelf = OnceLock::from(vendor.build()?);
        Ok(vendor)
    }
}

fn version(base: Option<&str>, own: &str) -> Result<Name, BookError> {
    let version = base.map_or_else(|| own.to_owned(), |base| format!("{base}+{own}"));
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

impl Price for Book {
    fn price(&self, billed: &Billed<'_>) -> Cost {
        self.cost(billed, |quote| quote.lines(billed.usage))
    }

    fn amount(&self, billed: &Billed<'_>) -> Cost {
        self.cost(billed, |_| Vec::new())
    }
}

impl Book {
    fn cost(&self, billed: &Billed<'_>, lines: impl FnOnce(&Quote<'_>) -> Vec<Line>) -> Cost {
        let mut cost = match self.resolve(billed.provider, billed.model, billed.terms, billed.at) {
            Err(reason) => Cost::unknown(reason),
            Ok(quote) => {
                let amount = quote.amount(billed.usage);
                Cost {
                    at_least: amount.at_least,
                    at_most: amount.at_most,
                    lines: lines(&quote),
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
            .field("vendors", &self.0.vendors.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the files that [`VERSION`] names.
    const FINGERPRINT: u32 = 0xcd748f52;

    #[test]
    fn a_version_names_one_set_of_prices() {
        let texts: String = STANDARD.iter().map(|(_, text)| *text).collect();

        let now = fingerprint(&texts);

        assert!(
            now == FINGERPRINT,
            "prices changed: raise VERSION, and write {now:#010x} here"
        );
    }

    #[test]
    fn every_standard_file_can_be_read() {
        for vendor in &Book::standard().0.vendors {
            if let Err(error) = vendor.build() {
                panic!("prices/{}.toml: {error}", vendor.name);
            }
        }
    }
}
