//! Keys, tokens, passwords, wallets: random texts of the right shapes, put together at run time.

use crate::dice::{CAPITALS, DIGITS, Dice, HEX, LETTERS};
use sha2::{Digest, Sha256};

fn alphabet(signs: &str) -> String {
    [LETTERS, CAPITALS, DIGITS, signs].concat()
}

fn plain(dice: &mut Dice, length: usize) -> String {
    dice.text(length, &alphabet(""))
}

fn url_safe(dice: &mut Dice, length: usize) -> String {
    dice.text(length - 1, &alphabet("-_")) + &dice.text(1, LETTERS)
}

pub(crate) fn base64(dice: &mut Dice, length: usize) -> String {
    dice.text(length - 1, &alphabet("+/")) + &dice.text(1, LETTERS)
}

/// A key that says whose it is.
pub(crate) fn key(dice: &mut Dice) -> String {
    let upper = [CAPITALS, "234567"].concat();
    let marked = |dice: &mut Dice, head: &str, half: usize| {
        let (one, two) = (url_safe(dice, half), url_safe(dice, half));
        format!("{head}{one}T3Blbk{}{two}", "FJ")
    };
    match dice.below(24) {
        0 => marked(dice, "sk-", 20),
        1 => marked(dice, "sk-proj-", 58),
        2 => marked(dice, "sk-svcacct-", 74),
        3 => format!("sk-ant-{}{}AA", "api03-", url_safe(dice, 93)),
        4 => format!("sk-or-{}{}", "v1-", dice.text(64, HEX)),
        5 => format!("sk_{}{}", "car_", plain(dice, 22)),
        6 => format!("sk{}{}", "_", dice.text(48, HEX)),
        7 => format!("gs{}{}", "k_", plain(dice, 52)),
        8 => format!("AI{}{}", "za", url_safe(dice, 35)),
        9 => format!("{}{}", dice.pick(&["AKIA", "ASIA"]), dice.text(16, &upper)),
        10 => format!(
            "gh{}_{}",
            dice.pick(&["p", "o", "u", "s", "r"]),
            plain(dice, 36)
        ),
        11 => format!("github{}{}_{}", "_pat_", plain(dice, 22), plain(dice, 59)),
        12 => format!("gl{}{}", "pat-", url_safe(dice, 20)),
        13 => format!(
            "xo{}{}-{}-{}",
            "xb-",
            dice.number(12),
            dice.number(12),
            plain(dice, 24)
        ),
        14 => format!("sk_{}{}", "live_", plain(dice, 24)),
        15 => format!("S{}{}.{}", "G.", url_safe(dice, 22), url_safe(dice, 43)),
        16 => format!("S{}{}", "K", dice.text(32, HEX)),
        17 => format!("hf{}{}", "_", dice.text(34, &[LETTERS, CAPITALS].concat())),
        18 => format!("pp{}{}", "lx-", plain(dice, 48)),
        19 => format!("np{}{}", "m_", plain(dice, 36)),
        20 => format!("xa{}{}", "i-", plain(dice, 80)),
        21 => format!("whs{}{}", "ec_", plain(dice, 32)),
        22 => format!("r8{}{}", "_", plain(dice, 37)),
        _ => format!("nva{}{}", "pi-", url_safe(dice, 64)),
    }
}

/// Letters and digits that only a name beside them makes a key.
pub(crate) fn nameless(dice: &mut Dice, length: usize) -> String {
    dice.text(length - 2, &[LETTERS, DIGITS].concat()) + "7k"
}

pub(crate) fn token(dice: &mut Dice) -> String {
    let head = dice.pick(&[
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
        "eyJhbGciOiJFUzI1NiJ9",
    ]);
    format!("{head}.eyJ{}.{}", plain(dice, 60), url_safe(dice, 43))
}

pub(crate) fn private_key(dice: &mut Dice, newline: &str) -> String {
    let kind = dice.pick(&["RSA ", "EC ", "", "OPENSSH ", "ENCRYPTED "]);
    let edge = |word: &str| format!("-----{word} {kind}PRIVATE{}KEY-----", " ");
    let lines: Vec<String> = (0..3).map(|_| base64(dice, 64)).collect();
    [edge("BEGIN"), lines.join(newline), edge("END")].join(newline)
}

pub(crate) fn password(dice: &mut Dice) -> String {
    let word = dice.pick(&["Quartz", "velvet", "Ember", "tundra", "Maple"]);
    match dice.below(4) {
        0 => format!(
            "{word}{}{}",
            dice.digits(3),
            dice.pick(&["!", "#", "%", "$"])
        ),
        1 => plain(dice, 14) + "7",
        2 => format!("{word}-raven-{}", dice.digits(4)),
        _ => format!("{word}{}", dice.digits(4)),
    }
}

pub(crate) fn credentials(dice: &mut Dice) -> String {
    format!(
        "{}:{}",
        dice.pick(&["admin", "bot", "svc"]),
        plain(dice, 14)
    )
}

pub(crate) fn wallet(dice: &mut Dice) -> String {
    match dice.below(2) {
        0 => format!("0x{}", dice.text(40, HEX)),
        _ => base58(dice),
    }
}

/// A Bitcoin address with its four bytes of a double hash.
fn base58(dice: &mut Dice) -> String {
    const SIGNS: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut bytes = vec![5];
    bytes.extend((0..20).map(|_| dice.below(256) as u8));
    let check = Sha256::digest(Sha256::digest(&bytes));
    bytes.extend(&check[..4]);
    let mut text = Vec::new();
    while bytes.iter().any(|byte| *byte > 0) {
        let mut rest = 0_u32;
        for byte in &mut bytes {
            let value = rest << 8 | u32::from(*byte);
            (*byte, rest) = ((value / 58) as u8, value % 58);
        }
        text.push(char::from(SIGNS[rest as usize]));
    }
    text.iter().rev().collect()
}
