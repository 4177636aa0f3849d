//! The commands, one a file.

mod budget;
mod by;
mod completions;
mod cost;
mod doctor;
mod errors;
mod export;
mod forget;
mod latency;
mod ledger;
mod logs;
mod prices;
mod reconcile;
mod record;
mod redact;
mod report;
mod session;
mod sessions;
mod sums;
mod usage;
mod which;

use crate::{Io, fault::Fault, settings::Settings};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// What was used and what it cost: by provider and model, stage, session, time or outcome.
    Report(report::Report),
    /// Lists sessions, the latest first.
    Sessions(sessions::Sessions),
    /// One session: its turns as waterfalls, its calls, what was cut and what failed.
    Session(session::Session),
    /// How long turns and calls took: percentiles, trends, histograms, two times compared.
    Latency(latency::Latency),
    /// What failed, how often, since when, and whom it hit.
    Errors(errors::Errors),
    /// Finds lines in the log files: by text, time, level, stage, session, field; follows them.
    Logs(logs::Logs),
    /// Dumps, verifies, exports, archives and measures the ledger.
    Ledger(ledger::Ledger),
    /// Usage events on stdin → ledger; acknowledges each once it is durable.
    Record(record::Record),
    /// Recorded responses on stdin → what each reports as used.
    Usage(usage::Usage),
    /// Usage on stdin → what it costs, exactly or as a range.
    Cost(cost::Cost),
    /// Text on stdin → masked text, or where the finds are.
    Redact(redact::Redact),
    /// Deletes what is kept of one session; amounts stay.
    Forget(forget::Forget),
    /// Where budgets stand, and whether they hold.
    Budget(budget::Budget),
    /// Compares the ledger with the provider's own usage and bill.
    Reconcile(reconcile::Reconcile),
    /// Lists, explains and checks prices.
    Prices(prices::Prices),
    /// Checks configuration, folders, ledger, prices and clock, and says where each setting is from; exit 1 when something is wrong.
    Doctor(doctor::Doctor),
    /// Prints completions for bash, zsh or fish.
    Completions(completions::Completions),
}

impl Command {
    pub(crate) fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        match self {
            Command::Report(report) => report.run(settings, io),
            Command::Sessions(sessions) => sessions.run(settings, io),
            Command::Session(session) => session.run(settings, io),
            Command::Latency(latency) => latency.run(settings, io),
            Command::Errors(errors) => errors.run(settings, io),
            Command::Logs(logs) => logs.run(settings, io),
            Command::Ledger(ledger) => ledger.run(settings, io),
            Command::Record(record) => record.run(settings, io),
            Command::Usage(usage) => usage.run(io),
            Command::Cost(cost) => cost.run(settings, io),
            Command::Redact(redact) => redact.run(settings, io),
            Command::Forget(forget) => forget.run(settings, io),
            Command::Budget(budget) => budget.run(settings, io),
            Command::Reconcile(reconcile) => reconcile.run(settings, io),
            Command::Prices(prices) => prices.run(settings, io),
            Command::Doctor(doctor) => doctor.run(settings, io),
            Command::Completions(completions) => completions.run(io),
        }
    }
}
