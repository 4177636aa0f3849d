//! What people say between digits, and how they spell letters.

use crate::lexicon::mean;
use crate::token::{Text, Token, is_space};

/// Said between two numbers that belong together, beside the fillers of the lexicon. Longer phrases first.
const ASIDES: &[&[&str]] = &[
    &["no", "i", "mean"],
    &["bear", "with", "me"],
    &["the", "last", "four", "are"],
    &["the", "last", "four", "is"],
    &["did", "you", "get", "that"],
    &["have", "you", "got", "that"],
    &["you", "got", "that"],
    &["the", "rest", "is"],
    &["where", "was", "i"],
    &["followed", "by"],
    &["you", "know"],
    &["hold", "on"],
    &["hang", "on"],
    &["i", "mean"],
    &["i", "think"],
    &["i", "believe"],
    &["i", "guess"],
    &["i", "meant"],
    &["sorry", "about", "that"],
    &["my", "apologies"],
    &["pardon", "me"],
    &["one", "more", "time"],
    &["are", "you", "ready"],
    &["are", "you", "with", "me"],
    &["you", "with", "me"],
    &["that", "should", "be"],
    &["should", "be"],
    &["start", "over"],
    &["cancel", "that"],
    &["no", "sorry"],
    &["no", "wait"],
    &["wait", "no"],
    &["scratch", "that"],
    &["make", "that"],
    &["strike", "that"],
    &["my", "bad"],
    &["excuse", "me"],
    &["that", "s"],
    &["it", "s"],
    &["uh", "huh"],
    &["mm", "hmm"],
    &["got", "it"],
    &["got", "that"],
    &["finally"],
    &["lastly"],
    &["thats"],
    &["ah"],
    &["eh"],
    &["oops"],
    &["whoops"],
    &["basically"],
    &["gotcha"],
    &["great"],
    &["maybe"],
    &["mkay"],
    &["nope"],
    &["pardon"],
    &["perfect"],
    &["ready"],
    &["sure"],
    &["okay"],
    &["ok"],
    &["so"],
    &["like"],
    &["well"],
    &["yeah"],
    &["yep"],
    &["yes"],
    &["no"],
    &["not"],
    &["wait"],
    &["now"],
    &["right"],
    &["next"],
    &["again"],
    &["actually"],
    &["correction"],
    &["rather"],
    &["alright"],
    &["mhm"],
];

/// Words between two numbers at most.
const BETWEEN: usize = 6;

/// The first token at or behind `at` that is no filler, and whether one of those before it could as well end the number.
pub(crate) fn skip_fillers(text: &Text<'_>, at: usize) -> (usize, bool) {
    let (mut next, mut aside) = (at, false);
    while next < at + BETWEEN {
        if let Some(length) = aside_at(text, next) {
            (next, aside) = (next + length, true);
        } else if text.bits(next) & mean::FILLER != 0 {
            next += 1;
        } else {
            break;
        }
    }
    (next, aside)
}

fn aside_at(text: &Text<'_>, at: usize) -> Option<usize> {
    // Most tokens here are digits, and of the words for them only `one` begins an aside: `one moment`.
    let token = text.tokens.get(at)?;
    if token.is_number() && !(token.value == 1 && text.bits(at + 1) & mean::SPOKEN == 0) {
        return None;
    }
    let first = text.word(at).first()?.to_ascii_lowercase();
    let said = |words: &&&[&str]| {
        words[0].as_bytes()[0] == first
            && (words.iter().enumerate()).all(|(place, word)| text.is(at + place, word))
    };
    let known = || ASIDES.iter().find(said).map(|words| words.len());
    pause(text, at).or_else(known)
}

/// `let me find it`, `hold on a second`, `one moment`: how many words.
fn pause(text: &Text<'_>, at: usize) -> Option<usize> {
    let lets = match () {
        () if text.is(at, "let") && text.is(at + 1, "me") => 2,
        () => usize::from(text.is(at, "lemme")),
    };
    if lets > 0 {
        let looks = text.tokens.get(at + lets)?;
        let more = &["it", "that", "this", "again", "here", "them", "over"];
        let more = usize::from(text.is_any(at + lets + 1, more));
        return (looks.is_word() && !looks.is_number()).then_some(lets + 1 + more);
    }
    let waits = match () {
        () if text.is_any(at, &["hold", "hang"]) && text.is(at + 1, "on") => 2,
        () if text.is(at, "give") && text.is(at + 1, "me") => 2,
        () if text.is_any(at, &["wait", "just", "gimme"]) => 1,
        () => 0,
    };
    let short = &["second", "sec", "moment", "minute"];
    let counted = text.is(at + waits, "one") || waits > 0 && text.is(at + waits, "a");
    (counted && text.is_any(at + waits + 1, short)).then_some(waits + 2)
}

/// Whether somebody asks for time between tokens `from` and `to`, with a number in mind.
pub(crate) fn pauses(text: &Text<'_>, from: usize, to: usize) -> bool {
    (from..to).any(|at| pause(text, at).is_some())
}

