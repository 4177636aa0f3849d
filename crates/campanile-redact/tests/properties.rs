//! Laws of the redactor for every text.

use campanile_redact::{Kind, Redactor, measure};
use proptest::prelude::*;

/// Words, signs and things to find, in any order.
fn fragment() -> impl Strategy<Value = String> {
    const FIXED: &[&str] = &[
        "hello",
        "my",
        "card",
        "phone",
        "is",
        "at",
        "dot",
        "com",
        "one",
        "double",
        "seven",
        "twenty",
        "and",
        "the",
        "code",
        "account",
        "password",
        "Quartz853%",
        "4111 1111 1111 1111",
        "bob@example.com",
        "(212) 555-0123",
        "192.0.2.7",
        "536-90-4399",
        "Anna Berg",
        "dr",
        "born",
        "May 4, 1970",
        "send it to",
        "12 Oak Street",
        "http://u:p@h.example/?key=abcdef1",
        "-----BEGIN",
        "eyJ",
        "[CARD]",
        "[",
        "***",
        ":",
        "=",
        "\"",
        "é",
        "電話",
        "ß1",
        "iban",
        "GB82",
        "/home/quux/",
        "0x",
        "::1",
    ];
    prop_oneof![8 => prop::sample::select(FIXED).prop_map(str::to_owned), 1 => "\\PC{0,6}", 1 => "[0-9 .-]{0,24}"]
}

fn text() -> impl Strategy<Value = String> {
    let separator = prop::sample::select(&[" ", " ", " ", "", "\n", ", "][..]);
    prop::collection::vec((fragment(), separator), 0..30).prop_map(|pieces| {
        pieces
            .into_iter()
            .map(|(piece, separator)| piece + separator)
            .collect()
    })
}

/// A card with a right check digit, in one of the ways that people write it.
fn card() -> impl Strategy<Value = String> {
    (
        "4[0-9]{14}",
        prop::sample::select(&["", " ", "-", ".", "\u{a0}", " - "][..]),
    )
        .prop_map(|(head, separator)| {
            let digits: Vec<u32> = head.chars().filter_map(|c| c.to_digit(10)).collect();
            let sum: u32 = digits
                .iter()
                .enumerate()
                .map(|(at, digit)| {
                    if at % 2 == 0 {
                        digit * 2 / 10 + digit * 2 % 10
                    } else {
                        *digit
                    }
                })
                .sum();
            let whole = format!("{head}{}", (10 - sum % 10) % 10);
            whole
                .as_bytes()
                .chunks(4)
                .map(|group| std::str::from_utf8(group).expect("ASCII digits"))
                .collect::<Vec<_>>()
                .join(separator)
        })
}

/// A few hundred texts; `PROPTEST_CASES=100000` for a long run.
fn cases() -> ProptestConfig {
    let count = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|count| count.parse().ok());
    ProptestConfig {
        cases: count.unwrap_or(300),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn finds_are_sorted_disjoint_and_at_borders_of_characters(text in text()) {
        let finds = Redactor::standard().scan(&text);

        prop_assert!(finds.windows(2).all(|pair| pair[0].end <= pair[1].start));
        prop_assert!(finds.iter().all(|find| find.start < find.end && text.get(find.start..find.end).is_some()));
    }

    #[test]
    fn a_second_pass_leaves_tags_alone(text in text()) {
        let redactor = Redactor::standard();
        let masked = redactor.mask(&text);
        let tags: usize = Kind::ALL.iter().map(|kind| masked.matches(&kind.tag()).count()).sum();

        let again = redactor.mask(&masked);

        let kept: usize = Kind::ALL.iter().map(|kind| again.matches(&kind.tag()).count()).sum();
        prop_assert!(kept >= tags, "{masked:?} {again:?}");
    }

    #[test]
    fn text_around_never_frees_a_card(before in text(), card in card(), after in text()) {
        let text = format!("{before} {card} {after}");
        let place = before.len() + 1..before.len() + 1 + card.len();

        let finds = Redactor::standard().scan(&text);

        let covered = |at: usize| finds.iter().any(|find| (find.start..find.end).contains(&at));
        let free = place.filter(|at| text.as_bytes()[*at].is_ascii_digit() && !covered(*at)).count();
        prop_assert_eq!(free, 0, "{:?}", text);
    }

    #[test]
    fn anything_at_all_is_read_without_a_panic(text in "\\PC{0,200}") {
        let counts = Redactor::standard().mask_into(&text, &mut String::new());

        prop_assert_eq!(counts.of(Kind::Unscanned), 0);
        prop_assert_eq!(measure(&text).chars, text.chars().count() as u64);
    }
}

#[test]
fn hostile_text_ends() {
    let redactor = Redactor::standard();
    for piece in [
        "a@",
        "1 ",
        "one ",
        "-----BEGIN",
        "sk-",
        "eyJ.",
        "key=",
        "://",
        "password ",
        "f:",
        "[",
        "at dot ",
        "a.",
        "send it to 1 ",
    ] {
        let text = piece.repeat(60_000 / piece.len());
        assert!(
            redactor
                .mask_into(&text, &mut String::new())
                .of(Kind::Unscanned)
                == 0,
            "{piece}"
        );
    }
}

/// Texts that an earlier version got wrong.
#[test]
fn cards_beside_other_numbers_are_found() {
    let redactor = Redactor::standard();
    let [first, second] = ["4000000000000002", "4191 6632 0500 0009"];

    assert_eq!(
        redactor.mask(&format!("{first} (212) 555-0123hello")),
        "[CARD] (212) 555-0123hello"
    );
    assert!(
        !redactor
            .mask(&format!("536-90-4399  {second} hello"))
            .contains("0009")
    );
}
