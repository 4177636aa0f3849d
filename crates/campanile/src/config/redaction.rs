//! How texts are masked, and what single sinks are told less.

use super::{Bytes, keys};
use crate::{TextMode, Texts};
use campanile_redact::{HashKey, Kind, Mode, Policy, PolicyError, Redactor, Rule};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How texts are masked.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Redaction {
    /// What stands in place of a find: `tag` (`[CARD]`), `mask` (`***`), `hash` (`[CARD#k1:…]`), `drop`, or `partial` (the last
    /// four digits of a card), by the word of the tag; `all` is meant for those that are not named.
    pub modes: Modes,
    /// What is said: the most that any sink may be told.
    pub content: TextMode,
    /// Texts of errors: the most that any sink is told. They may quote what was said, so they are measured where nothing
    /// else is asked for.
    pub errors: TextMode,
    /// Texts of the program's own log lines: the most that any sink is told.
    pub logs: TextMode,
    /// How much of a text is looked at; the rest is replaced by its length.
    pub scan_limit: Bytes,
    /// The key of `hash`.
    pub key: Option<KeyOptions>,
    /// Words to find in any case: names of customers, of projects.
    pub words: Vec<String>,
    /// A file with one such word a line.
    pub words_file: Option<PathBuf>,
    /// Regular expressions to find.
    pub rule: Vec<RuleOptions>,
}

impl Default for Redaction {
    fn default() -> Self {
        Self {
            modes: BTreeMap::new(),
            content: TextMode::default(),
            errors: TextMode::Measure,
            logs: TextMode::default(),
            scan_limit: Bytes(64 << 10),
            key: None,
            words: Vec::new(),
            words_file: None,
            rule: Vec::new(),
        }
    }
}

/// Where the key of `hash` is.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct KeyOptions {
    /// Written next to each hash: changed with the key.
    pub id: String,
    /// The variable of the environment that holds it: 64 hex digits.
    pub env: String,
}

/// One regular expression to find.
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct RuleOptions {
    /// Its name, for messages.
    pub name: String,
    /// The regular expression.
    pub pattern: String,
    /// Whether it may stand inside of words.
    #[serde(default)]
    pub anywhere: bool,
}

/// A pattern may name people.
impl std::fmt::Debug for RuleOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleOptions")
            .field("name", &self.name)
            .field("anywhere", &self.anywhere)
            .finish_non_exhaustive()
    }
}

/// Modes as a file names them: by the word of the tag, and `all`.
pub(super) type Modes = BTreeMap<String, String>;

const NO_KEY: &str =
    "`redact.modes` has `hash`, which needs a key: [redact.key] with `id` and `env`";

impl Redaction {
    /// The most that sinks are told of texts.
    #[must_use]
    pub fn texts(&self) -> Texts {
        Texts::new(self.content, self.errors, self.logs)
    }

    /// Whether it can be used, as far as that can be told without the environment and other files.
    pub(super) fn check(&self) -> Result<(), String> {
        let policy = set(self.plain(), &self.modes, "redact.modes")?;
        let hashes = Kind::ALL
            .into_iter()
            .any(|kind| policy.mode_of(kind) == Mode::Hash);
        if hashes && self.key.is_none() {
            return Err(NO_KEY.to_owned());
        }
        // Its key is not known yet.
        let policy = self.plain();
        let built = Redactor::new(policy);
        built.map(drop).map_err(|error| self.explain(error))
    }

    /// The redactor, with the key from the environment and the words from their file.
    pub(super) fn redactor(&self) -> Result<Redactor, String> {
        let mut policy = set(self.plain(), &self.modes, "redact.modes")?;
        for word in self.words_of_file()? {
            policy = policy.word(word);
        }
        if let Some(key) = self.key()? {
            policy = policy.key(key);
        }
        Redactor::new(policy).map_err(|error| self.explain(error))
    }

    /// Rules and words, tags for everything.
    fn plain(&self) -> Policy {
        let limit = usize::try_from(self.scan_limit.0).unwrap_or(usize::MAX);
        let words = self.words.iter().cloned();
        let policy = words.fold(Policy::new().scan_limit(limit), Policy::word);
        self.rule.iter().fold(policy, |policy, rule| {
            let mut pattern = Rule::new(&rule.pattern).named(&rule.name);
            if rule.anywhere {
                pattern = pattern.anywhere();
            }
            policy.rule(pattern)
        })
    }

