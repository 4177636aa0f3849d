//! What threads meet at. The simulation of the lane puts other things in their place: see `tests/lane_model.rs`.

pub(crate) use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic},
    thread::{Builder, JoinHandle},
};
