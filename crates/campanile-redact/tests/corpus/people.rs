//! Names of people, streets and hosts.

use crate::dice::Dice;

const GIVEN: &[&str] = &[
    "Anna",
    "Peter",
    "Maria",
    "Lukas",
    "Ingrid",
    "Tomasz",
    "Aylin",
    "Rajesh",
    "Chloe",
    "Mateo",
    "Birgit",
    "Declan",
    "Yuki",
    "Fatima",
    "Sven",
    "Katarzyna",
    "Giulia",
    "Omar",
    "Noah",
    "Emily",
    "Javier",
    "Hannah",
    "Pavel",
    "Zoe",
];
const FAMILY: &[&str] = &[
    "Berg",
    "Kovacs",
    "Nowak",
    "Silva",
    "Okafor",
    "Larsen",
    "Fischer",
    "Moreau",
    "Rossi",
    "Tanaka",
    "Novak",
    "Hughes",
    "Demir",
    "Patel",
    "Lindqvist",
    "Garcia",
    "Popescu",
    "Murphy",
    "Schneider",
    "Jansen",
    "Costa",
    "Horvat",
];
const STREETS: &[&str] = &[
    "Street", "Avenue", "Road", "Lane", "Square", "Court", "Drive", "Terrace",
];
const HOSTS: &[&str] = &[
    "gmail.com",
    "yahoo.co.uk",
    "example.com",
    "mail.example.net",
    "proton.me",
    "web.de",
    "corp.internal",
    "students.example.edu",
    "outlook.com",
];

pub(crate) fn given(dice: &mut Dice) -> String {
    dice.pick(GIVEN).to_owned()
}

pub(crate) fn family(dice: &mut Dice) -> String {
    dice.pick(FAMILY).to_owned()
}

pub(crate) fn address(dice: &mut Dice) -> String {
    let number = dice.number(3);
    let (name, street, town) = (family(dice), dice.pick(STREETS), family(dice));
    match dice.below(3) {
        0 => format!("{number} {name} {street}"),
        1 => format!("{number} {name} {street}, {town}ville"),
        _ => format!("{number} {name} {street}, Apt. 4, {town}ton"),
    }
}

pub(crate) fn mail(dice: &mut Dice) -> String {
    let (one, two) = (given(dice).to_lowercase(), family(dice).to_lowercase());
    let local = match dice.below(6) {
        0 => format!("{one}.{two}"),
        1 => format!("{}{two}", &one[..1]),
        2 => format!("{one}_{two}"),
        3 => format!("{one}{}", dice.digits(3)),
        4 => format!("{one}+news{}", dice.digits(1)),
        _ => one,
    };
    format!("{local}@{}", dice.pick(HOSTS))
}
