//! How the sinks of the monitor stand.

use super::{METADATA, definitions as names};
use ::metrics::{Key, Label, Recorder};
use campanile_core::Stats;

/// Enters where all sinks stand now. Sinks of one name are one.
pub(super) fn enter(recorder: &dyn Recorder, lanes: &[Stats]) {
    for (at, lane) in lanes.iter().enumerate() {
        if lanes[..at].iter().all(|before| before.sink != lane.sink) {
            let same: Vec<_> = lanes.iter().filter(|one| one.sink == lane.sink).collect();
            of_name(recorder, lane.sink, &same);
        }
    }
}

fn of_name(recorder: &dyn Recorder, sink: &'static str, stats: &[&Stats]) {
    let key = |name| Key::from_parts(name, vec![Label::new("sink", sink)]);
    let sum = |of: fn(&Stats) -> u64| stats.iter().map(|stats| of(stats)).sum::<u64>();
    let count = |name, of: fn(&Stats) -> u64| {
        recorder
            .register_counter(&key(name), &METADATA)
            .absolute(sum(of));
    };
    let gauge = |name, of: fn(&Stats) -> u64| {
        recorder
            .register_gauge(&key(name), &METADATA)
            .set(sum(of) as f64);
    };
    count(names::SINK_EVENTS, |stats| stats.opened);
    count(names::SINK_WRITTEN, |stats| stats.written);
    count(names::SINK_ERRORS, |stats| stats.errors);
    gauge(names::SINK_PENDING, |stats| stats.pending);
    gauge(names::SINK_QUEUED, |stats| stats.queued_bytes);
    gauge(names::SINK_DEGRADED, |stats| stats.degraded.into());
    for (reason, _) in stats.iter().flat_map(|stats| &stats.lost) {
        let lost = stats.iter().map(|stats| stats.lost_to(*reason)).sum();
        let labels = vec![
            Label::new("sink", sink),
            Label::new("reason", reason.name()),
        ];
        recorder
            .register_counter(&Key::from_parts(names::LOST, labels), &METADATA)
            .absolute(lost);
    }
}
