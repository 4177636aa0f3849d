//! One answer of the bot, which the caller may interrupt.

use super::ears::FRAME;
use super::latency::Stopwatch;
use super::mouth::Mouth;
use super::stages::{InTurn, Llm, Pieces, Question};
use super::world::{Counts, World};
use crate::canary;
use crate::journal::Outcome;
use crate::plan::{BargeIn, Trouble};
use bytes::Bytes;
use campanile::{Turn, Upload};
use campanile_examples::cartesia::Speak;
use campanile_examples::openai::{Ask, Line};
use campanile_testkit::sim;
use futures_util::future::join3;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::HeaderValue;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tower::ServiceExt as _;

const LLM_MODEL: &str = "gpt-4o-mini";
const TTS_MODEL: &str = "sonic-2";
const VOICE: &str = "a0e99841-438c-4a64-b679-ae501e7d6091";
const TTS_RATE: u32 = 24_000;
const FRAME_BYTES: usize = TTS_RATE as usize * 2 / 50;
/// What the bot says at most, in tokens.
const MOST_TOKENS: u32 = 120;

/// Everything that an answer needs.
pub(super) struct Answer<'a> {
    pub(super) world: &'a World,
    pub(super) id: &'a str,
    pub(super) number: u32,
    pub(super) turn: Option<&'a Turn>,
    pub(super) llm: &'a Llm,
    pub(super) mouth: &'a Mouth<'a>,
    pub(super) stopwatch: Option<Arc<Stopwatch>>,
    pub(super) barge_in: Option<BargeIn>,
    /// What an interruption is called.
    pub(super) reason: &'static str,
    pub(super) trouble: &'a Trouble,
    pub(super) progress: Progress,
}

/// How far the bot has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    thought: Mutex<String>,
    deltas: AtomicU64,
    frames: AtomicU64,
    moved: Notify,
    pub(super) interrupted: AtomicBool,
}

