//! The soak: lives through phone calls against simulated providers, injects faults, and judges what was recorded of them.
//!
//! ```text
//!  judge (this process) ──────────────────────────────────────────────────────────────┐
//!    │ starts, kills, stalls            reads: ledger, logs, console, metrics, bills   │
//!    ▼                                                                                ▼
//!  worker ── phone calls ──▶ stages with layers ──▶ simulated providers           verdict, report
//!    └── journal: what it did, by its own count ──────────────────────────────────────┘
//! ```
//!
//! `cargo xtask soak` builds this and runs it. The worker is a process of its own, so that it can be killed.

mod canary;
mod clock;
mod dice;
mod disk;
mod faults;
mod interrupt;
mod journal;
mod judge;
mod limit;
mod metrics;
mod options;
mod plan;
mod plant;
mod providers;
mod report;
mod run;
mod worker;

use clap::Parser as _;
use options::Options;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::process::ExitCode;

/// Counts what is on the heap.
#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The word with which the judge starts a worker.
const WORKER: &str = "worker";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(WORKER) {
        let job = arguments.next().unwrap_or_default();
        let done = serde_json::from_str(&job)
            .map_err(|error| format!("not a job: {error}"))
            .and_then(worker::run);
        return match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => complain(&why),
        };
    }
    match Options::parse().resolved().and_then(run::run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => complain(&why),
    }
}

#[expect(clippy::print_stderr, reason = "a program that cannot go on says why")]
fn complain(why: &str) -> ExitCode {
    eprintln!("soak: {why}");
    ExitCode::from(2)
}
