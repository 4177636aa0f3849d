//! Sentences that are made anew from templates and seeds.
//!
//! Half of the templates are for tuning: `SCORE_LEAKS=1` prints what is missed in them. The other half is only scored. Whoever
//! looks at one of them, to mend what it shows, makes it worth less: write new ones then.

use crate::dice::{CAPITALS, DIGITS, Dice, HEX};
use crate::scoring::{self, CONTEXT, NAME, SHAPE, Score, Sentence, Span};
use crate::{numbers, people, secrets, speech};
use campanile_redact::Redactor;

/// What the sentences of a file are like, and their templates. In `voice`, everything is said.
const FILES: &[(&str, &str)] = &[
    ("voice", include_str!("sentences/voice.txt")),
    ("chat", include_str!("sentences/chat.txt")),
    ("machine", include_str!("sentences/machine.txt")),
    ("secret", include_str!("sentences/secret.txt")),
    ("written", include_str!("sentences/written.txt")),
    ("voice", include_str!("sentences/voice_harmless.txt")),
    ("chat", include_str!("sentences/chat_harmless.txt")),
    ("machine", include_str!("sentences/machine_harmless.txt")),
    ("written", include_str!("sentences/written_harmless.txt")),
];
/// Sentences of each template.
const EACH: usize = 12;

/// What a place in a template is labelled with, and a text for it. `None`: it is no place.
fn fill(place: &str, spoken: bool, dice: &mut Dice) -> Option<(Option<&'static str>, String)> {
    let labelled = match (place, spoken) {
        ("card", false) => ("CREDIT_CARD", numbers::written_card(dice)),
        ("phone", false) => ("PHONE", numbers::written_phone(dice)),
        ("ssn", false) => ("US_SSN", numbers::social(dice)),
        ("iban", false) => ("IBAN", numbers::written_iban(dice)),
        ("email", false) => ("EMAIL", people::mail(dice)),
        ("dob", false) => ("DATE_OF_BIRTH", numbers::written_date(dice)),
        ("code", false) => ("AUTH_CODE", dice.digits(4)),
        ("code3", false) => ("AUTH_CODE", dice.digits(3)),
        ("code6", false) => ("AUTH_CODE", dice.digits(6)),
        ("account", false) => ("BANK_ACCOUNT", dice.number(10)),
        ("routing", false) => ("BANK_ACCOUNT", numbers::routing(dice)),
        ("licence", false) => ("DRIVER_LICENSE", numbers::licence(dice)),
        ("password", false) => ("PASSWORD", secrets::password(dice)),
        ("address", false) => ("ADDRESS", people::address(dice)),
        ("first", false) => ("PERSON", people::given(dice)),
        ("last", false) => ("PERSON", people::family(dice)),
        ("iban", true) => ("IBAN", said_iban(dice)),
        ("email", true) => ("EMAIL", speech::mail(dice)),
        ("dob", true) => ("DATE_OF_BIRTH", speech::date(dice)),
        ("licence", true) => ("DRIVER_LICENSE", speech::licence(dice)),
        ("password", true) => ("PASSWORD", speech::password(dice)),
        ("address", true) => ("ADDRESS", speech::address(dice)),
        ("first", true) => ("PERSON", people::given(dice).to_lowercase()),
        ("last", true) => ("PERSON", people::family(dice).to_lowercase()),
        (_, true) => return said_digits(place, dice).or_else(|| harmless(place, dice)),
        _ => return elsewhere(place, dice).or_else(|| harmless(place, dice)),
    };
    Some((Some(labelled.0), labelled.1))
}

fn said_iban(dice: &mut Dice) -> String {
    let iban = numbers::iban(dice);
    speech::spelled(dice, &iban)
}

