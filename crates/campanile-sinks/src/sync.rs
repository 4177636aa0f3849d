//! What threads meet at, and the clock by which they wait. The model of the lane puts others in their place: see
//! `tests/lane_model.rs`.

pub(crate) use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic},
    thread::{Builder, JoinHandle},
};

/// Real time, whatever clock the events carry: somebody waits for real threads.
pub(crate) fn steady() -> campanile_core::Clock {
    campanile_core::Clock::system()
}
