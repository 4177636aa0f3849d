//! Numbers for which JSON has no word.

use std::borrow::Cow;

const WORDS: [&[u8]; 2] = [b"NaN", b"Infinity"];

/// Some programs write `NaN` and `Infinity`: outside of texts they become a number that is no count, of the same length, so
/// that what is wrong elsewhere in the line is told at its column.
pub(crate) fn without_nan(line: &[u8]) -> Cow<'_, [u8]> {
    let mut mended = Cow::Borrowed(line);
    let (mut inside, mut escaped, mut at) = (false, false, 0);
    while let Some(byte) = line.get(at) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = inside,
            b'"' => inside = !inside,
            b'N' | b'I' if !inside => {
                let word = WORDS.iter().find(|word| line[at..].starts_with(word));
                if let Some(word) = word {
                    // `-Infinity` keeps its sign.
                    let start = at - usize::from(at > 0 && line[at - 1] == b'-');
                    at += word.len();
                    let place = &mut mended.to_mut()[start..at];
                    place.fill(b' ');
                    place[..2].copy_from_slice(b"-1");
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    mended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_numbers_are_counts_of_nothing_and_texts_stay() {
        let cases = [
            (r#"{"a":NaN,"b":1}"#, r#"{"a":-1 ,"b":1}"#),
            (r#"{"a":-Infinity}"#, r#"{"a":-1       }"#),
            (r#"{"a":Infinity,"b":NaN}"#, r#"{"a":-1      ,"b":-1 }"#),
            (
                r#"{"a\"NaN":"NaN \\","b":NaN}"#,
                r#"{"a\"NaN":"NaN \\","b":-1 }"#,
            ),
            ("NaN", "-1 "),
            ("Na", "Na"),
        ];
        for (line, expected) in cases {
            let mended = without_nan(line.as_bytes());
            assert_eq!(std::str::from_utf8(&mended), Ok(expected));
        }
    }

    #[test]
    fn a_long_text_of_such_words_is_read_once() {
        // Each of them looked for from the begin again: some 10^11 steps, and as many frames on the stack as words.
        let line = format!("{{\"id\":\"{}\"}}", "NaN".repeat(1 << 20));
        assert!(matches!(without_nan(line.as_bytes()), Cow::Borrowed(_)));
    }
}
