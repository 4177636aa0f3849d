//! `campanile logs`, on files that the sink has written, and on what others have put there.

use crate::support::{Done, Home, START, at, on_terminal, small};
use campanile_cli::Terminal;
use campanile_core::{
    Clock, Event, FieldValue, Level, LogEvent, LossEvent, SessionId, Sink, Tick, TimeSource,
    Timestamp,
};
use campanile_sinks::{Jsonl, Notices};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

struct Still;

impl TimeSource for Still {
    fn tick(&self) -> Tick {
        Tick(1)
    }

    fn now(&self) -> Timestamp {
        START
    }
}

/// Log files with the events of [`small`], and some of the program's own.
fn events() -> Vec<Event> {
    let mut log = LogEvent::new(at(500), Level::Warn, "my_bot::audio");
    log.site = Some(("src/audio.rs", 42));
    log.session = SessionId::new("call-7").ok();
    log.fields = vec![("frames", FieldValue::Uint(17))];
    let mut events = small();
    events.insert(1, Event::Log(Box::new(log)));
    events.push(Event::Loss(LossEvent::new(at(43_000), "jsonl", "full", 3)));
    events
}

fn logs(home: &Home) -> PathBuf {
    home.dir().join("logs")
}

fn home() -> Home {
    let home = Home::new();
    let sink = Jsonl::new(logs(&home))
        .clock(Clock::new(Still))
        .notices(Notices::silent())
        .open()
        .unwrap();
    events().iter().for_each(|event| sink.record(event));
    assert!(sink.close(Duration::from_secs(30)));
    home
}

fn run(home: &Home, words: &[&str], terminal: Terminal) -> Done {
    let logs = logs(home).display().to_string();
    let mut done = on_terminal(&[&["logs", "--logs", &logs], words].concat(), "", terminal);
    for text in [&mut done.out, &mut done.err] {
        *text = text.replace(&logs, "LOGS");
    }
    done
}

fn good(home: &Home, words: &[&str]) -> String {
    run(home, words, Terminal::default()).good()
}

fn person() -> Terminal {
    let mut terminal = Terminal::default();
    terminal.out = true;
    terminal
}

#[test]
fn lines_are_shown_in_columns_the_newest_last() {
    insta::assert_snapshot!(good(&home(), &[]));
}

#[test]
fn lines_are_found_by_what_they_say() {
    let home = home();
    let count = |words: &[&str]| good(&home, &[words, &["--count"]].concat());
    for (words, lines) in [
        (&["--stage", "llm"][..], "2\n"),
        (&["--level", "warn"], "4\n"),
        (&["--level", "ERROR"], "1\n"),
        (&["--session", "call-7", "--turn", "2"], "2\n"),
        (&["--target", "my_bot"], "1\n"),
        (&["--field", "provider=openai"], "1\n"),
        (&["--field", "failure.kind=timeout"], "1\n"),
        (&["--field", "frames=17"], "1\n"),
        (&["--field", "interrupted=barge_in"], "1\n"),
        (&["barge_in"], "2\n"),
        (&["BARGE_in", "-i"], "2\n"),
        (&["\"code\":\"4\\d\\d\"", "--regex"], "1\n"),
        (
            &[
                "--since",
                "2026-11-24 01:50:40",
                "--until",
                "2026-11-24T01:50:50Z",
            ],
            "1\n",
        ),
        (&["--since", "30s"], "0\n"),
    ] {
        assert_eq!(count(words), lines, "{words:?}");
    }
}

#[test]
fn a_search_for_programs_gives_the_lines_themselves() {
    let home = home();
    let lines = good(&home, &["--format", "json", "--stage", "tts"]);

    let raw = good(&home, &["--format", "raw", "--stage", "tts"]);

    assert_eq!(lines, raw);
    let event: serde_json::Value = serde_json::from_str(&lines).unwrap();
    assert_eq!(
        (&event["event"], &event["reason"]),
        (&"call".into(), &"barge_in".into())
    );
    let counted = good(&home, &["--count", "--format", "json"]);
    assert_eq!(
        counted,
        "{\"files\":1,\"foreign\":0,\"lines\":10,\"v\":1}\n"
    );
}

