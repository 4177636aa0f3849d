//! People who are asked for, greeted, who hold something or get something: `ask for x`, `under the name x`, `ship to x`.

use super::person::{CLOSERS, Tokens, given, is_lower_name, is_name_title, surely};
use crate::lexicon::mean;
use crate::token::Text;

/// Whom people ask for who is nobody.
const NOBODY: &[&str] = &[
    "sales",
    "accounting",
    "accounts",
    "scheduling",
    "returns",
    "legal",
    "marketing",
    "technical",
    "tech",
    "dispatch",
    "reception",
    "receptionist",
    "hr",
    "claims",
    "underwriting",
    "nursing",
    "radiology",
    "pharmacist",
    "billings",
    "payroll",
    "delivery",
    "refund",
    "refunds",
    "assistance",
    "information",
    "info",
    "details",
    "directions",
    "extension",
    "operations",
    "maintenance",
    "housekeeping",
    "security",
    "shipping",
    "purchasing",
    "it",
    "supervisor",
    "owner",
    "nurse",
    "lawyer",
    "engineer",
    "staff",
    "operator",
    "human",
    "representative",
    "world",
    "folks",
    "guys",
    "ladies",
    "gentlemen",
    "buddy",
    "dude",
    "mate",
    "man",
    "maam",
    "ma",
    "hon",
    "honey",
    "sweetie",
    "babe",
    "siri",
    "alexa",
    "google",
    "mama",
    "papa",
    "grandma",
    "grandpa",
    "granny",
    "nana",
    "sirs",
    "community",
    "reddit",
    "reader",
    "readers",
    "subscribers",
    "applicant",
    "candidate",
    "member",
    "members",
    "parents",
    "students",
    "police",
    "universe",
    "welcome",
    "robots",
];
/// What stands before `under the name`.
const BOOKED: &[&str] = &[
    "reservation",
    "appointment",
    "booking",
    "booked",
    "order",
    "account",
    "policy",
    "prescription",
    "table",
    "reserved",
    "its",
    "be",
];
/// How far before `ask for` a number to call may end.
const NEAR: usize = 4;

/// `it's under the name x`, `name on card x`, at `name`.
pub(super) fn under(text: &Text<'_>, at: usize) -> Tokens {
    if text.is(at + 1, "on") && text.gap(at) == b" " {
        let card = at + 2 + usize::from(text.is(at + 2, "the"));
        return text.is(card, "card").then(|| surely(text, card + 1))?;
    }
    let under = at.checked_sub(2)?;
    if !text.is(under, "under") || !text.is(at - 1, "the") || text.gap(at) != b" " {
        return None;
    }
    let first = at + 1 + usize::from(text.is(at + 1, "of"));
    let its = under > 1 && text.is(under - 1, "s") && text.is(under - 2, "it");
    let booked = its || under > 0 && text.is_any(under - 1, BOOKED);
    surely(text, first)
        .or_else(|| heard(text, first).filter(|_| booked))
        .or_else(|| given(text, first))
}

/// `… oh one eighty five ask for x`
pub(super) fn asked_for(text: &Text<'_>, at: usize) -> Tokens {
    let number = |near: usize| {
        let token = &text.tokens[near];
        token.is_number() || token.is_mixed()
    };
    let called = (at.saturating_sub(NEAR)..at).any(number);
    let lone = || (called && is_name_title(text, at + 2)).then_some((at + 2, at + 2));
    given(text, at + 2)
        .or_else(|| surely(text, at + 2))
        .or_else(|| lone().filter(|_| is_somebody(text, at + 2)))
        .or_else(|| heard(text, at + 2).filter(|_| called))
}

/// `am i speaking with x`, at `speaking`.
pub(super) fn spoken_with(text: &Text<'_>, at: usize) -> Tokens {
    let asks = at > 1 && text.is(at - 1, "i") && text.is(at - 2, "am");
    heard(text, at + 2).filter(|_| asks)
}

/// `account holder X`, `the beneficiary is X`
pub(super) fn holder(text: &Text<'_>, at: usize) -> Tokens {
    let next = at + 1 + usize::from(text.is_any(at + 1, &["is", "was"]));
    surely(text, next)
}

/// `ship to X Y, 12 …`, `ship it to x at twelve …`
pub(super) fn sent_to(text: &Text<'_>, at: usize) -> Tokens {
    let to = at + 1 + usize::from(text.is_any(at + 1, &["it", "this", "that", "them"]));
    if !text.is(to, "to") || text.gap(to) != b" " {
        return None;
    }
    let number = |at: usize| text.tokens.get(at).is_some_and(|token| token.is_number());
    let listed = surely(text, to + 1).filter(|(_, last)| {
        // `Ship to Costa Rica, 12 days`
        text.gap(*last) == b", " && number(last + 1) && is_name_title(text, last + 2)
    });
    let lives = text.is(to + 2, "at")
        && number(to + 3)
        && text.gap(to + 1) == b" "
        && (to + 4..to + 12).any(|near| text.bits(near) & mean::STREET != 0);
    let lone = || (lives && is_somebody(text, to + 1)).then_some((to + 1, to + 1));
    listed.or_else(lone)
}

/// `Hi X, …`, `hi x how can i help`, at the greeting.
pub(super) fn greeted(text: &Text<'_>, at: usize) -> Tokens {
    let name = at + 1;
    if text.gap(at) != b" " || !is_somebody(text, name) {
        return None;
    }
    let written = is_name_title(text, name) && text.gap(name) == b", " && text.bits(name) == 0;
    let behind = |words: &[&str]| {
        words
            .iter()
            .enumerate()
            .all(|(place, word)| text.is(name + 1 + place, word))
    };
    let said = [
        &["how", "can", "i"][..],
        &["how", "may", "i"],
        &["this", "is"],
        &["thanks", "for"],
        &["thank", "you"],
    ];
    let said = text.gap(name) == b" " && said.iter().any(|words| behind(words));
    (written || said).then_some((name, name))
}

/// One or two words that end a sentence, or stand before what closes a name.
fn heard(text: &Text<'_>, first: usize) -> Tokens {
    for last in first..first + 2 {
        if !is_somebody(text, last) || text.gap_before(last) != b" " {
            return None;
        }
        let ends = matches!(text.gap(last), [] | [b'.' | b'?' | b'!' | b',' | b'\n', ..]);
        let closed = text.gap(last) == b" "
            && (text.is_any(last + 1, CLOSERS) || text.is(last + 1, "please"));
        if ends || closed {
            return Some((first, last));
        }
    }
    None
}

/// Whether token `at` may be a name: nothing that is asked for, or was done.
fn is_somebody(text: &Text<'_>, at: usize) -> bool {
    const ENDS: &[&[u8]] = &[b"ing", b"ed", b"tion"];
    const NEVER: u32 =
        mean::CUES | mean::TITLE | mean::NUMBER | mean::KEY | mean::PASSWORD | mean::TLD;
    let word = text.word(at);
    let done = ENDS.iter().any(|end| word.ends_with(end)) && text.bits(at) & mean::GIVEN == 0;
    is_lower_name(text, at) && text.bits(at) & NEVER == 0 && !done && !text.is_any(at, NOBODY)
}
