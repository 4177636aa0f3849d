//! One wire: nothing that a peer sends makes its decoder panic, and where the bytes are cut changes nothing.

use campanile_core::{Facts, Frame, Noted, Tally, Usage};
use campanile_protocols::Inclusive;
use campanile_protocols::family::Reports;

/// The first byte says how a peer sends; the second, how long the pieces are.
pub fn feed(make: impl Fn() -> Box<dyn Reports>, data: &[u8]) {
    let [way, length, data @ ..] = data else {
        return;
    };
    match way % 4 {
        0 => {
            let frames = data.split(|byte| *byte == b'\n');
            let texts: Vec<_> = frames.map(String::from_utf8_lossy).collect();
            read(make(), texts.iter().map(|text| Frame::Text(text)));
        }
        1 => _ = read(make(), [Frame::Binary(data)]),
        _ => {
            let whole = read(make(), [Frame::Body(data)]);
            let length = usize::from(*length).max(1);
            let cut = read(make(), data.chunks(length).map(Frame::Body));
            assert_eq!(whole, cut, "a cut changed what was read");
        }
    }
}

fn read<'a>(
    mut decoder: Box<dyn Reports>,
    frames: impl IntoIterator<Item = Frame<'a>>,
) -> (Inclusive, Usage) {
    let (tally, mut noted) = (Tally::default(), Noted::new());
    for frame in frames {
        decoder.received(frame, &mut noted);
        noted.usage(&tally);
        noted.clear();
    }
    decoder.ended(&mut noted);
    noted.usage(&tally);
    let usage = tally.snapshot();
    for (meter, count) in usage.iter() {
        let holds = count.at_most.is_none_or(|most| count.at_least <= most);
        assert!(holds, "{meter:?} has bounds the wrong way round: {count:?}");
    }
    (decoder.inclusive().clone(), usage)
}
