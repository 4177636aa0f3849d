//! Tasks of this repository: `cargo xtask TASK`.

mod bench;
mod faults;
mod prices;
mod shell;
mod soak;
mod test;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask TASK

  test    everything that must hold: formatting, lints, tests, docs, examples, a soak (installs what it needs, as root on Debian)
  tidy    the arrows between crates (tidy.toml), formatting, prose
  prices  whether the price book can be right: overlaps, whole rates, names, orders, age of the sources
          (--against FILE.csv: compared with prices that others have published)
  soak    phone calls under load and faults, judged against the providers' bills (`soak --help` lists what can be asked for)
  faults  what the ledger promises, in long: kill, power, model, disk, damage (all; power and disk need root)
  bench   what watching costs: instructions, CPU, rows (needs valgrind for instructions)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test"] => test::run(),
        ["tidy"] => tidy::run(),
        ["prices", arguments @ ..] => prices::run(arguments),
        ["bench", filter @ ..] => bench::run(filter),
        ["faults", names @ ..] => faults::run(names),
        ["soak", arguments @ ..] => match soak::run(arguments) {
            Ok(code) => return code,
            Err(why) => Err(why),
        },
        [] | ["help" | "-h" | "--help"] => {
            shell::say(HELP);
            return ExitCode::SUCCESS;
        }
        [task, ..] => Err(format!(
            "there is no task `{task}`; `cargo xtask` lists them"
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            shell::complain(&format!("xtask: {why}"));
            ExitCode::FAILURE
        }
    }
}
