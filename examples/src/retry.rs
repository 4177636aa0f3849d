//! When to try again, and how long to wait before.

use crate::Error;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tower::retry::Policy;

/// Tries again what the provider says may succeed later: after the time that it asks for, else after a short and
/// growing one.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    left: u32,
    wait: Duration,
}

impl Patience {
    /// Tries that many times more.
    #[must_use]
    pub const fn tries(more: u32) -> Self {
        Self {
            left: more,
            wait: Duration::from_millis(50),
        }
    }
}

/// What a provider asks for is honoured up to here; a caller does not wait longer.
const LONGEST: Duration = Duration::from_secs(5);

impl<Req: Clone, Res> Policy<Req, Res, Error> for Patience {
    type Future = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn retry(
        &mut self,
        _request: &mut Req,
        result: &mut Result<Res, Error>,
    ) -> Option<Self::Future> {
        let failure = result.as_ref().err()?.failure();
        if self.left == 0 || !failure.retryable {
            return None;
        }
        let wait = failure.retry_after.unwrap_or(self.wait);
        if wait > LONGEST {
            return None;
        }
        self.left -= 1;
        self.wait *= 2;
        Some(Box::pin(tokio::time::sleep(wait)))
    }

    fn clone_request(&mut self, request: &Req) -> Option<Req> {
        Some(request.clone())
    }
}
