//! One thing that a line must say.

use crate::line::{self, Fields};
use campanile_core::{CallId, Level};
use memchr::memmem;

/// A condition on the fields of a line.
#[derive(Clone, Debug)]
pub(crate) enum Want {
    /// It matters at least so much.
    Level(Level),
    /// Its stage, or the one that a line of the program names.
    Stage(String),
    /// Its session: the whole id, or the last eight digits of one of ours, as the console shows it.
    Session(String),
    Turn(u32),
    Call(String),
    /// Its target, or a module of it.
    Target(String),
    /// A field by its path, and what it says.
    Field(Vec<String>, Option<String>),
}

impl Want {
    /// A field by its name anywhere in the line, or by its path from the top (`failure.kind`), with or without a value.
    pub(crate) fn field(key: &str, value: Option<&str>) -> Self {
        let path = key.split('.').map(str::to_owned).collect();
        Self::Field(path, value.map(str::to_owned))
    }

    /// An id as it is written: in small letters.
    pub(crate) fn call(id: &str) -> Self {
        Self::Call(CallId::parse(id).map_or_else(|| id.to_owned(), |id| id.to_string()))
    }

    /// Bytes of which at least one stands in each line that will do; none where nothing is sure.
    pub(crate) fn needles(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Level(level) => levels(*level),
            Self::Session(end) if is_short(end) => vec![format!("{end}\"").into_bytes()],
            Self::Stage(text) | Self::Session(text) | Self::Call(text) => vec![quoted(text)],
            Self::Turn(turn) => vec![format!("\"turn\":{turn}").into_bytes()],
            Self::Target(target) => {
                let mut needle = quoted(target);
                needle.pop();
                vec![needle]
            }
            Self::Field(_, Some(value)) if !is_bare(value) => vec![quoted(value)],
            Self::Field(path, _) => {
                let last = path.last().map_or("", String::as_str);
                vec![quoted(last), quoted(&path.join("."))]
            }
        }
    }

    pub(crate) fn holds(&self, line: &[u8]) -> bool {
        let says =
            |key: &[u8], text: &str| line::field(line, key).is_some_and(|value| is(value, text));
        match self {
            Self::Level(level) => line::level(line).is_some_and(|found| found >= *level),
            Self::Stage(stage) => match line::field(line, b"stage") {
                Some(value) => is(value, stage),
                None => named(line, "stage", Some(stage)),
            },
            Self::Session(id) => line::field(line, b"session").is_some_and(|value| {
                let text = line::text(value);
                let ends = text.len() == 36 && is_short(id) && text.ends_with(id.as_bytes());
                ends || *text == *id.as_bytes()
            }),
            Self::Turn(turn) => says(b"turn", &turn.to_string()),
            Self::Call(id) => says(b"call", id) || (says(b"event", "call") && says(b"id", id)),
            Self::Target(target) => line::field(line, b"target").is_some_and(|value| {
                let text = line::text(value);
                let rest = text.strip_prefix(target.as_bytes());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"::"))
            }),
            Self::Field(path, value) => match path.as_slice() {
                [key] => named(line, key, value.as_deref()),
                // `http.status` is a path, or a name with a dot in it.
                path => {
                    let value = value.as_deref();
                    at(line, path, value) || named(line, &path.join("."), value)
                }
            },
        }
    }
}

/// A string as JSON writes it.
pub(crate) fn quoted(text: &str) -> Vec<u8> {
    serde_json::to_vec(text).expect("a string has a JSON form")
}

fn is(value: &[u8], text: &str) -> bool {
    *line::text(value) == *text.as_bytes()
}

