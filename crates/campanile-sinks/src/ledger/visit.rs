//! The index of a session's calls: packed ids, by session and the time of the ids.

use super::codec::{Pack, Unpack};

/// Ids of one row of the index are within so many milliseconds: a bit more than an hour.
const BLOCK_BITS: u32 = 22;

/// The row of the index that an id belongs to.
pub(crate) fn block_of(millis: i64) -> i64 {
    millis >> BLOCK_BITS
}

/// Packs ids that are in order: how many milliseconds each is after the one before, and what follows the millisecond.
pub(crate) fn pack_ids<'a>(ids: impl IntoIterator<Item = &'a [u8; 16]>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut last = 0;
    for id in ids {
        let millis = super::span::millis_of(id) as u64;
        out.uint(millis.wrapping_sub(last));
        out.extend_from_slice(&id[6..]);
        last = millis;
    }
    out
}

pub(crate) fn unpack_ids(bytes: &[u8]) -> Option<Vec<[u8; 16]>> {
    let mut from = Unpack(bytes);
    let mut ids = Vec::new();
    let mut millis = 0_u64;
    while !from.0.is_empty() {
        millis = millis.checked_add(from.uint()?)?;
        let mut id = [0; 16];
        id[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        id[6..].copy_from_slice(from.take(10)?);
        ids.push(id);
    }
    Some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ids_are_read_as_they_were_written(ids in proptest::collection::btree_set(any::<u128>(), 0..40)) {
            let ids: BTreeSet<_> = ids.into_iter().map(u128::to_be_bytes).collect();

            let read = unpack_ids(&pack_ids(&ids)).unwrap();

            prop_assert_eq!(read, ids.into_iter().collect::<Vec<_>>());
        }
    }
}
