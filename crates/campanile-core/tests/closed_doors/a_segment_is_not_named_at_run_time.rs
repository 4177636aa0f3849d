use campanile_core::{Owner, Segment, Span};

fn main() {
    let said = "my card is 4111".to_owned();
    let _ = Segment::new(&said, Owner::Provider, Span(0));
}
