//! The three stacks: with every layer there is, and bare, for comparison.

use bytes::Bytes;
use campanile::{
    CallLayer, DrainLayer, ErrorLayer, Facts, Failure, Moment, Monitor, RedactLayer, Served,
    SpanLayer, Tally, TimingLayer, Turn, Upload, UsageLayer, classify, client,
};
use campanile_examples::cartesia::{Cartesia, Speak, Words};
use campanile_examples::deepgram::{Deepgram, Heard, Listen, Sound};
use campanile_examples::openai::{Ask, Deltas, OpenAi};
use campanile_examples::retry::Patience;
use campanile_examples::{Error, Piece};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::retry::RetryLayer;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt as _};

/// A request, and the turn that it is made for; none without a monitor.
#[derive(Clone, Debug)]
pub(super) struct InTurn<T> {
    pub(super) turn: Option<Turn>,
    pub(super) what: T,
}

impl<T: Facts> Facts for InTurn<T> {
    fn usage(&self, tally: &Tally) {
        self.what.usage(tally);
    }
    fn spoken(&self) -> Option<&str> {
        self.what.spoken()
    }
    fn failure(&self) -> Option<Failure> {
        self.what.failure()
    }
    fn served(&self, served: &mut Served) {
        self.what.served(served);
    }
    fn moment(&self) -> Moment {
        self.what.moment()
    }
}

/// A question to the model, and what goes wrong in this process with it.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) ask: Ask,
    pub(super) refused: bool,
    /// The text of a panic.
    pub(super) panics: Option<String>,
}

impl Facts for Question {
    fn usage(&self, tally: &Tally) {
        self.ask.usage(tally);
    }
    fn served(&self, served: &mut Served) {
        self.ask.served(served);
    }
}

/// The model's client, with one that is always refused beside it.
#[derive(Clone, Debug)]
pub(super) struct Models {
    pub(super) good: OpenAi,
    pub(super) refused: OpenAi,
}

impl Service<Question> for Models {
    type Response = Deltas;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Deltas, Error>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, question: Question) -> Self::Future {
        if let Some(text) = question.panics {
            return Box::pin(async move { panic!("a bug in the stage: {text}") });
        }
        match question.refused {
            true => self.refused.call(question.ask),
            false => self.good.call(question.ask),
        }
    }
}

/// A reply as the bot reads it.
pub(super) type Reply<T> = BoxStream<'static, Result<Piece<T>, Error>>;
/// A streamed request as the bot makes it.
pub(super) type Sending<H, P> = Upload<InTurn<H>, Pieces<P>>;

/// The pieces of it. A type of its own: a boxed stream has a lifetime, over which the compiler stumbles in tasks.
pub(super) struct Pieces<P>(BoxStream<'static, P>);

impl<P> Pieces<P> {
    pub(super) fn new(pieces: impl Stream<Item = P> + Send + 'static) -> Self {
        Self(pieces.boxed())
    }
}

impl<P> Stream for Pieces<P> {
    type Item = P;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<P>> {
        self.0.poll_next_unpin(cx)
    }
}

pub(super) type Llm = BoxCloneSyncService<InTurn<Question>, Reply<()>, BoxError>;
pub(super) type Stt = BoxCloneSyncService<Sending<Listen, Sound>, Reply<Heard>, BoxError>;
pub(super) type Tts = BoxCloneSyncService<Sending<Speak, Words>, Reply<Bytes>, BoxError>;

const PATIENCE: Duration = Duration::from_secs(10);

/// The language model. `drains`: what the bot drops is read on for its usage.
pub(super) fn llm(
    monitor: Option<&Monitor>,
    models: Models,
    drains: bool,
    limit: GlobalConcurrencyLimitLayer,
) -> Llm {
    let Some(monitor) = monitor else {
        let bare = ServiceBuilder::new()
            .timeout(PATIENCE)
            .layer(limit)
            .layer(RetryLayer::new(Patience::tries(2)))
            .map_request(|question: InTurn<Question>| question.what)
            .service(models);
        return BoxCloneSyncService::new(bare.map_response(|reply| reply.boxed()));
    };
    let above = ServiceBuilder::new()
        .layer(CallLayer::new("llm", monitor).scope(|ask: &InTurn<Question>| ask.turn.clone()))
        .layer(ErrorLayer::new(classify::boxed).breaks(classify::error))
        .timeout(PATIENCE)
        .layer(limit)
        .layer(RetryLayer::new(Patience::tries(2)));
    let below = ServiceBuilder::new()
        .layer(UsageLayer::new())
        .layer(ErrorLayer::new(classify::error).breaks(classify::error))
        .layer(SpanLayer::new())
        .layer(TimingLayer::new())
        .layer(client::streaming())
        .map_request(|question: InTurn<Question>| question.what)
        .service(models);
    match drains {
        true => {
            let stack = above.layer(RedactLayer::new()).layer(DrainLayer::new());
            let stack = campanile::stage::<InTurn<Question>, _>(stack.service(below));
            BoxCloneSyncService::new(stack.map_response(|reply| reply.boxed()))
        }
        false => {
            let stack = above.layer(RedactLayer::new()).service(below);
            let stack = campanile::stage::<InTurn<Question>, _>(stack);
            BoxCloneSyncService::new(stack.map_response(|reply| reply.boxed()))
        }
    }
}

/// Speech to text.
pub(super) fn stt(monitor: Option<&Monitor>, client: Deepgram) -> Stt {
    let Some(monitor) = monitor else {
        let bare = ServiceBuilder::new()
            .timeout(PATIENCE)
            .map_request(unwrapped)
            .service(client);
        return BoxCloneSyncService::new(bare.map_response(|reply| reply.boxed()));
    };
    let stack = campanile::stage::<Sending<Listen, Sound>, _>(
        ServiceBuilder::new()
            .layer(
                CallLayer::streamed("stt", monitor)
                    .scope(|upload: &Sending<Listen, Sound>| upload.head.turn.clone()),
            )
            .layer(ErrorLayer::new(classify::boxed).breaks(classify::error))
            .timeout(PATIENCE)
            .layer(UsageLayer::new())
            .layer(RedactLayer::new())
            .layer(SpanLayer::new())
            .layer(TimingLayer::new())
            .layer(client::streaming().upload())
            .map_request(unwrapped)
            .service(client),
    );
    BoxCloneSyncService::new(stack.map_response(|reply| reply.boxed()))
}

/// Text to speech.
pub(super) fn tts(monitor: Option<&Monitor>, client: Cartesia) -> Tts {
    let Some(monitor) = monitor else {
        let bare = ServiceBuilder::new()
            .timeout(PATIENCE)
            .map_request(unwrapped)
            .service(client);
        return BoxCloneSyncService::new(bare.map_response(|reply| reply.boxed()));
    };
    let stack = campanile::stage::<Sending<Speak, Words>, _>(
        ServiceBuilder::new()
            .layer(
                CallLayer::streamed("tts", monitor)
                    .scope(|upload: &Sending<Speak, Words>| upload.head.turn.clone()),
            )
            .layer(ErrorLayer::new(classify::boxed).breaks(classify::error))
            .timeout(PATIENCE)
            .layer(UsageLayer::new())
            .layer(RedactLayer::new())
            .layer(SpanLayer::new())
            .layer(TimingLayer::new())
            .layer(client::streaming().upload())
            .map_request(unwrapped)
            .service(client),
    );
    BoxCloneSyncService::new(stack.map_response(|reply| reply.boxed()))
}

fn unwrapped<H, S>(upload: Upload<InTurn<H>, S>) -> Upload<H, S> {
    Upload::new(upload.head.what, upload.items)
}
