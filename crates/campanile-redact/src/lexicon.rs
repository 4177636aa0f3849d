//! The words that detectors know, and one hash table to find them in.

use std::sync::OnceLock;

use crate::detect::key;

/// What a word may mean; one bit each, since `may` is a month, a name and neither.
pub(crate) mod mean {
    pub(crate) const DIGIT: u32 = 1;
    pub(crate) const TEEN: u32 = 1 << 1;
    pub(crate) const TENS: u32 = 1 << 2;
    pub(crate) const REPEAT: u32 = 1 << 3;
    pub(crate) const MAGNITUDE: u32 = 1 << 4;
    pub(crate) const FILLER: u32 = 1 << 5;
    pub(crate) const ORDINAL: u32 = 1 << 6;
    pub(crate) const MONTH: u32 = 1 << 7;
    pub(crate) const CARD: u32 = 1 << 8;
    pub(crate) const PHONE: u32 = 1 << 9;
    pub(crate) const ACCOUNT: u32 = 1 << 10;
    pub(crate) const SOCIAL: u32 = 1 << 11;
    pub(crate) const CODE: u32 = 1 << 12;
    pub(crate) const BIRTH: u32 = 1 << 13;
    pub(crate) const PASSWORD: u32 = 1 << 14;
    pub(crate) const KEY: u32 = 1 << 15;
    pub(crate) const IBAN: u32 = 1 << 16;
    pub(crate) const LICENCE: u32 = 1 << 17;
    /// The number behind it is somebody's reference, count or version.
    pub(crate) const REFERENCE: u32 = 1 << 18;
    pub(crate) const STREET: u32 = 1 << 19;
    pub(crate) const MAIL: u32 = 1 << 20;
    pub(crate) const TLD: u32 = 1 << 21;
    pub(crate) const GIVEN: u32 = 1 << 22;
    /// Never a name, a host or a password.
    pub(crate) const PLAIN: u32 = 1 << 23;
    pub(crate) const TITLE: u32 = 1 << 24;
    pub(crate) const KIN: u32 = 1 << 25;
    pub(crate) const LINK: u32 = 1 << 26;
    pub(crate) const NATO: u32 = 1 << 27;
    /// `number`: a cue only where nothing better stands before it.
    pub(crate) const NUMBER: u32 = 1 << 28;
    /// A word after which a name comes.
    pub(crate) const NAME: u32 = 1 << 29;
    /// What API keys begin with.
    pub(crate) const PREFIX: u32 = 1 << 30;
    pub(crate) const AT: u32 = 1 << 31;

    /// What says of a number near it what it is.
    pub(crate) const CUES: u32 =
        CARD | PHONE | ACCOUNT | SOCIAL | CODE | BIRTH | IBAN | LICENCE | REFERENCE;

    /// Anything that says digits.
    pub(crate) const SPOKEN: u32 = DIGIT | TEEN | TENS;
}

use mean::*;

/// What is known of a word: its meanings and, for numbers, months and letters, its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) bits: u32,
    pub(crate) value: u8,
}

