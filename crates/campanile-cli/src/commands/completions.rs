//! `campanile completions SHELL`: what a shell needs to complete our command line.

use crate::{Arguments, Io, fault::Fault};
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  campanile completions bash > ~/.local/share/bash-completion/completions/campanile
  campanile completions zsh > \"${fpath[1]}/_campanile\"
  campanile completions fish > ~/.config/fish/completions/campanile.fish";

/// Prints a shell's completions.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completions {
    /// Which shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, io: &mut Io<'_>) -> Result<(), Fault> {
        let mut script = Vec::new();
        generate(
            self.shell,
            &mut Arguments::command(),
            "campanile",
            &mut script,
        );
        Ok(io.out.write_all(&script)?)
    }
}
