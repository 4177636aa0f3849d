//! Amounts and the columns they are kept in.

use crate::ledger::{row::Bounds, schema::Val};
use campanile_core::Money;

/// The two columns of an amount. One that does not fit (over nine million dollars) is a lower bound.
pub(super) fn columns(cost: Option<Bounds>) -> [Val<'static>; 4] {
    let Some(cost) = cost else {
        return [Val::Null; 4];
    };
    let (pico, rest, fits) = match cost.at_least.to_pico() {
        Some((pico, rest)) => (pico, rest, true),
        None if cost.at_least < Money::ZERO => (i64::MIN, 0, false),
        None => (i64::MAX, 0, false),
    };
    let more = cost.more().filter(|_| fits).and_then(Money::to_pico);
    let more = more.map_or([Val::Null; 2], |(pico, rest)| {
        [Val::Int(pico), Val::Int(rest)]
    });
    [Val::Int(pico), Val::Int(rest), more[0], more[1]]
}

/// The amount in the four columns of a part.
pub(crate) fn amount(
    pico: Option<i64>,
    rest: Option<i64>,
    more: Option<(i64, i64)>,
) -> Option<Bounds> {
    let at_least = Money::from_pico(pico?.into(), rest?.into())?;
    let more = more.and_then(|(pico, rest)| Money::from_pico(pico.into(), rest.into()));
    Some(Bounds {
        at_least,
        at_most: more.and_then(|more| at_least.checked_add(more)),
    })
}

/// Amounts below this, over five million dollars, fit into their columns.
const FITS: i128 = 1 << 94;

/// What `cost` is once it was written and read.
pub(super) fn as_kept(cost: Option<Bounds>) -> Option<Bounds> {
    let fits = |amount: Money| amount.grains().unsigned_abs() < FITS.unsigned_abs();
    let same = |cost: &Bounds| {
        let more = cost.more();
        fits(cost.at_least) && more.map_or(cost.at_most.is_none(), fits)
    };
    match cost {
        // The usual one, without a division.
        Some(cost) if same(&cost) => Some(cost),
        cost => read_back(cost),
    }
}

fn read_back(cost: Option<Bounds>) -> Option<Bounds> {
    let int = |val| match val {
        Val::Int(value) => Some(value),
        _ => None,
    };
    let [pico, rest, more_pico, more_rest] = columns(cost).map(int);
    amount(pico, rest, more_pico.zip(more_rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_kept_is_what_the_columns_say(
            at_least in any::<i128>(), shift in 0_u32..120, at_most in proptest::option::of(any::<i128>()), near in 0_u32..120,
        ) {
            let at_least = Money::from_grains(at_least >> shift);
            let at_most = at_most.map(|at_most| Money::from_grains(at_most >> near));
            let cost = Some(Bounds { at_least, at_most });

            prop_assert_eq!(as_kept(cost), read_back(cost));
        }
    }
}
