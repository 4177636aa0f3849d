//! What needs a process of its own: pipes that close, the environment, the working directory.

use crate::support::Home;
use campanile_cli::Terminal;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn campanile(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
    command.current_dir(dir).env_clear();
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn doctor(dir: &Path, environment: &[(&str, &str)]) -> Output {
    campanile(dir)
        .arg("doctor")
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

#[test]
fn a_reader_that_has_enough_ends_it_quietly() {
    let home = Home::new();
    let mut child = campanile(home.dir())
        .args(["prices", "list", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut reader = BufReader::with_capacity(64, child.stdout.take().unwrap());
    reader.read_line(&mut first).unwrap();
    drop(reader);

    let done = child.wait_with_output().unwrap();

    assert!(first.starts_with('{'));
    assert_eq!(
        (done.status.code(), text(&done.stderr)),
        (Some(0), String::new())
    );
}

#[test]
fn each_line_is_answered_before_the_next_one_comes() {
    let home = Home::new();
    let mut child = campanile(home.dir())
        .arg("record")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (
        child.stdin.take().unwrap(),
        BufReader::new(child.stdout.take().unwrap()),
    );

    for n in 1..=3 {
        writeln!(input, r#"{{"id":"e{n}","usage":{{"input_tokens":{n}}}}}"#).unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        assert_eq!(answer, format!("ack e{n} {n}\n"));
    }
    drop(input);

    assert!(child.wait().unwrap().success());
    assert!(home.dir().join("ledger/campanile.db").is_file());
}

#[test]
fn sigterm_ends_the_input_and_all_that_was_taken_is_acknowledged() {
    let home = Home::new();
    let mut child = campanile(home.dir())
        .arg("record")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for n in 1..=500 {
        writeln!(input, r#"{{"id":"e{n}","usage":{{"input_tokens":{n}}}}}"#).unwrap();
    }
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(output.next().unwrap().unwrap(), "ack e1 1");

    // Its input stays open.
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();

    let acknowledged = 1 + output.map(Result::unwrap).count();
    assert!(child.wait().unwrap().success());
    let dump = campanile(home.dir()).args(["ledger", "dump"]).output();
    assert_eq!(text(&dump.unwrap().stdout).lines().count(), acknowledged);
}

/// Feeds a `record` numbers from `from` on, kills it after a while, and returns its answers. The last one may be cut.
fn record_until_killed(home: &Home, from: u64, life: Duration) -> Vec<String> {
    let ledger = home.ledger();
    let mut child = campanile(home.dir())
        .args([
            OsStr::new("--ledger"),
            ledger.as_os_str(),
            OsStr::new("record"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    // It is killed while it writes: the rest of its input never comes.
    let writer = std::thread::spawn(move || {
        (from..from + 1_000_000)
            .try_for_each(|n| writeln!(input, r#"{{"id":"e{n}","usage":{{"input_tokens":{n}}}}}"#))
    });
    let reader = std::thread::spawn(|| {
        BufReader::new(output)
            .lines()
            .map_while(Result::ok)
            .collect()
    });
    std::thread::sleep(life);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        writer.join().unwrap().is_err(),
        "it was killed before its input ended"
    );
    reader.join().unwrap()
}

/// `CAMPANILE_CRASH_ROUNDS` sets how many kills there are (default 25).
#[test]
fn what_was_acknowledged_survives_a_kill() {
    let rounds = std::env::var("CAMPANILE_CRASH_ROUNDS");
    let rounds: u64 = rounds.map_or(25, |rounds| rounds.parse().unwrap());
    let home = Home::new();
    let mut acknowledged = Vec::new();
    let mut next: u64 = 1;
    for round in 0..rounds {
        // From the middle of the start to a steady state; some numbers are told again.
        let life = match round {
            0 => 1_500,
            _ => 5 + round * 7_919 % 300,
        };
        let from = if round % 2 == 0 {
            next
        } else {
            next.saturating_sub(50).max(1)
        };
        let mut answers = record_until_killed(&home, from, Duration::from_millis(life));
        answers.pop();
        let last = answers
            .last()
            .and_then(|answer| answer.split(' ').next_back()?.parse().ok());
        next = last.unwrap_or(next).max(next);
        acknowledged.extend(answers);
    }

    let again = r#"{"id":"e1","usage":{"input_tokens":1}}"#;
    let done = home.run_with(&["record"], again, Terminal::default());
    assert_eq!(done.good(), "ack e1 1\n");
    let mut kept = HashMap::new();
    for line in home.run(&["ledger", "dump"]).good().lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let (id, qty) = (
            row["id"].as_str().unwrap().to_owned(),
            row["qty"].as_u64().unwrap(),
        );
        assert_eq!(id, format!("e{qty}"), "unaltered");
        assert_eq!(kept.insert(id, qty), None, "once");
    }
    for answer in &acknowledged {
        let words: Vec<&str> = answer.split(' ').collect();
        let qty = kept.get(words[1]).map(u64::to_string);
        assert_eq!(qty.as_deref(), Some(words[2]));
    }
    let count = acknowledged.len();
    println!(
        "{rounds} rounds, {count} acknowledged, {} counted",
        kept.len()
    );
    assert!(
        count >= 1_000,
        "only {count} were acknowledged: proves nothing"
    );
    home.run(&["ledger", "verify"]).good();
}

#[test]
fn lines_are_followed_through_rotation_and_compression() {
    let home = Home::new();
    let logs = home.dir().join("logs");
    let line = |n: u32| {
        format!("{{\"v\":1,\"event\":\"log\",\"ts\":\"2026-11-24T01:50:{n:02}.000000Z\"}}\n")
    };
    let first = logs.join("a.jsonl");
    std::fs::create_dir(&logs).unwrap();
    std::fs::write(&first, line(0)).unwrap();
    let mut child = campanile(home.dir())
        .args(["logs", "--follow", "--format", "raw"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        line
    };
    assert_eq!(next(), line(0));

    let append = |text: &str| {
        let mut file = std::fs::File::options().append(true).open(&first).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    append(&line(1));
    assert_eq!(next(), line(1));
    append(&line(2));
    std::fs::rename(&first, logs.join("a.jsonl.gone")).unwrap();
    assert_eq!(next(), line(2));
    std::fs::write(logs.join("b.jsonl"), line(3)).unwrap();
    assert_eq!(next(), line(3));

    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_disk_that_is_full_is_told() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else {
        println!("skipped: no /dev/full");
        return;
    };
    let home = Home::new();
    let done = campanile(home.dir())
        .args(["prices", "list"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(1));
    assert!(
        text(&done.stderr).starts_with("campanile: cannot read or write a stream"),
        "{}",
        text(&done.stderr)
    );
}

#[test]
fn a_doctor_finds_all_well_without_a_file() {
    let home = Home::new();
    let done = doctor(home.dir(), &[]);
    let told = text(&done.stdout);
    assert_eq!(done.status.code(), Some(0), "{told}");
    for word in [
        "the default",
        "dev (CAMPANILE_ENV is not set)",
        "will be made",
        "not there yet",
        "durable: ",
        "book 20",
        "0 files, 0 KiB of 2 GiB, 14d at most; nothing would be deleted now",
        " UTC",
    ] {
        assert!(told.contains(word), "{word}: {told}");
    }
}

#[test]
fn a_doctor_names_what_is_wrong() {
    let home = Home::new();
    std::fs::write(home.dir().join("a_file"), "").unwrap();
    let config = "[env.dev]\nsinks = [\"jsonl\", \"ledger\"]\n[sink.jsonl]\ndir = \"a_file/logs\"\n[sink.ledger]\npath = \"a_file\"\n[prices]\nfile = \"none.toml\"\n";
    std::fs::write(home.dir().join("campanile.toml"), config).unwrap();

    let done = doctor(home.dir(), &[]);

    assert_eq!(done.status.code(), Some(1));
    let told = text(&done.stdout);
    let bad: Vec<_> = told
        .lines()
        .filter(|line| line.contains("BAD"))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(bad, ["logs", "ledger", "prices"], "{told}");
    assert!(
        text(&done.stderr).contains("3 of 10 checks failed"),
        "{}",
        text(&done.stderr)
    );
}

#[test]
fn a_doctor_says_which_setting_comes_from_where_and_what_would_be_deleted() {
    let home = Home::new();
    let config =
        "[sink.jsonl]\nmax_total = \"1KiB\"\n[env.dev]\nlevel = \"debug\"\nsinks = [\"jsonl\"]\n";
    std::fs::write(home.dir().join("campanile.toml"), config).unwrap();
    let logs = home.dir().join("logs");
    std::fs::create_dir(&logs).unwrap();
    for (name, size) in [
        ("campanile-2020-01-01T000000Z-1-0.jsonl.zst", 3_000),
        ("campanile-2020-01-02T000000Z-1-1.jsonl.zst", 2_000),
        ("mine.jsonl", 9_000),
    ] {
        std::fs::write(logs.join(name), vec![b'x'; size]).unwrap();
    }

    let done = doctor(home.dir(), &[("RUST_LOG", "my_bot=trace")]);

    let told = text(&done.stdout);
    let line = |begin: &str| {
        let line = told.lines().find(|line| line.starts_with(begin));
        let words = line
            .unwrap_or_else(|| panic!("{begin}: {told}"))
            .split_whitespace();
        words.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("env.dev.level"), "env.dev.level my_bot=trace RUST_LOG");
    assert_eq!(line("env.dev.sinks"), "env.dev.sinks jsonl campanile.toml");
    assert_eq!(
        line("sink.jsonl.max_total"),
        "sink.jsonl.max_total 1 KiB campanile.toml"
    );
    assert_eq!(line("sink.jsonl.max_age"), "sink.jsonl.max_age 14d default");
    assert!(line("retention").ends_with("2 files, 4 KiB of 1 KiB, 14d at most; 4 KiB would be deleted now, unless held open: 2 files too old"), "{told}");
    let files = std::fs::read_dir(&logs).unwrap().count();
    assert_eq!(files, 3, "a doctor deletes nothing");
}

#[test]
fn settings_are_listed_with_their_origin() {
    let home = Home::new();
    std::fs::write(home.dir().join("campanile.toml"), "[summary]\nturns = 3\n").unwrap();

    let done = doctor(home.dir(), &[]);

    let told = text(&done.stdout);
    let (_, settings) = told.split_once("\n\n").unwrap();
    insta::assert_snapshot!(settings);
}

#[test]
fn a_report_that_is_watched_comes_again_until_it_is_stopped() {
    let home = Home::with_small_ledger();
    let ledger = home.ledger();
    let mut child = campanile(home.dir())
        .args([
            OsStr::new("--ledger"),
            ledger.as_os_str(),
            OsStr::new("report"),
        ])
        .args(["--since", "ever", "--watch=1s"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());

    let lines = output.lines().map(Result::unwrap);
    let totals = lines.filter(|line| line.starts_with("total")).take(2);

    let totals: Vec<String> = totals.collect();
    assert_eq!(totals[0], totals[1]);
    child.kill().unwrap();
    child.wait().unwrap();
    let wrong = campanile(home.dir())
        .args(["report", "--watch=often"])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn a_doctor_tells_of_a_broken_file_and_an_unknown_environment() {
    let home = Home::new();
    let unknown = doctor(home.dir(), &[("CAMPANILE_ENV", "prd")]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stdout).contains("did you mean `prod`?"));

    std::fs::write(home.dir().join("mine.toml"), "[snik]\n").unwrap();
    let broken = doctor(home.dir(), &[("CAMPANILE_CONFIG", "mine.toml")]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(text(&broken.stdout).contains("did you mean `sink`?"));
    let report = campanile(home.dir())
        .args(["--config", "mine.toml", "report"])
        .output()
        .unwrap();
    assert_eq!(
        (report.status.code(), text(&report.stderr).lines().count()),
        (Some(2), 1)
    );
}

#[test]
fn a_price_file_wins_and_a_broken_one_is_one_line() {
    let home = Home::new();
    let (config, prices) = (
        home.dir().join("campanile.toml"),
        home.dir().join("mine.toml"),
    );
    std::fs::write(config, "[prices]\nfile = \"mine.toml\"\n").unwrap();
    let row = "[[price]]\nvendor = \"newcomer\"\nmodel = [\"m1\"]\nrates = { input_tokens = \"1/M\" }\nsource = { page = \"a contract\", checked = 2026-11-15, says = \"rates\", kind = \"negotiated\" }\n";
    std::fs::write(&prices, row).unwrap();
    let explain = || {
        campanile(home.dir())
            .args(["prices", "explain", "newcomer", "m1"])
            .output()
            .unwrap()
    };
    assert!(text(&explain().stdout).contains("input_tokens 1/M"));

    std::fs::write(&prices, "x").unwrap();
    let broken = explain();

    assert_eq!(broken.status.code(), Some(2));
    assert_eq!(
        text(&broken.stderr),
        "campanile: mine.toml: the price book is not TOML of the right shape: TOML parse error at line 1, column 2: key with no value, expected `=`\n"
    );
}

#[test]
fn help_has_examples() {
    let home = Home::new();
    for words in [
        &["report"][..],
        &["sessions"],
        &["session"],
        &["logs"],
        &["errors"],
        &["errors", "show"],
        &["latency"],
        &["budget"],
        &["forget"],
        &["reconcile"],
        &["completions"],
        &["ledger"],
        &["record"],
        &["usage"],
        &["cost"],
        &["redact"],
        &["prices"],
        &["doctor"],
    ] {
        let done = campanile(home.dir())
            .args(words)
            .arg("--help")
            .output()
            .unwrap();
        assert_eq!(done.status.code(), Some(0));
        assert!(text(&done.stdout).contains("Examples:"), "{words:?}");
    }
}

#[test]
fn completions_are_scripts_that_a_shell_reads() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let done = campanile(home.dir())
            .args(["completions", shell])
            .output()
            .unwrap();
        let script = text(&done.stdout);
        assert!(
            script.contains("campanile") && script.contains("logs"),
            "{shell}"
        );
        let file = home.dir().join(shell);
        std::fs::write(&file, script).unwrap();
        match Command::new(shell).arg("-n").arg(&file).status() {
            Ok(status) => assert!(status.success(), "{shell}"),
            Err(_) => println!("not read by {shell}: it is not here"),
        }
    }
}
