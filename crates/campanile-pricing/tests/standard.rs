//! The standard book as a whole.

use campanile_core::Timestamp;
use campanile_pricing::Book;

/// 2026-11-24T00:00:00Z
const TODAY: Timestamp = Timestamp(1_795_478_400_000_000);

#[test]
fn nothing_in_the_standard_book_is_wrong() {
    let problems = Book::standard().check(TODAY);

    let errors: Vec<_> = problems
        .iter()
        .filter(|problem| problem.is_error)
        .map(ToString::to_string)
        .collect();
    assert_eq!(errors, Vec::<String>::new());
}
