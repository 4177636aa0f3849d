//! What a sink has to say about itself: it cannot write, it can again, its folder was moved.

use crate::lane::{Lane, Lines, Load, Priority, Writer};
use campanile_core::{Clock, LossEvent, Span, Tick};
use std::{
    collections::HashMap,
    fmt,
    io::{self, Write},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

/// The same trouble is told once a minute.
const BETWEEN: Span = Span(60_000_000_000);

/// Where sinks tell their troubles: one short line each, the same trouble at most once a minute. By default on stderr,
/// by a thread of its own, so that a stderr that nobody reads stops nothing.
#[derive(Clone)]
pub struct Notices {
    to: Arc<dyn Fn(&str) + Send + Sync>,
    lane: Arc<OnceLock<Option<Lane>>>,
    last: Arc<Mutex<HashMap<&'static str, Tick>>>,
    steady: Clock,
}

impl Notices {
    /// Hands each line to `to`, on the thread of the sink that has the trouble.
    #[must_use]
    pub fn new(to: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self {
            to: Arc::new(to),
            lane: Arc::default(),
            last: Arc::default(),
            steady: Clock::system(),
        }
    }

    /// Tells nobody.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(|_| ())
    }

    /// Lines on stderr; none is waited for.
    #[must_use]
    pub fn stderr() -> Self {
        let lane = Arc::<OnceLock<Option<Lane>>>::default();
        let writer = Arc::clone(&lane);
        let mut notices = Self::new(move |line| {
            // Without a thread there is no safe way to tell anything.
            if let Some(lane) = writer.get_or_init(stderr_lane) {
                lane.push(Priority::Error, format!("campanile: {line}\n").as_bytes());
            }
        });
        notices.lane = lane;
        notices
    }

    /// Tells one line. Control characters become blanks.
    pub fn tell(&self, line: &str) {
        (self.to)(&line.replace(|char: char| char.is_control(), " "));
    }

    /// Waits until stderr has taken what was told. `false` when `within` was too short.
    pub fn flush(&self, within: Duration) -> bool {
        match self.lane.get() {
            Some(Some(lane)) => lane.flush(within),
            _ => true,
        }
    }

    /// As `tell`, once a minute for each `who`.
    pub(crate) fn trouble(&self, who: &'static str, what: &str) {
        let now = self.steady.tick();
        {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.get(who).is_some_and(|at| now.since(*at) < BETWEEN) {
                return;
            }
            last.insert(who, now);
        }
        self.tell(&format!("{who}: {what}"));
    }
}

fn stderr_lane() -> Option<Lane> {
    Lane::start(
        "notices",
        64 << 10,
        Clock::system(),
        Notices::silent(),
        || Stderr,
    )
    .ok()
}

impl Default for Notices {
    fn default() -> Self {
        Self::stderr()
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notices")
    }
}

struct Stderr;

impl Writer<Lines> for Stderr {
    fn write(&mut self, lines: &mut Lines) -> io::Result<()> {
        // Once is enough: a line that stderr does not take has no other place to go.
        let _ = io::stderr().write_all(lines.rest());
        lines.advance(lines.bytes());
        Ok(())
    }

    fn tell(&self, loss: &LossEvent, lines: &mut Lines) {
        lines.push(format!("campanile: {} notices lost\n", loss.lost).as_bytes());
    }
}
