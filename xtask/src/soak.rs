//! The soak is a program of its own, so that this one stays small; this builds and runs it.

use crate::shell;
use std::process::ExitCode;

/// Runs the soak with these arguments. Its exit status is ours.
pub(crate) fn run(arguments: &[&str]) -> Result<ExitCode, String> {
    let status = command(arguments)
        .status()
        .map_err(|error| format!("cargo: {error}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

fn command(arguments: &[&str]) -> std::process::Command {
    let build = ["run", "--quiet", "--release", "-p", "campanile-soak", "--"];
    let all: Vec<&str> = build.iter().chain(arguments).copied().collect();
    shell::command("cargo", &all)
}
