//! The line to the transcriber: a microphone that never stops, and a connection that is made anew when it breaks.

use super::gauge::Line;
use super::latency::{Stopwatch, Way};
use super::stages::{InTurn, Pieces, Stt, stt};
use super::world::World;
use crate::faults::Fault;
use crate::journal::Outcome;
use bytes::Bytes;
use campanile::{Session, Upload};
use campanile_examples::deepgram::{Deepgram, Listen, Microphone, Sound};
use campanile_testkit::sim::{self, Provider};
use futures_util::{Stream, StreamExt as _, stream};
use http::HeaderValue;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, Interval, sleep, timeout};
use tower::ServiceExt as _;

const MODEL: &str = "nova-3";
const SAMPLE_RATE: u32 = 16_000;
/// How much audio a microphone hands over at once.
pub(super) const FRAME: Duration = Duration::from_millis(20);
const FRAME_BYTES: usize = 640;
/// A transcriber hangs up on a line that is silent for ten seconds.
const KEEP_ALIVE_FRAMES: u32 = 200;
/// How long to wait for the end of a transcript.
const FINAL_WITHIN: Duration = Duration::from_secs(3);

/// One caller's line.
pub(super) struct Ears<'a> {
    world: &'a World,
    id: &'a str,
    session: Option<&'a Session>,
    sound: Arc<Sounding>,
    heard: Mutex<String>,
    finals: Notify,
    line: Mutex<Line>,
}

/// What the microphone is told.
#[derive(Debug, Default)]
struct Sounding {
    state: Mutex<Told>,
    moved: Notify,
}

#[derive(Debug, Default)]
struct Told {
    /// Frames of speech that are still to come.
    voice: u64,
    muted: bool,
    finalize: bool,
    closed: bool,
}

impl Sounding {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Ears<'a> {
    pub(super) fn new(world: &'a World, id: &'a str, session: Option<&'a Session>) -> Self {
        Self {
            world,
            id,
            session,
            sound: Arc::default(),
            heard: Mutex::default(),
            finals: Notify::new(),
            line: Mutex::default(),
        }
    }

