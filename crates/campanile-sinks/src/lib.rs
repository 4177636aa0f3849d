//! Where campanile's events go: ledger, jsonl, console, metrics, memory.

pub mod ledger;
