//! A whole voice bot under watch: speech to text, a language model, text to speech, with retries and barge-ins.
//!
//! ```text
//! cargo run --example voice_bot                       # against simulated providers, with some trouble
//! cargo run --example voice_bot -- --turns 20 --wav speech.wav
//! cargo run --example voice_bot --features live -- --live   # OPENAI_API_KEY, DEEPGRAM_API_KEY, CARTESIA_API_KEY
//! ```
//!
//! The stacks are in `src/bot/stages.rs`: that is the part to copy.

use campanile::Stop;
use campanile::config::Config;
use campanile_examples::bot::{Setup, Sounds, run};
use std::process::ExitCode;

const USAGE: &str =
    "usage: voice_bot [--turns N] [--sessions N] [--seed N] [--wav FILE] [--realtime] [--live]";

#[tokio::main]
async fn main() -> ExitCode {
    let setup = match arguments() {
        Ok(Some(setup)) => setup,
        Ok(None) => {
            println(USAGE);
            return ExitCode::SUCCESS;
        }
        Err(wrong) => return complain(&format!("{wrong}; {USAGE}"), 2),
    };
    let monitor = match campanile::init() {
        Ok(monitor) => monitor,
        Err(error) => return complain(&error.to_string(), 2),
    };
    let stop = match Stop::listen() {
        Ok(stop) => stop,
        Err(error) => return complain(&error.to_string(), 1),
    };
    let ran = tokio::select! {
        ran = run(&setup, &monitor) => Ok(ran),
        signal = stop.signal() => Err(signal),
    };
    // Whatever ended it: what it has cost is in the ledger.
    monitor.close().await;
    let ran = match ran {
        Ok(ran) => ran,
        Err(signal) => return complain(&format!("{signal}: ended early"), signal.status()),
    };
    match ran {
        Ok(bill) => {
            if let Some(bill) = bill {
                println("\nThe simulated providers have billed, by their own count:");
                bill_lines(&bill).iter().for_each(|line| println(line));
            }
            where_to_look();
            ExitCode::SUCCESS
        }
        Err(error) => complain(&error.to_string(), 1),
    }
}

/// What the simulated providers will ask money for: their own count.
fn bill_lines(bill: &campanile_testkit::sim::Bill) -> Vec<String> {
    let billed = bill.total().into_iter();
    // A model that refused everything has a line of zeros.
    let billed = billed.filter(|(_, meters)| !meters.is_zero());
    let lines = billed.map(|((provider, model), meters)| {
        format!(
            "  {:9} {model:24} in {:5}  out {:5}  audio {:8} us  characters {:5}",
            provider.as_str(),
            meters.prompt_tokens,
            meters.completion_tokens,
            meters.audio_us,
            meters.characters
        )
    });
    lines.collect()
}

/// Where the same can be read as the bot saw it.
fn where_to_look() {
    // The file that the monitor was started from.
    let Ok(config) = Config::find() else { return };
    let Ok((_, environment)) = config.environment() else {
        return;
    };
    if environment.sinks.iter().any(|sink| sink == "ledger") {
        let path = config.sink.ledger.path.display();
        println(&format!(
            "\nThe ledger is {path}; `campanile report` reads it."
        ));
    }
}

fn arguments() -> Result<Option<Setup>, String> {
    let mut setup = Setup::default();
    let mut live = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{name} wants a value"));
        match name.as_str() {
            "--turns" => setup.turns = number(&name, &value()?, 1)?,
            "--sessions" => setup.sessions = number(&name, &value()?, 1)?,
            "--seed" => setup.seed = number(&name, &value()?, 0)? as u64,
            "--wav" => {
                let read = Sounds::read(value()?.as_ref());
                setup.sounds = Some(read.map_err(|error| error.to_string())?);
            }
            "--realtime" => setup.realtime = true,
            "--live" => live = true,
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("unknown argument {name}")),
        }
    }
    if live {
        setup.live = Some(keys()?);
    }
    Ok(Some(setup))
}

fn number(name: &str, text: &str, least: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number >= least);
    number.ok_or_else(|| format!("{name} wants a whole number from {least}, not {text:?}"))
}

fn keys() -> Result<[String; 3], String> {
    if !cfg!(feature = "live") {
        return Err("--live wants TLS: run it with --features live".into());
    }
    let key = |name: &str| std::env::var(name).map_err(|_| format!("--live wants {name}"));
    Ok([
        key("OPENAI_API_KEY")?,
        key("DEEPGRAM_API_KEY")?,
        key("CARTESIA_API_KEY")?,
    ])
}

#[expect(clippy::print_stdout, reason = "this is a program for a terminal")]
fn println(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "this is a program for a terminal")]
fn complain(line: &str, code: u8) -> ExitCode {
    eprintln!("voice_bot: {line}");
    ExitCode::from(code)
}
