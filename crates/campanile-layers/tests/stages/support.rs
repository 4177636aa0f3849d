//! An intake on tokio's clock, a request, an item, and a client that ends as it is told.

use bytes::Buf;
use campanile_core::{
    Clock, Facts, Handed, Ids, Intake, Meter, Record, Tally, Tick, TimeSource, Timestamp, Usage,
};
use campanile_layers::{Sent, Upload};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, Stream, StreamExt};
use http_body::Frame;
use http_body_util::StreamBody;
use std::marker::PhantomData;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::Service;

/// An intake whose clock is tokio's, so that a test that pauses time pauses it too.
pub(crate) fn intake() -> Intake {
    struct Paused(tokio::time::Instant);
    impl TimeSource for Paused {
        fn tick(&self) -> Tick {
            let nanos = self.0.elapsed().as_nanos();
            Tick(1 + u64::try_from(nanos).expect("a test is short"))
        }
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }
    }
    let clock = Clock::new(Paused(tokio::time::Instant::now()));
    Intake::new(clock, Ids::seeded(1))
}

pub(crate) fn handed(intake: &Intake) -> Vec<Handed> {
    let mut handed = Vec::new();
    intake.take(&mut handed);
    handed
}

/// Every call that was closed since this was asked last, and how often somebody wrote late.
pub(crate) fn closed_and_late(intake: &Intake) -> (Vec<Record>, usize) {
    let (mut closed, mut late) = (Vec::new(), 0);
    for handed in handed(intake) {
        match handed {
            Handed::Closed(record) => closed.push(record),
            Handed::Late(_) => late += 1,
            _ => {}
        }
    }
    (closed, late)
}

/// The one call there was. It must be closed.
pub(crate) fn only(intake: &Intake) -> Record {
    assert!(intake.open_calls().is_empty(), "a call is still open");
    let (mut closed, _) = closed_and_late(intake);
    assert_eq!((closed.len(), intake.opened()), (1, 1));
    closed.remove(0)
}

/// What all attempts of a call have used.
pub(crate) fn used(record: &Record) -> Usage {
    let mut sum = Usage::new();
    for usage in used_by_attempt(record) {
        sum.absorb(&usage);
    }
    sum
}

pub(crate) fn used_by_attempt(record: &Record) -> Vec<Usage> {
    record.draft(|draft| {
        let attempts = draft.attempts.iter();
        attempts
            .map(|attempt| attempt.live.tally.snapshot())
            .collect()
    })
}

/// Waits, in paused time, until nobody reads on.
pub(crate) async fn settle(intake: &Intake) {
    while intake.drains() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A request of five characters.
#[derive(Clone, Debug)]
pub(crate) struct Ask;

impl Facts for Ask {
    fn usage(&self, tally: &Tally) {
        tally.add(Meter::Characters, 5);
    }
    fn spoken(&self) -> Option<&str> {
        Some("hello")
    }
}

/// A piece of a streamed request: 20 microseconds of audio.
#[derive(Clone, Debug)]
pub(crate) struct Audio;

impl Facts for Audio {
    fn usage(&self, tally: &Tally) {
        tally.add(Meter::AudioUs, 20);
    }
}

/// A piece of a reply: ten microseconds of speech, and three bytes.
#[derive(Clone, Debug)]
pub(crate) struct Said(pub(crate) &'static str);

impl Default for Said {
    fn default() -> Self {
        Self("la ")
    }
}

impl Facts for Said {
    fn usage(&self, tally: &Tally) {
        tally.add(Meter::SpeechUs, 10);
    }
    fn spoken(&self) -> Option<&str> {
        Some(self.0)
    }
}

impl Buf for Said {
    fn remaining(&self) -> usize {
        self.0.len()
    }
    fn chunk(&self) -> &[u8] {
        self.0.as_bytes()
    }
    fn advance(&mut self, count: usize) {
        self.0 = &self.0[count..];
    }
}

/// A typed error of a client.
#[derive(Debug, PartialEq)]
pub(crate) struct Trouble;

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("trouble")
    }
}

impl std::error::Error for Trouble {}

/// How a call is made to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    Failed,
    Broke,
    DroppedUnpolled,
    DroppedBefore,
    DroppedInside,
    PanicInCall,
    PanicInFuture,
    PanicInStream,
}

impl Ending {
    pub(crate) const ALL: [Ending; 9] = [
        Ending::Done,
        Ending::Failed,
        Ending::Broke,
        Ending::DroppedUnpolled,
        Ending::DroppedBefore,
        Ending::DroppedInside,
        Ending::PanicInCall,
        Ending::PanicInFuture,
        Ending::PanicInStream,
    ];

    /// Whether it takes a reply that has an inside.
    pub(crate) fn is_inside(self) -> bool {
        matches!(
            self,
            Ending::Broke | Ending::DroppedInside | Ending::PanicInStream
        )
    }

    pub(crate) fn panics(self) -> bool {
        matches!(
            self,
            Ending::PanicInCall | Ending::PanicInFuture | Ending::PanicInStream
        )
    }
}

/// A client that ends as it is told. A good reply is there after a second.
pub(crate) struct Script<T> {
    ending: Ending,
    _answer: PhantomData<fn() -> T>,
}

impl<T> Clone for Script<T> {
    fn clone(&self) -> Self {
        Self::new(self.ending)
    }
}

impl<T> Script<T> {
    pub(crate) fn new(ending: Ending) -> Self {
        Self {
            ending,
            _answer: PhantomData,
        }
    }
}

impl<Q: Take, T: Answer> Service<Q> for Script<T> {
    type Response = T;
    type Error = Trouble;
    type Future = BoxFuture<'static, Result<T, Trouble>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Trouble>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Q) -> Self::Future {
        let ending = self.ending;
        assert!(ending != Ending::PanicInCall, "told to");
        async move {
            request.take().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            match ending {
                Ending::Failed => Err(Trouble),
                Ending::PanicInFuture => panic!("told to"),
                _ => Ok(T::answer(ending)),
            }
        }
        .boxed()
    }
}

/// A request as a client takes it.
pub(crate) trait Take: Send + 'static {
    fn take(self) -> impl Future<Output = ()> + Send;
}

impl Take for Ask {
    async fn take(self) {}
}

impl Take for http::Request<()> {
    async fn take(self) {}
}

impl<S: Stream<Item: Send> + Send + 'static> Take for Upload<Ask, Sent<S>> {
    async fn take(self) {
        let mut items = std::pin::pin!(self.items);
        while items.next().await.is_some() {}
    }
}

/// What a client answers.
pub(crate) trait Answer: Send + 'static {
    fn answer(ending: Ending) -> Self;
}

impl Answer for Said {
    fn answer(_ending: Ending) -> Self {
        Self::default()
    }
}

/// Two pieces, unless it ends in the middle.
pub(crate) type Pieces = BoxStream<'static, Result<Said, Trouble>>;

impl Answer for Pieces {
    fn answer(ending: Ending) -> Self {
        stream::iter(0..2)
            .map(move |n| match ending {
                Ending::Broke if n == 1 => Err(Trouble),
                Ending::PanicInStream if n == 1 => panic!("told to"),
                _ => Ok(Said::default()),
            })
            .boxed()
    }
}

pub(crate) type Pages = StreamBody<BoxStream<'static, Result<Frame<Said>, Trouble>>>;

impl Answer for http::Response<Pages> {
    fn answer(ending: Ending) -> Self {
        let frames = Pieces::answer(ending).map(|said| said.map(Frame::data));
        http::Response::new(StreamBody::new(frames.boxed()))
    }
}
