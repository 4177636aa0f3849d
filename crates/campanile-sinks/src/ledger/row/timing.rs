//! Times of calls and attempts.

use crate::ledger::codec::{Pack, Unpack};
use campanile_core::{Span, Timing};

/// Times of a call or an attempt: as they are, or as they were packed. The writer hands packed ones on without a look.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Times<'a> {
    Known(Timing),
    Packed(&'a [u8]),
}

impl Times<'_> {
    pub(super) fn pack(&self, out: &mut Vec<u8>) {
        match self {
            Times::Packed(bytes) => out.blob(bytes),
            Times::Known(timing) => {
                let at = out.len();
                out.push(0);
                pack_timing(out, timing);
                // Seven numbers of at most ten bytes: the length is one byte.
                out[at] = u8::try_from(out.len() - at - 1).unwrap_or(u8::MAX);
            }
        }
    }

    /// The times, if they make sense.
    pub(crate) fn get(&self) -> Option<Timing> {
        match self {
            Times::Known(timing) => Some(*timing),
            Times::Packed(bytes) => unpack_timing(&mut Unpack(bytes)),
        }
    }
}

/// Compared by what they say.
impl PartialEq for Times<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

fn pack_timing(out: &mut Vec<u8>, timing: &Timing) {
    let flags = u64::from(timing.first_item.is_some())
        | u64::from(timing.longest_gap.is_some()) << 1
        | u64::from(timing.sent > 0) << 2
        | u64::from(timing.queued.is_some()) << 3
        | u64::from(timing.items.is_some()) << 4;
    out.uint(flags);
    out.uint(timing.elapsed.us());
    for span in [timing.queued, timing.first_item, timing.longest_gap]
        .into_iter()
        .flatten()
    {
        out.uint(span.us());
    }
    if let Some(items) = timing.items {
        out.uint(items);
    }
    if timing.sent > 0 {
        out.uint(timing.sent);
    }
}

fn unpack_timing(from: &mut Unpack<'_>) -> Option<Timing> {
    let span = |us: u64| Span(us.saturating_mul(1_000));
    let head = from.uint()?;
    let mut timing = Timing::default();
    timing.elapsed = span(from.uint()?);
    if head & 8 != 0 {
        timing.queued = Some(span(from.uint()?));
    }
    if head & 1 != 0 {
        timing.first_item = Some(span(from.uint()?));
    }
    if head & 2 != 0 {
        timing.longest_gap = Some(span(from.uint()?));
    }
    if head & 16 != 0 {
        timing.items = Some(from.uint()?);
    }
    if head & 4 != 0 {
        timing.sent = from.uint()?;
    }
    Some(timing)
}