fn said_digits(place: &str, dice: &mut Dice) -> Option<(Option<&'static str>, String)> {
    let (label, digits) = match place {
        "card" => ("CREDIT_CARD", numbers::card(dice)),
        "phone" => ("PHONE", numbers::phone(dice)),
        "ssn" => ("US_SSN", numbers::social(dice).replace('-', "")),
        "code" => ("AUTH_CODE", dice.digits(4)),
        "code3" => ("AUTH_CODE", dice.digits(3)),
        "code6" => ("AUTH_CODE", dice.digits(6)),
        "account" => ("BANK_ACCOUNT", dice.number(10)),
        "routing" => ("BANK_ACCOUNT", numbers::routing(dice)),
        _ => return None,
    };
    Some((Some(label), speech::digits(dice, &digits)))
}

/// What only programs write.
fn elsewhere(place: &str, dice: &mut Dice) -> Option<(Option<&'static str>, String)> {
    let labelled = match place {
        "key" => ("API_KEY", secrets::key(dice)),
        "plain40" => ("API_KEY", secrets::nameless(dice, 40)),
        "plain32" => ("API_KEY", secrets::nameless(dice, 32)),
        "hexkey32" => ("API_KEY", dice.text(31, HEX) + "7"),
        "base43" => (
            "API_KEY",
            secrets::base64(dice, 43).replace(['+', '/'], "x"),
        ),
        "base40" => ("API_KEY", secrets::base64(dice, 40)),
        "credentials" => ("URL_CREDENTIALS", secrets::credentials(dice)),
        "jwt" => ("JWT", secrets::token(dice)),
        "pem" => ("PRIVATE_KEY", secrets::private_key(dice, "\n")),
        "pem_escaped" => ("PRIVATE_KEY", secrets::private_key(dice, "\\n")),
        "ip" => ("IP_ADDRESS", numbers::address_of_host(dice)),
        "mac" => ("MAC_ADDRESS", numbers::hardware(dice)),
        "wallet" => ("CRYPTO", secrets::wallet(dice)),
        "e164" => ("PHONE", format!("+1{}", numbers::phone(dice))),
        "user" => ("PERSON", people::given(dice).to_lowercase()),
        "dobiso" => (
            "DATE_OF_BIRTH",
            format!(
                "19{}-0{}-1{}",
                dice.number(2),
                dice.number(1),
                dice.digits(1)
            ),
        ),
        "spoken_card" => return said_digits("card", dice),
        "spoken_phone" => return said_digits("phone", dice),
        _ => return None,
    };
    Some((Some(labelled.0), labelled.1))
}

/// What tells nothing of anybody.
fn harmless(place: &str, dice: &mut Dice) -> Option<(Option<&'static str>, String)> {
    let two = |dice: &mut Dice, end: usize| format!("{:02}", dice.below(end));
    let day = |dice: &mut Dice| format!("2026-{:02}-{:02}", 1 + dice.below(12), 1 + dice.below(28));
    let text = match place {
        "partial" => return Some((Some("PARTIAL"), "oh four twenty eight".to_owned())),
        "hour" | "digit" => speech::small(1 + dice.below(9)),
        "small" => speech::small(11 + dice.below(88)),
        "reference" => {
            let digits = dice.number(7);
            digits
                .chars()
                .map(|c| speech::small(c.to_digit(10).unwrap() as usize))
                .collect::<Vec<_>>()
                .join(" ")
        }
        "uuid" => {
            let part = |dice: &mut Dice, length| dice.text(length, HEX);
            [8, 4, 4, 4, 12].map(|length| part(dice, length)).join("-")
        }
        "millis" => format!("17{}", dice.digits(11)),
        "micros" => format!("17{}", dice.digits(14)),
        "year" => format!("20{}", two(dice, 25)),
        "date" => day(dice),
        "clock" => format!("{}:{}", two(dice, 24), two(dice, 60)),
        "stamp" => format!(
            "{}T{}:{}:{}.{}Z",
            day(dice),
            two(dice, 24),
            two(dice, 60),
            two(dice, 60),
            dice.digits(3)
        ),
        "isbn" => format!("978-3-16-{}-0", dice.digits(6)),
        "code_word" => dice.text(6, &[CAPITALS, DIGITS].concat()),
        _ => {
            let (kind, length) = place.split_at(place.find(char::is_numeric)?);
            match kind {
                "n" => dice.number(length.parse().ok()?),
                "hex" => dice.text(length.parse().ok()?, HEX),
                _ => return None,
            }
        }
    };
    Some((None, text))
}

