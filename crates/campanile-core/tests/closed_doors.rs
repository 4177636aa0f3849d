//! What people say cannot be written by accident: each of these programs is refused by the compiler.

#[test]
fn each_door_is_closed_by_type() {
    trybuild::TestCases::new().compile_fail("tests/closed_doors/*.rs");
}
