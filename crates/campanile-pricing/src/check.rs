//! What is suspicious about a book that can be read: the checks that found errors in published ones.

use crate::{
    book::Book,
    calendar,
    row::{Row, When, bit},
    shelf::Shelf,
};
use campanile_core::{Meter, Mode, Name, Timestamp};
use std::fmt;

/// A source older than this deserves another look.
const STALE_DAYS: i64 = 180;
/// A promotion without an end deserves one sooner.
const STALE_PROMOTION_DAYS: i64 = 90;

/// Something that a person should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Whether prices are likely wrong; otherwise they may be old.
    pub is_error: bool,
    /// The row.
    pub entry: Name,
    /// What is wrong with it.
    pub says: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grade = if self.is_error { "error" } else { "warning" };
        write!(f, "{grade}: {}: {}", self.entry, self.says)
    }
}

impl Book {
    /// Orders that prices keep (prerecorded ≤ streaming, cached ≤ input ≤ cache writes, batch and flex ≤ usual ≤
    /// priority, nano ≤ mini ≤ full), and sources that are old on the day `today`.
    ///
    /// A row that says why it is `odd` is excused from the orders. Rows that overlap, rates that are not whole
    /// and names that mean two things are no problems but errors: such a book cannot be read.
    #[must_use]
    pub fn check(&self, today: Timestamp) -> Vec<Problem> {
        let mut problems = Problems {
            today,
            found: Vec::new(),
        };
        for shelf in self.shelves() {
            for row in &shelf.rows {
                problems.age(row);
                problems.order_within(row);
            }
            for (_, rows) in shelf.by_model() {
                problems.order_between(&rows);
            }
            problems.order_of_sizes(shelf);
        }
        problems.found.dedup();
        problems.found
    }
}

struct Problems {
    today: Timestamp,
    found: Vec<Problem>,
}

/// The rate that the row itself states.
fn rate(row: &Row, meter: Meter) -> Option<i128> {
    let sheet = row.sheets.first()?;
    (sheet.stated & bit(meter) != 0).then(|| sheet.rates[meter.index()])
}

impl Problems {
    fn note(&mut self, is_error: bool, row: &Row, says: String) {
        let entry = row.entry.clone();
        self.found.push(Problem {
            is_error,
            entry,
            says,
        });
    }

    fn age(&mut self, row: &Row) {
        let days = calendar::days_between(row.source.checked, self.today);
        if days < 0 {
            self.note(true, row, "was checked in the future".into());
        } else if days > STALE_DAYS {
            self.note(false, row, format!("was checked {days} days ago"));
        } else if row.regular().next().is_some()
            && row.to().is_none()
            && days > STALE_PROMOTION_DAYS
        {
            self.note(
                false,
                row,
                format!("is a promotion without an end, checked {days} days ago"),
            );
        }
    }

    fn order_within(&mut self, row: &Row) {
        use Meter::{
            AudioInputTokens, CacheWriteTokens, CachedAudioTokens, CachedInputTokens, InputTokens,
            LongCacheWriteTokens,
        };
        if row.odd.is_some() {
            return;
        }
        for (less, more) in [
            (CachedInputTokens, InputTokens),
            (CachedAudioTokens, AudioInputTokens),
            (InputTokens, CacheWriteTokens),
            (CacheWriteTokens, LongCacheWriteTokens),
        ] {
            for sheet in &row.sheets {
                if let (Some(a), Some(b)) = (sheet.rate(less), sheet.rate(more))
                    && a > b
                {
                    self.note(true, row, format!("{less} is dearer than {more}"));
                }
            }
        }
    }

    /// Of the rows of one model that differ in one condition.
    fn order_between(&mut self, rows: &[&Row]) {
        for a in rows {
            for b in rows {
                let (less, more) = if is_cheaper_mode(&a.when, &b.when) {
                    ("prerecorded", "streaming")
                } else if let Some(names) = tier_order(&a.when, &b.when) {
                    names
                } else {
                    continue;
                };
                let apart = a.overrides != b.overrides || !a.overlaps(b);
                if apart || a.odd.is_some() || b.odd.is_some() {
                    continue;
                }
                if let Some(meter) = dearer(a, b) {
                    self.note(
                        true,
                        a,
                        format!("{meter} is dearer {less} than {more} ({})", b.entry),
                    );
                }
            }
        }
    }

    /// A smaller model of one name is not dearer.
    fn order_of_sizes(&mut self, shelf: &Shelf) {
        let plain = |model: &str| {
            let rows = shelf.model(model)?;
            let mut plain = rows.into_iter();
            plain.find(|row| {
                row.when == When::default() && row.holds_at(self.today) && row.odd.is_none()
            })
        };
        let mut found = Vec::new();
        for (model, _) in shelf.by_model() {
            for (small, large) in [("-mini", ""), ("-nano", "-mini"), ("-lite", "")] {
                let whole = model.contains(small).then(|| model.replace(small, large));
                let pair = whole.and_then(|whole| Some((plain(model)?, plain(&whole)?)));
                if let Some((a, b)) = pair
                    // Discounts on cached tokens differ from one generation to the next.
                    && let Some(meter) = dearer(a, b).filter(|meter| *meter != Meter::CachedInputTokens)
                {
                    found.push((a, format!("{meter} is dearer than that of {}", b.entry)));
                }
            }
        }
        for (row, says) in found {
            self.note(true, row, says);
        }
    }
}

/// The first meter that costs more in `a` than in `b`.
fn dearer(a: &Row, b: &Row) -> Option<Meter> {
    [
        Meter::InputTokens,
        Meter::CachedInputTokens,
        Meter::OutputTokens,
        Meter::AudioInputTokens,
        Meter::AudioOutputTokens,
        Meter::AudioUs,
        Meter::Characters,
    ]
    .into_iter()
    .find(|meter| matches!((rate(a, *meter), rate(b, *meter)), (Some(a), Some(b)) if a > b))
}

fn is_cheaper_mode(a: &When, b: &When) -> bool {
    let same = When {
        mode: b.mode,
        ..a.clone()
    };
    a.mode == Some(Mode::Prerecorded) && b.mode == Some(Mode::Streaming) && same == *b
}

/// The names of two tiers of which the first is not dearer, where the rows differ in nothing else.
fn tier_order(a: &When, b: &When) -> Option<(&'static str, &'static str)> {
    let same = When {
        tier: b.tier.clone(),
        ..a.clone()
    };
    let name = |when: &When| {
        when.tier
            .as_deref()
            .and_then(|tier| tier.split('|').next().map(str::to_owned))
    };
    match (name(a).as_deref(), name(b).as_deref()) {
        _ if same != *b => None,
        (Some("batch"), None) => Some(("in batch", "as usual")),
        (Some("flex"), None) => Some(("in flex", "as usual")),
        (None, Some("priority")) => Some(("as usual", "with priority")),
        _ => None,
    }
}
