//! Accounts for each attempt: what it used, who served it, and whether it was answered with an error.
//!
//! Put it below retries: every attempt is billed. What a request, a head and items say about themselves
//! ([`Facts`]) is counted as it passes, so that an attempt that is cut off has used what was seen until then.
//! Prices are the recorder's work. Where the request is streamed, the time for which the connection was open is
//! counted, too: some providers bill it.
//!
//! ```
//! use campanile_core::{Clock, Facts, Ids, Intake, Meter, Tally};
//! use campanile_layers::{CallLayer, Unary, UsageLayer, client};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! struct Spoken(Vec<u8>);
//! impl Facts for Spoken {}
//!
//! #[derive(Clone)]
//! struct Text(&'static str);
//! impl Facts for Text {
//!     fn usage(&self, tally: &Tally) {
//!         tally.add(Meter::Characters, self.0.chars().count() as u64);
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), std::convert::Infallible> {
//! # let intake = Intake::new(Clock::system(), Ids::random());
//! let stage = ServiceBuilder::new()
//!     .layer(CallLayer::new("tts", &intake))
//!     .layer(UsageLayer::new().provider("cartesia").model("sonic-3"))
//!     .layer(client::unary())
//!     .service_fn(async |text: Text| Ok::<_, std::convert::Infallible>(Spoken(text.0.into())));
//!
//! let Unary(spoken) = stage.oneshot(Text("hello")).await?;
//! # assert_eq!(spoken.0.len(), 5);
//! # Ok(())
//! # }
//! ```

use crate::carry::Carries;
use crate::contain::counted;
use crate::errors::traced;
use crate::follow::{End, Follow, Observe, Probe};
use crate::reply::Reply;
use campanile_core::{
    Count, Evidence, Facts, Failure, Live, Meter, Moment, Name, Outcome, Record, Served, Terms,
    Tick,
};
use std::sync::Arc;
use tower_layer::Layer;

/// Adds usage, and who served it, to the draft of an attempt. See the [module docs](self).
#[derive(Clone, Debug, Default)]
pub struct UsageLayer {
    served: Served,
}

impl UsageLayer {
    /// Creates the layer. What requests and replies say fills in the rest.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Who bills, unless a reply says otherwise.
    #[must_use]
    pub fn provider(mut self, provider: impl Into<Name>) -> Self {
        self.served.provider = Some(provider.into());
        self
    }

    /// The model that is asked for, unless a request says otherwise.
    #[must_use]
    pub fn model(mut self, model: impl Into<Name>) -> Self {
        self.served.requested = Some(model.into());
        self
    }

    /// The conditions of the price, unless a request or a reply says otherwise.
    #[must_use]
    pub fn terms(mut self, terms: Terms) -> Self {
        self.served.terms = terms;
        self
    }
}

impl<S> Layer<S> for UsageLayer {
    type Service = Follow<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Follow::new(inner, self.clone())
    }
}

impl<C, R, E> Observe<C, R, E> for UsageLayer
where
    C: Carries + Facts,
    C::Sent: Facts,
    R: Reply,
    R::Head: Facts,
    R::Item: Facts,
{
    type Probe = UsageProbe;

    fn observe(&self, request: &mut C) -> UsageProbe {
        let live = request.record_mut().begin_attempt();
        let mut served = self.served.clone();
        counted(request.record(), || {
            request.served(&mut served);
            request.usage(&live.tally);
        });
        let record = request.record().clone();
        record.attempt(|attempt| attempt.served = served);
        let mut streamed = false;
        request.on_sent(|| {
            streamed = true;
            let live = Arc::clone(&live);
            Box::new(move |item: &C::Sent| {
                counted(&record, || item.usage(&live.tally));
            })
        });
        UsageProbe {
            live,
            failure: None,
            streamed,
            opened: None,
        }
    }
}

/// The probe of [`UsageLayer`].
#[derive(Debug)]
pub struct UsageProbe {
    live: Arc<Live>,
    failure: Option<Box<Failure>>,
    streamed: bool,
    /// When the connection of a streamed request was there.
    opened: Option<Tick>,
}

impl UsageProbe {
    /// How long the connection has been open so far. What the provider says of it outranks that.
    fn note_open(&self, record: &Record) {
        if let Some(opened) = self.opened {
            let open = record.clock().tick().since(opened).us();
            self.live
                .tally
                .set(Meter::SocketUs, Count::exact(open, Evidence::Measured));
        }
    }

