//! Ctrl-C ends a soak early, with a verdict on what was seen.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn ctrl_c_ends_a_soak_with_a_verdict() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interrupted");
    let mut soak = Command::new(env!("CARGO_BIN_EXE_campanile-soak"))
        .args(["--minutes", "10000", "--sessions", "2", "--faults", "none"])
        .arg("--report")
        .arg(&folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the soak starts");
    let mut said = BufReader::new(soak.stdout.take().expect("a pipe"));
    let mut first = String::new();
    said.read_line(&mut first).expect("it says how it goes");

    let pid = Pid::from_child(&soak);
    kill_process(pid, Signal::INT).expect("it is there");
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("it ends");

    let status = soak.wait().expect("it has ended").code();
    assert!(matches!(status, Some(0 | 1)), "{status:?}: {rest}");
    let text = std::fs::read_to_string(folder.join("report.json")).expect("a report");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(report["ended_early"], true, "{rest}");
    let lines = report["verdict"].as_array().expect("a verdict");
    let end = lines
        .iter()
        .find(|line| line["name"] == "descriptors, tasks and threads are back")
        .expect("a line about the worker's end");
    assert_eq!(end["held"], "yes", "the worker ended in order: {rest}");
}
