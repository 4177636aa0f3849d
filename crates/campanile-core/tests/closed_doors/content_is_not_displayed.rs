fn main() {
    let said = campanile_core::Content::new("my card is 4111");
    println!("{said}");
}