    /// Most items say nothing of who served; the lock is for those that do.
    #[inline]
    fn note_served(record: &Record, facts: &(impl Facts + ?Sized)) {
        let mut served = Served::default();
        facts.served(&mut served);
        if served.is_empty() {
            // Nothing to drop: forgetting it lets the compiler see that nothing was done at all.
            std::mem::forget(served);
        } else {
            record.attempt(|attempt| {
                // The first id stays: that of an HTTP head is the one that a provider's support asks for.
                let first = attempt.served.request_id.take();
                attempt.served.update(&served);
                if first.is_some() {
                    attempt.served.request_id = first;
                }
            });
        }
    }
}

impl<R: Reply, E> Probe<R, E> for UsageProbe
where
    R::Head: Facts,
    R::Item: Facts,
{
    fn replied(&mut self, record: &Record, head: &R::Head) {
        counted(record, || Self::note_served(record, head));
        let failure = counted(record, || head.failure()).flatten();
        self.failure = failure.map(|failure| Box::new(traced(record, failure)));
        if self.failure.as_ref().is_some_and(|failure| failure.refused) {
            // Refused before anything was made: what was asked for is not billed.
            self.live.tally.clear_estimates();
        } else if self.streamed {
            self.opened = Some(record.clock().tick());
        }
    }

    /// A bug in one item does not lose what the next ones say: usage often comes last.
    #[inline]
    fn item(&mut self, record: &Record, item: &R::Item) {
        counted(record, || {
            item.usage(&self.live.tally);
            Self::note_served(record, item);
            if self.failure.is_none()
                && let Some(failure) = item.failure()
                && !record.is_draining()
            {
                self.failure = Some(Box::new(traced(record, failure)));
            }
            if item.moment() == Moment::UtteranceEnd {
                self.note_open(record);
                record.checkpoint();
            }
        });
    }

    fn end(self, record: &Record, end: End<'_, R, E>) {
        let outcome = match end {
            End::Panicked => Outcome::Panicked,
            End::Failed(_) | End::Broke(_) => Outcome::Failed,
            _ if self.failure.is_some() => Outcome::Failed,
            End::Done => Outcome::Completed,
            End::Dropped => Outcome::Cancelled,
        };
        let no_reply = matches!(end, End::Failed(_));
        self.note_open(record);
        if !matches!(end, End::Done) {
            self.live.tally.cut_off();
        }
        record.attempt(|attempt| {
            attempt.reads_on = false;
            // The same where a refusal comes as an error, and an `ErrorLayer` below has explained it.
            if no_reply
                && attempt
                    .failure
                    .as_ref()
                    .is_some_and(|failure| failure.refused)
            {
                self.live.tally.clear_estimates();
            }
            match self.failure {
                // What the provider said outranks how the connection ended then.
                Some(failure) => {
                    attempt.outcome = Some(outcome);
                    attempt.failure = Some(*failure);
                }
                // Where the caller has gone before, it saw another end than we.
                None => _ = attempt.outcome.get_or_insert(outcome),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CallLayer, ErrorLayer, classify, client};
    use campanile_core::{Clock, Count, Evidence, Handed, Ids, Intake, Meter, Tally, Usage};
    use tower::{ServiceBuilder, ServiceExt};

    struct Bounded;

    impl Facts for Bounded {
        fn usage(&self, tally: &Tally) {
            let bounds = Count {
                at_least: 0,
                at_most: Some(100),
                evidence: Evidence::Estimated,
            };
            tally.set(Meter::InputTokens, bounds);
        }
    }

    /// What an attempt has used whose client fails with that status.
    async fn used(status: u16) -> Usage {
        let intake = Intake::new(Clock::system(), Ids::seeded(7));
        let stage = ServiceBuilder::new()
            .layer(CallLayer::new("llm", &intake))
            .layer(UsageLayer::new())
            .layer(ErrorLayer::new(classify::error))
            .layer(client::unary())
            .service_fn(move |_: Bounded| {
                let failure = Failure::from_status(status).unwrap();
                std::future::ready(Err::<(), _>(classify::Fault(failure)))
            });

        let _ = stage.oneshot(Bounded).await;

        let mut handed = Vec::new();
        intake.take(&mut handed);
        let [Handed::Closed(record)] = &handed[..] else {
            panic!("one call, once: {handed:?}");
        };
        record.draft(|draft| draft.attempts[0].live.tally.snapshot())
    }

    #[tokio::test]
    async fn a_refusal_that_comes_as_an_error_is_not_billed() {
        assert!(used(429).await.is_empty());
    }

    #[tokio::test]
    async fn what_a_gateway_gave_up_on_may_be_billed() {
        let input = used(504).await.get(Meter::InputTokens).unwrap();

        assert_eq!((input.at_least, input.at_most), (0, Some(100)));
    }
}
