//! Whose call it is.

use campanile_core::Turn;

/// Says to which turn a request belongs, where a stage serves many sessions. Implemented by closures
/// `Fn(&Req) -> Option<Turn>`; `None` leaves a call unattributed.
pub trait Scope<Req> {
    /// The turn of this request.
    fn turn(&self, request: &Req) -> Option<Turn>;
}

impl<Req, F: Fn(&Req) -> Option<Turn>> Scope<Req> for F {
    fn turn(&self, request: &Req) -> Option<Turn> {
        self(request)
    }
}

/// The scope of a stage that was given none: its calls belong to nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unattributed;

impl<Req> Scope<Req> for Unattributed {
    fn turn(&self, _request: &Req) -> Option<Turn> {
        None
    }
}

/// The turn that somebody above has put into an HTTP request's extensions.
#[must_use]
pub fn extension<B>(request: &http::Request<B>) -> Option<Turn> {
    request.extensions().get().cloned()
}
