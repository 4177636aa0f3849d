//! How numbers, letters, addresses and dates are said, and what a recogniser makes of it.

use crate::dice::Dice;
use crate::numbers::{self, Date, MONTHS, grouped};
use crate::people;

const ONES: &[&str] = &[
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
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
const TENS: &[&str] = &[
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];
const ALPHABET: &[&str] = &[
    "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet",
    "kilo", "lima", "mike", "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango",
    "uniform", "victor", "whiskey", "xray", "yankee", "zulu",
];
const BETWEEN: &[&str] = &[
    "um",
    "uh",
    "okay",
    "and then",
    "let me see",
    "hold on",
    "that's",
    "you know",
    "dash",
    "so",
];

/// A whole number below a hundred.
pub(crate) fn small(number: usize) -> String {
    match number {
        0..20 => ONES[number].to_owned(),
        _ if number.is_multiple_of(10) => TENS[number / 10].to_owned(),
        _ => format!("{} {}", TENS[number / 10], ONES[number % 10]),
    }
}

fn digit(byte: u8, zero: &str) -> String {
    match byte {
        b'0' => zero.to_owned(),
        byte => ONES[usize::from(byte - b'0')].to_owned(),
    }
}

/// Digit by digit, some of them doubled.
fn singly(dice: &mut Dice, digits: &str) -> Vec<String> {
    let zero = dice.pick(&["zero", "oh"]);
    let (bytes, mut at, mut words) = (digits.as_bytes(), 0, Vec::new());
    while at < bytes.len() {
        let same = bytes[at..]
            .iter()
            .take_while(|byte| **byte == bytes[at])
            .count();
        let (word, times) = match same {
            3.. if dice.once_in(2) => ("triple ", 3),
            2 if dice.once_in(2) => ("double ", 2),
            _ => ("", 1),
        };
        words.push(format!("{word}{}", digit(bytes[at], zero)));
        at += times;
    }
    words
}

/// `forty one eleven oh five`
fn pairs(digits: &str) -> String {
    let pair = |pair: &[u8]| match pair {
        [b'0', low] => format!("oh {}", digit(*low, "oh")),
        [high, low] => small(usize::from(high - b'0') * 10 + usize::from(low - b'0')),
        rest => digit(rest[0], "zero"),
    };
    digits
        .as_bytes()
        .chunks(2)
        .map(pair)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Groups of one to four.
fn split(dice: &mut Dice, digits: &str) -> Vec<String> {
    let lengths: Vec<usize> = (0..digits.len()).map(|_| 1 + dice.below(4)).collect();
    grouped(digits, &lengths)
}

/// Digits in one of the forms in which they arrive.
pub(crate) fn digits(dice: &mut Dice, digits: &str) -> String {
    match dice.below(9) {
        0..3 => singly(dice, digits).join(" "),
        3 => pairs(digits),
        4 => split(dice, digits).join(" "),
        5 => digits
            .chars()
            .map(String::from)
            .collect::<Vec<_>>()
            .join(" "),
        6 => {
            let mut group = |group: &String| match dice.below(2) {
                0 => group.clone(),
                _ => pairs(group),
            };
            let groups = grouped(digits, &[3, 4, 2, 4, 3, 4]);
            groups.iter().map(&mut group).collect::<Vec<_>>().join(" ")
        }
        7 => hesitant(dice, digits),
        _ => corrected(dice, digits),
    }
}

fn hesitant(dice: &mut Dice, digits: &str) -> String {
    let words = singly(dice, digits);
    let mut said = words[0].clone();
    for (at, word) in words.iter().enumerate().skip(1) {
        if dice.once_in(6) && at + 2 < words.len() {
            said = format!("{said} {}", dice.pick(BETWEEN));
        }
        said = format!("{said} {word}");
    }
    said
}

/// `four one two no sorry three …`
fn corrected(dice: &mut Dice, digits: &str) -> String {
    let words: Vec<String> = digits.bytes().map(|byte| digit(byte, "zero")).collect();
    let (before, behind) = words.split_at(2);
    let (wrong, sorry) = (
        dice.pick(&ONES[1..10]),
        dice.pick(&["no", "no sorry", "scratch that", "i mean"]),
    );
    format!("{} {wrong} {sorry} {}", before.join(" "), behind.join(" "))
}

/// Letters and digits one by one.
pub(crate) fn spelled(dice: &mut Dice, text: &str) -> String {
    let form = dice.below(3);
    let letter = |c: char| match c.to_ascii_lowercase() {
        c @ 'a'..='z' => {
            let word = ALPHABET[usize::from(c as u8 - b'a')];
            match form {
                0 => String::from(c),
                1 => word.to_owned(),
                _ => format!("{c} as in {word}"),
            }
        }
        c => digit(c as u8, "zero"),
    };
    text.chars().map(letter).collect::<Vec<_>>().join(" ")
}

pub(crate) fn mail(dice: &mut Dice) -> String {
    let (one, two) = (
        people::given(dice).to_lowercase(),
        people::family(dice).to_lowercase(),
    );
    let local = match dice.below(6) {
        0 => format!("{one} dot {two}"),
        1 => format!("{one} underscore {two}"),
        2 => format!("{one} dash {two}"),
        3 => spelled(dice, &one),
        4 => format!("{one} {}", small(10 + dice.below(90))),
        _ => format!("{one}{two}"),
    };
    let at = dice.pick(&["at", "at", "at", "at sign"]);
    let host = dice.pick(&[
        "gmail dot com",
        "yahoo dot co dot uk",
        "example dot org",
        "mail dot example dot net",
        "proton dot me",
        "t dash online dot de",
        "outlook.com",
        "g mail dot com",
    ]);
    format!("{local} {at} {host}")
}

pub(crate) fn date(dice: &mut Dice) -> String {
    const ORDINALS: &[&str] = &[
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
        "ninth",
        "tenth",
        "eleventh",
        "twelfth",
        "thirteenth",
        "fourteenth",
        "fifteenth",
        "sixteenth",
        "seventeenth",
        "eighteenth",
        "nineteenth",
        "twentieth",
    ];
    let Date { year, month, day } = numbers::date(dice);
    let name = MONTHS[month - 1].to_lowercase();
    let nth = ORDINALS[day.min(20) - 1];
    let long = match year % 100 {
        0..10 if year >= 2000 => format!("two thousand and {}", ONES[year % 100]),
        low => format!("{} {}", small(year / 100), pairs(&format!("{low:02}"))),
    };
    match dice.below(5) {
        0 => format!("{name} {nth} {long}"),
        1 => format!("the {nth} of {name} {long}"),
        2 => format!("{name} {day} {year}"),
        3 => format!("{month} {day} {}", year % 100),
        _ => format!(
            "{} {} {}",
            small(month),
            small(day),
            pairs(&format!("{:02}", year % 100))
        ),
    }
}

const WORDS: &[&str] = &[
    "raven", "glacier", "comet", "quartz", "tundra", "falcon", "willow", "lantern", "maple",
    "velvet",
];

pub(crate) fn password(dice: &mut Dice) -> String {
    let (one, two, number) = (dice.pick(WORDS), dice.pick(WORDS), dice.number(2));
    match dice.below(4) {
        0 => format!("{one}{two}{number}"),
        1 => format!("{one} {two} {}", pairs(&number)),
        2 => format!("{} {}", spelled(dice, one), pairs(&number)),
        _ => format!("{one} dash {two} dash {}", pairs(&number)),
    }
}

pub(crate) fn licence(dice: &mut Dice) -> String {
    let letter = dice.pick(&["b", "d", "k", "s", "delta", "m as in mike"]);
    let digits = dice.digits(7);
    format!("{letter} {}", singly(dice, &digits).join(" "))
}

pub(crate) fn address(dice: &mut Dice) -> String {
    let number = dice.number(4);
    let street = dice.pick(&["street", "avenue", "road", "lane", "court"]);
    format!(
        "{} {} {street}",
        pairs(&number),
        people::family(dice).to_lowercase()
    )
}
