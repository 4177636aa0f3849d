//! Forms in which people say and programs write what must not be read: the line, and what becomes of it.

use campanile_redact::Redactor;

const FORMS: &str = r#"
charge it to four one no sorry one one one one um one one that's one one one let me see one one one one one → charge it to [CARD]
my card is four one one one got it one one one one one one one one one one one one → my card is [CARD]
the card is five won four seven four for four zero one eight four nine to seven two zero → the card is [CARD]
it's four one hundred one one one double one, and then one one one, dash one one one one okay → it's [CARD] okay
my card is 4111, 1111, 1111, 1111 thanks → my card is [CARD] thanks
the long number is 1 6 8 6 8 2 0 9 4 2 0 0 9 5 0 1 → the long number is [CARD]
call me at plus four four seven seven zero zero nine hundred one two three → call me at [PHONE]
one eight hundred five five five oh one two three → [PHONE]
it's nine two seven you know five five five oh one six two call anytime → it's [PHONE] call anytime
try me at two one two triple five oh one two three or at 85 52 23 34 60 → try me at [PHONE] or at [PHONE]
our office line is 5706 15 39 61 extension four two → our office line is [PHONE] extension four two
my tax id is five three six nine oh, four three nine nine → my tax id is [SSN]
mail b as in bravo o for oscar e at sign t dash online dot de please → mail [EMAIL] please
it's jo anne doe twenty one at g mail dot com → it's [EMAIL]
write to jodoe @ my company dot com → write to [EMAIL]
my iban is g like golf b for bravo eight two w e s t one two three four five six nine eight seven six five four three two → my iban is [IBAN]
my birthday's 7 slash 14 slash 1944 → my birthday's [BIRTH_DATE]
d.o.b. 14/07/1944 → d.o.b. [BIRTH_DATE]
the three digits on the back are nine forty eight → the three digits on the back are [CODE]
your one time password is six oh six four → your one time password is [CODE]
G-782352 is your verification code → [CODE] is your verification code
password's capital r aven dash oscar nine six exclamation mark → password's [PASSWORD]
my password is r as in romeo o for oscar c k two → my password is [PASSWORD]
the dl is b double four one one six o eight → the dl is [LICENCE]
the number is (030) 123-4567 or 030/81883530 → the number is [PHONE] or [PHONE]
5706153961 is the best number to call → [PHONE] is the best number to call
4846465737-fax, (845)936-8627 office → [PHONE]-fax, [PHONE] office
caller_id=<8 (953) 982-29-37> → caller_id=<[PHONE]>
GET /u?email=jo%40example.com&to=%2B12125550123 → GET /u?email=[EMAIL]&to=%2B[PHONE]
"accountNumber": "49129515012" → "accountNumber": "[ACCOUNT]"
dtmf digits=634186 → dtmf digits=[CODE]
<sip:7@f01d:bf29:1abb:8ba3:7e0a:b2ee:31b1:c27e:5060> → <sip:7@[IP]:5060>
remote=2001:db8:1::2:51234 timed out → remote=[IP]:51234 timed out
4111 1111 1111 1111 12/27 123 → [CARD] 12/27 [CODE]
<password>Velvet_38</password> → <password>[PASSWORD]</password>
ALTER USER a IDENTIFIED BY 'Velvet_38' → ALTER USER a IDENTIFIED BY '[PASSWORD]'
sshpass -p velvet38 ssh host → sshpass -p [PASSWORD] ssh host
the password for the portal is velvetBanana98 → the password for the portal is [PASSWORD]
wifi password velvet raven seven seven → wifi password [PASSWORD]
password -> !monkey76#T → password -> [PASSWORD]
please add 5645999252 to the account → please add [PHONE] to the account
i used to have 78 49 62 89 51 → i used to have [PHONE]
let me read it again 4571 4671 296 186 94 → let me read it again [CARD]
Card 4111 1111 1111 1111 / 123 → Card [CARD] / [CODE]
the card verification number is two six two → the card verification number is [CODE]
social security card number 3634 7 730 4 → social security card number [SSN]
the twenty first of april twenty oh eight is my birthday → [BIRTH_DATE] is my birthday
A/C no 42531008 → A/C no [ACCOUNT]
send it to golf bravo eight two w e s t one two three four five six nine eight seven six five four three two → send it to [IBAN]
"#;

#[test]
fn each_form_is_found_whole() {
    let redactor = Redactor::standard();
    let lines = FORMS.lines().filter_map(|line| line.split_once(" → "));

    for (text, masked) in lines {
        assert_eq!(redactor.mask(text), masked, "{text}");
    }
}

/// Prefixes of keys, put together with what follows them here.
#[test]
fn keys_are_known_by_what_they_begin_with() {
    let redactor = Redactor::standard();
    let (mixed, hex, long) = ("a1B2c3D4e5F6g7H8i9J0", "0123456789abcdef", "Zk9".repeat(19));
    let keys = [
        ["r8", "_", mixed, mixed].concat(),
        ["dapi", "", hex, hex].concat(),
        ["dp.pt", ".", mixed, mixed].concat(),
        ["hvs", ".", &long, ""].concat(),
        ["shpat", "_", hex, hex].concat(),
        ["lin_api", "_", mixed, mixed].concat(),
        ["AIza", "", mixed, mixed].concat(),
        ["ya29", ".", &long, ""].concat(),
        ["tskey-auth", "-", mixed, mixed].concat(),
        ["ops_", "eyJ", &long, "+/w"].concat(),
        ["1234567890", ":AA", mixed, "x1Y2z3A4b5C6d"].concat(),
        [hex, hex, "-us", "7"].concat(),
        ["pata1B2c3D4e5F6g7", ".", &hex.repeat(4), ""].concat(),
        ["a1B2c3D4e5F6g7", ".atlasv1.", &long, ""].concat(),
        ["ATCTT3x", "", mixed, mixed].concat(),
        ["ATATT3", "_", &long, "=1A2B3C4D"].concat(),
        ["ABSK", mixed, "+b/c", &long.repeat(2)].concat(),
    ];

    for key in keys {
        for (before, behind) in [("", ""), ("(", ")"), ("key ", ": no"), ("k=", "&x=1")] {
            let masked = redactor.mask(&format!("{before}{key}{behind}"));
            assert_eq!(masked, format!("{before}[KEY]{behind}"), "{}", &key[..6]);
        }
        // A slash ends user and password.
        if key.contains('/') {
            continue;
        }
        let url = redactor.mask(&format!("https://{key}@api.example.com/v1"));
        assert!(url.ends_with("]@api.example.com/v1"), "{url}");
    }
}
