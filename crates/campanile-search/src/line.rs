//! What a line says of itself, found without parsing the rest of it.

use campanile_core::{Level, Timestamp};
use memchr::{memchr, memchr2, memmem};
use std::borrow::Cow;

/// The keys under which a moment may stand: ours, and those of other loggers.
const MOMENTS: [&[u8]; 4] = [b"ts", b"timestamp", b"time", b"at"];

/// The fields of an object, in order: a key as it stands between its quotes, and a value as it stands. What is not JSON ends
/// it; a line that is torn has the fields that were whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Of an object; of anything else, none.
    pub(crate) fn of(object: &'a [u8]) -> Self {
        let object = object.trim_ascii_start();
        Self {
            rest: object.strip_prefix(b"{").unwrap_or_default(),
        }
    }

    fn step(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let rest = self.rest.trim_ascii_start();
        let rest = rest.strip_prefix(b",").unwrap_or(rest).trim_ascii_start();
        let rest = rest.strip_prefix(b"\"")?;
        let end = string_end(rest)?;
        let (key, rest) = (&rest[..end], rest[end + 1..].trim_ascii_start());
        let rest = rest.strip_prefix(b":")?.trim_ascii_start();
        let (value, rest) = rest.split_at(value_len(rest)?);
        self.rest = rest;
        Some((key, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let field = self.step();
        if field.is_none() {
            self.rest = &[];
        }
        field
    }
}

/// The elements of an array.
pub(crate) fn elements(array: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = array.strip_prefix(b"[").unwrap_or_default();
    std::iter::from_fn(move || {
        let next = rest.trim_ascii_start();
        let next = next.strip_prefix(b",").unwrap_or(next).trim_ascii_start();
        let (value, behind) = next.split_at(value_len(next)?);
        rest = behind;
        Some(value)
    })
}

/// Where a string ends whose first quote was passed.
fn string_end(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr2(b'"', b'\\', text.get(from..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        from = at + 2;
    }
}

/// How long the value is that stands at the begin; `None` where it has no end.
fn value_len(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'"' => Some(string_end(&text[1..])? + 2),
        b'{' | b'[' => nested_len(text),
        _ => {
            let is_end =
                |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
            text.iter().position(is_end).filter(|&len| len > 0)
        }
    }
}

fn nested_len(text: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    loop {
        match text.get(at)? {
            b'"' => at += string_end(&text[at + 1..])? + 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// The value of a field of the line itself, as it stands.
pub(crate) fn field<'a>(line: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    Fields::of(line).find_map(|(name, value)| (name == key).then_some(value))
}

/// The text of a value: of a string what it says, of anything else how it stands.
pub(crate) fn text(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(inside) = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
    else {
        return Cow::Borrowed(value);
    };
    if memchr(b'\\', inside).is_none() {
        return Cow::Borrowed(inside);
    }
    match serde_json::from_slice::<String>(value) {
        Ok(text) => Cow::Owned(text.into_bytes()),
        Err(_) => Cow::Borrowed(inside),
    }
}

/// When it happened.
pub(crate) fn moment(line: &[u8]) -> Option<Timestamp> {
    // In a line of ours it stands near the begin.
    let head = &line[..line.len().min(96)];
    let quick = memmem::find(head, b"\"ts\":\"").and_then(|at| {
        let text = line.get(at + 6..at + 33)?;
        (text[26] == b'Z').then(|| Timestamp::read(text))?
    });
    quick.or_else(|| {
        Fields::of(line)
            .filter(|(key, _)| MOMENTS.contains(key))
            .find_map(|(_, value)| Timestamp::read(&text(value)))
    })
}

/// How much a line matters. One that does not say is judged by its kind, as lines once had to be; `None` where it is no event.
#[must_use]
pub fn level(line: &[u8]) -> Option<Level> {
    let (mut event, mut outcome) = (None, None);
    for (key, value) in Fields::of(line) {
        match key {
            b"level" => return named(&text(value)),
            b"event" => event = Some(value),
            b"outcome" => outcome = Some(value),
            _ => {}
        }
    }
    match event? {
        br#""call""# => Some(match outcome? {
            br#""failed""# | br#""panicked""# | br#""crashed""# => Level::Error,
            _ if memmem::find(line, br#""failure":{"#).is_some() => Level::Warn,
            _ => Level::Debug,
        }),
        br#""usage""# => Some(Level::Trace),
        br#""turn""# | br#""session""# | br#""summary""# => Some(Level::Info),
        br#""alert""# | br#""loss""# => Some(Level::Warn),
        _ => None,
    }
}

fn named(name: &[u8]) -> Option<Level> {
    let names: [(&[u8], Level); 7] = [
        (b"trace", Level::Trace),
        (b"debug", Level::Debug),
        (b"info", Level::Info),
        (b"warn", Level::Warn),
        (b"warning", Level::Warn),
        (b"error", Level::Error),
        (b"fatal", Level::Error),
    ];
    let known = names.iter().find(|(known, _)| {
        *known == name
            || (name.eq_ignore_ascii_case(known) && name.iter().all(u8::is_ascii_uppercase))
    })?;
    Some(known.1)
}

/// Whether it could be a whole line of ours: not whether it is JSON.
pub(crate) fn looks_whole(line: &[u8]) -> bool {
    line.starts_with(b"{\"v\":") && line.trim_ascii_end().ends_with(b"}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CALL: &[u8] = br#"{"v":1,"event":"call","ts":"2026-11-24T01:50:29.000001Z","id":"7","session":"s","turn":3,"stage":"llm","outcome":"completed","attempts":[{"n":1,"stage":"no"}],"labels":{"a\"b":"}]"}}"#;

    #[test]
    fn fields_are_those_of_the_line_itself() {
        let keys: Vec<_> = Fields::of(CALL).map(|(key, _)| key).collect();

        let expected: [&[u8]; 10] = [
            b"v",
            b"event",
            b"ts",
            b"id",
            b"session",
            b"turn",
            b"stage",
            b"outcome",
            b"attempts",
            b"labels",
        ];
        assert_eq!(keys, expected);
        assert_eq!(field(CALL, b"stage"), Some(&br#""llm""#[..]));
        assert_eq!(field(CALL, b"turn"), Some(&b"3"[..]));
        assert_eq!(moment(CALL), Some(Timestamp(1_795_485_029_000_001)));
        assert_eq!(level(CALL), Some(Level::Debug));
    }

    #[test]
    fn what_others_write_is_read_too() {
        let line = br#" { "timestamp" : "2026-11-24T03:50:29+02:00", "level" : "WARN" } "#;
        assert_eq!(moment(line), Some(Timestamp(1_795_485_029_000_000)));
        assert_eq!(level(line), Some(Level::Warn));
        assert_eq!(moment(b"2026-11-24T01:50:29Z plain text"), None);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_and_a_torn_line_keeps_what_is_whole(cut in 0..CALL.len(), noise in any::<Vec<u8>>()) {
            let torn: Vec<_> = Fields::of(&CALL[..cut]).collect();
            let whole: Vec<_> = Fields::of(CALL).collect();
            prop_assert_eq!(&torn[..], &whole[..torn.len()]);
            let noisy = [&CALL[..cut], &noise].concat();
            let _ = (Fields::of(&noisy).count(), moment(&noisy), level(&noisy));
            let _ = (Fields::of(&noise).count(), elements(&noise).count());
        }

        #[test]
        fn a_value_is_found_as_it_was_written(key in "[ -~]{1,10}", value: String) {
            let object = serde_json::json!({ "a": [1, {"b": "}"}], &key: &value, "z": true });
            let line = serde_json::to_vec(&object).unwrap();
            let quoted = serde_json::to_string(&key).unwrap();

            let found = field(&line, &quoted.as_bytes()[1..quoted.len() - 1]).unwrap();

            let expected = serde_json::to_string(&object[&key]).unwrap();
            prop_assert_eq!(found, expected.as_bytes());
            if let Some(expected) = object[&key].as_str() {
                prop_assert_eq!(&*text(found), expected.as_bytes());
            }
        }
    }
}
