//! Street addresses, told and written.

use campanile_redact::Redactor;

#[test]
fn streets_are_found_behind_any_number_that_leads_to_one() {
    let redactor = Redactor::standard();
    for (text, masked) in [
        (
            "can you come to sixty four twelve quince hollow unit b tomorrow",
            "can you come to [ADDRESS] tomorrow",
        ),
        (
            "come to 38 quince lane ring twice",
            "come to [ADDRESS] ring twice",
        ),
        (
            "a pipe burst at ninety three quince court and it's wet",
            "a pipe burst at [ADDRESS] and it's wet",
        ),
        (
            "He bought 8 Quince Court Unit E in 2018.",
            "He bought [ADDRESS] in 2018.",
        ),
        (
            "sold at 80 Quince Court Unit E in 2018.",
            "sold at [ADDRESS] in 2018.",
        ),
        (
            "mail 12 Quince Street, New Haven, CT 06510 please",
            "mail [ADDRESS] please",
        ),
        (
            "mail 12 Quince Street, Eastham, ME 04101 please",
            "mail [ADDRESS] please",
        ),
        ("12 Quince Street Eastham ME\nthanks", "[ADDRESS]\nthanks"),
    ] {
        assert_eq!(redactor.mask(text), masked);
    }
}

#[test]
fn numbers_that_lead_to_none_stay() {
    let redactor = Redactor::standard();
    for text in [
        "it comes to two hundred dollars",
        "at 30 frames per second drive",
        "it is 40 mph in court",
        "from 10 to 20 on the road",
        "at 9 the court opens",
    ] {
        assert_eq!(redactor.mask(text), text);
    }
    let street = redactor.mask("On 12 Quince Street, ID cards are checked");
    assert_eq!(street, "On [ADDRESS], ID cards are checked");
}
