//! Between other people's middleware: buffers, retries, timeouts, limits, boxes, tasks.

use crate::support::*;
use campanile_core::{
    Facts, Failure, FailureKind, Handed, Intake, Meter, Moment, Outcome, Record, Session, Span,
};
use campanile_layers::{
    Call, CallLayer, DrainLayer, ErrorLayer, TimingLayer, Unary, UsageLayer, classify, client,
};
use futures_util::future::{BoxFuture, FutureExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use tower::retry::Policy;
use tower::util::BoxCloneService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// Answers after a second; of the first `fails` calls with trouble.
fn flaky(fails: u32) -> impl Service<Ask, Response = Said, Error = Trouble, Future: Send> + Clone {
    let calls = Arc::new(AtomicU32::new(0));
    service_fn(move |_: Ask| {
        let failed = calls.fetch_add(1, Relaxed) < fails;
        async move {
            tokio::time::sleep(SECOND).await;
            if failed {
                Err(Trouble)
            } else {
                Ok(Said::default())
            }
        }
    })
}

fn outcome(record: &Record) -> Option<Outcome> {
    record.draft(|draft| draft.outcome)
}

fn kind(record: &Record) -> Option<FailureKind> {
    record.draft(|draft| draft.failure.as_ref().map(|failure| failure.kind))
}

/// Tries up to three times.
#[derive(Clone)]
struct Thrice(u32);

impl<Q: Clone, T, E> Policy<Q, T, E> for Thrice {
    type Future = std::future::Ready<()>;
    fn retry(&mut self, _request: &mut Q, result: &mut Result<T, E>) -> Option<Self::Future> {
        self.0 += 1;
        (result.is_err() && self.0 < 3).then(|| std::future::ready(()))
    }
    fn clone_request(&mut self, request: &Q) -> Option<Q> {
        Some(request.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_a_failure_of_that_kind() {
    let intake = intake();
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new("tts", &intake))
        .layer(ErrorLayer::new(classify::boxed))
        .timeout(SECOND / 2)
        .layer(UsageLayer::new())
        .layer(client::unary())
        .service(flaky(0));

    stack.oneshot(Ask).await.unwrap_err();

    let record = only(&intake);
    assert_eq!(outcome(&record), Some(Outcome::Failed));
    assert_eq!(kind(&record), Some(FailureKind::Timeout));
    record.draft(|draft| {
        assert_eq!(draft.attempts[0].outcome, Some(Outcome::Cancelled));
    });
    assert_eq!(used(&record).at_least(Meter::Characters), 5);
}

#[tokio::test(start_paused = true)]
async fn a_shed_call_is_overloaded_and_uses_nothing() {
    let intake = intake();
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new("tts", &intake))
        .layer(ErrorLayer::new(classify::boxed))
        .load_shed()
        .concurrency_limit(1)
        .layer(UsageLayer::new())
        .layer(client::unary())
        .service(flaky(0));
    let mut first = stack.clone();
    let held = first.ready().await.unwrap().call(Ask);

    stack.clone().oneshot(Ask).await.unwrap_err();

    let (closed, _) = closed_and_late(&intake);
    assert_eq!(kind(&closed[0]), Some(FailureKind::Overloaded));
    assert!(closed[0].draft(|draft| draft.attempts.is_empty()));
    held.await.unwrap();
    assert_eq!(outcome(&only_of(&intake)), Some(Outcome::Completed));
}

/// The one call that was closed since this was asked last.
fn only_of(intake: &Intake) -> Record {
    let (mut closed, _) = closed_and_late(intake);
    assert_eq!(closed.len(), 1);
    closed.remove(0)
}

#[tokio::test(start_paused = true)]
async fn each_try_is_an_attempt_with_its_own_usage_and_failure() {
    for fails in 0..=3 {
        let intake = intake();
        let stack = ServiceBuilder::new()
            .layer(CallLayer::new("tts", &intake))
            .layer(ErrorLayer::new(classify::error))
            .retry(Thrice(0))
            .layer(UsageLayer::new())
            .layer(ErrorLayer::new(|_: &Trouble| {
                Failure::new(FailureKind::Server)
            }))
            .layer(TimingLayer::new())
            .layer(client::unary())
            .service(flaky(fails));

        let answer = stack.oneshot(Ask).await;

        let record = only(&intake);
        assert_eq!(answer.is_ok(), fails < 3);
        assert_eq!(kind(&record), (fails == 3).then_some(FailureKind::Unknown));
        let tries = used_by_attempt(&record);
        assert_eq!(tries.len() as u32, (fails + 1).min(3));
        assert!(
            tries
                .iter()
                .all(|used| used.at_least(Meter::Characters) == 5)
        );
        record.draft(|draft| {
            for (n, attempt) in (1..).zip(&draft.attempts) {
                let failed = n <= fails;
                assert_eq!((attempt.n, attempt.failure.is_some()), (n, failed));
                assert_eq!(attempt.outcome == Some(Outcome::Failed), failed);
                assert_eq!(attempt.elapsed, Some(Span::from(SECOND)));
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_try_that_came_good_is_no_failure_of_the_call() {
    let intake = intake();
    // Above the attempt, this layer cannot know that the call goes on.
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new("tts", &intake))
        .retry(Thrice(0))
        .layer(ErrorLayer::new(classify::error))
        .layer(UsageLayer::new())
        .layer(client::unary())
        .service(flaky(1));

    stack.oneshot(Ask).await.unwrap();

    assert_eq!(kind(&only(&intake)), None);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_read_on_does_not_disturb_the_next() {
    let intake = intake();
    let calls = Arc::new(AtomicU32::new(0));
    let client = service_fn(move |_: Ask| {
        let slow = calls.fetch_add(1, Relaxed) == 0;
        async move {
            tokio::time::sleep(if slow { 2 * SECOND } else { SECOND / 4 }).await;
            Ok::<_, Trouble>(Said::default())
        }
    });
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new("tts", &intake))
        .retry(Thrice(0))
        .timeout(SECOND)
        .layer(DrainLayer::new())
        .layer(UsageLayer::new())
        .layer(TimingLayer::new())
        .layer(client::unary())
        .service(client);

    let Unary(_) = stack.oneshot(Ask).await.unwrap();
    let (closed, _) = closed_and_late(&intake);
    settle(&intake).await;

    let (again, late) = closed_and_late(&intake);
    assert_eq!((closed.len(), again.len(), late > 0), (1, 0, true));
    let (record, said) = (&closed[0], used_by_attempt(&closed[0]));
    assert_eq!(outcome(record), Some(Outcome::Completed));
    assert!(said.iter().all(|used| used.at_least(Meter::SpeechUs) == 10));
    record.draft(|draft| {
        let of = |n: usize| &draft.attempts[n];
        assert_eq!(of(0).outcome, Some(Outcome::Cancelled));
        assert_eq!(of(0).elapsed, Some(Span::from(SECOND)));
        assert_eq!(of(1).outcome, Some(Outcome::Completed));
        assert_eq!(
            (of(1).items, of(1).elapsed),
            (Some(1), Some(Span::from(SECOND / 4)))
        );
    });
}

#[tokio::test(start_paused = true)]
async fn a_barge_in_while_queued_is_cancelled_with_its_reason() {
    let intake = intake();
    let turn = Session::begin(&intake, None).turn();
    let scope = turn.clone();
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new("tts", &intake).scope(move |_: &Ask| Some(scope.clone())))
        .layer(ErrorLayer::new(classify::boxed))
        .buffer(8)
        .concurrency_limit(1)
        .layer(UsageLayer::new())
        .layer(client::unary())
        .service(flaky(0));
    let first = tokio::task::unconstrained(stack.clone().oneshot(Ask));
    let mut first = Box::pin(first);
    assert!(first.as_mut().now_or_never().is_none());
    tokio::time::sleep(SECOND / 4).await;
    assert!(first.as_mut().now_or_never().is_none());
    let mut queued = Box::pin(stack.clone().oneshot(Ask));
    assert!(queued.as_mut().now_or_never().is_none());
    tokio::time::sleep(SECOND / 4).await;

    turn.interrupt("barge_in");
    drop(queued);

    let record = only_of(&intake);
    assert_eq!(outcome(&record), Some(Outcome::Cancelled));
    assert_eq!(
        record.draft(|draft| draft.reason.clone()).as_deref(),
        Some("barge_in")
    );
    assert!(record.draft(|draft| draft.attempts.is_empty()));
    first.await.unwrap();
    assert_eq!(outcome(&only_of(&intake)), Some(Outcome::Completed));
}

/// Runs each call on a task of its own, which goes on when the caller has gone.
#[derive(Clone)]
struct OnATask<S>(S);

impl<Q, S> Service<Q> for OnATask<S>
where
    S: Service<Q, Future: Send + 'static, Response: Send + 'static, Error: Send + 'static>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Q) -> Self::Future {
        #[expect(
            clippy::disallowed_methods,
            reason = "the runtime of the test waits for it"
        )]
        let task = tokio::spawn(self.0.call(request));
        async { task.await.expect("a task does not panic") }.boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn who_goes_on_when_the_caller_has_gone_writes_late_and_once() {
    let intake = intake();
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new("tts", &intake))
        .layer_fn(OnATask)
        .layer(UsageLayer::new())
        .layer(client::unary())
        .service(flaky(0));
    let mut answer = Box::pin(stack.oneshot(Ask));
    assert!(answer.as_mut().now_or_never().is_none());
    drop(answer);
    let record = only(&intake);
    assert_eq!(outcome(&record), Some(Outcome::Cancelled));

    tokio::time::sleep(2 * SECOND).await;

    let late: Vec<_> = handed(&intake);
    let [Handed::Late(late)] = &late[..] else {
        panic!("one late write: {late:?}")
    };
    assert_eq!((late.id(), late.attempt_number()), (record.id(), Some(1)));
    assert_eq!(used(late).at_least(Meter::SpeechUs), 10);
}

#[tokio::test(start_paused = true)]
async fn boxes_clones_and_tasks_are_one_call_each() {
    let intake = intake();
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new("tts", &intake))
        .layer(ErrorLayer::new(classify::boxed))
        .concurrency_limit(2)
        .layer_fn(BoxCloneService::<Call<Ask>, _, BoxError>::new)
        .map_err(BoxError::from)
        .layer(UsageLayer::new())
        .layer(TimingLayer::new())
        .layer(client::unary())
        .service(flaky(0));
    let stack = BoxCloneService::new(stack);

    let calls = (0..6).map(|_| {
        #[expect(clippy::disallowed_methods, reason = "joined below")]
        tokio::spawn(stack.clone().oneshot(Ask))
    });
    let answers = futures_util::future::join_all(calls).await;

    assert!(answers.into_iter().all(|answer| answer.unwrap().is_ok()));
    let (closed, late) = closed_and_late(&intake);
    assert_eq!((closed.len(), late), (6, 0));
    for record in &closed {
        assert_eq!(outcome(record), Some(Outcome::Completed));
        assert_eq!(used(record).at_least(Meter::Characters), 5);
    }
    // Two at a time: four have waited, for a second or two.
    let mut waited: Vec<_> = closed.iter().map(|record| record.waited()).collect();
    waited.sort();
    let seconds = [0, 0, 1, 1, 2, 2].map(|n| Span::from(n * SECOND));
    assert_eq!(waited, seconds);
}

#[tokio::test(start_paused = true)]
async fn a_refused_caller_is_a_failed_call_and_one_who_gives_up_is_counted() {
    #[derive(Clone)]
    struct Closed(bool);
    impl Service<Ask> for Closed {
        type Response = Said;
        type Error = Trouble;
        type Future = std::future::Pending<Result<Said, Trouble>>;
        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Trouble>> {
            if self.0 {
                Poll::Ready(Err(Trouble))
            } else {
                Poll::Pending
            }
        }
        fn call(&mut self, _: Ask) -> Self::Future {
            unreachable!("never ready")
        }
    }
    let intake = intake();
    let stack = |refuses| {
        ServiceBuilder::new()
            .layer(CallLayer::new("tts", &intake))
            .layer(UsageLayer::new())
            .layer(client::unary())
            .service(Closed(refuses))
    };

    let refused = stack(true).oneshot(Ask).await;
    let gave_up = tokio::time::timeout(SECOND, stack(false).oneshot(Ask)).await;

    assert_eq!((refused.err(), gave_up.is_err()), (Some(Trouble), true));
    let record = only(&intake);
    record.draft(|draft| {
        assert_eq!(draft.outcome, Some(Outcome::Failed));
        assert_eq!(draft.reason.as_deref(), Some("not_ready"));
    });
    assert_eq!(intake.given_up(), 1);
}

/// An item that says it is a failure.
#[derive(Clone)]
struct Refusal;

impl Facts for Refusal {
    fn failure(&self) -> Option<Failure> {
        Some(Failure::new(FailureKind::Quota).retry_after(Some(SECOND)))
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_can_fail_its_call() {
    let intake = intake();
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new("tts", &intake))
        .layer(UsageLayer::new())
        .layer(client::unary())
        .service(service_fn(async |_: Ask| Ok::<_, Trouble>(Refusal)));

    stack.oneshot(Ask).await.unwrap();

    only(&intake).draft(|draft| {
        assert_eq!(draft.outcome, Some(Outcome::Failed));
        assert_eq!(draft.attempts[0].outcome, Some(Outcome::Failed));
        for failure in [&draft.failure, &draft.attempts[0].failure] {
            let failure = failure.as_ref().unwrap();
            assert_eq!(
                (failure.kind, failure.retry_after),
                (FailureKind::Quota, Some(SECOND))
            );
        }
    });
}

#[tokio::test(start_paused = true)]
async fn an_item_that_fails_its_call_says_where_it_was_caught_if_asked() {
    for wanted in [false, true] {
        let intake = intake();
        intake.set_backtraces(wanted);
        let stack = ServiceBuilder::new()
            .layer(CallLayer::new("tts", &intake))
            .layer(UsageLayer::new())
            .layer(client::unary())
            .service(service_fn(async |_: Ask| Ok::<_, Trouble>(Refusal)));

        stack.oneshot(Ask).await.unwrap();

        only(&intake).draft(|draft| {
            for failure in [&draft.failure, &draft.attempts[0].failure] {
                let trace = &failure.as_ref().unwrap().backtrace;
                assert_eq!(trace.is_some(), wanted);
            }
        });
    }
}

/// The end of an utterance.
#[derive(Clone)]
struct Stop;

impl Facts for Stop {
    fn moment(&self) -> Moment {
        Moment::UtteranceEnd
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_utterance_asks_for_the_usage_so_far() {
    let intake = intake();
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new("stt", &intake))
        .layer(UsageLayer::new())
        .layer(client::unary())
        .service(service_fn(async |_: Ask| Ok::<_, Trouble>(Stop)));

    stack.oneshot(Ask).await.unwrap();

    let handed = handed(&intake);
    let [Handed::Checkpoint(open), Handed::Closed(closed)] = &handed[..] else {
        panic!("a checkpoint, then the end: {handed:?}")
    };
    assert_eq!((open.id(), open.attempt_number()), (closed.id(), Some(1)));
}
