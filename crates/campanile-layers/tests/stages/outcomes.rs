//! The table: layers × requests × reply shapes × endings. Each row is one call, closed once, counted once.

use crate::support::*;
use campanile_core::{Failure, Intake, Meter, Outcome, Record};
use campanile_layers::{
    CallLayer, DrainLayer, ErrorLayer, RedactLayer, SpanLayer, Streaming, TimingLayer, Unary,
    Upload, UsageLayer, classify, client,
};
use futures_util::{FutureExt, Stream, StreamExt, stream};
use http_body::Body;
use http_body_util::BodyExt;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use tower::{Service, ServiceBuilder, ServiceExt};

/// What the layers of a stack write.
#[derive(Clone, Copy, Default)]
struct Writes {
    usage: bool,
    failure: bool,
    spoken: bool,
    timing: bool,
    /// Dropped replies are read to their end.
    drained: bool,
}

type Answered = http::Response<Pages>;

const NOTHING: Writes = Writes {
    usage: false,
    failure: false,
    spoken: false,
    timing: false,
    drained: false,
};

const ALL: Writes = Writes {
    usage: true,
    failure: true,
    spoken: true,
    timing: true,
    drained: false,
};

/// The stack of one row: `CallLayer`, the layers under test, and a client that ends as it is told.
macro_rules! stack {
    ($open:ident, $layers:expr, $client:expr, $answer:ty, $ending:expr) => {
        |intake: &Intake| {
            ServiceBuilder::new()
                .layer(CallLayer::$open("tts", intake))
                .layer($layers)
                .layer($client)
                .service(Script::<$answer>::new($ending))
        }
    };
}

