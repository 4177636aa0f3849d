//! What can be said about a provider before it starts.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper::Response;

use super::bill::{Open, Provider, Tab, Why};
use super::desk::{Desk, Ticket};
use super::fault::Fault;
use super::pace::Pace;
use super::server::{Body, Front, Server, Visit};
use super::wire::Valve;

/// A provider that has not started: [`OpenAi`](super::OpenAi), [`Deepgram`](super::Deepgram) or
/// [`Cartesia`](super::Cartesia).
///
/// All that is random about it follows from the seed, the number of the request (see [`KEY`](super::KEY)), and what
/// the client sends.
#[must_use]
pub struct Simulation<V> {
    desk: Desk,
    pub(crate) voice: V,
}

/// One provider's ways.
pub trait Voice: Default + Send + Sync + 'static {
    const PROVIDER: Provider;
    /// What comes before the endpoint in a client's base URL.
    const PATH: &'static str;

    /// The pace of the real one, about.
    fn pace() -> Pace;

    /// The answer that says no.
    fn refusal(&self, ticket: &Ticket, refusal: Refusal) -> Response<Body>;

    /// The answer to one request.
    fn answer(self: Arc<Self>, desk: Arc<Desk>, visit: Visit)
    -> BoxFuture<'static, Response<Body>>;
}

/// Why a script has a request refused.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    TooMany(Duration),
    Broken,
}

impl Refusal {
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::TooMany(_) => 429,
            Self::Broken => 500,
        }
    }

    /// `retry-after` in whole seconds, never too early, and the finer header beside it.
    pub(crate) fn headers(self) -> Vec<(&'static str, String)> {
        match self {
            Self::TooMany(wait) => {
                let millis = wait.as_micros().div_ceil(1_000);
                vec![
                    ("retry-after", millis.div_ceil(1_000).to_string()),
                    ("retry-after-ms", millis.to_string()),
                ]
            }
            Self::Broken => Vec::new(),
        }
    }
}

impl<V: Voice> Simulation<V> {
    /// One with this seed: no faults, as fast as the connection goes, a bill of its own.
    pub fn new(seed: u64) -> Self {
        Self {
            desk: Desk::new(V::PROVIDER, seed),
            voice: V::default(),
        }
    }

    /// Gives trouble to the request with this index, counted from 0 in the order of arrival, refused ones included.
    /// For text to speech over a WebSocket, the request is the connection.
    pub fn fault(mut self, index: u64, fault: Fault) -> Self {
        self.desk.script.at(index, fault);
        self
    }

    /// Gives trouble to that many of a thousand requests; the seed says which. Several shares add up.
    pub fn fault_share(mut self, per_mille: u32, fault: Fault) -> Self {
        self.desk.script.share(per_mille, fault);
        self
    }

    /// Sets how long items take; [`Pace::by_item`], no time at all, unless set.
    pub fn pace(mut self, pace: Pace) -> Self {
        self.desk.pace = pace;
        self
    }

    /// Sets a pace like that of the real provider.
    pub fn realtime(self) -> Self {
        self.pace(V::pace())
    }

    /// Writes into this bill; into one of its own unless set.
    pub fn tab(mut self, tab: &Tab) -> Self {
        self.desk.tab = tab.clone();
        self
    }

    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// When the system has no port to give.
    pub async fn start(self) -> io::Result<Server> {
        let (front, tab) = self.front();
        Server::listen(front, tab, V::PATH).await
    }

    /// Starts without a port: connections come from [`Server::connect`] or [`Server::serve_connection`].
    pub fn in_memory(self) -> Server {
        let (front, tab) = self.front();
        Server::in_memory(front, tab, V::PATH)
    }

    fn front(self) -> (Arc<dyn Front>, Tab) {
        let tab = self.desk.tab.clone();
        let front = Started {
            desk: Arc::new(self.desk),
            voice: Arc::new(self.voice),
        };
        (Arc::new(front), tab)
    }
}

impl<V: Voice> fmt::Debug for Simulation<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Scripted texts stay out: they may be somebody's words.
        f.debug_struct("Simulation")
            .field("provider", &V::PROVIDER)
            .field("seed", &self.desk.seed)
            .finish_non_exhaustive()
    }
}

struct Started<V> {
    desk: Arc<Desk>,
    voice: Arc<V>,
}

impl<V: Voice> Front for Started<V> {
    fn answer(self: Arc<Self>, visit: Visit) -> BoxFuture<'static, Response<Body>> {
        Arc::clone(&self.voice).answer(Arc::clone(&self.desk), visit)
    }
}

/// Runs the faults that meet a request at the door. Gives the answer, if the fault is one.
pub(crate) async fn door<V: Voice>(
    voice: &V,
    ticket: &Ticket,
    open: &mut Open,
    valve: &Valve,
) -> Option<Response<Body>> {
    let refusal = match ticket.fault? {
        Fault::Refuse => {
            open.expect(Why::Failed);
            valve.cut().await
        }
        Fault::BlackHole => {
            open.expect(Why::Failed);
            std::future::pending().await
        }
        Fault::CutAtByte { bytes } => {
            valve.cut_at(bytes);
            return None;
        }
        Fault::TooManyRequests { retry_after } => Refusal::TooMany(retry_after),
        Fault::ServerError => Refusal::Broken,
        _ => return None,
    };
    Some(refuse(open, voice.refusal(ticket, refusal)))
}

/// Closes the line of a request that gets this answer and nothing more.
pub(crate) fn refuse(open: &mut Open, response: Response<Body>) -> Response<Body> {
    open.line(|line| line.status = Some(response.status().as_u16()));
    open.close(Why::Failed);
    response
}
