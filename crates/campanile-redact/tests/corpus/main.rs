//! Labelled sentences, and how the detectors do on them: the development corpus, which lies outside of the repository, and sentences
//! that are made here from templates and seeds.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests that print tables, outside of their test functions too"
)]

mod development;
mod dice;
mod generated;
mod numbers;
mod people;
mod scoring;
mod secrets;
mod speech;