    /// Listens, on one connection after another, until the microphone is closed.
    pub(super) async fn listen(&self) {
        while !self.connection().await {
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// One connection. Whether it ended in order.
    async fn connection(&self) -> bool {
        let line = Line::default();
        let again = self.world.fault() == Some(Fault::SttReconnect);
        // One trouble at a time: a line that the provider will close is not cut as well.
        let mine = if again { Line::default() } else { line.clone() };
        *self.line.lock().unwrap_or_else(PoisonError::into_inner) = mine;
        let faults = match again {
            true => sim::Fault::CloseSocket {
                after_frames: 150,
                code: 1011,
            }
            .to_string(),
            false => String::new(),
        };
        let watched = self.session.is_some();
        let stopwatch = self.world.stopwatch(Way::Transcript, watched);
        let Some(client) = self.client(&line, &faults, stopwatch.clone()) else {
            return true;
        };
        let call = self.world.call(watched, self.id, 0, "stt", &faults);
        let (listen, microphone) = Listen::linear16(MODEL, SAMPLE_RATE);
        let head = InTurn {
            // It stays open over all turns, and belongs to none of them.
            turn: self.session.map(Session::whole),
            what: listen,
        };
        let tape = Tape {
            sound: Arc::clone(&self.sound),
            microphone,
            stopwatch: stopwatch.clone(),
            ticks: self.world.ticks(),
            quiet: 0,
        };
        let Ok(mut transcript) = client
            .oneshot(Upload::new(head, Pieces::new(frames(tape))))
            .await
        else {
            call.over(Outcome::Failed);
            return false;
        };
        while let Some(piece) = transcript.next().await {
            let Ok(piece) = piece else {
                call.over(Outcome::Failed);
                return false;
            };
            if let Some(stopwatch) = &stopwatch {
                stopwatch.heard();
            }
            if let Some(text) = piece.text() {
                self.heard
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_str(text);
            }
            if piece.what.is_final && piece.what.from_finalize {
                self.finals.notify_one();
            }
        }
        call.over(Outcome::Completed);
        self.sound.told().closed
    }

    fn client(&self, line: &Line, faults: &str, stopwatch: Option<Arc<Stopwatch>>) -> Option<Stt> {
        let header = |text: &str| HeaderValue::from_str(text).ok();
        let client = Deepgram::new(&self.world.place.ws(Provider::Deepgram), "key-of-deepgram");
        let client = client
            .ok()?
            .dial(self.world.dial(Provider::Deepgram, line, stopwatch))
            .header(sim::KEY, header(&format!("{}/stt", self.id))?)
            // In each place: the how many-th connection this is does not matter.
            .header(sim::FAULTS, header(&vec![faults; 64].join(","))?);
        let monitor = self.session.map(|_| &self.world.monitor);
        Some(stt(monitor, client))
    }

    /// The caller speaks for that long; gives what was understood of it. `cut`: the line breaks in the middle.
    pub(super) async fn hear(&self, speech_ms: u64, cut: bool, stopped: impl FnOnce()) -> String {
        self.sound.told().voice = speech_ms / FRAME.as_millis() as u64;
        // Longer than it takes, if the line is there at all.
        let patience = Duration::from_millis(speech_ms + 8_000);
        let half = self.sound.told().voice / 2;
        let _ = timeout(patience, self.spoken(half)).await;
        if cut {
            self.line
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .cut();
        }
        let _ = timeout(patience, self.spoken(0)).await;
        self.sound.told().finalize = true;
        stopped();
        let _ = timeout(FINAL_WITHIN, self.finals.notified()).await;
        std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until no more than so many frames of speech are left.
    async fn spoken(&self, left: u64) {
        while self.sound.told().voice > left {
            self.sound.moved.notified().await;
        }
    }

    /// Switches the microphone off for a while.
    pub(super) async fn mute(&self, length: Duration) {
        self.sound.told().muted = true;
        sleep(length).await;
        self.sound.told().muted = false;
    }

    /// No more audio comes: `listen` ends when the rest is understood.
    pub(super) fn close(&self) {
        self.sound.told().closed = true;
    }
}

/// The microphone's pieces, in their own time.
fn frames(tape: Tape) -> impl Stream<Item = Sound> + Send {
    stream::unfold(tape, |mut tape| async move {
        let sound = tape.next().await?;
        Some((sound, tape))
    })
}

struct Tape {
    sound: Arc<Sounding>,
    microphone: Microphone,
    stopwatch: Option<Arc<Stopwatch>>,
    ticks: Interval,
    /// Frames for which nothing was sent.
    quiet: u32,
}

static VOICE: [u8; FRAME_BYTES] = voice();
static SILENCE: [u8; FRAME_BYTES] = [0; FRAME_BYTES];

/// Samples that change: what does not is no sound.
const fn voice() -> [u8; FRAME_BYTES] {
    let mut samples = [0x11; FRAME_BYTES];
    let mut at = 0;
    while at < FRAME_BYTES {
        samples[at] = (at / 4) as u8;
        at += 4;
    }
    samples
}

impl Tape {
    async fn next(&mut self) -> Option<Sound> {
        loop {
            let due = self.ticks.tick().await;
            let mut told = self.sound.told();
            if told.closed {
                return None;
            }
            if std::mem::take(&mut told.finalize) {
                return Some(self.microphone.finalize());
            }
            self.quiet += 1;
            if told.muted {
                if self.quiet < KEEP_ALIVE_FRAMES {
                    continue;
                }
                self.quiet = 0;
                return Some(self.microphone.keep_alive());
            }
            self.quiet = 0;
            let samples: &'static [u8] = match told.voice {
                0 => &SILENCE,
                _ => &VOICE,
            };
            told.voice = told.voice.saturating_sub(1);
            drop(told);
            self.sound.moved.notify_one();
            if let Some(stopwatch) = &self.stopwatch {
                stopwatch.taken(Instant::now().saturating_duration_since(due).as_nanos() as u64);
            }
            return Some(self.microphone.audio(Bytes::from_static(samples)));
        }
    }
}
