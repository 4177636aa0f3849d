fn main() {
    fn fails(_: impl std::error::Error) {}
    fails(campanile_core::Content::new("my card is 4111"));
}
