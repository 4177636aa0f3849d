//! What can be asked of a soak.

use crate::faults::Faults;
use crate::plant::Plant;
use clap::Parser;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Lives through phone calls against simulated providers, injects faults, and judges what was recorded of them.
///
/// Exit status: 0 when everything held, 1 when something broke, 2 when it could not start.
#[derive(Clone, Debug, Parser, Serialize, Deserialize)]
#[command(name = "cargo xtask soak", bin_name = "cargo xtask soak")]
pub(crate) struct Options {
    /// `mission`: the checks of the first five and thirty minutes, with faults of its own: the network goes away in between
    #[arg(long, value_name = "NAME", conflicts_with_all = ["faults", "find_limit"])]
    pub(crate) preset: Option<Preset>,
    /// How long the phone calls go on, in minutes of their own time
    #[arg(long, default_value_t = 30.0, value_name = "N", value_parser = minutes)]
    pub(crate) minutes: f64,
    /// 1: real time, over loopback sockets. More: that many times faster, in memory, on one clock
    #[arg(long, default_value_t = 60, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) speed: u32,
    /// Phone calls at once
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) sessions: u32,
    /// Raises the number of phone calls until the layers or the machine are too slow, a minute each, in real time
    #[arg(long)]
    pub(crate) find_limit: bool,
    /// Decides who says what, who interrupts when, and what goes wrong
    #[arg(long, default_value_t = 7, value_name = "N")]
    pub(crate) seed: u64,
    /// The environment of campanile.toml: `soak` has every sink; another one is taken from the file in this folder
    #[arg(long, default_value = "soak", value_name = "NAME")]
    pub(crate) env: String,
    /// What goes wrong: none, default, all, or a list of names
    #[arg(long, default_value = "default", value_name = "LIST")]
    pub(crate) faults: Faults,
    /// Where the report, the ledger and the logs go
    #[arg(long, default_value = "soak", value_name = "DIR")]
    pub(crate) report: PathBuf,
    /// Plants a defect that the soak must find: usage-dropped, event-twice, leak, canary, grain, line-lost, alert-twice
    #[arg(long, value_name = "NAME")]
    pub(crate) plant: Option<Plant>,
}

/// What the mission takes at least.
const MISSION_MINUTES: f64 = 30.0;

/// A choice of options with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
pub(crate) enum Preset {
    /// Five and thirty minutes, and PASS or FAIL for what must be there by then.
    Mission,
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes = text.parse().ok().filter(|n| (0.5..=10_000.0).contains(n));
    minutes.ok_or_else(|| "a number of minutes from 0.5".to_owned())
}

impl Options {
    /// What the preset stands for; an error is one line.
    pub(crate) fn resolved(mut self) -> Result<Self, String> {
        if self.preset == Some(Preset::Mission) {
            if self.minutes < MISSION_MINUTES {
                return Err(format!(
                    "the preset `mission` judges what is there after {MISSION_MINUTES} minutes: --minutes {} is too short",
                    self.minutes
                ));
            }
            self.faults = "refused,reset,stt_reconnect,too_many".parse()?;
        }
        Ok(self)
    }

    /// The length of the run, in milliseconds of the calls' own time.
    pub(crate) fn length_ms(&self) -> u64 {
        (self.minutes * 60_000.0) as u64
    }

    /// Whether time is that of the world, and providers are behind sockets.
    pub(crate) fn is_real(&self) -> bool {
        self.speed == 1
    }

    /// The command that does the same again.
    pub(crate) fn command(&self) -> String {
        let mut command = format!(
            "cargo xtask soak --minutes {} --speed {} --sessions {} --faults {} --seed {}",
            self.minutes, self.speed, self.sessions, self.faults, self.seed
        );
        if let Some(Preset::Mission) = self.preset {
            command = format!(
                "cargo xtask soak --preset mission --minutes {} --speed {} --sessions {} --seed {}",
                self.minutes, self.speed, self.sessions, self.seed
            );
        }
        if self.env != "soak" {
            command.push_str(&format!(" --env {}", self.env));
        }
        if let Some(plant) = self.plant {
            command.push_str(&format!(" --plant {}", plant.name()));
        }
        command
    }
}