#[test]
fn neighbours_and_the_last_lines_are_shown_on_request() {
    let home = home();
    let lines = |words: &[&str]| good(&home, words).lines().count();

    assert_eq!(lines(&["--last", "2"]), 2);
    assert_eq!(lines(&["--field", "frames", "--context", "1"]), 3);
    // Two groups, and a line between them.
    assert_eq!(lines(&["--field", "reason", "-C", "1"]), 7);
    assert!(good(&home, &["--field", "reason", "-C", "1"]).contains("\n--\n"));
}

/// Lines that want to be more than text.
fn hostile() -> Home {
    let home = home();
    let lines = [
        b"\x1b[2J\x1b]0;owned\x07 \xff\xfe\0 plain".to_vec(),
        "{\"v\":1,\"event\":\"log\",\"level\":\"info\",\"ts\":\"2026-11-24T01:51:00.000000Z\",\"message\":\"a\u{202e}b\u{9b}31m\\u001b[2J<script>\"}".into(),
        "{\"v\":1,\"event\":\"call\",\"level\":\"debug\",\"ts\":\"2026-11-24T01:51:01.000000Z\",\"sta".into(),
        vec![b'='; 10 << 20],
    ];
    fs::write(logs(&home).join("other.jsonl"), lines.join(&b'\n')).unwrap();
    home
}

fn is_clean(text: &str) -> bool {
    let bidi = |char: char| matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .all(|char| char == '\n' || !(char.is_control() || bidi(char)))
}

#[test]
fn torn_and_foreign_lines_are_shown_as_they_are_and_counted_and_obeyed_by_nobody() {
    let home = hostile();
    let lines = ["--since", "2026-11-24 01:50:59"];
    for format in ["pretty", "json", "raw"] {
        let done = run(
            &home,
            &[&lines[..], &["--format", format]].concat(),
            person(),
        );
        assert_eq!(done.code, 0);
        assert!(is_clean(&done.out), "{format}");
        assert_eq!(
            done.err,
            "campanile: 2 lines are torn or no events of ours\n"
        );
        assert_eq!(done.out.lines().count(), 5, "{format}");
    }
    let pretty = run(&home, &[], person()).out;
    assert!(pretty.contains("\\u{1b}[2J\\u{1b}]0;owned\\u{7} \\xff\\xfe\\u{0} plain"));
    assert!(pretty.contains("a\\u{202e}b\\u{9b}31m\\u{1b}[2J<script>"));
    assert!(pretty.contains("… and 10,481,664 bytes more"));
    let json = run(&home, &["plain", "--format", "json"], Terminal::default()).out;
    let foreign: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(foreign["file"], "LOGS/other.jsonl");
    assert_eq!(
        foreign["text"],
        "\u{1b}[2J\u{1b}]0;owned\u{7} \u{fffd}\u{fffd}\0 plain"
    );
}

#[test]
fn a_file_that_cannot_be_unpacked_is_told_and_the_others_are_searched() {
    let home = home();
    let packed = [0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3];
    fs::write(logs(&home).join("bad.jsonl.zst"), packed).unwrap();

    let done = run(&home, &["--count"], Terminal::default());

    assert_eq!((done.code, done.out.as_str()), (1, "10\n"));
    assert!(
        done.err
            .starts_with("campanile: LOGS/bad.jsonl.zst cannot be read to its end: ")
    );
    assert_eq!(done.err.lines().count(), 1);
}

#[test]
fn what_cannot_be_asked_is_one_line() {
    let home = home();
    for (words, what) in [
        (&["(a", "--regex"][..], "`(a` is no regular expression: "),
        (
            &["--level", "loud"],
            "a level is trace, debug, info, warn or error",
        ),
        (
            &["--since", "2026-11-25", "--until", "2026-11-24"],
            "is not before --until",
        ),
        (&["--logs", "/none/at/all"], "/none/at/all: "),
    ] {
        let done = run(&home, words, Terminal::default());
        assert_eq!(done.code, 2, "{words:?}");
        assert!(done.err.contains(what), "{}", done.err);
        assert!(done.out.is_empty());
    }
}

#[test]
fn a_person_who_finds_nothing_is_told_where_it_was_looked_for() {
    let done = run(&home(), &["nowhere"], person());
    assert_eq!((done.code, done.out.as_str()), (0, ""));
    assert_eq!(done.err, "no such line in 1 file\n");
}
