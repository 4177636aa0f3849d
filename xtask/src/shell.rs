//! Running commands, and saying what is run.

use std::path::Path;
use std::process::{Command, Stdio};

/// What a task comes to: nothing, or why not.
pub(crate) type Done = Result<(), String>;

/// Prints a line.
#[expect(
    clippy::print_stdout,
    reason = "a command-line program talks to its user"
)]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// Prints a line to stderr.
#[expect(
    clippy::print_stderr,
    reason = "a command-line program talks to its user"
)]
pub(crate) fn complain(line: &str) {
    eprintln!("{line}");
}

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace")
}

/// A command in the folder of the workspace.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command and shows what it prints.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Done {
    say(&format!("$ {program} {}", arguments.join(" ")));
    finish(command(program, arguments), program, arguments)
}

/// Runs a command that was put together elsewhere.
pub(crate) fn finish(mut command: Command, program: &str, arguments: &[&str]) -> Done {
    let status = command
        .status()
        .map_err(|error| format!("{program}: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!(
            "`{program} {}` failed: {status}",
            arguments.join(" ")
        )),
    }
}

/// Whether a program is there and starts.
pub(crate) fn has(program: &str) -> bool {
    let mut command = command(program, &["--version"]);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether we may install Debian's packages.
pub(crate) fn is_root_on_debian() -> bool {
    let id = command("id", &["-u"]).output().map(|output| output.stdout);
    id.is_ok_and(|id| id.trim_ascii() == b"0") && has("apt-get")
}