    fn words_of_file(&self) -> Result<Vec<String>, String> {
        let Some(file) = &self.words_file else {
            return Ok(Vec::new());
        };
        let text = std::fs::read_to_string(file).map_err(|error| {
            format!(
                "`redact.words_file` {} cannot be read: {error}",
                file.display()
            )
        })?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        Ok(lines.map(str::to_owned).collect())
    }

    /// The key of hashes; `None` where the file names none.
    pub(super) fn key(&self) -> Result<Option<HashKey>, String> {
        let Some(KeyOptions { id, env }) = &self.key else {
            return Ok(None);
        };
        let named = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        if !env.bytes().all(named) || env.len() > 48 {
            return Err(
                "`redact.key.env` names no variable: capital letters, digits and `_` (it is not shown here: it may be the key)"
                    .to_owned(),
            );
        }
        let text = zeroize::Zeroizing::new(std::env::var(env).unwrap_or_default());
        let bytes = unhex(text.trim()).unwrap_or_default();
        match HashKey::new(id, &bytes) {
            Some(key) => Ok(Some(key)),
            None if text.is_empty() => {
                let make = "make one with `openssl rand -hex 32`";
                Err(format!(
                    "`redact.key`: {env} is not set in the environment; {make}"
                ))
            }
            None => Err(format!(
                "`redact.key`: {env} holds 64 hex digits (`openssl rand -hex 32`), and `id` is 1 to 16 letters and digits"
            )),
        }
    }

    /// A refusal that names the rule as the file does.
    fn explain(&self, error: PolicyError) -> String {
        let rule = |at: usize, what: &str| {
            let name = self.rule.get(at).map_or("?", |rule| &rule.name);
            format!("rule `{name}` of `redact.rule` {what}")
        };
        match error {
            PolicyError::NoKey => NO_KEY.to_owned(),
            PolicyError::Syntax(at) => rule(at, "is not a regular expression"),
            PolicyError::Empty(at) => rule(at, "matches the empty string"),
            PolicyError::Never(at) => rule(at, "can match nothing"),
            PolicyError::Everything(at) => rule(at, "finds most of any text"),
            PolicyError::Large(at) => rule(
                at,
                "is too large: 1,000 bytes, and a megabyte when it is compiled, are the most",
            ),
            PolicyError::Word(at) => format!(
                "word {} of `redact.words` and `redact.words_file` is not 2 to 200 bytes long",
                at + 1
            ),
            other => format!("`redact`: {other}"),
        }
    }
}

/// The redactor of a sink with modes of its own: what other sinks may read is tagged, masked or dropped for it.
pub(super) fn tight(modes: &Modes, place: &str) -> Result<Option<Redactor>, String> {
    if modes.is_empty() {
        return Ok(None);
    }
    let policy = set(Policy::new().every(Mode::Keep), modes, place)?;
    if let Some(kind) = Kind::ALL
        .into_iter()
        .find(|kind| policy.mode_of(*kind) == Mode::Hash)
    {
        let kind = kind.word().to_lowercase();
        return Err(format!(
            "`{place}.{kind}` cannot be `hash`: a sink tightens what `redact.modes` has written"
        ));
    }
    Redactor::new(policy)
        .map(Some)
        .map_err(|error| format!("`{place}`: {error}"))
}

/// Sets the modes that a table names; those of `all` first.
fn set(policy: Policy, modes: &Modes, place: &str) -> Result<Policy, String> {
    let mut policy = match modes.get("all") {
        Some(mode) => policy.every(read(mode, &format!("{place}.all"))?),
        None => policy,
    };
    for (word, mode) in modes.iter().filter(|(word, _)| *word != "all") {
        let place = format!("{place}.{word}");
        let mode = read(mode, &place)?;
        let kind = Kind::of_word(word).ok_or_else(|| {
            let known: Vec<String> = Kind::ALL
                .iter()
                .map(|kind| kind.word().to_lowercase())
                .collect();
            let known: Vec<&str> = known.iter().map(String::as_str).chain(["all"]).collect();
            let hint = keys::nearest(word, &known);
            format!(
                "unknown key `{place}`{hint}; known are: {}",
                known.join(", ")
            )
        })?;
        policy = policy.mode(kind, mode);
    }
    Ok(policy)
}

