//! Wallet addresses, by checksum or, near a word such as `wallet`, by shape.

use super::Scan;
use crate::check;
use crate::find::Find;
use crate::kind::Kind;
use crate::token::Text;

const NEAR: &[&str] = &[
    "wallet",
    "bitcoin",
    "btc",
    "crypto",
    "ethereum",
    "eth",
    "coins",
    "blockchain",
];

pub(super) fn find(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    let token = text.tokens[at];
    let word = text.word(at);
    let found = match word {
        [b'0', b'x' | b'X', rest @ ..] => {
            rest.len() == 40 && rest.iter().all(u8::is_ascii_hexdigit)
        }
        [b'b' | b'B', b'c' | b'C', b'1', rest @ ..] => {
            (11..=71).contains(&rest.len()) && (check::bech32(word) || is_near(text, at))
        }
        [b'1' | b'3', ..] if (26..=35).contains(&word.len()) => {
            check::base58(word) || is_near(text, at)
        }
        _ => false,
    };
    if found {
        scan.add(Find::new(token.start, token.end, Kind::Crypto, "wallet"));
    }
}

fn is_near(text: &Text<'_>, at: usize) -> bool {
    (at.saturating_sub(8)..at).any(|near| text.is_any(near, NEAR))
}
