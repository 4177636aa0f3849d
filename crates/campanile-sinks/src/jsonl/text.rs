//! Values as JSON, appended to a buffer: byte for byte what `serde_json` writes.
//!
//! Nearly all texts of an event are names, ids and amounts, in which nothing is escaped: they are looked at eight bytes
//! at a time and copied whole. What does need care (escapes, floats, bytes) is left to `serde_json`.

use serde::ser::{self, Error as _, Serialize};
use serde_json::{Error, Result};

/// Where a value is written.
pub(super) struct Text<'a>(pub(super) &'a mut Vec<u8>);

/// The inside of an array or an object.
pub(super) struct Inside<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
    end: &'static [u8],
}

impl<'a> Text<'a> {
    fn whole(self, mut number: u64) {
        let mut room = [0; 20];
        let mut at = room.len();
        loop {
            at -= 1;
            room[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.0.extend_from_slice(&room[at..]);
    }

    fn inside(self, begin: u8, end: &'static [u8]) -> Inside<'a> {
        self.0.push(begin);
        Inside {
            out: self.0,
            first: true,
            end,
        }
    }

    /// Opens the object of a variant: `{"name":`.
    fn variant(&mut self, name: &str) {
        self.0.extend_from_slice(b"{\"");
        debug_assert!(is_plain(name.as_bytes()), "{name} is a word of ours");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }
}

impl Inside<'_> {
    #[inline]
    fn comma(&mut self) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
    }

    // Where it is inlined, the name is known and copied without a call.
    #[inline(always)]
    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
        debug_assert!(is_plain(name.as_bytes()), "{name} is a word of ours");
        self.out.reserve(name.len() + 4);
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        value.serialize(Text(self.out))
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.comma();
        value.serialize(Text(self.out))
    }

    fn close(self) {
        self.out.extend_from_slice(self.end);
    }
}

/// Whether JSON takes the text as it is.
fn is_plain(text: &[u8]) -> bool {
    let escaped = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    let Some(last) = text.last_chunk() else {
        return !text.iter().any(|byte| escaped(*byte));
    };
    // The last eight may overlap those before.
    let (chunks, _) = text.as_chunks();
    chunks.iter().all(are_plain) && are_plain(last)
}

/// Whether none of eight bytes is escaped.
#[inline]
fn are_plain(bytes: &[u8; 8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    // Some byte is below `least` (at most 128) where this is not zero.
    let below = |word: u64, least: u64| word.wrapping_sub(ONES * least) & !word & HIGH;
    let word = u64::from_ne_bytes(*bytes);
    let quote = word ^ (ONES * u64::from(b'"'));
    let backslash = word ^ (ONES * u64::from(b'\\'));
    below(word, 0x20) | below(quote, 1) | below(backslash, 1) == 0
}

/// Hands a rare kind of value to `serde_json`.
macro_rules! rare {
    ($($name:ident: $type:ty),*) => {$(
        fn $name(self, value: $type) -> Result<()> {
            serde_json::to_writer(self.0, &value)
        }
    )*};
}

macro_rules! whole {
    ($($unsigned:ident: $u:ty, $signed:ident: $i:ty;)*) => {$(
        fn $unsigned(self, value: $u) -> Result<()> {
            self.whole(value.into());
            Ok(())
        }
        fn $signed(self, value: $i) -> Result<()> {
            if value < 0 {
                self.0.push(b'-');
            }
            self.whole(value.unsigned_abs().into());
            Ok(())
        }
    )*};
}

impl<'a> ser::Serializer for Text<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Inside<'a>;
    type SerializeTuple = Inside<'a>;
    type SerializeTupleStruct = Inside<'a>;
    type SerializeTupleVariant = Inside<'a>;
    type SerializeMap = Inside<'a>;
    type SerializeStruct = Inside<'a>;
    type SerializeStructVariant = Inside<'a>;

    whole! {
        serialize_u8: u8, serialize_i8: i8;
        serialize_u16: u16, serialize_i16: i16;
        serialize_u32: u32, serialize_i32: i32;
        serialize_u64: u64, serialize_i64: i64;
    }

    rare! {
        serialize_u128: u128, serialize_i128: i128, serialize_f32: f32, serialize_f64: f64,
        serialize_char: char, serialize_bytes: &[u8]
    }

    fn serialize_bool(self, value: bool) -> Result<()> {
        let word: &[u8] = if value { b"true" } else { b"false" };
        self.0.extend_from_slice(word);
        Ok(())
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result<()> {
        if !is_plain(text.as_bytes()) {
            return serde_json::to_writer(self.0, text);
        }
        self.0.reserve(text.len() + 2);
        self.0.push(b'"');
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'"');
        Ok(())
    }

    fn serialize_none(self) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<()> {
        debug_assert!(is_plain(variant.as_bytes()), "{variant} is a word of ours");
        self.0.push(b'"');
        self.0.extend_from_slice(variant.as_bytes());
        self.0.push(b'"');
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        self.variant(variant);
        value.serialize(Text(self.0))?;
        self.0.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Inside<'a>> {
        Ok(self.inside(b'[', b"]"))
    }

    fn serialize_tuple(self, _len: usize) -> Result<Inside<'a>> {
        Ok(self.inside(b'[', b"]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _len: usize) -> Result<Inside<'a>> {
        Ok(self.inside(b'[', b"]"))
    }

    fn serialize_tuple_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Inside<'a>> {
        self.variant(variant);
        Ok(self.inside(b'[', b"]}"))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Inside<'a>> {
        Ok(self.inside(b'{', b"}"))
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _len: usize) -> Result<Inside<'a>> {
        Ok(self.inside(b'{', b"}"))
    }

    fn serialize_struct_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Inside<'a>> {
        self.variant(variant);
        Ok(self.inside(b'{', b"}}"))
    }
}

