//! Where sealed events go.

use crate::Event;
use std::{sync::Arc, time::Duration};

/// Somewhere that events go: a file, a ledger, a console, a test.
///
/// Sinks are values: swap them by handing in another one. Combine two with [`and`](Sink::and); `()` drops everything.
///
/// ```
/// use campanile_core::{Event, Level, Sink};
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// #[derive(Default)]
/// struct Errors(AtomicUsize);
///
/// impl Sink for Errors {
///     fn record(&self, event: &Event) {
///         if event.level() == Level::Error {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let sink = Errors::default().and(());
/// # let _ = sink;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a sink",
    note = "implement `Sink` for it (one method), or hand in `memory()`, `()` or `a.and(b)`"
)]
pub trait Sink: Send + Sync {
    /// Takes one sealed event of any kind, on the recorder's thread. Must not block and should not panic;
    /// counts what it must drop. A panic is caught and counted, and disturbs no other sink.
    fn record(&self, event: &Event);

    /// Waits until everything recorded so far is where it should be. `false` when `within` was too short.
    fn flush(&self, _within: Duration) -> bool {
        true
    }

    /// Sends every event here and to `other`.
    fn and<B: Sink>(self, other: B) -> And<Self, B>
    where
        Self: Sized,
    {
        And(self, other)
    }
}

/// Two sinks side by side; see [`Sink::and`].
#[derive(Clone, Copy, Debug)]
pub struct And<A, B>(A, B);

impl<A: Sink, B: Sink> Sink for And<A, B> {
    fn record(&self, event: &Event) {
        let first = std::panic::AssertUnwindSafe(|| self.0.record(event));
        let first = std::panic::catch_unwind(first);
        self.1.record(event);
        if let Err(panic) = first {
            std::panic::resume_unwind(panic);
        }
    }

    fn flush(&self, within: Duration) -> bool {
        // Not `&&`: the second is flushed whatever the first says.
        self.0.flush(within) & self.1.flush(within)
    }
}

/// Drops everything.
impl Sink for () {
    fn record(&self, _event: &Event) {}
}

/// Drops everything where it is `None`.
impl<S: Sink> Sink for Option<S> {
    fn record(&self, event: &Event) {
        if let Some(sink) = self {
            sink.record(event);
        }
    }
    fn flush(&self, within: Duration) -> bool {
        self.as_ref().is_none_or(|sink| sink.flush(within))
    }
}

macro_rules! through {
    ($($wrapper:ty),*) => {$(
        impl<S: Sink + ?Sized> Sink for $wrapper {
            fn record(&self, event: &Event) {
                (**self).record(event);
            }
            fn flush(&self, within: Duration) -> bool {
                (**self).flush(within)
            }
        }
    )*};
}

through!(Box<S>, Arc<S>);
