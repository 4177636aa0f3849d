use campanile_core::{FieldValue, LogEvent};

fn main() {}

fn write(said: String, log: &mut LogEvent) {
    log.fields.push((said.as_str(), FieldValue::Int(1)));
}
