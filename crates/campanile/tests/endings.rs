//! How a program ends, each time in a process of its own: told to, told twice, by `exit`, by an abort, as a forked child.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use campanile::config::Config;
use campanile::sinks::ledger::{Query, Reader};
use campanile::{Event, Lane, Monitor, Sink, Stop};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

const CHILD: &str = "CAMPANILE_TEST_CHILD";
const SOON: Duration = Duration::from_secs(20);

/// Runs `child` where this process is the one that was started for it; else starts it, and hands it to `parent`.
fn in_a_child(test: &str, child: impl FnOnce(&Path), parent: impl FnOnce(&Path, Child)) {
    if let Some(folder) = std::env::var_os(CHILD) {
        child(Path::new(&folder));
        // Whatever the harness would say now.
        std::process::exit(0);
    }
    let folder = tempfile::tempdir().unwrap();
    let started = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    parent(folder.path(), started);
}

fn monitor(folder: &Path) -> Monitor {
    let text = format!(
        "[env.test]\nlevel = \"trace\"\nsinks = [\"ledger\", \"jsonl\"]\n[sink.ledger]\npath = {:?}\n[sink.jsonl]\ndir = {:?}\n",
        folder.join("ledger/test.db"),
        folder.join("logs")
    );
    let config = Config::parse(&text, Path::new("campanile.toml")).unwrap();
    Monitor::from_config(&config, "test").unwrap()
}

/// Begins and ends so many sessions.
fn sessions(monitor: &Monitor, many: u32) {
    for _ in 0..many {
        monitor.session().end("over");
    }
}

/// Tells the parent something on stdout.
fn say(word: &str) {
    let mut out = std::io::stdout();
    out.write_all(format!("{word}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn hear(child: &mut Child, word: &str) {
    let out = child.stdout.take().unwrap();
    let mut lines = BufReader::new(out).lines();
    assert!(lines.any(|line| line.unwrap() == word), "no {word}");
    // Whatever else it says: it is not to die of a closed pipe.
    std::thread::spawn(move || lines.for_each(drop));
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Waits for the end; says how it was and what stood on stderr.
fn end(mut child: Child) -> (ExitStatus, String) {
    let stderr = child.stderr.take().unwrap();
    let text = std::io::read_to_string(stderr).unwrap();
    (child.wait().unwrap(), text)
}

/// How many lines the log files hold; each must be whole.
fn lines(folder: &Path) -> usize {
    let mut count = 0;
    for file in std::fs::read_dir(folder.join("logs")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "half a line");
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
            count += 1;
        }
    }
    count
}

fn ended_sessions(folder: &Path) -> usize {
    let reader = Reader::open(folder.join("ledger/test.db")).unwrap();
    let sessions = reader.sessions(&Query::default()).unwrap();
    sessions
        .iter()
        .filter(|session| session.reason.is_some())
        .count()
}

#[test]
fn sigterm_is_heard_and_a_clean_end_leaves_nothing_behind() {
    let child = |folder: &Path| {
        let (stop, monitor) = (Stop::listen().unwrap(), monitor(folder));
        sessions(&monitor, 1_000);
        say("ready");
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let signal = stop.signal().await;
            assert!(monitor.close().await);
            std::process::exit(signal.status().into());
        });
    };
    let parent = |folder: &Path, mut child: Child| {
        hear(&mut child, "ready");
        send(&child, Signal::TERM);
        let (status, told) = end(child);
        assert_eq!(status.code(), Some(128 + 15), "{told}");
        assert_eq!((ended_sessions(folder), lines(folder)), (1_000, 2_000));
        assert!(!told.contains("at the end"), "{told}");
    };
    in_a_child(
        "sigterm_is_heard_and_a_clean_end_leaves_nothing_behind",
        child,
        parent,
    );
}

/// A ledger on a disk that hangs.
struct Hung;

impl Sink for Hung {
    fn record(&self, _: &Event) {}
    fn flush(&self, _: Duration) -> bool {
        std::thread::sleep(SOON * 100);
        false
    }
    fn lane(&self) -> Option<Lane> {
        Some(Lane::Money)
    }
}

