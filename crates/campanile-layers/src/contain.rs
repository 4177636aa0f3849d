//! A bug of an observer stays with the observer.

use campanile_core::Record;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs code of an observer; `None` where it panicked. Works while a stage unwinds, too.
#[inline]
pub(crate) fn contained<T>(run: impl FnOnce() -> T) -> Option<T> {
    // What a panic leaves half done is the observer's own: the stage never sees it.
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(done) => Some(done),
        Err(payload) => {
            discard(payload);
            None
        }
    }
}

/// The same, and counts it in the record of the call.
#[inline]
pub(crate) fn counted<T>(record: &Record, run: impl FnOnce() -> T) -> Option<T> {
    let done = contained(run);
    if done.is_none() {
        record.observer_failed();
    }
    done
}

/// What a panic brings along is a user's value, and may panic when it is dropped.
#[cold]
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}
