//! What the words around a number say it is.

use crate::lexicon::mean;
use crate::token::{Text, is_space};

/// What a number near these words is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cue {
    Card,
    Phone,
    Account,
    Social,
    Code,
    Iban,
    Licence,
    /// Somebody's order, version, count: stays readable.
    Reference,
}

const TOKENS: usize = 10;
const BYTES: usize = 64;
const NOT_SECRET: &[&str] = &[
    "error", "status", "exit", "zip", "post", "postal", "response", "promo", "return", "source",
    "reason", "http", "country", "discount", "coupon", "product", "color", "colour",
];

/// The nearest cue before token `at`. The bare word `number` means a phone where nothing better stands before it.
pub(crate) fn before(text: &Text<'_>, at: usize) -> Option<Cue> {
    let start = text.tokens.get(at)?.start;
    if is_party(text, at) {
        return Some(Cue::Phone);
    }
    let mut weak = None;
    for near in (at.saturating_sub(TOKENS)..at).rev() {
        let token = &text.tokens[near];
        if start - token.end > BYTES {
            break;
        }
        // What `number` belongs to stands close before it, in the same sentence.
        let closed = text
            .gap(near)
            .iter()
            .any(|byte| matches!(byte, b'\n' | b'.' | b'?' | b'!' | b','));
        if weak.is_some() && closed {
            break;
        }
        if token.has(mean::NUMBER) {
            if is_of_card(text, near) {
                return Some(Cue::Card);
            }
            if near > 0 && text.is(near - 1, "verification") {
                return Some(Cue::Code);
            }
            weak = Some(Cue::Phone);
        }
        // `A/C no`
        if text.is(near, "c") && near > 0 && text.is(near - 1, "a") && text.gap(near - 1) == b"/" {
            return Some(Cue::Account);
        }
        if let Some(cue) = spelled(text, near) {
            return Some(cue);
        }
        if token.has(mean::PASSWORD) && near > 0 && text.is(near - 1, "time") {
            return Some(Cue::Code);
        }
        if let Some(cue) = of(text, near) {
            return Some(cue);
        }
    }
    weak
}

/// `c v c`, `s s n`: what three letters say, at the last of them.
pub(crate) fn spelled(text: &Text<'_>, at: usize) -> Option<Cue> {
    let letter = |at: usize| match text.word(at) {
        [letter] => Some(letter.to_ascii_lowercase()),
        _ => None,
    };
    let last = letter(at)?;
    let first = at.checked_sub(2)?;
    let joined = matches!(text.gap(first), b" " | b".") && text.gap(first) == text.gap(at - 1);
    let letters = [letter(first)?, letter(at - 1)?, last];
    match &letters {
        _ if !joined => None,
        b"cvc" | b"cvv" | b"cvn" | b"csc" | b"pin" | b"otp" => Some(Cue::Code),
        b"ssn" => Some(Cue::Social),
        _ => None,
    }
}

/// `"to":"2025550143"`, `sip:2025550143@…`: who calls, who is called.
fn is_party(text: &Text<'_>, at: usize) -> bool {
    const PARTIES: &[&str] = &[
        "to",
        "from",
        "callee",
        "dialed",
        "dnis",
        "recipient",
        "sender",
    ];
    const SCHEMES: &[&str] = &["sip", "sips", "tel", "callto", "sms"];
    if text.gap_before(at) == b":" && at > 0 && text.is_any(at - 1, SCHEMES) {
        return true;
    }
    (10..=15).contains(&text.tokens[at].len())
        && matches!(text.gap_before(at), b"\":\"" | b"\": \"")
        && text.is_any(at - 1, PARTIES)
}

/// `sixteen digit number`, `the long number`
fn is_of_card(text: &Text<'_>, at: usize) -> bool {
    let digit = at > 1 && text.is_any(at - 1, &["digit", "digits"]);
    digit
        && text.is_any(
            at - 2,
            &["sixteen", "fifteen", "fourteen", "16", "15", "14"],
        )
        || at > 0 && text.is(at - 1, "long")
}

/// Whether what follows a number says that it is somebody's: `… is the best number to call`.
pub(crate) fn phone_behind(text: &Text<'_>, last: usize) -> bool {
    let call = &["call", "text", "ring", "phone"];
    if is_space(text.gap(last)) && text.is_any(last + 1, call) {
        return true;
    }
    // `… for my cell`
    let whose =
        text.is_any(last + 1, &["for", "on"]) && text.is_any(last + 2, &["my", "his", "her"]);
    if whose && text.is_any(last + 3, LINES) {
        return true;
    }
    let told = text.is_any(last + 1, &["is", "s", "was", "works"]) && is_space(text.gap(last));
    told && (last + 2..last + 7).any(|near| {
        text.bits(near) & mean::PHONE != 0
            || text.is(near, "number")
                && text.is_any(
                    near - 1,
                    &["my", "best", "right", "his", "her", "our", "good"],
                )
    })
}

