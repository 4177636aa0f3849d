fn main() {
    let _ = campanile_core::Redacted("my card is 4111".into());
    let _: campanile_core::Redacted = "my card is 4111".to_owned().into();
}
