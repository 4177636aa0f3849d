//! What a caller's thread asks of the operating system while it is watched: nothing. Also while the disk hangs, and sinks are
//! full, stuck or dead.
//!
//! `CAMPANILE_ROOT_PROOFS=1 cargo test -p campanile --test quiet -- --nocapture` (as root) adds a disk that hangs for ten
//! seconds (`fsfreeze` on a loop mount), and prints figures.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use campanile::config::Config;
use campanile::sinks::ledger::{Query, Reader};
use campanile::sinks::{Console, Jsonl, MetricsSink, Notices, PrometheusRecorder};
use campanile::{CallLayer, Event, Facts, Meter, Monitor, Sink, Tally, Unary, UsageLayer, client};
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tower::Service;

const CHILD: &str = "CAMPANILE_TEST_CHILD";
const BEGIN: &str = "/campanile-begins";
const END: &str = "/campanile-is-over";

struct Speak;

impl Facts for Speak {
    fn usage(&self, tally: &Tally) {
        tally.add(Meter::Characters, 5);
    }
}

/// So many calls, one after the other; `each` runs after each.
fn calls(monitor: &Monitor, many: u32, mut each: impl FnMut()) {
    let mut stage = tower::ServiceBuilder::new()
        .layer(CallLayer::new("tts", monitor))
        .layer(UsageLayer::new().provider("cartesia").model("sonic-3"))
        .layer(client::unary())
        .service_fn(async |_: Speak| Ok::<_, Infallible>(()));
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..many {
        assert!(matches!(
            Service::<Speak>::poll_ready(&mut stage, &mut context),
            Poll::Ready(Ok(()))
        ));
        let mut call = std::pin::pin!(stage.call(Speak));
        assert!(matches!(
            call.as_mut().poll(&mut context),
            Poll::Ready(Ok(Unary(())))
        ));
        each();
    }
}

/// A sink that never comes back.
struct Dead;

impl Sink for Dead {
    fn record(&self, _: &Event) {
        std::thread::sleep(Duration::from_secs(1 << 20));
    }
}

/// Every kind of sink, and each in trouble: a pipe that nobody reads, a dead one, a folder that is gone.
fn troubled(folder: &Path) -> Monitor {
    let (reader, pipe) = std::io::pipe().unwrap();
    std::mem::forget(reader);
    let logs = folder.join("logs");
    let jsonl = Jsonl::new(&logs).notices(Notices::silent()).open().unwrap();
    std::fs::remove_dir_all(&logs).unwrap();
    std::fs::write(&logs, "in the way").unwrap();
    let sinks = Dead
        .and(Console::to(pipe).budget(1 << 16).open().unwrap())
        .and(jsonl)
        .and(MetricsSink::new(PrometheusRecorder::new()));
    Monitor::builder(sinks).notices(Notices::silent()).start()
}

/// How many calls are traced.
const TRACED: u32 = 300;

/// Calls between two marks that a tracer sees, after others for which room was taken: memory that a burst needs for the first
/// time is asked of the system.
fn watched_calls(monitor: &Monitor) {
    for _ in 0..4 {
        calls(monitor, 20 * TRACED, || {});
        monitor.seal();
    }
    let _ = std::fs::metadata(BEGIN);
    calls(monitor, TRACED, || {});
    let _ = std::fs::metadata(END);
}

/// The system calls of the thread that has made the marks, between them.
fn system_calls(trace: &str) -> Vec<&str> {
    let begin = trace.lines().find(|line| line.contains(BEGIN)).unwrap();
    let thread = begin.split(' ').next().unwrap();
    let of_thread = trace
        .lines()
        .filter(|line| line.split(' ').next() == Some(thread));
    let between = of_thread
        .skip_while(|line| !line.contains(BEGIN))
        .skip(1)
        .take_while(|line| !line.contains(END));
    // What a thread has begun and not ended before another one came is told in two lines.
    let calls = between.filter(|line| !line.contains("resumed>"));
    calls
        .map(|line| line[thread.len()..].trim_start())
        .collect()
}

