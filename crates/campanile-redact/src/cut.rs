//! Where a text may be cut so that nothing is cut in two.

use crate::find::Find;

/// What is not yet recognisable is shorter than this: the longest spoken bank account has 116 bytes.
pub(crate) const OPEN: usize = 192;

/// Text before a cut that is kept to understand what follows it: cues reach back less far.
const BEHIND: usize = 192;

/// The last place behind `start` at which the first `end` bytes of `text` may be cut: [`OPEN`] bytes before `end` at
/// least, behind white space or, where there is none, behind a sign that no key holds; outside of every find.
/// `None` when there is no such place.
pub(crate) fn safe(text: &str, finds: &[Find], start: usize, end: usize) -> Option<usize> {
    let most = text.floor_char_boundary(end.saturating_sub(OPEN));
    let head = text.get(start..most)?;
    let cut = head
        .rfind(char::is_whitespace)
        .or_else(|| head.rfind(ends_word))?;
    let cut = text.ceil_char_boundary(start + cut + 1);
    let cut = finds
        .iter()
        .find(|find| find.start < cut && cut < find.end)
        .map_or(cut, |find| find.start);
    (cut > start).then_some(cut)
}

/// Where the look-behind of `cut` begins: with a word, so that the tail of one is not read as something else.
pub(crate) fn behind(text: &str, cut: usize) -> usize {
    let start = text.ceil_char_boundary(cut.saturating_sub(BEHIND));
    let space = text[start..cut].find(char::is_whitespace);
    if start == 0 {
        0
    } else {
        space.map_or(start, |space| start + space)
    }
}

/// What no key, address or token holds: signs, and letters of scripts that do not separate words.
pub(crate) fn ends_word(c: char) -> bool {
    let caseless = !c.is_ascii() && !c.is_lowercase() && !c.is_uppercase();
    caseless || c.is_whitespace() || c.is_ascii_punctuation() && !"_-./+=@:%~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;

    #[test]
    fn a_cut_is_at_a_space_and_outside_of_finds() {
        let text = format!("aaa bbb ccc{}", "x".repeat(OPEN));
        let find = Find::new(2, 9, Kind::Card, "card");

        assert_eq!(safe(&text, &[], 0, text.len()), Some(8));
        assert_eq!(safe(&text, &[find], 0, text.len()), Some(2));
        assert_eq!(safe(&text, &[find], 2, text.len()), None);
    }

    #[test]
    fn text_without_spaces_is_cut_at_signs_and_between_ideographs() {
        let json = format!("{{\"a\":1,\"b\"{}", "x".repeat(OPEN));
        let ideographs = "電話番号".repeat(40);

        assert_eq!(safe(&json, &[], 0, json.len()), Some(10));
        assert!(safe(&ideographs, &[], 0, ideographs.len()).is_some());
        assert_eq!(safe(&"x".repeat(500), &[], 0, 500), None);
    }
}
