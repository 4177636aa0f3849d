//! Events as counters and histograms, through the [`metrics`](::metrics) facade.
//!
//! Names and units follow the conventions of OpenTelemetry where there are some (`gen_ai.client.operation.duration`);
//! campanile's own begin with `campanile.`. The help text of each says from where to where it is measured.
//!
//! - Handles are looked up once for each stage × provider × model × outcome and then kept.
//! - Labels come from closed sets and from names of the program. Ids of sessions and calls never become labels. Where
//!   there are too many series, new ones are counted under `other`.
//! - Money is counted in whole micro-dollars. The exact sum is kept beside each counter, so that the rounding of all
//!   calls together stays below one micro-dollar a series.
//! - They count what was known when a call ended. Usage that comes later is in the ledger; here it counts as late.

mod definitions;
mod lanes;
mod series;

use ::metrics::{Gauge, Key, KeyName, Label, Metadata, Recorder};
use campanile_core::{
    Attempt, CallEvent, Event, Lane, Level, Money, Name, Outcome, Phase, Redactions, Sink, Span,
    Stats, TurnEvent,
};
use definitions as names;
use series::{Series, Whose};
use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

pub(crate) static METADATA: Metadata<'_> =
    Metadata::new("campanile", ::metrics::Level::INFO, Some("campanile_sinks"));

/// Counts events; see the [names](crate::metric_names).
///
/// ```
/// use campanile_core::Sink;
/// use campanile_sinks::{MetricsSink, PrometheusRecorder};
///
/// let prometheus = PrometheusRecorder::new();
/// let sink = MetricsSink::new(prometheus.clone());
/// // …
/// let text = prometheus.render();
/// # let _ = (sink.and(()), text);
/// ```
pub struct MetricsSink {
    recorder: Box<dyn Recorder + Send + Sync>,
    series: Mutex<Series>,
    open_calls: Gauge,
}

impl MetricsSink {
    /// Counts into `recorder`, with at most 2,000 label sets.
    #[must_use]
    pub fn new(recorder: impl Recorder + Send + Sync + 'static) -> Self {
        let recorder: Box<dyn Recorder + Send + Sync> = Box::new(recorder);
        names::describe(&*recorder);
        let open_calls = recorder.register_gauge(&Key::from_name(names::OPEN_CALLS), &METADATA);
        Self {
            recorder,
            series: Mutex::new(Series::new(2_000)),
            open_calls,
        }
    }

    /// Counts into the recorder that the program has installed. Handles are looked up when they are first needed, so it
    /// must be installed before the first event.
    #[must_use]
    pub fn global() -> Self {
        Self::new(Installed)
    }

    /// Label sets that are told apart before new ones count as `other`. Default 2,000.
    #[must_use]
    pub fn max_series(self, most: usize) -> Self {
        Self {
            series: Mutex::new(Series::new(most)),
            ..self
        }
    }

    /// Says how many calls are open now: events tell only of those that are over.
    pub fn open_calls(&self, open: u64) {
        self.open_calls.set(open as f64);
    }
}

impl Sink for MetricsSink {
    fn record(&self, event: &Event) {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let mut books = Books {
            recorder: &*self.recorder,
            series: &mut series,
        };
        match event {
            Event::Call(call) => books.call(call),
            Event::Usage(usage) if !usage.open => {
                books.count(names::LATE_USAGE, [("stage", &usage.stage)], 1);
            }
            Event::Usage(_) => {}
            Event::Turn(turn) => books.turn(turn),
            Event::Session(session) => {
                let phase = match session.phase {
                    Phase::Start => "start",
                    Phase::End => "end",
                };
                books.count(names::SESSIONS, [("phase", &phase.into())], 1);
            }
            Event::Alert(alert) => books.count(names::ALERTS, [("rule", &alert.rule)], 1),
            Event::Log(log) => {
                if log.level >= Level::Warn {
                    books.count(names::LOGS, [("level", &log.level.name().into())], 1);
                }
                books.redactions(&log.redactions);
            }
            Event::Loss(loss) => {
                let labels = [("sink", &loss.sink.into()), ("reason", &loss.reason.into())];
                books.count(names::LOST, labels, loss.lost);
            }
            _ => {}
        }
    }

    fn name(&self) -> &'static str {
        "metrics"
    }

    fn lane(&self) -> Option<Lane> {
        Some(Lane::Signal)
    }

    fn hear(&self, lanes: &[Stats]) {
        lanes::enter(&*self.recorder, lanes);
    }
}

impl fmt::Debug for MetricsSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsSink").finish_non_exhaustive()
    }
}

/// One event at a time is entered here.
struct Books<'a> {
    recorder: &'a (dyn Recorder + Send + Sync),
    series: &'a mut Series,
}

