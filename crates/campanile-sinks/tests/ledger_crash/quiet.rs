//! Handing an event over asks nothing of the kernel.

use crate::child::{SOON, event};
use campanile_core::{Event, Ids, Sink, Timestamp};
use campanile_sinks::ledger::Ledger;
use std::{
    collections::HashMap,
    process::{Command, Stdio},
};

const WINDOWS: usize = 16;
const EVENTS: u64 = 500;
/// Files that are not there: asking for them marks a place in the trace.
const BEGIN: &str = "/campanile-begin";
const END: &str = "/campanile-end";

/// The child: hands events over between two marks, some times.
pub(crate) fn hand_over(ledger: &Ledger) {
    let ids = Ids::random();
    let events = |count| -> Vec<Event> {
        let event = |number| event(ids.next(Timestamp::now()), number);
        (0..count)
            .map(|number| Event::Call(Box::new(event(number))))
            .collect()
    };
    // Room for what waits is made once.
    for _ in 0..3 {
        events(8_000).iter().for_each(|event| ledger.record(event));
        assert!(ledger.flush(SOON));
    }
    for _ in 0..WINDOWS {
        let events = events(EVENTS);
        ledger.record(&events[0]);
        let _ = std::fs::metadata(BEGIN);
        events[1..].iter().for_each(|event| ledger.record(event));
        let _ = std::fs::metadata(END);
        assert!(ledger.flush(SOON));
    }
}

/// System calls of the marking thread between the marks, by name, for each window.
fn between_marks(trace: &str) -> Vec<HashMap<String, usize>> {
    let mut windows = Vec::new();
    let mut open: Option<(&str, HashMap<String, usize>)> = None;
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else {
            continue;
        };
        let call = call.trim_start();
        if call.contains(BEGIN) {
            open = Some((thread, HashMap::new()));
        } else if call.contains(END) {
            windows.extend(open.take().map(|(_, calls)| calls));
        } else if let Some((marking, calls)) = &mut open
            && *marking == thread
            && !call.starts_with("<...")
        {
            let name = call.split('(').next().unwrap_or(call);
            *calls.entry(name.to_owned()).or_default() += 1;
        }
    }
    windows
}

#[test]
fn handing_over_is_no_system_call() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let path = dir.path().join("ledger/campanile.db");
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap());
    let started = crate::child::playing(&mut strace, "hand_over", &path, 0)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !started.is_ok_and(|status| status.success()) {
        println!("skipped: strace is not there, or may not trace");
        return;
    }

    let windows = between_marks(&std::fs::read_to_string(&trace).unwrap());

    println!("system calls in {WINDOWS} windows of {EVENTS} events: {windows:?}");
    assert_eq!(windows.len(), WINDOWS);
    let quiet = windows.iter().filter(|window| window.is_empty()).count();
    // That there are such windows shows that the path itself asks for nothing. In others the machine may have taken the
    // core from the lane's thread while it held the lock: how often is the machine's doing, and not counted closely.
    assert!(quiet >= WINDOWS / 4, "{windows:?}");
    // Two threads that meet at the lock, or memory that grows: never IO.
    let known = [
        "futex",
        "brk",
        "mmap",
        "munmap",
        "mremap",
        "madvise",
        "sched_yield",
    ];
    for (name, count) in windows.iter().flatten() {
        let rare = *count as u64 <= EVENTS / 20;
        assert!(known.contains(&name.as_str()) && rare, "{windows:?}");
    }
}
