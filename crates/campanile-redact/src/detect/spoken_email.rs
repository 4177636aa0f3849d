//! Spoken e-mail addresses: `jo dot doe at example dot com`, `b as in bravo o e at sign gmail.com`.
//!
//! ```text
//! my email is   j o dot doe two one   at [sign]   t dash online dot de
//!               local part, backwards             host, forwards
//! ```

use super::Scan;
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::{Lexicon, mean};
use crate::speech::letter;
use crate::token::{Text, is_space};

/// Tokens of a local part at most.
const LONGEST: usize = 60;
/// Words of the first label of a host: `my company dot com`.
const LABEL: usize = 3;

/// Looks around the word `at`.
pub(super) fn find(scan: &mut Scan<'_>, at: usize) {
    if at == 0 || !is_space(scan.text.gap(at)) || !is_space(scan.text.gap(at - 1)) {
        return;
    }
    let text = &scan.text;
    let sign = text.is_any(at + 1, &["sign", "symbol"]) && is_space(text.gap(at + 1));
    let first = at + 1 + usize::from(sign);
    // `jo uh at um example dot com`
    let hesitates = |at: usize| text.bits(at) & (mean::FILLER | mean::LINK) == mean::FILLER;
    let end = at - usize::from(at > 1 && hesitates(at - 1));
    let end = end - how_written(text, end);
    let first = first + usize::from(hesitates(first));
    around(scan, end, first, sign);
}

/// How many words before token `end` say how the local part is written: `jo doe all one word at …`.
fn how_written(text: &Text<'_>, end: usize) -> usize {
    const WORDS: &[&[&str]] = &[
        &["all", "one", "word"],
        &["all", "lower", "case"],
        &["all", "in", "lowercase"],
        &["all", "lowercase"],
        &["all", "together"],
        &["one", "word"],
        &["no", "spaces"],
        &["lowercase"],
    ];
    let said = |words: &&&[&str]| {
        let first = end.checked_sub(words.len()).filter(|first| *first > 0);
        first.is_some_and(|first| {
            words
                .iter()
                .zip(first..)
                .all(|(word, at)| text.is(at, word))
        })
    };
    let ends = &["word", "case", "lowercase", "together", "spaces"];
    if end == 0 || !text.is_any(end - 1, ends) {
        return 0;
    }
    WORDS.iter().find(said).map_or(0, |words| words.len())
}

/// Looks around an `@` with spaces on both sides, at byte `at`.
pub(super) fn around_sign(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let behind = text.token_from(at);
    let lone = matches!(text.byte_before(at), b' ') && text.byte(at + 1) == b' ';
    if lone && behind > 0 && text.gap(behind - 1) == b" @ " {
        around(scan, behind, behind, true);
    }
}

/// The address whose local part ends before token `end` and whose host starts with token `first`. `sign`: what stands
/// between can be nothing else.
fn around(scan: &mut Scan<'_>, end: usize, first: usize, sign: bool) {
    let text = &scan.text;
    let Some(host) = Host::read(text, first) else {
        return;
    };
    let Some(local) = local(text, end - 1) else {
        return;
    };
    let token = &text.tokens[local];
    let named = names(text, local);
    let odd = named < end - 1 || token.is_mixed() || token.len() == 1;
    let near = near(text, local);
    // `it's joannedoe at blue fox dot com`
    let own =
        token.bits == 0 && token.len() > 5 && is_told(text, local) && !text.is(local - 1, "be");
    let told = sign || odd || near || own;
    if host.sure && (host.plain || told) || told && host.plain {
        let start = if host.sure {
            handle(text, named)
        } else {
            local
        };
        let find = Find::new(
            text.tokens[start].start,
            text.tokens[host.last].end,
            Kind::Email,
            "spoken_email",
        );
        scan.add(find);
    }
}

/// What stands behind the `at`.
struct Host {
    last: usize,
    /// A dot was said, and what follows the last one is a known top level.
    sure: bool,
    /// Its first label is one word.
    plain: bool,
}

impl Host {
    fn read(text: &Text<'_>, first: usize) -> Option<Self> {
        // `at gmail com`: the dot was not heard.
        let unheard = text.bits(first) & mean::MAIL != 0
            && is_space(text.gap(first))
            && text.is_any(first + 1, &["com", "net", "org", "de", "co"]);
        if unheard {
            return Some(Self {
                last: first + 1,
                sure: true,
                plain: true,
            });
        }
        let (dot, plain) = first_label(text, first)?;
        let (mut last, mut spoken, mut labels) = (dot, 0, 1);
        while let Some((next, said)) = dot_behind(text, last) {
            if let Some(end) = spelled_end(text, next) {
                return Some(Self {
                    last: end,
                    sure: true,
                    plain,
                });
            }
            let label = text.tokens.get(next);
            let known = text.bits(next) & (mean::TLD | mean::MAIL) != 0;
            if !known && (label.is_none_or(|label| !label.is_word()) || is_sentence(text, next)) {
                break;
            }
            (last, labels) = (label_end(text, next), labels + 1);
            spoken += usize::from(said);
            // `dot com dot uk` goes on; `dot com my` does not.
            if labels > 6 {
                break;
            }
        }
        let known = text.bits(last) & mean::TLD != 0;
        let mail =
            text.bits(first) & mean::MAIL != 0 || text.is(first, "g") && text.is(first + 1, "mail");
        (labels > 1 && (known || mail)).then_some(Self {
            last,
            sure: known && (spoken > 0 || !plain || mail),
            plain: plain || mail,
        })
    }
}

