//! People who are asked for, greeted, who hold something or get something.

use campanile_redact::Redactor;

#[test]
fn who_is_asked_for_or_holds_something_has_a_name() {
    let redactor = Redactor::standard();
    for (text, masked) in [
        (
            "you have me down with missus vukovic",
            "you have me down with missus [NAME]",
        ),
        (
            "i saw doctor okonjo on friday",
            "i saw doctor [NAME] on friday",
        ),
        (
            "the table is booked under the name ilse dahlqvist",
            "the table is booked under the name [NAME]",
        ),
        (
            "it's under the name of okonjo",
            "it's under the name of [NAME]",
        ),
        (
            "ring 020 7946 0958 and ask for Thorsten",
            "ring [PHONE] and ask for [NAME]",
        ),
        (
            "my last name is okonjo spelled o k o n j o",
            "my last name is [NAME] spelled [NAME]",
        ),
        (
            "My name is spelled Ilse Dahlqvist, with an h",
            "My name is spelled [NAME], with an h",
        ),
        (
            "am i speaking with ilse dahlqvist",
            "am i speaking with [NAME]",
        ),
        (
            "Account holder Ilse Dahlqvist, opened in May",
            "Account holder [NAME], opened in May",
        ),
        (
            "The beneficiary is Ilse Dahlqvist.",
            "The beneficiary is [NAME].",
        ),
        ("name on card: Ilse Dahlqvist", "name on card: [NAME]"),
        (
            "The parcel belongs to Ilse Dahlqvist.",
            "The parcel belongs to [NAME].",
        ),
        (
            "Ship to Ilse Dahlqvist, 12 Oak Street",
            "Ship to [NAME], [ADDRESS]",
        ),
        (
            "mail it to okonjo at twelve oak street",
            "mail it to [NAME] at [ADDRESS]",
        ),
        (
            "Hello Thorsten, the lift is repaired",
            "Hello [NAME], the lift is repaired",
        ),
        ("hello okonjo how can i help", "hello [NAME] how can i help"),
    ] {
        assert_eq!(redactor.mask(text), masked);
    }
}

#[test]
fn rows_of_a_database_hold_people() {
    let redactor = Redactor::standard();
    for (text, masked) in [
        (
            "Failing row contains (9, Ilse Dahlqvist, ilse@example.com, 1971-02-09).",
            "Failing row contains (9, [NAME], [EMAIL], [BIRTH_DATE]).",
        ),
        (
            "VALUES ('Ilse Dahlqvist', 'ilse@example.com', '1971-02-09')",
            "VALUES ('[NAME]', '[EMAIL]', '[BIRTH_DATE]')",
        ),
        (
            "Failing row contains (9, ilse@example.com, 2025-02-09, t).",
            "Failing row contains (9, [EMAIL], 2025-02-09, t).",
        ),
        (
            "written by ilse@example.com, 1999-02-09, and others",
            "written by [EMAIL], 1999-02-09, and others",
        ),
        (
            "Write to Help Desk, help@example.com",
            "Write to Help Desk, [EMAIL]",
        ),
    ] {
        assert_eq!(redactor.mask(text), masked);
    }
}

#[test]
fn what_is_asked_for_has_none() {
    let redactor = Redactor::standard();
    for text in [
        "i'll miss work",
        "i was with a dr appointment",
        "it's stored under the name given in the file",
        "the order under the name provided failed",
        "press two and ask for assistance please",
        "dial 4471 and ask for catering",
        "am i speaking with billing",
        "send it to production at 5",
        "Ship to Costa Rica, 12 days",
        "Hi Everyone, welcome",
        "Hello World, again",
        "hi sir how can i help",
        "the name on the card is missing",
        "it belongs to the team",
    ] {
        assert_eq!(redactor.mask(text), text);
    }
}
