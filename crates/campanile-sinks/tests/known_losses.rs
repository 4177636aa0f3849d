//! What a widely used appender loses without a word, and what becomes of the same here.
//!
//! | what it loses | here |
//! |---|---|
//! | a full disk: lines, one of them torn, counter 0 | `a_full_disk_costs_whole_lines_that_are_counted_and_told` in `surroundings.rs` |
//! | the writer panics: everything after, counter 0 | [`a_writer_that_panics_is_started_anew_and_what_it_had_is_counted`] |
//! | dropped with a slow writer: what waits, uncounted | [`what_a_slow_writer_does_not_get_done_before_the_drop_is_counted`] |
//! | `process::exit`: what waits | [`an_exit_costs_nothing_that_was_flushed_and_tears_no_line`] |
//! | `kill -9`: what waits, up to its whole queue | [`a_kill_costs_nothing_that_was_flushed_and_half_a_line_is_told`] |
//! | a roll-over that fails while stderr is a closed pipe: all later lines | `a_closed_stderr_stops_neither_the_console_nor_the_files` in `surroundings.rs` |

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "the helpers of a test may end it")]

use campanile_core::{CallEvent, CallId, Event, Name, Outcome, Sink, Timestamp};
use campanile_sinks::{Console, Jsonl, LossReason, Notices};
use std::{
    collections::HashSet,
    fs,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);

fn call(id: u64) -> Event {
    let stage = Name::from_static("llm");
    let (id, at) = (CallId(id.into()), Timestamp(1_795_485_029_000_000));
    Event::Call(Box::new(CallEvent::new(id, stage, at, Outcome::Failed)))
}

#[test]
fn a_writer_that_panics_is_started_anew_and_what_it_had_is_counted() {
    /// Panics at its eleventh write.
    struct Eleventh(Arc<Mutex<Vec<u8>>>, u32);
    impl Write for Eleventh {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            assert_ne!(self.1, 11, "as planned");
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let out = Arc::<Mutex<Vec<u8>>>::default();
    let console = Console::to(Eleventh(Arc::clone(&out), 0)).open().unwrap();

    for n in 0..5_000 {
        console.record(&call(n));
        if n < 20 {
            console.flush(SOON);
        }
    }
    assert!(console.flush(SOON));

    let text = String::from_utf8(out.lock().unwrap().clone()).unwrap();
    let lines = text.lines().filter(|line| line.contains("llm")).count();
    let stats = console.stats();
    assert_eq!(stats.lost_to(LossReason::Panicked), 1, "{stats}");
    assert_eq!((stats.opened, stats.written), (5_000, 4_999), "{stats}");
    assert_eq!(lines, 4_999);
    assert!(text.contains("panicked"), "told in the stream");
}

#[test]
fn what_a_slow_writer_does_not_get_done_before_the_drop_is_counted() {
    /// Takes ten bytes at a time, and its time.
    struct Slow(Arc<AtomicU64>);
    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            std::thread::sleep(Duration::from_millis(5));
            let taken = &bytes[..bytes.len().min(10)];
            let lines = taken.iter().filter(|byte| **byte == b'\n').count();
            self.0.fetch_add(lines as u64, Relaxed);
            Ok(taken.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let lines = Arc::<AtomicU64>::default();
    let console = Console::to(Slow(Arc::clone(&lines)));
    let console = console.budget(8_000).open().unwrap();
    let watch = console.watch();

    for n in 0..1_000 {
        console.record(&call(n));
    }
    drop(console);

    // What the writer had in its hands goes on; everything else is accounted for at once.
    let stats = watch.stats();
    assert_eq!(stats.opened, 1_000);
    assert_eq!(stats.written + stats.lost() + stats.pending, 1_000);
    assert!(stats.lost() > 0 && stats.pending > 0, "{stats}");
    assert!(stats.written <= lines.load(Relaxed), "{stats}");
}

const CHILD: &str = "CAMPANILE_TEST_CHILD";

/// This test once more, in a process of its own.
fn child(test: &str, folder: &Path, what: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, folder)
        .env("CAMPANILE_TEST_PART", what)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Writes and tells what is flushed: calls `first`, `first + 1`, and so on.
fn write_and_tell(folder: &Path, first: u64, many: u64) -> campanile_sinks::JsonlSink {
    let sink = Jsonl::new(folder)
        .max_file(4_000)
        .notices(Notices::silent());
    let sink = sink.open().unwrap();
    let mut out = io::stdout();
    for n in first..first + many {
        sink.record(&call(n));
        if n % 10 == 9 {
            assert!(sink.flush(SOON));
            out.write_all(format!("flushed {n}\n").as_bytes()).unwrap();
            out.flush().unwrap();
        }
    }
    sink
}

/// The highest call that the child says was flushed.
fn last_flushed(lines: impl Iterator<Item = String>) -> Option<u64> {
    let numbers = lines.filter_map(|line| line.strip_prefix("flushed ")?.parse().ok());
    numbers.last()
}

/// Every line of a folder after the next process has looked into it: all whole. Calls, and the reasons of losses.
fn lines(folder: &Path) -> (Vec<u64>, Vec<String>) {
    // Mends what is left behind, and ends.
    let next = Jsonl::new(folder)
        .compress(false)
        .notices(Notices::silent());
    assert!(next.open().unwrap().close(SOON));
    let (mut calls, mut losses) = (Vec::new(), Vec::new());
    for file in fs::read_dir(folder).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let text = match bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            true => zstd::decode_all(&bytes[..]).unwrap(),
            false => bytes,
        };
        for line in String::from_utf8(text).unwrap().split_inclusive('\n') {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            match line["event"].as_str().unwrap() {
                "call" => {
                    let id = line["id"].as_str().unwrap().rsplit('-').next().unwrap();
                    calls.push(u64::from_str_radix(id, 16).unwrap());
                }
                _ => losses.push(line["reason"].as_str().unwrap().to_owned()),
            }
        }
    }
    calls.sort_unstable();
    (calls, losses)
}