/// Never the name of a host.
const NO_HOST: &[&str] = &[
    "the", "a", "an", "this", "that", "it", "all", "my", "your", "his", "her", "our", "their",
    "which", "any", "some", "every", "each", "no", "these", "those", "what", "one", "least",
    "last", "first", "once",
];

/// The last token of the first label, and whether it is one word: `example`, `g mail`, `t dash online`, `my company`.
fn first_label(text: &Text<'_>, first: usize) -> Option<(usize, bool)> {
    let one = label_end(text, first);
    if dot_behind(text, one).is_some() {
        let named = !is_sentence(text, first) || text.bits(first) & (mean::MAIL | mean::TLD) != 0;
        return (named || !text.is_any(first, NO_HOST)).then_some((one, named));
    }
    let mut last = one;
    for _ in 1..LABEL {
        if !is_space(text.gap(last)) || text.tokens.get(last + 1)?.len() > 30 {
            return None;
        }
        last = label_end(text, last + 1);
        if dot_behind(text, last).is_some() {
            return (!text.is_any(last, NO_HOST)).then_some((last, false));
        }
    }
    None
}

/// The last token of the label that starts here: `t dash online`, `a b c`.
fn label_end(text: &Text<'_>, first: usize) -> usize {
    let mut last = first;
    for _ in 0..4 {
        let joined = is_space(text.gap(last))
            && text.is_any(last + 1, &["dash", "hyphen", "minus"])
            && is_space(text.gap(last + 1));
        let hyphen = text.gap(last) == b"-";
        let spelled = text.tokens.get(last).is_some_and(|token| token.len() == 1)
            && is_space(text.gap(last))
            && text
                .tokens
                .get(last + 1)
                .is_some_and(|token| token.len() == 1);
        last += match () {
            () if joined => 2,
            () if hyphen || spelled => 1,
            () => return last,
        };
    }
    last
}

/// Letters of a top level that is spelled.
const SPELLED: std::ops::RangeInclusive<usize> = 2..=4;

/// `dot n l`, `dot c o m`: the last letter of a top level that is spelled.
fn spelled_end(text: &Text<'_>, first: usize) -> Option<usize> {
    let (mut letters, mut count) = ([0; *SPELLED.end()], 0);
    while count < letters.len()
        && let [letter] = text.word(first + count)
        && letter.is_ascii_alphabetic()
        && (count == 0 || is_space(text.gap(first + count - 1)))
    {
        letters[count] = *letter;
        count += 1;
    }
    let known = |length: &usize| Lexicon::get().meaning(&letters[..*length]).bits & mean::TLD != 0;
    let length = (*SPELLED.start()..=count).rev().find(known)?;
    Some(first + length - 1)
}

/// The token behind the dot that follows token `last`, and whether the dot was said.
fn dot_behind(text: &Text<'_>, last: usize) -> Option<(usize, bool)> {
    if text.gap(last) == b"." {
        return Some((last + 1, false));
    }
    let said = is_space(text.gap(last))
        && text.is_any(last + 1, &["dot", "period", "point"])
        && is_space(text.gap(last + 1));
    said.then_some((last + 2, true))
}

fn is_sentence(text: &Text<'_>, at: usize) -> bool {
    text.bits(at) & (mean::PLAIN | mean::AT) != 0
}

/// Words before an address, never in it.
const SENTENCE: &[&str] = &[
    "is", "to", "at", "my", "email", "mail", "address", "its", "the", "on", "s",
];

/// The first token of the local part that ends here.
fn local(text: &Text<'_>, end: usize) -> Option<usize> {
    let mut first = end + 1;
    loop {
        first = part(text, first)?;
        let Some(link) = first.checked_sub(1) else {
            break;
        };
        if link == 0 || !is_link(text, link) {
            break;
        }
        // What a sign follows is a part, even a word like `will`.
        let linked = |at: usize| text.tokens[at].is_word() && !text.is_any(at, SENTENCE);
        match part(text, link) {
            Some(_) => first = link,
            None if linked(link - 1) => return Some(link - 1),
            None => break,
        }
        if end - first > LONGEST {
            break;
        }
    }
    Some(first)
}

