//! Driver licence numbers: letters and digits behind `driver's license`.

use super::Scan;
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
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
    let Some(first) = (at + 1..at + 7).find(|next| is_piece(text, *next)) else {
        return;
    };
    if text.tokens[first].start - text.tokens[at].end > 40 {
        return;
    }
    let mut last = first;
    while is_piece(text, last + 1) && (text.gap(last) == b"-" || is_space(text.gap(last))) {
        last += 1;
    }
    let (start, end) = (text.tokens[first].start, text.tokens[last].end);
    let size: usize = (first..=last)
        .map(|piece| {
            if text.tokens[piece].is_word() {
                1
            } else {
                text.tokens[piece].len()
            }
        })
        .sum();
    let least = if driver || numbered { 4 } else { 6 };
    if (least..=24).contains(&size) {
        scan.add(Find::new(start, end, Kind::DriverLicence, "driver_licence"));
    }
}

fn is_piece(text: &Text<'_>, at: usize) -> bool {
    text.tokens.get(at).is_some_and(|token| {
        let letter = token.is_word() && token.len() == 1 && !text.is_any(at, &["s", "a", "i"]);
        !token.is_word() || token.has(mean::SPOKEN) || letter
    })
}
