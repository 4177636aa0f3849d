//! Why a price is what it is: the row, its source, and the rows that it beat.

use crate::{
    book::Book,
    row::Row,
    shelf::{Family, Found, Shelf},
    terms::fits,
};
use campanile_core::{Reason, Terms, Timestamp};
use std::fmt;

/// Which rows price a model under terms, and why not the others. `Display` writes it for people.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explained<'b> {
    /// How the name led to the rows.
    pub found: Found,
    /// The rows that price it: one, or several where the terms leave that open; none where no price is known.
    pub rows: Vec<&'b Row>,
    /// The model's other rows, and why each lost.
    pub beat: Vec<(&'b Row, Lost)>,
    /// The vendor's usual plan, where the model's price depends on one and the terms state none: an assumption
    /// that the book makes on purpose, and no reason to doubt the amount.
    pub plan: Option<&'b str>,
    /// What the choice assumes.
    pub why: Vec<Reason>,
}

/// Why a row of the model does not price it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lost {
    /// It holds later.
    NotYet,
    /// It held earlier.
    NoLonger,
    /// It asks for another mode, tier, plan, region or hour.
    OtherTerms,
    /// A row with more conditions holds too.
    LessSpecific,
    /// A negotiated row holds too.
    Overridden,
}

impl Lost {
    /// The words of the listing.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Lost::NotYet => "holds later",
            Lost::NoLonger => "held earlier",
            Lost::OtherTerms => "asks for other terms",
            Lost::LessSpecific => "is less specific",
            Lost::Overridden => "is overridden",
        }
    }
}

impl Book {
    /// What prices a model, from where, and what it beat.
    ///
    /// # Errors
    ///
    /// [`Reason::UnknownModel`] where the book does not have the name.
    pub fn explain(
        &self,
        provider: &str,
        model: &str,
        terms: &Terms,
        at: Timestamp,
    ) -> Result<Explained<'_>, Reason> {
        let (shelf, family, found) = self.find(provider, model).ok_or(Reason::UnknownModel)?;
        let (rows, why) = match self.resolve(provider, model, terms, at) {
            Ok(quote) => {
                let rows = std::iter::once(quote.row()).chain(quote.others()).collect();
                (rows, quote.why.reasons().collect())
            }
            Err(reason) => (Vec::new(), vec![reason]),
        };
        let usual = || shelf.plan.as_deref().filter(|_| family.has_plans());
        let plan = terms.plan.as_ref().map_or_else(usual, |_| None);
        let beat = losers(shelf, family, &rows, terms, at);
        Ok(Explained {
            found,
            rows,
            beat,
            plan,
            why,
        })
    }
}

fn losers<'b>(
    shelf: &'b Shelf,
    family: &Family,
    winners: &[&'b Row],
    terms: &Terms,
    at: Timestamp,
) -> Vec<(&'b Row, Lost)> {
    let rows = family.rows.iter().map(|at| &shelf.rows[*at as usize]);
    let others = rows.filter(|row| !winners.iter().any(|winner| std::ptr::eq(*winner, *row)));
    others
        .map(|row| {
            let plan = terms.plan.as_deref().or(shelf.plan.as_deref());
            let lost = if at < row.from {
                Lost::NotYet
            } else if at >= row.to {
                Lost::NoLonger
            } else if !fits(row, terms, at, terms.mode, plan) {
                Lost::OtherTerms
            } else if winners
                .iter()
                .any(|winner| winner.overrides && !row.overrides)
            {
                Lost::Overridden
            } else {
                Lost::LessSpecific
            };
            (row, lost)
        })
        .collect()
}

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            writeln!(f, "no price is known for these terms at this moment")?;
        }
        for row in &self.rows {
            write!(f, "{row}")?;
        }
        if let Some(plan) = self.plan {
            writeln!(f, "  plan    {plan}, since the terms name none")?;
        }
        for why in &self.why {
            writeln!(f, "  note    {why:?}")?;
        }
        for (row, lost) in &self.beat {
            writeln!(f, "  beat    {} ({})", row.entry(), lost.name())?;
        }
        Ok(())
    }
}

/// The row in a few lines: its name, its rates, its source.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.entry)?;
        if self.is_unpriced() {
            writeln!(f, "  rate    none is published")?;
        }
        for (above, meter, rate) in self.rates() {
            match above {
                None => writeln!(f, "  rate    {meter} {rate}")?,
                Some(above) => {
                    writeln!(f, "  rate    {meter} {rate} (prompts over {above} tokens)")?
                }
            }
        }
        for (meter, rate) in self.regular() {
            writeln!(f, "  later   {meter} {rate} when the promotion ends")?;
        }
        if let (Some(prompt), Some(answer)) = self.limits() {
            writeln!(f, "  limit   {prompt} tokens in, {answer} out")?;
        }
        if let Some(from) = self.from() {
            writeln!(f, "  from    {from}")?;
        }
        if let Some(to) = self.to() {
            writeln!(f, "  to      {to}")?;
        }
        let source = &self.source;
        let checked = source.checked.to_string();
        let (page, says, kind) = (&source.page, &source.says, source.kind.name());
        writeln!(f, "  source  {page}, {}: {says} ({kind})", &checked[..10])?;
        if let Some(over) = &source.over {
            writeln!(f, "  over    {over}")?;
        }
        Ok(())
    }
}
