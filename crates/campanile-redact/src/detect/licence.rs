//! Driver licence numbers: letters and digits behind `driver's license`.

use super::Scan;
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::speech::{letter, skip_fillers};
use crate::token::{Text, is_space};

pub(super) fn find(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let driver = (at.saturating_sub(3)..=at)
        .any(|near| text.is_any(near, &["driver", "drivers", "driving", "dl", "id"]));
    let numbered = (at + 1..at + 3).any(|near| text.bits(near) & mean::NUMBER != 0);
    let assigned = text.gap(at).contains(&b':') || text.is(at + 1, "is");
    if !driver && !numbered && !assigned {
        return;
    }
    let Some(first) = (at + 1..at + 7).find(|next| piece(text, *next).is_some()) else {
        return;
    };
    if text.tokens[first].start - text.tokens[at].end > 40 {
        return;
    }
    let (mut last, mut size, mut next) = (first, 0, first);
    while let Some((end, length)) = piece(text, next) {
        let joined = (last + 1..=next).all(|at| {
            let gap = text.gap(at - 1);
            is_space(gap)
                || gap == b"-"
                || gap.len() <= 4
                    && gap.contains(&b' ')
                    && gap.iter().all(|byte| b" -,.".contains(byte))
        });
        if !joined || size > LONGEST {
            break;
        }
        (last, size) = (end, size + length);
        let (behind, _) = skip_fillers(text, end + 1);
        next = behind;
    }
    let (start, end) = (text.tokens[first].start, text.tokens[last].end);
    let least = if driver || numbered { 4 } else { 6 };
    if (least..=LONGEST).contains(&size) {
        scan.add(Find::new(start, end, Kind::DriverLicence, "driver_licence"));
    }
}

const LONGEST: usize = 24;

/// A letter, or a group of digits or of both, that begins at token `at`: its last token, and how long it is written.
fn piece(text: &Text<'_>, at: usize) -> Option<(usize, usize)> {
    let token = text.tokens.get(at)?;
    if token.is_number() {
        return Some((at, if token.is_digits() { token.len() } else { 1 }));
    }
    if token.has(mean::REPEAT) && text.tokens.get(at + 1)?.is_number() {
        return Some((at + 1, usize::from(token.value)));
    }
    if let Some((_, last)) = letter(text, at) {
        // `a` and `i` are words, and `driver's` ends with a letter.
        let word = text.is_any(at, &["a", "i", "s"]);
        let goes_on = || {
            text.tokens
                .get(last + 1)
                .is_some_and(|next| !next.is_word() || next.has(mean::SPOKEN | mean::REPEAT))
        };
        let owned = text.gap_before(at) == b"'";
        return (!owned && (!word || last > at || goes_on())).then_some((last, 1));
    }
    (!token.is_word()).then_some((at, token.len()))
}
