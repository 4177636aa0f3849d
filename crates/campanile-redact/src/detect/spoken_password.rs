//! Passwords as people say them: words, letters, numbers and signs, and what stands between the word and the value.

use super::password::BEFORE_VERB;
use crate::lexicon::mean;
use crate::speech::{is_explained, letter, skip_fillers};
use crate::token::{Text, is_space};

/// What somebody says who is not quite sure.
const BELIEFS: &[&[&str]] = &[
    &["i", "m", "pretty", "sure"],
    &["i", "am", "pretty", "sure"],
    &["i", "m", "almost", "sure"],
    &["i", "m", "sure"],
    &["i", "am", "sure"],
    &["i", "want", "to", "say"],
    &["i", "wanna", "say"],
    &["if", "i", "remember", "right"],
    &["if", "i", "remember", "correctly"],
    &["if", "i", "m", "not", "mistaken"],
    &["i", "suppose"],
    &["i", "thought"],
    &["probably"],
    &["possibly"],
    &["something", "like"],
    &["pretty", "sure"],
];
/// What somebody says who has to think first.
const DOUBTS: &[&str] = &[
    "think", "believe", "guess", "mean", "maybe", "um", "uh", "er", "erm", "hmm", "hold", "hang",
    "let", "lemme", "well", "actually",
];
/// The verbs behind which the value comes.
const VERBS: &[&[&str]] = &[
    &["it", "should", "be"],
    &["it", "might", "be"],
    &["it", "may", "be"],
    &["it", "could", "be"],
    &["it", "would", "be"],
    &["it", "must", "be"],
    &["that", "would", "be"],
    &["it", "s"],
    &["it", "is"],
    &["it", "was"],
    &["that", "s"],
    &["that", "is"],
    &["that", "was"],
    &["its"],
    &["thats"],
    &["is"],
    &["was"],
];
/// Tokens between the word and its value at most.
const BETWEEN: usize = 14;

/// `password i think it's …`, `password for the portal, um, that would be …`: the token behind the verb, where other
/// words stand before it.
pub(super) fn believed(text: &Text<'_>, at: usize) -> Option<usize> {
    let first = at + 1;
    if let Some(value) = belief(text, first) {
        return Some(value);
    }
    if !text.is_any(first, BEFORE_VERB) {
        return None;
    }
    (first + 1..first + 6)
        .take_while(|next| joins(text.gap(next - 1)))
        .find_map(|next| belief(text, next))
}

/// Skips beliefs, fillers and a verb. The verb alone is none of ours, nor is a belief without a verb.
fn belief(text: &Text<'_>, first: usize) -> Option<usize> {
    let (mut next, mut verb, mut believed) = (first, false, false);
    while next < first + BETWEEN && joins(text.gap(next - 1)) {
        if let Some(length) = phrase(text, next, VERBS) {
            (next, verb) = (next + length, true);
        } else if let Some(length) = phrase(text, next, BELIEFS) {
            (next, believed) = (next + length, true);
        } else {
            let behind = skip_fillers(text, next).0;
            if behind == next {
                break;
            }
            // An aside may hold the verb: `it's`, `that's`.
            verb |= (next..behind).any(|at| phrase(text, at, VERBS).is_some());
            believed |= (next..behind).any(|at| text.is_any(at, DOUBTS));
            next = behind;
        }
    }
    (verb && believed && joins(text.gap(next - 1))).then_some(next)
}

fn phrase(text: &Text<'_>, at: usize, phrases: &[&[&str]]) -> Option<usize> {
    let said = |words: &&&[&str]| {
        let fits = |(place, word): (usize, &&str)| text.is(at + place, word);
        words.iter().enumerate().all(fits)
    };
    phrases.iter().find(said).map(|words| words.len())
}

/// Gaps of a sentence, and of one that ends.
fn joins(gap: &[u8]) -> bool {
    matches!(gap, b"'" | b", " | b"... " | b"? " | b". ") || is_space(gap) && !gap.contains(&b'\n')
}

/// What somebody says of how a password is written.
const SHIFTS: &[&str] = &[
    "capital",
    "uppercase",
    "lowercase",
    "upper",
    "lower",
    "case",
    "big",
    "small",
    "caps",
    "cap",
];
const SIGNS: &[&str] = &[
    "exclamation",
    "bang",
    "hash",
    "hashtag",
    "dollar",
    "percent",
    "ampersand",
    "asterisk",
    "star",
    "underscore",
    "dash",
    "hyphen",
    "dot",
    "period",
    "slash",
    "plus",
    "equals",
];
/// Behind a number, what is counted: `ten characters` is no password.
const UNITS: &[&str] = &[
    "characters",
    "character",
    "letters",
    "digits",
    "digit",
    "numbers",
    "symbols",
    "words",
    "seconds",
    "minutes",
    "hours",
    "days",
    "weeks",
    "months",
    "years",
    "times",
    "tries",
    "attempts",
    "people",
    "percent",
];
/// Tokens of a spoken password at most.
const SAID: usize = 60;

/// `raven glacier eighty three`, `t r e e five`, `capital r as in romeo …`: words that are no sentence, letters, numbers, signs.
pub(super) fn said(text: &Text<'_>, first: usize) -> Option<(usize, usize)> {
    let (mut next, mut last) = (first, first);
    let (mut words, mut letters, mut numbers, mut signs, mut shifts) = (0, 0, 0, 0, 0);
    while next < first + SAID && (next == first || is_space(text.gap(next - 1))) {
        let token = text.tokens.get(next)?.to_owned();
        let mut end = next;
        if text.is_any(next, SHIFTS) {
            shifts += 1;
        } else if text.is_any(next, SIGNS) && next > first {
            signs += 1;
            end += usize::from(text.is_any(next + 1, &["mark", "point", "sign"]));
        } else if (token.is_number() || token.has(mean::REPEAT)) && !is_explained(text, next) {
            numbers += 1;
        } else if let Some((_, explained)) =
            letter(text, next).filter(|(_, end)| is_spelled(text, next, *end))
        {
            (letters, end) = (letters + 1, explained);
        } else if token.is_word()
            && !token.has(mean::PLAIN)
            && words < 4
            && !text.gap(next).starts_with(b"'")
            && !(numbers > 0 && words + letters == 0 && text.is_any(next, UNITS))
        {
            words += 1;
        } else {
            break;
        }
        // `all lowercase` belongs to the sentence.
        if !text.is_any(next, SHIFTS) {
            last = end;
        }
        next = end + 1;
        if next >= text.tokens.len() {
            break;
        }
    }
    let figures = numbers >= 4 && words + letters == 0;
    let mixed = words + shifts > 0 && words + letters > 0 && numbers + signs > 0;
    let spelled = letters > 0 && letters + numbers >= 4;
    (mixed || spelled || figures).then(|| (text.tokens[first].start, text.tokens[last].end))
}

/// `a` and `i` are letters among letters.
fn is_spelled(text: &Text<'_>, at: usize, end: usize) -> bool {
    let among = |near: usize| {
        text.tokens
            .get(near)
            .is_some_and(|token| token.len() == 1 || token.is_number())
            || text.is_any(near, SHIFTS)
    };
    end > at || !text.is_any(at, &["a", "i"]) || among(at + 1) || at > 0 && among(at - 1)
}
