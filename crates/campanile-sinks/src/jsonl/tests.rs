use super::*;
use campanile_core::{
    CallEvent, CallId, Content, LogEvent, Name, Outcome, Redacted, Redactions, Tick, TimeSource,
    Timestamp,
};
use std::{
    fs,
    sync::atomic::{AtomicI64, Ordering::Relaxed},
};

/// 2026-11-24T01:50:29Z.
const NOW: Timestamp = Timestamp(1_795_485_029_000_000);
const SOON: Duration = Duration::from_secs(10);

/// Wall time by hand.
#[derive(Clone)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.micros())))
    }
}

impl TimeSource for Hand {
    fn tick(&self) -> Tick {
        Tick(1)
    }
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Relaxed))
    }
}

fn call() -> Event {
    let stage = Name::from_static("llm");
    Event::Call(Box::new(CallEvent::new(
        CallId(7),
        stage,
        NOW,
        Outcome::Completed,
    )))
}

fn log(text: &str) -> Event {
    let mut log = LogEvent::new(NOW, Level::Info, "bot");
    let same = |text: &str, masked: &mut String| {
        masked.push_str(text);
        Redactions::default()
    };
    let content = Content::new(text.to_owned());
    log.message = Some(Redacted::new(&content, &same, &mut Redactions::default()));
    Event::Log(Box::new(log))
}

fn quiet(folder: &Path) -> Jsonl {
    Jsonl::new(folder)
        .notices(Notices::silent())
        .clock(Clock::new(Hand::at(NOW)))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Every line of the folder, compressed or not, in order of the names.
fn lines(folder: &Path) -> Vec<serde_json::Value> {
    let mut all = Vec::new();
    for name in names(folder) {
        let bytes = fs::read(folder.join(&name)).unwrap();
        let text = match name.ends_with(".zst") {
            true => zstd::decode_all(&bytes[..]).unwrap(),
            false => bytes,
        };
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.is_empty() || text.ends_with('\n'),
            "{name} ends in half a line"
        );
        all.extend(text.lines().map(|line| serde_json::from_str(line).unwrap()));
    }
    all
}

/// Waits until it holds, for ten seconds.
fn eventually(holds: impl Fn() -> bool) -> bool {
    (0..1_000).any(|_| {
        holds() || {
            std::thread::sleep(Duration::from_millis(10));
            false
        }
    })
}

#[test]
fn a_line_begins_with_version_kind_level_and_moment() {
    let mut encoder = Encoder::new(false);

    let line = encoder.line(&call()).unwrap();

    let text = std::str::from_utf8(line).unwrap();
    assert_eq!(
        text,
        "{\"v\":1,\"event\":\"call\",\"level\":\"debug\",\"ts\":\"2026-11-24T01:50:29.000000Z\",\
         \"id\":\"00000000-0000-0000-0000-000000000007\",\"stage\":\"llm\",\
         \"started_at\":\"2026-11-24T01:50:29.000000Z\",\"outcome\":\"completed\"}\n"
    );
}

