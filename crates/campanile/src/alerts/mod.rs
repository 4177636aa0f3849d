//! Budgets: told once when what was spent passes a share of a limit.
//!
//! ```text
//!  processes ──calls──▶ ledger ◀──look, once a second── watch ──new?──▶ alert: the ledger's row, and the debt to tell it
//!                                                          │                │
//!                                       (recorder: never   │                ├──▶ console, jsonl, metrics
//!                                        asked, never held)┘                └──▶ webhooks, at least once
//! ```
//!
//! The ledger is the truth: what all processes have written there is summed, on a thread of its own, and an alert is raised by the
//! transaction that finds its id new. So it is raised once, however many processes look, and whichever of them dies.
//! Without a ledger, a process knows of its own calls only, and forgets with them what it has told.

mod budget;
mod courier;
mod gate;
mod keeper;
mod own;
mod rule;
mod rules;
mod scope;
mod seen;
mod spent;
mod watch;
mod webhook;
mod window;

pub use budget::{Budget, Standing};
pub(crate) use courier::{Courier, Debts};
pub use gate::{BudgetGate, NoGate};
pub(crate) use gate::{Gates, Others, without_prefix};
pub(crate) use keeper::{Flush, Keeper};
pub(crate) use own::{Own, Whose};
pub(crate) use rule::Condition;
pub use rule::Rule;
pub(crate) use scope::{Per, Scope};
pub(crate) use watch::LOG;
pub use watch::Watch;
pub use webhook::Webhook;
pub(crate) use window::Window;
