//! JSON read key by key: what is asked for is looked at, the rest is skipped, and one wrong field spoils no other.
//!
//! Values stay text (`&str` of the message) until somebody wants a number or a string of them, so that `28.0`,
//! `1e400`, `-1` or a string in place of an object is the trouble of one field only. Skipping does not recurse:
//! depth costs nothing. `null` reads as absent; of a repeated key the last one counts, as everywhere in this field.

use crate::decimal::Decimal;
use memchr::memchr2;
use std::borrow::Cow;

/// The raw values of `keys` in the object `json`. What stands before a syntax error is still found; what stands
/// behind the object is not looked at.
pub(crate) fn pick<'a, const N: usize>(json: &'a str, keys: [&str; N]) -> [Option<&'a str>; N] {
    Cursor::new(json).pick(keys).0
}

/// Calls `take` with what [`pick`] finds in each object of an array, in one walk. What is no object is passed over.
pub(crate) fn picks<'a, const N: usize>(
    array: &'a str,
    keys: [&str; N],
    mut take: impl FnMut([Option<&'a str>; N]),
) {
    let mut cursor = Cursor::new(array);
    let mut open = cursor.take(b'[') && !cursor.take(b']');
    while open {
        cursor.skip_blanks();
        let whole = if cursor.peek() == Some(b'{') {
            let (found, whole) = cursor.pick(keys);
            take(found);
            whole
        } else {
            cursor.value().map(drop)
        };
        open = whole.is_some() && cursor.take(b',');
    }
}

/// The raw value that `json` begins with, whatever comes behind it.
pub(crate) fn leading(json: &str) -> Option<&str> {
    Cursor::new(json).value()
}

/// The raw value at the end of a path of keys.
pub(crate) fn at<'a>(json: &'a str, path: &[&str]) -> Option<&'a str> {
    path.iter()
        .try_fold(json, |value, key| pick(value, [*key])[0])
}

/// Calls `take` with each raw item of an array.
pub(crate) fn items<'a>(json: &'a str, mut take: impl FnMut(&'a str)) {
    let mut cursor = Cursor::new(json);
    let mut open = cursor.take(b'[') && !cursor.take(b']');
    while open && let Some(item) = cursor.value() {
        take(item);
        open = cursor.take(b',');
    }
}

/// The first item of an array.
pub(crate) fn first(json: &str) -> Option<&str> {
    let mut cursor = Cursor::new(json);
    (cursor.take(b'[') && !cursor.take(b']')).then(|| cursor.value())?
}

/// Calls `take` with each key and raw value of an object.
pub(crate) fn members<'a>(json: &'a str, take: impl FnMut(&str, &'a str)) {
    Cursor::new(json).object(take);
}