/// A test for each set of layers: three kinds of request, three shapes of reply, nine endings.
macro_rules! table {
    ($($(#[$doc:meta])* $name:ident: $writes:expr, $l:expr;)*) => {$(
        $(#[$doc])*
        #[tokio::test(start_paused = true)]
        async fn $name() {
            let mut rows = Rows { writes: $writes, run: 0 };
            for end in Ending::ALL {
                let (whole, streamed) = (Sends::WHOLE, Sends::STREAMED);
                if !end.is_inside() {
                    let client = client::unary();
                    rows.row(end, whole, 1, stack!(new, $l, client, Said, end), Ask).await;
                    let stack = stack!(streamed, $l, client.upload(), Said, end);
                    rows.row(end, streamed, 1, stack, upload()).await;
                }
                let client = client::streaming();
                rows.row(end, whole, 2, stack!(new, $l, client, Pieces, end), Ask).await;
                let stack = stack!(streamed, $l, client.upload(), Pieces, end);
                rows.row(end, streamed, 2, stack, upload()).await;

                let client = client::response();
                rows.row(end, whole, 2, stack!(new, $l, client, Answered, end), Ask).await;
                let stack = stack!(streamed, $l, client.upload(), Answered, end);
                rows.row(end, streamed, 2, stack, upload()).await;
                let stack = stack!(http, $l, client::http(), Answered, end);
                rows.row(end, Sends::HTTP, 2, stack, http::Request::new(())).await;
            }
            assert_eq!(rows.run, 2 * 6 + 5 * 9);
        }
    )*};
}

table! {
    a_call_alone: NOTHING, tower_layer::Identity::new();
    with_errors: Writes { failure: true, ..NOTHING }, errors();
    with_usage: Writes { usage: true, ..NOTHING }, UsageLayer::new();
    with_redact: Writes { spoken: true, ..NOTHING }, RedactLayer::new();
    with_timing: Writes { timing: true, ..NOTHING }, TimingLayer::new();
    with_drain: Writes { usage: true, drained: true, ..NOTHING },
        (DrainLayer::new(), UsageLayer::new());
    with_span: NOTHING, SpanLayer::new();
    with_all: ALL,
        (errors(), SpanLayer::new(), UsageLayer::new(), RedactLayer::new(), TimingLayer::new());
    with_all_and_drain: Writes { drained: true, ..ALL },
        (errors(), SpanLayer::new(), RedactLayer::new(), DrainLayer::new(), UsageLayer::new(), TimingLayer::new());
}

fn errors() -> ErrorLayer<impl Fn(&Trouble) -> Failure + Clone + Send> {
    ErrorLayer::new(classify::error)
}

fn upload() -> Upload<Ask, impl Stream<Item = Audio> + Send> {
    Upload::new(Ask, stream::iter([Audio, Audio]))
}

/// What the request of a row brings along.
#[derive(Clone, Copy)]
struct Sends {
    characters: u64,
    pieces: u64,
}

impl Sends {
    const WHOLE: Self = Self {
        characters: 5,
        pieces: 0,
    };
    const STREAMED: Self = Self {
        characters: 5,
        pieces: 2,
    };
    /// An `http::Request` says nothing of what it holds.
    const HTTP: Self = Self {
        characters: 0,
        pieces: 0,
    };
}

/// Runs rows.
struct Rows {
    writes: Writes,
    run: usize,
}

impl Rows {
    async fn row<S, Q>(
        &mut self,
        ending: Ending,
        sends: Sends,
        items: u64,
        stack: impl FnOnce(&Intake) -> S,
        request: Q,
    ) where
        S: Service<Q, Response: Heard, Error = Trouble>,
    {
        let row = format!("{ending:?}, {} sent, {items} items", sends.pieces);
        let intake = intake();

        call(ending, stack(&intake), request, &row).await;

        assert!(intake.open_calls().is_empty(), "still open: {row}");
        let (mut closed, late) = closed_and_late(&intake);
        assert_eq!((closed.len(), late), (1, 0), "closed and late: {row}");
        let record = closed.remove(0);
        self.is_what_the_caller_saw(&record, ending, &row);
        settle(&intake).await;
        let (closed_again, late) = closed_and_late(&intake);
        assert!(closed_again.is_empty(), "closed twice: {row}");
        assert_eq!(
            late > 0,
            self.is_drained(ending, items),
            "late usage: {row}"
        );
        self.is_counted_once(&record, ending, sends, items, &row);
        self.run += 1;
    }

    fn is_what_the_caller_saw(&self, record: &Record, ending: Ending, row: &str) {
        record.draft(|draft| {
            assert_eq!(draft.outcome, Some(outcome(ending)), "{row}");
            assert_eq!(draft.observer_failed, 0, "{row}");
            let explained = self.writes.failure && outcome(ending) == Outcome::Failed;
            assert_eq!(draft.failure.is_some(), explained, "failure: {row}");
            // A drained attempt goes on; where it began its caller's time is known already.
            for attempt in draft.attempts.iter().filter(|_| self.writes.usage) {
                assert_eq!(
                    attempt.outcome,
                    Some(outcome(ending)),
                    "of the attempt: {row}"
                );
            }
        });
    }

    /// Whether somebody reads on. What was never begun is not begun for nobody.
    fn is_drained(&self, ending: Ending, items: u64) -> bool {
        self.writes.drained
            && (ending == Ending::DroppedBefore || ending == Ending::DroppedInside && items > 1)
    }

    fn is_counted_once(
        &self,
        record: &Record,
        ending: Ending,
        sends: Sends,
        items: u64,
        row: &str,
    ) {
        let begun = !matches!(ending, Ending::PanicInCall | Ending::DroppedUnpolled);
        let sent = if begun { sends.pieces } else { 0 };
        let heard = match ending {
            Ending::Done => items,
            _ if ending.is_inside() => 1,
            _ => 0,
        };
        let seen = if self.is_drained(ending, items) {
            items
        } else {
            heard
        };
        let attempts = u64::from(self.writes.usage || self.writes.timing);
        record.draft(|draft| {
            assert_eq!(draft.attempts.len() as u64, attempts, "attempts: {row}");
            // What a request says counts as soon as it is made.
            if self.writes.timing {
                let attempt = &draft.attempts[0];
                let timed = (attempt.items, attempt.live.sent_items());
                assert_eq!(timed, (Some(heard), sent), "items: {row}");
                assert!(
                    attempt.started.is_some() && attempt.elapsed.is_some(),
                    "{row}"
                );
            }
            if self.writes.spoken {
                let chars = draft.spoken.map(|spoken| spoken.chars);
                assert_eq!(chars, Some(3 * heard), "spoken: {row}");
            }
        });
        if self.writes.usage {
            let used = used(record);
            let count = |meter| used.get(meter).map_or(0, |count| count.at_least);
            assert_eq!(
                (
                    count(Meter::Characters),
                    count(Meter::AudioUs),
                    count(Meter::SpeechUs)
                ),
                (sends.characters, 20 * sent, 10 * seen),
                "usage: {row}"
            );
        }
    }
}

fn outcome(ending: Ending) -> Outcome {
    match ending {
        Ending::Done => Outcome::Completed,
        Ending::Failed | Ending::Broke => Outcome::Failed,
        Ending::DroppedUnpolled | Ending::DroppedBefore | Ending::DroppedInside => {
            Outcome::Cancelled
        }
        Ending::PanicInCall | Ending::PanicInFuture | Ending::PanicInStream => Outcome::Panicked,
    }
}

/// Calls once, and ends as it is told.
async fn call<S, Q>(ending: Ending, mut stack: S, request: Q, row: &str)
where
    S: Service<Q, Response: Heard, Error = Trouble>,
{
    let calling = async {
        stack.ready().await.expect("a script is ready");
        let answer = pin!(stack.call(request));
        match ending {
            Ending::DroppedUnpolled => {}
            Ending::DroppedBefore => assert!(answer.now_or_never().is_none(), "{row}"),
            _ => match answer.await {
                Ok(reply) => reply.hear(ending).await,
                Err(_) => assert_eq!(ending, Ending::Failed, "{row}"),
            },
        }
    };
    let ended = AssertUnwindSafe(calling).catch_unwind().await;
    assert_eq!(ended.is_err(), ending.panics(), "{row}");
}

/// Hears a reply out, or drops it after its first piece.
trait Heard {
    async fn hear(self, ending: Ending);
}

impl Heard for Unary<Said> {
    async fn hear(self, _ending: Ending) {}
}

impl<S: Stream<Item = Result<Said, Trouble>>> Heard for Streaming<S> {
    async fn hear(self, ending: Ending) {
        let mut stream = pin!(self);
        while let Some(Ok(_)) = stream.next().await {
            if ending == Ending::DroppedInside {
                break;
            }
        }
    }
}

impl<B: Body<Data = Said, Error = Trouble>> Heard for http::Response<B> {
    async fn hear(self, ending: Ending) {
        let mut body = pin!(self.into_body());
        while let Some(Ok(_)) = body.frame().await {
            if ending == Ending::DroppedInside {
                break;
            }
        }
    }
}