/// The last part of an id holds twelve hex digits: enough.
#[track_caller]
fn assert_each_once(calls: &[u64], up_to: u64) {
    let distinct: HashSet<u64> = calls.iter().copied().collect();
    assert_eq!(distinct.len(), calls.len(), "a line is there twice");
    let missing: Vec<u64> = (0..=up_to).filter(|n| !distinct.contains(n)).collect();
    assert!(missing.is_empty(), "flushed, and not there: {missing:?}");
}

#[test]
fn an_exit_costs_nothing_that_was_flushed_and_tears_no_line() {
    if let Some(folder) = std::env::var_os(CHILD) {
        let sink = write_and_tell(Path::new(&folder), 0, 1_000);
        for n in 1_000..3_000 {
            sink.record(&call(n));
        }
        std::process::exit(3);
    }
    let folder = tempfile::tempdir().unwrap();
    let test = "an_exit_costs_nothing_that_was_flushed_and_tears_no_line";

    let mut child = child(test, folder.path(), "");
    let out = BufReader::new(child.stdout.take().unwrap());
    let flushed = last_flushed(out.lines().map(Result::unwrap));

    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_eq!(flushed, Some(999));
    let (calls, losses) = lines(folder.path());
    assert_each_once(&calls, 999);
    assert!(losses.iter().all(|reason| reason == "torn"), "{losses:?}");
}

/// More rounds: `CAMPANILE_KILL_ROUNDS=200`.
#[test]
fn a_kill_costs_nothing_that_was_flushed_and_half_a_line_is_told() {
    if let Some(folder) = std::env::var_os(CHILD) {
        let first = std::env::var("CAMPANILE_TEST_PART").unwrap();
        drop(write_and_tell(
            Path::new(&folder),
            first.parse().unwrap(),
            1 << 30,
        ));
        return;
    }
    let rounds = std::env::var("CAMPANILE_KILL_ROUNDS").ok();
    let rounds: u64 = rounds.map_or(8, |rounds| rounds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let test = "a_kill_costs_nothing_that_was_flushed_and_half_a_line_is_told";
    let (mut first, mut written) = (0, 0);

    for round in 0..rounds {
        let mut child = child(test, folder.path(), &first.to_string());
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        // Any moment after some lines, by counting and not by the clock.
        let some = out
            .by_ref()
            .map(Result::unwrap)
            .take(20 + 7 * round as usize % 50);
        let seen = last_flushed(some);
        child.kill().unwrap();
        child.wait().unwrap();
        let flushed = last_flushed(out.map(Result::unwrap)).or(seen).unwrap();

        let (calls, losses) = lines(folder.path());
        assert_each_once(&calls, flushed);
        assert!(losses.iter().all(|reason| reason == "torn"), "{losses:?}");
        written += flushed + 1 - first;
        first = calls.last().unwrap() + 1;
        // What the kill cost is a gap; the next round begins after it.
        let next = (0..first)
            .filter(|n| calls.binary_search(n).is_err())
            .count();
        assert_eq!(next, 0, "lines are written in order");
        first = first.next_multiple_of(10);
        for n in *calls.last().unwrap() + 1..first {
            fill(folder.path(), n);
        }
    }

    assert!(written >= 20 * rounds, "it proved too little: {written}");
}

/// Writes one call, so that the calls of the next round follow without a gap.
fn fill(folder: &Path, n: u64) {
    let sink = Jsonl::new(folder)
        .notices(Notices::silent())
        .open()
        .unwrap();
    sink.record(&call(n));
    assert!(sink.close(SOON));
}

#[test]
fn half_a_line_of_a_killed_process_becomes_a_line_that_tells_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join("campanile-2026-11-23T000000Z-1-0.jsonl");
    fs::write(
        &left,
        "{\"v\":1,\"event\":\"call\",\"id\":\"0-0\"}\n{\"v\":1,\"ev",
    )
    .unwrap();

    let (calls, losses) = lines(folder.path());

    assert_eq!((calls, losses), (vec![0], vec!["torn".to_owned()]));
}

#[test]
fn two_processes_in_one_folder_write_files_of_their_own() {
    if let Some(folder) = std::env::var_os(CHILD) {
        let first = std::env::var("CAMPANILE_TEST_PART").unwrap();
        let sink = write_and_tell(Path::new(&folder), first.parse().unwrap(), 2_000);
        assert!(sink.close(SOON));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let test = "two_processes_in_one_folder_write_files_of_their_own";

    let both = ["0", "2000"].map(|first| child(test, folder.path(), first));
    for child in both {
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success());
    }

    let (calls, losses) = lines(folder.path());
    assert_each_once(&calls, 3_999);
    assert_eq!((calls.len(), losses.len()), (4_000, 0));
}
