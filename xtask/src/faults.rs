//! The long proofs of what a ledger promises: kills, power cuts, disks in trouble, damage. CI runs them in short.

use crate::shell::{self, Done, say};

/// A proof: its name, what makes it long, and the tests that are it.
struct Proof {
    name: &'static str,
    settings: &'static [(&'static str, &'static str)],
    tests: &'static [&'static [&'static str]],
}

const PROOFS: [Proof; 5] = [
    Proof {
        name: "kill",
        settings: &[("CAMPANILE_CRASH_ROUNDS", "200")],
        tests: &[
            &["-p", "campanile-sinks", "--test", "ledger_crash", "kill::"],
            &["-p", "campanile-cli", "--test", "cli", "survives_a_kill"],
        ],
    },
    Proof {
        name: "power",
        settings: &[("CAMPANILE_POWER_ROUNDS", "20")],
        tests: &[&["-p", "campanile-sinks", "--test", "ledger_crash", "power::"]],
    },
    Proof {
        name: "model",
        settings: &[
            ("CAMPANILE_CUT_ROUNDS", "2000"),
            ("CAMPANILE_MODEL_ROUNDS", "5000"),
        ],
        tests: &[
            &["-p", "campanile-sinks", "--test", "ledger_crash", "cuts::"],
            &["-p", "campanile-sinks", "--test", "lane_model"],
        ],
    },
    Proof {
        name: "disk",
        settings: &[("CAMPANILE_HUNG_SECONDS", "10")],
        tests: &[
            &["-p", "campanile-sinks", "--test", "ledger_crash", "full::"],
            &["-p", "campanile-sinks", "--test", "ledger_crash", "hung::"],
        ],
    },
    Proof {
        name: "damage",
        settings: &[("CAMPANILE_DAMAGE_ROUNDS", "500")],
        tests: &[&["-p", "campanile-sinks", "--test", "ledger_damage"]],
    },
];

/// Runs the proofs that are named, or all.
pub(crate) fn run(names: &[&str]) -> Done {
    let known: Vec<&str> = PROOFS.iter().map(|proof| proof.name).collect();
    if let Some(wrong) = names.iter().find(|name| !known.contains(name)) {
        let known = known.join(", ");
        return Err(format!("there is no proof `{wrong}`; there are: {known}"));
    }
    for proof in PROOFS
        .iter()
        .filter(|proof| names.is_empty() || names.contains(&proof.name))
    {
        say(&format!("\n{}", proof.name));
        for tests in proof.tests {
            let arguments = [&["test", "--quiet"], *tests, &["--", "--nocapture"]].concat();
            let mut command = shell::command("cargo", &arguments);
            command.envs(proof.settings.iter().copied());
            shell::finish(command, "cargo", &arguments)?;
        }
    }
    Ok(())
}