impl ser::SerializeMap for Inside<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.comma();
        let at = self.out.len();
        key.serialize(Text(self.out))?;
        if self.out.get(at) != Some(&b'"') {
            return Err(Error::custom("a key that is no text"));
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.out.push(b':');
        value.serialize(Text(self.out))
    }

    fn end(self) -> Result<()> {
        self.close();
        Ok(())
    }
}

macro_rules! elements {
    ($($kind:ident: $method:ident),*) => {$(
        impl ser::$kind for Inside<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.element(value)
            }

            fn end(self) -> Result<()> {
                self.close();
                Ok(())
            }
        }
    )*};
}

elements! {
    SerializeSeq: serialize_element, SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field, SerializeTupleVariant: serialize_field
}

macro_rules! fields {
    ($($kind:ident),*) => {$(
        impl ser::$kind for Inside<'_> {
            type Ok = ();
            type Error = Error;

            #[inline(always)]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<()> {
                self.field(name, value)
            }

            fn end(self) -> Result<()> {
                self.close();
                Ok(())
            }
        }
    )*};
}

fields! { SerializeStruct, SerializeStructVariant }

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Number, Value};

    fn written(value: &impl Serialize) -> String {
        let mut out = Vec::new();
        value.serialize(Text(&mut out)).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaves = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(|float| Number::from_f64(float).into()),
            any::<String>().prop_map(Value::from),
            "[ -~]{0,40}".prop_map(Value::from),
        ];
        leaves.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..8)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_value_is_written_as_serde_json_writes_it(value in values()) {
            prop_assert_eq!(written(&value), serde_json::to_string(&value).unwrap());
        }
    }

    #[test]
    fn a_byte_that_is_escaped_is_found_at_any_place() {
        for length in 0..40 {
            for at in 0..length {
                for byte in 0..=0x7f_u8 {
                    let mut text = vec![b'x'; length];
                    text[at] = byte;
                    let text = String::from_utf8(text).unwrap();

                    assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
                }
            }
        }
    }

    #[test]
    fn each_shape_is_written_as_serde_json_writes_it() {
        #[derive(serde::Serialize)]
        enum Shape {
            Unit,
            Newtype(Option<i8>),
            Tuple(u8, f32),
            Struct {
                letter: char,
                pair: (i16, &'static str),
            },
        }
        #[derive(serde::Serialize)]
        struct Nothing;

        let shapes = (
            [
                Shape::Unit,
                Shape::Newtype(None),
                Shape::Newtype(Some(i8::MIN)),
                Shape::Tuple(255, f32::NAN),
                Shape::Struct {
                    letter: '"',
                    pair: (-1, "a\nb"),
                },
            ],
            Nothing,
            (u128::MAX, i128::MIN),
        );

        assert_eq!(written(&shapes), serde_json::to_string(&shapes).unwrap());
    }
}
