use campanile_core::{Level, LogEvent, Timestamp};

fn main() {
    let said = "my card is 4111".to_owned();
    let _ = LogEvent::new(Timestamp(0), Level::Info, said.as_str());
}
