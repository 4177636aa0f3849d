//! Names of people, by what is said before them, and by given names where the text has capitals.
//!
//! Lists of names alone do not find people in transcripts, and mask `will`, `mark` and `may`: cues do the work.

use super::{Scan, asked};
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::token::{Text, is_space};

const PARTICLES: &[&str] = &[
    "van", "von", "de", "da", "der", "den", "del", "della", "di", "dos", "la", "le", "el", "bin",
    "al", "ter",
];
/// What people say right after a name.
pub(super) const CLOSERS: &[&str] = &[
    "from", "calling", "speaking", "here", "with", "again", "at", "and", "is", "was", "will",
    "has", "had", "called", "can", "said", "wants", "needs", "would", "also", "i", "we", "how",
    "let", "your", "on", "who", "just", "you", "my", "the", "one", "speak",
];

/// A word with capitals or letters beyond ASCII: a name when its first part is a given name.
pub(super) fn titled(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let token = &text.tokens[at];
    if !is_title(text, at) || token.has(mean::PLAIN) || is_of_date(text, at) {
        return;
    }
    let asked = at == 0
        && text.gap(0) == b", "
        && text.is_any(1, &["can", "could", "would", "please", "are", "will"]);
    if token.has(mean::GIVEN) || asked && token.bits == 0 {
        let last = capitals(text, at, 3);
        add(scan, at, last, "given_name");
    }
}

/// `18/Jan/2026`, `Jan 18`: the month.
fn is_of_date(text: &Text<'_>, at: usize) -> bool {
    let digits = |at: usize| text.tokens.get(at).is_some_and(|token| !token.is_word());
    text.bits(at) & mean::MONTH != 0 && (digits(at + 1) || at > 0 && digits(at - 1))
}

/// A word after which a name comes.
pub(super) fn named(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let bits = text.bits(at);
    let found = if bits & mean::TITLE != 0 {
        after_title(text, at)
    } else if bits & mean::KIN != 0 {
        after_kin(text, at)
    } else {
        after_word(text, at)
    };
    if let Some((first, last)) = found {
        add(scan, first, last, "name_cue");
    }
}

/// `Zoltan Kovacs <…@…>`, `(7, Zoltan Kovacs, …@…`, where the address starts at byte `mail`.
pub(super) fn before_mail(scan: &mut Scan<'_>, mail: usize) {
    let text = &scan.text;
    let behind = text.token_from(mail);
    let Some(gap) = behind.checked_sub(1).map(|last| text.gap(last)) else {
        return;
    };
    let listed = matches!(gap, b", " | b"', '" | b"\", \"" | b"\",\"");
    if !listed && !matches!(gap, b" <" | b"\" <") {
        return;
    }
    let joined = |at: usize| at + 1 == behind || matches!(text.gap(at), b" " | b"-" | b"'");
    let parts = (0..behind)
        .rev()
        .take(4)
        .take_while(|at| is_name_title(text, *at) && joined(*at));
    let Some(first) = parts.last() else { return };
    // In a list, two parts at least, and nothing of a sentence before them.
    let opened = matches!(text.gap_before(first), b", " | [.., b'(' | b'\'' | b'"']);
    if !listed || opened && first + 1 < behind {
        add(scan, first, behind - 1, "name_of_mail");
    }
}

fn add(scan: &mut Scan<'_>, first: usize, last: usize, rule: &'static str) {
    let (start, end) = (scan.text.tokens[first].start, scan.text.tokens[last].end);
    scan.add(Find::new(start, end, Kind::Person, rule));
}

pub(super) type Tokens = Option<(usize, usize)>;

