//! Refuses calls for which there is no money left.
//!
//! ```text
//!  call ──▶ reserve ──▶ client ──▶ reply … end ──▶ sealed, priced, counted ──▶ settle
//!              │
//!              └─ no money: the call fails with `OverBudget`, and the client never hears of it
//! ```
//!
//! What a call may cost is held from before it begins until the recorder has counted what it has cost, whatever its end: a
//! drop, a panic and a failure are counted, too. So concurrent calls cannot pass a limit by more than calls cost above
//! what was held for them.
//!
//! Put it below [`ErrorLayer`](crate::ErrorLayer), which records the refusal, and above retries, timeouts and limits: what is held
//! is held for the call with all its attempts.
//!
//! ```
//! use campanile_core::{Clock, Gate, Hold, Ids, Intake, Money, OverBudget, Record};
//! use campanile_layers::{BudgetLayer, CallLayer, client};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! struct Closed; // or `monitor.gate("openai:month", …)` of `campanile`
//!
//! impl Gate for Closed {
//!     fn admit(&self, _record: &Record) -> Result<Hold, OverBudget> {
//!         let limit = Money::from_usd("50").unwrap();
//!         Err(OverBudget::new("budget:openai:month".into(), limit, limit, Money::ZERO))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let intake = Intake::new(Clock::system(), Ids::random());
//! let stage = ServiceBuilder::new()
//!     .layer(CallLayer::new("llm", &intake))
//!     .layer(BudgetLayer::new(Closed))
//!     .layer(client::unary())
//!     .service_fn(async |text: &str| Ok::<_, std::convert::Infallible>(text.to_uppercase()));
//!
//! let error = stage.oneshot("hello").await.unwrap_err();
//! assert_eq!(error.to_string(), "budget:openai:month of $50 is used up: $50 spent");
//! # }
//! ```

use crate::carry::Carries;
use campanile_core::{Gate, OverBudget};
use pin_project::pin_project;
use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tower::BoxError;
use tower_layer::Layer;
use tower_service::Service;

/// Refuses calls for which there is no money left. See the [module docs](self).
#[derive(Clone)]
pub struct BudgetLayer {
    gate: Arc<dyn Gate>,
}

impl BudgetLayer {
    /// Asks `gate` before each call.
    pub fn new(gate: impl Gate + 'static) -> Self {
        Self {
            gate: Arc::new(gate),
        }
    }
}

// A gate is shared by calls on all threads, some of which panic; whoever writes one cannot leave it half changed.
impl UnwindSafe for BudgetLayer {}
impl RefUnwindSafe for BudgetLayer {}

impl fmt::Debug for BudgetLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetLayer").finish_non_exhaustive()
    }
}

impl<S> Layer<S> for BudgetLayer {
    type Service = Budgeted<S>;

    fn layer(&self, inner: S) -> Budgeted<S> {
        Budgeted {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service of [`BudgetLayer`]. Its error is boxed: the inner one, or [`OverBudget`].
#[derive(Clone, Debug)]
pub struct Budgeted<S> {
    inner: S,
    layer: BudgetLayer,
}

impl<C, S> Service<C> for Budgeted<S>
where
    C: Carries,
    S: Service<C>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BudgetFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: C) -> Self::Future {
        let record = request.record();
        match self.layer.gate.admit(record) {
            Ok(hold) => {
                record.hold(hold);
                BudgetFuture::Admitted(self.inner.call(request))
            }
            Err(over) => BudgetFuture::Refused(Some(over)),
        }
    }
}

/// The future of [`Budgeted`]. Dropping it drops the call; what is held for it is given back when the call is counted.
#[pin_project(project = Projected)]
#[derive(Debug)]
pub enum BudgetFuture<F> {
    /// The call goes ahead.
    Admitted(#[pin] F),
    /// There was no money for it; nothing, once that was told.
    Refused(Option<OverBudget>),
}

impl<F, R, E> Future for BudgetFuture<F>
where
    F: Future<Output = Result<R, E>>,
    E: Into<BoxError>,
{
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Projected::Admitted(inner) => Poll::Ready(ready!(inner.poll(cx)).map_err(Into::into)),
            Projected::Refused(over) => match over.take() {
                Some(over) => Poll::Ready(Err(over.into())),
                None => Poll::Pending,
            },
        }
    }
}
