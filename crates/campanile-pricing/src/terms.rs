//! What terms make of a row: whether it holds, and by which factors, channels and extras.

use crate::{
    amount::{Chosen, Quote, Why, billed_channels},
    calendar,
    rate::Ratio,
    row::Row,
};
use campanile_core::{Mode, Reason, Terms, Timestamp};

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

/// Which conditions these terms can meet at all, as the bits of `When::asks`. There always is an hour.
pub(crate) fn said(terms: &Terms, mode: Option<Mode>, plan: Option<&str>) -> u8 {
    u8::from(mode.is_some())
        | u8::from(terms.tier.is_some()) << 1
        | u8::from(plan.is_some()) << 2
        | u8::from(terms.region.is_some()) << 3
        | 1 << 4
}

pub(crate) fn fits(
    row: &Row,
    terms: &Terms,
    at: Timestamp,
    mode: Option<Mode>,
    plan: Option<&str>,
) -> bool {
    let when = &row.when;
    let stated = |wanted: &Option<Box<str>>, stated: Option<&str>| match wanted {
        None => true,
        Some(wanted) => {
            stated.is_some_and(|stated| wanted.split('|').any(|name| same(name, stated)))
        }
    };
    (when.mode.is_none() || when.mode == mode)
        && (when.tier.is_none() || stated(&when.tier, tier_of(terms)))
        && stated(&when.plan, plan)
        && stated(&when.region, terms.region.as_deref())
        && when
            .hours
            .is_none_or(|hours| hours.hold(calendar::minute_of_day(at)))
}

pub(crate) fn single<'b>(row: &'b Row, terms: &Terms, included: &[String]) -> Quote<'b> {
    let mut why = Why::default();
    Quote {
        first: chosen(row, terms, included, &mut why),
        others: Vec::new(),
        why,
    }
}

/// The row under these terms: factors, channels, extras, and doubts where it does not know what was stated.
pub(crate) fn chosen<'b>(
    row: &'b Row,
    terms: &Terms,
    included: &[String],
    why: &mut Why,
) -> Chosen<'b> {
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
        } else if !included.iter().any(|known| same(known, addon)) {
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