/// The last eight digits of a UUID.
fn is_short(id: &str) -> bool {
    id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A value that may stand without quotes.
fn is_bare(value: &str) -> bool {
    matches!(value, "true" | "false" | "null")
        || value.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// What a line that matters so much must hold, of those that bring their level and of those from before. Their first letters
/// are rare in our lines, so that all are looked for at once, and fast.
fn levels(level: Level) -> Vec<Vec<u8>> {
    let error = [
        "error\"",
        "ERROR\"",
        "failed\"",
        "panicked\"",
        "crashed\"",
        "fatal\"",
        "FATAL\"",
    ];
    let warn = ["warn", "WARN", "failure\":", "alert\"", "loss\""];
    let bytes = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect();
    match level {
        Level::Error => bytes(&error),
        Level::Warn => bytes(&[&error[..], &warn].concat()),
        _ => Vec::new(),
    }
}

/// Whether a field of that name, at any depth, says so. In JSON, `"key"` before a colon is a key, wherever it stands: a quote
/// inside of a string has a backslash before it.
fn named(line: &[u8], key: &str, value: Option<&str>) -> bool {
    let key = quoted(key);
    memmem::find_iter(line, &key).any(|at| {
        let behind = line[at + key.len()..].trim_ascii_start();
        let is_key = behind.starts_with(b":") && (at == 0 || line[at - 1] != b'\\');
        is_key && value.is_none_or(|text| begins_with(behind[1..].trim_ascii_start(), text))
    })
}

/// Whether the value at the begin says so.
fn begins_with(text: &[u8], value: &str) -> bool {
    // An object of one field, so that the value's end is found in one place.
    let object = [b"{\"\":", text].concat();
    Fields::of(&object)
        .next()
        .is_some_and(|(_, found)| is(found, value))
}

/// Whether a path leads to it; arrays are passed through.
fn at(object: &[u8], path: &[String], value: Option<&str>) -> bool {
    let Some((key, rest)) = path.split_first() else {
        return value.is_none_or(|text| is(object, text));
    };
    match object.first() {
        Some(b'[') => line::elements(object).any(|element| at(element, path, value)),
        _ => line::field(object, key.as_bytes()).is_some_and(|found| match found.first() {
            Some(b'[') if rest.is_empty() => {
                line::elements(found).any(|element| at(element, rest, value))
            }
            _ => at(found, rest, value),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"v":1,"event":"call","ts":"x","id":"00000000-0000-0000-0000-000000000007","session":"01a22287-eb9b-75c4-a917-ed6905d4a766","turn":12,"stage":"llm","outcome":"completed","attempts":[{"n":1,"provider":"openai","failure":{"kind":"rate_limit","code":"429"}},{"n":2,"provider":"groq"}],"labels":{"stage":"no \"outcome\":\"failed\"","ok":true}}"#;

    fn holds(want: &Want) -> bool {
        let needles = want.needles();
        let found = |needle: &Vec<u8>| memmem::find(LINE.as_bytes(), needle).is_some();
        let holds = want.holds(LINE.as_bytes());
        assert!(
            !holds || needles.is_empty() || needles.iter().any(found),
            "{want:?} would be missed"
        );
        holds
    }

    #[test]
    fn a_line_says_what_it_says() {
        let field = Want::field;
        for want in [
            Want::Level(Level::Warn),
            Want::Stage("llm".to_owned()),
            Want::Session("01a22287-eb9b-75c4-a917-ed6905d4a766".to_owned()),
            Want::Session("05d4a766".to_owned()),
            Want::Turn(12),
            Want::call("00000000-0000-0000-0000-000000000007"),
            field("provider", Some("groq")),
            field("attempts.provider", Some("openai")),
            field("attempts.failure.kind", Some("rate_limit")),
            field("code", Some("429")),
            field("ok", Some("true")),
            field("turn", Some("12")),
            field("labels.ok", None),
            field("stage", Some("no \"outcome\":\"failed\"")),
        ] {
            assert!(holds(&want), "{want:?}");
        }
    }

    #[test]
    fn a_line_does_not_say_what_it_does_not() {
        let field = Want::field;
        for want in [
            Want::Level(Level::Error),
            Want::Stage("no".to_owned()),
            Want::Session("01a22287".to_owned()),
            Want::Turn(1),
            Want::Call("01a22287-eb9b-75c4-a917-ed6905d4a766".to_owned()),
            Want::Target("llm".to_owned()),
            field("provider", Some("open")),
            field("outcome", Some("failed")),
            field("failure.kind", Some("rate_limit")),
            field("labels.no", None),
            field("turn", Some("1")),
        ] {
            assert!(!holds(&want), "{want:?}");
        }
    }

    #[test]
    fn a_target_has_modules() {
        let line = br#"{"v":1,"event":"log","level":"info","target":"my_bot::llm"}"#;
        let target = |target: &str| Want::Target(target.to_owned()).holds(line);
        assert!(target("my_bot") && target("my_bot::llm"));
        assert!(!target("my") && !target("my_bot::llm::x"));
    }
}
