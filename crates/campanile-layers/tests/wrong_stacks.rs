//! Wrong stacks do not compile, and the first lines of each error say what to do.

#[test]
fn wrong_stacks_are_told_what_to_do() {
    trybuild::TestCases::new().compile_fail("tests/wrong_stacks/*.rs");
}
