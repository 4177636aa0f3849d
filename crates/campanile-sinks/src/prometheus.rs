//! Metrics as Prometheus reads them.
//!
//! `metrics-exporter-prometheus` is not used: it keeps every sample until somebody asks, listens on all addresses by
//! default and answers every path. Here a sample goes straight into its bucket, so that memory depends on the number of
//! series alone.

mod buckets;
mod endpoint;
mod text;

use ::metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit,
};
use buckets::{Buckets, TOKEN_BOUNDS, VOICE_BOUNDS};
pub use endpoint::{Endpoint, MetricsEndpoint};
use metrics_util::registry::{Registry, Storage};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
};

/// A recorder of the [`metrics`](::metrics) facade that renders itself. Clones show the same numbers.
///
/// Buckets are chosen by unit: what is described in seconds gets fine ones between 0.2 and 3 s, where a voice bot lives,
/// everything else powers of four. One metric has at most 2,000 series; more are counted under `overflow="true"`.
#[derive(Clone)]
pub struct PrometheusRecorder(Arc<Inner>);

struct Inner {
    registry: Registry<Key, Fixed>,
    described: Arc<Mutex<HashMap<String, Described>>>,
    /// How many series each metric has.
    series: Mutex<HashMap<String, usize>>,
    most: usize,
}

#[derive(Clone)]
struct Described {
    unit: Option<Unit>,
    help: SharedString,
}

/// Makes the storage of one series.
struct Fixed(Arc<Mutex<HashMap<String, Described>>>);

impl Storage<Key> for Fixed {
    type Counter = Arc<AtomicU64>;
    type Gauge = Arc<AtomicU64>;
    type Histogram = Arc<Buckets>;

    fn counter(&self, _: &Key) -> Self::Counter {
        Arc::default()
    }

    fn gauge(&self, _: &Key) -> Self::Gauge {
        Arc::default()
    }

    fn histogram(&self, key: &Key) -> Self::Histogram {
        let seconds = lock(&self.0)
            .get(key.name())
            .is_some_and(|described| described.unit == Some(Unit::Seconds));
        let bounds = if seconds { VOICE_BOUNDS } else { TOKEN_BOUNDS };
        Arc::new(Buckets::new(bounds))
    }
}

impl PrometheusRecorder {
    /// A recorder without series.
    #[must_use]
    pub fn new() -> Self {
        Self::with_max_series(2_000)
    }

    /// With another limit of series for each metric.
    #[must_use]
    pub fn with_max_series(most: usize) -> Self {
        let described = Arc::<Mutex<_>>::default();
        Self(Arc::new(Inner {
            registry: Registry::new(Fixed(described.clone())),
            described,
            series: Mutex::default(),
            most,
        }))
    }

    /// Everything in the text format of Prometheus, sorted.
    #[must_use]
    pub fn render(&self) -> String {
        // Not under its lock: who makes a series holds a part of the registry while it asks for this.
        let described = lock(&self.0.described).clone();
        text::render(&self.0.registry, &described)
    }

    /// The key itself, or the one of all that are too many.
    fn fitting(&self, key: &Key, is_known: bool) -> Key {
        if is_known {
            return key.clone();
        }
        let mut series = lock(&self.0.series);
        let count = series.entry(key.name().to_owned()).or_default();
        if *count < self.0.most {
            *count += 1;
            return key.clone();
        }
        let overflow = Label::from_static_parts("overflow", "true");
        Key::from_parts(key.name().to_owned(), vec![overflow])
    }

    fn describe(&self, key: &KeyName, unit: Option<Unit>, help: SharedString) {
        let name = key.as_str().to_owned();
        lock(&self.0.described).insert(name, Described { unit, help });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recorder for PrometheusRecorder {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe(&key, unit, help);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe(&key, unit, help);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe(&key, unit, help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let registry = &self.0.registry;
        let key = self.fitting(key, registry.get_counter(key).is_some());
        registry.get_or_create_counter(&key, |counter| Counter::from_arc(counter.clone()))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let registry = &self.0.registry;
        let key = self.fitting(key, registry.get_gauge(key).is_some());
        registry.get_or_create_gauge(&key, |gauge| Gauge::from_arc(gauge.clone()))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let registry = &self.0.registry;
        let key = self.fitting(key, registry.get_histogram(key).is_some());
        registry.get_or_create_histogram(&key, |buckets| Histogram::from_arc(buckets.clone()))
    }
}

impl Default for PrometheusRecorder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PrometheusRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrometheusRecorder")
    }
}

#[cfg(test)]
mod tests;
