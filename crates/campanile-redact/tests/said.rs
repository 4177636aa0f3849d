//! Numbers as people say them on the telephone: with pauses, slips of the tongue, and a listener who repeats them.

use campanile_redact::Redactor;

fn assert_masked(pairs: &[(&str, &str)]) {
    let redactor = Redactor::standard();
    for (text, masked) in pairs {
        assert_eq!(redactor.mask(text), *masked);
    }
}

#[test]
fn a_pause_ends_no_number() {
    assert_masked(&[
        (
            "the card says five four five four uhh naught nine one two let me turn it three three eight six hang on a sec one one naught two",
            "the card says [CARD]",
        ),
        (
            "it's a discover 6011 let me read it 0009 9013 9424",
            "it's a discover [CARD]",
        ),
        (
            "the pin is naught four umm naught eight",
            "the pin is [CODE]",
        ),
        ("let me know by seven", "let me know by seven"),
        ("one moment please", "one moment please"),
    ]);
}

#[test]
fn a_digit_that_is_taken_back_ends_no_number() {
    assert_masked(&[
        (
            "call seven two two five no six not five eight one nine naught four four",
            "call [PHONE]",
        ),
        (
            "call plus four four two oh seven nine four six oh nine five i mean eight okay",
            "call [PHONE] okay",
        ),
        (
            "my social is five three six nine no oh not nine four three nine eight two",
            "my social is [SSN]",
        ),
        ("pick five not six", "pick five not six"),
    ]);
}

#[test]
fn a_number_that_is_said_again_is_a_second_one() {
    assert_masked(&[
        (
            "it is two one two five five five oh one two two got it two one two five five five oh one two two thanks",
            "it is [PHONE] got it [PHONE] thanks",
        ),
        (
            "visa four one one one one one one one one one one one one one one one so four one one one one one one one one one one one one one one one yes",
            "visa [CARD] so [CARD] yes",
        ),
    ]);
}

#[test]
fn groups_over_several_turns_are_one_number() {
    assert_masked(&[
        (
            "caller: five five two two\nagent: okay five five two two\ncaller: nine oh one\nagent: nine zero one, go ahead\ncaller: six six four",
            "caller: [PHONE]\nagent: okay [PHONE]\ncaller: [PHONE]\nagent: [PHONE], go ahead\ncaller: [PHONE]",
        ),
        (
            "caller: 5522\nagent: okay\ncaller: 901\nagent: go ahead\ncaller: 664",
            "caller: [PHONE]\nagent: okay\ncaller: [PHONE]\nagent: go ahead\ncaller: [PHONE]",
        ),
        (
            "caller: 5522\nagent: 5522\ncaller: 901\nagent: 901\ncaller: 664",
            "caller: [PHONE]\nagent: [PHONE]\ncaller: [PHONE]\nagent: [PHONE]\ncaller: [PHONE]",
        ),
        (
            "user: twelve of them\nbot: twelve, sure\nuser: yes",
            "user: twelve of them\nbot: twelve, sure\nuser: yes",
        ),
        (
            "{\"user\":1001,\"agent\":1002,\"host\":1003}",
            "{\"user\":1001,\"agent\":1002,\"host\":1003}",
        ),
        (
            "user 12345 user 12346 user 12347",
            "user 12345 user 12346 user 12347",
        ),
        (
            "client 1.2.3 host 1.2.4 agent 1.2.5",
            "client 1.2.3 host 1.2.4 agent 1.2.5",
        ),
        (
            "user 12345 and host 12346 and agent 12347",
            "user 12345 and host 12346 and agent 12347",
        ),
    ]);
}

#[test]
fn a_recognisers_signs_end_no_number() {
    assert_masked(&[
        (
            "Sure. 4 1 1, 111, 1111, 11, 11, 11. Next?",
            "Sure. [CARD]. Next?",
        ),
        ("card number 3714, 4963, 5398, 431", "card number [CARD]"),
        (
            "my phone number is 0 7 9 4 6. 0 9 5. 812, call me",
            "my phone number is [PHONE], call me",
        ),
        ("at 48.533455, 11.753823", "at 48.533455, 11.753823"),
        (
            "\"ani\": [0, 1, 2, 4, 6, 8, 9, 11]",
            "\"ani\": [0, 1, 2, 4, 6, 8, 9, 11]",
        ),
        (
            "latencies were 412, 388, 401, 365, 1204 ms",
            "latencies were 412, 388, 401, 365, 1204 ms",
        ),
    ]);
}

#[test]
fn the_words_around_say_what_a_number_is() {
    assert_masked(&[
        ("c v c is four naught two", "c v c is [CODE]"),
        ("your code is G-412907.", "your code is [CODE]."),
        (
            "the number on the account is two one two five five five oh one two two",
            "the number on the account is [PHONE]",
        ),
        ("Account Manager\n064 687 60 63", "Account Manager\n[PHONE]"),
        (
            "license number b as in boy seven seven four two one nine oh one two eight",
            "license number [LICENCE]",
        ),
        (
            "the birth date on the account is the fourth of may nineteen seventy one",
            "the birth date on the account is [BIRTH_DATE]",
        ),
    ]);
}

#[test]
fn addresses_of_mail_are_whole() {
    assert_masked(&[
        (
            "write to jo plus fox uh at live dot n l a minute later",
            "write to [EMAIL] a minute later",
        ),
        (
            "it is spelled jo dot f o x at proton dot me",
            "it is spelled [EMAIL]",
        ),
        ("mail the real jo fox at gmail dot com", "mail [EMAIL]"),
    ]);
}

