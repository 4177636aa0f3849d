fn main() {
    fn written(_: impl AsRef<str>) {}
    written(campanile_core::Content::new("my card is 4111"));
}
