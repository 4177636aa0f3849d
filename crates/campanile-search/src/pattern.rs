//! A text or a regular expression.

use crate::want::quoted;
use grep_matcher::Matcher;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use memchr::memmem::Finder;
use std::fmt;

/// What a line must hold.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    /// One of these.
    Text(Vec<Finder<'static>>),
    Regex(RegexMatcher),
}

impl Pattern {
    pub(crate) fn text(text: &str) -> Self {
        let forms = forms(text);
        let finders = forms.iter().map(|form| Finder::new(form).into_owned());
        Self::Text(finders.collect())
    }

    pub(crate) fn text_in_any_case(text: &str) -> Result<Self, BadPattern> {
        let forms: Vec<String> = forms(text)
            .iter()
            .map(|form| escape(&String::from_utf8_lossy(form)))
            .collect();
        Self::regex(&forms.join("|"), true)
    }

    pub(crate) fn regex(pattern: &str, any_case: bool) -> Result<Self, BadPattern> {
        let mut builder = RegexMatcherBuilder::new();
        builder
            .multi_line(true)
            .line_terminator(Some(b'\n'))
            .case_insensitive(any_case);
        builder.build(pattern).map(Self::Regex).map_err(BadPattern)
    }

    pub(crate) fn holds(&self, line: &[u8]) -> bool {
        match self {
            Self::Text(finders) => finders.iter().any(|finder| finder.find(line).is_some()),
            Self::Regex(regex) => matches!(regex.is_match(line), Ok(true)),
        }
    }
}

/// The text as it is and as it stands in a JSON string. A line holds no line feed.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let json = quoted(text);
    let json = json[1..json.len() - 1].to_vec();
    let mut forms = vec![text.as_bytes().to_vec()];
    if json != forms[0] {
        forms.push(json);
    }
    forms.retain(|form| !form.contains(&b'\n'));
    forms
}

/// A pattern that matches just this text.
fn escape(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        if char.is_ascii_punctuation() {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    pattern
}

/// A pattern that is no regular expression.
#[derive(Debug)]
pub struct BadPattern(grep_regex::Error);

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The lines above the last one draw the place.
        let text = self.0.to_string();
        f.write_str(text.trim().lines().last().unwrap_or("it cannot be read"))
    }
}

impl std::error::Error for BadPattern {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_as_it_is_and_as_json_writes_it() {
        for line in [&br#"{"message":"say \"hi\"\n"}"#[..], b"say \"hi\" plainly"] {
            assert!(Pattern::text("say \"hi\"").holds(line));
            assert!(Pattern::text_in_any_case("SAY \"Hi\"").unwrap().holds(line));
        }
        assert!(Pattern::text("\"hi\"\n").holds(br#"{"message":"say \"hi\"\n"}"#));
        assert!(!Pattern::text("say hi").holds(b"say \"hi\""));
        assert!(Pattern::text_in_any_case("a.b").unwrap().holds(b"A.B"));
        assert!(!Pattern::text_in_any_case("a.b").unwrap().holds(b"AxB"));
    }

    #[test]
    fn a_pattern_matches_inside_of_a_line() {
        let regex = |pattern: &str| Pattern::regex(pattern, false);
        assert!(regex("^a.*z$").unwrap().holds(b"a to z"));
        assert!(regex(r"\d{3}").unwrap().holds(b"x 429"));
        let error = regex("(a").unwrap_err().to_string();
        assert!(error.contains("unclosed group"), "{error}");
    }
}
