//! What errors say that nobody has said: phrases of libraries and providers, known word for word.
//!
//! The text of an error may quote a prompt. So it is cut at each `: `, and of what lies between only known phrases are
//! kept: `error trying to connect: tcp connect error: [31 characters, 5 words]`. What is written of a phrase is the line of
//! this file, and numbers.

use campanile_core::Measure;

/// The longest number that is kept: lines, ports, limits.
const MAX_DIGITS: usize = 7;

/// What may be written of an error's text: its known phrases, and the size of the rest.
pub(crate) fn told(text: &str) -> String {
    let mut told = String::new();
    let mut unknown: Option<(usize, usize)> = None;
    let mut at = 0;
    for part in text.split(": ") {
        let (from, until) = (at, at + part.len());
        at = until + 2;
        match known(part) {
            Some(phrase) => {
                size(&mut told, text, unknown.take());
                join(&mut told, &phrase);
            }
            None => unknown = Some((unknown.map_or(from, |(from, _)| from), until)),
        }
    }
    size(&mut told, text, unknown);
    told
}

fn join(told: &mut String, part: &str) {
    if !told.is_empty() {
        told.push_str(": ");
    }
    told.push_str(part);
}

fn size(told: &mut String, text: &str, unknown: Option<(usize, usize)>) {
    if let Some((from, until)) = unknown {
        let Measure { chars, words, .. } = Measure::of(&text[from..until]);
        join(told, &format!("[{chars} characters, {words} words]"));
    }
}

/// The phrase that this is, as it may be written.
fn known(part: &str) -> Option<String> {
    let part = part.trim().trim_end_matches('.');
    phrases().find_map(|phrase| matches(phrase, part))
}

/// Matches `#` with a number and `…` with anything, the rest in any case; what it writes is the phrase.
fn matches(phrase: &str, text: &str) -> Option<String> {
    let mut written = String::new();
    let mut rest = text;
    let mut pieces = phrase.split_inclusive(['#', '…']).peekable();
    while let Some(piece) = pieces.next() {
        let words = piece.trim_end_matches(['#', '…']);
        rest = without(rest, words)?;
        written.push_str(words);
        if piece.ends_with('#') {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at(digits);
            (1..=MAX_DIGITS).contains(&digits).then_some(())?;
            written.push_str(number);
            rest = after;
        } else if piece.ends_with('…') {
            // Up to the last place where what follows may stand.
            rest = match pieces.peek() {
                None => "",
                Some(next) => {
                    let next = next.trim_end_matches(['#', '…']);
                    &rest[last(rest, next)?..]
                }
            };
            written.push('…');
        }
    }
    rest.is_empty().then_some(written)
}

/// What follows `words` in `text`.
fn without<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(words.len())?;
    start.eq_ignore_ascii_case(words).then_some(rest)
}

fn last(text: &str, words: &str) -> Option<usize> {
    let places = text.char_indices().rev();
    places
        .map(|(at, _)| at)
        .find(|&at| without(&text[at..], words).is_some())
}

/// Lines of the standard library, tokio, tower, hyper, h2, rustls, reqwest, tungstenite and serde_json, and of providers.
fn phrases() -> impl Iterator<Item = &'static str> {
    include_str!("phrases.txt").lines()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_phrases_are_kept_and_the_rest_is_measured() {
        for (text, expected) in [
            (
                "error sending request for url (https://api.example.org/v1?key=hunter2): error trying to connect: tcp connect error: Connection refused (os error 111)",
                "error sending request for url (…): error trying to connect: tcp connect error: connection refused (os error 111)",
            ),
            ("my card is 4111", "[15 characters, 4 words]"),
            (
                "asking the model: about Käthe: request timed out",
                "[29 characters, 5 words]: request timed out",
            ),
            (
                "request timed out: about Käthe: yes",
                "request timed out: [16 characters, 3 words]",
            ),
            (
                "Rate limit reached for gpt-4o in organization org-Zk9: Limit 3, Used 3",
                "rate limit reached for …: [15 characters, 4 words]",
            ),
            (
                "expected value at line 1 column 7",
                "expected value at line 1 column 7",
            ),
            (
                "expected value at line 1 column 4111111111111111",
                "[48 characters, 7 words]",
            ),
            ("Expected: 1 of 2.", "[17 characters, 4 words]"),
            ("", "[0 characters, 0 words]"),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn what_quotes_a_value_is_kept_without_it() {
        assert_eq!(
            told("unknown variant `hunter2`, expected `a` or `b`"),
            "unknown variant …, expected …"
        );
        assert_eq!(
            told("The model `hunter2` does not exist or you do not have access to it."),
            "the model `…` does not exist or you do not have access to it"
        );
    }

    #[test]
    fn what_was_told_once_is_told_again() {
        for phrase in phrases() {
            let text = phrase.replace('#', "7");
            assert_eq!(told(&text), text, "{phrase}");
        }
    }
}
