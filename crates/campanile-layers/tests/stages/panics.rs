//! Bugs of observers stay with them, panics of the stage reach the caller as they were.

use crate::support::*;
use campanile_core::{Facts, Failure, FailureKind, Meter, Moment, Outcome, Record, Served, Tally};
use campanile_layers::{
    CallLayer, Carries, End, ErrorLayer, Follow, Observe, Probe, RedactLayer, Reply, Streaming,
    TimingLayer, Unary, Upload, UsageLayer, client,
};
use futures_util::{FutureExt, StreamExt, stream};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::task::{Context, Poll};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

/// Where a probe panics.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Observe,
    Replied,
    Item,
    Span,
    End,
    Drop,
}

/// Watches, and panics there.
#[derive(Clone, Copy)]
struct Clumsy(At);

impl<C: Carries, R: Reply, E> Observe<C, R, E> for Clumsy {
    type Probe = ClumsyProbe;
    fn observe(&self, _request: &mut C) -> ClumsyProbe {
        assert!(self.0 != At::Observe, "clumsy");
        ClumsyProbe(self.0)
    }
}

struct ClumsyProbe(At);

impl<R: Reply, E> Probe<R, E> for ClumsyProbe {
    fn replied(&mut self, _record: &Record, _head: &R::Head) {
        assert!(self.0 != At::Replied, "clumsy");
    }
    fn item(&mut self, _record: &Record, _item: &R::Item) {
        assert!(self.0 != At::Item, "clumsy");
    }
    fn span(&self) -> Option<tracing::Span> {
        assert!(self.0 != At::Span, "clumsy");
        None
    }
    fn end(self, _record: &Record, _end: End<'_, R, E>) {
        // What a panic brings along may panic when it is dropped.
        if self.0 == At::End {
            panic_any(Spiteful);
        }
    }
}

impl Drop for ClumsyProbe {
    fn drop(&mut self) {
        assert!(self.0 != At::Drop, "clumsy");
    }
}

struct Spiteful;

