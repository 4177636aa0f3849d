//! The soak is a program of its own, so that this one stays small; this builds and runs it.

use crate::shell::{self, Done};
use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

/// Becomes the soak with these arguments: it hears Ctrl-C, and its exit status is ours. Returns only where it cannot.
pub(crate) fn run(arguments: &[&str]) -> Result<ExitCode, String> {
    Err(format!("cargo: {}", command(arguments).exec()))
}

/// The soak that everything has to live through: half an hour of twenty phone calls at once, in memory.
pub(crate) fn test() -> Done {
    const SOAK: &str =
        "--minutes 30 --speed 60 --sessions 20 --faults default --seed 7 --report target/soak";
    shell::say(&format!("$ cargo xtask soak {SOAK}"));
    let arguments: Vec<&str> = SOAK.split(' ').collect();
    shell::finish(command(&arguments), "cargo xtask soak", &arguments)
}

fn command(arguments: &[&str]) -> std::process::Command {
    let build = ["run", "--quiet", "--release", "-p", "campanile-soak", "--"];
    let all: Vec<&str> = build.iter().chain(arguments).copied().collect();
    shell::command("cargo", &all)
}
