//! What people and programs say, and what is left of it. Keys are put together here.

use campanile_redact::Redactor;

fn assert_masked(pairs: &[(&str, &str)]) {
    let redactor = Redactor::standard();
    for (text, masked) in pairs {
        assert_eq!(redactor.mask(text), *masked);
    }
}

#[test]
fn passwords_are_found_wherever_their_verb_stands() {
    assert_masked(&[
        (
            "I changed my password from Anchor127% to velvet-willow-6849",
            "I changed my password from [PASSWORD] to [PASSWORD]",
        ),
        (
            "the password i used was ember750",
            "the password i used was [PASSWORD]",
        ),
        (
            "it's asking for a password it's orchid dash quartz 66",
            "it's asking for a password it's [PASSWORD]",
        ),
        (
            "PGPASSWORD=!g5&~#eJRX1 psql -h db",
            "PGPASSWORD=[PASSWORD] psql -h db",
        ),
        (
            "password=aX9;y4b;Server=db",
            "password=[PASSWORD];Server=db",
        ),
        ("password=Abc1,def&user=jo", "password=[PASSWORD]&user=jo"),
        (
            r#"--password "%%CiV.u-MM6" -v"#,
            r#"--password "[PASSWORD]" -v"#,
        ),
        (
            "password from a1-b2-c3 to &j7KdI3",
            "password from [PASSWORD] to [PASSWORD]",
        ),
        (
            "jo@blue.net pass: maple_comet53",
            "[EMAIL] pass: [PASSWORD]",
        ),
        (
            "user=admin password=z1&d.pNH- host=db",
            "user=admin password=[PASSWORD] host=db",
        ),
        (
            "password equals tundracipher32",
            "password equals [PASSWORD]",
        ),
        (
            "the password from last year is gone",
            "the password from last year is gone",
        ),
        ("a password i can remember", "a password i can remember"),
    ]);
}

#[test]
fn keys_without_a_known_beginning_are_found_by_cookie_and_shape() {
    let random = ["qqV9JQKgm0dEqddZ", "XrmNgzc46rJgXby04uJ9vGGdrd8"].concat();
    let redactor = Redactor::standard();

    let letters = ["'sk_", "car_", "KdrJDcpVoJMVUUWJFPBNEL", "'"].concat();
    assert_eq!(redactor.mask(&letters), "'[KEY]'");
    for text in [
        "set-cookie: session={}; Path=/",
        "[tgp_v1_{}]",
        "newco_{} was refused",
        // Grouped like a UUID, but not of hex digits.
        "api key qqV9JQKg-m0dE-qddZ-XrmN-{}",
    ] {
        let text = text.replace("-{}", "-gzc46rJgXby0").replace("{}", &random);
        let masked = redactor.mask(&text);
        assert!(!masked.contains(&random[..8]), "{masked}");
    }
}

#[test]
fn codes_of_cards_and_codes_to_enter_are_found() {
    assert_masked(&[
        (
            "the pin code for the card is nine two eight nine",
            "the pin code for the card is [CODE]",
        ),
        ("Enter 939186 to log in", "Enter [CODE] to log in"),
        ("use 44 to sign up", "use 44 to sign up"),
    ]);
}

#[test]
fn what_people_say_between_written_digits_ends_no_number() {
    assert_masked(&[
        (
            "call my wife at 4 5 2 56 11 5 2 okay 7",
            "call my wife at [PHONE]",
        ),
        (
            "my account number is 8624 2115 5 and 9 38",
            "my account number is [ACCOUNT]",
        ),
        (
            "my card is 53 96 let me see 77 64 62 64 97 87 11",
            "my card is [CARD]",
        ),
    ]);
}