impl Books<'_> {
    fn count<const N: usize>(
        &mut self,
        name: &'static str,
        labels: [(&'static str, &Name); N],
        by: u64,
    ) {
        self.series
            .counter(self.recorder, name, labels)
            .increment(by);
    }

    fn call(&mut self, call: &CallEvent) {
        let last = call.attempts.last();
        let who = Whose::new(&call.stage, last, call.outcome.name());
        let handles = self.series.calls(self.recorder, who);
        handles.calls.increment(1);
        if let Some(timing) = call.timing {
            handles.duration.record(seconds(timing.elapsed));
            if let Some(queued) = timing.queued {
                handles.queued.record(seconds(queued));
            }
        }
        // Of the attempt that was heard; a call's own also spans what a retry waited.
        let first = last.and_then(|attempt| attempt.timing?.first_item);
        if let Some(first) = first.or_else(|| call.timing?.first_item) {
            handles.first.record(seconds(first));
        }
        for attempt in &call.attempts {
            self.attempt(call, attempt);
        }
        if call.attempts.is_empty() && (call.usage.is_some() || call.cost.is_some()) {
            let mut alone = Attempt::new(1);
            alone.usage = call.usage;
            alone.cost = call.cost.clone();
            self.attempt(call, &alone);
        }
        if let Some(failure) = &call.failure {
            let kind = names::kind(failure.kind);
            let labels = [("stage", &call.stage), ("kind", &kind)];
            self.count(names::FAILURES, labels, 1);
        }
        self.redactions(&call.redactions);
        if call.observer_failed > 0 {
            let by = call.observer_failed.into();
            self.count(names::OBSERVERS, [("stage", &call.stage)], by);
        }
    }

    fn redactions(&mut self, redactions: &Redactions) {
        for (kind, count) in redactions.iter() {
            self.count(names::REDACTIONS, [("type", &kind.into())], count.into());
        }
    }

    fn attempt(&mut self, call: &CallEvent, attempt: &Attempt) {
        let outcome = attempt.outcome.map_or("unknown", Outcome::name);
        let who = Whose::new(&call.stage, Some(attempt), outcome);
        let recorder = self.recorder;
        let handles = self.series.attempts(recorder, who);
        handles.attempts.increment(1);
        if let Some(usage) = &attempt.usage {
            handles.tokens(usage);
            for (meter, count) in usage.iter() {
                handles.meter(recorder, meter).increment(count.at_least);
            }
        }
        if let Some(cost) = &attempt.cost {
            handles.at_least.add(cost.at_least);
            match cost.at_most {
                Some(most) => handles.at_most.add(most),
                None => handles.unbounded.increment(1),
            }
        }
    }

    fn turn(&mut self, turn: &TurnEvent) {
        let interrupted = if turn.interrupted.is_some() {
            "yes"
        } else {
            "no"
        };
        let interrupted = Name::from(interrupted);
        let labels = [("interrupted", &interrupted)];
        self.count(names::TURNS, labels, 1);
        if let Some(latency) = turn.user_to_bot {
            let handle = self
                .series
                .histogram(self.recorder, names::USER_TO_BOT, labels);
            handle.record(seconds(latency));
        }
        for part in &turn.segments {
            let labels = [
                ("segment", &part.name.into()),
                ("owner", &part.owner.name().into()),
            ];
            let handle = self.series.histogram(self.recorder, names::SEGMENT, labels);
            handle.record(seconds(part.span));
        }
        self.series.wasted(self.recorder).add(turn.wasted.at_least);
    }
}

fn seconds(span: Span) -> f64 {
    // A float on the way to a chart, not to a bill.
    span.0 as f64 / 1e9
}

/// Whole micro-dollars, rounded down.
fn micro_dollars(amount: Money) -> u64 {
    let micro = amount.grains() / (Money::GRAINS_PER_USD / 1_000_000);
    u64::try_from(micro).unwrap_or(if micro < 0 { 0 } else { u64::MAX })
}

/// The recorder that the program has installed.
struct Installed;

impl Recorder for Installed {
    fn describe_counter(
        &self,
        key: KeyName,
        unit: Option<::metrics::Unit>,
        text: ::metrics::SharedString,
    ) {
        ::metrics::with_recorder(|recorder| recorder.describe_counter(key, unit, text));
    }

    fn describe_gauge(
        &self,
        key: KeyName,
        unit: Option<::metrics::Unit>,
        text: ::metrics::SharedString,
    ) {
        ::metrics::with_recorder(|recorder| recorder.describe_gauge(key, unit, text));
    }

    fn describe_histogram(
        &self,
        key: KeyName,
        unit: Option<::metrics::Unit>,
        text: ::metrics::SharedString,
    ) {
        ::metrics::with_recorder(|recorder| recorder.describe_histogram(key, unit, text));
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> ::metrics::Counter {
        ::metrics::with_recorder(|recorder| recorder.register_counter(key, metadata))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        ::metrics::with_recorder(|recorder| recorder.register_gauge(key, metadata))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> ::metrics::Histogram {
        ::metrics::with_recorder(|recorder| recorder.register_histogram(key, metadata))
    }
}

/// The labels of a key.
fn labels<const N: usize>(pairs: [(&'static str, &Name); N]) -> Vec<Label> {
    pairs
        .into_iter()
        .map(|(name, value)| Label::new(name, value.as_str().to_owned()))
        .collect()
}

/// Names, kinds, units and definitions of all metrics, for a document or a dashboard: `(name, unit, definition)`.
#[must_use]
pub fn metric_names() -> Vec<(&'static str, &'static str, &'static str)> {
    names::all()
        .map(|definition| {
            let unit = definition.unit.map_or("1", |unit| unit.as_str());
            (definition.name, unit, definition.help)
        })
        .collect()
}

#[cfg(test)]
mod tests;
