fn main() {
    let said = campanile_core::Content::new("my card is 4111");
    let _: String = said.into();
}
