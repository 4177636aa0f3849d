//! Kills, power cuts and disks in trouble: nothing acknowledged is missing, doubled, altered or invented, and nobody
//! who hands an event over notices.
//!
//! `cargo xtask faults` runs the long form. `CAMPANILE_CRASH_ROUNDS` sets how many kills there are (default 25),
//! `CAMPANILE_POWER_ROUNDS` how many power cuts (default 3), `CAMPANILE_CUT_ROUNDS` how many cuts in the model of a disk (default 40), `CAMPANILE_HUNG_SECONDS` how long a disk hangs (default 1).
//! What needs a file system of its own says that it is skipped where none can be mounted.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; a child tells its parent"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "how long handing over takes is real time"
)]

mod child;
mod cuts;
mod disk;
mod full;
mod hung;
mod kill;
mod overload;
mod power;
mod quiet;
mod trouble;

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}
