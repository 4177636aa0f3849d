use campanile_core::{Name, SessionId};

fn main() {
    let said = "my card is 4111".to_owned();
    let _: Name = said.clone().into();
    let _: SessionId = said.into();
}