/// Walks over JSON without judging it: strings are skipped by their quotes, objects and arrays by their brackets.
struct Cursor<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(json: &'a str) -> Self {
        Self { json, at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Steps over blanks, and over `byte` if that is what comes.
    fn take(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let here = self.peek() == Some(byte);
        self.at += usize::from(here);
        here
    }

    /// Steps over an object; calls `take` with each key and raw value. `None` where it is none, or has no end.
    fn object(&mut self, mut take: impl FnMut(&str, &'a str)) -> Option<()> {
        if !self.take(b'{') {
            return None;
        }
        let mut open = !self.take(b'}');
        while open {
            let key = self.key()?;
            let value = self.value()?;
            take(&key, value);
            open = self.take(b',');
            if !open && !self.take(b'}') {
                return None;
            }
        }
        Some(())
    }

    /// Steps over an object; the raw values of `keys` in it, and whether it has an end.
    fn pick<const N: usize>(&mut self, keys: [&str; N]) -> ([Option<&'a str>; N], Option<()>) {
        let mut found = [None; N];
        let whole = self.object(|key, raw| {
            if let Some(place) = keys.iter().position(|wanted| *wanted == key)
                && let Some(slot) = found.get_mut(place)
            {
                *slot = (raw != "null").then_some(raw);
            }
        });
        (found, whole)
    }

    /// Steps over one value. `None` where it has no end: a number that was cut in two is not a number.
    fn value(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let start = self.at;
        match self.peek()? {
            b'"' => {
                self.string()?;
            }
            b'{' | b'[' => self.nested()?,
            _ => self.scalar()?,
        }
        self.json.get(start..self.at)
    }

    /// Steps over a string; whether it holds an escape.
    fn string(&mut self) -> Option<bool> {
        self.at += 1;
        let mut escaped = false;
        loop {
            self.at += stop(self.json.as_bytes().get(self.at..)?)? + 1;
            match self.json.as_bytes().get(self.at - 1) {
                Some(b'"') => return Some(escaped),
                _ => self.at += 1,
            }
            escaped = true;
        }
    }

    /// Steps over a key and the colon behind it.
    fn key(&mut self) -> Option<Cow<'a, str>> {
        self.skip_blanks();
        if self.peek() != Some(b'"') {
            return None;
        }
        let start = self.at;
        let escaped = self.string()?;
        let key = match escaped {
            false => Cow::Borrowed(self.json.get(start + 1..self.at - 1)?),
            true => text(self.json.get(start..self.at)?)?,
        };
        self.take(b':').then_some(key)
    }

    fn nested(&mut self) -> Option<()> {
        let mut depth = 0_u64;
        loop {
            let rest = self.json.as_bytes().get(self.at..)?;
            let (skipped, mark) = rest.iter().enumerate().find(|(_, byte)| is_mark(**byte))?;
            self.at += skipped;
            match mark {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                _ => depth -= 1,
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn scalar(&mut self) -> Option<()> {
        let start = self.at;
        while !matches!(
            self.peek()?,
            b',' | b'}' | b']' | b':' | b'"' | b' ' | b'\n' | b'\r' | b'\t'
        ) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}

/// Whether a byte opens or closes something.
fn is_mark(byte: u8) -> bool {
    const MARKS: [bool; 256] = {
        let mut marks = [false; 256];
        let mut each = 0;
        while each < 256 {
            marks[each] = matches!(each as u8, b'"' | b'{' | b'[' | b'}' | b']');
            each += 1;
        }
        marks
    };
    MARKS[usize::from(byte)]
}

/// Where the first quote or backslash stands. Most strings end within a few words; a vector search, which costs more
/// to start than they do, is for the others.
fn stop(bytes: &[u8]) -> Option<usize> {
    const NEAR: usize = 4;
    let (words, tail) = bytes.as_chunks::<8>();
    let mut at = 0;
    for word in words.iter().take(NEAR) {
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ QUOTES) | zeros(word ^ BACKSLASHES);
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let more = match words.len() > NEAR {
        true => memchr2(b'"', b'\\', bytes.get(at..)?),
        false => tail.iter().position(|byte| matches!(byte, b'"' | b'\\')),
    };
    more.map(|more| at + more)
}

/// One in each byte.
const EACH: u64 = 0x0101_0101_0101_0101;
const QUOTES: u64 = EACH * b'"' as u64;
const BACKSLASHES: u64 = EACH * b'\\' as u64;

/// Marks the lowest byte of `word` that is zero (and perhaps higher ones that are not) by its highest bit.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(EACH) & !word & (EACH << 7)
}

/// A string that nothing is escaped in.
pub(crate) fn plain(raw: &str) -> Option<&str> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    stop(inner.as_bytes()).is_none().then_some(inner)
}

/// A string, unescaped.
pub(crate) fn text(raw: &str) -> Option<Cow<'_, str>> {
    match plain(raw) {
        Some(text) => Some(Cow::Borrowed(text)),
        None => serde_json::from_str::<String>(raw).ok().map(Cow::Owned),
    }
}

/// A string that is not empty.
pub(crate) fn filled(raw: &str) -> Option<Cow<'_, str>> {
    text(raw).filter(|text| !text.is_empty())
}

/// A count. Fractions are rounded to the nearest; what is negative, or beyond any bill, is no count.
pub(crate) fn count(raw: &str) -> Option<u64> {
    if let Some(digits) = Some(raw).filter(|raw| raw.len() <= 18)
        && digits.bytes().all(|byte| byte.is_ascii_digit())
    {
        return digits.parse().ok();
    }
    Decimal::parse(raw)?.rounded()
}

/// A number, exactly as it is written.
pub(crate) fn decimal(raw: &str) -> Option<Decimal> {
    Decimal::parse(raw)
}

/// Whether this is `true`.
pub(crate) fn truth(raw: Option<&str>) -> bool {
    raw == Some("true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_field_spoils_no_other() {
        let json = r#"{"a":1e400,"b":"\u0041","a":7,"c":null,"d":{"e":[1,2]}}"#;

        let [a, b, c, d] = pick(json, ["a", "b", "c", "d"]);

        assert_eq!(a.and_then(count), Some(7));
        assert_eq!(b.and_then(text).as_deref(), Some("A"));
        assert_eq!(c, None);
        assert_eq!(at(d.unwrap(), &["e"]).and_then(first), Some("1"));
    }

    #[test]
    fn what_stands_before_a_cut_is_found() {
        assert_eq!(
            pick(r#"{"model":"m","usage":{"a":1"#, ["model", "usage"]),
            [Some("\"m\""), None]
        );
        // Who knows how many digits were to follow.
        assert_eq!(pick(r#"{"a":12"#, ["a"]), [None]);
    }

    #[test]
    fn a_list_is_picked_as_its_items_are() {
        let list =
            r#" [ {"a":1,"b":[{"a":9}]}, 7, {}, "x", {"b":"{","a":null} , {"a":2,"c":{"a":3} } ]"#;

        let mut found = Vec::new();
        picks(list, ["a", "b"], |picked| found.push(picked));

        let mut expected = Vec::new();
        items(list, |item| {
            if item.starts_with('{') {
                expected.push(pick(item, ["a", "b"]));
            }
        });
        assert_eq!(found, expected);
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn depth_is_skipped_without_a_stack() {
        let bomb = format!(
            r#"{{"x":{}{},"y":1}}"#,
            "[".repeat(200_000),
            "]".repeat(200_000)
        );

        assert_eq!(pick(&bomb, ["y"]), [Some("1")]);
    }

    #[test]
    fn a_string_ends_at_its_quote_wherever_that_is() {
        for length in 0..80 {
            for escape in ["", "\\\"", "\\\\", "\u{e9}"] {
                let string = format!("\"{}{escape}\"", "a".repeat(length));
                let json = format!("{{\"k\":{string},\"x\":1}}");
                assert_eq!(
                    pick(&json, ["k", "x"]),
                    [Some(string.as_str()), Some("1")],
                    "{json}"
                );
            }
        }
    }

    #[test]
    fn only_counts_are_counts() {
        for (raw, expected) in [
            ("28.0", Some(28)),
            ("0", Some(0)),
            ("1e3", Some(1000)),
            ("-1", None),
            ("1e400", None),
            ("18446744073709551616", None),
            ("\"5\"", None),
            ("true", None),
        ] {
            assert_eq!(count(raw), expected, "{raw}");
        }
    }
}
