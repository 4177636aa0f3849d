//! Check digits and calendars: what makes a shape a fact.

use sha2::{Digest, Sha256};

/// Whether the check digit of these digits (values 0 to 9) is right.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| match (place % 2, u32::from(digit)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether an issuer gives out cards that begin like this and are this long.
pub(crate) fn issuer(digits: &[u8]) -> bool {
    let head = |length: usize| {
        digits
            .iter()
            .take(length)
            .fold(0_u32, |sum, &digit| sum * 10 + u32::from(digit))
    };
    let length = digits.len();
    match head(1) {
        4 => matches!(length, 13 | 16 | 19),
        2 => (2221..=2720).contains(&head(4)) && length == 16,
        5 => {
            (51..=55).contains(&head(2)) && length == 16
                || (50..=58).contains(&head(2)) && (13..=19).contains(&length) && head(2) != 51
        }
        3 => match head(2) {
            34 | 37 => length == 15,
            35 => (16..=19).contains(&length),
            30 | 36 | 38 | 39 => (14..=19).contains(&length),
            _ => false,
        },
        6 => (16..=19).contains(&length) || length >= 13 && matches!(head(2), 63 | 67),
        _ => false,
    }
}

/// Country and length of each IBAN.
const IBANS: &[u8] = b"AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18\
FR27GB22GE22GI23GL18GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28\
NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20";

/// How long an IBAN of this country is.
pub(crate) fn iban_length(country: [u8; 2]) -> Option<usize> {
    let country = country.map(|letter| letter.to_ascii_uppercase());
    let row = IBANS.chunks_exact(4).find(|row| row[..2] == country)?;
    Some(usize::from(row[2] - b'0') * 10 + usize::from(row[3] - b'0'))
}

/// Whether these letters and digits are an IBAN: the length of its country, and 1 modulo 97.
pub(crate) fn iban(compact: &[u8]) -> bool {
    let [a, b, c, d, rest @ ..] = compact else {
        return false;
    };
    if iban_length([*a, *b]) != Some(compact.len()) {
        return false;
    }
    rest.iter()
        .chain([a, b, c, d])
        .try_fold(0_u32, |sum, byte| match byte {
            b'0'..=b'9' => Some((sum * 10 + u32::from(byte - b'0')) % 97),
            _ if byte.is_ascii_alphabetic() => {
                Some((sum * 100 + u32::from(byte.to_ascii_uppercase() - b'A') + 10) % 97)
            }
            _ => None,
        })
        == Some(1)
}

/// Whether these nine digits are a routing number of a bank.
pub(crate) fn routing(digits: &[u8]) -> bool {
    let [a, b, ..] = digits else { return false };
    let district = a * 10 + b;
    let sum: u32 = digits
        .iter()
        .zip([3, 7, 1].into_iter().cycle())
        .map(|(&digit, weight)| u32::from(digit) * weight)
        .sum();
    digits.len() == 9
        && matches!(district, 0..=12 | 21..=32 | 61..=72 | 80)
        && sum.is_multiple_of(10)
}

/// Whether nine digits can be a social security number.
pub(crate) fn social(digits: &[u8]) -> bool {
    let number = |from: usize, to: usize| {
        digits[from..to]
            .iter()
            .fold(0_u32, |sum, &digit| sum * 10 + u32::from(digit))
    };
    digits.len() == 9
        && !matches!(number(0, 3), 0 | 666 | 900..)
        && number(3, 5) != 0
        && number(5, 9) != 0
}

/// Whether a base58 text ends with the right four bytes of its double SHA-256: a Bitcoin address.
pub(crate) fn base58(text: &[u8]) -> bool {
    const ALPHABET: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut number = [0_u8; 25];
    for byte in text {
        let Some(mut carry) = ALPHABET
            .iter()
            .position(|letter| letter == byte)
            .and_then(|at| u32::try_from(at).ok())
        else {
            return false;
        };
        for place in number.iter_mut().rev() {
            carry += u32::from(*place) * 58;
            *place = (carry & 0xff) as u8;
            carry >>= 8;
        }
        if carry != 0 {
            return false;
        }
    }
    let (body, check) = number.split_at(21);
    Sha256::digest(Sha256::digest(body))
        .as_slice()
        .starts_with(check)
}

/// Whether a `bc1` address has a right checksum, of either version.
pub(crate) fn bech32(text: &[u8]) -> bool {
    const ALPHABET: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const WEIGHTS: [u32; 5] = [
        0x3b6a_57b2,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    let step = |sum: u32, value: u32| {
        let top = sum >> 25;
        let next = ((sum & 0x01ff_ffff) << 5) ^ value;
        (0..5)
            .filter(|bit| (top >> bit) & 1 == 1)
            .fold(next, |sum, bit| sum ^ WEIGHTS[bit])
    };
    let prefix = b"bc"
        .iter()
        .map(|byte| u32::from(byte >> 5))
        .chain([0])
        .chain(b"bc".iter().map(|byte| u32::from(byte & 31)));
    let start = prefix.fold(1, step);
    let Some(body) = text.get(3..) else {
        return false;
    };
    let sum = body.iter().try_fold(start, |sum, byte| {
        let value = ALPHABET
            .iter()
            .position(|letter| *letter == byte.to_ascii_lowercase())?;
        Some(step(sum, u32::try_from(value).ok()?))
    });
    matches!(sum, Some(1 | 0x2bc8_30a3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|byte| byte - b'0').collect()
    }

    #[test]
    fn one_check_digit_of_ten_is_right() {
        let right = (0..10)
            .filter(|last| luhn(&[digits("411111111111111"), vec![*last]].concat()))
            .count();

        assert_eq!(right, 1);
    }

    #[test]
    fn issuers_of_the_second_mastercard_series_and_of_long_union_pay_cards_are_known() {
        assert!(issuer(&digits("2221000000000000")) && issuer(&digits("2720000000000000")));
        assert!(!issuer(&digits("2721000000000000")));
        assert!(issuer(&digits("6200000000000000000")));
        assert!(
            !issuer(&digits("1700000000000")),
            "milliseconds of an epoch"
        );
    }

    #[test]
    fn an_iban_needs_its_countrys_length_and_its_check_digits() {
        let right = ["GB82WEST", "12345698765432"].concat();

        assert!(iban(right.as_bytes()));
        assert!(!iban(right.replace("82", "83").as_bytes()));
        assert!(!iban(&right.as_bytes()[..21]));
    }

    #[test]
    fn routing_numbers_need_a_district_and_a_checksum() {
        assert!(routing(&digits("021000021")));
        assert!(!routing(&digits("021000022")) && !routing(&digits("990000000")));
    }

    #[test]
    fn social_security_numbers_need_valid_parts() {
        assert!(social(&digits("536904399")));
        assert!(!social(&digits("666904399")) && !social(&digits("900904399")));
        assert!(!social(&digits("536004399")) && !social(&digits("536900000")));
    }

    #[test]
    fn wallet_addresses_carry_checksums() {
        let old = ["1A1zP1eP5QGefi2DMPT", "fTL5SLmv7DivfNa"].concat();
        let new = ["bc1qar0srrr7xfkvy5l64", "3lydnw9re59gtzzwf5mdq"].concat();

        assert!(base58(old.as_bytes()) && !base58(old.replace("Na", "Nb").as_bytes()));
        assert!(bech32(new.as_bytes()) && !bech32(new.replace("mdq", "mdp").as_bytes()));
    }
}
