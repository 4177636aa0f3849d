//! Why a client failed.

use campanile::classify::Fault;
use campanile::{Facts, Failure, FailureKind, Name};
use std::fmt;
use tokio_tungstenite::tungstenite;

/// An error of a client. It brings its explanation along as its source, so that nobody has to guess from texts.
#[derive(Debug)]
pub struct Error {
    doing: &'static str,
    fault: Fault,
}

impl Error {
    /// What was tried, and what was said about it.
    pub fn new(doing: &'static str, failure: Failure) -> Self {
        let fault = Fault(failure);
        Self { doing, fault }
    }

    /// A connection that was not made, or broke.
    pub fn broken(doing: &'static str, error: &(dyn std::error::Error + 'static)) -> Self {
        let chain = Failure::from_error(error).chain;
        let mut failure = Failure::new(FailureKind::Connectivity);
        failure.chain = chain;
        Self::new(doing, failure)
    }

    /// An answer that is an error: its status, and how long to wait. `None` below 400.
    pub fn status(doing: &'static str, head: &http::response::Parts) -> Option<Self> {
        Some(Self::new(doing, head.failure()?))
    }

    /// What a WebSocket says: a refused handshake has a status, the rest is the connection's trouble.
    pub fn socket(doing: &'static str, error: tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::Http(response) => {
                let (head, _) = response.into_parts();
                Self::status(doing, &head)
                    .unwrap_or_else(|| Self::new(doing, Failure::new(FailureKind::Protocol)))
            }
            error => Self::broken(doing, &error),
        }
    }

    /// A WebSocket that the provider has closed for a reason of its own.
    pub fn closed(doing: &'static str, code: u16) -> Self {
        let failure = Failure::new(FailureKind::Connectivity);
        Self::new(doing, failure.code(Name::outside(&code.to_string())))
    }

    /// What it is, by which people act.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.fault.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.fault)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.fault)
    }
}
