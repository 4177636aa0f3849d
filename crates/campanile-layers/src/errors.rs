//! Explains failures.
//!
//! Above timeouts, limits and retries it says why the caller's call failed; pushed once more below
//! [`UsageLayer`](crate::UsageLayer), it says so of each attempt. Errors pass through untouched: what is recorded is
//! a kind, a code, whether to retry, and the texts of the chain as content, which are redacted before they are
//! written.

use crate::carry::Carries;
use crate::contain::counted;
use crate::follow::{End, Follow, Observe, Probe};
use crate::reply::Reply;
use campanile_core::{Content, Failure, FailureKind, Record};
use tower_layer::Layer;

/// Adds a [`Failure`] to the draft of a call that failed, or of an attempt where one was begun above.
///
/// ```
/// use campanile_layers::{ErrorLayer, classify};
///
/// // For tower's boxed errors and for typed ones:
/// let layer = ErrorLayer::new(classify::boxed);
/// let layer = ErrorLayer::new(classify::error::<std::io::Error>).breaks(classify::boxed);
/// # let _ = layer;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ErrorLayer<C, B = Unexplained> {
    errors: C,
    breaks: B,
}

impl<C> ErrorLayer<C> {
    /// Explains the service's errors by `classify`. A reply that breaks off is [`FailureKind::Connectivity`]
    /// unless [`breaks`](Self::breaks) says more.
    pub const fn new(classify: C) -> Self {
        Self {
            errors: classify,
            breaks: Unexplained,
        }
    }

    /// Explains why replies break off.
    pub fn breaks<B>(self, classify: B) -> ErrorLayer<C, B> {
        ErrorLayer {
            errors: self.errors,
            breaks: classify,
        }
    }
}

/// Explains one type of error. Implemented by closures `Fn(&E) -> Failure`; see [`classify`](crate::classify).
pub trait Classify<E> {
    /// What this error is.
    fn classify(&self, error: &E) -> Failure;
}

impl<E, F: Fn(&E) -> Failure> Classify<E> for F {
    fn classify(&self, error: &E) -> Failure {
        self(error)
    }
}

/// Says of every break that the connection broke.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unexplained;

impl<E> Classify<E> for Unexplained {
    fn classify(&self, _error: &E) -> Failure {
        Failure::new(FailureKind::Connectivity)
    }
}

impl<S, C: Clone, B: Clone> Layer<S> for ErrorLayer<C, B> {
    type Service = Follow<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Follow::new(inner, self.clone())
    }
}

impl<Q, R, E, C, B> Observe<Q, R, E> for ErrorLayer<C, B>
where
    Q: Carries,
    R: Reply,
    C: Classify<E> + Clone + Send,
    B: Classify<R::Break> + Clone + Send,
{
    type Probe = ErrorProbe<C, B>;

    fn observe(&self, _request: &mut Q) -> Self::Probe {
        ErrorProbe(self.clone())
    }
}

/// With where it was caught, which is here, if backtraces were asked for.
#[cold]
pub(crate) fn traced(record: &Record, mut failure: Failure) -> Failure {
    if failure.backtrace.is_none() && record.intake().backtraces() {
        let here = std::backtrace::Backtrace::force_capture();
        failure.backtrace = Some(Content::new(here.to_string()));
    }
    failure
}

/// The probe of [`ErrorLayer`].
#[derive(Clone, Copy, Debug)]
pub struct ErrorProbe<C, B>(ErrorLayer<C, B>);

impl<R, E, C, B> Probe<R, E> for ErrorProbe<C, B>
where
    R: Reply,
    C: Classify<E> + Send,
    B: Classify<R::Break> + Send,
{
    fn end(self, record: &Record, end: End<'_, R, E>) {
        // What fails when the caller has gone has failed nobody.
        if record.is_draining() {
            return;
        }
        let failure = match end {
            End::Failed(error) => counted(record, || self.0.errors.classify(error)),
            End::Broke(broken) => counted(record, || self.0.breaks.classify(broken)),
            _ => return,
        }
        .unwrap_or_else(|| Failure::new(FailureKind::Unknown));
        let failure = traced(record, failure);
        match record.attempt_number() {
            Some(_) => record.attempt(|attempt| attempt.failure = Some(failure)),
            None => record.draft(|draft| draft.failure = Some(failure)),
        }
    }
}
