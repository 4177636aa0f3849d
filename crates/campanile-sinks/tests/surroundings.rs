//! Sinks in surroundings that go wrong: a full disk, a stderr that nobody reads.

#![expect(clippy::unwrap_used, reason = "the helpers of a test may end it")]

use campanile_core::{
    CallEvent, CallId, Event, Level, LogEvent, LossEvent, Name, Outcome, Sink, Timestamp,
};
use campanile_sinks::{Console, Jsonl, LossReason, Notices};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);
const NOW: Timestamp = Timestamp(1_795_485_029_000_000);

fn call() -> Event {
    let stage = Name::from_static("llm");
    Event::Call(Box::new(CallEvent::new(
        CallId(7),
        stage,
        NOW,
        Outcome::Failed,
    )))
}

/// A small file system of its own, as long as it lives. `None` without the right to make one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Every line of every file; each must be whole.
fn lines(folder: &Path) -> Vec<serde_json::Value> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.is_empty() || text.ends_with('\n'),
            "{path:?} ends in half a line"
        );
        all.extend(
            text.lines()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()),
        );
    }
    all
}

#[test]
fn a_full_disk_costs_whole_lines_that_are_counted_and_told() {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: no right to mount a small disk");
        return;
    };
    let filler = disk.0.path().join("filler");
    fs::write(&filler, vec![0; 512 << 10]).unwrap();
    let logs = disk.0.path().join("logs");
    let sink = Jsonl::new(&logs)
        .budget(64 << 10)
        .compress(false)
        .notices(Notices::silent())
        .open()
        .unwrap();

    // Half of the disk is 512 KiB, the budget 64 KiB; this is more than both.
    for _ in 0..5_000 {
        sink.record(&call());
        let stats = sink.stats();
        if stats.pending > 100 && !stats.degraded {
            sink.flush(Duration::from_millis(100));
        }
    }
    let full = sink.stats();
    assert!(
        full.degraded && full.lost_to(LossReason::IoError) > 0,
        "{full:?}"
    );
    let before = lines(&logs).len() as u64;
    assert_eq!(
        before, full.written,
        "every whole line on the disk is counted, and no other"
    );
    fs::remove_file(&filler).unwrap();
    while !sink.flush(SOON) {}
    assert!(sink.close(SOON));

    let stats = sink.stats();
    let all = lines(&logs);
    let told: u64 = all
        .iter()
        .filter(|line| line["event"] == "loss")
        .map(|line| line["lost"].as_u64().unwrap())
        .sum();
    let written = all.iter().filter(|line| line["event"] == "call").count() as u64;
    assert_eq!((stats.opened, stats.pending), (5_000, 0));
    assert_eq!((stats.written, stats.lost()), (written, told));
    assert_eq!(written + told, 5_000);
}

const CHILD: &str = "CAMPANILE_TEST_CHILD";

/// Runs in a process of its own, whose stderr is a pipe without a reader.
fn with_a_closed_stderr(folder: &Path) {
    let logs = folder.join("logs");
    // Tells its troubles on stderr.
    let sink = Jsonl::new(&logs).open().unwrap();
    let console = Console::stderr().open().unwrap();

    fs::remove_dir_all(&logs).unwrap();
    fs::write(&logs, "in the way").unwrap();
    for _ in 0..100 {
        sink.record(&call());
        console.record(&call());
    }
    assert!(
        !sink.flush(Duration::from_millis(200)),
        "there is no folder"
    );
    assert!(
        !console.flush(Duration::from_millis(200)),
        "there is no reader"
    );
    fs::remove_file(&logs).unwrap();
    assert!(sink.flush(SOON));
    assert!(console.stats().errors > 0);
    assert_eq!(sink.stats().written, 100);
    fs::write(folder.join("done"), "").unwrap();
}

#[test]
fn a_closed_stderr_stops_neither_the_console_nor_the_files() {
    if let Some(folder) = std::env::var_os(CHILD) {
        return with_a_closed_stderr(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "a_closed_stderr_stops_neither_the_console_nor_the_files",
        ])
        .env(CHILD, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();

    drop(child.stderr.take());

    assert!(child.wait().unwrap().success());
    assert!(folder.path().join("done").exists());
    assert_eq!(lines(&folder.path().join("logs")).len(), 100);
}

#[test]
fn a_sink_that_is_stuck_does_not_disturb_its_neighbour() {
    let folder = tempfile::tempdir().unwrap();
    let (_nobody_reads, pipe) = std::io::pipe().unwrap();
    let console = Console::to(pipe).budget(256 << 10).open().unwrap();
    let watch = console.watch();
    let jsonl = Jsonl::new(folder.path())
        .notices(Notices::silent())
        .open()
        .unwrap();
    let files = jsonl.watch();
    let both = console.and(jsonl);

    let log = Event::Log(Box::new(LogEvent::new(NOW, Level::Error, "bot")));
    for _ in 0..10_000 {
        both.record(&log);
        both.record(&Event::Loss(LossEvent::new(NOW, "other", "full", 1)));
    }
    assert!(
        !both.flush(Duration::from_millis(500)),
        "nobody reads the pipe"
    );

    assert!(watch.stats().lost() > 0);
    assert_eq!((files.stats().written, files.stats().lost()), (20_000, 0));
}
