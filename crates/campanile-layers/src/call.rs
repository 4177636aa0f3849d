//! Opens a call, and closes it once with what its caller saw.
//!
//! ```text
//!  poll_ready … call        reply          end
//!  |-- waited --|--------------------------|
//!               opened                     closed: completed, failed, cancelled, panicked
//! ```
//!
//! Put it above everything else, so that waiting for limits, buffers and retries counts.
//!
//! ```
//! use campanile_core::{Clock, Ids, Intake};
//! use campanile_layers::{CallLayer, Unary, client};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), std::convert::Infallible> {
//! let intake = Intake::new(Clock::system(), Ids::random()); // or a `campanile::Monitor`
//! let stage = ServiceBuilder::new()
//!     .layer(CallLayer::new("tts", &intake))
//!     .layer(client::unary())
//!     .service_fn(async |text: &str| Ok::<_, std::convert::Infallible>(text.to_uppercase()));
//!
//! let Unary(spoken) = stage.oneshot("hello").await?;
//! assert_eq!((spoken.as_str(), intake.opened(), intake.open_calls().len()), ("HELLO", 1, 0));
//! # Ok(())
//! # }
//! ```

use crate::carry::{Call, Carries, Sending, Upload};
use crate::contain::{contained, counted};
use crate::errors::traced;
use crate::follow::{End, Follow, Observe, Probe};
use crate::reply::Reply;
use crate::scope::{Scope, Unattributed};
use campanile_core::{Facts, Failure, FailureKind, Intake, Name, Outcome, Record, Span, Tick};
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Opens a call for each request and closes it. See the [module docs](self).
#[derive(Clone, Debug)]
pub struct CallLayer<K = Whole, F = Unattributed> {
    stage: Name,
    intake: Intake,
    labels: Arc<[(&'static str, Name)]>,
    scope: F,
    kind: K,
}

impl CallLayer {
    /// Watches a stage whose requests come whole. Its stack sees [`Call<Req>`](Call).
    pub fn new(stage: &'static str, monitor: &impl AsRef<Intake>) -> Self {
        Self::of(stage, monitor, Whole)
    }
}

impl CallLayer<Http> {
    /// Watches a stage whose requests are `http::Request`s. They stay what they are.
    pub fn http(stage: &'static str, monitor: &impl AsRef<Intake>) -> Self {
        Self::of(stage, monitor, Http)
    }
}

impl CallLayer<Streamed> {
    /// Watches a stage whose requests are an [`Upload`]: a head, and pieces that follow. Its stack sees [`Sending`].
    pub fn streamed(stage: &'static str, monitor: &impl AsRef<Intake>) -> Self {
        Self::of(stage, monitor, Streamed)
    }
}

impl<K> CallLayer<K> {
    fn of(stage: &'static str, monitor: &impl AsRef<Intake>, kind: K) -> Self {
        Self {
            stage: Name::from_static(stage),
            intake: monitor.as_ref().clone(),
            labels: Arc::new([]),
            scope: Unattributed,
            kind,
        }
    }
}

impl<K, F> CallLayer<K, F> {
    /// Says to which turn a request belongs.
    #[must_use]
    pub fn scope<G>(self, scope: G) -> CallLayer<K, G> {
        let Self {
            stage,
            intake,
            labels,
            scope: _,
            kind,
        } = self;
        CallLayer {
            stage,
            intake,
            labels,
            scope,
            kind,
        }
    }

    /// Labels each call of this stage, for reports: at most eight labels, of which later ones replace earlier
    /// ones of the same name.
    #[must_use]
    pub fn label(mut self, name: &'static str, value: impl Into<Name>) -> Self {
        let kept = self
            .labels
            .iter()
            .filter(|(known, _)| *known != name)
            .take(7)
            .cloned();
        self.labels = kept.chain([(name, value.into())]).collect();
        self
    }
}

impl<S, K: Clone, F: Clone> Layer<S> for CallLayer<K, F> {
    type Service = Opening<Follow<S, Outcomes>, K, F>;

    fn layer(&self, inner: S) -> Self::Service {
        let wait = Wait {
            intake: self.intake.clone(),
            since: None,
            waited: Span(0),
        };
        Opening {
            inner: Follow::new(inner, Outcomes(())),
            layer: self.clone(),
            wait,
        }
    }
}

/// How a request takes its record along: whole requests become a [`Call`].
#[derive(Clone, Copy, Debug)]
pub struct Whole;

/// How a request takes its record along: in the extensions of an `http::Request`.
#[derive(Clone, Copy, Debug)]
pub struct Http;

/// How a request takes its record along: an [`Upload`] becomes a [`Sending`].
#[derive(Clone, Copy, Debug)]
pub struct Streamed;

/// Makes a request carry its record.
#[diagnostic::on_unimplemented(
    message = "this `CallLayer` does not open calls for `{Req}`",
    label = "another constructor of `CallLayer` is needed",
    note = "`CallLayer::new` takes any request, `CallLayer::streamed` an `Upload`, `CallLayer::http` an `http::Request`"
)]
pub trait Open<Req> {
    /// The request with its record.
    type Carrier: Carries;

    /// Puts both together.
    fn open(&self, request: Req, record: Record) -> Self::Carrier;
}

impl<R> Open<R> for Whole {
    type Carrier = Call<R>;
    fn open(&self, request: R, record: Record) -> Call<R> {
        Call::new(request, record)
    }
}

impl<B> Open<http::Request<B>> for Http {
    type Carrier = http::Request<B>;
    fn open(&self, mut request: http::Request<B>, record: Record) -> http::Request<B> {
        request.extensions_mut().insert(record);
        request
    }
}

