//! The three stacks.

use crate::cartesia::{Cartesia, Speak, Words};
use crate::deepgram::{Deepgram, Heard, Listen, Sound};
use crate::openai::{Ask, OpenAi};
use crate::retry::Patience;
use crate::{Error, Piece};
use bytes::Bytes;
use campanile::{
    CallLayer, ErrorLayer, Facts, Intake, Moment, RedactLayer, Served, Tally, TimingLayer, Turn,
    Upload, UsageLayer, classify, client,
};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use std::time::Duration;
use tower::retry::RetryLayer;
use tower::util::BoxCloneService;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};

/// A request, and the turn that it is made for. Clients do not see the turn.
#[derive(Clone, Debug)]
pub struct InTurn<T> {
    /// The turn.
    pub turn: Turn,
    /// The request.
    pub what: T,
}

impl<T: Facts> Facts for InTurn<T> {
    fn usage(&self, tally: &Tally) {
        self.what.usage(tally);
    }
    fn spoken(&self) -> Option<&str> {
        self.what.spoken()
    }
    fn served(&self, served: &mut Served) {
        self.what.served(served);
    }
    fn moment(&self) -> Moment {
        self.what.moment()
    }
}

/// A reply as the bot reads it.
type Reply<T> = BoxStream<'static, Result<Piece<T>, Error>>;
/// A streamed request as the bot makes it.
type Sending<H, P> = Upload<InTurn<H>, BoxStream<'static, P>>;

/// The language model: text comes back.
pub type Llm = BoxCloneService<InTurn<Ask>, Reply<()>, BoxError>;
/// Speech to text: audio goes, transcripts come back, for a whole session.
pub type Stt = BoxCloneService<Sending<Listen, Sound>, Reply<Heard>, BoxError>;
/// Text to speech: sentences go, audio comes back.
pub type Tts = BoxCloneService<Sending<Speak, Words>, Reply<Bytes>, BoxError>;

/// Stacks the language model's stage. It serves all sessions: each request says to which turn it belongs.
pub fn llm(monitor: &impl AsRef<Intake>, client: OpenAi) -> Llm {
    let stack = campanile::stage::<InTurn<Ask>, _>(
        ServiceBuilder::new()
            // Opens the call and closes it. Above everything, so that waiting counts.
            .layer(CallLayer::new("llm", monitor).scope(|ask: &InTurn<Ask>| Some(ask.turn.clone())))
            // Above timeouts and retries: explains the outcome that the caller saw.
            .layer(ErrorLayer::new(classify::boxed).breaks(classify::error))
            // Ordinary tower middleware; what waits here is queue time. These end at the reply's head.
            .timeout(Duration::from_secs(10))
            .concurrency_limit(4)
            .layer(RetryLayer::new(Patience::tries(2)))
            // Below the retry: every attempt is billed, and says by itself why it failed.
            .layer(UsageLayer::new())
            .layer(ErrorLayer::new(classify::error).breaks(classify::error))
            .layer(RedactLayer::new())
            // Next to the client: starts when the client starts.
            .layer(TimingLayer::new())
            // The client knows nothing of us: a plain `Ask` in, a stream out, decoded once.
            .layer(client::streaming())
            .map_request(|ask: InTurn<Ask>| ask.what)
            .service(client),
    );
    stack.map_response(|reply| reply.boxed()).boxed_clone()
}

/// Stacks the transcriber's stage. A call lasts as long as its session; nothing here may try again, since the audio
/// is gone when it is sent.
pub fn stt(monitor: &impl AsRef<Intake>, client: Deepgram) -> Stt {
    let stack = campanile::stage::<Sending<Listen, Sound>, _>(
        ServiceBuilder::new()
            .layer(
                CallLayer::streamed("stt", monitor)
                    .scope(|upload: &Sending<Listen, Sound>| Some(upload.head.turn.clone())),
            )
            .layer(ErrorLayer::new(classify::boxed).breaks(classify::error))
            // Of the handshake: a stream may outlive it.
            .timeout(Duration::from_secs(10))
            .layer(UsageLayer::new())
            .layer(RedactLayer::new())
            .layer(TimingLayer::new())
            .layer(client::streaming().upload())
            .map_request(|upload: Upload<InTurn<Listen>, _>| {
                Upload::new(upload.head.what, upload.items)
            })
            .service(client),
    );
    stack.map_response(|reply| reply.boxed()).boxed_clone()
}

/// Stacks the speaker's stage: a call is one utterance, a context on the session's socket.
pub fn tts(monitor: &impl AsRef<Intake>, client: Cartesia) -> Tts {
    let stack = campanile::stage::<Sending<Speak, Words>, _>(
        ServiceBuilder::new()
            .layer(
                CallLayer::streamed("tts", monitor)
                    .scope(|upload: &Sending<Speak, Words>| Some(upload.head.turn.clone())),
            )
            .layer(ErrorLayer::new(classify::boxed).breaks(classify::error))
            .timeout(Duration::from_secs(10))
            .layer(UsageLayer::new())
            .layer(RedactLayer::new())
            .layer(TimingLayer::new())
            .layer(client::streaming().upload())
            .map_request(|upload: Upload<InTurn<Speak>, _>| {
                Upload::new(upload.head.what, upload.items)
            })
            .service(client),
    );
    stack.map_response(|reply| reply.boxed()).boxed_clone()
}
