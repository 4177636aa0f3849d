//! Texts from outside, made harmless for terminals, JSON and spreadsheets.

use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Write;

/// Whether a terminal could obey this character, or show others in another order because of it.
fn is_harmful(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text on one line, for a person: what a terminal could obey stands there as `\u{1b}`.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    replaced(text, is_harmful)
}

/// Text of several lines, for a person.
pub(crate) fn clean_lines(text: &str) -> Cow<'_, str> {
    replaced(text, |char| {
        char != '\n' && char != '\t' && is_harmful(char)
    })
}

fn replaced(text: &str, harmful: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&harmful) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match harmful(char) {
            true => clean.extend(char.escape_unicode()),
            false => clean.push(char),
        }
    }
    Cow::Owned(clean)
}

/// One line of JSON, in which what a terminal could obey is escaped as JSON does.
pub(crate) fn json(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).expect("what we print has string keys and no floats");
    escaped(json)
}

/// The same over several lines, for a document.
pub(crate) fn json_document(value: &impl Serialize) -> String {
    let json =
        serde_json::to_string_pretty(value).expect("what we print has string keys and no floats");
    escaped(json)
}

/// Serde escapes what JSON forbids; the rest is left to us. Outside of strings there is nothing to escape.
fn escaped(json: String) -> String {
    let harmful = |char: char| char != '\n' && is_harmful(char);
    if !json.contains(harmful) {
        return json;
    }
    let mut clean = String::with_capacity(json.len() + 8);
    for char in json.chars() {
        if !harmful(char) {
            clean.push(char);
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            let Ok(()) = write!(clean, "\\u{unit:04x}") else {
                unreachable!("a string takes what is written to it")
            };
        }
    }
    clean
}

/// One cell of a CSV (RFC 4180): quoted where needed; a text that a spreadsheet would run gets a `'` in front.
pub(crate) fn csv_cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number(text);
    let text = match formula {
        true => Cow::Owned(format!("'{text}")),
        false => Cow::Borrowed(text),
    };
    let text = clean(&text);
    match text.contains([',', '"', '\n', '\r']) || text.starts_with('\'') {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.into_owned(),
    }
}

/// A plain decimal number.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    plain(whole) && plain(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_that_came_from_outside() {
        let hostile = "a\u{1b}[2Jb\u{9b}31mc\u{202e}d\u{7f}\r\ne";

        let shown = clean(hostile);

        assert_eq!(
            shown,
            "a\\u{1b}[2Jb\\u{9b}31mc\\u{202e}d\\u{7f}\\u{d}\\u{a}e"
        );
        assert_eq!(clean_lines("a\n\tb\u{8}"), "a\n\tb\\u{8}");
    }

    #[test]
    fn json_stays_json_and_says_the_same() {
        let hostile = "\u{1b}\u{9b}\u{202e}\u{7f}\u{e0041}\"\\ü";

        let line = json(&hostile);

        assert!(!line.chars().any(is_harmful));
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), hostile);
    }

    #[test]
    fn a_spreadsheet_runs_nothing() {
        for (text, cell) in [
            ("=cmd()", "\"'=cmd()\""),
            ("@x", "\"'@x\""),
            ("+1 202", "\"'+1 202\""),
            ("\tx", "\"'\\u{9}x\""),
            ("-2+3", "\"'-2+3\""),
            ("-2.5", "-2.5"),
            ("-", "\"'-\""),
            ("a,\"b\"", "\"a,\"\"b\"\"\""),
            ("plain", "plain"),
        ] {
            assert_eq!(csv_cell(text), cell);
        }
    }
}
