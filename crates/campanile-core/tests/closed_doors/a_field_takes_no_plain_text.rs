fn main() {
    let said = "my card is 4111".to_owned();
    let _ = campanile_core::FieldValue::Text(said);
}
