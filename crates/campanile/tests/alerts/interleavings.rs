//! Whatever the order in which processes write, look, die and start: alerts are crossings, each once.

use crate::support::{HOUR, NOW, SOON, call, folder, ledger, raised, watch};
use campanile::alerts::Watch;
use campanile::sinks::ledger::{Ledger, Reader};
use campanile::{Event, Money, Sink, Timestamp};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What one of three processes does.
#[derive(Clone, Debug)]
enum Step {
    /// A call that began so many hours after the first cost so many cents.
    Spend(usize, i64, u64),
    /// What it wrote reaches the disk, and it looks.
    Look(usize),
    /// It dies: what it has not written is lost, and what it knew.
    Die(usize),
    /// Time passes.
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let process = 0..3_usize;
    let step = prop_oneof![
        5 => (process.clone(), 0..12_i64, 1..1_500_u64).prop_map(|(who, ago, cents)| Step::Spend(who, ago, cents)),
        4 => process.clone().prop_map(Step::Look),
        1 => process.prop_map(Step::Die),
        1 => (1..20_i64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..40)
}

const DAILY: &str =
    "[[budget]]\nprovider = \"openai\"\nusd = \"20\"\nwindow = \"day\"\nwarn_at = [0.25, 0.5, 1.0]";

struct Process {
    ledger: Ledger,
    watch: Watch,
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn alerts_are_crossings_each_once(steps in steps()) {
        let (_dir, path) = folder();
        let start = || Process { ledger: ledger(&path), watch: watch(&path, DAILY) };
        let mut processes = [start(), start(), start()];
        let mut now = NOW;
        let mut told = Vec::new();
        for step in steps {
            match step {
                Step::Spend(who, ago, cents) => {
                    let at = Timestamp(now.0 - ago * HOUR);
                    processes[who].ledger.record(&Event::Call(Box::new(call(at, cents))));
                }
                Step::Look(who) => {
                    prop_assert!(processes[who].ledger.flush(SOON));
                    told.extend(processes[who].watch.look(now).unwrap());
                }
                Step::Die(who) => processes[who] = start(),
                Step::Wait(hours) => now = Timestamp(now.0 + hours * HOUR),
            }
        }
        for process in &mut processes {
            prop_assert!(process.ledger.flush(SOON));
            told.extend(process.watch.look(now).unwrap());
        }

        let ids: BTreeSet<_> = told.iter().map(|alert| alert.id.to_string()).collect();
        prop_assert_eq!(ids.len(), told.len(), "told twice");
        let kept = raised(&path).into_iter().collect::<BTreeSet<_>>();
        prop_assert_eq!(&kept, &ids, "the ledger's alerts are those that were told");
        let crossed = crossings(&path);
        // Windows that ended more than a day before anybody looked are not told any more.
        for id in crossed.difference(&ids) {
            let day = id.split(':').nth(4).unwrap();
            prop_assert!(day < &Timestamp(now.0 - 24 * HOUR).to_string()[..10], "{} was never told", id);
        }
        prop_assert!(ids.is_subset(&crossed), "told without a crossing");
    }
}

/// Ids of the alerts that the sums of the ledger ask for.
fn crossings(path: &std::path::Path) -> BTreeSet<String> {
    let mut days: BTreeMap<String, i128> = BTreeMap::new();
    let reader = Reader::open(path).unwrap();
    let add = |line: &serde_json::Value| {
        let day = line["started_at"].as_str().unwrap()[..10].to_owned();
        let usd = Money::from_usd(line["cost"]["usd"].as_str().unwrap()).unwrap();
        *days.entry(day).or_default() += usd.grains();
        std::ops::ControlFlow::Continue(())
    };
    reader.dump(add).unwrap();
    let shares = [("0.25", 5), ("0.5", 10), ("1", 20)];
    let crossed = days.iter().flat_map(|(day, sum)| {
        let reached = shares
            .iter()
            .filter(|(_, usd)| *sum >= usd * Money::GRAINS_PER_USD);
        reached.map(move |(share, _)| format!("budget:openai:day:20:{day}:{share}"))
    });
    crossed.collect()
}
