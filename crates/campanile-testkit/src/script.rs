//! Stages that do as they are told.

use crate::events::Events;
use campanile::{
    CallLayer, Cost, ErrorLayer, Facts, Failure, FailureKind, Meter, RedactLayer, Streaming, Tally,
    TimingLayer, UsageLayer, classify, client,
};
use futures_util::{Stream, stream};
use std::time::Duration;
use tower::{BoxError, Service, ServiceBuilder};

/// A request of a scripted stage.
#[derive(Clone, Copy, Debug)]
pub struct Ask(&'static str);

impl Facts for Ask {
    fn usage(&self, tally: &Tally) {
        tally.add(Meter::InputTokens, self.0.split_whitespace().count() as u64);
    }
}

/// A request that holds these words: each is a token.
#[must_use]
pub const fn ask(words: &'static str) -> Ask {
    Ask(words)
}

/// A piece of a scripted reply: one token.
#[derive(Clone, Copy, Debug)]
pub struct Word(pub &'static str);

impl Facts for Word {
    fn usage(&self, tally: &Tally) {
        tally.add(Meter::OutputTokens, 1);
    }
    fn spoken(&self) -> Option<&str> {
        Some(self.0)
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    After(Duration),
    Item(&'static str),
    Break(FailureKind),
    Panic,
}

/// What a stage does with each call, step by step. The first steps that wait or fail before any item are those of the call itself.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Script {
    steps: Vec<Step>,
}

/// A script without a step: the reply is over at once.
pub fn script() -> Script {
    Script::default()
}

impl Script {
    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Waits.
    pub fn after_ms(self, ms: u64) -> Self {
        self.step(Step::After(Duration::from_millis(ms)))
    }

    /// Gives a piece.
    pub fn item(self, word: &'static str) -> Self {
        self.step(Step::Item(word))
    }

    /// Fails: the call, or its reply where a piece came before.
    pub fn fail(self, kind: FailureKind) -> Self {
        self.step(Step::Break(kind))
    }

    /// Panics.
    pub fn panic(self) -> Self {
        self.step(Step::Panic)
    }

    async fn play(self) -> Result<impl Stream<Item = Result<Word, BoxError>> + Send, BoxError> {
        let first_item = self
            .steps
            .iter()
            .position(|step| matches!(step, Step::Item(_)));
        let before = first_item.unwrap_or(self.steps.len());
        for step in &self.steps[..before] {
            run(*step).await?;
        }
        let rest = self.steps.into_iter().skip(before);
        Ok(stream::unfold(rest, |mut rest| async move {
            loop {
                match rest.next()? {
                    Step::Item(word) => return Some((Ok(Word(word)), rest)),
                    step => {
                        if let Err(error) = run(step).await {
                            return Some((Err(error), rest));
                        }
                    }
                }
            }
        }))
    }
}

async fn run(step: Step) -> Result<(), BoxError> {
    match step {
        Step::After(pause) => tokio::time::sleep(pause).await,
        Step::Item(_) => {}
        Step::Break(kind) => return Err(classify::Fault(Failure::new(kind)).into()),
        Step::Panic => panic!("as the script says"),
    }
    Ok(())
}

/// The whole stack of layers over a script, and what it records. A token costs a dollar.
///
/// ```
/// use campanile::{Outcome, Span};
/// use campanile_testkit::{ask, script, stage};
/// use futures_util::StreamExt as _;
/// use tower::ServiceExt as _;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), tower::BoxError> {
/// let (stage, events) = stage(script().after_ms(100).item("hi").after_ms(50).item("there"));
///
/// let mut reply = Box::pin(stage.oneshot(ask("hello")).await?);
/// reply.next().await.unwrap()?;
/// drop(reply); // a barge-in is still one event
///
/// let event = events.only();
/// assert_eq!(event.outcome, Outcome::Cancelled);
/// assert_eq!(event.timing.unwrap().first_item, Some(Span(100_000_000)));
/// # Ok(())
/// # }
/// ```
pub fn stage(
    script: Script,
) -> (
    impl Service<
        Ask,
        Response = Streaming<impl Stream<Item = Result<Word, BoxError>> + Send>,
        Error = BoxError,
        Future: Send,
    > + Clone,
    Events,
) {
    let events = Events::new(|billed: &campanile::Billed<'_>| {
        let dollar = campanile::Money::from_usd("1").expect("a number");
        let tokens = billed.usage.quantity();
        dollar
            .checked_mul(tokens)
            .map_or_else(Cost::nothing, Cost::exact)
    });
    let stage = ServiceBuilder::new()
        .layer(CallLayer::new("llm", events.monitor()))
        .layer(ErrorLayer::new(classify::boxed).breaks(classify::boxed))
        .layer(UsageLayer::new())
        .layer(RedactLayer::new())
        .layer(TimingLayer::new())
        .layer(client::streaming())
        .service_fn(move |_: Ask| script.clone().play());
    (campanile::stage::<Ask, _>(stage), events)
}
