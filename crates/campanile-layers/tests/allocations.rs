//! What a full stack allocates once it is warm: nothing.

use allocation_counter::measure;
use campanile_core::{Clock, Facts, Handed, Ids, Intake, Meter, Session, Tally};
use campanile_layers::{
    CallLayer, ErrorLayer, RedactLayer, TimingLayer, UsageLayer, classify, client,
};
use futures_util::{FutureExt, StreamExt, stream};
use std::convert::Infallible;
use std::future::ready;
use tower::{Service, ServiceBuilder, service_fn};

/// How many pieces to speak.
struct Ask(u64);

impl Facts for Ask {
    fn usage(&self, tally: &Tally) {
        tally.add(Meter::Characters, self.0);
    }
}

struct Said;

impl Facts for Said {
    fn usage(&self, tally: &Tally) {
        tally.add(Meter::SpeechUs, 20_000);
    }
    fn spoken(&self) -> Option<&str> {
        Some("la ")
    }
}

/// As a recorder does: takes everything over, and gives the room back.
fn drain(intake: &Intake, room: &mut Vec<Handed>) -> usize {
    intake.take(room);
    let mut closed = 0;
    for handed in room.drain(..) {
        if let Handed::Closed(record) = handed {
            closed += 1;
            intake.recycle(record);
        }
    }
    closed
}

#[test]
fn neither_an_item_nor_a_call_allocates_in_steady_state() {
    let intake = Intake::new(Clock::system(), Ids::seeded(1));
    let session = Session::begin(&intake, None);
    let turn = session.turn();
    let scope = turn.clone();
    let mut stack = ServiceBuilder::new()
        .layer(
            CallLayer::new("tts", &intake)
                .scope(move |_: &Ask| Some(scope.clone()))
                .label("voice", "ada"),
        )
        .layer(ErrorLayer::new(classify::error::<Infallible>))
        .layer(
            UsageLayer::new()
                .provider("cartesia")
                .model("sonic-3-with-a-long-name"),
        )
        .layer(RedactLayer::new())
        .layer(TimingLayer::new())
        .layer(client::streaming())
        .service(service_fn(|ask: Ask| {
            ready(Ok::<_, Infallible>(
                stream::iter(0..ask.0).map(|_| Ok::<_, Infallible>(Said)),
            ))
        }));
    let mut call = |items| {
        let reply = stack.call(Ask(items)).now_or_never().expect("ready");
        let mut reply = reply.expect("infallible");
        let mut heard = 0;
        while let Some(Some(Ok(Said))) = reply.next().now_or_never() {
            heard += 1;
        }
        assert_eq!(heard, items);
    };
    let mut room = Vec::new();
    // Each shard of the table gets its room once.
    for _ in 0..1_000 {
        call(3);
        drain(&intake, &mut room);
    }

    let mut closed = 0;
    let short = measure(|| {
        for _ in 0..100 {
            call(1);
            closed += drain(&intake, &mut room);
        }
    });
    let long = measure(|| {
        call(10_000);
        closed += drain(&intake, &mut room);
    });

    assert_eq!(closed, 101);
    assert_eq!(short.count_total, 0, "of 100 calls");
    assert_eq!(long.count_total, 0, "of 10,000 items");
    // The counter counts.
    assert_eq!(
        measure(|| drop(std::hint::black_box(Box::new(1)))).count_total,
        1
    );
}