#[test]
fn digits_are_said_in_many_ways() {
    assert_masked(&[
        (
            "my card is four one one one three fives two zeros nine nine one two three four five",
            "my card is [CARD]",
        ),
        (
            "my number is two one two five five five six thousand",
            "my number is [PHONE]",
        ),
        (
            "card four one one one gotcha one one one one perfect one one one one basically one one one one",
            "card [CARD]",
        ),
        (
            "social is five three six nine oh four three nine eight sorry about that nine",
            "social is [SSN]",
        ),
        (
            "the text i got says four five one two nine oh",
            "the text i got says [CODE]",
        ),
        (
            "the number on the back is four five one",
            "the number on the back is [CODE]",
        ),
        (
            "pass phrase is blue tiger forty two",
            "pass phrase is [PASSWORD]",
        ),
        ("the error message says 4041", "the error message says 4041"),
        (
            "the ones with five threes are ready",
            "the ones with five threes are ready",
        ),
        (
            "it was seven hundred thirty five dollars, two thousand five hundred in all",
            "it was seven hundred thirty five dollars, two thousand five hundred in all",
        ),
    ]);
}

#[test]
fn who_is_not_sure_of_a_password_says_it_all_the_same() {
    assert_masked(&[
        (
            "it asks for a password i believe it's copperlantern07",
            "it asks for a password i believe it's [PASSWORD]",
        ),
        (
            "the password i'm pretty sure it's raven nickel four nine",
            "the password i'm pretty sure it's [PASSWORD]",
        ),
        (
            "which password? I think it's Maple-44x",
            "which password? I think it's [PASSWORD]",
        ),
        (
            "the password for the portal, uh hold on, it's willow tango five two",
            "the password for the portal, uh hold on, it's [PASSWORD]",
        ),
        (
            "i forgot my password i think it's been two days",
            "i forgot my password i think it's been two days",
        ),
        (
            "a password i think it's ten characters",
            "a password i think it's ten characters",
        ),
        (
            "the password, which is 16-byte long, it's for user12345",
            "the password, which is 16-byte long, it's for user12345",
        ),
    ]);
}

#[test]
fn addresses_of_hosts_are_heard_by_their_four_numbers() {
    assert_masked(&[
        (
            "the modem says one seven two dot twenty dot one hundred and four dot double five okay",
            "the modem says [IP] okay",
        ),
        (
            "it answers at ninety eight dot 51 dot uh two oh nine dot seven",
            "it answers at [IP]",
        ),
        (
            "the dns is nine dot nine dot nine dot nine",
            "the dns is [IP]",
        ),
        (
            "we run version twenty one dot two hundred dot three dot four",
            "we run version twenty one dot two hundred dot three dot four",
        ),
        (
            "four dot eight dot one dot two broke it",
            "four dot eight dot one dot two broke it",
        ),
        (
            "from three point one four to two point seven one eight",
            "from three point one four to two point seven one eight",
        ),
        (
            "two hundred dot three hundred dot one dot one",
            "two hundred dot three hundred dot one dot one",
        ),
        (
            "one dot three dot six dot one dot forty one dot two",
            "one dot three dot six dot one dot forty one dot two",
        ),
        (
            "one two seven dot zero dot zero dot one",
            "one two seven dot zero dot zero dot one",
        ),
    ]);
}

#[test]
fn hosts_of_mail_are_heard_without_their_dot() {
    assert_masked(&[
        (
            "it's jo dot fox all one word at gmail dot com",
            "it's [EMAIL]",
        ),
        (
            "it's jo dot fox at hotmail com please",
            "it's [EMAIL] please",
        ),
        (
            "my email is a foxley at blue pine dot co dot uk",
            "my email is [EMAIL]",
        ),
        (
            "it's joannefoxley at blue pine dot co dot uk",
            "it's [EMAIL]",
        ),
        (
            "look for it at blue pine dot com",
            "look for it at blue pine dot com",
        ),
        (
            "it is rewritten at any point in time",
            "it is rewritten at any point in time",
        ),
    ]);
}

#[test]
fn groups_belong_together_whatever_stands_between() {
    assert_masked(&[
        (
            "Caller: 4 1 1 1... 1111... 1111, okay, 1111. Thanks.",
            "Caller: [CARD]. Thanks.",
        ),
        (
            "My social security number is 5 3 6. 90. 4399.",
            "My social security number is [SSN].",
        ),
        (
            "my work phone is 212 and 555 oh one two two",
            "my work phone is [PHONE]",
        ),
        (
            "social is 536 and 90 four three nine eight",
            "social is [SSN]",
        ),
        (
            "card 4111 and uh 111111 one double one one one one",
            "card [CARD]",
        ),
        ("between 200 and 300 people", "between 200 and 300 people"),
        (
            "Credit Union, I tried 0044 7911 123456 twice",
            "Credit Union, I tried [PHONE] twice",
        ),
        (
            "the driver license is x as in x-ray three eight... twenty five, um, two zero",
            "the driver license is [LICENCE]",
        ),
        (
            "driver license B774219? okay so um uh well 25 people came",
            "driver license [LICENCE]? okay so um uh well 25 people came",
        ),
        (
            "License: curl\n\nFiles: lib/a.c lib/b77.c",
            "License: curl\n\nFiles: lib/a.c lib/b77.c",
        ),
    ]);
}
