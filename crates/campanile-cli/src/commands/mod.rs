//! The commands, one a file.

mod cost;
mod prices;
mod redact;
mod usage;

use crate::{Io, fault::Fault, settings::Settings};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Recorded responses on stdin → what each reports as used.
    Usage(usage::Usage),
    /// Usage on stdin → what it costs, exactly or as a range.
    Cost(cost::Cost),
    /// Text on stdin → masked text, or where the finds are.
    Redact(redact::Redact),
    /// Lists, explains and checks prices.
    Prices(prices::Prices),
}

impl Command {
    pub(crate) fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        match self {
            Command::Usage(usage) => usage.run(io),
            Command::Cost(cost) => cost.run(settings, io),
            Command::Redact(redact) => redact.run(io),
            Command::Prices(prices) => prices.run(settings, io),
        }
    }
}
