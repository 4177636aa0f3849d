//! Everything that must hold before a commit.

use crate::shell::{self, Done, say};
use crate::{prices, soak, tidy};
use std::process::Command;

/// Programs that tests use, and the packages of Debian's that bring them. Tests whose program is missing say that
/// they are skipped; without a C compiler nothing builds (SQLite is compiled).
const NEEDED: [(&str, &[&str]); 3] = [
    ("cc", &["gcc", "libc6-dev"]),
    ("python3", &["python3", "python3-venv", "python3-pip"]),
    // Pages are looked at in it.
    ("chromium", &["chromium"]),
];

fn install() -> Done {
    for (program, packages) in NEEDED {
        if shell::has(program) {
            continue;
        }
        if !shell::is_root_on_debian() {
            say(&format!(
                "`{program}` is missing; what needs it is skipped or fails"
            ));
            continue;
        }
        shell::run("apt-get", &["update", "-qq"])?;
        let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
        arguments.extend(packages);
        shell::run("apt-get", &arguments)?;
    }
    Ok(())
}

pub(crate) fn run() -> Done {
    install()?;
    tidy::run()?;
    prices::run(&[])?;
    shell::run(
        "cargo",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "--deny",
            "warnings",
        ],
    )?;
    try_all()?;
    shell::run("cargo", &["test", "--workspace", "--doc", "--quiet"])?;
    document()?;
    for example in ["one_stage", "own_layer", "swap_sinks", "voice_bot"] {
        try_example(example)?;
    }
    soak::test()?;
    say("everything holds");
    Ok(())
}

/// All tests, also behind one that fails. Laws are tried on the same cases each time, so that what turns red is what was
/// changed; another seed looks for cases that nobody has thought of.
fn try_all() -> Done {
    const SEED: &str = "PROPTEST_RNG_SEED";
    let arguments = [
        "test",
        "--workspace",
        "--lib",
        "--bins",
        "--tests",
        "--examples",
        "--quiet",
        "--no-fail-fast",
    ];
    let seed = std::env::var(SEED).unwrap_or_else(|_| "1".to_owned());
    say(&format!("$ {SEED}={seed} cargo {}", arguments.join(" ")));
    let mut command = shell::command("cargo", &arguments);
    command.env(SEED, seed);
    shell::finish(command, "cargo", &arguments)
}

/// The public documentation, without a warning.
fn document() -> Done {
    let arguments = ["doc", "--workspace", "--no-deps", "--quiet"];
    say(&format!(
        "$ RUSTDOCFLAGS=--deny=warnings cargo {}",
        arguments.join(" ")
    ));
    let mut command = shell::command("cargo", &arguments);
    command.env("RUSTDOCFLAGS", "--deny=warnings");
    shell::finish(command, "cargo", &arguments)
}

/// An example in a folder of its own, so that its logs and ledger do not stay here.
fn try_example(example: &str) -> Done {
    let folder = shell::root().join("target/examples").join(example);
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let manifest = shell::root().join("Cargo.toml");
    let manifest = manifest.to_string_lossy();
    let arguments = [
        "run",
        "--quiet",
        "--manifest-path",
        &*manifest,
        "--example",
        example,
    ];
    say(&format!("$ cargo run --example {example}"));
    let mut command = Command::new("cargo");
    command
        .args(arguments)
        .current_dir(&folder)
        .stdout(std::process::Stdio::null());
    shell::finish(command, "cargo", &arguments)
}
