//! What users add: regular expressions and words, compiled once and within limits.

use aho_corasick::AhoCorasick;
use regex_automata::meta::{self, Regex};
use regex_automata::util::syntax;

use crate::find::Find;
use crate::kind::Kind;
use crate::policy::{Policy, PolicyError, Rule};

const RULES: usize = 100;
const WORDS: usize = 10_000;
const PATTERN: usize = 1_000;
const COMPILED: usize = 1 << 20;
/// Of the lazy automaton; too small a cache costs a factor of ten, and it grows only as far as the text needs.
const CACHE: usize = 16 << 20;

/// What lines of a program look like. A rule that masks most of it would mask most of everything.
const ORDINARY: &str = "2026-11-24 03:51:33 info call 7 of stage llm completed in 155 ms after 2 attempts (rate limit)\n\
    Thank you for calling, how can I help you today? I would like to change my order, please.\n\
    GET /v1/models/gpt-4o-mini 200 OK, 1,024 bytes; trace 4bf92f3577b34da6a3ce929d0e0e4736 closed\n";

/// The compiled rules and words of a policy.
#[derive(Default)]
pub(crate) struct Custom {
    rules: Option<Regex>,
    words: Option<AhoCorasick>,
}

impl Custom {
    pub(crate) fn new(policy: &Policy) -> Result<Self, PolicyError> {
        if policy.rules.len() > RULES || policy.words.len() > WORDS {
            return Err(PolicyError::TooMany);
        }
        let patterns: Vec<String> = policy
            .rules
            .iter()
            .enumerate()
            .map(|(at, rule)| checked(at, rule))
            .collect::<Result<_, _>>()?;
        if let Some(at) = policy
            .words
            .iter()
            .position(|word| !(2..=200).contains(&word.trim().len()))
        {
            return Err(PolicyError::Word(at));
        }
        let rules = compile(&patterns)?;
        let plain: Vec<String> = policy
            .rules
            .iter()
            .map(|rule| rule.pattern.clone())
            .collect();
        if let Some(at) = finds_everything(&plain) {
            return Err(PolicyError::Everything(at));
        }
        Ok(Self {
            rules,
            words: list(&policy.words)?,
        })
    }

    pub(crate) fn find(&self, text: &str, finds: &mut Vec<Find>) {
        if let Some(rules) = &self.rules {
            finds.extend(rules.find_iter(text).map(|at| {
                let number = u16::try_from(at.pattern().as_usize() + 1).unwrap_or(u16::MAX);
                let find = Find::new(at.start(), at.end(), Kind::Custom, "user_rule");
                find.of_user_rule(number)
            }));
        }
        if let Some(words) = &self.words {
            let whole = |start: usize, end: usize| {
                let before = text[..start].chars().next_back();
                let behind = text[end..].chars().next();
                !before.is_some_and(char::is_alphanumeric)
                    && !behind.is_some_and(char::is_alphanumeric)
            };
            let found = words
                .find_overlapping_iter(text)
                .map(|at| (at.start(), at.end()));
            finds.extend(
                found
                    .filter(|(start, end)| whole(*start, *end))
                    .map(|(start, end)| Find::new(start, end, Kind::Custom, "user_word")),
            );
        }
    }
}

fn checked(at: usize, rule: &Rule) -> Result<String, PolicyError> {
    if rule.pattern.len() > PATTERN {
        return Err(PolicyError::Large(at));
    }
    let tree = syntax::parse(&rule.pattern).map_err(|_| PolicyError::Syntax(at))?;
    match tree.properties().minimum_len() {
        None => Err(PolicyError::Never(at)),
        Some(0) => Err(PolicyError::Empty(at)),
        Some(_) if rule.anywhere => Ok(rule.pattern.clone()),
        Some(_) => Ok(format!(
            r"(?-u:\b{{start-half}})(?:{})(?-u:\b{{end-half}})",
            rule.pattern
        )),
    }
}

/// The first rule that finds most of an ordinary text.
fn finds_everything(patterns: &[String]) -> Option<usize> {
    let all = ORDINARY.bytes().filter(u8::is_ascii_alphanumeric).count();
    let found = |pattern: &String| {
        let rule = compile(std::slice::from_ref(pattern)).ok().flatten()?;
        let found = rule.find_iter(ORDINARY).map(|at| &ORDINARY[at.range()]);
        Some(
            found
                .flat_map(str::bytes)
                .filter(u8::is_ascii_alphanumeric)
                .count(),
        )
    };
    patterns
        .iter()
        .position(|pattern| found(pattern).is_some_and(|found| found * 2 > all))
}

fn compile(patterns: &[String]) -> Result<Option<Regex>, PolicyError> {
    let build = |patterns: &[String]| {
        let limits = meta::Config::new()
            .nfa_size_limit(Some(COMPILED))
            .hybrid_cache_capacity(CACHE);
        Regex::builder().configure(limits).build_many(patterns).ok()
    };
    match build(patterns) {
        _ if patterns.is_empty() => Ok(None),
        Some(rules) => Ok(Some(rules)),
        // Say which one: the first with which the rules no longer fit.
        None => Err(PolicyError::Large(
            (1..=patterns.len())
                .find(|count| build(&patterns[..*count]).is_none())
                .unwrap_or(1)
                - 1,
        )),
    }
}

fn list(words: &[String]) -> Result<Option<AhoCorasick>, PolicyError> {
    if words.is_empty() {
        return Ok(None);
    }
    let words = words.iter().map(|word| word.trim());
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(words)
        .map(Some)
        .map_err(|_| PolicyError::TooMany)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(pattern: &str) -> Option<PolicyError> {
        Custom::new(&Policy::new().rule(Rule::new(pattern))).err()
    }

    fn found(policy: &Policy, text: &str) -> Vec<(usize, usize)> {
        let mut finds = Vec::new();
        Custom::new(policy).unwrap().find(text, &mut finds);
        finds.iter().map(|find| (find.start, find.end)).collect()
    }

    #[test]
    fn rules_that_cannot_work_are_refused() {
        assert_eq!(refused("("), Some(PolicyError::Syntax(0)));
        assert_eq!(refused("a*"), Some(PolicyError::Empty(0)));
        assert_eq!(refused("(a?|b)?"), Some(PolicyError::Empty(0)));
        assert_eq!(refused("[a&&b]"), Some(PolicyError::Never(0)));
        for everything in [".", ".+", r"\S+", r"\w+", "[a-z0-9]+", r"(?s).*\n"] {
            assert_eq!(refused(everything), Some(PolicyError::Everything(0)));
        }
        assert_eq!(refused("[0-9]+"), None);
        assert_eq!(refused(r"\w{500}"), Some(PolicyError::Large(0)));
        assert_eq!(refused(&"a".repeat(1_001)), Some(PolicyError::Large(0)));
    }

    #[test]
    fn rules_keep_to_word_borders_unless_told() {
        let policy = Policy::new().rule(Rule::new("AB[0-9]{3}"));
        let anywhere = Policy::new().rule(Rule::new("AB[0-9]{3}").anywhere());

        assert_eq!(
            found(&policy, "AB123 xAB123 AB1234 (AB456)"),
            [(0, 5), (21, 26)]
        );
        assert_eq!(found(&anywhere, "xAB1234"), [(1, 6)]);
    }

    #[test]
    fn words_are_found_whole_and_in_any_case() {
        let policy = Policy::new().word("Zephyr").word("blue heron");

        assert_eq!(
            found(&policy, "ZEPHYR zephyrs, Blue Heron"),
            [(0, 6), (16, 26)]
        );
    }
}
