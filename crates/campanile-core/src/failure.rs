//! Why a call or an attempt failed.

use crate::{Content, Name};
use serde::Serialize;
use std::time::Duration;

/// Why something failed, as layers hand it over. The texts are content until they are redacted: providers
/// echo prompts in their messages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The kind, by which people act.
    pub kind: FailureKind,
    /// The provider's own code or the HTTP status.
    pub code: Option<Name>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Whether the provider said no in place of an answer: nothing was made, and nothing is billed.
    pub refused: bool,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
    /// The error and its sources, outermost first.
    pub chain: Vec<Cause>,
    /// Where it was caught, when backtraces are asked for.
    pub backtrace: Option<Content>,
}

impl Failure {
    /// A failure of that kind; retryable where the kind usually is.
    #[must_use]
    pub fn new(kind: FailureKind) -> Self {
        Self {
            kind,
            code: None,
            retryable: kind.is_transient(),
            refused: false,
            retry_after: None,
            chain: Vec::new(),
            backtrace: None,
        }
    }

    /// What an HTTP status says; `None` below 400.
    #[must_use]
    pub fn from_status(status: u16) -> Option<Self> {
        let kind = match status {
            0..400 => return None,
            401 => FailureKind::Authentication,
            402 => FailureKind::Quota,
            403 => FailureKind::Authorization,
            408 | 504 => FailureKind::Timeout,
            429 => FailureKind::RateLimit,
            400..500 => FailureKind::InvalidRequest,
            503 | 529 => FailureKind::Overloaded,
            _ => FailureKind::Server,
        };
        let failure = Self::new(kind).code(Name::outside(&status.to_string()));
        Some(Self {
            // Whoever gave up waiting may have begun to work.
            refused: !matches!(status, 408 | 504),
            ..failure
        })
    }

    /// What an error and its sources say. The kind is [`FailureKind::Unknown`]: nobody can tell from text.
    #[must_use]
    pub fn from_error(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut chain = Vec::new();
        let mut next = Some(error);
        // Sources can form a ring; nobody reads more than a few.
        while let Some(error) = next.filter(|_| chain.len() < 16) {
            chain.push(Cause::new(error.to_string()));
            next = error.source();
        }
        Self {
            chain,
            ..Self::new(FailureKind::Unknown)
        }
    }

    /// Sets the code.
    #[must_use]
    pub fn code(mut self, code: Option<Name>) -> Self {
        self.code = code;
        self
    }

    /// Sets the kind, and with it whether a retry makes sense.
    #[must_use]
    pub fn kind(mut self, kind: FailureKind) -> Self {
        self.kind = kind;
        self.retryable = kind.is_transient();
        self
    }

    /// Sets whether the same request may succeed later.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }

    /// Sets how long the provider asks to wait.
    #[must_use]
    pub fn retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// Adds a text to the end of the chain.
    #[must_use]
    pub fn because(mut self, text: impl Into<Content>) -> Self {
        self.chain.push(Cause::new(text));
        self
    }
}

/// One error of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cause {
    /// The type of the error, where it is known. It is written wherever the failure is.
    pub what: Option<&'static str>,
    /// Its text. What a person said may stand in it.
    pub text: Content,
    /// Whether all of its text stands in the source of this program, but for names and numbers: no person's words.
    pub is_ours: bool,
}

impl Cause {
    /// A text of an error whose type nobody knows.
    #[must_use]
    pub fn new(text: impl Into<Content>) -> Self {
        Self {
            what: None,
            text: text.into(),
            is_ours: false,
        }
    }

    /// Sets the type of the error.
    #[must_use]
    pub fn what(mut self, what: &'static str) -> Self {
        self.what = Some(what);
        self
    }
}

/// Kinds of failure, by what a person does about them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// Nobody classified it.
    #[default]
    Unknown,
    /// The key is missing or wrong.
    Authentication,
    /// The key may not do this.
    Authorization,
    /// The request is wrong.
    InvalidRequest,
    /// Too many requests for now.
    RateLimit,
    /// The money or the allowance is used up.
    Quota,
    /// No connection, or it broke.
    Connectivity,
    /// It took too long.
    Timeout,
    /// The provider, or a layer in front of it, is too busy.
    Overloaded,
    /// The provider failed.
    Server,
    /// The answer was not what the protocol allows.
    Protocol,
    /// The program's own code failed.
    Application,
}

impl FailureKind {
    /// Every kind.
    pub const ALL: [FailureKind; 12] = [
        FailureKind::Unknown,
        FailureKind::Authentication,
        FailureKind::Authorization,
        FailureKind::InvalidRequest,
        FailureKind::RateLimit,
        FailureKind::Quota,
        FailureKind::Connectivity,
        FailureKind::Timeout,
        FailureKind::Overloaded,
        FailureKind::Server,
        FailureKind::Protocol,
        FailureKind::Application,
    ];

    /// The name in JSON and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            FailureKind::Unknown => "unknown",
            FailureKind::Authentication => "authentication",
            FailureKind::Authorization => "authorization",
            FailureKind::InvalidRequest => "invalid_request",
            FailureKind::RateLimit => "rate_limit",
            FailureKind::Quota => "quota",
            FailureKind::Connectivity => "connectivity",
            FailureKind::Timeout => "timeout",
            FailureKind::Overloaded => "overloaded",
            FailureKind::Server => "server",
            FailureKind::Protocol => "protocol",
            FailureKind::Application => "application",
        }
    }

    /// Whether a later try usually helps.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(
            self,
            FailureKind::RateLimit
                | FailureKind::Connectivity
                | FailureKind::Timeout
                | FailureKind::Overloaded
                | FailureKind::Server
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_become_kinds() {
        assert_eq!(Failure::from_status(200), None);
        let limited = Failure::from_status(429).unwrap();
        assert_eq!(
            (limited.kind, limited.retryable),
            (FailureKind::RateLimit, true)
        );
        assert_eq!(limited.code.as_deref(), Some("429"));
        assert!(!Failure::from_status(401).unwrap().retryable);
        assert!(limited.refused && !Failure::from_status(504).unwrap().refused);
        assert_eq!(Failure::from_status(500).unwrap().kind, FailureKind::Server);
    }

    #[test]
    fn a_failure_prints_no_text() {
        let failure =
            Failure::new(FailureKind::Server).because("prompt: my card is 4111".to_owned());
        assert!(!format!("{failure:?}").contains("4111"));
    }
}
