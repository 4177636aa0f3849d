use campanile_core::Name;

fn main() {
    let said = "my card is 4111".to_owned();
    let _ = Name::from_static(&said);
}