/// A mode that hides something: there is no way to write a find as it was.
fn read(word: &str, place: &str) -> Result<Mode, String> {
    let hiding = Mode::ALL.into_iter().filter(|mode| *mode != Mode::Keep);
    let known: Vec<&str> = hiding.clone().map(Mode::name).collect();
    let mode = hiding.into_iter().find(|mode| mode.name() == word);
    mode.ok_or_else(|| super::unknown_word(place, word, &known))
}

fn unhex(text: &str) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks_exact(2);
    let whole = text.len().is_multiple_of(2);
    let bytes = pairs.map(|pair| u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok());
    let bytes: Option<Vec<u8>> = bytes.collect();
    bytes.filter(|_| whole).map(zeroize::Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use std::path::Path;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("campanile.toml")).map_err(|error| error.to_string())
    }

    fn refused(text: &str) -> String {
        let error = parse(text).unwrap_err();
        error.strip_prefix("campanile.toml: ").unwrap().to_owned()
    }

    #[test]
    fn modes_rules_and_words_come_from_the_file() {
        let text = r#"
            [redact]
            words = ["Project Zephyr"]
            [redact.modes]
            all = "mask"
            card = "partial"
            custom = "tag"
            [[redact.rule]]
            name = "ticket"
            pattern = "TCK-[0-9]{4}"
        "#;
        let card = ["4111", "1111", "1111", "1111"].join(" ");
        let said = format!("{card} jo@example.com TCK-1234 project zephyr");

        let masked = parse(text).unwrap().redactor().unwrap().mask(&said);

        assert_eq!(masked, "**** 1111 *** [CUSTOM] [CUSTOM]");
    }

    #[test]
    fn what_cannot_be_used_is_refused_in_one_line() {
        let rule = |pattern: &str| {
            refused(&format!(
                "[[redact.rule]]\nname = \"x\"\npattern = '{pattern}'"
            ))
        };

        assert!(
            refused("[redact.modes]\ncrad = \"tag\"")
                .starts_with("unknown key `redact.modes.crad`; did you mean `card`?")
        );
        assert_eq!(
            refused("[redact.modes]\ncard = \"keep\""),
            "`redact.modes.card` cannot be `keep`; it is one of: partial, hash, tag, mask, drop"
        );
        assert_eq!(
            refused("[redact.modes]\nphone = \"hash\""),
            "`redact.modes` has `hash`, which needs a key: [redact.key] with `id` and `env`"
        );
        for (pattern, why) in [
            ("(", "is not a regular expression"),
            ("a*", "matches the empty string"),
            ("[a&&b]", "can match nothing"),
            (".+", "finds most of any text"),
        ] {
            assert_eq!(rule(pattern), format!("rule `x` of `redact.rule` {why}"));
        }
        assert!(rule(r"\w{900}").contains("is too large"));
        assert!(refused("[redact]\nwords = [\"a\"]").contains("word 1 of `redact.words`"));
        assert!(
            refused("[sink.jsonl.modes]\ncard = \"hash\"")
                .contains("`sink.jsonl.modes.card` cannot be `hash`")
        );
    }

    #[test]
    fn a_key_is_64_hex_digits_of_the_environment() {
        let refused = |env: &str| {
            let text = format!(
                "[redact.modes]\nphone = \"hash\"\n[redact.key]\nid = \"k1\"\nenv = \"{env}\""
            );
            parse(&text).unwrap().redactor().unwrap_err().to_string()
        };

        assert!(refused("CAMPANILE_NO_SUCH_KEY").contains("is not set in the environment"));
        assert!(refused("PATH").contains("holds 64 hex digits"));
        let pasted = "6f".repeat(32);
        assert!(!refused(&pasted).contains(&pasted));
        assert_eq!(super::unhex("0aFF").unwrap().as_slice(), [10, 255]);
        assert!(super::unhex("0a0").is_none() && super::unhex("zz").is_none());
    }
}
