//! The line to the speaker: one socket for a session, made anew when it is gone.

use super::gauge::Line;
use super::latency::{Stopwatch, Way};
use super::stages::{Tts, tts};
use super::world::World;
use campanile_examples::cartesia::{Cartesia, Driver};
use campanile_testkit::sim::{self, Provider};
use http::{HeaderMap, HeaderValue};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Mouth<'a> {
    world: &'a World,
    id: &'a str,
    watched: bool,
    stopwatch: Option<Arc<Stopwatch>>,
    socket: Mutex<Option<Socket>>,
}

struct Socket {
    tts: Tts,
    driver: Driver,
    faults: String,
}

impl<'a> Mouth<'a> {
    pub(super) fn new(world: &'a World, id: &'a str, watched: bool) -> Self {
        Self {
            world,
            id,
            watched,
            stopwatch: world.stopwatch(Way::Speech, watched),
            socket: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Socket>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stage, connected. `closes`: anew, and the provider will close it after some messages.
    pub(super) async fn open(&self, closes: bool) -> Option<Tts> {
        if let Some(socket) = &*self.lock()
            && !closes
        {
            return Some(socket.tts.clone());
        }
        self.broken();
        let faults = match closes {
            true => sim::Fault::CloseSocket {
                after_frames: 2,
                code: 1011,
            }
            .to_string(),
            false => String::new(),
        };
        let (client, driver) = timeout(PATIENCE, self.dial(&faults)).await.ok()??;
        let tts = tts(self.watched.then_some(&self.world.monitor), client);
        *self.lock() = Some(Socket {
            tts: tts.clone(),
            driver,
            faults,
        });
        Some(tts)
    }

    async fn dial(&self, faults: &str) -> Option<(Cartesia, Driver)> {
        let header = |text: String| HeaderValue::from_str(&text).ok();
        let mut headers = HeaderMap::new();
        headers.insert(sim::KEY, header(format!("{}/tts", self.id))?);
        // In each place: the how many-th connection this is does not matter.
        headers.insert(sim::FAULTS, header(vec![faults; 64].join(","))?);
        let base = self.world.place.ws(Provider::Cartesia);
        let dial = self
            .world
            .dial(Provider::Cartesia, &Line::default(), self.stopwatch.clone());
        Cartesia::dial(&base, "key-of-cartesia", headers, &dial)
            .await
            .ok()
    }

    /// What the connection was asked to have go wrong.
    pub(super) fn faults(&self) -> String {
        self.lock()
            .as_ref()
            .map_or_else(String::new, |socket| socket.faults.clone())
    }

    /// A piece of speech has come.
    pub(super) fn heard(&self) {
        if let Some(stopwatch) = &self.stopwatch {
            stopwatch.heard();
        }
    }

    /// The socket is of no use any more.
    pub(super) fn broken(&self) {
        drop(self.lock().take());
    }

    /// Closes the socket, and waits for that.
    pub(super) async fn close(&self) {
        let socket = self.lock().take();
        if let Some(Socket { tts, driver, .. }) = socket {
            drop(tts);
            let _ = timeout(PATIENCE, driver.closed()).await;
        }
    }
}