/// Up to two words more that are nothing but names: `… is jo anne doe at`.
fn names(text: &Text<'_>, first: usize) -> usize {
    const CUES: &[&str] = &[
        "email", "mail", "e", "address", "contact", "login", "username", "invoice", "receipt",
        "cc", "reply", "hotmail", "gmail", "forward", "link", "spelled", "spelt", "copy",
    ];
    let name = |at: usize| {
        text.tokens[at].is_word()
            && text.bits(at) & (mean::PLAIN | mean::AT | mean::LINK | mean::FILLER) == 0
            && !text.is_any(at, CUES)
            && is_space(text.gap(at))
            && text.gap_before(at) != b"'"
    };
    let reach = first.saturating_sub(2);
    (reach..first)
        .find(|at| (*at..first).all(name))
        .unwrap_or(first)
}

/// `the real jo doe at …`: an article that is part of the address.
fn handle(text: &Text<'_>, first: usize) -> usize {
    let adjective = text.is_any(first, &["real", "official", "original"]);
    let article = first > 0 && text.is(first - 1, "the") && is_space(text.gap(first - 1));
    first - usize::from(adjective && article)
}

/// One part of a local part, read backwards from before token `behind`: spelled letters or one word, then numbers.
fn part(text: &Text<'_>, behind: usize) -> Option<usize> {
    let joined = |at: usize| {
        at + 1 == text.tokens.len() || text.gap(at).len() <= 3 && !text.gap(at).contains(&b'\n')
    };
    let mut first = behind;
    while first > 0 && is_figure(text, first - 1) && joined(first - 1) {
        first -= 1;
    }
    let figures = behind - first;
    let mut letters = first;
    while let Some(letter) = letter_before(text, letters).filter(|_| joined(letters - 1)) {
        letters = letter;
    }
    if letters < first {
        // An initial before a name: `j smith` is read from its end, `smith` first.
        return Some(letters);
    }
    let word = first.checked_sub(1).filter(|at| joined(*at))?;
    let token = &text.tokens[word];
    let plain = token.has(mean::PLAIN) && !is_link(text, word.wrapping_sub(1))
        || token.has(mean::AT)
        || is_link(text, word);
    match (plain, figures) {
        // `o'neil`
        (false, _)
            if word > 0 && text.gap(word - 1) == b"'" && text.tokens[word - 1].len() == 1 =>
        {
            Some(word - 1)
        }
        // `j smith`
        (false, _) if word > 0 && is_initial(text, word - 1) => Some(word - 1),
        (false, _) => Some(word),
        (true, 0) => None,
        (true, _) => Some(first),
    }
}

/// Whether what somebody tells begins at token `at`.
fn is_told(text: &Text<'_>, at: usize) -> bool {
    at > 0 && text.is_any(at - 1, &["is", "s", "its", "be", "to", "copy"])
}

/// A single letter that is no word of its own.
fn is_initial(text: &Text<'_>, at: usize) -> bool {
    text.tokens[at].is_word()
        && text.tokens[at].len() == 1
        && is_space(text.gap(at))
        && text.gap_before(at) != b"'"
        && (!text.is_any(at, &["a", "i", "o"]) || text.is(at, "a") && is_told(text, at))
}

/// Where a spelled letter begins that ends before token `behind`.
fn letter_before(text: &Text<'_>, behind: usize) -> Option<usize> {
    let at = behind.checked_sub(1)?;
    // `b for bravo`, `b as in boy`
    let explained = [2, 3]
        .into_iter()
        .filter_map(|words| at.checked_sub(words))
        .find(|first| letter(text, *first).is_some_and(|(_, last)| last == at));
    explained.or_else(|| is_letter(text, at).then_some(at))
}

fn is_figure(text: &Text<'_>, at: usize) -> bool {
    text.tokens[at].is_number() || text.tokens[at].has(mean::REPEAT)
}

fn is_letter(text: &Text<'_>, at: usize) -> bool {
    let spelled = |at: usize| text.bits(at) & mean::NATO != 0 || text.word(at).len() == 1;
    let token = &text.tokens[at];
    // `charlie` alone is somebody, among others it is a letter.
    let among = || spelled(at + 1) || at > 0 && spelled(at - 1);
    token.is_word() && token.len() == 1 && text.gap_before(at) != b"'"
        || token.has(mean::NATO) && (!token.has(mean::GIVEN) || among())
}

fn is_link(text: &Text<'_>, at: usize) -> bool {
    text.bits(at) & mean::LINK != 0
}

/// Whether the words before speak of mail.
fn near(text: &Text<'_>, first: usize) -> bool {
    (first.saturating_sub(10)..first).any(|at| {
        text.is_any(
            at,
            &[
                "email", "mail", "receipt", "reach", "address", "send", "write", "login",
                "contact", "forward", "spell", "resend", "invoice", "copy", "cc",
            ],
        )
    })
}
