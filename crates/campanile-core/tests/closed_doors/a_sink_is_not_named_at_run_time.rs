use campanile_core::{Event, Sink};

struct Mine(String);

impl Sink for Mine {
    fn record(&self, _: &Event) {}

    fn name(&self) -> &str {
        &self.0
    }
}

fn main() {
    fn named(sink: &impl Sink) -> &'static str {
        sink.name()
    }
    named(&Mine("my card is 4111".to_owned()));
}