#[test]
fn a_watched_call_makes_no_system_call_while_every_sink_is_in_trouble() {
    if let Some(folder) = std::env::var_os(CHILD) {
        watched_calls(&troubled(Path::new(&folder)));
        std::process::exit(0);
    }
    if Command::new("strace")
        .arg("-V")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        println!("skipped: no strace");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let test = "a_watched_call_makes_no_system_call_while_every_sink_is_in_trouble";
    let done = Command::new("strace")
        .args(["-f", "-qq", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, folder.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");

    let trace = std::fs::read_to_string(trace).unwrap();
    let made = system_calls(&trace);

    // Where two threads meet at a short lock, one may wait for the other to be scheduled; nothing else is asked for.
    let others: Vec<_> = made
        .iter()
        .filter(|call| !call.starts_with("futex("))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(
        made.len() <= 10,
        "{} in {TRACED} calls: {made:?}",
        made.len()
    );
    println!(
        "{} system calls in {TRACED} calls, all of them futex",
        made.len()
    );
}

#[test]
fn a_flood_with_a_dead_sink_keeps_to_its_budget_and_counts_to_the_unit() {
    let (prometheus, dead) = (PrometheusRecorder::new(), Dead);
    let sinks = dead.and(MetricsSink::new(prometheus.clone()));
    let monitor = Monitor::builder(sinks).notices(Notices::silent()).start();

    // Two threads at full speed, and more than ten times what the budget of 16 MiB holds.
    let each = 50_000;
    let most = std::thread::scope(|scope| {
        let flood = || {
            let mut most = 0;
            calls(&monitor, each, || {
                most = most.max(monitor.intake().waiting());
            });
            most
        };
        let (one, other) = (scope.spawn(flood), scope.spawn(flood));
        one.join().unwrap().max(other.join().unwrap())
    });
    monitor.seal();

    assert!(
        most <= (1 << 14) + 2,
        "{most} calls waited for the recorder"
    );
    let (lanes, all) = (monitor.lanes(), u64::from(2 * each));
    let (_, stats) = lanes.iter().find(|(name, _)| *name == "Dead").unwrap();
    assert_eq!(
        stats.opened, all,
        "nothing is shed before the sinks: {stats}"
    );
    assert_eq!(stats.written + stats.lost() + stats.pending, all, "{stats}");
    assert!(stats.queued_bytes <= 16 << 20, "{stats:?}");
    assert!(stats.lost() > all / 2, "ten times too much: {stats}");
    let text = prometheus.render();
    let usage = format!(
        "campanile_usage_characters_total{{stage=\"tts\",provider=\"cartesia\",model=\"sonic-3\",outcome=\"completed\"}} {}",
        5 * all
    );
    assert!(text.contains(&usage), "no {usage} in {text}");
}

/// A small file system on a loop device, as long as it lives.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        std::fs::File::create(&image)
            .unwrap()
            .set_len(64 << 20)
            .unwrap();
        let disk = folder.path().join("disk");
        std::fs::create_dir(&disk).unwrap();
        run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]);
        run(
            "mount",
            &[
                "-o",
                "loop",
                image.to_str().unwrap(),
                disk.to_str().unwrap(),
            ],
        );
        Self { folder }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("disk")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().unwrap();
    assert!(done.status.success(), "{program}: {done:?}");
}

/// How long calls took, in nanoseconds, sorted.
fn times(monitor: &Monitor, many: u32) -> Vec<u64> {
    let clock = campanile::clock::counter();
    let (mut times, mut last) = (Vec::with_capacity(many as usize), clock.tick());
    calls(monitor, many, || {
        times.push(clock.tick().since(last).0);
        std::thread::sleep(Duration::from_micros(200));
        last = clock.tick();
    });
    times.sort_unstable();
    times
}

#[test]
fn a_disk_that_hangs_for_ten_seconds_is_not_noticed_by_calls() {
    if std::env::var_os("CAMPANILE_ROOT_PROOFS").is_none() {
        println!("skipped: CAMPANILE_ROOT_PROOFS=1 runs it, as root");
        return;
    }
    let disk = Disk::mount();
    let path = disk.path();
    let text = format!(
        "[env.test]\nlevel = \"trace\"\nsinks = [\"ledger\", \"jsonl\"]\n[sink.ledger]\npath = {:?}\n[sink.jsonl]\ndir = {:?}\n",
        path.join("ledger/test.db"),
        path.join("logs")
    );
    let config = Config::parse(&text, Path::new("campanile.toml")).unwrap();
    let monitor = Monitor::from_config(&config, "test").unwrap();
    let before = times(&monitor, 5_000);
    assert!(monitor.flush(Duration::from_secs(20)));

    run("fsfreeze", &["-f", path.to_str().unwrap()]);
    let thaw = path.clone();
    let thawing = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(10));
        run("fsfreeze", &["-u", thaw.to_str().unwrap()]);
    });
    let mut hung = Vec::new();
    while !thawing.is_finished() {
        hung.extend(times(&monitor, 1_000));
    }
    thawing.join().unwrap();
    hung.sort_unstable();
    let many = before.len() + hung.len();
    assert!(monitor.close_blocking());

    let p99 = |times: &[u64]| times[times.len() * 99 / 100];
    println!(
        "{} calls while the disk hung: p99 {} ns, before {} ns",
        hung.len(),
        p99(&hung),
        p99(&before)
    );
    assert!(p99(&hung) < 1_000_000, "{} ns", p99(&hung));
    let reader = Reader::open(path.join("ledger/test.db")).unwrap();
    let report = reader.report(&Query::default()).unwrap();
    assert_eq!(report.total.calls, many as u64);
    let (mut lines, mut lost) = (0, 0);
    for file in std::fs::read_dir(path.join("logs")).unwrap() {
        let file = std::fs::File::open(file.unwrap().path()).unwrap();
        for line in BufReader::new(file).lines() {
            let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            match line["lost"].as_u64() {
                Some(told) => lost += told,
                None => lines += 1,
            }
        }
    }
    // The budget of the signal lane is some seconds of calls at this rate: what found no room is told in the stream.
    println!("log lines: {lines} written, {lost} counted as lost");
    assert_eq!(lines + lost, many as u64);
    std::io::stdout().flush().unwrap();
}
