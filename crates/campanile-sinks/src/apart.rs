//! A worker and a buffer for a sink of the program's own.
//!
//! ```text
//! recorder's thread ──▶ │bounded buffer│ ──▶ worker's thread ──▶ the sink's `record`
//! ```
//!
//! A monitor brings one for each sink that has no lane; [`Apart`] is for whoever wants another budget, or has no monitor.

mod weight;

use crate::{
    Notices, StartError, Watch,
    lane::{self, Load, Priority, Writer},
};
use campanile_core::{Clock, Event, Lane, LossEvent, Sink, Stats};
use std::{collections::VecDeque, fmt, io, path::Path, sync::Arc, time::Duration};

/// How long a flush of the sink itself may take before it is tried again.
const FLUSH_PATIENCE: Duration = Duration::from_secs(5);

/// Options of an [`ApartSink`].
///
/// ```
/// use campanile_core::{Event, Sink};
/// use campanile_sinks::Apart;
/// use std::time::Duration;
///
/// struct Slow;
/// impl Sink for Slow {
///     fn record(&self, _: &Event) {
///         // It may wait for a network here.
///     }
/// }
///
/// let sink = Apart::new(Slow).budget(1 << 20).open()?;
/// assert!(sink.flush(Duration::from_secs(5)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct Apart<S> {
    sink: S,
    budget: usize,
    clock: Clock,
    notices: Notices,
}

impl<S: Sink + 'static> Apart<S> {
    /// A worker for `sink`.
    pub fn new(sink: S) -> Self {
        Self {
            sink,
            budget: 16 << 20,
            clock: Clock::system(),
            notices: Notices::default(),
        }
    }

    /// Bytes that may wait in memory. Default 16 MiB.
    pub fn budget(mut self, bytes: usize) -> Self {
        self.budget = bytes;
        self
    }

    /// Where the moment of a loss is read. Default the system's clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Where troubles are told. Default stderr.
    pub fn notices(mut self, notices: Notices) -> Self {
        self.notices = notices;
        self
    }

    /// Starts the worker.
    ///
    /// # Errors
    ///
    /// When the operating system has no thread left to give.
    pub fn open(self) -> Result<ApartSink, StartError> {
        let name = self.sink.name();
        let sink: Arc<dyn Sink> = Arc::new(self.sink);
        let make = move || Hand(Arc::clone(&sink));
        let lane = lane::Lane::start(name, self.budget, self.clock, self.notices, make);
        let fail = |error| {
            let advice = "allow the program one more thread";
            StartError::new("start a thread for", Path::new(name), error, advice)
        };
        let lane = lane.map_err(fail)?;
        Ok(ApartSink { lane, name })
    }
}

impl<S: fmt::Debug> fmt::Debug for Apart<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Apart")
            .field("sink", &self.sink)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

/// Hands events to a sink by a worker of its own; see [`Apart`]. Lossy: what finds no room is counted, and told to the sink
/// as [`Event::Loss`] once it takes events again.
///
/// A panic of the sink costs the one event that it had; a growing pause follows. Dropping it waits at most 100 ms.
#[derive(Debug)]
pub struct ApartSink {
    lane: lane::Lane<Events>,
    name: &'static str,
}

impl ApartSink {
    /// Hands over what is left and takes nothing more. `false` when `within` was too short: the rest is counted as `closed`.
    pub fn close(&self, within: Duration) -> bool {
        self.lane.close(within)
    }

    /// The counters now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.lane.watch().stats()
    }

    /// A look at the counters that outlives the sink.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.lane.watch()
    }
}

impl Sink for ApartSink {
    fn record(&self, event: &Event) {
        self.lane.push(Priority::of(event), event);
    }

    fn flush(&self, within: Duration) -> bool {
        self.lane.flush(within)
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn lane(&self) -> Option<Lane> {
        Some(Lane::Signal)
    }

    fn account(&self) -> Option<Stats> {
        Some(self.stats())
    }
}

/// Events that wait, and what each takes.
#[derive(Default)]
struct Events {
    waiting: VecDeque<(Event, usize)>,
    bytes: usize,
}

impl Events {
    fn take_first(&mut self) -> u64 {
        let Some((_, bytes)) = self.waiting.pop_front() else {
            return 0;
        };
        self.bytes -= bytes;
        1
    }
}

impl Load for Events {
    type Item = Event;

    fn weigh(event: &Event) -> usize {
        weight::of(event)
    }

    fn push(&mut self, event: &Event) {
        let bytes = weight::of(event);
        self.bytes += bytes;
        self.waiting.push_back((event.clone(), bytes));
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn items(&self) -> u64 {
        self.waiting.len() as u64
    }

    fn give_up(&mut self) -> u64 {
        self.take_first()
    }

    fn shrink(&mut self) {
        self.waiting.shrink_to(1 << 10);
    }
}

/// The worker's end.
struct Hand(Arc<dyn Sink>);

impl Writer<Events> for Hand {
    fn write(&mut self, events: &mut Events) -> io::Result<()> {
        while let Some((event, _)) = events.waiting.front() {
            self.0.record(event);
            events.take_first();
        }
        Ok(())
    }

    fn tell(&self, loss: &LossEvent, events: &mut Events) {
        events.push(&Event::Loss(*loss));
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush(FLUSH_PATIENCE) {
            true => Ok(()),
            false => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

#[cfg(test)]
mod tests;
