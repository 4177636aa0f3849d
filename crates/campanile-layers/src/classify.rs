//! What errors are, for [`ErrorLayer`](crate::ErrorLayer).

use campanile_core::{Failure, FailureKind, Name, OverBudget};
use std::error::Error;
use std::fmt;
use std::io;

/// Explains tower's boxed error and its sources.
#[must_use]
pub fn boxed(error: &tower::BoxError) -> Failure {
    explain(error.as_ref())
}

/// Explains a typed error and its sources. The name of its type is written wherever the failure is.
#[must_use]
pub fn error<E: Error + 'static>(error: &E) -> Failure {
    let mut failure = explain(error);
    if let Some(cause) = failure.chain.first_mut() {
        cause.what = Some(std::any::type_name::<E>());
    }
    failure
}

/// Explains an error and its sources: the outermost that is known says what it was. Known are [`Fault`],
/// [`OverBudget`], timeouts, load shedding and closed buffers of tower, tokio's timeout, and IO errors.
#[must_use]
pub fn explain(error: &(dyn Error + 'static)) -> Failure {
    let texts = told(error);
    let mut next = Some(error);
    // Sources can form a ring.
    for _ in 0..MAX_DEPTH {
        let Some(error) = next else { break };
        if let Some(Fault(failure)) = error.downcast_ref() {
            let mut failure = failure.clone();
            failure.chain = texts.chain;
            return failure;
        }
        if error.is::<OverBudget>() {
            return over_budget(texts);
        }
        if let Some(kind) = known(error) {
            return texts.kind(kind);
        }
        next = inside(error);
    }
    texts
}

/// Nobody at the provider has heard of the call; it may go ahead when the budget has room again.
fn over_budget(texts: Failure) -> Failure {
    let code = Name::from_static("over_budget");
    let mut failure = texts.kind(FailureKind::Quota).code(Some(code));
    failure.refused = true;
    failure
}

/// The texts of an error and its sources, and the types of those that are known.
fn told(error: &(dyn Error + 'static)) -> Failure {
    let mut failure = Failure::from_error(error);
    let mut next = Some(error);
    for cause in &mut failure.chain {
        cause.what = next.and_then(type_of);
        cause.is_ours = next.is_some_and(|error| error.is::<OverBudget>() || error.is::<Fault>());
        next = next.and_then(Error::source);
    }
    failure
}

/// The name of a type of error that many programs have.
fn type_of(error: &(dyn Error + 'static)) -> Option<&'static str> {
    macro_rules! first_of {
        ($($known:ty),+ $(,)?) => {
            [$(error.is::<$known>().then_some(stringify!($known))),+].into_iter().flatten().next()
        };
    }
    use std::num::{ParseFloatError, ParseIntError};
    use std::str::Utf8Error;
    use std::string::FromUtf8Error;
    use tower::{
        buffer::error as buffer, load_shed::error as load_shed, timeout::error as timeout,
    };
    first_of!(
        io::Error,
        timeout::Elapsed,
        load_shed::Overloaded,
        buffer::Closed,
        buffer::ServiceError,
        tokio::time::error::Elapsed,
        tokio::task::JoinError,
        tokio::sync::oneshot::error::RecvError,
        tokio::sync::mpsc::error::SendError<()>,
        fmt::Error,
        Utf8Error,
        FromUtf8Error,
        ParseIntError,
        ParseFloatError,
    )
}

/// As deep as the chain of texts.
const MAX_DEPTH: usize = 16;

/// What an error hides: its source; of an IO error what it was made of, which it leaves out of its sources; of a boxed
/// fault, which is one box too many, the fault.
fn inside<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(made_of) = error.downcast_ref().and_then(io::Error::get_ref) {
        return Some(made_of);
    }
    match error.downcast_ref::<Box<Fault>>() {
        Some(fault) => Some(&**fault),
        None => error.source(),
    }
}

fn known(error: &(dyn Error + 'static)) -> Option<FailureKind> {
    if error.is::<tower::timeout::error::Elapsed>() || error.is::<tokio::time::error::Elapsed>() {
        Some(FailureKind::Timeout)
    } else if error.is::<tower::load_shed::error::Overloaded>() {
        Some(FailureKind::Overloaded)
    } else if error.is::<tower::buffer::error::Closed>() {
        Some(FailureKind::Application)
    } else {
        Some(match error.downcast_ref::<io::Error>()?.kind() {
            io::ErrorKind::TimedOut => FailureKind::Timeout,
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => FailureKind::Protocol,
            io::ErrorKind::Other => return None,
            _ => FailureKind::Connectivity,
        })
    }
}

/// An error that brings its explanation along: what a client of one's own returns so that nobody has to guess.
#[derive(Clone, Debug)]
pub struct Fault(pub Failure);

/// The kind and the code. The texts are content.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind.name())?;
        match &self.0.code {
            Some(code) => write!(f, " ({code})"),
            None => Ok(()),
        }
    }
}

impl Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_known_error_says_what_it_was() {
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let failure = error(&io::Error::other(reset));

        assert_eq!(
            (failure.kind, failure.retryable),
            (FailureKind::Connectivity, true)
        );
        assert_eq!(failure.chain.len(), 1);
    }

    #[test]
    fn a_fault_keeps_its_code() {
        let fault = Fault(Failure::from_status(429).expect("an error"));
        let failure = boxed(&Box::new(fault).into());

        assert_eq!(
            (failure.kind, failure.code.as_deref()),
            (FailureKind::RateLimit, Some("429"))
        );
    }

    #[test]
    fn types_are_told_where_they_are_known() {
        let what = |failure: Failure| failure.chain.first().and_then(|cause| cause.what);

        assert_eq!(
            what(boxed(&io::Error::other("my card").into())),
            Some("io::Error")
        );
        assert_eq!(what(boxed(&"my card".into())), None);
        assert_eq!(
            what(error(&Fault(Failure::from_status(429).unwrap()))),
            Some("campanile_layers::classify::Fault")
        );
    }

    #[test]
    fn nobody_guesses_from_text() {
        assert_eq!(
            boxed(&"request timed out".into()).kind,
            FailureKind::Unknown
        );
    }
}
