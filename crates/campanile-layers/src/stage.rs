//! One bound that says what a stage is.

use crate::reply::Reply;
use tower_service::Service;

/// A service that takes `Req` and gives a reply that can be followed: what a stack of layers should come to.
#[diagnostic::on_unimplemented(
    message = "this stack is not a stage for `{Req}`",
    label = "not a `Service<{Req}>` whose reply can be followed",
    note = "top to bottom: `CallLayer` first, then other layers, then one `client::…` adapter that names the reply's shape, then the client",
    note = "requests and items need `Facts`: `impl campanile::Facts for MyItem {{}}` is enough"
)]
pub trait Stage<Req>: Service<Req> {}

impl<Req, S> Stage<Req> for S
where
    S: Service<Req>,
    S::Response: Reply,
{
}

/// Gives back what it is given, and turns a wrong stack into one readable error where it is built.
///
/// Without it the compiler reports a wrong stack at its first use, in thirty lines of type names.
pub fn stage<Req, S: Stage<Req>>(service: S) -> S {
    service
}
