//! Each rule finds its kind; switched off, it does not. Keys are put together here: none stands in this file.

use std::collections::BTreeSet;

use campanile_redact::{Kind, Mode, Policy, Redactor};

struct Example {
    rule: &'static str,
    kind: Kind,
    text: String,
    masked: &'static str,
}

/// `{}` in `text` stands for `secret`.
fn example(
    rule: &'static str,
    kind: Kind,
    text: &str,
    secret: &[&str],
    masked: &'static str,
) -> Example {
    Example {
        rule,
        kind,
        text: text.replace("{}", &secret.concat()),
        masked,
    }
}

fn secrets() -> Vec<Example> {
    let body = "a1B2c3D4e5F6g7H8i9J0k1L2";
    let hex = "0123456789abcdef0123456789abcdef";
    let head = "eyJhbGciOiJIUzI1NiJ9";
    vec![
        example(
            "private_key",
            Kind::PrivateKey,
            "k={}\nAbC+/\n{}\nx",
            &["-----BEGIN PRIV", "ATE KEY-----"],
            "k=[PRIVATE_KEY]",
        ),
        example(
            "jwt",
            Kind::Jwt,
            "session={}; x",
            &[head, ".", "eyJzdWIiOiIxIn0", ".", "c2ln"],
            "session=[JWT]; x",
        ),
        example(
            "url_credentials",
            Kind::UrlCredentials,
            "redis://bot:{}@cache:6379/0",
            &["An/chor", "44?"],
            "redis://[CREDENTIALS]@cache:6379/0",
        ),
        example(
            "url_credentials",
            Kind::UrlCredentials,
            "amqp://bot:{}@mq.example.org:5672/",
            &["p@", "ss!w"],
            "amqp://[CREDENTIALS]@mq.example.org:5672/",
        ),
        example(
            "key_prefix",
            Kind::ApiKey,
            "bad ({}): gone",
            &["s", "k-proj-", body],
            "bad ([KEY]): gone",
        ),
        example(
            "key_prefix",
            Kind::ApiKey,
            "used {}]",
            &["gh", "p_", body],
            "used [KEY]]",
        ),
        example(
            "key_prefix",
            Kind::ApiKey,
            "é{}é",
            &["SG", ".", body, ".", body],
            "é[KEY]é",
        ),
        example(
            "key_shape",
            Kind::ApiKey,
            "id {}&x",
            &["AK", "IA", "QWERTYUIOPASDFGH"],
            "id [KEY]&x",
        ),
        example(
            "key_name",
            Kind::ApiKey,
            "deepgram key {} was rejected",
            &[hex, "01234567"],
            "deepgram key [KEY] was rejected",
        ),
        example(
            "key_name",
            Kind::ApiKey,
            r#""secretAccessKey": "{}""#,
            &["Ab/", "cd+", body, "0123456789"],
            r#""secretAccessKey": "[KEY]""#,
        ),
        example(
            "query_secret",
            Kind::ApiKey,
            "GET /v1?model=x&token={}&tier=1",
            &["abc", "def"],
            "GET /v1?model=x&token=[KEY]&tier=1",
        ),
        example(
            "password",
            Kind::Password,
            "login with password '{}' failed",
            &["whLavM", "QpxMqZ"],
            "login with password '[PASSWORD]' failed",
        ),
        example(
            "password",
            Kind::Password,
            "DB_PASSWORD='{}'",
            &["Tr0ub4", "dor~3"],
            "DB_PASSWORD='[PASSWORD]'",
        ),
        example(
            "password",
            Kind::Password,
            "the password is {} all one word",
            &["velvet", "otter42"],
            "the password is [PASSWORD] all one word",
        ),
        example(
            "password",
            Kind::Password,
            r#"{\"password\":\"{}\"}"#,
            &["abc", "123!"],
            r#"{\"password\":\"[PASSWORD]\"}"#,
        ),
    ]
}

