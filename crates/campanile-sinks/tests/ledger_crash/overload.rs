//! Ten times what fits, and nothing can be written: memory stays in its budget, amounts are exact.

use crate::child::{SOON, child_of, event, quantity};
use campanile_core::{Event, Ids, Sink, Timestamp};
use campanile_sinks::ledger::{Ledger, Query, Reader};
use std::{
    io::{BufRead, BufReader},
    path::Path,
};

/// What may wait, and what is handed over: an event takes some 130 bytes.
pub(crate) const BUDGET: usize = 8 << 20;
const EVENTS: u64 = 650_000;

/// The memory that this process holds, and the most that it ever held, in KiB.
fn memory() -> [u64; 2] {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    ["VmRSS:", "VmHWM:"].map(|name| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    })
}

/// The child: its ledger is moved away while it is handed ten times its budget.
pub(crate) fn flood(ledger: &Ledger, path: &Path) {
    let ids = Ids::random();
    let record = |number| {
        let id = ids.next(Timestamp::now());
        ledger.record(&Event::Call(Box::new(event(id, number))));
    };
    record(0);
    assert!(ledger.flush(SOON));
    let here = path.parent().unwrap();
    let there = here.with_file_name("elsewhere");
    std::fs::rename(here, &there).unwrap();
    let [before, _] = memory();
    (1..EVENTS).for_each(record);
    let [_, most] = memory();
    let folded = ledger.state().folded;
    std::fs::rename(&there, here).unwrap();
    assert!(ledger.flush(SOON));
    println!("flood {} {folded}", most - before);
}

#[test]
fn ten_times_the_budget_is_summed_exactly_in_bounded_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger/campanile.db");
    let mut child = child_of("flood", &path, 0);
    let told = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let told: Vec<String> = told.filter(|line| line.contains("flood ")).collect();
    assert!(child.wait().unwrap().success());
    let numbers = told[0].split("flood ").nth(1).unwrap();
    let numbers: Vec<u64> = numbers
        .split(' ')
        .map(|word| word.parse().unwrap())
        .collect();
    let (more, folded) = (numbers[0] << 10, numbers[1]);

    let total = Reader::open(&path)
        .unwrap()
        .report(&Query::default())
        .unwrap()
        .total;

    println!(
        "{EVENTS} events, {folded} in sums, {} MiB more at most",
        more >> 20
    );
    assert!(
        folded > EVENTS / 2,
        "only {folded} did not fit: proves nothing"
    );
    assert!(more <= BUDGET as u64 + (64 << 20), "{more} bytes");
    assert_eq!(total.calls, EVENTS);
    let truth: u64 = (0..EVENTS).map(quantity).sum();
    assert_eq!(total.usage.quantity(), truth);
    let grains = i128::from(truth) * 8_000_000_000_000_000;
    assert_eq!(total.cost.at_least.grains(), grains);
    assert!(total.cost.is_exact());
}