#[test]
fn a_second_signal_ends_a_program_that_waits_for_its_ledger() {
    let child = |_: &Path| {
        let (stop, monitor) = (Stop::listen().unwrap(), Monitor::builder(Hung).start());
        say("ready");
        let _ = stop.wait();
        say("closing");
        monitor.close_blocking();
    };
    let parent = |_: &Path, mut child: Child| {
        let out = child.stdout.take().unwrap();
        let mut lines = BufReader::new(out).lines();
        assert!(lines.any(|line| line.unwrap() == "ready"));
        send(&child, Signal::INT);
        assert!(lines.any(|line| line.unwrap() == "closing"));
        send(&child, Signal::TERM);
        let (status, told) = end(child);
        assert_eq!(status.code(), Some(128 + 15), "{told}");
    };
    in_a_child(
        "a_second_signal_ends_a_program_that_waits_for_its_ledger",
        child,
        parent,
    );
}

/// Waits until what was handed over is where it should be, as it is after some hundredths of a second.
fn settle(monitor: &Monitor) {
    assert!(monitor.flush(SOON));
}

#[test]
fn after_an_exit_without_a_close_what_is_older_is_there_and_what_was_open_is_closed_as_crashed() {
    let child = |folder: &Path| {
        let monitor = monitor(folder);
        sessions(&monitor, 100);
        let open = monitor.session();
        settle(&monitor);
        // These may get lost.
        sessions(&monitor, 100);
        std::mem::forget(open);
        std::process::exit(7);
    };
    let parent = |folder: &Path, child: Child| {
        let (status, told) = end(child);
        assert_eq!(status.code(), Some(7), "{told}");
        assert!(lines(folder) >= 201);
        assert!(monitor(folder).close_blocking(), "no repair is needed");
        let ended = ended_sessions(folder);
        assert!((101..=201).contains(&ended), "{ended}");
    };
    in_a_child(
        "after_an_exit_without_a_close_what_is_older_is_there_and_what_was_open_is_closed_as_crashed",
        child,
        parent,
    );
}

#[test]
fn after_an_abort_what_is_older_is_there() {
    let child = |folder: &Path| {
        let monitor = monitor(folder);
        // What `panic = "abort"` does: the hook, and then SIGABRT; nothing is unwound or dropped.
        std::panic::set_hook(Box::new(|_| std::process::abort()));
        sessions(&monitor, 100);
        settle(&monitor);
        panic!("as planned");
    };
    let parent = |folder: &Path, child: Child| {
        let (status, told) = end(child);
        assert_eq!(status.signal(), Some(6), "{told}");
        assert!(lines(folder) >= 200);
        assert!(monitor(folder).close_blocking());
        assert_eq!(ended_sessions(folder), 100);
    };
    in_a_child("after_an_abort_what_is_older_is_there", child, parent);
}

/// Ends the forked child, and says by its status how often it was wrong.
fn forked(monitor: Monitor) -> ! {
    // More than an idle queue may hold: it must not grow for ever.
    sessions(&monitor, 10_000);
    let wrong = u8::from(monitor.flush(SOON)) + u8::from(monitor.close_blocking());
    monitor.seal();
    drop(monitor);
    std::process::exit(wrong.into());
}

#[test]
fn a_forked_child_writes_nothing_and_its_parent_everything_once() {
    let child = |folder: &Path| {
        let monitor = monitor(folder);
        sessions(&monitor, 10);
        match fork::fork().unwrap() {
            fork::Fork::Child => forked(monitor),
            fork::Fork::Parent(pid) => {
                let status = fork::waitpid(pid).unwrap();
                assert_eq!(status, 0, "the child waited or wrote");
            }
        }
        sessions(&monitor, 10);
        assert!(monitor.close_blocking());
        say("done");
    };
    let parent = |folder: &Path, mut child: Child| {
        hear(&mut child, "done");
        let (status, told) = end(child);
        assert!(status.success(), "{told}");
        assert_eq!((ended_sessions(folder), lines(folder)), (20, 40));
    };
    in_a_child(
        "a_forked_child_writes_nothing_and_its_parent_everything_once",
        child,
        parent,
    );
}

#[test]
fn a_runtime_of_one_thread_without_a_timer_is_enough_for_a_clean_end() {
    let (sink, events) = campanile::memory();
    let monitor = Monitor::builder(sink).start();
    sessions(&monitor, 10);

    let runtime = tokio::runtime::Builder::new_current_thread().build();
    assert!(runtime.unwrap().block_on(monitor.close()));

    assert_eq!(events.all().len(), 20);
}