#[test]
fn what_was_said_is_written_only_on_request() {
    let mut event = call();
    let Event::Log(said) = log("hello") else {
        unreachable!()
    };
    if let Event::Call(call) = &mut event {
        call.excerpt = said.message;
    }

    let plain = String::from_utf8(Encoder::new(false).line(&event).unwrap().to_vec()).unwrap();
    let with = String::from_utf8(Encoder::new(true).line(&event).unwrap().to_vec()).unwrap();

    assert!(!plain.contains("hello"), "{plain}");
    assert!(
        with.starts_with(r#"{"v":1,"event":"call","level":"debug","ts":"#),
        "{with}"
    );
    let parsed: serde_json::Value = serde_json::from_str(&with).unwrap();
    assert_eq!(parsed["excerpt"], "hello");
}

proptest::proptest! {
    #[test]
    fn every_line_parses_whatever_the_text(text: String, field in "[\\x00-\\x7f\u{2028}\u{202e}\u{85}]*") {
        let Event::Log(mut event) = log(&text) else { unreachable!() };
        let Event::Log(other) = log(&field) else { unreachable!() };
        let value = campanile_core::FieldValue::Text(other.message.unwrap());
        event.fields.push(("field", value));
        let mut encoder = Encoder::new(false);

        let line = encoder.line(&Event::Log(event)).unwrap();

        proptest::prop_assert_eq!(memchr::memchr_iter(b'\n', line).count(), 1);
        let parsed: serde_json::Value = serde_json::from_slice(line).unwrap();
        proptest::prop_assert_eq!(parsed["message"].as_str(), Some(&*text));
        proptest::prop_assert_eq!(parsed["fields"]["field"].as_str(), Some(&*field));
    }
}

#[test]
fn events_become_lines_of_a_file_of_this_process() {
    let folder = tempfile::tempdir().unwrap();
    let sink = quiet(&folder.path().join("a/b"))
        .level(Level::Info)
        .open()
        .unwrap();

    sink.record(&log("one"));
    sink.record(&call()); // Matters less.
    assert!(sink.flush(SOON));

    let name = format!(
        "campanile-2026-11-24T015029Z-{}-0.jsonl",
        std::process::id()
    );
    assert_eq!(names(sink.folder()), [name]);
    assert_eq!(lines(sink.folder())[0]["message"], "one");
    assert_eq!((sink.stats().opened, sink.stats().written), (1, 1));
}

#[test]
fn full_files_are_closed_and_compressed_and_no_line_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let sink = quiet(folder.path()).max_file(1_000).open().unwrap();

    for n in 0..100 {
        sink.record(&log(&format!("{n} {}", "x".repeat(n))));
    }
    assert!(sink.flush(SOON));

    let compressed = |name: &String| name.ends_with(".jsonl.zst");
    let all_but_the_last = || {
        names(folder.path())
            .iter()
            .filter(|name| !compressed(name))
            .count()
            == 1
    };
    assert!(eventually(all_but_the_last), "{:?}", names(folder.path()));
    assert!(names(folder.path()).len() > 10);
    let mut seen: Vec<u64> = lines(folder.path())
        .iter()
        .map(|line| {
            line["message"]
                .as_str()
                .unwrap()
                .split(' ')
                .next()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..100).collect::<Vec<u64>>());
}

#[test]
fn a_new_day_begins_a_new_file_and_a_clock_put_back_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let hand = Hand::at(NOW);
    let sink = quiet(folder.path())
        .compress(false)
        .clock(Clock::new(hand.clone()))
        .open()
        .unwrap();
    let day = 86_400_000_000;

    for jump in [0, day, -day] {
        hand.0.fetch_add(jump, Relaxed);
        sink.record(&log("a line"));
        assert!(sink.flush(SOON));
    }

    let days: Vec<String> = names(folder.path())
        .iter()
        .map(|name| name[10..20].to_owned())
        .collect();
    assert_eq!(days, ["2026-11-24", "2026-11-25"]);
    assert_eq!(lines(folder.path()).len(), 3);
}