/// `Dr. Saunders`, `mrs jones`
fn after_title(text: &Text<'_>, at: usize) -> Tokens {
    // `20 ms later`
    let unit = at > 0 && text.is(at, "ms") && text.tokens[at - 1].is_number();
    if unit || !matches!(text.gap(at), b" " | b". ") {
        return None;
    }
    if is_name_title(text, at + 1) && is_title(text, at) {
        return Some((at + 1, capitals(text, at + 1, 2)));
    }
    let spoken = text.is_any(at, &["mr", "mrs", "ms", "mister", "missus"])
        || text.is_any(at, &["miss", "dr", "doctor", "professor"]) && is_met(text, at);
    let sure = spoken && is_lower_name(text, at + 1) || text.bits(at + 1) & mean::GIVEN != 0;
    sure.then_some((at + 1, at + 1))
}

/// `an appointment with miss jones`, no `i'll miss work`, `a dr visit`
fn is_met(text: &Text<'_>, at: usize) -> bool {
    const NEVER: &[&str] = &[
        "appointment",
        "appointments",
        "visit",
        "visits",
        "note",
        "notes",
        "referral",
        "fees",
        "bills",
        "offices",
        "shopping",
        "work",
        "class",
        "school",
        "deadlines",
        "payments",
    ];
    let before = at.checked_sub(1);
    let met = before.is_some_and(|before| {
        text.is_any(before, &["with", "see", "saw", "from", "by", "hello", "hi"])
            || text.is(before, "to") && at > 1 && text.bits(at - 2) & mean::NAME != 0
    });
    met && text.gap(at) == b" " && !text.is_any(at + 1, NEVER)
}

/// `my wife sam is …`
fn after_kin(text: &Text<'_>, at: usize) -> Tokens {
    let owned = at > 0 && text.is_any(at - 1, &["my", "his", "her", "our", "your", "their"]);
    if !matches!(text.gap(at), b" " | b", ") || !(owned || text.is(at, "to")) {
        return None;
    }
    if is_name_title(text, at + 1) {
        return Some((at + 1, capitals(text, at + 1, 2)));
    }
    // `my father retired at …`, `my wife calling …`
    let verb = [&b"ed"[..], b"ing"]
        .iter()
        .any(|end| text.word(at + 1).ends_with(end));
    closed(text, at + 1, 2).filter(|_| !verb || text.bits(at + 1) & mean::GIVEN != 0)
}

fn after_word(text: &Text<'_>, at: usize) -> Tokens {
    let word = text.word(at).to_ascii_lowercase();
    match &word[..] {
        b"name" | b"named" | b"surname" | b"called" | b"fullname" | b"firstname" | b"lastname" => {
            after_name(text, at).or_else(|| asked::under(text, at))
        }
        b"this" if text.is(at + 1, "is") => introduced(text, at + 2),
        b"thanks" | b"thank" => {
            let next = at + 1 + usize::from(text.is(at + 1, "you"));
            if text.gap(next - 1) == b" " {
                closed(text, next, 1).or_else(|| given(text, next))
            } else {
                given(text, next)
            }
        }
        b"i" if text.is_any(at + 1, &["m", "am"]) => {
            surely(text, at + 2).or_else(|| given(text, at + 2))
        }
        b"speaking" if text.is_any(at + 1, &["with", "to"]) => given(text, at + 2)
            .or_else(|| surely(text, at + 2))
            .or_else(|| asked::spoken_with(text, at)),
        b"ask" if text.is(at + 1, "for") => asked::asked_for(text, at),
        b"holder" | b"cardholder" | b"beneficiary" | b"payee" => asked::holder(text, at),
        b"belongs" if text.is(at + 1, "to") => given(text, at + 2).or_else(|| surely(text, at + 2)),
        b"ship" | b"deliver" | b"send" | b"mail" => asked::sent_to(text, at),
        b"hi" | b"hello" | b"hey" | b"dear" => given(text, at + 1)
            .or_else(|| surely(text, at + 1))
            .or_else(|| asked::greeted(text, at)),
        b"spelled" | b"spelt" => spelled(text, at + 1),
        b"speak" | b"talk" if text.is_any(at + 1, &["with", "to"]) => {
            given(text, at + 2).or_else(|| surely(text, at + 2))
        }
        b"from" if matches!(text.gap(at), b" \"" | b": \"") => quoted(text, at + 1),
        b"im" | b"regards" | b"sincerely" | b"with" | b"ask" | b"tell" => {
            given(text, at + 1).or_else(|| surely(text, at + 1))
        }
        b"this" => None,
        _ if !text.tokens[at].has(mean::NAME) => None,
        b"from" | b"under" | b"by" | b"heard" | b"met" | b"starring" | b"directed" | b"caller"
        | b"customer" | b"agent" | b"contact" | b"user" | b"patient" | b"client" | b"player"
        | b"commenter" => surely(text, at + 1)
            .or_else(|| lone(text, at))
            .or_else(|| given(text, at + 1).filter(|_| &word[..] == b"under")),
        _ => None,
    }
}

