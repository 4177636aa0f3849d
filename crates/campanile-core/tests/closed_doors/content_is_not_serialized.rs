fn main() {
    fn written(_: impl serde::Serialize) {}
    written(campanile_core::Content::new("my card is 4111"));
}
