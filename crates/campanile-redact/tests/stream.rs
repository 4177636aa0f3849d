//! Laws of the stream, on texts made of the things that hide at borders.

use campanile_redact::{Kind, Policy, Redactor, Stream};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

/// Texts in which something begins, goes on or ends anywhere. No literal here looks like a real key.
fn fragment() -> impl Strategy<Value = String> {
    let key = ["s", "k-", "proj-a1B2c3D4e5F6g7H8i9J0k1L2"].concat();
    let begin = ["-----BEGIN RSA PRIV", "ATE KEY-----\n"].concat();
    let end = ["-----END RSA PRIV", "ATE KEY-----"].concat();
    let fixed: Vec<String> = [
        " ",
        ", ",
        "\n",
        "hello there ",
        "my card is ",
        "4111 1111 1111 1111",
        "four one one one ",
        "double one ",
        "um ",
        "one ",
        "the password is ",
        "Quartz853%",
        "jo dot doe at example dot com",
        "bob@example.com",
        "+1 212 555 0123",
        "call me at ",
        "born on may 4 1970",
        "MIIEvQ/AbCd+0123456789abcdef\n",
        "電話",
        "é",
        "{\"a\":[1,2],\"b\":\"c\"}",
        "a@",
        "://",
        "-----BEGIN",
        "eyJ",
        "[CARD]",
        "http://u:p@h.example/x?token=abcdef123",
        "192.0.2.7",
        "GB82 WEST 1234 5698 7654 32",
        "my name is Anna Berg",
        "abcdefghij0123456789",
        "send it to 12 oak street",
        "iban d e eight nine three seven oh four",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([key, begin, end])
    .collect();
    prop_oneof![8 => prop::sample::select(fixed), 1 => "[ -~]{0,12}", 1 => "\\PC{0,4}"]
}

fn text() -> impl Strategy<Value = String> {
    let repeated = (fragment(), 1_usize..80).prop_map(|(piece, times)| piece.repeat(times));
    prop::collection::vec(prop_oneof![6 => fragment(), 1 => repeated], 0..40)
        .prop_map(|pieces| pieces.concat())
}

fn whole(redactor: &Redactor, text: &str) -> String {
    let mut out = String::new();
    let mut stream = redactor.stream();
    stream.push(text, &mut out);
    stream.finish(&mut out);
    out
}

/// Pushes `text` cut at `cuts`; checks on the way that little is held.
fn cut(mut stream: Stream, text: &str, cuts: &[usize]) -> String {
    let mut out = String::new();
    let mut from = 0;
    let mut places: Vec<usize> = cuts
        .iter()
        .map(|cut| text.floor_char_boundary(cut % (text.len() + 1)))
        .collect();
    places.sort_unstable();
    for place in places.into_iter().chain([text.len()]) {
        stream.push(&text[from..place], &mut out);
        assert!(
            stream.held_bytes() <= 512
                || text.contains("-----BEGIN") && stream.held_bytes() <= 4096
        );
        from = place;
    }
    stream.finish(&mut out);
    out
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
    fn the_output_does_not_depend_on_the_cuts(text in text(), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        let redactor = Redactor::standard();

        prop_assert_eq!(cut(redactor.stream(), &text, &cuts), whole(&redactor, &text));
    }

    #[test]
    fn byte_by_byte_is_the_same_as_whole(text in text()) {
        let redactor = Redactor::standard();
        let every: Vec<usize> = (0..text.len()).collect();

        prop_assert_eq!(cut(redactor.stream(), &text, &every), whole(&redactor, &text));
    }
}

/// 100,000 cuts: each text in two, at every seventh place of it in turn.
#[test]
fn a_hundred_thousand_cuts_change_nothing() {
    let redactor = Redactor::standard();
    let seed = proptest::test_runner::TestRng::from_seed(
        proptest::test_runner::RngAlgorithm::ChaCha,
        &[7; 32],
    );
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(cases(), seed);
    let mut cuts = 0;
    while cuts < 100_000 {
        let mut text = text().new_tree(&mut runner).expect("a text").current();
        // Longer than what is held; longer ones are cut by the law above.
        text.truncate(text.floor_char_boundary(900));
        let whole = whole(&redactor, &text);
        // Places near each other are near the same find: a stride that hits any of them sooner or later.
        for place in (cuts % 7..text.len()).step_by(7) {
            assert_eq!(
                cut(redactor.stream(), &text, &[place]),
                whole,
                "{place}: {text:?}"
            );
            cuts += 1;
        }
    }
}

#[test]
fn a_short_text_streams_as_it_masks() {
    let redactor = Redactor::standard();
    let text = "my card is four one one one double one one one oh five two three four five six seven thanks";

    assert_eq!(whole(&redactor, text), redactor.mask(text));
    assert_eq!(redactor.mask(text), "my card is [CARD] thanks");
}

#[test]
fn a_private_key_longer_than_the_window_is_one_tag() {
    let redactor = Redactor::standard();
    let body = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789+/AbCdEfGhIjKlMnOp\n".repeat(300);
    let [begin, end] = ["BEGIN", "END"].map(|side| format!("-----{side} {} KEY-----", "PRIVATE"));

    assert_eq!(
        whole(&redactor, &format!("before {begin}\n{body}{end} after")),
        "before [PRIVATE_KEY] after"
    );
    assert_eq!(
        whole(&redactor, &format!("before {begin}\n{body}")),
        "before [PRIVATE_KEY]"
    );
}

#[test]
fn an_endless_word_is_swallowed_and_what_follows_is_not() {
    let redactor = Redactor::standard();
    let word = "ab0cd1ef".repeat(400);

    assert_eq!(whole(&redactor, &format!("x {word} y")), "x [UNSCANNED] y");
}

#[test]
fn endless_numbers_are_one_tag() {
    let redactor = Redactor::standard();
    let text = format!("so {}thanks", "one two ".repeat(2_000));

    assert_eq!(whole(&redactor, &text), "so [NUMBER] thanks");
}

#[test]
fn harmless_text_passes_unchanged_whatever_its_script() {
    let redactor = Redactor::standard();
    for text in [
        "we will see how it goes and then decide ".repeat(60),
        "今日は天気がいいですね".repeat(90),
        r#"{"a":[1,2,3],"b":"c"},"#.repeat(120),
    ] {
        assert_eq!(whole(&redactor, &text), text);
    }
}

#[test]
fn the_stream_counts_what_it_masks() {
    let redactor = Redactor::new(Policy::new()).unwrap();
    let mut out = String::new();
    let mut stream = redactor.stream();

    stream.push(&"mail bob@example.com now ".repeat(50), &mut out);

    assert_eq!(stream.finish(&mut out).of(Kind::Email), 50);
}
