//! The binary `campanile`.

#[cfg(unix)]
mod input;

use campanile_cli::{Io, Terminal, run};
use std::io::{BufWriter, IsTerminal, stderr, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    let out = stdout().lock();
    let mut terminal = Terminal::default();
    terminal.out = out.is_terminal();
    terminal.colours = terminal.out && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    #[cfg(unix)]
    let input = input::Input::stdin();
    #[cfg(not(unix))]
    let input = std::io::stdin().lock();
    let mut io = Io::new(input, BufWriter::new(out), stderr(), terminal);
    ExitCode::from(run(std::env::args_os(), &mut io))
}
