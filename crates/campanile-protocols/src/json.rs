//! JSON read key by key: what is asked for is looked at, the rest is skipped, and one wrong field spoils no other.
//!
//! Values stay text (`&str` of the message) until somebody wants a number or a string of them, so that `28.0`,
//! `1e400`, `-1` or a string in place of an object is the trouble of one field only. Skipping does not recurse:
//! depth costs nothing. `null` reads as absent; of a repeated key the last one counts, as everywhere in this field.

use crate::decimal::Decimal;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The raw values of `keys` in the object `json`. What stands before a syntax error is still found.
pub(crate) fn pick<'a, const N: usize>(json: &'a str, keys: [&str; N]) -> [Option<&'a str>; N] {
    let mut found = [None; N];
    pick_into(json, &keys, &mut found);
    found
}

fn pick_into<'a>(json: &'a str, keys: &[&str], found: &mut [Option<&'a str>]) {
    let mut reader = serde_json::Deserializer::from_str(json);
    // An error ends the reading; what was found before it stays.
    let _ = reader.deserialize_map(Pick { keys, found });
}

/// The raw value at the end of a path of keys.
pub(crate) fn at<'a>(json: &'a str, path: &[&str]) -> Option<&'a str> {
    path.iter()
        .try_fold(json, |value, key| pick(value, [*key])[0])
}

/// Calls `take` with each raw item of an array.
pub(crate) fn items<'a>(json: &'a str, take: impl FnMut(&'a str)) {
    let mut reader = serde_json::Deserializer::from_str(json);
    let _ = reader.deserialize_seq(Items(take));
}

/// Calls `take` with each key and raw value of an object.
pub(crate) fn members<'a>(json: &'a str, take: impl FnMut(&str, &'a str)) {
    let mut reader = serde_json::Deserializer::from_str(json);
    let _ = reader.deserialize_map(Members(take));
}

/// The first item of an array.
pub(crate) fn first(json: &str) -> Option<&str> {
    let mut found = None;
    items(json, |item| {
        found.get_or_insert(item);
    });
    found
}

/// A string, unescaped.
pub(crate) fn text(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(raw).ok().map(Cow::Owned)
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

struct Pick<'k, 'f, 'a> {
    keys: &'k [&'k str],
    found: &'f mut [Option<&'a str>],
}

impl<'a> Visitor<'a> for Pick<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(place) = map.next_key_seed(Place(self.keys))? {
            match place.and_then(|place| self.found.get_mut(place)) {
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
                Some(slot) => {
                    let raw = map.next_value::<&'a RawValue>()?.get();
                    *slot = (raw != "null").then_some(raw);
                }
            }
        }
        Ok(())
    }
}

/// Where a key stands among the wanted ones.
struct Place<'k>(&'k [&'k str]);

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Option<usize>;
    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Self::Value, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for Place<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|wanted| *wanted == key))
    }
}

struct Items<F>(F);

impl<'a, F: FnMut(&'a str)> Visitor<'a> for Items<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<S: SeqAccess<'a>>(mut self, mut seq: S) -> Result<(), S::Error> {
        while let Some(item) = seq.next_element::<&'a RawValue>()? {
            (self.0)(item.get());
        }
        Ok(())
    }
}

struct Members<F>(F);

impl<'a, F: FnMut(&str, &'a str)> Visitor<'a> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(mut self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key::<Cow<'a, str>>()? {
            let value = map.next_value::<&'a RawValue>()?;
            (self.0)(&key, value.get());
        }
        Ok(())
    }
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
