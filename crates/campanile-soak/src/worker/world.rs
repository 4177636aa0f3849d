//! What all phone calls of a worker share.

use super::gauge::{Gauge, Line};
use super::latency::{Measured, Stopwatch, Way};
use crate::clock::WorkClock;
use crate::faults::Fault;
use crate::journal::{Entry, Journal, Outcome};
use crate::plan::Schedule;
use crate::worker::Job;
use campanile::{Monitor, TimeSource as _};
use campanile_examples::{Dial, Wire};
use campanile_testkit::sim::{Provider, Providers};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, Interval, interval_at};
use tower::limit::GlobalConcurrencyLimitLayer;

/// See the [module docs](self).
pub(super) struct World {
    pub(super) job: Job,
    pub(super) schedule: Schedule,
    pub(super) clock: WorkClock,
    pub(super) monitor: Monitor,
    pub(super) journal: Journal,
    pub(super) place: Place,
    /// Questions to the model at once: some have to wait.
    pub(super) limit: GlobalConcurrencyLimitLayer,
    pub(super) started: Instant,
    pub(super) measured: Option<Arc<Measured>>,
    pub(super) counts: Counts,
    /// No more turns are begun.
    pub(super) ending: Arc<AtomicBool>,
}

/// What has happened so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) sessions: AtomicU64,
    pub(super) turns: AtomicU64,
    pub(super) calls: AtomicU64,
    pub(super) frames: AtomicU64,
}

impl Counts {
    pub(super) fn add(count: &AtomicU64) -> u64 {
        count.fetch_add(1, Relaxed)
    }
}

/// Where the providers are.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In this process, on its clock.
    Memory(Arc<Providers>),
    /// Behind sockets: model, transcriber, speaker.
    Sockets([SocketAddr; 3]),
}

impl Place {
    fn authority(&self, provider: Provider) -> String {
        match self {
            Self::Memory(_) => "sim".to_owned(),
            Self::Sockets(addresses) => addresses[place(provider)].to_string(),
        }
    }

    /// What a client of HTTP takes for a base URL.
    pub(super) fn http(&self, provider: Provider) -> String {
        format!("http://{}/v1", self.authority(provider))
    }

    /// The same for WebSockets.
    pub(super) fn ws(&self, provider: Provider) -> String {
        format!("ws://{}", self.authority(provider))
    }
}

fn place(provider: Provider) -> usize {
    match provider {
        Provider::OpenAi => 0,
        Provider::Deepgram => 1,
        _ => 2,
    }
}

impl World {
    /// Milliseconds since the soak began, in the calls' own time.
    pub(super) fn now_ms(&self) -> u64 {
        self.job.from_ms + self.started.elapsed().as_millis() as u64
    }

    /// Ticks of 20 ms. On a scaled clock all callers' frames come at the same moments: waking up for each of them alone would
    /// be most of the work.
    pub(super) fn ticks(&self) -> Interval {
        let frame = super::ears::FRAME;
        let now = Instant::now();
        if self.measured.is_some() {
            return interval_at(now, frame);
        }
        let past = now.duration_since(self.started).as_nanos() % frame.as_nanos();
        let next = Duration::from_nanos((frame.as_nanos() - past) as u64 % frame.as_nanos() as u64);
        interval_at(now + next, frame)
    }

    /// What is going wrong now.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.schedule.at(self.now_ms())
    }

    pub(super) fn is_over(&self) -> bool {
        self.ending.load(Relaxed) || self.now_ms() >= self.job.options.length_ms()
    }

    /// The way to a provider, along `line`.
    pub(super) fn dial(
        &self,
        provider: Provider,
        line: &Line,
        stopwatch: Option<Arc<Stopwatch>>,
    ) -> Dial {
        let (place, line) = (self.place.clone(), line.clone());
        Dial::new(move |_| {
            let (place, line, stopwatch) = (place.clone(), line.clone(), stopwatch.clone());
            Box::pin(async move {
                match place {
                    Place::Memory(providers) => {
                        let server = match provider {
                            Provider::OpenAi => &providers.openai,
                            Provider::Deepgram => &providers.deepgram,
                            _ => &providers.cartesia,
                        };
                        let inner = server.connect();
                        Ok(Wire::new(Gauge {
                            inner,
                            line,
                            stopwatch,
                        }))
                    }
                    Place::Sockets(addresses) => {
                        let inner = TcpStream::connect(addresses[self::place(provider)]).await?;
                        inner.set_nodelay(true)?;
                        Ok(Wire::new(Gauge {
                            inner,
                            line,
                            stopwatch,
                        }))
                    }
                }
            })
        })
    }

    /// A way that leads nowhere: a port where nobody listens, or the like in memory.
    pub(super) fn dead_end(&self) -> Dial {
        let is_memory = matches!(self.place, Place::Memory(_));
        Dial::new(move |_| {
            Box::pin(async move {
                if is_memory {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
                Ok(Wire::new(TcpStream::connect(port).await?))
            })
        })
    }

    pub(super) fn stopwatch(&self, way: Way, watched: bool) -> Option<Arc<Stopwatch>> {
        let measured = self.measured.as_ref()?;
        Some(Stopwatch::new(measured, way, watched))
    }

    /// Notes that a stage is called; nothing of calls that nobody watches.
    pub(super) fn call(
        &self,
        watched: bool,
        session: &str,
        turn: u32,
        stage: &str,
        faults: &str,
    ) -> OpenCall<'_> {
        let n = watched.then(|| Counts::add(&self.counts.calls));
        if let Some(n) = n {
            self.journal.write(&Entry::Call {
                n,
                session: session.to_owned(),
                turn,
                stage: stage.to_owned(),
                at_ms: self.now_ms(),
                wall: self.clock.now(),
                faults: faults.to_owned(),
            });
        }
        OpenCall { world: self, n }
    }
}

/// A call whose end is to be noted. Dropped, it was given up.
pub(super) struct OpenCall<'a> {
    world: &'a World,
    n: Option<u64>,
}

impl OpenCall<'_> {
    pub(super) fn over(mut self, outcome: Outcome) {
        self.note(outcome);
    }

    fn note(&mut self, outcome: Outcome) {
        if let Some(n) = self.n.take() {
            let at_ms = self.world.now_ms();
            self.world.journal.write(&Entry::Over { n, at_ms, outcome });
        }
    }
}

impl Drop for OpenCall<'_> {
    fn drop(&mut self) {
        self.note(Outcome::Cancelled);
    }
}