impl Drop for Spiteful {
    fn drop(&mut self) {
        panic!("spiteful");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clumsy_probe_disturbs_nobody_however_the_call_ends() {
    for at in [
        At::Observe,
        At::Replied,
        At::Item,
        At::Span,
        At::End,
        At::Drop,
    ] {
        for ending in Ending::ALL {
            let intake = intake();
            let stack = ServiceBuilder::new()
                .layer(CallLayer::new("tts", &intake))
                .layer_fn(|inner| Follow::new(inner, Clumsy(at)))
                .layer(UsageLayer::new())
                .layer(client::streaming())
                .service(Script::<Pieces>::new(ending));

            let ended = AssertUnwindSafe(hear(ending, stack.oneshot(Ask))).catch_unwind();

            assert_eq!(ended.await.is_err(), ending.panics(), "{at:?} {ending:?}");
            let record = only(&intake);
            let outcome = record.draft(|draft| draft.outcome);
            let expected = match ending {
                Ending::Done => Outcome::Completed,
                Ending::Failed | Ending::Broke => Outcome::Failed,
                _ if ending.panics() => Outcome::Panicked,
                _ => Outcome::Cancelled,
            };
            assert_eq!(outcome, Some(expected), "{at:?} {ending:?}");
            let meets = match at {
                At::Observe | At::Span | At::End | At::Drop => true,
                At::Replied | At::Item => ending == Ending::Done || ending.is_inside(),
            };
            let failed = record.draft(|draft| draft.observer_failed);
            assert_eq!(failed, u32::from(meets), "{at:?} {ending:?}");
        }
    }
}

async fn hear<S>(ending: Ending, answer: impl Future<Output = Result<Streaming<S>, Trouble>>)
where
    S: futures_util::Stream<Item = Result<Said, Trouble>> + Unpin,
{
    let mut answer = Box::pin(answer);
    match ending {
        Ending::DroppedUnpolled | Ending::DroppedBefore => {
            assert!(answer.as_mut().now_or_never().is_none());
        }
        _ => {
            let Ok(mut reply) = answer.await else { return };
            while let Some(Ok(_)) = reply.next().await {
                if ending == Ending::DroppedInside {
                    return;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_live_stream_dropped_by_its_callers_panic_is_cancelled() {
    let intake = intake();
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new("tts", &intake))
        .layer_fn(|inner| Follow::new(inner, Clumsy(At::End)))
        .layer(client::streaming())
        .service(Script::<Pieces>::new(Ending::Done));
    let mut reply = stack.oneshot(Ask).await.unwrap();
    reply.next().await.unwrap().unwrap();

    let unwound = catch_unwind(AssertUnwindSafe(move || {
        let _held = reply;
        panic!("the caller's own");
    }));

    assert_eq!(
        unwound.unwrap_err().downcast_ref::<&str>(),
        Some(&"the caller's own")
    );
    let record = only(&intake);
    let seen = record.draft(|draft| (draft.outcome, draft.observer_failed));
    assert_eq!(seen, (Some(Outcome::Cancelled), 1));
}

/// A panic's own value.
#[derive(Debug, PartialEq)]
struct Ticket(u32);

#[tokio::test(start_paused = true)]
async fn the_panic_of_a_stage_reaches_the_caller_unchanged() {
    let intake = intake();
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new("tts", &intake))
        .layer(ErrorLayer::new(|_: &Trouble| {
            Failure::new(FailureKind::Server)
        }))
        .layer_fn(|inner| Follow::new(inner, Clumsy(At::End)))
        .layer(UsageLayer::new())
        .layer(RedactLayer::new())
        .layer(TimingLayer::new())
        .layer(client::streaming())
        .service(service_fn(async |_: Ask| {
            let pieces = stream::iter([false, true]).map(|last| {
                if last {
                    resume_unwind(Box::new(Ticket(7)));
                }
                Ok::<_, Trouble>(Said::default())
            });
            Ok::<_, Trouble>(pieces)
        }));
    let mut reply = stack.oneshot(Ask).await.unwrap();
    reply.next().await.unwrap().unwrap();

    let panicked = AssertUnwindSafe(reply.next()).catch_unwind().await;

    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&Ticket(7)));
    let record = only(&intake);
    assert_eq!(record.draft(|draft| draft.outcome), Some(Outcome::Panicked));
    assert_eq!(used(&record).at_least(Meter::SpeechUs), 10);
}

/// Says the worst of everything, in one method.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Liar {
    Usage,
    Spoken,
    Failure,
    Served,
    Moment,
    Honest,
}

impl Facts for Liar {
    fn usage(&self, tally: &Tally) {
        assert!(*self != Liar::Usage, "lies");
        tally.add(Meter::SpeechUs, 10);
    }
    fn spoken(&self) -> Option<&str> {
        assert!(*self != Liar::Spoken, "lies");
        Some("la")
    }
    fn failure(&self) -> Option<Failure> {
        assert!(*self != Liar::Failure, "lies");
        None
    }
    fn served(&self, _served: &mut Served) {
        assert!(*self != Liar::Served, "lies");
    }
    fn moment(&self) -> Moment {
        assert!(*self != Liar::Moment, "lies");
        Moment::Piece
    }
}

const LIARS: [Liar; 5] = [
    Liar::Usage,
    Liar::Spoken,
    Liar::Failure,
    Liar::Served,
    Liar::Moment,
];

#[tokio::test(start_paused = true)]
async fn facts_that_panic_lose_neither_the_call_nor_what_later_items_say() {
    for liar in LIARS {
        let intake = intake();
        let stack = ServiceBuilder::new()
            .layer(CallLayer::new("tts", &intake))
            .layer(UsageLayer::new())
            .layer(RedactLayer::new())
            .layer(TimingLayer::new())
            .layer(client::streaming())
            .service(service_fn(move |_: Ask| async move {
                let items = [Liar::Honest, liar, Liar::Honest];
                Ok::<_, Trouble>(stream::iter(items).map(Ok::<_, Trouble>))
            }));

        let reply = stack.oneshot(Ask).await.unwrap();
        assert_eq!(reply.count().await, 3);

        let record = only(&intake);
        let seen = record.draft(|draft| (draft.outcome, draft.observer_failed > 0));
        assert_eq!(seen, (Some(Outcome::Completed), true), "{liar:?}");
        let honest = used(&record).at_least(Meter::SpeechUs);
        assert_eq!(
            honest,
            if liar == Liar::Usage { 20 } else { 30 },
            "{liar:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_facts_panic_is_watched_all_the_same() {
    for liar in LIARS {
        let intake = intake();
        let stack = ServiceBuilder::new()
            .layer(CallLayer::new("tts", &intake))
            .layer(UsageLayer::new().provider("acme"))
            .layer(client::unary())
            .service(service_fn(
                async |_: Liar| Ok::<_, Trouble>(Said::default()),
            ));

        let Unary(_) = stack.oneshot(liar).await.unwrap();

        let record = only(&intake);
        record.draft(|draft| {
            assert_eq!(draft.attempts[0].served.provider.as_deref(), Some("acme"));
            assert_eq!(draft.attempts[0].outcome, Some(Outcome::Completed));
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_scope_a_classifier_and_a_listener_may_panic() {
    struct Nosy;
    impl<H, S: futures_util::Stream, R: Reply, E> Observe<campanile_layers::Sending<H, S>, R, E>
        for Nosy
    {
        type Probe = Silent;
        fn observe(&self, request: &mut campanile_layers::Sending<H, S>) -> Silent {
            request.on_sent(|| Box::new(|_| panic!("nosy")));
            Silent
        }
    }
    struct Silent;
    impl<R: Reply, E> Probe<R, E> for Silent {
        fn end(self, _record: &Record, _end: End<'_, R, E>) {}
    }
    let intake = intake();
    let stack = ServiceBuilder::new()
        .layer(CallLayer::streamed("stt", &intake).scope(|_: &Upload<_, _>| panic!("scope")))
        .layer(ErrorLayer::new(|_: &Trouble| panic!("classifier")))
        .layer(UsageLayer::new())
        .layer_fn(|inner| Follow::new(inner, Nosy))
        .layer(client::unary().upload())
        .service(Script::<Said>::new(Ending::Failed));

    let failed = stack
        .oneshot(Upload::new(Ask, stream::iter([Audio, Audio])))
        .await;

    assert_eq!(failed.unwrap_err(), Trouble);
    let record = only(&intake);
    record.draft(|draft| {
        assert_eq!(draft.observer_failed, 3);
        assert_eq!(draft.failure.as_ref().unwrap().kind, FailureKind::Unknown);
    });
    assert_eq!(used(&record).at_least(Meter::AudioUs), 40);
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_caller_waits_for_readiness_is_a_call_that_panicked() {
    struct Trap;
    impl Service<Ask> for Trap {
        type Response = Said;
        type Error = Trouble;
        type Future = std::future::Pending<Result<Said, Trouble>>;
        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Trouble>> {
            resume_unwind(Box::new(Ticket(9)))
        }
        fn call(&mut self, _: Ask) -> Self::Future {
            unreachable!("never ready")
        }
    }
    let intake = intake();
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new("tts", &intake))
        .layer(client::unary())
        .service(Trap);

    let panicked = AssertUnwindSafe(stack.oneshot(Ask)).catch_unwind().await;

    let Err(payload) = panicked else {
        panic!("it panics")
    };
    assert_eq!(payload.downcast_ref(), Some(&Ticket(9)));
    let seen = only(&intake).draft(|draft| (draft.outcome, draft.reason.clone()));
    assert_eq!(seen, (Some(Outcome::Panicked), Some("not_ready".into())));
    assert_eq!(intake.given_up(), 0);
}
