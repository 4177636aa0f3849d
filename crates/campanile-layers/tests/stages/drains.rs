//! Reading on for the usage: how far, how long, how many at once.

use crate::support::*;
use campanile_core::{Handed, Intake, Meter, Outcome, Record, Span};
use campanile_layers::{
    CallLayer, DrainLayer, RedactLayer, Streaming, TimingLayer, UsageLayer, client,
};
use futures_util::{FutureExt, Stream, StreamExt, stream};
use std::time::Duration;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// Speaks for `items` seconds, under that layer.
fn speaker(
    intake: &Intake,
    drain: DrainLayer,
    items: u64,
) -> impl Service<
    Ask,
    Response = Streaming<impl Stream<Item = Result<Said, Trouble>> + Unpin + use<>>,
    Error = Trouble,
> + Clone
+ use<> {
    ServiceBuilder::new()
        .layer(CallLayer::new("tts", intake))
        .layer(RedactLayer::new())
        .layer(drain)
        .layer(UsageLayer::new())
        .layer(TimingLayer::new())
        .layer(client::streaming())
        .service(service_fn(move |_: Ask| async move {
            let items = stream::iter(0..items).then(|_| async {
                tokio::time::sleep(SECOND).await;
                Ok::<_, Trouble>(Said::default())
            });
            Ok::<_, Trouble>(items.boxed())
        }))
}

/// Drops a call of that speaker after its first word, and reads on.
async fn cut(intake: &Intake, drain: DrainLayer, items: u64) -> Record {
    let mut reply = speaker(intake, drain, items).oneshot(Ask).await.unwrap();
    reply.next().await.unwrap().unwrap();
    drop(reply);
    let record = only(intake);
    settle(intake).await;
    record
}

fn said(record: &Record) -> u64 {
    used(record).at_least(Meter::SpeechUs) / 10
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stream_is_read_to_its_end_and_told_late() {
    let intake = intake();

    let record = cut(&intake, DrainLayer::new(), 5).await;

    assert_eq!(said(&record), 5);
    let late = handed(&intake);
    assert!(!late.is_empty() && late.iter().all(|late| matches!(late, Handed::Late(_))));
    record.draft(|draft| {
        let attempt = &draft.attempts[0];
        assert_eq!(draft.outcome, Some(Outcome::Cancelled));
        assert_eq!(attempt.outcome, Some(Outcome::Cancelled));
        // Of the caller's one second.
        assert_eq!(attempt.items, Some(1));
        assert_eq!(attempt.first_item, Some(Span::from(SECOND)));
        assert_eq!(attempt.elapsed, Some(Span::from(SECOND)));
        assert_eq!(draft.spoken.unwrap().chars, 3);
    });
}

#[tokio::test(start_paused = true)]
async fn what_the_caller_saw_is_known_when_the_call_closes() {
    let intake = intake();
    let stage = speaker(&intake, DrainLayer::new(), 5);
    let mut reply = stage.oneshot(Ask).await.unwrap();
    reply.next().await.unwrap().unwrap();

    drop(reply);

    only(&intake).draft(|draft| {
        let attempt = &draft.attempts[0];
        assert_eq!(attempt.first_item, Some(Span::from(SECOND)));
        assert_eq!(attempt.elapsed, Some(Span::from(SECOND)));
        assert_eq!(attempt.items, Some(1));
        assert_eq!(draft.spoken.unwrap().chars, 3);
    });
    settle(&intake).await;
}

#[tokio::test(start_paused = true)]
async fn reading_on_is_bounded_in_items_and_in_time() {
    for (layer, heard) in [
        (DrainLayer::new().max_items(2), 3),
        (DrainLayer::new().within(SECOND * 5 / 2), 3),
        (DrainLayer::new().max_items(0), 1),
        (DrainLayer::new(), 11),
        (DrainLayer::new().within(50 * SECOND), 20),
    ] {
        let intake = intake();

        let record = cut(&intake, layer, 20).await;

        let bound = said(&record);
        // At ten seconds sharp either may come first: the tenth word, or the end of patience.
        assert!(
            bound == heard || heard == 11 && bound == 10,
            "{layer:?}: {bound}"
        );
        assert_eq!(intake.drains(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn so_many_at_once_and_the_others_hang_up() {
    let intake = intake();
    let stage = speaker(&intake, DrainLayer::new().max_tasks(2), 3);
    let mut replies = Vec::new();
    for _ in 0..5 {
        let mut reply = stage.clone().oneshot(Ask).await.unwrap();
        reply.next().await.unwrap().unwrap();
        replies.push(reply);
    }

    drop(replies);

    assert_eq!(intake.drains(), 2);
    let (closed, _) = closed_and_late(&intake);
    settle(&intake).await;
    let mut said: Vec<_> = closed.iter().map(said).collect();
    said.sort_unstable();
    assert_eq!(said, [1, 1, 1, 3, 3]);
    assert_eq!(intake.drains(), 0);
}

#[test]
fn without_a_runtime_it_hangs_up() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let (intake, reply) = runtime.block_on(async {
        let intake = intake();
        let stage = speaker(&intake, DrainLayer::new(), 3);
        let mut reply = stage.oneshot(Ask).await.unwrap();
        reply.next().await.unwrap().unwrap();
        (intake, reply)
    });

    drop(reply);

    let record = only(&intake);
    assert_eq!((said(&record), intake.drains()), (1, 0));
    assert_eq!(
        record.draft(|draft| draft.outcome),
        Some(Outcome::Cancelled)
    );
}

#[tokio::test(start_paused = true)]
async fn what_has_panicked_is_not_polled_again() {
    let intake = intake();
    let stage = ServiceBuilder::new()
        .layer(CallLayer::new("tts", &intake))
        .layer(DrainLayer::new())
        .layer(UsageLayer::new())
        .layer(client::streaming())
        .service(Script::<Pieces>::new(Ending::PanicInStream));
    let mut reply = stage.oneshot(Ask).await.unwrap();
    reply.next().await.unwrap().unwrap();

    let next = std::panic::AssertUnwindSafe(reply.next()).catch_unwind();
    assert!(next.await.is_err());
    drop(reply);

    assert_eq!(intake.drains(), 0);
    let record = only(&intake);
    assert_eq!(record.draft(|draft| draft.outcome), Some(Outcome::Panicked));
}
