//! The binary `campanile`.

use campanile_cli::{Io, Terminal, run};
use std::io::{BufWriter, IsTerminal, stderr, stdin, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    let out = stdout().lock();
    let mut terminal = Terminal::default();
    terminal.out = out.is_terminal();
    terminal.colours = terminal.out && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let mut io = Io::new(stdin().lock(), BufWriter::new(out), stderr(), terminal);
    ExitCode::from(run(std::env::args_os(), &mut io))
}