fn sentence(source: &str, template: &str, name: Option<String>, dice: &mut Dice) -> Sentence {
    let mut sentence = Sentence {
        text: String::new(),
        source: source.to_owned(),
        labels: Vec::new(),
        name,
    };
    let template = template.replace("\\n", "\n");
    let mut rest = &*template;
    while let Some((before, place)) = rest.split_once('{') {
        sentence.text += before;
        let filled = place
            .split_once('}')
            .and_then(|(place, behind)| Some((fill(place, source == "voice", dice)?, behind)));
        let Some(((label, text), behind)) = filled else {
            sentence.text += "{";
            rest = place;
            continue;
        };
        let start = sentence.text.chars().count();
        let end = start + text.chars().count();
        sentence.text += &text;
        sentence.labels.extend(label.map(|kind| Span {
            start,
            end,
            kind: kind.to_owned(),
        }));
        rest = behind;
    }
    sentence.text += rest;
    sentence
}

/// Every other template, by a hash of its text: where it stands in its file does not matter.
fn is_held_out(template: &str) -> bool {
    let hash = template
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    (hash >> 32).is_multiple_of(2)
}

fn half(held_out: bool, seed: u64) -> Vec<Sentence> {
    let mut dice = Dice::new(seed);
    let mut sentences = Vec::new();
    for (source, templates) in FILES {
        for template in templates
            .lines()
            .filter(|line| is_held_out(line) == held_out)
        {
            for _ in 0..EACH {
                let name = (!held_out).then(|| template.to_owned());
                sentences.push(sentence(source, template, name, &mut dice));
            }
        }
    }
    sentences
}

/// `CORPUS_SEED` makes other sentences.
fn scored(held_out: bool, seed: u64) -> Score {
    let asked = std::env::var("CORPUS_SEED").ok();
    let seed = asked.and_then(|seed| seed.parse().ok()).unwrap_or(seed);
    let score = scoring::score(&Redactor::standard(), &half(held_out, seed));
    println!("{}:", if held_out { "held out" } else { "tuned" });
    scoring::print(&score);
    score
}

fn secrets_leaked(score: &Score) -> usize {
    score
        .group(&[
            "API_KEY",
            "JWT",
            "PRIVATE_KEY",
            "URL_CREDENTIALS",
            "PASSWORD",
        ])
        .leaked_labels
}

#[test]
fn sentences_for_tuning_score_at_least_what_they_did() {
    let score = scored(false, 1);

    assert_eq!(secrets_leaked(&score), 0);
    assert!(score.group(SHAPE).leak() <= 0.5 && score.group(SHAPE).f1() >= 99.0);
    assert!(score.group(CONTEXT).leak() <= 1.0 && score.voice.leak() <= 0.5);
    assert!(score.harmless_masked() <= 0.2);
    assert!(score.group(NAME).labels > 0);
}

#[test]
fn sentences_that_nobody_tuned_on_stay_within_what_is_promised() {
    let score = scored(true, 2);

    assert_eq!(secrets_leaked(&score), 0);
    assert!(score.group(SHAPE).leak() <= 2.0 && score.group(SHAPE).f1() >= 96.0);
    assert!(score.group(CONTEXT).leak() <= 20.0 && score.voice.leak() <= 3.0);
    assert!(score.harmless_masked() <= 0.5);
}

#[test]
fn the_same_seed_makes_the_same_sentences() {
    let texts = |seed| -> Vec<String> {
        half(false, seed)
            .into_iter()
            .map(|sentence| sentence.text)
            .collect()
    };

    assert_eq!(texts(7), texts(7));
    assert_ne!(texts(7), texts(8));
}