#[test]
fn retention_takes_only_what_is_ours_and_old() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let foreign = [
        "app-ledger.db",
        "campanile.db",
        "campanile-2020-01-01T000000Z-1-0.jsonl.bak",
    ];
    for name in foreign {
        fs::write(at(name), "keep me").unwrap();
    }
    fs::write(at("campanile-2020-01-01T000000Z-1-1.jsonl"), "{}\n").unwrap();
    fs::write(at("campanile-2020-01-01T000000Z-1-2.jsonl.zst"), "old").unwrap();
    fs::create_dir(at("campanile-2020-01-01T000000Z-1-3.jsonl")).unwrap();
    let held = fs::File::create(at("campanile-2020-01-01T000000Z-1-4.jsonl")).unwrap();
    held.lock().unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(
        at("app-ledger.db"),
        at("campanile-2020-01-01T000000Z-1-5.jsonl"),
    )
    .unwrap();
    fs::write(at("campanile-2099-01-01T000000Z-1-6.jsonl"), "{}\n").unwrap();

    let kept = retention::forecast(folder.path(), NOW, DAY, 1 << 30);
    // The one that is held open is among the old ones: nobody knows without trying.
    assert_eq!((kept.old_files, kept.surplus_files), (3, 0), "{kept:?}");
    let all = retention::forecast(folder.path(), NOW, Duration::MAX, 0);
    assert_eq!((all.old_files, all.freed_bytes), (0, all.bytes), "{all:?}");

    retention::retain(folder.path(), NOW, DAY, 1 << 30);
    // However little may stay: what has another name, is held, or is from the future is not ours to delete.
    retention::retain(folder.path(), NOW, DAY, 0);

    let mut kept: Vec<&str> = foreign.to_vec();
    kept.push("campanile-2020-01-01T000000Z-1-3.jsonl");
    kept.push("campanile-2020-01-01T000000Z-1-4.jsonl");
    #[cfg(unix)]
    kept.push("campanile-2020-01-01T000000Z-1-5.jsonl");
    kept.push("campanile-2099-01-01T000000Z-1-6.jsonl");
    kept.sort_unstable();
    assert_eq!(names(folder.path()), kept);
    assert_eq!(fs::read_to_string(at("app-ledger.db")).unwrap(), "keep me");
}

#[test]
fn all_files_together_stay_within_the_total_and_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let sink = quiet(folder.path())
        .compress(false)
        .max_file(1_000)
        .max_total(5_000)
        .open()
        .unwrap();

    let total = || -> u64 {
        let entries = fs::read_dir(folder.path()).unwrap();
        entries
            .flatten()
            .filter_map(|entry| Some(entry.metadata().ok()?.len()))
            .sum()
    };
    for _ in 0..200 {
        sink.record(&log("some line of text that is here to fill files"));
        assert!(sink.flush(SOON));
        // At any time, and not only when somebody has looked after it.
        assert!(total() <= 6_000, "{} bytes", total());
    }

    assert!(total() > 4_000, "{} bytes", total());
    assert_eq!(sink.stats().written, 200);
}

#[test]
fn a_folder_that_vanishes_is_made_again_and_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (logs, aside) = (folder.path().join("logs"), folder.path().join("aside"));
    let told = Arc::new(Mutex::new(Vec::new()));
    let ear = told.clone();
    let notices = Notices::new(move |line| ear.lock().unwrap().push(line.to_owned()));
    let sink = quiet(&logs).notices(notices).open().unwrap();

    sink.record(&log("before"));
    assert!(sink.flush(SOON));
    fs::rename(&logs, &aside).unwrap();
    sink.record(&log("after"));
    assert!(sink.flush(SOON));

    assert_eq!(lines(&aside)[0]["message"], "before");
    assert_eq!(lines(&logs)[0]["message"], "after");
    let told = told.lock().unwrap();
    assert!(told[0].contains("moved or removed"), "{told:?}");
    assert_eq!(sink.stats().lost(), 0);
}

#[test]
fn a_roll_over_that_fails_is_tried_again_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    let told = Arc::new(Mutex::new(Vec::new()));
    let ear = told.clone();
    let notices = Notices::new(move |line| ear.lock().unwrap().push(line.to_owned()));
    let sink = quiet(&logs).notices(notices).open().unwrap();
    sink.record(&log("one"));
    assert!(sink.flush(SOON));

    // A file where the folder should be.
    fs::remove_dir_all(&logs).unwrap();
    fs::write(&logs, "in the way").unwrap();
    sink.record(&log("two"));
    assert!(!sink.flush(Duration::from_millis(100)));
    assert!(sink.stats().degraded);
    assert_eq!((sink.stats().written, sink.stats().pending), (1, 1));
    fs::remove_file(&logs).unwrap();
    assert!(sink.flush(SOON));

    assert_eq!(lines(&logs)[0]["message"], "two");
    assert!(!sink.stats().degraded);
    let told = told.lock().unwrap();
    assert!(
        told.iter().any(|line| line.contains("cannot write")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|line| line.contains("works again")),
        "{told:?}"
    );
}

