//! Bytes of rows: variable-length integers, texts, and usage.

use campanile_core::{Count, Evidence, Meter, Usage};

/// Appends values to bytes.
pub(crate) trait Pack {
    fn uint(&mut self, value: u64);
    fn wide(&mut self, value: i128);
    fn text(&mut self, text: &str);
    fn blob(&mut self, bytes: &[u8]);
    fn int(&mut self, value: i64) {
        self.uint(((value << 1) ^ (value >> 63)) as u64);
    }
}

impl Pack for Vec<u8> {
    fn uint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }

    fn wide(&mut self, value: i128) {
        let mut value = ((value << 1) ^ (value >> 127)) as u128;
        while value >= 0x80 {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }

    fn text(&mut self, text: &str) {
        self.blob(text.as_bytes());
    }

    fn blob(&mut self, bytes: &[u8]) {
        self.uint(bytes.len() as u64);
        self.extend_from_slice(bytes);
    }
}

/// Takes values from the front of bytes. `None` where they end too early or make no sense: never a panic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unpack<'a>(pub(crate) &'a [u8]);

impl<'a> Unpack<'a> {
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub(crate) fn uint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn int(&mut self) -> Option<i64> {
        let value = self.uint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(crate) fn wide(&mut self) -> Option<i128> {
        let mut value = 0_u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            value |= u128::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some((value >> 1) as i128 ^ -((value & 1) as i128));
            }
        }
        None
    }

    pub(crate) fn small(&mut self) -> Option<u32> {
        self.uint()?.try_into().ok()
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn blob(&mut self) -> Option<&'a [u8]> {
        let len = self.uint()?.try_into().ok()?;
        self.take(len)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.blob()?).ok()
    }
}

/// How the upper bound of a count is written.
const EXACT: u64 = 0;
const UNBOUNDED: u64 = 1;
const BOUNDED: u64 = 2;

/// Appends usage: for each meter its number, evidence and the kind of its upper bound in one integer, the lower
/// bound, and how far away the upper one is where they differ. Says whether each count is exact.
pub(crate) fn pack_usage(out: &mut Vec<u8>, usage: &Usage) -> bool {
    let mut exact = true;
    for (meter, count) in usage.iter() {
        exact &= pack_metered(out, meter.index() as u64, count);
    }
    exact
}

/// Appends one meter of usage. Says whether its count is exact.
pub(crate) fn pack_metered(out: &mut Vec<u8>, meter: u64, count: Count) -> bool {
    let (kind, more) = match count.at_most {
        None => (UNBOUNDED, None),
        Some(most) if most == count.at_least => (EXACT, None),
        Some(most) => (BOUNDED, Some(most - count.at_least)),
    };
    // Reported counts, the usual ones, get the small numbers.
    let doubt = Evidence::Reported as u64 - count.evidence as u64;
    out.uint(meter << 4 | doubt << 2 | kind);
    out.uint(count.at_least);
    if let Some(more) = more {
        out.uint(more);
    }
    kind == EXACT
}

/// One meter of packed usage; its number may be one that a newer version has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Metered {
    pub(crate) meter: u64,
    pub(crate) count: Count,
}

/// Walks over packed usage. Ends at the first thing that makes no sense.
pub(crate) struct Meters<'a>(pub(crate) Unpack<'a>);

impl Iterator for Meters<'_> {
    type Item = Metered;
    fn next(&mut self) -> Option<Metered> {
        let head = self.0.uint()?;
        let at_least = self.0.uint()?;
        let at_most = match head & 3 {
            EXACT => Some(at_least),
            BOUNDED => Some(at_least.saturating_add(self.0.uint()?)),
            _ => None,
        };
        let evidence = Evidence::from_index(Evidence::Reported as u8 - (head >> 2 & 3) as u8);
        Some(Metered {
            meter: head >> 4,
            count: Count {
                at_least,
                at_most,
                evidence,
            },
        })
    }
}

pub(crate) fn meters(blob: &[u8]) -> Meters<'_> {
    Meters(Unpack(blob))
}