#[test]
fn who_is_called_is_a_number() {
    assert_masked(&[
        (
            "the nurse's line is three seven zero, five seven six, three three two three",
            "the nurse's line is [PHONE]",
        ),
        ("please jot down 768 541 21 93", "please jot down [PHONE]"),
        (
            "that would be 468 4 okay 6 51 er 4 87 for my cell",
            "that would be [PHONE] for my cell",
        ),
        ("line 88 of the file", "line 88 of the file"),
        (r#"{"to":"6606435465"}"#, r#"{"to":"[PHONE]"}"#),
        ("<sip:7046191970@192.0.2.7>", "<sip:[PHONE]@[IP]>"),
        (r#"{"from":"17","to":"29"}"#, r#"{"from":"17","to":"29"}"#),
    ]);
}

#[test]
fn secrets_are_found_beside_a_name_on_another_line() {
    let random = ["qqV9JQKgm0dEqddZ", "XrmNgzc46rJg"].concat();
    let texts = [
        "variable \"speech_api_key\" {\n  type = string\n  default = \"{}\"\n}",
        "- name: SESSION_SECRET\n  value: {}",
        "- name: DB_PASSWORD\n  value: {}",
        "requirepass: {}",
        "temporary password for the console: {} (until noon)",
        "kubectl create secret generic speech --from-literal=token={}",
    ];
    let redactor = Redactor::standard();

    for text in texts {
        let text = text.replace("{}", &random);
        let masked = redactor.mask(&text);
        assert!(
            !masked.contains("XrmN") && masked.len() + 24 > text.len(),
            "{masked}"
        );
    }
}

#[test]
fn secrets_in_urls_are_found() {
    let (id, random) = (
        "1234567890",
        ["AAqqV9JQKgm0dEqddZ", "XrmNgzc46rJgXby04uJ9"].concat(),
    );
    let redactor = Redactor::standard();

    for (before, secret, behind) in [
        (
            "https://hooks.slack.com/services/",
            format!("T0A1B2C3D4/B5E6F7G8H9/{random}"),
            " failed",
        ),
        (
            "https://discord.com/api/webhooks/",
            format!("{id}/{random}"),
            "\"",
        ),
        (
            "https://x.webhook.office.com/webhookb2/IncomingWebhook/",
            format!("{random}/{id}"),
            "",
        ),
        (
            "https://api.telegram.org/bot",
            format!("{id}:{random}"),
            "/sendMessage",
        ),
    ] {
        let masked = redactor.mask(&format!("{before}{secret}{behind}"));
        assert_eq!(masked, format!("{before}[KEY]{behind}"));
    }
    assert_masked(&[
        (
            "jdbc:oracle:thin:jo/Ember750@//db:1521/X",
            "jdbc:oracle:thin:[CREDENTIALS]@//db:1521/X",
        ),
        ("sqlplus jo/Ember750@//db/X", "sqlplus [CREDENTIALS]@//db/X"),
        (
            "postgres://$USER:$PASS@$HOST/db",
            "postgres://$USER:$PASS@$HOST/db",
        ),
    ]);
}

#[test]
fn ids_of_accounts_and_versions_stay() {
    let hex = "0123456789abcdef".repeat(2);
    let redactor = Redactor::standard();

    for text in [
        format!("twilio webhook CallSid=CA{hex} ringing"),
        format!("TWILIO_ACCOUNT_SID=AC{hex}"),
        "upgraded the codec to 4.8.1.2".to_owned(),
        "Chrome/120.0.0.0".to_owned(),
        "pub const LOCALBYPASS: _bindgen_ty_22 = 7".to_owned(),
    ] {
        assert_eq!(redactor.mask(&text), text);
    }
    let pair = redactor.mask(&format!("curl -u AC{hex}:{hex} https://api"));
    assert_eq!(pair, format!("curl -u AC{hex}:[KEY] https://api"));
}

#[test]
fn secrets_on_command_lines_are_found() {
    assert_masked(&[
        (
            "curl -u jo:Ember750 https://api.example.com",
            "curl -u [PASSWORD] https://api.example.com",
        ),
        (
            "curl -s --user 'jo:Ember750' https://x",
            "curl -s --user '[PASSWORD]' https://x",
        ),
        (
            "mysql -u root -pEmber750 calls",
            "mysql -u root -p[PASSWORD] calls",
        ),
        (
            "redis-cli -h db -a Ember750 ping",
            "redis-cli -h db -a [PASSWORD] ping",
        ),
        (
            "docker login -u bot -p Ember750 reg",
            "docker login -u bot -p [PASSWORD] reg",
        ),
        ("mysql -u root -p'Ember750'", "mysql -u root -p'[PASSWORD]'"),
        (
            "mysqldump -p\"Ember 750\" calls",
            "mysqldump -p\"[PASSWORD]\" calls",
        ),
        (
            "mysql -u root -p\"$PASS\" -e 'select 1750'",
            "mysql -u root -p\"$PASS\" -e 'select 1750'",
        ),
        (
            "curl -X POST \\\n  -u jo:Ember750 \\\n\t-s https://x",
            "curl -X POST \\\n  -u [PASSWORD] \\\n\t-s https://x",
        ),
        (
            "curl -X POST \\\n\t--user 'jo:Ember750' https://x",
            "curl -X POST \\\n\t--user '[PASSWORD]' https://x",
        ),
        (
            r#"{"cmd": "curl -u \"jo:Ember750\" https://x"}"#,
            r#"{"cmd": "curl -u \"[PASSWORD]\" https://x"}"#,
        ),
        (
            "curl https://x\nsort -u jo:Ember",
            "curl https://x\nsort -u jo:Ember",
        ),
        ("docker run -p 8080:80 nginx", "docker run -p 8080:80 nginx"),
        ("curl -u jo https://x", "curl -u jo https://x"),
        (
            "curl -u $USER:$PASS https://x",
            "curl -u $USER:$PASS https://x",
        ),
        ("mysql -P 3306 -h db", "mysql -P 3306 -h db"),
    ]);
}

#[test]
fn names_of_secrets_go_on() {
    let random = ["qqV9JQKgm0dEqddZ", "XrmNgzc46rJg"].concat();
    let redactor = Redactor::standard();

    for text in [
        "SECRET_KEY_BASE: {}",
        "API_KEY_PROD_2={}",
        "the api key, {}, was revoked",
    ] {
        let masked = redactor.mask(&text.replace("{}", &random));
        assert_eq!(masked, text.replace("{}", "[KEY]"));
    }
    let signed = ["whsec", "_", &random, "+b/c=="].concat();
    assert_eq!(redactor.mask(&signed), "[KEY]");
}

#[test]
fn a_code_is_neither_the_next_value_nor_an_errors() {
    assert_masked(&[
        (
            r#"charge({"cvv":"417","cents":9250,"zip":"60601"})"#,
            r#"charge({"cvv":"[CODE]","cents":9250,"zip":"60601"})"#,
        ),
        ("pin: 4417 code: 5519", "pin: [CODE] code: [CODE]"),
        ("the code for unit 12: 4417", "the code for unit 12: [CODE]"),
        (
            r#"level=warn msg="call rejected" code=31205"#,
            r#"level=warn msg="call rejected" code=31205"#,
        ),
        (
            r#"msg="delivery failed" otp=31205"#,
            r#"msg="delivery failed" otp=[CODE]"#,
        ),
        (
            "verification failed, code=31205",
            "verification failed, code=[CODE]",
        ),
    ]);
}

#[test]
fn of_a_tools_credentials_only_the_key_is_secret() {
    let key = format!("gh{}_{}", "s", "Zk9aB3xQ".repeat(5));
    assert_masked(&[
        (
            &format!("pull https://x-access-token:{key}@code.example/a.git"),
            "pull https://x-access-token:[KEY]@code.example/a.git",
        ),
        (
            &format!("pull https://oauth2:{key}@code.example/a.git"),
            "pull https://oauth2:[KEY]@code.example/a.git",
        ),
        (
            &format!("pull https://jo:{key}@code.example/a.git"),
            "pull https://[CREDENTIALS]@code.example/a.git",
        ),
        (
            "pull https://git:velvet-44@code.example/a.git",
            "pull https://[CREDENTIALS]@code.example/a.git",
        ),
    ]);
}

#[test]
fn the_name_of_a_variable_behind_another_stays() {
    let secret = "Zk9aB3xQ".repeat(5);
    assert_masked(&[
        (
            &format!("VOX_API_KEY=voxdev VOX_API_SECRET={secret}"),
            "VOX_API_KEY=voxdev VOX_API_SECRET=[KEY]",
        ),
        (
            &format!("API_KEY=dev SECRET={secret}"),
            "API_KEY=dev SECRET=[KEY]",
        ),
    ]);
}

#[test]
fn names_of_values_stay_and_passwords_that_begin_like_them_go() {
    assert_masked(&[
        ("amqp://jo:*abc1@mq/x", "amqp://[CREDENTIALS]@mq/x"),
        ("amqp://jo:{abc1@mq/x", "amqp://[CREDENTIALS]@mq/x"),
        ("amqp://jo:$Ember7@mq/x", "amqp://[CREDENTIALS]@mq/x"),
        ("password: $Ember750x", "password: [PASSWORD]"),
        ("password: '$E!mber750x'", "password: '[PASSWORD]'"),
        ("password: *Ember750x", "password: [PASSWORD]"),
    ]);
    for text in [
        "amqp://jo:***@mq/x",
        "amqp://jo:$PASS@mq/x",
        "amqp://jo:${PASS}@mq/x",
        "amqp://jo:{pass}@mq/x",
        "amqp://jo:[REDACTED]@mq/x",
        "amqp://jo:%s@mq/x",
        "password: $EMBER_750",
        "password=$(cat /run/secrets/db)",
        "$password = $_POST['password'];",
        "$password = $Env:DB_PASSWORD",
        "mysql -u root -p$MYSQL_PWD; exit",
    ] {
        assert_eq!(Redactor::standard().mask(text), text);
    }
}
