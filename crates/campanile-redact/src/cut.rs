//! Where a text may be cut so that nothing is cut in two.

use crate::find::Find;

/// What is not yet recognisable is shorter than this: the longest spoken bank account has 116 bytes.
pub(crate) const OPEN: usize = 192;

/// The last place at which the first `end` bytes of `text` may be cut: at white space, [`OPEN`] bytes before `end`,
/// outside of every find. Zero when there is none.
pub(crate) fn safe(text: &str, finds: &[Find], end: usize) -> usize {
    let most = end.saturating_sub(OPEN);
    let space = |at: &usize| text.as_bytes()[at - 1].is_ascii_whitespace();
    let cut = (1..=most).rev().find(space).unwrap_or(0);
    outside(finds, cut)
}

/// `cut`, or the start of the find around it.
pub(crate) fn outside(finds: &[Find], cut: usize) -> usize {
    finds
        .iter()
        .find(|find| find.start < cut && cut < find.end)
        .map_or(cut, |find| find.start)
}