/// The sum of all lower bounds, of meters without a name too.
pub(crate) fn quantity(blob: &[u8]) -> u64 {
    meters(blob).fold(0, |sum, metered| sum.saturating_add(metered.count.at_least))
}

/// Whether `blob` is usage to its last byte.
pub(crate) fn is_usage(blob: &[u8]) -> bool {
    let mut meters = meters(blob);
    while !meters.0.0.is_empty() {
        if meters.next().is_none() {
            return false;
        }
    }
    true
}

/// The meters that this version knows.
pub(crate) fn unpack_usage(blob: &[u8]) -> Usage {
    let mut usage = Usage::new();
    add_usage(&mut usage, blob);
    usage
}

/// Adds packed usage to a sum.
pub(crate) fn add_usage(sum: &mut Usage, blob: &[u8]) {
    for Metered { meter, count } in meters(blob) {
        let Some(&meter) = usize::try_from(meter).ok().and_then(|i| Meter::ALL.get(i)) else {
            continue;
        };
        let added = match sum.get(meter) {
            None => count,
            Some(known) => Count {
                at_least: known.at_least.saturating_add(count.at_least),
                at_most: known
                    .at_most
                    .zip(count.at_most)
                    .and_then(|(a, b)| a.checked_add(b)),
                evidence: known.evidence.min(count.evidence),
            },
        };
        sum.set(meter, added);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_usage() -> impl Strategy<Value = Usage> {
        let count = (
            0..Meter::COUNT,
            any::<u64>(),
            proptest::option::of(any::<u64>()),
            0..4_u8,
        );
        proptest::collection::vec(count, 0..8).prop_map(|counts| {
            let mut usage = Usage::new();
            for (meter, at_least, at_most, evidence) in counts {
                let evidence = Evidence::from_index(evidence);
                usage.set(
                    Meter::ALL[meter],
                    Count {
                        at_least,
                        at_most,
                        evidence,
                    },
                );
            }
            usage
        })
    }

    proptest! {
        #[test]
        fn usage_is_read_as_it_was_written(usage in any_usage()) {
            let mut blob = Vec::new();
            pack_usage(&mut blob, &usage);

            prop_assert_eq!(unpack_usage(&blob), usage);
            prop_assert!(is_usage(&blob));
            prop_assert_eq!(quantity(&blob), usage.quantity());
        }

        #[test]
        fn integers_are_read_as_they_were_written(uint in any::<u64>(), int in any::<i64>(), wide in any::<i128>()) {
            let mut bytes = Vec::new();
            bytes.uint(uint);
            bytes.int(int);
            bytes.wide(wide);

            let mut read = Unpack(&bytes);
            prop_assert_eq!((read.uint(), read.int(), read.wide()), (Some(uint), Some(int), Some(wide)));
            prop_assert!(read.0.is_empty());
        }

        #[test]
        fn noise_is_no_panic(noise in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = (unpack_usage(&noise), is_usage(&noise), quantity(&noise));
            let mut read = Unpack(&noise);
            while read.wide().is_some() || read.text().is_some() {}
        }
    }

    #[test]
    fn a_meter_of_tomorrow_is_kept_and_counted() {
        let mut blob = Vec::new();
        pack_usage(
            &mut blob,
            &Usage::new().with(Meter::Requests, 2, Evidence::Reported),
        );
        blob.uint(200 << 4);
        blob.uint(40);

        let read: Vec<_> = meters(&blob)
            .map(|metered| (metered.meter, metered.count.at_least))
            .collect();

        assert_eq!(read, [(Meter::Requests.index() as u64, 2), (200, 40)]);
        assert_eq!(quantity(&blob), 42);
        assert_eq!(unpack_usage(&blob).quantity(), 2);
    }

    #[test]
    fn a_usual_call_takes_a_few_bytes() {
        let usage = Usage::new()
            .with(Meter::InputTokens, 812, Evidence::Reported)
            .with(Meter::OutputTokens, 64, Evidence::Reported);
        let mut blob = Vec::new();
        pack_usage(&mut blob, &usage);

        assert_eq!(blob.len(), 5);
    }
}