fn written() -> Vec<Example> {
    let plain = |rule, kind, text: &str, masked| example(rule, kind, text, &[], masked);
    vec![
        plain(
            "email",
            Kind::Email,
            "write to Jo.Doe+x@mail.internal now",
            "write to [EMAIL] now",
        ),
        plain(
            "iban",
            Kind::Iban,
            "to gb82 west 1234 5698 7654 32 today",
            "to [IBAN] today",
        ),
        plain("card", Kind::Card, "7 4111-1111-1111-1111 2", "7 [CARD] 2"),
        plain(
            "misheard_card",
            Kind::Card,
            "credit card 410 96 585 3127 64 26 did",
            "credit card [CARD] did",
        ),
        plain(
            "wallet",
            Kind::Crypto,
            "to 0x52908400098527886E0F7030069857D2E4169EE7 ok",
            "to [WALLET] ok",
        ),
        plain(
            "mac",
            Kind::Mac,
            "client c7:de:d4:cb:d3:fb joined",
            "client [MAC] joined",
        ),
        plain(
            "spoken_ip",
            Kind::Ip,
            "it says ninety eight dot five dot ten dot seven here",
            "it says [IP] here",
        ),
        plain(
            "birth_row",
            Kind::BirthDate,
            "Failing row contains (9, jo@example.com, 1971-02-09).",
            "Failing row contains (9, [EMAIL], [BIRTH_DATE]).",
        ),
        plain("ip_v4", Kind::Ip, "from 192.0.2.7:443", "from [IP]:443"),
        plain(
            "ip_v6",
            Kind::Ip,
            "peer [2001:db8::69]:443",
            "peer [[IP]]:443",
        ),
        plain(
            "social",
            Kind::Ssn,
            "it is 536-90-4399 ok",
            "it is [SSN] ok",
        ),
        plain(
            "social_by_cue",
            Kind::Ssn,
            "ssn is 9363 694 04",
            "ssn is [SSN]",
        ),
        plain(
            "phone_international",
            Kind::Phone,
            "ring +44 (0)20 7946 0317 x12",
            "ring [PHONE]",
        ),
        plain(
            "phone_national",
            Kind::Phone,
            "Err(\"408 895 8714\")",
            "Err(\"[PHONE]\")",
        ),
        plain(
            "phone_national",
            Kind::Phone,
            "Err(\"01611496038\")",
            "Err(\"[PHONE]\")",
        ),
        plain(
            "phone_national",
            Kind::Phone,
            "001-936-032-1235x843",
            "[PHONE]",
        ),
        plain(
            "driver_licence",
            Kind::DriverLicence,
            "my license: S99-47-3342",
            "my license: [LICENCE]",
        ),
        plain(
            "phone_by_cue",
            Kind::Phone,
            "the best number for me is 803 55 50 196",
            "the best number for me is [PHONE]",
        ),
        plain(
            "account",
            Kind::BankAccount,
            "account number 95369351, thanks",
            "account number [ACCOUNT], thanks",
        ),
        plain(
            "routing",
            Kind::BankAccount,
            "routing 021000021",
            "routing [ACCOUNT]",
        ),
        plain(
            "driver_licence",
            Kind::DriverLicence,
            "driver's license D123-4567-8901 ok",
            "driver's license [LICENCE] ok",
        ),
        plain(
            "birth_date",
            Kind::BirthDate,
            "(DOB September 15, 1960)",
            "(DOB [BIRTH_DATE])",
        ),
        plain(
            "code",
            Kind::AuthCode,
            "PIN 8881 please",
            "PIN [CODE] please",
        ),
        plain(
            "street",
            Kind::Address,
            "at 162 Stan Avenue, Springfield today",
            "at [ADDRESS] today",
        ),
        plain(
            "name_cue",
            Kind::Person,
            "INVITE from \"Zed Quux\" <sip:a>",
            "INVITE from \"[NAME]\" <sip:a>",
        ),
        plain(
            "given_name",
            Kind::Person,
            "so Michael Quux agreed",
            "so [NAME] agreed",
        ),
        plain(
            "name_of_mail",
            Kind::Person,
            "Zed Quux <zq@example.hu>",
            "[NAME] <[EMAIL]>",
        ),
        plain(
            "home_folder",
            Kind::Person,
            "open /home/quux/x failed",
            "open /home/[NAME]/x failed",
        ),
    ]
}

