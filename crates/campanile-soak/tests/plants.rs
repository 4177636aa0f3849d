//! The soak finds what is planted, and names it; without a plant it finds nothing.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a soak has said of itself.
struct Soaked {
    status: Option<i32>,
    report: Value,
    said: String,
}

/// A short soak, all in memory.
fn soak(name: &str, more: &[&str]) -> Soaked {
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile-soak"));
    command
        .args(["--speed", "1000", "--seed", "7"])
        .arg("--report")
        .arg(&folder)
        .args(more);
    let output = command.output().expect("the soak starts");
    let text = std::fs::read_to_string(folder.join("report.json")).unwrap_or_default();
    Soaked {
        status: output.status.code(),
        report: serde_json::from_str(&text).unwrap_or_default(),
        said: String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr),
    }
}

/// The lines that broke, and what broke them.
fn broken(soaked: &Soaked) -> Vec<(String, String)> {
    let lines = soaked.report["verdict"].as_array().into_iter().flatten();
    let broken = lines.filter(|line| line["held"] == "no");
    broken
        .map(|line| {
            (
                line["name"].as_str().unwrap_or_default().to_owned(),
                line["broken"].to_string(),
            )
        })
        .collect()
}

/// Plants a defect: the soak fails, and one of the lines that broke names it.
#[track_caller]
fn finds(plant: &str, line: &str, words: &str, more: &[&str]) {
    let mut arguments = vec!["--plant", plant];
    arguments.extend(more);
    let soaked = soak(plant, &arguments);

    let broken = broken(&soaked);
    let named = broken
        .iter()
        .any(|(name, what)| name.contains(line) && what.contains(words));
    assert_eq!(soaked.status, Some(1), "{}", soaked.said);
    assert!(named, "`{line}` does not name it by `{words}`: {broken:?}");
    assert!(
        soaked.said.contains(&format!("--plant {plant}")),
        "the command that repeats it is said"
    );
}

const SHORT: [&str; 6] = ["--minutes", "2", "--sessions", "5", "--faults", "none"];

#[test]
fn nothing_planted_is_nothing_found() {
    let soaked = soak("nothing", &SHORT);

    assert_eq!(soaked.status, Some(0), "{}", soaked.said);
    assert_eq!(broken(&soaked), []);
}

#[test]
fn usage_that_is_dropped_on_a_barge_in_is_found() {
    finds("usage-dropped", "openai's bill is met", "is billed", &SHORT);
}

#[test]
fn an_event_that_is_recorded_twice_is_found() {
    finds(
        "event-twice",
        "every call is recorded once",
        "twice",
        &SHORT,
    );
}

#[test]
fn a_leak_of_a_kilobyte_a_turn_is_found() {
    finds(
        "leak",
        "the heap is flat",
        "a leak",
        &["--minutes", "8", "--sessions", "8", "--faults", "none"],
    );
}

#[test]
fn a_canary_in_a_field_of_a_log_line_is_found() {
    finds("canary", "no canary in any output", "log file", &SHORT);
}

#[test]
fn a_cost_that_is_off_by_one_grain_is_found() {
    finds(
        "grain",
        "exact usage has its exact price",
        "off by 1 grain",
        &SHORT,
    );
}

#[test]
fn a_line_that_a_sink_loses_silently_is_found() {
    finds(
        "line-lost",
        "lines of the log files are counted",
        "1 lines are neither",
        &SHORT,
    );
}

#[test]
fn an_alert_that_rings_twice_is_found() {
    finds(
        "alert-twice",
        "each alert rings once",
        "rang 2 times",
        &SHORT,
    );
}

#[test]
fn equal_seeds_come_to_equal_totals_through_a_kill() {
    let run = |name| {
        soak(
            name,
            &[
                "--minutes",
                "2",
                "--sessions",
                "4",
                "--faults",
                "kill,too_many",
            ],
        )
    };
    let (one, other) = (run("one"), run("other"));

    assert!(
        one.report["totals"]
            .as_array()
            .is_some_and(|rows| rows.len() > 3),
        "{}",
        one.said
    );
    assert_eq!(one.report["totals"], other.report["totals"]);
}

#[test]
fn what_cannot_start_says_why_in_one_line() {
    for (arguments, words) in [
        (&["--env", "prd"][..], "no environment `prd`"),
        (&["--faults", "kil"], "there is no fault `kil`"),
        (
            &["--preset", "mission", "--faults", "none"],
            "cannot be used with",
        ),
        (
            &["--preset", "mission", "--minutes", "5"],
            "--minutes 5 is too short",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_campanile-soak"))
            .args(arguments)
            .arg("--report")
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("wrong"))
            .output()
            .expect("the soak starts");
        let said = String::from_utf8_lossy(&output.stderr);

        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{said}");
    }
}