impl<H, S: futures_core::Stream> Open<Upload<H, S>> for Streamed {
    type Carrier = Sending<H, S>;
    fn open(&self, upload: Upload<H, S>, record: Record) -> Sending<H, S> {
        Sending::new(upload, record)
    }
}

/// The service of [`CallLayer`]. A clone has waited for nothing yet.
#[derive(Debug)]
pub struct Opening<S, K = Whole, F = Unattributed> {
    inner: S,
    layer: CallLayer<K, F>,
    wait: Wait,
}

impl<S: Clone, K: Clone, F: Clone> Clone for Opening<S, K, F> {
    fn clone(&self) -> Self {
        let wait = Wait {
            intake: self.wait.intake.clone(),
            since: None,
            waited: Span(0),
        };
        Self {
            inner: self.inner.clone(),
            layer: self.layer.clone(),
            wait,
        }
    }
}

impl<S, K, F, Req> Service<Req> for Opening<S, K, F>
where
    K: Open<Req>,
    F: Scope<Req>,
    S: Service<K::Carrier>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let asking = Asking {
            stage: &self.layer.stage,
            wait: &mut self.wait,
        };
        let polled = self.inner.poll_ready(cx);
        std::mem::forget(asking);
        match &polled {
            Poll::Pending => self.wait.begin(),
            Poll::Ready(Ok(())) => self.wait.end(),
            Poll::Ready(Err(_)) => {
                self.wait.end();
                let waited = std::mem::take(&mut self.wait.waited);
                let failure = Failure::new(FailureKind::Unknown);
                self.layer
                    .intake
                    .refused(&self.layer.stage, waited, failure);
            }
        }
        polled
    }

    fn call(&mut self, request: Req) -> S::Future {
        let turn = contained(|| self.layer.scope.turn(&request));
        let scope_failed = turn.is_none();
        let waited = std::mem::take(&mut self.wait.waited);
        let record = self
            .layer
            .intake
            .open(&self.layer.stage, turn.flatten(), waited);
        if scope_failed {
            record.observer_failed();
        }
        if !self.layer.labels.is_empty() {
            record.draft(|draft| draft.labels.extend_from_slice(&self.layer.labels));
        }
        self.inner.call(self.layer.kind.open(request, record))
    }
}

/// A guard that is dropped only by a panic of `poll_ready`: a call that never was, and has panicked.
struct Asking<'a> {
    stage: &'a Name,
    wait: &'a mut Wait,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.wait.end();
        let waited = std::mem::take(&mut self.wait.waited);
        let record = self.wait.intake.open(self.stage, None, waited);
        record.close(Outcome::Panicked, Some(NOT_READY));
    }
}

/// The reason of a call that ended before it could begin.
const NOT_READY: Name = Name::from_static("not_ready");

/// How long a caller has waited for readiness. Dropped while it waits: the caller gave up.
#[derive(Debug)]
struct Wait {
    intake: Intake,
    since: Option<Tick>,
    waited: Span,
}

impl Wait {
    fn begin(&mut self) {
        self.since.get_or_insert_with(|| self.intake.clock().tick());
    }

    fn end(&mut self) {
        if let Some(since) = self.since.take() {
            self.waited = self.intake.clock().tick().since(since);
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.since.is_some() {
            self.intake.gave_up();
        }
    }
}

/// The observer of [`CallLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Outcomes(());

impl<C: Carries, R: Reply, E> Observe<C, R, E> for Outcomes
where
    R::Head: Facts,
    R::Item: Facts,
{
    type Probe = OutcomeProbe;

    fn observe(&self, _request: &mut C) -> OutcomeProbe {
        OutcomeProbe { failure: None }
    }
}

/// The probe of [`CallLayer`]: remembers an error that came as an answer, and closes the call.
#[derive(Debug)]
pub struct OutcomeProbe {
    failure: Option<Box<Failure>>,
}

impl OutcomeProbe {
    /// A bug in one item leaves the others to be looked at.
    #[inline]
    fn look(&mut self, record: &Record, facts: &(impl Facts + ?Sized)) {
        if self.failure.is_none() {
            let failure = counted(record, || facts.failure()).flatten();
            self.failure = failure.map(Box::new);
        }
    }
}

impl<R: Reply, E> Probe<R, E> for OutcomeProbe
where
    R::Head: Facts,
    R::Item: Facts,
{
    fn replied(&mut self, record: &Record, head: &R::Head) {
        self.look(record, head);
    }

    #[inline]
    fn item(&mut self, record: &Record, item: &R::Item) {
        self.look(record, item);
    }

    fn end(self, record: &Record, end: End<'_, R, E>) {
        let in_band = self.failure.is_some();
        let outcome = match end {
            End::Panicked => Outcome::Panicked,
            End::Failed(_) | End::Broke(_) => Outcome::Failed,
            End::Done | End::Dropped if in_band => Outcome::Failed,
            End::Done => Outcome::Completed,
            End::Dropped => Outcome::Cancelled,
        };
        let failure = self.failure.map(|mut failure| {
            // To capture a trace takes long: the attempt has it, where a `UsageLayer` has seen the same.
            let known =
                || record.draft(|draft| draft.attempts.last()?.failure.as_ref()?.backtrace.clone());
            failure.backtrace = failure.backtrace.take().or_else(known);
            traced(record, *failure)
        });
        record.draft(|draft| match (failure, outcome) {
            // What the provider said outranks how the connection ended then.
            (Some(failure), _) => draft.failure = Some(failure),
            // Left by an attempt that a layer in between made good.
            (None, Outcome::Completed | Outcome::Cancelled) => draft.failure = None,
            (None, _) => {}
        });
        let reason = match outcome {
            Outcome::Cancelled => record.turn().and_then(|turn| turn.interrupted().cloned()),
            _ => None,
        };
        record.close(outcome, reason);
    }
}