fn spoken() -> Vec<Example> {
    let plain = |rule, kind, text: &str, masked| example(rule, kind, text, &[], masked);
    vec![
        plain(
            "spoken_email",
            Kind::Email,
            "is t h o r seven at mail dot example dot org ok",
            "is [EMAIL] ok",
        ),
        plain(
            "spoken_email",
            Kind::Email,
            "it's will underscore o'neil nine at mail dot example dot org",
            "it's [EMAIL]",
        ),
        plain(
            "spoken_iban",
            Kind::Iban,
            "iban d e eight nine three seven oh four oh oh four four ok",
            "iban [IBAN] ok",
        ),
        plain(
            "spoken_card",
            Kind::Card,
            "so sixty five ninety six um twenty seven ninety seven double eight one two three four ok",
            "so [CARD] ok",
        ),
        plain(
            "spoken_phone",
            Kind::Phone,
            "reach me at four oh four triple five oh double one three",
            "reach me at [PHONE]",
        ),
        plain(
            "spoken_number",
            Kind::Number,
            "it was four oh four nine nine one two ok",
            "it was [NUMBER] ok",
        ),
        plain(
            "social_by_cue",
            Kind::Ssn,
            "my social is five three six nine oh four three nine nine",
            "my social is [SSN]",
        ),
        plain(
            "account",
            Kind::BankAccount,
            "the account number is oh oh two oh five eight seven",
            "the account number is [ACCOUNT]",
        ),
        plain(
            "birth_date",
            Kind::BirthDate,
            "born the twenty fourth of september nineteen forty one ok",
            "born [BIRTH_DATE] ok",
        ),
        plain(
            "code",
            Kind::AuthCode,
            "the code they texted me is ninety one seventy three",
            "the code they texted me is [CODE]",
        ),
        plain(
            "name_cue",
            Kind::Person,
            "this is quux from the front desk",
            "this is [NAME] from the front desk",
        ),
        plain(
            "address_cue",
            Kind::Address,
            "send it to forty four eighty eight quux cliff unit a please",
            "send it to [ADDRESS] please",
        ),
    ]
}

fn examples() -> Vec<Example> {
    [secrets(), written(), spoken()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn each_rule_finds_its_kind() {
    let redactor = Redactor::standard();

    for Example {
        rule,
        kind,
        text,
        masked,
    } in examples()
    {
        let finds = redactor.scan(&text);
        assert!(
            finds
                .iter()
                .any(|find| find.kind == kind && find.rule == rule),
            "{rule}: {text:?} {finds:?}"
        );
        assert!(
            redactor.mask(&text).starts_with(masked),
            "{rule}: {:?}",
            redactor.mask(&text)
        );
    }
}

#[test]
fn masking_again_changes_nothing() {
    let redactor = Redactor::standard();

    for Example { rule, text, .. } in examples() {
        let masked = redactor.mask(&text);
        assert_eq!(redactor.mask(&masked), masked, "{rule}");
    }
}

#[test]
fn a_kind_that_is_kept_is_not_looked_for() {
    let standard = Redactor::standard();

    for Example {
        rule, kind, text, ..
    } in examples()
    {
        let without = Redactor::new(Policy::new().mode(kind, Mode::Keep)).unwrap();
        assert!(
            without.scan(&text).iter().all(|find| find.kind != kind),
            "{rule}"
        );
        assert_ne!(without.mask(&text), standard.mask(&text), "{rule}");
    }
}

#[test]
fn every_kind_has_an_example() {
    let shown: BTreeSet<Kind> = examples().iter().map(|example| example.kind).collect();

    let missing: Vec<_> = Kind::ALL
        .iter()
        .filter(|kind| !shown.contains(kind))
        .collect();

    assert_eq!(missing, [&Kind::Custom, &Kind::Unscanned]);
}
