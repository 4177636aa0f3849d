//! Numbers with their check digits, as they are written.

use crate::dice::{CAPITALS, DIGITS, Dice};

const ISSUERS: &[(&str, usize)] = &[
    ("4", 16),
    ("4", 16),
    ("51", 16),
    ("55", 16),
    ("2221", 16),
    ("2650", 16),
    ("34", 15),
    ("37", 15),
    ("6011", 16),
    ("65", 16),
    ("36", 14),
    ("38", 14),
    ("35", 16),
    ("62", 16),
    ("62", 19),
    ("4", 13),
];

/// The digits of a card.
pub(crate) fn card(dice: &mut Dice) -> String {
    let (head, length) = dice.pick(ISSUERS);
    let body = format!("{head}{}", dice.digits(length - 1 - head.len()));
    let check = (0..10)
        .map(|digit| format!("{body}{digit}"))
        .find(|card| luhn(card));
    check.unwrap()
}

fn luhn(digits: &str) -> bool {
    let sum: u32 = (digits.bytes().rev().enumerate())
        .map(|(place, byte)| match (place % 2, u32::from(byte - b'0')) {
            (0, digit) => digit,
            (_, digit) => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// A card as people type it.
pub(crate) fn written_card(dice: &mut Dice) -> String {
    let digits = card(dice);
    let groups: &[usize] = match digits.len() {
        15 => &[4, 6, 5],
        14 => &[4, 6, 4],
        13 => &[4, 4, 5],
        19 => &[4, 4, 4, 4, 3],
        _ => &[4, 4, 4, 4],
    };
    let separator = dice.pick(&["", "", " ", "-", " ", ".", "\u{a0}", " - "]);
    grouped(&digits, groups).join(separator)
}

pub(crate) fn grouped(digits: &str, lengths: &[usize]) -> Vec<String> {
    let mut rest = digits;
    let mut groups = Vec::new();
    for length in lengths {
        let (group, behind) = rest.split_at((*length).min(rest.len()));
        groups.push(group.to_owned());
        rest = behind;
    }
    if !rest.is_empty() {
        groups.push(rest.to_owned());
    }
    groups.retain(|group| !group.is_empty());
    groups
}

const PHONES: &[&str] = &[
    "+1 (NNN) N##-####",
    "+1-N##-N##-####",
    "+1N##N######",
    "(N##) N##-####",
    "N##-N##-####",
    "N##.N##.####",
    "1-N##-N##-####",
    "N##-N##-#### x###",
    "(N##) N##-#### ext. ##",
    "+44 20 7### ####",
    "+44 7### ######",
    "020 7### ####",
    "07### ### ###",
    "+33 6 ## ## ## ##",
    "06 ## ## ## ##",
    "+49 30 ########",
    "+49 170 #######",
    "0170 #######",
    "030/########",
    "+39 3## ### ####",
    "+34 6## ### ###",
    "+91 ##### #####",
    "+61 4## ### ###",
    "04## ### ###",
    "+81 90-####-####",
    "+55 11 9####-####",
    "+31 6 ########",
    "+46 7#-### ## ##",
    "+48 ### ### ###",
    "+41 79 ### ## ##",
    "00 44 20 7### ####",
];

pub(crate) fn written_phone(dice: &mut Dice) -> String {
    let pattern = dice.pick(PHONES);
    dice.pattern(pattern)
}

/// The digits of an American number.
pub(crate) fn phone(dice: &mut Dice) -> String {
    dice.pattern("N##N######")
}

pub(crate) fn social(dice: &mut Dice) -> String {
    let (area, group, serial) = (
        101 + dice.below(560),
        10 + dice.below(89),
        1000 + dice.below(8999),
    );
    format!("{area}-{group}-{serial}")
}

const COUNTRIES: &[(&str, &str)] = &[
    ("GB", "AAAA##############"),
    ("DE", "##################"),
    ("FR", "##########CCCCCCCCCCC##"),
    ("NL", "AAAA##########"),
    ("ES", "####################"),
    ("CH", "#####CCCCCCCCCCCC"),
    ("IE", "AAAA##############"),
    ("AT", "################"),
    ("IT", "A##########CCCCCCCCCCCC"),
    ("SE", "####################"),
    ("BE", "############"),
];

pub(crate) fn iban(dice: &mut Dice) -> String {
    let (country, pattern) = dice.pick(COUNTRIES);
    let letter = |c| match c {
        'A' => dice.text(1, CAPITALS),
        'C' => dice.text(1, &[CAPITALS, DIGITS].concat()),
        _ => dice.digits(1),
    };
    let body: String = pattern.chars().map(letter).collect();
    let value = |c: char| c.to_digit(36).unwrap().to_string();
    let sum: String = format!("{body}{country}00").chars().map(value).collect();
    let modulo = sum
        .bytes()
        .fold(0, |sum, byte| (sum * 10 + u32::from(byte - b'0')) % 97);
    format!("{country}{:02}{body}", 98 - modulo)
}

pub(crate) fn written_iban(dice: &mut Dice) -> String {
    let iban = iban(dice);
    match dice.below(3) {
        0 => grouped(&iban, &[4; 8]).join(" "),
        _ => iban,
    }
}

pub(crate) fn routing(dice: &mut Dice) -> String {
    let head = dice.pick(&["01", "02", "06", "11", "12", "21", "26", "31"]);
    let body = format!("{head}{}", dice.digits(6));
    let sum: u32 = (body.bytes().zip([3, 7, 1].into_iter().cycle()))
        .map(|(byte, weight)| u32::from(byte - b'0') * weight)
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

pub(crate) const MONTHS: &[&str] = &[
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(crate) struct Date {
    pub(crate) year: usize,
    pub(crate) month: usize,
    pub(crate) day: usize,
}

pub(crate) fn date(dice: &mut Dice) -> Date {
    Date {
        year: 1935 + dice.below(75),
        month: 1 + dice.below(12),
        day: 1 + dice.below(28),
    }
}

pub(crate) fn written_date(dice: &mut Dice) -> String {
    let Date { year, month, day } = date(dice);
    let name = MONTHS[month - 1];
    match dice.below(7) {
        0 => format!("{year}-{month:02}-{day:02}"),
        1 => format!("{month:02}/{day:02}/{year}"),
        2 => format!("{day:02}.{month:02}.{year}"),
        3 => format!("{name} {day}, {year}"),
        4 => format!("{day} {name} {year}"),
        5 => format!("{month}/{day}/{:02}", year % 100),
        _ => format!("{} {day} {year}", &name[..3]),
    }
}

pub(crate) fn licence(dice: &mut Dice) -> String {
    match dice.below(4) {
        0 => dice.text(1, CAPITALS) + &dice.digits(7),
        1 => dice.text(1, CAPITALS) + &dice.digits(12),
        2 => dice.text(2, CAPITALS) + &dice.digits(6),
        _ => dice.number(8),
    }
}

pub(crate) fn address_of_host(dice: &mut Dice) -> String {
    let byte = |dice: &mut Dice| dice.below(255).to_string();
    match dice.below(5) {
        0 => format!(
            "2001:db8:{:x}::{:x}",
            1 + dice.below(65_000),
            1 + dice.below(65_000)
        ),
        1 => format!(
            "fe80::{:x}:{:x}:{:x}:{:x}",
            1 + dice.below(65_000),
            dice.below(65_000),
            256 + dice.below(65_000),
            1 + dice.below(65_000)
        ),
        2 => format!("10.{}.{}.{}", byte(dice), byte(dice), byte(dice)),
        _ => format!("203.0.{}.{}", byte(dice), byte(dice)),
    }
}

pub(crate) fn hardware(dice: &mut Dice) -> String {
    let mut pairs: Vec<String> = (0..6).map(|_| format!("{:02x}", dice.below(256))).collect();
    pairs[0] = "a".to_owned() + &pairs[0][1..];
    let address = pairs.join(dice.pick(&[":", ":", "-"]));
    match dice.once_in(3) {
        true => address.to_uppercase(),
        false => address,
    }
}
