//! Why an amount is not exact, as numbers.

use crate::ledger::codec::Unpack;
use campanile_core::{Meter, Reason};

/// Whether something was used whose cost the ledger does not know: no price, or nobody asked for one.
pub(super) fn is_unpriced(why: Reason) -> bool {
    why.is_unpriced() || why == Reason::NotPriced
}

/// The number of a reason, and the meter it speaks of.
pub(super) fn pack_reason(out: &mut Vec<u8>, why: Reason) {
    let (number, meter) = match why {
        Reason::UnknownModel => (0, None),
        Reason::KnownButUnpriced => (1, None),
        Reason::UnpricedMeter(meter) => (2, Some(meter)),
        Reason::Bounded(meter) => (3, Some(meter)),
        Reason::UnknownUsage => (4, None),
        Reason::AssumedAlias => (5, None),
        Reason::AssumedTerms => (6, None),
        Reason::UnsureRate => (7, None),
        Reason::AmbiguousPrice => (8, None),
        Reason::Contradiction => (9, None),
        Reason::Overflow => (10, None),
        Reason::PricingFailed => (11, None),
        Reason::NotPriced => (12, None),
        // A reason that core has learnt since: the bounds tell the amount all the same.
        _ => return,
    };
    out.push(number);
    if let Some(meter) = meter {
        out.push(meter.index() as u8);
    }
}

pub(crate) fn unpack_reasons(bytes: &[u8]) -> Vec<Reason> {
    let mut from = Unpack(bytes);
    let mut reasons = Vec::new();
    while let Some(number) = from.byte() {
        let mut meter = || {
            from.byte()
                .and_then(|index| Meter::ALL.get(usize::from(index)).copied())
        };
        let reason = match number {
            0 => Some(Reason::UnknownModel),
            1 => Some(Reason::KnownButUnpriced),
            2 => meter().map(Reason::UnpricedMeter),
            3 => meter().map(Reason::Bounded),
            4 => Some(Reason::UnknownUsage),
            5 => Some(Reason::AssumedAlias),
            6 => Some(Reason::AssumedTerms),
            7 => Some(Reason::UnsureRate),
            8 => Some(Reason::AmbiguousPrice),
            9 => Some(Reason::Contradiction),
            10 => Some(Reason::Overflow),
            11 => Some(Reason::PricingFailed),
            12 => Some(Reason::NotPriced),
            _ => return reasons,
        };
        reasons.extend(reason);
    }
    reasons
}