const GROUPS: &[(u32, &str)] = &[
    (
        MAGNITUDE,
        "hundred thousand million billion hundreds thousands millions",
    ),
    (
        FILLER,
        "um uh er erm uhm hmm umm ummm uhh uhhh uhmm ehm hm hmmm ahh ehh and then dash hyphen minus comma space sorry slash point period",
    ),
    (
        CARD,
        "card cards credit debit visa mastercard amex discover cc creditcard maestro diners pan ccnum cardnumber charge pay payment",
    ),
    (
        PHONE,
        "phone phones call called calling reach mobile cell cellphone tel telephone fax desk dial text texted contact caller \
         whatsapp callback landline ring sms phonenumber msisdn ani voicemail pager hotline helpline registered answering messages try",
    ),
    (ACCOUNT, "account acct routing aba accounts sortcode"),
    (SOCIAL, "ssn social"),
    (
        CODE,
        "pin code cvv cvc cvv2 otp passcode pins codes 2fa mfa dtmf",
    ),
    (
        BIRTH,
        "born birth dob birthday birthdate dateofbirth geburtsdatum geboren",
    ),
    (
        PASSWORD,
        "password passwd pwd passphrase passwort kennwort pass pw identified sshpass curl mysql mysqldump mariadb redis docker podman",
    ),
    (
        KEY,
        "key secret token bearer apikey authorization credential credentials auth deepgram assemblyai elevenlabs cartesia twilio \
         livekit azure subscription signature sig cookie accesskey secretkey authtoken accesstoken",
    ),
    (IBAN, "iban"),
    (LICENCE, "license licence licenses dl"),
    (
        REFERENCE,
        "order confirmation case reference ref tracking invoice ticket serial part model version chapter section run row column \
         line build revision release id step page item sku batch job request bytes tokens isbn commit issue patent article figure \
         package parcel shipment policy claim member booking reservation nonce block height firmware epoch timestamp extension room gate flight port size total units count offset sequence seq index ean upc gtin barcode asin",
    ),
    (STREET, include_str!("words/street.txt")),
    (
        MAIL,
        "gmail yahoo hotmail outlook icloud proton protonmail fastmail aol gmx live msn mail zoho yandex example",
    ),
    (
        TLD,
        "com org net edu gov mil int io me uk co de fr it es eu us ca info biz dev ai app nl se ch in br au jp pl no fi dk at be pt ie nz za \
         mx local internal fm im test tech cloud online xyz tv gg cc",
    ),
    (GIVEN, include_str!("words/given.txt")),
    (PLAIN, include_str!("words/plain.txt")),
    (
        TITLE,
        "mr mrs ms miss dr doctor prof professor sir madam mister missus frau herr",
    ),
    (
        KIN,
        "wife husband son daughter mother father mom mum dad brother sister partner fiance fiancee boss friend colleague roommate \
         neighbor neighbour cousin uncle aunt grandmother grandfather boyfriend girlfriend assistant spouse",
    ),
    (LINK, "dot dash underscore hyphen period point minus plus"),
    (NUMBER, "number numbers no num digits nr"),
    (
        NAME,
        "name named this thanks i im customer from caller with under dear agent hello hi user patient contact client speaking \
         called user_name fullname firstname lastname surname hey met ask tell thank by starring directed player commenter heard \
         sincerely regards spelled spelt speak talk holder cardholder beneficiary payee belongs ship deliver send mail",
    ),
    (AT, "at"),
];

