//! What the words around a number say it is.

use crate::lexicon::mean;
use crate::token::Text;

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
            .any(|byte| matches!(byte, b'\n' | b'.' | b'?' | b'!'));
        if weak.is_some() && closed {
            break;
        }
        if token.has(mean::NUMBER) {
            weak = Some(Cue::Phone);
        }
        if let Some(cue) = of(text, near) {
            return Some(cue);
        }
    }
    weak
}

/// Whether a code is spoken of before token `at`, with other cues between: `the code they texted me is …`.
pub(crate) fn code_before(text: &Text<'_>, at: usize) -> bool {
    (at.saturating_sub(TOKENS)..at)
        .any(|near| text.bits(near) & mean::CODE != 0 && code(text, near) == Cue::Code)
}

/// Whether one of the next few words speaks of a card: `… is the amex`.
pub(crate) fn card_behind(text: &Text<'_>, at: usize) -> bool {
    (at + 1..at + 6).any(|near| text.bits(near) & mean::CARD != 0)
}

fn of(text: &Text<'_>, at: usize) -> Option<Cue> {
    const ANY: u32 = mean::CARD
        | mean::PHONE
        | mean::ACCOUNT
        | mean::SOCIAL
        | mean::CODE
        | mean::IBAN
        | mean::LICENCE
        | mean::REFERENCE;
    let bits = text.bits(at);
    if bits & ANY == 0 {
        return None;
    }
    let cue = match bits {
        _ if bits & mean::IBAN != 0 => Cue::Iban,
        _ if bits & mean::SOCIAL != 0 => Cue::Social,
        _ if bits & mean::CODE != 0 => code(text, at),
        _ if bits & mean::CARD != 0 => Cue::Card,
        _ if bits & mean::ACCOUNT != 0 => Cue::Account,
        _ if bits & mean::LICENCE != 0 => Cue::Licence,
        _ if bits & mean::PHONE != 0 => Cue::Phone,
        _ => Cue::Reference,
    };
    Some(cue)
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