/// `name is x`, `name="X"`, `name: X Y`
fn after_name(text: &Text<'_>, at: usize) -> Tokens {
    let owner = at > 0
        && matches!(text.gap_before(at), b" " | b"_" | b"-")
        && text.is_any(
            at - 1,
            &["file", "host", "model", "domain", "brand", "voice"],
        );
    if owner {
        return None;
    }
    let gap = text.gap(at);
    if gap.len() <= 6 && gap.iter().any(|byte| matches!(byte, b'=' | b':')) {
        return is_name_title(text, at + 1).then(|| (at + 1, capitals(text, at + 1, 4)));
    }
    // `the name on the account is …`
    let on = text.is_any(at + 1, &["on", "for"])
        && text.is_any(at + 2, &["the", "my", "this", "that"])
        && text.is_any(at + 4, &["is", "was"])
        && (at..at + 4).all(|at| text.gap(at) == b" ");
    let at = if on { at + 3 } else { at };
    let says_how = |at: usize| text.is_any(at, &["spelled", "spelt"]);
    let verb = at + 1 + usize::from(text.is_any(at + 1, &["is", "was", "s"]));
    let next = verb + usize::from(says_how(verb));
    if next == at + 1 && !text.is(at, "named") || !matches!(text.gap(next - 1), b" " | b": ") {
        return None;
    }
    if is_name_title(text, next) {
        return Some((next, capitals(text, next, 4)));
    }
    if let Some(spelled) = spelled(text, next) {
        return Some(spelled);
    }
    if text.is(at, "named") && text.bits(next) & mean::GIVEN == 0 {
        return None;
    }
    let last = (next..next + 2)
        .take_while(|at| !says_how(*at) && is_lower_name(text, *at))
        .take_while(|at| *at == next || text.gap(at - 1) == b" ")
        .last()?;
    // People spell their names after they have said them.
    Some((next, spelled(text, last + 1).map_or(last, |(_, end)| end)))
}

/// `this is x from …`
fn introduced(text: &Text<'_>, first: usize) -> Tokens {
    if text.gap(first - 1) != b" " {
        return None;
    }
    surely(text, first)
        .or_else(|| closed(text, first, 2))
        .or_else(|| given(text, first))
}

/// One or two words and then one that closes a name.
fn closed(text: &Text<'_>, first: usize, most: usize) -> Tokens {
    // `this is usually …`
    if text.word(first).ends_with(b"ly") && text.bits(first) & mean::GIVEN == 0 {
        return None;
    }
    for last in first..first + most {
        if !is_lower_name(text, last) || last > first && text.gap(last - 1) != b" " {
            return None;
        }
        if matches!(text.gap(last), b" " | b", ") && text.is_any(last + 1, CLOSERS) {
            return Some((first, last));
        }
    }
    None
}

/// A given name of the list, whatever its case, and a word behind it when that can be a name.
pub(super) fn given(text: &Text<'_>, at: usize) -> Tokens {
    if text.bits(at) & mean::GIVEN == 0 || !matches!(text.gap_before(at), b" " | b", ") {
        return None;
    }
    let more = text.gap(at) == b" "
        && is_lower_name(text, at + 1)
        && !is_title(text, at)
        && at + 2 >= text.tokens.len();
    Some((
        at,
        if is_title(text, at) {
            capitals(text, at, 3)
        } else {
            at + usize::from(more)
        },
    ))
}

