//! How the worker is: memory, descriptors, tasks, queues.

use super::Watching;
use super::sinks::HOSTILE;
use super::world::World;
use crate::journal::{Lane, Ledger, Sample};
use campanile::Stats;
use std::fs;
use std::sync::atomic::Ordering::Relaxed;

/// Bytes on the heap now, as the counting allocator says. What grows or shrinks in its place counts there too.
fn heap() -> u64 {
    let stats = crate::HEAP.stats();
    stats
        .bytes_allocated
        .saturating_sub(stats.bytes_deallocated) as u64
}

/// Resident bytes of this process, from `smaps_rollup`: what is really there, shared pages included.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}

fn entries(folder: &str) -> u64 {
    fs::read_dir(folder).map_or(0, |entries| entries.count() as u64)
}

/// Open files of this process; the one that this look takes is not among them.
pub(super) fn descriptors() -> u64 {
    entries("/proc/self/fd").saturating_sub(1)
}

pub(super) fn threads() -> u64 {
    entries("/proc/self/task")
}

/// Tasks of the runtime that are alive.
pub(super) fn tasks() -> u64 {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks() as u64
}

/// Processor time of all threads that live, and of those of the monitor, in nanoseconds.
fn processor() -> (u64, u64) {
    let (mut all, mut monitor) = (0, 0);
    for thread in fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten()
    {
        let read = |name| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
        let spent = read("schedstat")
            .split(' ')
            .next()
            .and_then(|ns| ns.parse::<u64>().ok());
        let spent = spent.unwrap_or(0);
        all += spent;
        let name = read("comm");
        // Our own first thread is called after the program.
        if name.starts_with("campanile-") && !name.starts_with(env!("CARGO_PKG_NAME")) {
            monitor += spent;
        }
    }
    (all, monitor)
}

fn lane(name: &str, given: u64, stats: &Stats) -> Lane {
    Lane {
        name: name.to_owned(),
        given,
        opened: stats.opened,
        written: stats.written,
        lost: stats.lost(),
        queued_bytes: stats.queued_bytes,
    }
}

/// The sinks that write lines.
fn lanes(world: &World, watching: &Watching) -> Vec<Lane> {
    let lanes = ["jsonl", "console"].map(|name| named(world, watching, name));
    lanes
        .into_iter()
        .filter(|lane| !lane.name.is_empty())
        .collect()
}

fn named(world: &World, watching: &Watching, name: &str) -> Lane {
    let lanes = world.monitor.lanes();
    let stats = lanes.iter().find(|(known, _)| *known == name);
    stats.map_or_else(Lane::default, |(_, stats)| {
        lane(name, watching.given(name), stats)
    })
}

pub(super) fn ledger(world: &World, watching: &Watching) -> Ledger {
    let Some(state) = world.monitor.ledger() else {
        return Ledger::default();
    };
    Ledger {
        given: watching.given("ledger"),
        recorded: state.recorded,
        written: state.written,
        folded: state.folded,
        skipped: state.skipped,
        dropped: state.dropped,
        waiting_bytes: state.waiting_bytes,
    }
}

pub(super) fn sample(world: &World, watching: &Watching, real_ms: u64) -> Sample {
    let (cpu_ns, monitor_cpu_ns) = processor();
    let counts = &world.counts;
    Sample {
        at_ms: world.now_ms(),
        real_ms,
        heap: heap(),
        resident: resident(),
        fds: descriptors(),
        tasks: tasks(),
        threads: threads(),
        turns: counts.turns.load(Relaxed),
        sessions: counts.sessions.load(Relaxed),
        calls: counts.calls.load(Relaxed),
        open_calls: world.monitor.intake().open_calls().len() as u64,
        frames: counts.frames.load(Relaxed),
        cpu_ns,
        monitor_cpu_ns,
        lanes: lanes(world, watching),
        ledger: ledger(world, watching),
        // What the monitor has counted is read first: it counts what the sink has seen.
        hostile: named(world, watching, HOSTILE),
        panics: watching.hostile.panics.load(Relaxed),
        hostile_events: watching.hostile.events.load(Relaxed),
        hostile_told: watching.hostile.told.load(Relaxed),
        sinks_failed: world.monitor.sinks_failed(),
    }
}
