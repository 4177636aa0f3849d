//! The detectors, and the one walk over the tokens that calls them.

mod account;
mod address;
mod asked;
mod birth;
mod card;
mod code;
mod crypto;
mod email;
mod iban;
mod ip;
mod jwt;
pub(crate) mod key;
mod licence;
mod mac;
mod number;
mod password;
mod path;
mod pem;
mod person;
mod phone;
mod social;
mod spoken_email;
mod spoken_ip;
mod spoken_password;
mod told;
mod turns;
mod url;

use crate::find::{Find, settle};
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::mode::Mode;
use crate::token::{Sign, Text, Token};

/// A text with this in it breaks the scan, so that tests see what a broken detector costs.
#[cfg(test)]
pub(crate) const BREAKS: &str = "\u{1}break the scan\u{1}";

/// What the walk gathers, and how far each kind of run has been read already: that keeps it linear.
pub(crate) struct Scan<'t> {
    text: Text<'t>,
    finds: Vec<Find>,
    modes: &'t [Mode; Kind::COUNT],
    /// First token that may start a number.
    number_from: usize,
    /// What was said in the last turns.
    turns: turns::Turns,
    /// First token behind the last phone number.
    phone_until: usize,
    /// End of the last run of key characters.
    key_run: (usize, usize),
    /// End of the last private key.
    pem_until: usize,
    /// The `@` behind the last user and password of a URL.
    authority_at: usize,
}

impl<'t> Scan<'t> {
    /// Finds everything in `all` that is not to be kept, with `found` before: disjoint and sorted.
    pub(crate) fn run(all: &'t str, modes: &'t [Mode; Kind::COUNT], found: Vec<Find>) -> Vec<Find> {
        let mut scan = Self {
            text: Text::new(all),
            finds: Vec::new(),
            modes,
            number_from: 0,
            turns: turns::Turns::default(),
            phone_until: 0,
            key_run: (0, 0),
            pem_until: 0,
            authority_at: usize::MAX,
        };
        #[cfg(test)]
        assert!(!all.contains(BREAKS), "a detector breaks");
        scan.signs();
        scan.tokens();
        turns::finish(&mut scan);
        let mut finds = scan.finds;
        finds.extend(found);
        settle(&mut finds);
        finds
    }

    fn add(&mut self, find: Find) {
        if find.start < find.end && self.modes[find.kind.index()] != Mode::Keep {
            self.finds.push(find);
        }
    }

    fn signs(&mut self) {
        let signs = std::mem::take(&mut self.text.signs);
        for sign in &signs {
            match *sign {
                Sign::At(at) => {
                    email::find(self, at);
                    spoken_email::around_sign(self, at);
                    url::oracle(self, at);
                }
                Sign::EncodedAt(at) => email::encoded(self, at),
                Sign::EncodedPlus(at) => phone::encoded(self, at),
                Sign::Scheme(at) => url::find(self, at),
                Sign::Begin(at) => pem::find(self, at),
            }
        }
        self.text.signs = signs;
    }

    fn tokens(&mut self) {
        for at in 0..self.text.tokens.len() {
            let token = self.text.tokens[at];
            if token.bits != 0 {
                self.meant(at, &token);
            }
            if (token.bits == 0 || token.has_hump()) && token.is_word() && token.len() > 5 {
                // The last letters of `key::ENDS` and `password::ENDS`: most words are let go here.
                match self.text.byte(token.end - 1) | 0x20 {
                    b'y' | b't' | b'n' | b'l' => key::camel(self, at),
                    b's' => {
                        key::camel(self, at);
                        password::camel(self, at);
                    }
                    b'd' | b'e' => password::camel(self, at),
                    _ => {}
                }
            }
            if !token.is_word() {
                self.numeral(at, &token);
            } else if !token.is_ascii() || token.has_upper() {
                person::titled(self, at);
            }
            if !token.is_ascii() {
                key::buried(self, at);
            }
            // No key is all small letters.
            if token.len() >= 4 && (token.has_upper() || !token.is_word()) {
                key::shaped(self, at);
            }
            if token.len() == 1 && token.is_word() {
                iban::spelled(self, at);
                birth::dotted(self, at);
            }
            let sign = self.text.byte(token.end);
            if token.len() <= 4
                && (matches!(sign, b':' | b'-' | b'.')
                    || self.text.byte_before(token.start) == b':')
            {
                ip::version_six(self, at);
                mac::find(self, at);
            }
        }
    }

    /// A word that the lexicon knows.
    fn meant(&mut self, at: usize, token: &Token) {
        let number = mean::SPOKEN | mean::REPEAT;
        if token.has(number) && at >= self.number_from {
            self.number_from = number::find(self, at);
        }
        if token.has(mean::PREFIX) {
            key::prefixed(self, token.start);
        }
        if token.has(mean::KEY) {
            key::named(self, at);
        }
        if token.has(mean::PASSWORD) {
            password::named(self, at);
        }
        if token.has(mean::BIRTH) {
            birth::find(self, at);
            birth::before(self, at);
        }
        let international =
            at > 1 && self.text.is(at - 2, "international") && self.text.is(at, "account");
        if token.has(mean::IBAN) || token.has(mean::ACCOUNT) && international {
            iban::spoken(self, at);
        }
        if token.has(mean::NATO) {
            iban::spelled(self, at);
        }
        if token.has(mean::LICENCE) {
            licence::find(self, at);
        }
        if token.has(mean::LINK) {
            spoken_ip::find(self, at);
        }
        if token.has(mean::AT) {
            spoken_email::find(self, at);
        }
        if token.has(mean::NAME | mean::KIN | mean::TITLE) {
            person::named(self, at);
        }
        if token.has(mean::STREET) {
            address::street(self, at);
        }
        address::cued(self, at);
        path::find(self, at);
    }

    /// A token with digits in it.
    fn numeral(&mut self, at: usize, token: &Token) {
        if token.is_digits() {
            ip::version_four(self, at);
            key::bot(self, token.start, token.end);
            if at >= self.number_from {
                self.number_from = number::find(self, at);
            }
        } else {
            crypto::find(self, at);
            if self.text.word(at).starts_with(b"bot") {
                key::bot(self, token.start + 3, token.end);
            }
        }
        iban::written(self, at);
    }

    /// Where the run of key characters around byte `at` ends. Remembers the last one.
    fn key_end(&mut self, at: usize) -> usize {
        if at < self.key_run.0 || at >= self.key_run.1 {
            let rest = self.text.bytes.get(at..).unwrap_or_default();
            let length = rest
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
                .count();
            self.key_run = (at, at + length);
        }
        self.key_run.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_of_a_secrets_name_passes_the_look_at_its_last_letter() {
        let kind = |end: &str| {
            let text = format!("velvet{end}='a1B2c3D4e5F6g7H8i9J0'");
            let finds = Scan::run(&text, &[Mode::Tag; Kind::COUNT], Vec::new());
            finds.first().map(|find| find.kind)
        };

        for end in key::ENDS {
            assert_eq!(kind(end), Some(Kind::ApiKey), "{end}");
        }
        for end in password::ENDS {
            assert_eq!(kind(end), Some(Kind::Password), "{end}");
        }
    }
}