/// Two capitalised words, or one that is a given name.
pub(super) fn surely(text: &Text<'_>, at: usize) -> Tokens {
    if !is_name_title(text, at)
        || !matches!(
            text.gap_before(at),
            b" " | b": " | b"=" | b"=\"" | b" \"" | b": \"" | b",\n" | b", "
        )
    {
        return None;
    }
    let last = capitals(text, at, 3);
    (last > at || text.bits(at) & mean::GIVEN != 0).then_some((at, last))
}

/// `Customer Beck`, `starring Hervé`
fn lone(text: &Text<'_>, at: usize) -> Tokens {
    let strong = text.is_any(
        at,
        &[
            "customer",
            "caller",
            "patient",
            "starring",
            "player",
            "commenter",
        ],
    );
    (strong && text.gap(at) == b" " && is_name_title(text, at + 1)).then_some((at + 1, at + 1))
}

/// `"Kenneth Mitchell" <sip:…>`
fn quoted(text: &Text<'_>, first: usize) -> Tokens {
    let mut last = first;
    while last < first + 5 && matches!(text.gap(last), b" " | b"-" | b"'" | b". ") {
        last += 1;
    }
    (text.gap(last).starts_with(b"\"") && text.tokens.get(first)?.is_word())
        .then_some((first, last))
}

/// `s m i t h`
fn spelled(text: &Text<'_>, first: usize) -> Tokens {
    let single = |at: usize| {
        text.tokens.get(at).is_some_and(|token| {
            token.is_word() && token.len() == 1 || token.has(mean::REPEAT | mean::NATO)
        })
    };
    let last = (first..)
        .take_while(|at| single(*at) && (*at == first || text.gap(at - 1).len() <= 2))
        .last()?;
    (last >= first + 2).then_some((first, last))
}

pub(super) fn is_lower_name(text: &Text<'_>, at: usize) -> bool {
    const NEVER: u32 = mean::PLAIN
        | mean::SPOKEN
        | mean::REPEAT
        | mean::MAGNITUDE
        | mean::ORDINAL
        | mean::FILLER
        | mean::CARD
        | mean::KIN;
    text.tokens.get(at).is_some_and(|token| {
        token.is_word() && token.len() > 1 && !token.has(NEVER) && token.len() < 40
    })
}

/// `Anna`, `Ångström`, not `ANNA`, not `anna`.
fn is_title(text: &Text<'_>, at: usize) -> bool {
    let Some(token) = text.tokens.get(at).filter(|token| token.is_word()) else {
        return false;
    };
    let Some(word) = text.all.get(token.start..token.end) else {
        return false;
    };
    let mut letters = word.chars();
    letters.next().is_some_and(char::is_uppercase) && letters.next().is_some_and(char::is_lowercase)
}

pub(super) fn is_name_title(text: &Text<'_>, at: usize) -> bool {
    is_title(text, at) && text.bits(at) & (mean::PLAIN | mean::MONTH | mean::TITLE) == 0
}

/// The last of at most `more` further name parts behind token `first`.
fn capitals(text: &Text<'_>, first: usize, more: usize) -> usize {
    let mut last = first;
    for _ in 0..more {
        let next = last + 1;
        let gap = text.gap(last);
        if !(is_space(gap) && gap != b"\n" || matches!(gap, b"-" | b"'")) {
            break;
        }
        if is_name_title(text, next) {
            last = next;
        } else if text.is_any(next, PARTICLES) && gap == b" " {
            let behind = if text.is_any(next + 1, PARTICLES) {
                next + 2
            } else {
                next + 1
            };
            if !is_name_title(text, behind) || text.gap(behind - 1) != b" " {
                break;
            }
            last = behind;
        } else {
            break;
        }
    }
    last
}