const DIGITS: &[&str] = &[
    "zero oh o nought naught aught null zeros zeroes ohs",
    "one ones",
    "two twos",
    "three threes",
    "four fours",
    "five fives",
    "six sixes",
    "seven sevens",
    "eight eights",
    "nine niner nines",
];
const TEENS: &[&str] = &[
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENFOLD: &[&str] = &[
    "twenty",
    "thirty",
    "forty fourty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
];
const ORDINALS: &str = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth \
                        fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth";
const MONTHS: &[&str] = &[
    "january jan",
    "february feb",
    "march mar",
    "april apr",
    "may",
    "june jun",
    "july jul",
    "august aug",
    "september sep sept",
    "october oct",
    "november nov",
    "december dec",
];
const NATO_WORDS: &str = "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec \
                          romeo sierra tango uniform victor whiskey xray yankee zulu";

const SLOTS: usize = 8192;
const START: u32 = 0x811c_9dc5;

/// One more byte of a word, any case.
#[inline]
pub(crate) const fn mix(hash: u32, byte: u8) -> u32 {
    (hash ^ (byte | 0x20) as u32).wrapping_mul(0x0100_0193)
}

/// What [`mix`] starts with.
pub(crate) const fn seed() -> u32 {
    START
}

/// The table: open addressing, at most a quarter full.
pub(crate) struct Lexicon {
    slots: Box<[u16]>,
    words: Vec<(u32, &'static str, Meaning)>,
}

impl Lexicon {
    /// The table, built once for each process: it is a constant that is cheaper to compute than to write down.
    pub(crate) fn get() -> &'static Self {
        static TABLE: OnceLock<Lexicon> = OnceLock::new();
        TABLE.get_or_init(Self::build)
    }

    fn build() -> Self {
        let mut table = Self {
            slots: vec![0; SLOTS].into_boxed_slice(),
            words: Vec::new(),
        };
        for (bits, words) in GROUPS {
            words
                .split_ascii_whitespace()
                .for_each(|word| table.add(word, *bits, 0));
        }
        for word in key::prefix_words() {
            table.add(word, PREFIX, 0);
        }
        for (word, times) in [
            ("double", 2),
            ("triple", 3),
            ("treble", 3),
            ("quadruple", 4),
        ] {
            table.add(word, REPEAT, times);
        }
        for (bits, first, rows) in [(DIGIT, 0, DIGITS), (TEEN, 10, TEENS), (MONTH, 1, MONTHS)] {
            for (row, value) in rows.iter().zip(first..) {
                row.split_ascii_whitespace()
                    .for_each(|word| table.add(word, bits, value));
            }
        }
        for (row, tens) in TENFOLD.iter().zip(2..) {
            row.split_ascii_whitespace()
                .for_each(|word| table.add(word, TENS, tens * 10));
        }
        ORDINALS
            .split_ascii_whitespace()
            .for_each(|word| table.add(word, ORDINAL, 0));
        NATO_WORDS
            .split_ascii_whitespace()
            .for_each(|word| table.add(word, NATO, 0));
        table
    }

    fn add(&mut self, word: &'static str, bits: u32, value: u8) {
        let hash = word.bytes().fold(seed(), mix);
        let slot = self.slot(hash, word.as_bytes());
        if self.slots[slot] == 0 {
            self.words.push((hash, word, Meaning::default()));
            self.slots[slot] = u16::try_from(self.words.len()).expect("a few thousand words");
        }
        let meaning = &mut self.words[usize::from(self.slots[slot]) - 1].2;
        meaning.bits |= bits;
        meaning.value = meaning.value.max(value);
    }

    /// What `word` means. `hash` is [`mix`] over its bytes.
    #[inline]
    pub(crate) fn look_up(&self, hash: u32, word: &[u8]) -> Meaning {
        match self.slots[self.slot(hash, word)] {
            0 => Meaning::default(),
            entry => self.words[usize::from(entry) - 1].2,
        }
    }

    /// What `word` means.
    pub(crate) fn meaning(&self, word: &[u8]) -> Meaning {
        let hash = word.iter().fold(seed(), |hash, byte| mix(hash, *byte));
        self.look_up(hash, word)
    }

    #[inline]
    fn slot(&self, hash: u32, word: &[u8]) -> usize {
        let mut slot = (hash ^ (hash >> 15)) as usize % SLOTS;
        loop {
            match self.slots[slot] {
                0 => return slot,
                entry => {
                    let (theirs, text, _) = &self.words[usize::from(entry) - 1];
                    if *theirs == hash && text.as_bytes().eq_ignore_ascii_case(word) {
                        return slot;
                    }
                }
            }
            slot = (slot + 1) % SLOTS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(word: &str) -> Meaning {
        Lexicon::get().meaning(word.as_bytes())
    }

    #[test]
    fn words_are_found_in_any_case_with_all_their_meanings() {
        assert_eq!(
            meaning("Seven"),
            Meaning {
                bits: DIGIT,
                value: 7
            }
        );
        assert_eq!(
            meaning("EIGHTY"),
            Meaning {
                bits: TENS,
                value: 80
            }
        );
        assert_eq!(meaning("may").bits & MONTH, MONTH);
        assert_eq!(meaning("double").value, 2);
        assert_eq!(meaning("xylophone"), Meaning::default());
    }

    #[test]
    fn the_table_stays_sparse() {
        let table = Lexicon::get();

        assert!(table.words.len() * 4 < SLOTS, "{} words", table.words.len());
    }
}
