//! Words: made by seed, cut into tokens.

use super::dice::Dice;

/// Short, everyday, and telling nothing about anybody.
const WORDS: &[&str] = &[
    "the",
    "a",
    "your",
    "our",
    "this",
    "that",
    "one",
    "next",
    "order",
    "table",
    "morning",
    "evening",
    "room",
    "ticket",
    "train",
    "parcel",
    "window",
    "garden",
    "bridge",
    "river",
    "answer",
    "question",
    "moment",
    "minute",
    "station",
    "number",
    "is",
    "was",
    "can",
    "will",
    "may",
    "should",
    "comes",
    "opens",
    "closes",
    "leaves",
    "arrives",
    "waits",
    "ready",
    "early",
    "late",
    "quiet",
    "open",
    "free",
    "certainly",
    "today",
    "tomorrow",
    "again",
    "soon",
    "here",
    "there",
    "with",
    "for",
    "from",
    "near",
    "under",
    "over",
    "before",
    "after",
    "and",
    "then",
    "also",
    "still",
    "almost",
];

/// Letters that one token holds at most.
const LETTERS: usize = 4;

/// That many words, by seed.
pub(crate) fn words(dice: &mut Dice, count: u64) -> Vec<&'static str> {
    (0..count).map(|_| dice.pick(WORDS)).collect()
}

/// A sentence as one would say it.
pub(crate) fn sentence(dice: &mut Dice) -> String {
    let count = dice.between(5, 12);
    let mut said = words(dice, count).join(" ");
    said[..1].make_ascii_uppercase();
    said.push('.');
    said
}

/// Some sentences.
pub(crate) fn reply(dice: &mut Dice) -> String {
    let count = dice.between(1, 3);
    let said: Vec<String> = (0..count).map(|_| sentence(dice)).collect();
    said.join(" ")
}

/// Cuts a text into tokens: at most four letters or digits with the blank before them, or any other character with the
/// blank before it. Put together again they are the text; each has a character at least, so there are never more
/// tokens than bytes.
pub(crate) fn tokens(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (token, tail) = rest.split_at(token_len(rest));
        out.push(token);
        rest = tail;
    }
    out
}

fn token_len(text: &str) -> usize {
    let blank = usize::from(text.starts_with(' '));
    let body = &text[blank..];
    let letters: usize = body
        .chars()
        .take_while(|c| c.is_alphanumeric())
        .take(LETTERS)
        .map(char::len_utf8)
        .sum();
    match letters {
        0 => blank + body.chars().next().map_or(0, char::len_utf8),
        letters => blank + letters,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_put_together_are_the_text() {
        for text in [
            "",
            " ",
            "  two  blanks ",
            "Naïve café 😀, 12345678!",
            "a\nb\t  ",
        ] {
            let tokens = tokens(text);

            assert_eq!(tokens.concat(), text);
            assert!(tokens.len() <= text.len());
            assert!(tokens.iter().all(|token| !token.is_empty()));
        }
        assert_eq!(tokens(" capital of."), [" capi", "tal", " of", "."]);
    }

    #[test]
    fn a_seed_says_the_same_again_and_another_says_something_else() {
        let said = |seed| reply(&mut Dice::new(seed, "reply", 3));

        assert_eq!(said(7), said(7));
        assert_ne!(said(7), said(8));
    }
}
