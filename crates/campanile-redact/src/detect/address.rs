//! Street addresses: a number, a name and a street word; or what follows `send it to`.

use super::Scan;
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::run::Run;
use crate::token::{Text, Token};

const UNITS: &[&str] = &["suite", "apt", "apartment", "unit", "box", "floor", "ste"];
const ERRANDS: &[&str] = &[
    "send", "ship", "deliver", "mail", "pick", "live", "lives", "address", "located", "drop",
    "delivery", "package", "moved", "bring",
];
/// What these begin is no street: `European Union`, `Credit Union`.
const UNIONS: &[&str] = &[
    "european", "african", "soviet", "western", "credit", "student", "labor", "labour", "trade",
    "latin", "north", "south", "united",
];
const LINKS: &[&str] = &["in", "new", "of"];
/// Street words that say little else behind a number and a name.
const STREETS: &[&str] = &[
    "street",
    "avenue",
    "road",
    "drive",
    "lane",
    "court",
    "boulevard",
    "terrace",
    "mews",
    "crescent",
    "parkway",
];
/// States whose two letters are a word, too.
const STATES: &[&str] = &["ME", "OK", "OR", "HI", "IN", "ID", "LA", "PA"];
/// Tokens of one address at most.
const LONGEST: usize = 14;

/// How far behind `at` a street word may stand.
const NEAR: usize = 12;

/// Looks around a street word in a text with capitals.
pub(super) fn street(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    if !is_capital(text, at) {
        return;
    }
    let mut first = at;
    while first > 0
        && at - first < 4
        && matches!(text.gap(first - 1), b" " | b"-" | b"'")
        && is_capital(text, first - 1)
    {
        first -= 1;
    }
    let number = first > 0
        && text.gap(first - 1) == b" "
        && text.tokens[first - 1].is_digits()
        && text.tokens[first - 1].len() <= 6;
    let placed = first > 0
        && text.is_any(first - 1, &["on", "of", "at", "to", "in", "and"])
        && text.bits(first) & mean::PLAIN == 0
        && !text.is_any(first, UNIONS);
    if first == at || !(number || placed) {
        return;
    }
    let start = if number { first - 1 } else { first };
    let find = Find::new(
        text.tokens[start].start,
        text.tokens[rest(text, at)].end,
        Kind::Address,
        "street",
    );
    scan.add(find);
}

/// The last token of unit, town, state and code behind the street.
fn rest(text: &Text<'_>, street: usize) -> usize {
    let mut last = street;
    for next in street + 1..street + LONGEST {
        let gap = text.gap(next - 1);
        let joined = gap.len() <= 6 && gap.iter().all(|byte| matches!(byte, b' ' | b',' | b'\n'));
        let short = gap == b". " && text.is_any(next - 1, &["apt", "st", "ste", "ave", "rd"]);
        let unit = text.is_any(next - 1, UNITS) || short;
        let Some(token) = text.tokens.get(next) else {
            break;
        };
        let number = !token.is_word() && (unit || token.is_digits() && token.len() == 5);
        let named = is_capital(text, next)
            && text.byte(token.end) != b':'
            && (text.bits(next) & mean::PLAIN == 0 || is_town(text, next) || is_state(text, next));
        if !(joined || short) || !(number || named) {
            break;
        }
        last = next;
    }
    last
}

/// `…, New Haven`
fn is_town(text: &Text<'_>, at: usize) -> bool {
    text.is(at, "new")
        && text.gap(at) == b" "
        && is_capital(text, at + 1)
        && text.bits(at + 1) & mean::PLAIN == 0
}

/// `…, ME 04101`, `… ME` at the end of a line.
fn is_state(text: &Text<'_>, at: usize) -> bool {
    let coded = (text.tokens.get(at + 1)).is_some_and(|code| code.is_digits() && code.len() == 5);
    let closed = matches!(text.gap(at), [] | [b'\n', ..]);
    STATES.iter().any(|state| text.word(at) == state.as_bytes())
        && (coded && text.gap(at) == b" " || closed)
}

fn is_capital(text: &Text<'_>, at: usize) -> bool {
    let Some(token) = text.tokens.get(at).filter(|token| token.is_word()) else {
        return false;
    };
    text.all
        .get(token.start..token.end)
        .and_then(|word| word.chars().next())
        .is_some_and(char::is_uppercase)
}

/// Looks behind `to`, `at`, `is` of an errand: a house number and at least two words.
pub(super) fn cued(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let numbered = text.tokens.get(at + 1).is_some_and(Token::is_number);
    if !numbered || !text.is_any(at, &["to", "at", "is"]) {
        return;
    }
    let errand = (at.saturating_sub(4)..at).any(|near| text.is_any(near, ERRANDS));
    // Behind no errand a street must be near, which also ends the run: `one to one to one …` is read once.
    if !errand && !(at + 2..at + NEAR).any(|near| text.bits(near) & mean::STREET != 0) {
        return;
    }
    let Some(run) = Run::parse(text, at + 1).filter(|run| (1..=6).contains(&run.count)) else {
        return;
    };
    let first = run.tokens.1 + 1;
    if !errand && (run.count < 2 || !leads_to_street(text, at, first)) {
        return;
    }
    let last = (first..first + LONGEST)
        .take_while(|next| is_part(text, *next, first))
        // What links two words ends nothing: `…, new number …`.
        .filter(|next| !text.is_any(*next, LINKS))
        .last()
        .unwrap_or(0);
    let streets = (first..=last).any(|next| text.bits(next) & mean::STREET != 0);
    if last > first && (streets || run.count >= 3 && !run.counted) || last == first && streets {
        let find = Find::new(
            run.start,
            text.tokens[last].end,
            Kind::Address,
            "address_cue",
        );
        scan.add(find);
    }
}

/// `at ninety oak court`, `come to ninety oak landing`: one to three words that are no sentence, and a street word.
fn leads_to_street(text: &Text<'_>, at: usize, first: usize) -> bool {
    let come = at > 0 && text.is(at, "to") && text.is_any(at - 1, &["come", "over"]);
    // With capitals, [`street`] finds it.
    let street = |at: usize| {
        !is_capital(text, at)
            && (text.is_any(at, STREETS) || come && text.bits(at) & mean::STREET != 0)
    };
    let named = |at: usize| {
        text.gap_before(at) == b" "
            && text.bits(at) & mean::PLAIN == 0
            && text.tokens.get(at).is_some_and(Token::is_word)
    };
    named(first)
        && (first + 1..first + 4)
            .take_while(|next| named(*next))
            .any(street)
}

fn is_part(text: &Text<'_>, at: usize, first: usize) -> bool {
    let joined = matches!(text.gap_before(at), b" " | b", " | b". ");
    let after_unit = at > first && text.is_any(at - 1, UNITS);
    let Some(token) = text.tokens.get(at).filter(|_| joined) else {
        return false;
    };
    let linked = at > first && (is_link(text, at) || text.is(at, "lake"));
    let plain =
        token.has(mean::PLAIN | mean::FILLER) && !token.has(mean::STREET) && !token.is_number();
    // `… ring the bell`
    let calls = text.is_any(at, &["ring", "phone", "dial"]);
    !(plain || calls) || after_unit || linked
}

/// What links two words of an address: no `… in 2018`.
fn is_link(text: &Text<'_>, at: usize) -> bool {
    let year = text.tokens.get(at + 1).is_some_and(Token::is_number);
    text.is_any(at, LINKS) && !(year && text.is(at, "in"))
}