#[test]
fn a_folder_that_cannot_be_made_is_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("logs"), "in the way").unwrap();

    let error = quiet(&folder.path().join("logs")).open().unwrap_err();

    let text = error.to_string();
    assert!(text.starts_with("cannot make the log folder \"/"), "{text}");
    assert!(
        text.contains("/logs\": ") && text.ends_with("make this one writable"),
        "{text}"
    );
    assert!(!text.contains('\n'));
}

#[test]
fn texts_that_are_too_long_are_cut_and_amounts_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let sink = quiet(folder.path()).max_line(4_000).open().unwrap();
    let Event::Log(said) = log(&"ä\0\u{202e}".repeat(100_000)) else {
        unreachable!()
    };
    let Event::Call(mut long) = call() else {
        unreachable!()
    };
    let (kind, print) = (campanile_core::FailureKind::Server, Name::from_static("0"));
    let mut failure = campanile_core::FailureReport::new(kind, print);
    failure.chain = vec![said.message.clone().unwrap(); 2];
    long.failure = Some(failure);
    let grains = 3_600_000_000_000_000_000_001;
    let cost = campanile_core::Cost::exact(campanile_core::Money::from_grains(grains));
    long.cost = Some(cost.clone());

    sink.record(&Event::Call(long));
    assert!(sink.flush(SOON));

    let line = &lines(folder.path())[0];
    assert_eq!(sink.stats().written, 1);
    assert!(line.to_string().len() < 4_000, "{line}");
    assert_eq!(line["cost"], serde_json::to_value(cost).unwrap());
    let text = line["failure"]["chain"][1].as_str().unwrap();
    assert!(
        text.starts_with("ä\0") && text.ends_with(" bytes cut]"),
        "{text}"
    );
    assert_eq!(line["cut_texts"], 2);
    let each = text.rsplit('[').next().unwrap().split(' ').next().unwrap();
    assert_eq!(line["cut_bytes"], 2 * each.parse::<u64>().unwrap());
}

#[test]
fn a_line_that_is_too_long_without_texts_is_dropped_alone() {
    let folder = tempfile::tempdir().unwrap();
    let sink = quiet(folder.path()).max_line(1_000).open().unwrap();
    let Event::Call(mut long) = call() else {
        unreachable!()
    };
    long.attempts = (1..100).map(campanile_core::Attempt::new).collect();

    sink.record(&Event::Call(long));
    sink.record(&log("short"));
    assert!(sink.flush(SOON));

    assert_eq!(sink.stats().lost_to(LossReason::TooLarge), 1);
    assert_eq!(lines(folder.path())[0]["message"], "short");
    assert_eq!(lines(folder.path())[1]["reason"], "too_large");
}

#[test]
fn the_leavings_of_a_dead_process_are_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join("campanile-2026-11-23T000000Z-1-0.jsonl");
    fs::write(&left, "{\"left\":1}\n").unwrap();
    fs::write(left.with_extension("jsonl.zst.part"), "half").unwrap();

    let sink = quiet(folder.path()).open().unwrap();

    let whole = left.with_extension("jsonl.zst");
    let part = left.with_extension("jsonl.zst.part");
    assert!(eventually(|| whole.exists()
        && !left.exists()
        && !part.exists()));
    assert_eq!(
        zstd::decode_all(&*fs::read(whole).unwrap()).unwrap(),
        b"{\"left\":1}\n"
    );
    assert!(sink.close(SOON));
    sink.record(&call());
    assert_eq!(sink.stats().lost_to(LossReason::Closed), 1);
    assert_eq!(
        names(folder.path()).len(),
        1,
        "an empty file is not left behind"
    );
}