/// Whether a code is spoken of before token `at`, with other cues between: `the code they texted me is …`.
pub(crate) fn code_before(text: &Text<'_>, at: usize) -> bool {
    (at.saturating_sub(TOKENS)..at)
        .any(|near| text.bits(near) & mean::CODE != 0 && code(text, near) == Cue::Code)
}

/// Whether one of the next few words speaks of a card: `… is the amex`.
pub(crate) fn card_behind(text: &Text<'_>, at: usize) -> bool {
    const ON_CARDS: &[&str] = &[
        "expiration",
        "expiry",
        "expires",
        "expiring",
        "exp",
        "cvv",
        "cvc",
    ];
    (at + 1..at + 6).any(|near| text.bits(near) & mean::CARD != 0)
        || (at + 1..at + 4).any(|near| text.is_any(near, ON_CARDS))
}

/// Kinds of telephone lines.
const LINES: &[&str] = &[
    "office", "fax", "mobile", "cell", "home", "work", "desk", "phone", "tel", "landline",
    "direct", "main",
];

/// Whether token `at` is `word` behind one of `before`.
fn is_behind(text: &Text<'_>, at: usize, word: &str, before: &[&str]) -> bool {
    text.is(at, word) && at > 0 && text.is_any(at - 1, before)
}

/// Whether the next word says which line a number is: `… office`, `…-Fax`, `… (mobile)`.
pub(crate) fn line_behind(text: &Text<'_>, last: usize) -> bool {
    matches!(text.gap(last), b" " | b"-" | b" (" | b", " | b" - ") && text.is_any(last + 1, LINES)
}

fn of(text: &Text<'_>, at: usize) -> Option<Cue> {
    const ANY: u32 = mean::CUES & !mean::BIRTH;
    let bits = text.bits(at);
    if bits & ANY == 0 {
        return None;
    }
    if bits & mean::ACCOUNT != 0 && is_of_something_else(text, at) {
        return None;
    }
    let cue = match bits {
        _ if bits & mean::IBAN != 0 => Cue::Iban,
        _ if text.is(at, "card") && at > 1 && text.is(at - 2, "social") => Cue::Social,
        _ if bits & mean::SOCIAL != 0 => Cue::Social,
        _ if bits & mean::CODE != 0 => code(text, at),
        _ if bits & mean::CARD != 0 => Cue::Card,
        _ if bits & mean::ACCOUNT != 0 => Cue::Account,
        _ if bits & mean::LICENCE != 0 => Cue::Licence,
        _ if bits & mean::PHONE != 0 => Cue::Phone,
        _ if is_behind(text, at, "id", &["caller", "calling"]) => Cue::Phone,
        _ if is_behind(text, at, "id", &["tax", "taxpayer"]) => Cue::Social,
        _ if is_behind(text, at, "line", LINES) => Cue::Phone,
        // `the nurse's line is …`
        _ if is_behind(text, at, "line", &["s"]) && text.is(at + 1, "is") => Cue::Phone,
        _ => Cue::Reference,
    };
    Some(cue)
}

/// `the number on the account`, `Account Manager`: no number of an account.
fn is_of_something_else(text: &Text<'_>, at: usize) -> bool {
    const HELD_BY: &[&str] = &[
        "manager",
        "managers",
        "executive",
        "director",
        "representative",
    ];
    let on = at > 2
        && text.is_any(
            at - 1,
            &["the", "my", "your", "this", "that", "our", "his", "her"],
        )
        && text.is_any(at - 2, &["on", "for"])
        && (text.bits(at - 3) & (mean::NUMBER | mean::BIRTH) != 0 || text.is(at - 3, "date"));
    on || text.is_any(at + 1, HELD_BY)
}

fn code(text: &Text<'_>, at: usize) -> Cue {
    let Some(before) = at.checked_sub(1) else {
        return Cue::Code;
    };
    if text.is_any(before, &["area", "dialing", "dialling"]) {
        Cue::Phone
    } else if text.is(before, "sort") {
        Cue::Account
    } else if text.is_any(before, NOT_SECRET) {
        Cue::Reference
    } else {
        Cue::Code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cue(text: &str) -> Option<Cue> {
        let text = Text::new(text);
        before(&text, text.tokens.len() - 1)
    }

    #[test]
    fn the_nearest_cue_wins() {
        assert_eq!(
            cue("my card, no, my account number is 12"),
            Some(Cue::Account)
        );
        assert_eq!(cue("the best number for me is 12"), Some(Cue::Phone));
        assert_eq!(cue("your order number is 12"), Some(Cue::Reference));
        assert_eq!(
            cue("my iban is gone.\nthe best number is 12"),
            Some(Cue::Phone)
        );
        assert_eq!(cue("it was 12"), None);
    }

    #[test]
    fn a_code_is_secret_unless_something_else_has_codes() {
        assert_eq!(cue("the code is 12"), Some(Cue::Code));
        assert_eq!(cue("status code 12"), Some(Cue::Reference));
        assert_eq!(cue("area code 12"), Some(Cue::Phone));
    }
}
