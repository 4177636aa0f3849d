//! Reads what campanile wrote: reports, sessions, ledger.
