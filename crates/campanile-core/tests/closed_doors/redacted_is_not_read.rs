fn main() {
    let _: campanile_core::Redacted = serde_json::from_str("\"my card is 4111\"").unwrap();
}