/// Whether somebody takes back a digit between tokens `from` and `to`: `… seven i mean eight`.
pub(crate) fn takes_back(text: &Text<'_>, from: usize, to: usize) -> bool {
    const WORDS: &[&str] = &[
        "mean",
        "meant",
        "sorry",
        "wait",
        "scratch",
        "strike",
        "correction",
        "make",
        "not",
    ];
    (from..to).any(|at| text.is_any(at, WORDS))
}

/// The digit that a word sounds like.
fn sounds_like(text: &Text<'_>, at: usize) -> Option<u8> {
    Some(match text.word(at) {
        b"to" | b"too" => 2,
        b"for" | b"fore" => 4,
        b"ate" => 8,
        b"won" => 1,
        b"tree" => 3,
        _ => return None,
    })
}

/// A digit that sounds like a word, between two digits: `four to three`.
pub(crate) fn homophone(text: &Text<'_>, at: usize) -> Option<u8> {
    let value = sounds_like(text, at)?;
    let digit = |at: usize| {
        text.bits(at) & (mean::DIGIT | mean::REPEAT) != 0 || sounds_like(text, at).is_some()
    };
    let between = at > 0 && digit(at - 1) && digit(at + 1);
    let spaced = is_space(text.gap(at)) && is_space(text.gap(at.saturating_sub(1)));
    (between && spaced).then_some(value)
}

/// A letter that is said at token `at`, and the last token of it: `b`, `bravo`, `b as in boy`, `b for bravo`.
pub(crate) fn letter(text: &Text<'_>, at: usize) -> Option<(u8, usize)> {
    let word = text.word(at);
    let first = word.first()?.to_ascii_lowercase();
    if word.len() > 1 || !first.is_ascii_alphabetic() {
        return (text.bits(at) & mean::NATO != 0).then_some((first, at));
    }
    let behind = match () {
        () if text.is(at + 1, "as") && text.is(at + 2, "in") => at + 3,
        () if text.is_any(at + 1, &["for", "like"]) => at + 2,
        () => return Some((first, at)),
    };
    // `o like one` goes on.
    let explains = text.word(behind).len() > 1
        && text.bits(behind) & mean::SPOKEN == 0
        && text.word(behind)[0].eq_ignore_ascii_case(&first)
        && (at..behind).all(|at| is_space(text.gap(at)));
    // `x as in x-ray`
    let hyphen = text.word(behind).eq_ignore_ascii_case(&[first])
        && text.gap(behind) == b"-"
        && text.tokens.get(behind + 1).is_some_and(Token::is_word)
        && (at..behind).all(|at| is_space(text.gap(at)));
    let last = match () {
        () if hyphen => behind + 1,
        () if explains => behind,
        () => at,
    };
    Some((first, last))
}

/// Whether token `at` is a letter with a word that explains it, and so no zero: `o as in oscar`.
pub(crate) fn is_explained(text: &Text<'_>, at: usize) -> bool {
    text.word(at).len() == 1 && letter(text, at).is_some_and(|(_, last)| last > at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_said_alone_as_words_and_with_one() {
        let said = |text: &str| letter(&Text::new(text), 0);

        assert_eq!(said("b two"), Some((b'b', 0)));
        assert_eq!(said("Bravo two"), Some((b'b', 0)));
        assert_eq!(said("d as in dog"), Some((b'd', 3)));
        assert_eq!(said("x as in x-ray"), Some((b'x', 4)));
        assert_eq!(said("m for mary"), Some((b'm', 2)));
        assert_eq!(said("m for two"), Some((b'm', 0)));
        assert_eq!(said("dog"), None);
    }

    #[test]
    fn what_people_say_between_digits_is_skipped() {
        let skip = |text: &str| skip_fillers(&Text::new(text), 0);

        assert_eq!(skip("um and then five"), (3, false));
        assert_eq!(skip("let me see five"), (3, true));
        assert_eq!(skip("let me read that five"), (4, true));
        assert_eq!(skip("hang on one second five"), (4, true));
        assert_eq!(skip("one moment uhh five"), (3, true));
        assert_eq!(skip("that's five"), (2, true));
        assert_eq!(skip("kids five"), (0, false));
    }

    #[test]
    fn each_aside_is_skipped_whole() {
        for words in ASIDES {
            let text = format!("{} five", words.join(" "));

            let skipped = skip_fillers(&Text::new(&text), 0);

            assert_eq!(skipped, (words.len(), true), "{text}");
        }
    }

    #[test]
    fn words_that_sound_like_digits_stand_between_digits() {
        let heard = |text: &str| homophone(&Text::new(text), 1);

        assert_eq!(heard("one to three"), Some(2));
        assert_eq!(heard("one for three"), Some(4));
        assert_eq!(heard("one to many"), None);
        assert_eq!(heard("page to three"), None);
    }
}