impl Answer<'_> {
    /// Thinks and speaks, until the end or until it is interrupted. Gives what was thought.
    pub(super) async fn run(&self, history: &[Line]) -> String {
        let (sentences, queue) = mpsc::channel(8);
        let (speech, sounds) = mpsc::channel(256);
        tokio::select! {
            biased;
            // Both replies are dropped after this: the reason must be known before.
            () = self.interrupted() => {}
            _ = join3(self.think(history, sentences), self.speak(queue, speech), self.play(sounds)) => {}
        }
        std::mem::take(
            &mut *self
                .progress
                .thought
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    fn question(&self, history: &[Line]) -> Question {
        let header = |text: &str| HeaderValue::from_str(text).expect("ids and faults are ASCII");
        let ask = Ask::new(LLM_MODEL, history, MOST_TOKENS)
            .header(sim::KEY, header(&format!("{}/{}", self.id, self.number)))
            .header(sim::FAULTS, header(&self.trouble.model));
        Question {
            ask,
            refused: self.trouble.refused,
            panics: self.trouble.panics.then(|| canary::said()[1].clone()),
        }
    }

    fn faults(&self) -> &str {
        match self.trouble {
            Trouble { refused: true, .. } => "refused",
            Trouble { panics: true, .. } => "panic",
            other => &other.model,
        }
    }

    /// Asks the model, and hands its answer on, sentence by sentence.
    async fn think(&self, history: &[Line], sentences: mpsc::Sender<String>) {
        let watched = self.turn.is_some();
        let what = self.question(history);
        let request = InTurn {
            turn: self.turn.cloned(),
            what,
        };
        let call = self
            .world
            .call(watched, self.id, self.number, "llm", self.faults());
        let asked = AssertUnwindSafe(self.llm.clone().oneshot(request))
            .catch_unwind()
            .await;
        let mut reply = match asked {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => {
                call.over(Outcome::Failed);
                return self.apologize(sentences).await;
            }
            Err(_) => {
                call.over(Outcome::Panicked);
                return self.apologize(sentences).await;
            }
        };
        let mut sentence = String::new();
        let mut outcome = Outcome::Completed;
        while let Some(piece) = reply.next().await {
            // A reply that breaks off ends like any other: what was said was said.
            let Ok(piece) = piece else {
                outcome = Outcome::Failed;
                break;
            };
            if let Some(stopwatch) = &self.stopwatch {
                stopwatch.heard();
            }
            let text = piece.text().unwrap_or_default();
            sentence.push_str(text);
            self.progress
                .thought
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_str(text);
            self.progress
                .deltas
                .fetch_add(piece.deltas().into(), Relaxed);
            self.progress.moved.notify_one();
            if text.ends_with(['.', '!', '?']) {
                let _ = sentences.send(std::mem::take(&mut sentence)).await;
            }
        }
        drop(reply);
        call.over(outcome);
        if !sentence.is_empty() {
            let _ = sentences.send(sentence).await;
        }
    }

    async fn apologize(&self, sentences: mpsc::Sender<String>) {
        let _ = sentences.send("Sorry, say that again?".to_owned()).await;
    }

    /// Has sentences spoken as they come.
    async fn speak(&self, mut sentences: mpsc::Receiver<String>, speech: mpsc::Sender<Bytes>) {
        // Nobody is asked to speak before there is something to say.
        let Some(first) = sentences.recv().await else {
            return;
        };
        let Some(tts) = self.mouth.open(self.trouble.closes_mouth).await else {
            return;
        };
        let id = format!("{}-{}", self.id, self.number);
        let (speak, writer) = Speak::new(id, TTS_MODEL, VOICE, TTS_RATE);
        let words = stream::unfold(
            (Some((writer, sentences)), Some(first)),
            |(state, first)| async move {
                let (mut writer, mut sentences) = state?;
                let next = match first {
                    Some(first) => Some(first),
                    None => sentences.recv().await,
                };
                Some(match next {
                    Some(sentence) => (writer.text(&sentence), (Some((writer, sentences)), None)),
                    None => (writer.end(), (None, None)),
                })
            },
        );
        let head = InTurn {
            turn: self.turn.cloned(),
            what: speak,
        };
        let upload = Upload::new(head, Pieces::new(words));
        let faults = self.mouth.faults();
        let call = self
            .world
            .call(self.turn.is_some(), self.id, self.number, "tts", &faults);
        let Ok(mut reply) = tts.oneshot(upload).await else {
            self.mouth.broken();
            return call.over(Outcome::Failed);
        };
        while let Some(piece) = reply.next().await {
            let Ok(piece) = piece else {
                self.mouth.broken();
                return call.over(Outcome::Failed);
            };
            self.mouth.heard();
            if !piece.what.is_empty() {
                let _ = speech.send(piece.what).await;
            }
        }
        call.over(Outcome::Completed);
    }

    /// Plays what comes, a frame each 20 ms.
    async fn play(&self, mut sounds: mpsc::Receiver<Bytes>) {
        let mut ticks = self.world.ticks();
        let (mut waiting, mut played) = (0, Duration::ZERO);
        while let Some(sound) = sounds.recv().await {
            // Here a telephone would play it.
            if let Some(turn) = self.turn {
                turn.bot_started();
            }
            waiting += sound.len();
            while waiting >= FRAME_BYTES {
                ticks.tick().await;
                waiting -= FRAME_BYTES;
                played += FRAME;
                if let Some(turn) = self.turn {
                    turn.played(played);
                }
                Counts::add(&self.world.counts.frames);
                self.progress.frames.fetch_add(1, Relaxed);
                self.progress.moved.notify_one();
            }
        }
        if let Some(turn) = self.turn {
            // The rest is no whole frame.
            turn.played(played + FRAME);
        }
    }

    /// Waits for the caller to interrupt, if this is such a caller.
    async fn interrupted(&self) {
        let Some(BargeIn { deltas, frames }) = self.barge_in else {
            return std::future::pending().await;
        };
        let progress = &self.progress;
        while progress.deltas.load(Relaxed) < deltas || progress.frames.load(Relaxed) < frames {
            progress.moved.notified().await;
        }
        progress.interrupted.store(true, Relaxed);
        if let Some(turn) = self.turn {
            turn.interrupt(self.reason);
        }
    }
}
